# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ansible-rulebook: a lease makes a playbook run against that machine and no other. Run by make eda."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.lease import EventKind, LeaseEvent
from kea_lease_monitor.sinks.discovery import DiscoverySink
from kea_lease_monitor.sinks.discovery import Options as DiscoveryOptions
from kea_lease_monitor.sinks.webhook.sink import Options, WebhookSink
from runtime.builders import event
from runtime.contracts import delivered
from runtime.world import MONITOR, Kea
from support.certificates import Authority
from support.paths import ROOT
from support.programs import need
from support.wait import until

WAIT = 3000
"""Seconds for what a busy machine needs to start Java, ansible-rulebook and a play."""


class Rulebook:
    """A running ansible-rulebook, whose playbook writes a line into a file for each machine that it ran against."""

    def __init__(self, directory: Path, name: str, **variables: Any) -> None:
        self.directory = directory
        self.name = name
        self.variables = variables
        self.log = directory / "rulebook.log"
        self.process: subprocess.Popen[bytes] | None = None
        (directory / "ran").mkdir()
        (directory / "inventory").mkdir()
        ran = f"{directory}/ran/{{{{ inventory_hostname }}}}"
        play = {
            "hosts": "all",
            "gather_facts": False,
            "connection": "local",
            "tasks": [
                {
                    "name": "Compare the event with the inventory",
                    "ansible.builtin.assert": {
                        "that": [
                            "ansible_eda.event.lease.address == ansible_host",
                            "ansible_eda.event.lease.hwaddr == bmc_mac",
                        ]
                    },
                },
                {
                    "name": "Write down which machine the play runs against",
                    "ansible.builtin.shell": f"echo {{{{ ansible_host }}}} >> {ran}",
                },
            ],
        }
        self.playbook = directory / "play.yml"
        self.playbook.write_text(yaml.safe_dump([play]))

    def start(self) -> None:
        variables = self.directory / "variables.yml"
        variables.write_text(yaml.safe_dump({**self.variables, "kea_eda_playbook": str(self.playbook)}))
        own = Path(os.environ["EDA_BIN"])
        environment = {
            **os.environ,
            "PATH": f"{own}:{Path(need('java')).parent}:/usr/bin:/bin",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        }
        command = [own / "ansible-rulebook", "--rulebook", f"baremetal.kea.{self.name}", "--verbose"]
        files = ["--inventory", self.directory / "inventory", "--vars", variables]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *files], env=environment, stdout=log, stderr=log)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def discovered(self, *events: LeaseEvent) -> None:
        """Write the inventory as the monitor does."""
        delivered(DiscoverySink(DiscoveryOptions(str(self.directory / "inventory"), "bmc_targets", None)), events)

    def ran(self, host: str) -> list[str]:
        """Return the address that each run against the machine had."""
        path = self.directory / "ran" / host
        return path.read_text().split() if path.exists() else []

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            return condition()

        until(holds, lambda: f"{what}: {self.log.read_text()[-4000:]}", WAIT)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Rulebook]]:
    made: list[Rulebook] = []

    def make(name: str, **variables: Any) -> Rulebook:
        made.append(Rulebook(tmp_path, name, **variables))
        return made[-1]

    yield make
    for rulebook in made:
        rulebook.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def sent(sink: WebhookSink, events: list[LeaseEvent], rulebook: Rulebook) -> None:
    """Deliver as the monitor does: again until the receiver answers."""

    def accepted() -> bool:
        try:
            return delivered(sink, events).executed == len(events)
        except TemporaryError:
            time.sleep(0.5)
            return False

    rulebook.wait(accepted, "the webhook")


def test_the_webhook_starts_a_playbook_against_the_new_machine_only(
    start: Callable[..., Rulebook], tmp_path: Path
) -> None:
    authority, port = Authority(tmp_path, "ca"), free_port()
    certificate = authority.issue("server", host="localhost")
    secret = tmp_path / "secret"
    secret.write_text("shared\n")
    tls = {"kea_eda_certfile": str(certificate.path), "kea_eda_keyfile": str(certificate.key)}
    own = {"kea_eda_host": "127.0.0.1", "kea_eda_port": port, "kea_eda_secret": "shared"}
    rulebook = start("new_bmc", **own, **tls)
    events = [event(1), event(2, kind=EventKind.RENEWED), event(3)]
    rulebook.discovered(event(1), event(2), event(3))
    rulebook.start()
    url = f"https://localhost:{port}/leases"
    sink = WebhookSink(Options(url, str(secret), str(authority.own.path), timeout=300), Clock())
    sent(sink, events[:2], rulebook)
    rulebook.wait(lambda: bool(rulebook.ran("bmc-020000000001")), "the play against the new machine")
    sent(sink, events[2:], rulebook)
    rulebook.wait(lambda: bool(rulebook.ran("bmc-020000000003")), "the play against the next machine")
    ran = {host: rulebook.ran(host) for host in ("bmc-020000000001", "bmc-020000000002", "bmc-020000000003")}
    assert ran == {"bmc-020000000001": ["10.0.0.1"], "bmc-020000000002": [], "bmc-020000000003": ["10.0.0.3"]}


