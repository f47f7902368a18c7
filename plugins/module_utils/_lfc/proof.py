# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the service of the clean-up as systemd runs it, and the run that proves it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, List, Optional, Tuple

from .._errors import KeaError
from .._server import lfc_lock

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

BUSY = 75
"""Exit code of the program when somebody else is at work, which is no failure."""
_BETWEEN_RUNS = 5.0
_JOURNAL_LINES = 20


class TimerError(KeaError):
    """The timer is not what was asked for; says why, and what became of it."""

    def __init__(self, message: str, journal: Optional[List[str]] = None) -> None:
        super().__init__(message)
        self.journal = journal or []


class Service:
    """The unit of that name."""

    def __init__(self, module: AnsibleModule, name: str) -> None:
        self._module = module
        self._name = name

    def systemctl(self, *words: str) -> Tuple[int, str, str]:
        """Its exit code, output and errors."""
        done: Tuple[int, str, str] = self._module.run_command(["systemctl", *words])
        return done

    def prove(self) -> None:
        """One run; it waits while others are at work. Raises TimerError, with the last lines of its journal."""
        deadline = time.monotonic() + lfc_lock.TIMEOUT
        started, status, refused = self._run_once()
        while status == str(BUSY) and time.monotonic() < deadline:
            time.sleep(_BETWEEN_RUNS)
            started, status, refused = self._run_once()
        # A unit that systemd refuses to load has never ended with anything but 0.
        if started == 0 and status == "0":
            return
        journal = self._journal()
        reasons = [line for line in reversed(journal) if line.startswith("failed by ")]
        said = reasons[0] if reasons else f"it ended with {status}. {refused.strip()}"
        raise TimerError(f"the first clean-up did not succeed: {said}", journal)

    def _run_once(self) -> Tuple[int, str, str]:
        """The exit code of systemctl, that of the program, and what systemctl said."""
        self.systemctl("reset-failed", "--quiet", self._name)
        started, _out, refused = self.systemctl("start", self._name)
        _code, status, _err = self.systemctl("show", "--property=ExecMainStatus", "--value", self._name)
        return started, status.strip(), refused

    def _journal(self) -> List[str]:
        """Of its last run."""
        _code, run, _err = self.systemctl("show", "--property=InvocationID", "--value", self._name)
        command = ["journalctl", f"_SYSTEMD_INVOCATION_ID={run.strip()}", "--lines", str(_JOURNAL_LINES)]
        lines: List[str] = self._module.run_command([*command, "--no-pager", "--output", "cat"])[1].splitlines()
        return lines
