# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the report of a host as the table that it is: no callback of Ansible leaves the lines of a result alone."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

COLOURS = {"ok": "green", "warn": "yellow", "wrong": "red"}


class ActionModule(ActionBase):
    """Runs the module and prints its report in one piece, so that those of several hosts do not mix."""

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        result.update(self._execute_module(task_vars=task_vars))
        if "report" in result:
            lines = [f"{task_vars['inventory_hostname']}: {result['report'][0]}", *result["report"][1:]]
            Display().display("\n  ".join(lines) + "\n", color=COLOURS[result["verdict"]])
        return result
