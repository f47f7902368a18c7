# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the systemd service of the LFC program, and the run that proves that it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, List, Tuple

from .._errors import KeaError
from .._server.lfc import TIMEOUT

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

BUSY = 75
"""Exit code of the program when another process works on the lease file; this is no failure."""
_BETWEEN_RUNS = 5.0
_JOURNAL_LINES = 20


class Service:
    """The service with this name."""

    def __init__(self, module: AnsibleModule, name: str) -> None:
        self._module = module
        self._name = name

    def systemctl(self, *words: str) -> Tuple[int, str, str]:
        """Run systemctl; return its exit code, output and errors."""
        done: Tuple[int, str, str] = self._module.run_command(["systemctl", *words])
        return done

    def prove(self) -> None:
        """Run it once, and retry while another process works on the lease file.

        Raises KeaError, with the last lines of its journal as ``journal``.
        """
        deadline = time.monotonic() + TIMEOUT
        started, status, refused = self._run_once()
        while status == str(BUSY) and time.monotonic() < deadline:
            time.sleep(_BETWEEN_RUNS)
            started, status, refused = self._run_once()
        # A unit that systemd refuses to load has the status 0, too.
        if started == 0 and status == "0":
            return
        journal = self._journal()
        reasons = [line for line in reversed(journal) if line.startswith("failed by ")]
        said = reasons[0] if reasons else f"it ended with exit code {status}. {refused.strip()}"
        raise KeaError(f"the first LFC run did not succeed: {said}", journal=journal)

    def _run_once(self) -> Tuple[int, str, str]:
        """Return the exit codes of systemctl and of the program, and the errors of systemctl."""
        self.systemctl("reset-failed", "--quiet", self._name)
        started, _out, refused = self.systemctl("start", self._name)
        _code, status, _err = self.systemctl("show", "--property=ExecMainStatus", "--value", self._name)
        return started, status.strip(), refused

    def _journal(self) -> List[str]:
        """Return the last lines of the journal of its last run."""
        _code, run, _err = self.systemctl("show", "--property=InvocationID", "--value", self._name)
        command = ["journalctl", f"_SYSTEMD_INVOCATION_ID={run.strip()}", "--lines", str(_JOURNAL_LINES)]
        lines: List[str] = self._module.run_command([*command, "--no-pager", "--output", "cat"])[1].splitlines()
        return lines
