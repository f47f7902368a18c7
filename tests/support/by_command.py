# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kea that takes reservations by command, with the applier: the one of the newest host image, on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.kea import DIRECTORIES, KeaServer
from support.monitor import PROGRAM
from support.paths import LAB, program_environment
from support.programs import run
from support.suites import NEWEST
from support.wait import until

HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
PORT = 10070
"""Of DHCP, where no other server listens."""
WAIT = 600.0
"""Seconds for all reservations of a site, at most."""


@contextmanager
def image(directory: Path) -> Iterator[tuple[str, Path]]:
    """Yield a program that runs the image's Kea with the image's libraries, and the directory of its hooks.

    The server of DHCPv6 is beside it.
    """
    image_name = run(str(LAB / "lab"), "image", f"{NEWEST}-kea").split()[-1]
    root = Path(run("podman", "image", "mount", image_name).strip())
    (libraries,) = (root / "usr/lib").glob("*-linux-gnu")
    (loader,) = (root / "lib64").glob("ld-linux*")
    for name in ("kea-dhcp6", "kea-dhcp4"):
        script = directory / name
        script.write_text(f'#!/bin/sh\nexec {loader} --library-path {libraries} {root}/usr/sbin/{name} "$@"\n')
        script.chmod(0o755)
    try:
        yield str(script), libraries / "kea" / "hooks"
    finally:
        run("podman", "image", "unmount", image_name)


class Site:
    """A directory with Kea and the applier.

    ``leases`` is a lease file for a monitor and the applier, which is not Kea's own.
    """

    def __init__(self, directory: Path, program: str, hooks: Path, present: Sequence[str]) -> None:
        """``present`` are reservations that are there before, in JSON."""
        self.directory, self.program, self.hooks = directory, program, hooks
        self.leases = directory / "kea-leases4.csv"
        self.leases.write_text(HEADER)
        self.own = directory / "own.csv"
        self.own.write_text("")
        self.written, self.applied, self.reported = (directory / name for name in ("written", "applied", "report"))
        text = ",\n".join(present)
        for place in (self.written, self.applied, self.reported):
            place.mkdir()
        for place in (self.written, self.applied):
            (place / "subnet-1.json").write_text(f"{text}\n" if text else "")
        self.server = KeaServer(directory, program=program)
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = {**dict.fromkeys((*DIRECTORIES, "KEA_LOG_FILE_DIR"), str(directory))}
        self._environment["KEA_HOOKS_PATH"] = str(hooks)
        loggers = [
            {"name": "kea-dhcp4", "severity": "INFO", "output-options": [{"output": "stderr"}]},
            # As deployed. A deployment silences the lines of the hook, too: they tell what is in force since when.
            {"name": "kea-dhcp4.commands", "severity": "WARN"},
        ]
        self.server.configure(
            {
                "interfaces-config": {"interfaces": []},
                "lease-database": {"type": "memfile", "name": str(self.own), "lfc-interval": 0},
                "hooks-libraries": [{"library": f"{hooks}/libdhcp_host_cmds.so"}],
                "loggers": loggers,
                "subnet4": [{"id": 1, "subnet": "10.0.0.0/8", "reservations": ["INCLUDED"]}],
            }
        )
        text = self.server.config.read_text()
        self.server.config.write_text(text.replace('"INCLUDED"', f'<?include "{self.applied}/subnet-1.json"?>'))

    def start(self) -> None:
        """Start Kea, and wait until it answers."""
        self.server.launch("-p", str(PORT), **self._environment)
        until(self.server.answers, lambda: f"Kea's answer: {self.server.log.read_text()[-2000:]}", WAIT)

    def start_applier(self) -> None:
        places = {"directory": self.written, "report": self.reported, "included": self.applied}
        kea = {"kea-program": self.program, "kea-config": self.server.config, "control-socket": self.server.socket}
        more = {"lease-file": self.leases, "pools": self.directory / "pools.json", "min-interval": 0}
        flags = [f"--{name}={value}" for name, value in {**kea, **places, **more}.items()]
        command = [sys.executable, str(PROGRAM), "apply-reservations", "--follow", *flags]
        environment = {**os.environ, **program_environment(), **self._environment}
        with (self.directory / "applier.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill_applier(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def said(self) -> str:
        """Return the end of the applier's log."""
        return (self.directory / "applier.log").read_text()[-2000:]

    def is_applied(self) -> bool:
        """Whether the applier reported that it did its work."""
        try:
            return not json.loads((self.reported / "status.json").read_text())["error"]
        except FileNotFoundError:
            return False

    def sink(self) -> dict[str, str]:
        """Return the section of the monitor's sink."""
        return {"type": "reservation_file", "directory": str(self.written), "report": str(self.reported)}


@contextmanager
def served(present: Sequence[str] = ()) -> Iterator[Site]:
    """Yield a site whose Kea serves, and whose applier has not been started."""
    with tempfile.TemporaryDirectory() as name, image(Path(name)) as (program, hooks):
        site = Site(Path(name), program, hooks, present)
        site.start()
        try:
            yield site
        finally:
            site.kill_applier()
            site.server.stop()
