# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of leases that did not reach DNS: when they are compared, what is sent again, and what is removed."""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from _kea import control, dns
from _kea.named_leases import Named
from kea_lease_monitor.commands import cli
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.names import look, ncr
from kea_lease_monitor.kea.names import memory as names_memory
from kea_lease_monitor.kea.names.memory import Memory
from support.dns import REFUSED, SOA, DnsServer, dns_server

KEA, D2 = "/run/kea/kea4-ctrl-socket", "/run/kea/kea-ddns-ctrl-socket"
KEA6 = "/run/kea/kea6-ctrl-socket"
NAME, ADDRESS = "bmc7.lab.example.", "192.0.2.7"
BACK = "7.2.0.192.in-addr.arpa."
LEASE = {
    "ip-address": ADDRESS,
    "hostname": "BMC7.lab.example",
    "hw-address": "02:00:00:00:00:07",
    "fqdn-fwd": True,
    "fqdn-rev": True,
    "state": 0,
}


NAME6, ADDRESS6 = "six7.lab.example.", "2001:db8::7"
BACK6 = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
ZONE6 = "8.b.d.0.1.0.0.2.ip6.arpa."
LEASE6: dict[str, Any] = {
    "ip-address": ADDRESS6,
    "type": "IA_NA",
    "iaid": 1,
    "hostname": "six7.lab.example.",
    "duid": "00:03:00:01:02:00:00:00:00:07",
    "fqdn-fwd": True,
    "fqdn-rev": True,
    "state": 0,
}

SERVERS = (look.Server(4, KEA),)
BOTH = (*SERVERS, look.Server(6, KEA6))