def through_the_plugin(rulebook: Rulebook, **settings: str) -> None:
    """Have the inventory plugin read the discovery files, with these settings."""
    inventory = rulebook.directory / "inventory"
    files = inventory.rename(rulebook.directory / "files")
    inventory.mkdir()
    plugin = {"plugin": "baremetal.kea.kea", "source": "directory", "directory": str(files), **settings}
    (inventory / "machines.kea.yml").write_text(yaml.safe_dump(plugin))


def test_a_machine_with_another_name_is_told_and_the_name_of_the_page_is_found(
    start: Callable[..., Rulebook], tmp_path: Path
) -> None:
    """docs/eda.md says which ``hostname`` the inventory plugin needs."""
    authority, port = Authority(tmp_path, "ca"), free_port()
    certificate = authority.issue("server", host="localhost")
    secret = tmp_path / "secret"
    secret.write_text("shared")
    tls = {"kea_eda_certfile": str(certificate.path), "kea_eda_keyfile": str(certificate.key)}
    rulebook = start("new_bmc", kea_eda_host="127.0.0.1", kea_eda_port=port, kea_eda_secret="shared", **tls)
    rulebook.discovered(event(1), event(2))
    through_the_plugin(rulebook)
    rulebook.start()
    options = Options(f"https://localhost:{port}/", str(secret), str(authority.own.path), timeout=300)
    sink = WebhookSink(options, Clock())
    sent(sink, [event(1)], rulebook)
    rulebook.wait(lambda: "leaves us with no hosts to target" in rulebook.log.read_text(), "the failure of the run")
    assert list((tmp_path / "ran").iterdir()) == []
    rulebook.stop()
    [shown] = re.findall(r'^hostname: "(.*)"$', (ROOT / "docs/eda.md").read_text(encoding="utf-8"), re.MULTILINE)
    plugin = tmp_path / "inventory" / "machines.kea.yml"
    plugin.write_text(yaml.safe_dump({**yaml.safe_load(plugin.read_text()), "hostname": shown}))
    rulebook.start()
    sent(sink, [event(2)], rulebook)
    rulebook.wait(lambda: rulebook.ran("bmc-020000000002") == ["10.0.0.2"], "the play against the machine")


def test_a_request_with_another_signature_starts_nothing(start: Callable[..., Rulebook], tmp_path: Path) -> None:
    authority, port = Authority(tmp_path, "ca"), free_port()
    certificate = authority.issue("server", host="localhost")
    secret = tmp_path / "secret"
    secret.write_text("another")
    tls = {"kea_eda_certfile": str(certificate.path), "kea_eda_keyfile": str(certificate.key)}
    rulebook = start("new_bmc", kea_eda_host="127.0.0.1", kea_eda_port=port, kea_eda_secret="shared", **tls)
    rulebook.discovered(event(1))
    rulebook.start()
    options = Options(f"https://localhost:{port}/", str(secret), str(authority.own.path), timeout=300)

    def refused() -> bool:
        with pytest.raises(TemporaryError) as raised:
            delivered(WebhookSink(options, Clock()), [event(1)])
        return "answered 401" in str(raised.value)

    rulebook.wait(refused, "the refusal")
    assert rulebook.ran("bmc-020000000001") == []


def test_the_event_source_starts_a_playbook_once_and_continues_after_a_restart(
    start: Callable[..., Rulebook], tmp_path: Path, kea: Kea
) -> None:
    bookmark = tmp_path / "bookmark"
    login = {"kea_eda_login_host": kea.cluster.socket, "kea_eda_login_user": MONITOR, "kea_eda_ssl_mode": "disable"}
    empty = {"kea_eda_login_password": None, "kea_eda_ca_cert": None}
    rulebook = start("new_bmc_events", kea_eda_bookmark=str(bookmark), **login, **empty)
    rulebook.discovered(event(1), event(2), event(3))
    kea.lease("10.0.0.1", "02:00:00:00:00:01")
    rulebook.start()
    rulebook.wait(bookmark.exists, "the bookmark")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    rulebook.wait(lambda: bool(rulebook.ran("bmc-020000000002")), "the play against the new machine")
    taken = bookmark.read_text()
    rulebook.stop()
    kea.lease("10.0.0.3", "02:00:00:00:00:03")
    rulebook.start()
    rulebook.wait(lambda: bool(rulebook.ran("bmc-020000000003")), "the play against the machine of the pause")
    ran = {host: rulebook.ran(host) for host in ("bmc-020000000001", "bmc-020000000002", "bmc-020000000003")}
    assert ran == {"bmc-020000000001": [], "bmc-020000000002": ["10.0.0.2"], "bmc-020000000003": ["10.0.0.3"]}
    assert bookmark.read_text() != taken
    assert kea.rows("SELECT count(*) FROM kea_events.lease_event") == [(3,)], "the source removes no rows"
