# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kea on this machine, its lease file, and the clean-up program, whole or killed on its way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from kea_lfc_cleanup import cli
from kea_lfc_cleanup.files import LeaseFiles
from kea_lfc_cleanup.processes import cleaning

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGE = REPOSITORY / "roles/kea_lfc_timer/files"
HOOK = next(Path("/usr/lib").glob("*/kea/hooks/libdhcp_lease_cmds.so"))
COLUMNS = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context"

# Counts the steps and kills itself, and nothing else, before the one that it was told.
KILLED_BEFORE = """
import os, signal, sys
from kea_lfc_cleanup import strategies
from kea_lfc_cleanup.cli import main
strategies._JUST_ROTATED = 0.0  # what is left here is young
left = int(sys.argv[1])
def on_step(step):
    global left
    left -= 1
    if not left:
        print("killed before:", step, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
sys.exit(main(sys.argv[2:], on_step))
"""


def need(name: str) -> str:
    """A program that these tests cannot do without."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, f"{name} is not installed; these tests run the real one"
    return found


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Wait for something to be seen; bounded."""
    due = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < due, f"not seen within {seconds} s: {what}"
        time.sleep(0.005)
    return found


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def row(number: int, expire: int = 2000000000) -> str:
    """A lease as Kea 2.2 writes it."""
    hwaddr = ":".join(f"{byte:02x}" for byte in (2, 0xBC, *number.to_bytes(4, "big")))
    return f"{address(number)},{hwaddr},,3600,{expire},1,0,0,bmc-{number},0,\n"


@contextlib.contextmanager
def hanging(files: LeaseFiles) -> Iterator[None]:
    """A kea-lfc that works on these files and never ends. Its name can be read only a moment after its start."""
    command = ["kea-lfc", "-c", "import signal; signal.pause()", files.pid]
    with subprocess.Popen(command, executable=need("python3")) as process:
        try:
            until(lambda: cleaning(files) == process.pid, "it")
            yield
        finally:
            process.kill()


class Server:
    """Kea's DHCPv4 or DHCPv6 server with the hook that adds leases; it listens to its control socket only."""

    def __init__(self, path: Path, family: int = 4, hook: bool = True) -> None:
        self.path, self.family = path, family
        self.files = LeaseFiles(str(path / f"kea-leases{family}.csv"))
        self.config, self.socket = path / "kea.conf", path / "socket"
        self.hook = hook
        self.process: subprocess.Popen[bytes] | None = None
        path.chmod(0o750)
        self.configure()

    def configure(self, **more: Any) -> None:
        prefix = "10.0.0.0/8" if self.family == 4 else "2001:db8::/32"
        server = {
            "interfaces-config": {"interfaces": []},
            "control-socket": {"socket-type": "unix", "socket-name": str(self.socket)},
            "lease-database": {"type": "memfile", "name": self.files.current, "lfc-interval": 0},
            "hooks-libraries": [{"library": str(HOOK)}] if self.hook else [],
            "loggers": [{"name": f"kea-dhcp{self.family}", "severity": "FATAL"}],
            f"subnet{self.family}": [{"id": 1, "subnet": prefix}],
            **more,
        }
        if self.family == 6:
            server["server-id"] = {"type": "EN", "enterprise-id": 1, "identifier": "01", "persist": False}
        self.config.write_text(json.dumps({f"Dhcp{self.family}": server}))

    def start(self) -> None:
        names = ("KEA_PIDFILE_DIR", "KEA_LOCKFILE_DIR", "KEA_DHCP_DATA_DIR", "KEA_CONTROL_SOCKET_DIR")
        environment = {**os.environ, **dict.fromkeys(names, str(self.path))}
        command = [need(f"kea-dhcp{self.family}"), "-c", self.config, "-p", str(10067 + self.family)]
        self.process = subprocess.Popen(command, env=environment)
        until(self.answers, "Kea's control socket")

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(self.socket))
            channel.sendall(json.dumps({"command": command, "arguments": arguments}).encode())
            answer: dict[str, Any] = json.loads(b"".join(iter(lambda: channel.recv(65536), b"")))
        return answer

    def answers(self) -> bool:
        try:
            return self.ask("status-get")["result"] == 0
        except OSError:
            return False

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
        """What Kea knows: when each lease began, by address."""
        answer = self.ask(f"lease{self.family}-get-all", subnets=[1])
        assert answer["result"] in (0, 3), answer
        return {lease["ip-address"]: lease["cltt"] for lease in answer.get("arguments", {}).get("leases", [])}

    def words(self, strategy: str, **more: str) -> list[str]:
        """The command line of the clean-up program."""
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

    def clean(self, strategy: str, on_step: Callable[[str], None] = lambda step: None, **more: str) -> int:
        """One run of the program, in this process; its exit code."""
        return cli.main(self.words(strategy, **more), on_step)

    def killed_before(self, step: int, strategy: str, **more: str) -> str:
        """One run that is killed before the step of that number; the step's name, or nothing if it came to its end."""
        command = [sys.executable, "-c", KILLED_BEFORE, str(step), *self.words(strategy, **more)]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        assert done.returncode == -9, done.stdout + done.stderr
        return done.stdout.strip().splitlines()[-1].split(": ", 1)[1]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(PACKAGE)}

    def state(self) -> dict[str, Any]:
        """What the last run wrote down."""
        found: dict[str, Any] = json.loads((self.path / f"state{self.family}.json").read_text())
        return found

    def leftovers(self) -> list[str]:
        return [Path(path).suffix for path in self.files.leftovers()]