class World:
    """Kea, D2 and a DNS server, as one look sees them."""

    def __init__(self, server: DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server = server
        self.forward = {"lab.example.": server}
        self.leases: list[dict[str, Any]] = [LEASE]
        self.leases6: list[dict[str, Any]] = [LEASE6]
        self.pid, self.failures, self.now = 1, 0, 1e9
        self.resent: list[str] = []
        self.removed: list[dict[str, Any]] = []
        self.memory = Memory()
        monkeypatch.setattr(control, "send", self.send)
        monkeypatch.setattr(ncr, "send", lambda _d2, packet: self.removed.append(json.loads(packet[2:])))
        monkeypatch.setattr(look, "TIMEOUT", 0.4)
        server.records = {(zone, SOA): ["."] for zone in ("lab.example.", "2.0.192.in-addr.arpa.", ZONE6)}

    def publish(self) -> None:
        self.server.records.update({(NAME, dns.A): [ADDRESS], (BACK, dns.PTR): [NAME]})

    def publish6(self) -> None:
        self.server.records.update({(NAME6, dns.AAAA): [ADDRESS6], (BACK6, dns.PTR): [NAME6]})

    def withdraw(self) -> None:
        for key in ((NAME, dns.A), (BACK, dns.PTR)):
            del self.server.records[key]

    def run(self, seconds: float = 60.0, servers: Sequence[look.Server] = SERVERS) -> list[str]:
        self.now += seconds
        self.said: list[str] = []
        for line in look.Names(D2, servers, self.memory, lambda: self.now).run():
            self.said.append(line)
        return self.said

    def runs(self, minutes: int) -> None:
        """Look each minute, whether a server is away or not. D2 fails with what was sent."""
        for _minute in range(minutes):
            sent = len(self.resent)
            with contextlib.suppress(TemporaryError):
                self.run()
            self.failures += len(self.resent) > sent

    def send(
        self, path: str, command: str, _timeout: float, arguments: Mapping[str, Any] | None = None
    ) -> control.Answer:
        if (path, command) in ((KEA, "lease4-resend-ddns"), (KEA6, "lease6-resend-ddns")):
            assert arguments
            self.resent.append(arguments["ip-address"])
            return control.Answer(control.SUCCESS, "", {})
        answers: dict[tuple[str, str], Any] = {
            (D2, "status-get"): {"pid": self.pid},
            (D2, "statistic-get-all"): {"update-timeout": [[self.failures, "now"]], "update-sent": [[9, "now"]]},
            (D2, "config-get"): {"DhcpDdns": self.config()},
            (KEA, "lease4-get-page"): {"leases": self.leases},
            (KEA6, "lease6-get-page"): {"leases": self.leases6},
        }
        return control.Answer(control.SUCCESS, "", answers[path, command])

    def config(self) -> dict[str, Any]:
        def zone(name: str, server: DnsServer) -> dict[str, Any]:
            return {"name": name, "dns-servers": [{"ip-address": "127.0.0.1", "port": server.port}]}

        return {
            "forward-ddns": {"ddns-domains": [zone(name, server) for name, server in self.forward.items()]},
            "reverse-ddns": {"ddns-domains": [zone(name, self.server) for name in ("2.0.192.in-addr.arpa.", ZONE6)]},
        }


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with dns_server() as server:
        yield World(server, monkeypatch)


@pytest.fixture
def second() -> Iterator[DnsServer]:
    """Return a further DNS server, with the zones of the first one's names."""
    with dns_server() as server:
        server.records = {(zone, SOA): ["."] for zone in ("lab.example.", "dead.example.")}
        yield server


def quiet(world: World) -> None:
    """Have all names right and known."""
    world.publish()
    assert world.run() == []
    world.server.asked.clear()


def test_without_a_failure_no_dns_server_is_asked(world: World) -> None:
    quiet(world)
    assert [world.run() for _minute in range(10)] == [[]] * 10
    assert world.server.asked == []
    world.run(look.HOUR)
    assert (NAME, dns.A) in world.server.asked


@pytest.mark.parametrize("loss", [{"failures": 1}, {"pid": 2}])
def test_after_a_failure_a_wrong_name_is_sent_again_until_it_is_right(loss: dict[str, int], world: World) -> None:
    quiet(world)
    world.withdraw()
    vars(world).update(loss)
    assert world.run() == [f"{NAME} is missing, not {ADDRESS}"]
    world.publish()
    assert world.run() == []
    world.server.asked.clear()
    assert world.run() == []
    assert (world.resent, world.server.asked) == ([ADDRESS], [])


def test_the_wildcard_of_d2_delays_nothing(world: World) -> None:
    world.forward["*"] = world.server
    quiet(world)
    world.withdraw()
    world.failures = 1
    assert world.run() == [f"{NAME} is missing, not {ADDRESS}"]


def test_while_dns_is_away_nothing_is_sent(world: World) -> None:
    quiet(world)
    world.withdraw()
    world.failures, world.server.silent = 1, True
    for _minute in range(2):
        with pytest.raises(TemporaryError, match=r"once these answer: 127.0.0.1 for lab.example. \(no answer\)"):
            world.run()
    assert world.resent == []
    world.server.silent = False
    world.run()
    assert world.resent == [ADDRESS]


def test_a_name_of_another_client_is_tried_three_times_and_once_an_hour_again(world: World) -> None:
    world.server.records[NAME, dns.A] = ["192.0.2.99"]
    said = [world.run() for _minute in range(5)]
    assert said == [[f"{NAME} is 192.0.2.99, not {ADDRESS}"]] * look.TRIES + [[], []]
    world.run(look.HOUR)
    assert len(world.resent) == look.TRIES + 1


def test_names_whose_changes_failed_with_another_server_are_sent_once_that_is_back(
    world: World, second: DnsServer
) -> None:
    """D2 changes the name first, and gives the address up with it."""
    world.forward = {"lab.example.": second}
    second.records[NAME, dns.A] = [ADDRESS]
    quiet(world)
    del world.server.records[BACK, dns.PTR]
    world.failures, second.code = 1, REFUSED
    world.runs(60)
    assert world.resent == [], "what D2 would give up"
    second.code = None
    world.runs(1)
    assert world.resent == [ADDRESS]


def test_what_was_tried_too_often_is_sent_again_once_a_server_is_back(world: World) -> None:
    """The server refused, went away, and is mended now."""
    quiet(world)
    world.withdraw()
    world.failures = 1
    world.runs(5)
    world.failures, world.server.silent = world.failures + 1, True
    world.runs(3)
    assert len(world.resent) == look.TRIES
    world.server.silent = False
    world.runs(1)
    assert len(world.resent) == look.TRIES + 1


def test_a_removal_waits_for_the_servers_of_both_zones(world: World, second: DnsServer) -> None:
    world.forward = {"lab.example.": second}
    second.records[NAME, dns.A] = [ADDRESS]
    quiet(world)
    world.leases, world.failures, second.code = [], 1, REFUSED
    world.runs(10)
    assert world.removed == []
    second.code = None
    world.runs(1)
    assert [one["fqdn"] for one in world.removed] == [NAME]


def test_the_hourly_comparison_tries_again_although_a_server_of_another_zone_is_away(
    world: World, second: DnsServer
) -> None:
    world.forward["dead.example."] = second
    quiet(world)
    world.withdraw()
    world.failures, second.code = 1, REFUSED
    world.runs(130)
    assert len(world.resent) >= 3 * look.TRIES


def test_what_is_sent_is_told_although_a_server_of_another_zone_is_away(world: World, second: DnsServer) -> None:
    world.forward["dead.example."] = second
    quiet(world)
    world.withdraw()
    world.failures, second.code = 1, REFUSED
    with pytest.raises(TemporaryError, match=r"for dead\.example\. \(REFUSED\)"):
        world.run()
    assert world.said == [f"{NAME} is missing, not {ADDRESS}"]


@pytest.mark.parametrize("begin", ["restart", "all"])
def test_a_restart_of_d2_or_a_person_has_everything_tried_again(begin: str, world: World) -> None:
    """The key was mended, as the runbook says."""
    quiet(world)
    world.withdraw()
    world.failures = 1
    world.runs(10)
    assert len(world.resent) == look.TRIES
    if begin == "restart":
        world.pid = 2
    else:
        world.memory.start_over()
    world.runs(1)
    assert len(world.resent) == look.TRIES + 1


@pytest.mark.parametrize("back", [90.0, 7200.0])
def test_a_clock_that_goes_back_delays_nothing(back: float, world: World) -> None:
    quiet(world)
    world.now -= back + 60
    world.withdraw()
    world.failures = 1
    world.runs(1)
    assert world.resent == [ADDRESS]
    assert max(world.memory.compared, world.memory.hourly, world.memory.listed) == world.now


def test_leases_are_listed_after_a_clock_went_back(world: World) -> None:
    quiet(world)
    world.memory.compared = world.memory.hourly = world.now - 90
    world.now -= 90
    world.leases = [LEASE, {**LEASE, "ip-address": "192.0.2.8"}]
    world.runs(1)
    assert f"192.0.2.8 {NAME}" in world.memory.known


def test_failures_that_no_comparison_mends_do_not_have_all_names_compared_each_minute(world: World) -> None:
    """A client that asks for a name of another one makes D2 fail at each renewal."""
    quiet(world)

    def compared() -> int:
        world.failures += 1
        world.run()
        asked = len(world.server.asked)
        world.server.asked.clear()
        return int(asked > 0)

    assert sum(compared() for _minute in range(60)) <= 60 / 3 + 2
    world.withdraw()
    minutes = next(minute for minute in range(1, 10) if compared() and world.resent)
    assert minutes < 5, "what can be mended is, in time"
    world.publish()
    world.pid = 2
    assert compared() == 1, "a new process of D2 has lost what waited"


def test_the_name_of_a_lease_that_ended_while_dns_was_away_is_removed(world: World) -> None:
    quiet(world)
    world.leases = []
    world.failures = 1
    assert world.run() == [f"{NAME} is {ADDRESS}, whose lease is gone"]
    (removal,) = world.removed
    assert {"change-type": 1, "fqdn": NAME, "ip-address": ADDRESS, "reverse-change": True}.items() <= removal.items()
    assert removal["dhcid"] == ncr.dhcid(next(iter(world.memory.known.values()))).upper()
    world.withdraw()
    assert world.run() == []
    assert world.memory.known == {}


def test_the_names_of_a_server_that_is_no_longer_looked_at_stay(world: World) -> None:
    quiet(world)
    world.failures = 1
    assert world.run(servers=[]) == []
    assert world.removed == []
    assert world.memory.known


def test_the_former_name_of_an_address_goes_and_that_of_its_new_client_stays(world: World) -> None:
    quiet(world)
    world.leases = [{**LEASE, "hostname": "bmc8.lab.example."}]
    world.server.records.update({("bmc8.lab.example.", dns.A): [ADDRESS], (BACK, dns.PTR): ["bmc8.lab.example."]})
    world.failures = 1
    world.run()
    (removal,) = world.removed
    assert (removal["fqdn"], removal["forward-change"], removal["reverse-change"]) == (NAME, True, False)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ((NAME6, dns.AAAA), f"{NAME6} is missing, not {ADDRESS6}"),
        ((BACK6, dns.PTR), f"{ADDRESS6} is missing, not {NAME6}"),
    ],
)
def test_a_wrong_name_of_a_dhcpv6_lease_is_sent_again_by_its_server(
    record: tuple[str, int], problem: str, world: World
) -> None:
    world.publish()
    world.publish6()
    assert world.run(servers=BOTH) == []
    del world.server.records[record]
    world.failures = 1
    assert world.run(servers=BOTH) == [problem]
    world.publish6()
    assert world.run(servers=BOTH) == []
    assert world.resent == [ADDRESS6]


