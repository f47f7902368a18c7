# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both directions against a server that answers as NetBox does.

The sink exec runs the command that keeps NetBox in step. A playbook writes reservations from what is planned there.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from kea_lease_monitor.batch import Reason
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.lease import EventKind, LeaseEvent
from kea_lease_monitor.sinks.command import CommandSink, Options
from kea_lease_monitor.sinks.message import document
from support.certificates import Authority
from support.paths import ROOT, ansible_environment
from support.receiver import Answer, Receiver, Request

from runtime.builders import event
from runtime.contracts import delivered

COMMAND = ROOT / "examples/netbox/lease_to_netbox.py"


class NetBox:
    """NetBox's addresses and prefixes, as far as the command uses them."""

    def __init__(self) -> None:
        self.addresses: dict[int, dict[str, Any]] = {}
        self.prefixes = ["10.0.0.0/8", "10.0.0.0/24"]
        self.interfaces: dict[int, str | None] = {}
        """Hardware addresses by the ids of the interfaces."""
        self.writes = 0

    def __call__(self, request: Request) -> Answer:
        if request.headers["authorization"] != "Token secret":
            return Answer(403, (), b"Invalid token")
        parts = urlsplit(request.path)
        asked = parse_qs(parts.query)
        filters = {key: values[0] for key, values in asked.items()}
        if parts.path == "/api/ipam/prefixes/":
            return shown({"results": [{"prefix": each} for each in self.prefixes]})
        if parts.path == "/api/dcim/interfaces/":
            ids = [int(number) for number in asked["id"]]
            return paged([{"id": one, "mac_address": self.interfaces[one]} for one in ids], filters)
        if "tag" in filters:
            return paged([each for each in self.addresses.values() if filters["tag"] in each["tags"]], filters)
        if request.method == "GET":
            found = [each for each in self.addresses.values() if each["address"].split("/")[0] == filters["address"]]
            return shown({"results": [{**each, "status": {"value": each["status"]}} for each in found]})
        return self._write(request, parts.path)

    def _write(self, request: Request, path: str) -> Answer:
        self.writes += 1
        if request.method == "POST":
            values = request.document
            if " " in values["dns_name"]:
                return Answer(400, (), b'{"dns_name": ["Only alphanumeric characters are allowed"]}')
            number = len(self.addresses) + 1
            self.addresses[number] = {"id": number, **values}
            return shown({"id": number}, 201)
        number = int(path.rstrip("/").rpartition("/")[2])
        if request.method == "PATCH":
            self.addresses[number].update(request.document)
            return shown(self.addresses[number])
        del self.addresses[number]
        return Answer(204)

    def told(self) -> dict[str, tuple[str, str, str]]:
        return {
            each["address"]: (each["status"], each["dns_name"], each["description"]) for each in self.addresses.values()
        }


def paged(found: list[dict[str, Any]], filters: dict[str, str]) -> Answer:
    """Return a page of a list, as NetBox does."""
    first, limit = int(filters.get("offset", 0)), int(filters["limit"])
    return shown({"count": len(found), "results": found[first : first + limit]})


def shown(document: Any, status: int = 200) -> Answer:
    return Answer(status, (), json.dumps(document).encode())


@pytest.fixture(scope="module")
def command() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lease_to_netbox", COMMAND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def server() -> Iterator[tuple[Receiver, NetBox]]:
    receiver, netbox = Receiver(), NetBox()
    receiver.answer = netbox
    yield receiver, netbox
    receiver.close()


def url_of(receiver: Receiver) -> str:
    return receiver.url.rpartition("/")[0]


@pytest.fixture
def follow(command: ModuleType, server: tuple[Receiver, NetBox]) -> Any:
    """Return a function that does what the command does with these events, in this process."""
    client = command.NetBox(url_of(server[0]), "secret", None)

    def act(*events: LeaseEvent) -> dict[str, tuple[str, str, str]]:
        for each in command.last_of_each(json.loads(document(events))["events"]):
            command.follow(client, each)
        return server[1].told()

    return act


def test_the_life_of_an_address(follow: Any, server: tuple[Receiver, NetBox]) -> None:
    mark = "kea-lease-monitor 02:00:00:00:00:01"
    leased = {"10.0.0.1/24": ("dhcp", "host-1", mark)}
    assert follow(event(1)) == leased, "with the length of the longest prefix"
    writes = server[1].writes
    assert follow(event(1), event(1, kind=EventKind.RENEWED)) == leased
    assert server[1].writes == writes, "nothing changed"
    assert follow(event(1, hostname="new.")) == {"10.0.0.1/24": ("dhcp", "new", mark)}
    for kind in (EventKind.RELEASED, EventKind.DECLINED, EventKind.EXPIRED, EventKind.RECLAIMED, EventKind.DELETED):
        assert follow(event(1, kind=kind, hostname="", hwaddr="")) == {"10.0.0.1/24": ("reserved", "new", mark)}
    assert follow(event(1, client=2)) == {"10.0.0.1/24": ("dhcp", "host-2", "kea-lease-monitor 02:00:00:00:00:02")}
    assert follow(event(1, kind=EventKind.REPLACED)) != {}
    assert follow(event(1, kind=EventKind.FORGOTTEN)) == {}
    assert follow(event(1, kind=EventKind.FORGOTTEN), event(2, kind=EventKind.EXPIRED)) == {}


