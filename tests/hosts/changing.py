# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that plays change, while its clients of before keep their addresses and others renew, 50 times a second."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from host import LAB, ROOT, Host, run, wait

CLIENTS = 20
FIRST = "5000"
RELAY = "10.77.0.253"
CONFIG = "/etc/kea/kea-dhcp4.conf"
OURS = """
ls -d /opt/baremetal /etc/kea-lease-monitor /var/lib/kea-lease-monitor /etc/systemd/system/kea-l* \
    /etc/systemd/system/kea-r* /etc/systemd/system/kea-dhcp4-server.service.d /usr/local/bin/kea-lease-monitor \
    /var/lib/kea-lfc /var/lib/kea/discovery 2>/dev/null
getent passwd kea-lease-monitor
systemctl list-units --all --plain --no-legend 'kea-l*' 'kea-r*'
"""
ALL = """
find /etc /opt /usr/local /var/lib/kea* -not -name '*kea-leases4.csv*' -not -name '*.pyc' \
    -not -name '*~' -printf '%p %y %m %u %g %l\\n' | sort
find /etc /opt -type f -not -name '*.pyc' -not -name '*~' -print0 | sort -z | xargs -0 sha256sum
"""


def another_release(directory: Path, version: str) -> Path:
    """A copy of the collection with a release of the monitor of that version; returns where its package is."""
    collection = directory / "ansible_collections" / "baremetal" / "kea"
    shutil.copytree(ROOT, collection, ignore=shutil.ignore_patterns(".*", "tests", "molecule"))
    package = collection / "roles/kea_lease_monitor/files/kea_lease_monitor"
    initial = package / "__init__.py"
    initial.write_text(re.sub(r'__version__ = "[^"]+"', f'__version__ = "{version}"', initial.read_text()))
    return package


class Site(Host):
    """The host, and the plays on it."""

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.tests: list[tuple[str, float]] = []
        """Each with the moment when it began."""

    def play(self, name: str, *options: str, **variables: Any) -> tuple[int, str]:
        """The exit code, and what was printed in one line."""
        command = [
            "ansible-playbook", f"playbooks/{name}.yml", "-i", "molecule/shared/inventory", "-i", self.inventory,
            "--extra-vars", json.dumps(variables), *options,
        ]  # fmt: skip
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def succeed(self, name: str, *options: str, **variables: Any) -> int:
        """How many tasks changed something."""
        code, said = self.play(name, *options, **variables)
        assert code == 0, said[-3000:]
        silences = re.findall(r"DHCP was silent for [0-9.]+ s", said)
        print(name, variables.get("kea_rollback_to", ""), *silences)
        return sum(int(count) for count in re.findall(r"changed=(\d+)", said))

    def fail(self, name: str, message: str, **variables: Any) -> str:
        code, said = self.play(name, **variables)
        assert code != 0
        assert re.search(message, said), said[-3000:]
        return said

    def serves(self) -> None:
        """The same clients get the same addresses."""
        lines = self.play_bmcs("--first", FIRST, "--count", str(CLIENTS), "--retry-after", "20").splitlines()
        answers = {answer["hwaddr"]: answer["address"] for answer in map(json.loads, lines)}
        assert len(set(answers.values()) - {None}) == CLIENTS
        self.known = getattr(self, "known", answers)
        assert answers == self.known

    def config(self) -> str:
        return self.run("cat", CONFIG)

    def ours(self) -> str:
        return self.run("sh", "-c", OURS, check=False)

    def everything(self) -> str:
        """Each file of the host that a deployment could change, but no lease files, with their lock, and no backups."""
        return self.run("sh", "-c", ALL, check=False)

    @contextmanager
    def using(self, collections: Path) -> Iterator[None]:
        """The plays of now with another collection."""
        self.environment = {**self.environment, "ANSIBLE_COLLECTIONS_PATH": str(collections)}
        try:
            yield
        finally:
            del self.environment

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """A client that does so meanwhile; prints how long it had no answer, by the tests."""
        bmcs = ("ssh", "-F", f"{ROOT}/.cache/ssh_config", self.bmcs)
        run(*bmcs, f"ip address add {RELAY}/16 dev eth0 2>/dev/null; rm -f /run/outage-{RELAY}.pid; true")
        run(*bmcs, "cat >/run/outage.py", stdin=(LAB / "outage.py").read_text())
        command = [*bmcs, shlex.join(["python3", "/run/outage.py", self.address, RELAY])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            wait("the client", lambda: run(*bmcs, f"cat /run/outage-{RELAY}.pid 2>/dev/null", check=False))
            yield
            run(*bmcs, f"kill -TERM $(cat /run/outage-{RELAY}.pid)")
            told = json.loads(client.communicate(timeout=30)[0])
        print(f"answered {told['answered']}, unanswered {len(told['refused'])}, longest wait {told['longest']:.2f} s")
        ends = [began for _name, began in self.tests[1:]] + [time.time()]
        for (name, began), end in zip(self.tests, ends):
            then = {what: [one for one in told[what] if began <= one < end] for what in ("refused", "naks")}
            print(f"{name}: silent for {_spans(then['refused'])} s, {len(then['naks'])} DHCPNAK")
        assert told["answered"] > 0
        assert told["lost"] == []


def _spans(moments: list[float]) -> list[float]:
    """How long each silence took."""
    spans: list[list[float]] = []
    for moment in moments:
        if not spans or moment - spans[-1][-1] > 0.5:
            spans.append([])
        spans[-1].append(moment)
    return [round(span[-1] - span[0] + 0.02, 2) for span in spans]
