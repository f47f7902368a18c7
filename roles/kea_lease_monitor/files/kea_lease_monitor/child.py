# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that never block the loop and always end. No shell is involved."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import Optional, Sequence

from kea_lease_monitor.errors import TemporaryError

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""The monitor's own environment is withheld: it names the credentials' directory and systemd's sockets."""

_GRACE = 300
"""Milliseconds between SIGTERM and SIGKILL, well below the two seconds of a clean stop."""

_TAIL = 400
"""Bytes read from the end of its standard error."""


class Child:
    """A running command. Its input and standard error are unnamed files, so neither side waits for the other."""

    def __init__(self, command: Sequence[str], given: bytes) -> None:
        """Start the command with ``given`` as its input. Raises TemporaryError."""
        self._said = tempfile.TemporaryFile()
        try:
            with tempfile.TemporaryFile() as source:
                source.write(given)
                source.seek(0)
                self._process = subprocess.Popen(
                    command,
                    stdin=source,
                    stdout=subprocess.DEVNULL,
                    stderr=self._said,
                    cwd="/",
                    env=_ENVIRONMENT,
                    start_new_session=True,
                )
            self._descriptor = os.pidfd_open(self._process.pid)
        except OSError as error:
            self._said.close()
            raise TemporaryError(f"{command[0]} cannot be run: {error.strerror}") from error

    def fileno(self) -> int:
        """Return a descriptor that is readable once the command has ended."""
        return self._descriptor

    def status(self) -> Optional[int]:
        """Return the exit code, or minus the signal that ended it; None while it runs."""
        return self._end() if self._over(0) else None

    def _over(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _end(self) -> int:
        """Kill its process group, then reap it. In this order the group number still belongs to the command."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def said(self) -> str:
        """Return the last line of its standard error."""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _TAIL))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def close(self) -> None:
        """End the command if it still runs: SIGTERM, then SIGKILL."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._over(_GRACE)
            self._end()
        os.close(self._descriptor)
        self._said.close()
