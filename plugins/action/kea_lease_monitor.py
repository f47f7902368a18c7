# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the monitor's files on the controller, so that the module compares and installs them in one round trip."""

from __future__ import annotations

import os
from typing import Any, Dict, Optional

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.baremetal.kea.plugins.module_utils._host import release

SHARED = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "module_utils", release.SHARED)
"""Directory of the package that the modules and the packed programs share."""


class ActionModule(ActionBase):
    """Replaces the option ``src``, a directory of the controller, by its packed content."""

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """Run the module with the option ``content``. Raises AnsibleActionFail if ``src`` is no directory."""
        result: Dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if arguments.get("state", "present") in ("present", "staged"):
            source = arguments.get("src") or ""
            if not os.path.isdir(source):
                raise AnsibleActionFail(f"src: {source!r} is no directory of the controller")
            arguments["content"] = release.pack(source, SHARED)
        result.update(self._execute_module(module_args=arguments, task_vars=task_vars))
        return result
