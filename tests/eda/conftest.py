# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of the unit tests of the monitor."""

from __future__ import annotations

from runtime.conftest import cluster, kea, waiting

__all__ = ["cluster", "kea", "waiting"]