def test_what_a_person_wrote_stays(follow: Any, server: tuple[Receiver, NetBox]) -> None:
    own = {"id": 7, "address": "10.0.0.1/16", "status": "active", "dns_name": "mine", "description": "the router"}
    server[1].addresses[7] = dict(own)
    follow(event(1))
    follow(event(1, kind=EventKind.FORGOTTEN))
    assert server[1].addresses == {7: own}


@pytest.mark.slow
def test_the_sink_runs_it_and_one_bad_name_fails_alone(server: tuple[Receiver, NetBox], tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    words = (sys.executable, str(COMMAND), "--url", url_of(server[0]), "--token-file", str(token))
    sink = CommandSink(Options(words, 300), Clock())
    delivery = delivered(sink, [event(1), event(2, hostname="a b")])
    assert [(each.event.ref, each.reason) for each in delivery.rejected] == [("ref-2", Reason.REFUSED)]
    assert "Only alphanumeric" in delivery.rejected[0].detail
    assert list(server[1].told()) == ["10.0.0.1/24"]
    token.write_text("another")
    with pytest.raises(TemporaryError, match="NetBox answered 403"):
        delivered(sink, [event(3)])


@pytest.mark.slow
def test_the_certificate_of_netbox_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    receiver = Receiver(authority.issue("server", host="localhost"))
    receiver.answer = NetBox()
    token = tmp_path / "token"
    token.write_text("secret")
    words = (sys.executable, str(COMMAND), "--url", url_of(receiver), "--token-file", str(token))
    try:
        with pytest.raises(TemporaryError, match="certificate verify failed"):
            delivered(CommandSink(Options(words, 300), Clock()), [event(1)])
        trusting = CommandSink(Options((*words, "--ca-file", str(authority.own.path)), 300), Clock())
        assert delivered(trusting, [event(1)]).executed == 1
    finally:
        receiver.close()


def planned(number: int, interface: int | None, name: str = "", **more: Any) -> dict[str, Any]:
    """Return an address that a person planned, as NetBox's API shows it."""
    of = {"assigned_object_type": "dcim.interface" if interface else None, "assigned_object_id": interface}
    given = {"address": f"10.0.0.{number}/24", "dns_name": name, "description": "", "tags": ["kea"], **of}
    return {"id": number, **given, **more}


def written(receiver: Receiver, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the playbook in a directory, with pages of two objects."""
    shutil.copy(ROOT / "examples/netbox/reservations.yml", directory)
    variables = {"netbox_url": url_of(receiver), "vault_netbox_token": "secret", "netbox_page": 2}
    variables["ansible_python_interpreter"] = sys.executable
    words = ["ansible-playbook", "-i", "localhost,", "reservations.yml", "--extra-vars", json.dumps(variables)]
    environment = ansible_environment()
    return subprocess.run(words, cwd=directory, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_what_is_planned_in_netbox_becomes_reservations(server: tuple[Receiver, NetBox], tmp_path: Path) -> None:
    receiver, netbox = server
    netbox.interfaces = {11: "4C:D9:8F:00:00:01", 12: "4c:d9:8f:00:00:02", 13: "4c:d9:8f:00:00:03", 14: None}
    rows = [
        planned(1, 11, "idrac-1"),
        planned(2, 12),
        planned(3, 13, "leased", description="kea-lease-monitor 4c:d9:8f:00:00:03"),
        planned(4, 14, tags=["other"]),
        planned(5, 13, "idrac-3"),
    ]
    netbox.addresses = {row["id"]: row for row in rows}
    done = written(receiver, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    path = tmp_path / "group_vars/kea_servers/netbox.yml"
    assert yaml.safe_load(path.read_text()) == {
        "kea_reservations": [
            {"hw-address": "4c:d9:8f:00:00:01", "ip-address": "10.0.0.1", "hostname": "idrac-1"},
            {"hw-address": "4c:d9:8f:00:00:02", "ip-address": "10.0.0.2"},
            {"hw-address": "4c:d9:8f:00:00:03", "ip-address": "10.0.0.5", "hostname": "idrac-3"},
        ]
    }
    assert netbox.writes == 0
    assert "changed=0" in written(receiver, tmp_path).stdout, "a second run finds the same file"
    before = path.read_text()
    netbox.addresses.update({6: planned(6, 14), 7: planned(7, None)})
    done = written(receiver, tmp_path)
    assert done.returncode != 0
    assert "no interface with a hardware address for 10.0.0.7/24, 10.0.0.6/24." in " ".join(done.stdout.split())
    assert path.read_text() == before
