# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of DHCPv6 in files: one for each DUID, with an address for each identity association."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from _kea.lease_csv import header_line
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea import pools, reservations
from kea_lease_monitor.kea.applier import hosts as applier_hosts
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.pools import Subnet, Use
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.site import Entry, Site, parse
from kea_lease_monitor.lease import BY_PERSON, EventKind, Lease, LeaseEvent
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from support.host_lists import Hosts, counting
from support.kea import KeaServer, serving
from support.programs import need

from runtime import builders
from runtime.applying import Host
from runtime.builders import NOW

ONE, TWO = "00:03:00:01:02:00:00:00:00:01", "00:03:00:01:02:00:00:00:00:02"


def lease(last: str, duid: str = ONE, iaid: int = 1, **more: Any) -> Lease:
    own = {"family": 6, "address": f"2001:db8:1::{last}", "duid": duid, "iaid": iaid, "hwaddr": "", "hostname": ""}
    return builders.lease(**{**own, **more})


def event(last: str, kind: EventKind = EventKind.ASSIGNED, ref: str = "row", **more: Any) -> LeaseEvent:
    return LeaseEvent(kind, lease(last, **more), ref, None)


def hosts6(content: str = "", **more: Any) -> Hosts:
    return Hosts(content.encode(), family=6, **more)


def test_a_client_has_one_reservation_for_all_its_identity_associations() -> None:
    hosts = hosts6()
    assert hosts.reserve(lease("1", hostname="bmc"))[:2] == (Verdict.CREATED, "")
    assert hosts.reserve(lease("2", iaid=7))[:2] == (Verdict.UPDATED, "")
    assert hosts.reserve(lease("1", hostname="bmc"))[:2] == (Verdict.UNCHANGED, "")
    assert hosts.reserve(lease("3", iaid=7))[:2] == (Verdict.UPDATED, "")
    (host,) = hosts6(hosts.render().decode()).hosts()
    assert (host["duid"], host["ip-addresses"]) == (ONE, ["2001:db8:1::1", "2001:db8:1::3"])
    # The mark is that of the hosts database.
    mark = {"ip-addresses": {"1": "2001:db8:1::1", "7": "2001:db8:1::3"}, "made": builders.NOW, "name": "bmc"}
    assert host["user-context"] == {"kea-lease-monitor": mark}
    assert reservations.is_unchanged(host)
    found = reservations.managed(host, 1)
    assert [(one.address, one.iaid, one.duid, one.hwaddr) for one in found] == [
        ("2001:db8:1::1", 1, ONE, ""),
        ("2001:db8:1::3", 7, ONE, ""),
    ]


def test_what_a_person_reserved_stays() -> None:
    text = f'# mine\n{{"duid": "{ONE.upper()}", "ip-addresses": ["2001:DB8:1::0:9"]}}\n'
    hosts = hosts6(text)
    assert hosts.reserve(lease("1"))[:2] == (Verdict.EDITED, "2001:db8:1::9")
    assert hosts.reserve(lease("9"))[:2] == (Verdict.UNCHANGED, "")
    assert hosts.reserve(lease("9", duid=TWO))[:2] == (Verdict.CONFLICT, ONE)
    assert hosts.render().decode() == text


def test_an_address_that_a_person_added_stays_beside_the_managed_one() -> None:
    hosts = hosts6()
    hosts.reserve(lease("1"))
    (host,) = hosts.hosts()
    host["ip-addresses"].append("2001:db8:1::9")
    edited = hosts6(f"{json.dumps(host)}\n")
    assert not reservations.is_unchanged(host)
    assert edited.reserve(lease("2"))[:2] == (Verdict.UPDATED, "")
    assert edited.hosts()[0]["ip-addresses"] == ["2001:db8:1::2", "2001:db8:1::9"]
    host["ip-addresses"] = ["2001:db8:1::9"]
    assert hosts6(f"{json.dumps(host)}\n").reserve(lease("2"))[:2] == (Verdict.EDITED, "2001:db8:1::9")


def test_a_reservation_without_an_address_is_completed() -> None:
    hosts = hosts6(f'{{"duid": "{ONE}", "hostname": "rack-7"}}\n')
    assert hosts.reserve(lease("1"))[:2] == (Verdict.UPDATED, "")
    (host,) = hosts.hosts()
    assert (host["ip-addresses"], host["hostname"]) == (["2001:db8:1::1"], "rack-7")


def test_the_same_client_by_its_hardware_address_is_no_conflict() -> None:
    """Kea looks up a client by its hardware address before its DUID."""
    text = '{"hw-address": "02:00:00:00:00:01", "ip-addresses": ["2001:db8:1::1"]}\n'
    hosts = hosts6(text)
    assert hosts.reserve(lease("1", hwaddr="02:00:00:00:00:01"))[:2] == (Verdict.UNCHANGED, "")
    assert hosts.reserve(lease("1", hwaddr="02:00:00:00:00:02"))[:2] == (Verdict.CONFLICT, "02:00:00:00:00:01")
    assert hosts.render().decode() == text


