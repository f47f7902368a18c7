# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow Kea's leases, and turn each into a static reservation and a discovery file. Imports nothing of Ansible."""

from __future__ import annotations

__version__ = "1.2.0"
