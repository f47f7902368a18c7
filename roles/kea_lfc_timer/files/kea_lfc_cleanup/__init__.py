# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cleans Kea's lease file up by kea-lfc, and tells the truth about it: docs/lfc.md."""

from __future__ import annotations

__version__ = "1.1.0"
