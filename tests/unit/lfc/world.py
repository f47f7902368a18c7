# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kea on this machine, its lease file, and the LFC program, which runs to its end or is killed at a step."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from _kea import lfc
from _kea.lease_csv import header_line
from _kea.lease_file import LeaseFile
from kea_lfc_cleanup import cli
from support.kea import KeaServer
from support.paths import program_environment
from support.programs import need
from support.wait import until

HOOK = next(Path("/usr/lib").glob("*/kea/hooks/libdhcp_lease_cmds.so"))
COLUMNS = header_line(4)

# Runs the program, and kills itself (and no child) before the step with the number in its first argument.
KILLED_BEFORE = """
import os, signal, sys
from kea_lfc_cleanup import strategies
from kea_lfc_cleanup.cli import main
strategies._JUST_ROTATED = 0.0  # the tests do not wait until a rotated file is old
left = int(sys.argv[1])
def on_step(step):
    global left
    left -= 1
    if not left:
        print("killed before:", step, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main(sys.argv[2:], on_step))
"""


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def row(number: int, expire: int = 2000000000) -> str:
    """Return the row of a lease as Kea 2.2 writes it."""
    hwaddr = ":".join(f"{byte:02x}" for byte in (2, 0xBC, *number.to_bytes(4, "big")))
    return f"{address(number)},{hwaddr},,3600,{expire},1,0,0,bmc-{number},0,\n"


@contextlib.contextmanager
def hanging(files: LeaseFile) -> Iterator[None]:
    """Run a kea-lfc that works on these files and never ends."""
    program = Path(files.current).parent / "kea-lfc"
    # It is told by its program, so another program gets that name. It reads what never comes.
    shutil.copy(need("cat"), program)
    with subprocess.Popen(["kea-lfc", "-", files.pid], executable=program, stdin=subprocess.PIPE) as process:
        try:
            # Its name can be read only a moment after its start.
            until(lambda: lfc.running(files.current) == process.pid, "the hanging kea-lfc")
            yield
        finally:
            process.kill()
            program.unlink()


class Server(KeaServer):
    """Kea's DHCPv4 or DHCPv6 server with the hook that adds leases; it serves no network, only its control socket."""

    def __init__(self, path: Path, family: int = 4, hook: bool = True) -> None:
        super().__init__(path, family)
        self.path = path
        self.files = LeaseFile(str(path / f"kea-leases{family}.csv"))
        self.hook = hook
        self.write()

    def write(self, **more: Any) -> None:
        """Write the configuration."""
        prefix = "10.0.0.0/8" if self.family == 4 else "2001:db8::/32"
        settings = {
            "interfaces-config": {"interfaces": []},
            "lease-database": {"type": "memfile", "name": self.files.current, "lfc-interval": 0},
            "hooks-libraries": [{"library": str(HOOK)}] if self.hook else [],
            "loggers": [{"name": f"kea-dhcp{self.family}", "severity": "FATAL"}],
            f"subnet{self.family}": [{"id": 1, "subnet": prefix}],
            **more,
        }
        if self.family == 6:
            settings["server-id"] = {"type": "EN", "enterprise-id": 1, "identifier": "01", "persist": False}
        self.configure(settings)

    def add(self, numbers: Iterable[int], command: str = "add", expire: int = 2000000000) -> None:
        for number in numbers:
            lease: dict[str, Any] = {"subnet-id": 1, "expire": expire, "valid-lft": 3600}
            if self.family == 4:
                lease.update(
                    {"ip-address": address(number), "hw-address": f"02:bc:00:00:{number >> 8:02x}:{number & 255:02x}"}
                )
            else:
                lease.update(
                    {
                        "ip-address": f"2001:db8::{number:x}",
                        "duid": f"00:03:00:01:{number >> 8:02x}:{number & 255:02x}",
                        "iaid": 1,
                    }
                )
            answer = self.ask(f"lease{self.family}-{command}", **lease)
            assert answer["result"] == 0, answer

    def delete(self, number: int) -> None:
        where = address(number) if self.family == 4 else f"2001:db8::{number:x}"
        assert self.ask(f"lease{self.family}-del", **{"ip-address": where})["result"] == 0

    def leases(self) -> dict[str, int]:
        """Return the leases that Kea knows: when each began, by address."""
        answer = self.ask(f"lease{self.family}-get-all", subnets=[1])
        assert answer["result"] in (0, 3), answer
        return {lease["ip-address"]: lease["cltt"] for lease in answer.get("arguments", {}).get("leases", [])}

    def words(self, strategy: str, **more: str) -> list[str]:
        """Return the arguments of the program."""
        options = {
            "family": str(self.family),
            "strategy": strategy,
            "lease-file": self.files.current,
            "control-socket": str(self.socket),
            "kea-config": str(self.config),
            "kea-program": need(f"kea-dhcp{self.family}"),
            "kea-lfc": need("kea-lfc"),
            "state-directory": str(self.path),
            **more,
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    def run_lfc(self, strategy: str, on_step: Callable[[str], None] = lambda step: None, **more: str) -> int:
        """Run the program in this process, and return its exit code."""
        return cli.main(self.words(strategy, **more), on_step)

    def killed_before(self, step: int, strategy: str, **more: str) -> str:
        """Run the program and kill it before this step (from 1). Return the step's name, empty after the last step."""
        command = [sys.executable, "-c", KILLED_BEFORE, str(step), *self.words(strategy, **more)]
        done = subprocess.run(command, env=program_environment(), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        assert done.returncode == -9, done.stdout + done.stderr
        return done.stdout.strip().splitlines()[-1].split(": ", 1)[1]

    def state(self) -> dict[str, Any]:
        """Return the report of the last run."""
        found: dict[str, Any] = json.loads((self.path / f"state{self.family}.json").read_text())
        return found

    def leftovers(self) -> list[str]:
        return [Path(path).suffix for path in self.files.leftovers()]