@pytest.fixture
def sink(tmp_path: Path) -> ReservationFileSink:
    return open_sink(tmp_path)


def open_sink(path: Path, *site: Entry) -> ReservationFileSink:
    found = ReservationFileSink(Options(str(path), str(path), site), 6)
    found.check()
    return found


def reserved(path: Path) -> dict[str, list[str]]:
    return {host["duid"]: host["ip-addresses"] for host in counting(path / "subnet-1.json")}


def test_the_sink_reserves_addresses_by_duid(sink: ReservationFileSink, tmp_path: Path) -> None:
    delivery = sink.deliver([event("1"), event("2", iaid=2), event("3", duid=TWO), LeaseEvent(*builders.event(4))])
    assert (delivery.created, delivery.updated, delivery.skipped) == (2, 1, 1)
    assert reserved(tmp_path) == {ONE: ["2001:db8:1::1", "2001:db8:1::2"], TWO: ["2001:db8:1::3"]}
    assert sink.held([lease("2", iaid=2), lease("3"), builders.lease(1)]) == [lease("2", iaid=2)]
    assert sink.deliver([event("1"), event("3", duid=TWO)]).unchanged == 2


def test_temporary_addresses_and_prefixes_are_not_reserved(sink: ReservationFileSink, tmp_path: Path) -> None:
    assert sink.deliver([event("1", lease_type=1), event("2", lease_type=2, prefix_len=56)]).skipped == 2
    assert not (tmp_path / "subnet-1.json").exists()


def test_clients_that_hold_each_others_addresses_are_swapped(sink: ReservationFileSink, tmp_path: Path) -> None:
    sink.deliver([event("1"), event("2", duid=TWO)])
    delivery = sink.deliver([event("2"), event("1", duid=TWO)])
    assert (delivery.updated, delivery.rejected) == (2, ())
    assert reserved(tmp_path) == {ONE: ["2001:db8:1::2"], TWO: ["2001:db8:1::1"]}


def test_each_address_goes_by_itself_and_the_reservation_with_the_last(
    sink: ReservationFileSink, tmp_path: Path
) -> None:
    sink.deliver([event("1"), event("2", iaid=2), event("3", duid=TWO)])
    assert [one.address for one in sink.made()] == ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::3"]
    first, second = (event(last, EventKind.FORGOTTEN, iaid=iaid) for last, iaid in (("1", 1), ("2", 2)))
    assert sink.deliver([first]).removed == 1
    assert reserved(tmp_path) == {ONE: ["2001:db8:1::2"], TWO: ["2001:db8:1::3"]}
    assert sink.deliver([first]).removed == 0
    assert sink.deliver([second]).removed == 1
    assert reserved(tmp_path) == {TWO: ["2001:db8:1::3"]}
    sink.deliver([event("1"), event("2", iaid=2)])
    assert sink.deliver([first, second]).removed == 2
    assert reserved(tmp_path) == {TWO: ["2001:db8:1::3"]}
    assert sink.deliver([event("9", EventKind.FORGOTTEN, BY_PERSON, duid=TWO)]).removed == 1


def test_the_reservations_of_the_site_win(tmp_path: Path) -> None:
    open_sink(tmp_path).deliver([event("1"), event("2", iaid=2), event("3", duid=TWO)])
    own = Entry(1, "duid", ONE, "2001:db8:1::9", family=6)
    sink = open_sink(tmp_path, own, Entry(1, "hw-address", "02:00", "10.0.0.1"))
    assert reserved(tmp_path) == {TWO: ["2001:db8:1::3"]}
    assert sink.deliver([event("1")]).unchanged == 1
    (rejection,) = sink.deliver([event("9", duid=TWO)]).rejected
    assert f"duid {ONE}" in rejection.detail


def test_the_same_subnet_id_of_the_other_family_is_another_subnet() -> None:
    four, six = ({"subnet": 1, "kind": "flex-id", "identifier": "01", "family": one} for one in (4, 6))
    assert Site(parse(json.dumps([four]).encode())).judge(lease("1")) is None
    assert Site(parse(json.dumps([six]).encode())).judge(builders.lease(1)) is None
    assert Site(parse(json.dumps([six]).encode())).judge(lease("1")) is not None
    with pytest.raises(ValueError, match="family 4 or 6"):
        parse(json.dumps([{**six, "family": 5}]).encode())


BOTH = {"type": "memfile", "path": "/four.csv", "path6": "/six.csv"}
SINK = {"type": "reservation_file", "directory": "/six", "report": "/six"}


def settings(*families: int, **source: str) -> MonitorSettings:
    match = {"match": {"families": list(families)}} if families else {}
    one = {"name": "one", **match, "sinks": [SINK]}
    return MonitorSettings.parse({"source": {**BOTH, **source}, "subscriptions": [one], "pools": {"path6": "/p6"}})


