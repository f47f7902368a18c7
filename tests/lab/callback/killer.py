# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Callback that kills Ansible after the first task that changed something, as a lost controller would.

It prints which task that was. It skips the tasks whose paths are in KILLER_PASSED, one in a line.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: killer
type: aggregate
short_description: Kills Ansible after the first change
description: For tests only.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "killer"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        where = result.task.get_path()
        if result.is_changed() and where not in os.environ.get("KILLER_PASSED", "").splitlines():
            os.write(2, f"killed after {where} {result.task.get_name()}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)
