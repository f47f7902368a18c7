# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea as this program meets it: its control socket, its test of a configuration, and kea-lfc."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import Any, List, Mapping, NamedTuple

from kea_lfc_cleanup import processes
from kea_lfc_cleanup.errors import CleanupError
from kea_lfc_cleanup.files import LeaseFiles

_ANSWER = 600.0
"""Seconds that Kea may take to load all leases."""

_ERROR = re.compile(r" (?:ERROR|FATAL) +\[[^\]]*\] \S+ :? ?(.*)")
_INCLUDED = re.compile(rb'<\?include\s+"([^"]+)"\s*\?>')
_DISCARDED = re.compile(r"LFC_READ_STATS .*errors: (\d+)")
# A clean-up or a test needs no lock file for its log, and a confined service has no directory for one.
_ENVIRONMENT = {"KEA_LOCKFILE_DIR": "none"}


@dataclass(frozen=True)
class Answer:
    """Of Kea to a command: 0 success, 1 error, 2 unsupported, 3 nothing (kea-facts 6)."""

    result: int
    text: str
    arguments: Mapping[str, Any]


class Lfc(NamedTuple):
    """What a kea-lfc said; its exit code says nothing (kea-facts 3.2)."""

    killed_by: int
    """Number of the signal, or 0."""
    errors: List[str]
    discarded: int
    """Rows that it could not read and left out; Kea leaves out the same ones when it loads the file."""


@dataclass(frozen=True)
class Kea:
    """One server."""

    family: int
    program: str
    """Path of kea-dhcp4 or kea-dhcp6."""
    config: str
    control_socket: str
    lfc: str
    """Path of kea-lfc."""

    def ask(self, command: str) -> Answer:
        """Raises CleanupError when there is no answer."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
                channel.settimeout(_ANSWER)
                channel.connect(self.control_socket)
                channel.sendall(json.dumps({"command": command}).encode())
                parts = list(iter(lambda: channel.recv(65536), b""))
            answer = json.loads(b"".join(parts))
            answer = answer[0] if isinstance(answer, list) else answer
            return Answer(int(answer["result"]), str(answer.get("text", "")), answer.get("arguments") or {})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CleanupError(
                f"Kea does not answer {command} on {self.control_socket} ({error}): look whether it runs, and start it"
            ) from error

    def test(self) -> None:
        """A reload reads the configuration on the disk.

        Raises CleanupError unless Kea, as this user, accepts it; when Kea is not well; and when somebody has changed
        the file, or one that it includes, since Kea read it, because nobody asked for that to be in force yet.
        """
        command = [self.program, "-t", self.config]
        try:
            done = _run(command, _ANSWER)
        except subprocess.TimeoutExpired as error:
            raise CleanupError(
                f"{' '.join(command)} did not end within {_ANSWER:.0f} s: look why, nothing was done"
            ) from error
        if done.returncode:
            raise CleanupError(
                f"Kea would refuse to reload ({_last_line(done.stdout)}): mend {self.config}, nothing was done"
            )
        status = self.ask("status-get")
        if status.result or "reload" not in status.arguments:
            raise CleanupError("Kea answers that it is not well: look into its journal, nothing was done")
        # Between two times of whole seconds (seen in 2.2), so that the commit may have been up to a second later.
        read = time.time() - float(status.arguments["reload"]) + 1
        for path in _with_included(self.config):
            if os.stat(path).st_mtime > read:
                raise CleanupError(
                    f"{path} was changed after Kea read it, and a reload would bring that into force: reload Kea "
                    "yourself or put the file back, nothing was done"
                )

    def clean(self, files: LeaseFiles, lock: int) -> Lfc:
        """Run kea-lfc on what is there.

        It inherits the lock, so that nobody reloads Kea while it runs, even if this program is killed. Raises
        CleanupError if it does not end.
        """
        command = [self.lfc, f"-{self.family}", "-d", "-p", files.pid, "-x", files.previous, "-i", files.rotated]
        command += ["-o", files.output, "-f", files.completed, "-c", "ignored"]
        try:
            done = _run(command, processes.DEADLINE, lock)
        except subprocess.TimeoutExpired as error:
            raise CleanupError(
                f"kea-lfc did not end within {error.timeout:.0f} s and was killed: look whether the disk of "
                f"{files.current} answers, then run this again (no row of a lease is lost)"
            ) from error
        said = done.stdout.decode("utf-8", "replace")
        discarded = sum(int(number) for number in _DISCARDED.findall(said))
        return Lfc(max(0, -done.returncode), _ERROR.findall(said), discarded)


def _with_included(config: str) -> List[str]:
    """The file and those that it includes, and they in their turn, as far as they are there."""
    paths = [config]
    for path in paths:
        with open(path, "rb") as file:
            named = [os.fsdecode(name) for name in _INCLUDED.findall(file.read())]
        paths += [name for name in named if name not in paths and os.path.exists(name)]
    return paths


def _run(command: List[str], seconds: float, *inherited: int) -> subprocess.CompletedProcess[bytes]:
    """With its output and errors together. Raises subprocess.TimeoutExpired, and has killed it then."""
    return subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env={**os.environ, **_ENVIRONMENT},
        pass_fds=inherited,
        timeout=seconds,
    )


def _last_line(output: bytes) -> str:
    return (output.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