def test_each_subscription_reads_the_lease_file_of_its_family() -> None:
    options = settings(6).source.options
    assert [options.of(frozenset({one})) for one in (4, 6)] == ["/four.csv", "/six.csv"]
    assert settings(4).pools == (pools.DEFAULT_PATH, "/p6")
    for families in ((), (4, 6)):
        with pytest.raises(ConfigurationError, match=r"name 4 or 6|one family"):
            settings(*families)
    with pytest.raises(ConfigurationError, match=r"source\.path6"):
        settings(6, path6="six.csv")


def test_the_use_of_the_pools_of_both_servers_counts(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("four", "six")]
    figures = [(Subnet(family, 1, Use(10, 1, 0), {}),) for family in (4, 6)]
    assert pools.read(paths) is None
    pools.write(paths[1], figures[1], 20.0)
    only = pools.read(paths)
    assert only is not None
    assert only.figures == figures[1]
    pools.write(paths[0], figures[0], 10.0)
    both = pools.read(paths)
    assert both is not None
    assert (both.figures, both.interval) == (figures[0] + figures[1], 20.0)


class Host6(Host):
    """A directory with a real kea-dhcp6 that includes reservation files."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.program = need("kea-dhcp6")
        self.leases = path / "kea-leases6.csv"
        self.leases.write_text(f"{header_line(6)}\n")

    def lease(self, *leases: Lease) -> None:
        """Append leases as Kea writes them."""
        with self.leases.open("a") as file:
            for one in leases:
                words = [one.address, one.duid, 3600, NOW + 3600, one.subnet_id, 3600, one.lease_type, one.iaid]
                file.write(",".join(map(str, [*words, one.prefix_len, 0, 0, "", "", 0, "", "", ""])) + "\n")

    def write(self, more: str) -> None:
        include = f'<?include "{self.path}/applied/subnet-1.json"?>'
        (self.path / "kea.conf").write_text(
            f"""{{"Dhcp6": {{ {more}
            "interfaces-config": {{"interfaces": []}},
            "server-id": {{"type": "EN", "identifier": "aa", "persist": false}},
            "control-socket": {{"socket-type": "unix", "socket-name": "{self.path}/socket"}},
            "lease-database": {{"type": "memfile", "name": "{self.path}/kea-leases6.csv", "lfc-interval": 0}},
            "subnet6": [{{"id": 1, "subnet": "2001:db8:1::/64", "pools": [{{"pool": "2001:db8:1::1 - 2001:db8:1::99"}}],
                         "reservations": [ {{"duid": "00:01:00", "ip-addresses": ["2001:db8:1::200"]}},
                                           {include} ]}}] }} }}"""
        )

    def sink(self) -> ReservationFileSink:
        return ReservationFileSink(Options(*self.places, prefixes="reserve"), 6)

    def known(self) -> list[str]:
        answer = server_of(self).ask("config-get")
        found = answer["arguments"]["Dhcp6"]["subnet6"][0]["reservations"]
        return sorted(one for host in found for one in (*host["ip-addresses"], *host.get("prefixes", ())))


def server_of(host: Host6) -> KeaServer:
    return KeaServer(host.path, 6, host.path / "kea.conf", host.path / "socket")


@pytest.mark.slow
def test_the_applier_has_kea_use_what_it_accepts(tmp_path: Path) -> None:
    host = Host6(tmp_path)
    host.path.chmod(0o750)
    with serving(server_of(host)):
        outside = lease("1", duid="00:02:00")._replace(address="2001:db8:2::1")
        taken = lease("200", duid=TWO)
        delegated = lease("1")._replace(address="2001:db8:900::", lease_type=2, prefix_len=56)
        events = [
            event("1"),
            event("2", iaid=2),
            *(LeaseEvent(EventKind.ASSIGNED, one, "", None) for one in (outside, taken, delegated)),
        ]
        host.lease(*(each.lease for each in events))
        host.sink().deliver(events)
        host.apply()
        assert host.known() == ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:1::200", "2001:db8:900::/56"]
        assert "not within the IPv6 subnet" in host.refused()["00:02:00"]
        assert "already reservation for this address" in host.refused()[TWO]
        status = report.read(host.places.report)
        assert status is not None
        assert (status.total("written"), status.total("in_force")) == (3, 1)


def test_no_text_of_the_monitor_becomes_configuration() -> None:
    first, second = {"duid": ONE, "ip-addresses": ["2001:db8:1::1", "x"]}, {"duid": TWO, "prefixes": ["::/0"]}
    parsed = applier_hosts.read(1, f"{json.dumps(first)},\n{json.dumps(second)}\n".encode(), {})
    reasons = {one.host: one.reason for one in parsed.refused}
    assert "no IPv6 address" in reasons[f"duid {ONE}"]
    assert "a prefix has a length, as in 2001:db8:1::/56" in reasons[f"duid {TWO}"]
