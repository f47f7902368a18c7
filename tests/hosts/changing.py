# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that playbooks change, while earlier clients keep their addresses and others renew, 50 times a second."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from host import Host, wait
from states import CONFIG
from support.paths import LAB, ROOT
from support.programs import run

CLIENTS = 20
FIRST = "5000"
RELAY = "10.77.0.253"


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

    def succeed(self, name: str, *options: str, **variables: Any) -> int:
        """Run a playbook. Return how many tasks changed something."""
        played = self.play(name, *options, **variables)
        assert played.code == 0, played.words[-3000:]
        silences = re.findall(r"This server was silent for [0-9.]+ s", played.words)
        print(name, variables.get("kea_rollback_to", ""), *silences)
        return sum(played.changed)

    def settled(self, **variables: Any) -> None:
        """Deploy again; no task may change anything. Then a run leaves the host alone."""
        played = self.play("kea_deploy", "--diff", kea_full_run=True, **variables)
        assert (played.code, played.changed_tasks, sum(played.changed)) == (0, [], 0), played.words[-3000:]

    def plan(self, **variables: Any) -> str:
        """Return what a roll-back would do, in one line."""
        played = self.play("kea_rollback", "--check", "--diff", **variables)
        assert played.code == 0, played.words[-2000:]
        return played.words

    def fail(self, name: str, message: str, *options: str, **variables: Any) -> str:
        """Run a playbook, which has to fail with a message. Return its output in one line."""
        played = self.play(name, *options, **variables)
        assert played.code != 0
        assert re.search(message, played.words), played.words[-3000:]
        return played.words

    def serves(self) -> None:
        """The same clients get the same addresses."""
        lines = self.play_bmcs("--first", FIRST, "--count", str(CLIENTS), "--retry-after", "20").splitlines()
        answers = {answer["hwaddr"]: answer["address"] for answer in map(json.loads, lines)}
        assert len(set(answers.values()) - {None}) == CLIENTS
        self.known = getattr(self, "known", answers)
        assert answers == self.known

    def left(self, found: set[str]) -> list[str]:
        """Return what a roll-back that purged all has left, of the lines of ``look.sh``; ``found`` must be there still.

        The server of PostgreSQL stays with its cluster, which is removed here first. sudo is not removed, nor are
        packages that others suggest, such as perl, by apt's own rule.
        """
        self.script("remove_postgresql.sh", check=True)
        now = set(self.script("look.sh", check=True).splitlines())
        assert found <= now
        ours = ("kea", "postgres", "python3", "libpq", "acl")
        return [one for one in now - found if not one.startswith("installed ") or any(word in one for word in ours)]

    def config(self) -> str:
        return self.run("cat", CONFIG)

    def ours(self) -> str:
        return self.script("ours.sh")

    def everything(self) -> str:
        """Each file of the host that a deployment could change, but no lease files, with their lock, and no backups."""
        return self.script("everything.sh")

    @contextmanager
    def using(self, collections: Path) -> Iterator[None]:
        """The plays of now with another collection."""
        self.environment["ANSIBLE_COLLECTIONS_PATH"] = str(collections)
        try:
            yield
        finally:
            del self.environment["ANSIBLE_COLLECTIONS_PATH"]

    @contextmanager
    def renewing(self) -> Iterator[None]:
        """A client that does so meanwhile; prints how long it had no answer, by the tests."""
        bmcs = ("ssh", "-F", f"{ROOT}/.cache/ssh_config", self.bmcs)
        run(*bmcs, f"ip address add {RELAY}/16 dev eth0 2>/dev/null; rm -f /run/outage-{RELAY}.pid; true")
        run(*bmcs, "cat >/run/outage.py", stdin=(LAB / "outage.py").read_text())
        command = [*bmcs, shlex.join(["python3", "/run/outage.py", self.address, RELAY])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
            wait(lambda: run(*bmcs, f"cat /run/outage-{RELAY}.pid 2>/dev/null", check=False), "the client")
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
