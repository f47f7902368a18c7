# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployed host as its operator and its clients see it: SQL, files, metrics, the collection's modules, real DHCP."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shlex
import subprocess
import tempfile
import time
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Iterator, Mapping

from support import control, playbook
from support.paths import LAB, ROOT
from support.playbook import Played
from support.programs import run
from support.wait import until

SCRIPTS = Path(__file__).resolve().parent / "scripts"
DISCOVERY = "/var/lib/kea/discovery"
TIMEOUT = 900.0
"""Seconds for a command on a host."""
PATIENCE = 180.0
"""Seconds to wait for the monitor. Without a notification it looks every 5 s, and three hosts share a machine."""

_clients = itertools.count(int(time.time() * 100) % 2**31, 200)
"""First numbers of BMCs that no other test plays, nor an earlier run on the same host."""

_sockets = tempfile.TemporaryDirectory(prefix="ssh")
"""Of the connections that all commands on a host share."""


wait = functools.partial(until, seconds=PATIENCE, pause=0.2)
"""Wait for a condition of a host or of its monitor."""


class Host:
    """One of kea_servers; ``bmcs`` is the host that its clients are on."""

    def __init__(self, name: str, address: str, bmcs: str) -> None:
        self.name = name
        self.address = address
        self.environment: dict[str, str] = {}
        """Of Ansible, beside what this checkout needs."""
        self.bmcs = bmcs
        # A host's name begins with kea-SCENARIO-.
        self.inventories = [str(ROOT / "molecule" / one / "inventory") for one in ("shared", name.split("-")[1])]
        self._ssh = (
            *("ssh", "-F", f"{ROOT}/.cache/ssh_config"),
            *("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", f"ControlPath={_sockets.name}/%n"),
        )

    def run(self, *command: str, stdin: str = "", check: bool = True) -> str:
        return run(*self._on(self.name, command), stdin=stdin, check=check, timeout=TIMEOUT)

    def script(self, name: str, *arguments: str, check: bool = False) -> str:
        """Return the output of a script of tests/hosts/scripts, run on the host by its shell."""
        return self.run("sh", "-ec" if check else "-c", (SCRIPTS / name).read_text(), name, *arguments, check=check)

    def run_bmcs(self, *command: str) -> str:
        """Run a command where the BMCs are."""
        return run(*self._on(self.bmcs, command), timeout=TIMEOUT)

    def play_bmcs(self, *arguments: str) -> str:
        """What tests/lab/bmc.py prints, run where the BMCs are."""
        return self._on_bmcs("bmc.py", self.address, *arguments)

    def play_bmcs6(self, *arguments: str) -> str:
        """What tests/lab/bmc6.py prints there."""
        return self._on_bmcs("bmc6.py", "eth0", *arguments)

    def run_on_bmcs(self, *command: str, stdin: str = "", check: bool = True) -> str:
        """Return the output of a command on the host that plays its BMCs."""
        return run(*self._on(self.bmcs, command), stdin=stdin, check=check, timeout=TIMEOUT)

    def _on_bmcs(self, script: str, *arguments: str) -> str:
        command = self._on(self.bmcs, ("python3", "-", *arguments))
        return run(*command, stdin=(LAB / script).read_text(), check=False, timeout=TIMEOUT)

    def _on(self, name: str, command: tuple[str, ...]) -> tuple[str, ...]:
        return (*self._ssh, name, shlex.join(command))

    def sql(self, statements: str, user: str = "postgres") -> list[str]:
        """The lines that psql prints."""
        psql = ("runuser", "-u", user, "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "kea")
        return self.run(*psql, stdin=statements).splitlines()

    def stop_postgresql(self) -> None:
        """And wait for it, which is more than Debian's postgresql.service does; starting that is enough again."""
        self.run("systemctl", "stop", "postgresql", "postgresql@*")

    @contextmanager
    def session(self, statements: str) -> Iterator[None]:
        """Hold a session open after these statements. The last of them must print something."""
        psql = ("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "kea")
        command = self._on(self.name, psql)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(statements)
            process.stdin.flush()
            assert process.stdout.readline(), statements
            yield
            process.stdin.close()
            process.wait(10)

    def module(self, name: str, **options: Any) -> dict[str, Any]:
        """The result of a module of the collection, run by Ansible as the owner of Kea's database."""
        login = {"login_unix_socket": "/var/run/postgresql", "login_user": "_kea"}
        arguments = ["--become", "--become-user", "_kea"]
        for inventory in self.inventories:
            arguments += ["-i", inventory]
        return playbook.module(self.name, name, {**login, **options}, arguments, self.environment)

    def root_module(self, name: str, **options: Any) -> dict[str, Any]:
        """The result of a module of the collection, run by Ansible as root."""
        arguments = [word for inventory in self.inventories for word in ("-i", inventory)]
        return playbook.module(self.name, name, options, arguments, self.environment)

    def play(self, name: str, *options: str, environment: Mapping[str, str] | None = None, **variables: Any) -> Played:
        """Run a playbook of the collection on all hosts of the scenario."""
        return playbook.play(name, self.inventories, variables, options, {**self.environment, **(environment or {})})

    def expose_metrics(self) -> None:
        """As a site does: an address to listen on, and the network for a unit that had only unix sockets."""
        config = "/etc/kea-lease-monitor/config.yml"
        if "metrics:" in self.run("cat", config):
            return
        drop_in = "[Service]\\nPrivateNetwork=no\\nRestrictAddressFamilies=AF_INET\\nIPAddressAllow=localhost\\n"
        self.run("sh", "-ec", f"""
            printf 'metrics:\\n  listen: 127.0.0.1:19547\\n' >>{config}
            mkdir -p /etc/systemd/system/kea-lease-monitor.service.d
            printf '{drop_in}' >/etc/systemd/system/kea-lease-monitor.service.d/metrics.conf
            systemctl daemon-reload
            systemctl restart kea-lease-monitor
        """)  # fmt: skip

    def metric(self, name: str) -> float | None:
        """As Prometheus reads it. None while the monitor does not answer."""
        fetch = (
            "import urllib.request as r; print(r.urlopen('http://127.0.0.1:19547/metrics', timeout=5).read().decode())"
        )
        text = self.run("python3", "-c", fetch, check=False)
        found = re.search(rf"^kea_lease_monitor_{name}(?:{{[^}}]*}})? ([-+.\de]+)$", text, re.MULTILINE)
        return float(found[1]) if found else None

    def lost(self) -> int:
        """Events that the trigger lost, by its counter."""
        return int(
            self.sql("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM kea_events.lease_event_lost")[0]
        )

    def await_followers(self, answers: list[dict[str, Any]]) -> None:
        """Until each lease has its reservation and its discovery file."""
        addresses = {answer["address"] for answer in answers}
        wait(lambda: addresses <= self._reserved(answers), "every reservation")
        wait(lambda: addresses <= self.discovered(), "every discovery file")

    def _reserved(self, answers: list[dict[str, Any]]) -> set[str]:
        hwaddrs = ", ".join(f"'\\x{answer['hwaddr'].replace(':', '')}'" for answer in answers)
        return set(self.sql(f"SELECT '0.0.0.0'::inet + ipv4_address FROM hosts WHERE dhcp_identifier IN ({hwaddrs})"))

    def discovered(self) -> set[str]:
        """The addresses in the discovery files; a machine may have one of each family."""
        found = self.run("grep", "-rhE", r"ansible_host: |kea_ipv6_addresses: ", DISCOVERY, check=False)
        return set(re.findall(r"[0-9a-f]+[.:][0-9a-f.:]+", found))


class Kea:
    """Kea on that host, asked by real clients and by its operator."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.began = self.process()
        self._log_began = len(self._log())

    def process(self) -> str:
        return self.host.run("systemctl", "show", "-P", "MainPID", "kea-dhcp4-server").strip()

    def complaints(self) -> list[str]:
        """What Kea logged as an error since this test began: a refused lease is one of these."""
        return [line for line in self._log()[self._log_began :] if re.search(r"\b(ERROR|FATAL)\b", line)]

    def ask(self, count: int, *options: str) -> list[dict[str, Any]]:
        """Ask as so many new BMCs, each five times within 20 s unless ``options`` say otherwise. Return the answers."""
        return self._asked(next(_clients), count, ("--retry-after", "4", *options))

    def renew(self, lease: dict[str, Any], pause: float = 4) -> dict[str, Any]:
        """Ask to keep a lease, five times with so many seconds between. Return the answer."""
        first = int(lease["hwaddr"].replace(":", "")[4:], 16)
        [answer] = self._asked(first, 1, ("--renew", lease["address"], "--retry-after", str(pause)))
        return answer

    def lost_for(self, answers: list[dict[str, Any]]) -> set[str]:
        """Those of these clients for whom Kea found no address because it had lost its leases, by what it logged."""
        lost = r"ALLOC_ENGINE_V4_ALLOC_ERROR .*(connectivity lost|no current lease manager)"
        lines = [line for line in self.complaints() if re.search(lost, line)]
        return {answer["hwaddr"] for answer in answers if any(answer["hwaddr"] in line for line in lines)}

    def _asked(self, first: int, count: int, options: tuple[str, ...]) -> list[dict[str, Any]]:
        lines = self.host.play_bmcs("--first", str(first), "--count", str(count), *options)
        return [json.loads(line) for line in lines.splitlines()]

    def serve(self, count: int, *options: str) -> list[dict[str, Any]]:
        """Ask twice: Kea must answer every packet at once, store each lease, and give the same address again."""
        first = next(_clients)
        answers = self._served(first, count, options)
        again = self._served(first, count, options)
        assert [answer["address"] for answer in again] == [answer["address"] for answer in answers]
        return answers

    def _served(self, first: int, count: int, options: tuple[str, ...]) -> list[dict[str, Any]]:
        answers = self._asked(first, count, ("--retry-after", "20", *options))
        assert len(answers) == count
        assert [answer for answer in answers if (answer["tries"], answer["refused"]) != (1, 0)] == []
        assert self.stored(answers) == count
        return answers

    def stored(self, answers: list[dict[str, Any]]) -> int:
        """How many of the leases are in Kea's table."""
        leases = ", ".join(
            f"({int(IPv4Address(answer['address']))}, '\\x{answer['hwaddr'].replace(':', '')}')" for answer in answers
        )
        return int(self.host.sql(f"SELECT count(*) FROM lease4 WHERE (address, hwaddr) IN ({leases})")[0])

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Over the control socket; the answer of a success."""
        script = Path(control.__file__).read_text()
        answer: dict[str, Any] = json.loads(self.host.run("python3", "-", name, json.dumps(arguments), stdin=script))
        assert answer["result"] == 0, answer
        return answer

    def _log(self) -> list[str]:
        return self.host.run("journalctl", "-u", "kea-dhcp4-server", "-o", "cat", "--no-pager").splitlines()
