# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of ``python3 -m kea_lfc_cleanup``."""

from __future__ import annotations

import sys

from kea_lfc_cleanup.cli import main

sys.exit(main(sys.argv[1:]))