def test_the_name_of_a_dhcpv6_lease_that_is_gone_is_removed(world: World) -> None:
    world.publish()
    world.publish6()
    assert world.run(servers=BOTH) == []
    world.leases6 = []
    world.failures = 1
    assert world.run(servers=BOTH) == [f"{NAME6} is {ADDRESS6}, whose lease is gone"]
    (removal,) = world.removed
    assert {"fqdn": NAME6, "ip-address": ADDRESS6, "reverse-change": True}.items() <= removal.items()
    assert removal["dhcid"] == ncr.dhcid(Named(ADDRESS6, NAME6, True, True, duid=LEASE6["duid"])).upper()
    for key in ((NAME6, dns.AAAA), (BACK6, dns.PTR)):
        del world.server.records[key]
    assert world.run(servers=BOTH) == []
    assert list(world.memory.known) == [f"{ADDRESS} {NAME}"]


def test_a_delegated_prefix_has_no_name(world: World) -> None:
    world.publish()
    world.leases6 = [{**LEASE6, "type": "IA_PD"}]
    assert world.run(servers=BOTH) == []


@pytest.mark.parametrize(
    "change",
    [
        {"state": 2},
        {"hostname": ""},
        {"fqdn-fwd": False, "fqdn-rev": False},
        # What a client calls itself stops nothing.
        {"hostname": "."},
        {"hostname": "a" * 64},
        {"hostname": "caf\u00e9.lab.example."},
        {"hostname": "a\x07b.lab.example."},
    ],
)
def test_a_lease_without_a_name_in_dns_is_none_of_them(change: dict[str, Any], world: World) -> None:
    world.leases = [{**LEASE, **change}]
    assert world.run() == []
    assert not world.memory.owed


