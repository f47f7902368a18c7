# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kea DHCP server on this machine, with its files in one directory."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Iterator

from support import control
from support.programs import need
from support.wait import until

DIRECTORIES = ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_CONTROL_SOCKET_DIR")
"""Environment variables by which Kea accepts files outside the directories that it was compiled for."""


class KeaServer:
    """Kea's DHCPv4 or DHCPv6 server. It does not use the ports of DHCP, where another server may listen."""

    def __init__(
        self,
        directory: Path,
        family: int = 4,
        config: Path | None = None,
        socket: Path | None = None,
        program: str = "",
    ) -> None:
        """``program`` is this machine's unless another is named."""
        self.directory = directory
        self.program = program
        self.family = family
        self.config = config or directory / "kea.conf"
        self.socket = socket or directory / "socket"
        self.log = directory / "kea-server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, settings: dict[str, Any]) -> None:
        """Write the configuration: these settings and the control socket."""
        # Kea 3.0 refuses a control socket in a directory that others can read.
        self.directory.chmod(0o750)
        own = {"control-socket": {"socket-type": "unix", "socket-name": str(self.socket)}}
        self.config.write_text(json.dumps({f"Dhcp{self.family}": {**own, **settings}}))

    def environment(self) -> dict[str, str]:
        return {**os.environ, **dict.fromkeys(DIRECTORIES, str(self.directory))}

    def launch(self, *options: str, **environment: str) -> None:
        """Start the process, without waiting for Kea to answer."""
        command = [self.program or need(f"kea-dhcp{self.family}"), "-c", str(self.config), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**self.environment(), **environment}, stdout=log, stderr=subprocess.STDOUT
            )

    def start(self) -> None:
        """Start it and wait until it answers. Raise AssertionError with its log if it exits."""
        self.launch("-p", str(10063 + self.family))
        until(self._answers_or_exits, lambda: f"Kea's answer: {self.log.read_text()}", 20)

    def _answers_or_exits(self) -> bool:
        assert self.runs(), self.log.read_text()
        return self.answers()

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def answers(self) -> bool:
        """Whether Kea answers on its control socket."""
        try:
            return bool(self.ask("status-get")["result"] == 0)
        except OSError:
            return False

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Return Kea's answer to a command. Raise OSError."""
        return control.ask(str(self.socket), command, arguments)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()


@contextlib.contextmanager
def serving(server: KeaServer) -> Iterator[KeaServer]:
    """Start a server, and stop it afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
