# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the monitor's runtime, which is put on the path here, before any test imports it."""

from __future__ import annotations

import sys
from pathlib import Path

RUNTIME = Path(__file__).resolve().parents[3] / "roles" / "kea_lease_monitor" / "files"
sys.path.insert(0, str(RUNTIME))