@pytest.mark.parametrize(
    ("client", "name", "record"),
    [
        # The examples of RFC 4701, 3.6.
        (
            {"duid": "00:01:00:06:41:2d:f1:66:01:02:03:04:05:06"},
            "chi6.example.com.",
            "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
        ),
        (
            {"hwaddr": "00:00:00:00:00:00", "client_id": "01:07:08:09:0a:0b:0c"},
            "chi.example.com.",
            "AAEBOSD+XR3Os/0LozeXVqcNc7FwCfQdWL3b/NaiUDlW2No=",
        ),
        (
            {"hwaddr": "01:02:03:04:05:06"},
            "client.example.com.",
            "AAABxLmlskllE0MVjd57zHcWmEH3pCQ6VytcKD//7es/deY=",
        ),
    ],
)
def test_the_record_of_a_client(client: dict[str, str], name: str, record: str) -> None:
    assert base64.b64encode(bytes.fromhex(ncr.dhcid(Named(ADDRESS, name, True, True, **client)))).decode() == record


def test_the_record_of_a_client_as_kea_makes_it() -> None:
    """Kea 2.2 logged the first. A DUID in a client identifier (RFC 4361) counts without its IAID."""
    found = Named(ADDRESS, "b11.bmc.example.", True, True, "02:00:00:00:00:0e")
    assert ncr.dhcid(found).upper() == "000001502D8D55022C4514A0EF0204EC9AC7526785E866C923F8C70BF2A3D200EA8813"
    duid = Named("2001:db8::7", NAME, True, True, duid="00:03:00:01:02:00:00:00:00:07")
    within = duid._replace(duid="", client_id="ff:00:00:00:01:00:03:00:01:02:00:00:00:00:07")
    assert ncr.dhcid(within) == ncr.dhcid(duid)


def test_a_removal_is_a_packet_with_its_length() -> None:
    packet = ncr.removal(Named(ADDRESS, NAME, True, True, "02:00:00:00:00:07"), 0.0)
    assert struct.unpack("!H", packet[:2])[0] == len(packet) - 2
    assert json.loads(packet[2:])["lease-expires-on"] == "19700101000000"


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"known": {"a": [1]}}', b'{"other": 1}'])
def test_a_missing_or_damaged_memory_has_all_names_compared(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    if content is not None:
        path.write_bytes(content)
    found = names_memory.read(str(path))
    assert (found.owed, found.compared) == (True, 0.0)


def test_the_command_remembers(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "names.json"
    arguments = ["names", "--ddns-socket", D2, "--control-socket4", KEA, "--state", str(path)]
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out == f"sent again: {NAME} is missing, not {ADDRESS}\n"
    found = names_memory.read(str(path))
    assert (found.owed, list(found.known)) == (True, [f"{ADDRESS} {NAME}"])
    world.server.silent = True
    assert cli.main(arguments) == 1
    assert "once these answer" in capsys.readouterr().err
