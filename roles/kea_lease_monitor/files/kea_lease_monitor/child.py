# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that runs beside the loop: never a shell, nothing that could block us, and an end in any case."""

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
"""Not ours: there are the credentials' directory and systemd's sockets."""

_GRACE = 300
"""Milliseconds between asking a command to end and ending it, well below the two seconds of a clean stop."""

_SAID = 400
"""Bytes of the end of what it wrote to standard error."""


class Child:
    """Input and complaints are files without a name, so that neither side ever waits for the other to read."""

    def __init__(self, command: Sequence[str], given: bytes) -> None:
        """Raises TemporaryError when it cannot be started."""
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
        """Readable once it has ended."""
        return self._descriptor

    def status(self) -> Optional[int]:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._end() if self._over(0) else None

    def _over(self, milliseconds: int) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _end(self) -> int:
        """Before it is reaped, so that the number of the group is still its own; its descendants end with it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def said(self) -> str:
        """The last line of its standard error."""
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - _SAID))
        lines = self._said.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def close(self) -> None:
        """End it if it still runs, gently first."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            self._over(_GRACE)
            self._end()
        os.close(self._descriptor)
        self._said.close()
