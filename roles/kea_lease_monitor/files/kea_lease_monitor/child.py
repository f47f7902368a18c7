# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that never block the loop and always end, with all that they started. No shell is involved."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Optional, Sequence

from kea_lease_monitor import cgroup
from kea_lease_monitor.errors import TemporaryError

_HOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "holder.py")

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""The monitor's own environment is withheld: it names the credentials' directory and systemd's sockets."""

_STOPPED_WITHIN = 1500
"""Milliseconds that the holder has to end the command; its own limits are shorter. A clean stop takes two seconds."""


class Child:
    """A running command, below a holder (holder.py). Its input and the report are unnamed files, so no side waits.

    Where the monitor may create one, both are in a control group of their own. So nothing is left either of a command
    that ends its holder.
    """

    def __init__(self, command: Sequence[str], given: bytes) -> None:
        """Start the command with ``given`` as its input. Raises TemporaryError."""
        self._command = command
        self._report = tempfile.TemporaryFile()
        self._said = ""
        self._group = cgroup.create()
        try:
            with tempfile.TemporaryFile() as source:
                source.write(given)
                source.seek(0)
                self._process = subprocess.Popen(
                    # Isolated and without site-packages: that takes a third of the time, and imports nothing foreign.
                    [sys.executable, "-I", "-S", _HOLDER, self._group.path if self._group else "", *command],
                    stdin=source,
                    stdout=self._report,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env=_ENVIRONMENT,
                    start_new_session=True,
                )
            self._descriptor = os.pidfd_open(self._process.pid)
        except OSError as error:
            self._report.close()
            self._end_group()
            raise TemporaryError(f"{command[0]} cannot be run: {error.strerror}") from error

    def fileno(self) -> int:
        """Return a descriptor that is readable once the command has ended."""
        return self._descriptor

    def status(self) -> Optional[int]:
        """Return the exit code, or minus the signal that ended it; None while it runs. Raises TemporaryError."""
        if not self._over(0):
            return None
        status = self._process.wait()
        self._end_group()
        self._report.seek(0)
        outcome, _newline, said = self._report.read().decode("utf-8", "replace").partition("\n")
        kind, _space, detail = outcome.partition(" ")
        lines = said.strip().splitlines()
        self._said = lines[-1] if lines else "it said nothing"
        if kind == "failed":
            raise TemporaryError(f"{self._command[0]} cannot be run: {detail}")
        if kind not in ("exit", "signal"):
            return status or -signal.SIGKILL  # the holder was ended before it could report
        return int(detail) if kind == "exit" else -int(detail)

    def said(self) -> str:
        """Return the last line of its standard error, once it has ended."""
        return self._said

    def close(self) -> None:
        """End the command if it still runs, and all that it started: SIGTERM, then SIGKILL."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            if not self._over(_STOPPED_WITHIN):
                self._process.kill()
            self._process.wait()
        self._end_group()
        os.close(self._descriptor)
        self._report.close()

    def _end_group(self) -> None:
        if self._group:
            self._group.end()
        self._group = None

    def _over(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds))
