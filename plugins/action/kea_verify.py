# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the report of a host as a table: Ansible's callbacks would change the lines of a result."""

from __future__ import annotations

from typing import Any, Dict, Optional

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

COLOURS = {"ok": "green", "warn": "yellow", "wrong": "red"}


class ActionModule(ActionBase):
    """Runs the module and prints its report at once, so that the reports of several hosts do not mix."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Run the module and show its report."""
        result: Dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if "report" in result and task_vars:
            lines = [f"{task_vars['inventory_hostname']}: {result['report'][0]}", *result["report"][1:]]
            Display().display("\n  ".join(lines) + "\n", color=COLOURS[result["verdict"]])
        return result
