# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the files of the LFC program on the controller, as it is done for the monitor."""

from __future__ import annotations

from ansible_collections.baremetal.kea.plugins.action import kea_lease_monitor


class ActionModule(kea_lease_monitor.ActionModule):
    """Replaces the option ``src``, a directory of the controller, by its packed content."""
