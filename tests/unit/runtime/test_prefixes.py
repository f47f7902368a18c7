# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delegated prefixes that are reserved on request, and circles of DHCPv6 clients, in files and in the database."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from _kea.lease_csv import header_line
from kea_lease_monitor.commands.present import Present, client
from kea_lease_monitor.endings.clients import name_of
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea.applier import hosts as applier_hosts
from kea_lease_monitor.lease import BY_PERSON, EventKind, LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sinks.base import Forgetting, Holding
from kea_lease_monitor.sinks.reservations import database, file
from kea_lease_monitor.sinks.reservations.circles import circles
from support.host_lists import counting

from runtime.builders import HEADER, event, row
from runtime.test_ipv6 import SCHEMAS, of_schema
from runtime.world import Kea

ONE, TWO, THREE = "00:02:01", "00:02:02", "00:02:03"
KEPT = "2001:db8::9"

Reserved = dict[str, tuple[list[str], list[str]]]
"""Addresses and prefixes of each DUID."""


def six(address: str, duid: str = ONE, **more: Any) -> LeaseEvent:
    values = {"family": 6, "address": address, "duid": duid, "hwaddr": "", "iaid": 1, "prefix_len": 128}
    return event(1, **{**values, **more})


def prefix(number: int, duid: str = ONE, length: int = 56, **more: Any) -> LeaseEvent:
    return six(f"2001:db8:{number:x}00::", duid, lease_type=2, prefix_len=length, **more)


def in_files(tmp_path: Path) -> tuple[Any, Callable[[], Reserved]]:
    sink = file.ReservationFileSink(file.Options(str(tmp_path), str(tmp_path), prefixes="reserve"), 6)

    def reserved() -> Reserved:
        hosts = counting(tmp_path / "subnet-1.json")
        return {host["duid"]: (host.get("ip-addresses", []), host.get("prefixes", [])) for host in hosts}

    return sink, reserved


def in_database(kea: Kea, link: Any) -> tuple[Any, Callable[[], Reserved]]:
    sink = database.ReservationSink(link(), frozenset({6}), database.Options(prefixes="reserve"))

    def reserved() -> Reserved:
        rows = kea.rows(
            "SELECT encode(dhcp_identifier, 'hex'), split_part(address::text, '/', 1), prefix_len, type"
            " FROM hosts JOIN ipv6_reservations USING (host_id) ORDER BY reservation_id"
        )
        found: Reserved = {}
        for duid, address, length, kind in rows:
            lists = found.setdefault(":".join(duid[at : at + 2] for at in (0, 2, 4)), ([], []))
            lists[kind == 2].append(f"{address}/{length}" if kind == 2 else address)
            assert kind == 2 or length == 128
        return found

    return sink, reserved


@pytest.fixture(params=["files", *SCHEMAS])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "files":
        yield in_files(tmp_path)
        return
    kea = of_schema(request.getfixturevalue("kea"), request.param)
    sink, reserved = in_database(kea, request.getfixturevalue("link"))
    yield sink, reserved
    sink.close()


@pytest.fixture
def database_made(kea: Kea, link: Any) -> Iterator[Any]:
    sink, reserved = in_database(of_schema(kea, "varchar"), link)
    yield sink, reserved
    sink.close()


def test_a_prefix_is_reserved_beside_the_address_of_the_same_iaid(made: Any) -> None:
    sink, reserved = made
    assert sink.deliver([six("2001:db8::1"), prefix(1)])[:2] == (1, 1)
    assert sink.deliver([prefix(2, TWO)]).created == 1
    expected = {ONE: (["2001:db8::1"], ["2001:db8:100::/56"]), TWO: ([], ["2001:db8:200::/56"])}
    assert reserved() == expected
    assert sink.deliver([six("2001:db8::1"), prefix(1), prefix(2, TWO)]).unchanged == 3


def test_a_prefix_moves_and_the_address_stays(made: Any) -> None:
    sink, reserved = made
    sink.deliver([six("2001:db8::1"), prefix(1), prefix(2, TWO)])
    (rejection,) = sink.deliver([prefix(2)]).rejected
    assert rejection.reason.value == "address_taken"
    assert sink.deliver([prefix(3)]).updated == 1
    assert sink.deliver([six("2001:db8::5")]).updated == 1
    assert reserved() == {ONE: (["2001:db8::5"], ["2001:db8:300::/56"]), TWO: ([], ["2001:db8:200::/56"])}


def test_what_is_reserved_is_told_and_goes_by_itself(made: Any) -> None:
    sink, reserved = made
    assert isinstance(sink, Forgetting)
    assert isinstance(sink, Holding)
    address, delegated = six("2001:db8::1"), prefix(1)
    sink.deliver([address, delegated])
    told = {(one.address, one.lease_type, one.prefix_len if one.lease_type else 128) for one in sink.made()}
    assert told == {("2001:db8::1", 0, 128), ("2001:db8:100::", 2, 56)}
    leases = [address.lease, delegated.lease, prefix(2).lease]
    assert sink.held(leases) == leases[:2]
    gone = [LeaseEvent(EventKind.FORGOTTEN, one.lease, BY_PERSON, None) for one in (delegated, address)]
    sink.deliver(gone[:1])
    # A row of the database goes with the last of its addresses.
    assert reserved()[ONE][0] == ["2001:db8::1"]
    sink.deliver(gone)
    assert reserved() == {}


def test_clients_in_a_circle_are_swapped(made: Any) -> None:
    sink, reserved = made
    for first, second, expected in (
        (six("2001:db8::1"), six("2001:db8::2", TWO), {ONE: (["2001:db8::2"], []), TWO: (["2001:db8::1"], [])}),
        (
            prefix(1),
            prefix(2, TWO),
            {ONE: (["2001:db8::2"], ["2001:db8:200::/56"]), TWO: (["2001:db8::1"], ["2001:db8:100::/56"])},
        ),
    ):
        sink.deliver([first, second])
        swapped = [
            first._replace(lease=second.lease._replace(duid=ONE)),
            second._replace(lease=first.lease._replace(duid=TWO)),
        ]
        delivery = sink.deliver(swapped)
        assert (delivery.updated, delivery.rejected) == (2, ())
        assert reserved() == expected
        assert sink.deliver(swapped).unchanged == 2


def of(found: LeaseEvent, duid: str, iaid: int = 1) -> LeaseEvent:
    """Return the lease of another association or client."""
    return found._replace(lease=found.lease._replace(duid=duid, iaid=iaid))


def test_a_circle_is_swapped_although_one_of_its_clients_waits_for_another_address(made: Any) -> None:
    sink, reserved = made
    one, two, own, kept = six("2001:db8::1"), six("2001:db8::2", TWO), six("2001:db8::5", iaid=2), six(KEPT, THREE)
    sink.deliver([one, two, own, kept])
    delivery = sink.deliver([of(two, ONE), of(one, TWO), of(kept, ONE, 2)])
    assert (delivery.updated, [each.event.lease.address for each in delivery.rejected]) == (2, [KEPT])
    assert reserved() == {ONE: (["2001:db8::2", "2001:db8::5"], []), TWO: (["2001:db8::1"], []), THREE: ([KEPT], [])}


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_two_clients_swap_several_addresses_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    sink, reserved = in_files(tmp_path)
    before = [six("2001:db8::1"), six("2001:db8::2", iaid=2), six("2001:db8::3", TWO), six("2001:db8::4", TWO, iaid=2)]
    sink.deliver(before)
    after = [of(before[2], ONE), of(before[3], ONE, 2), of(before[0], TWO), of(before[1], TWO, 2)]
    delivery = sink.deliver([after[number] for number in order])
    assert (delivery.updated, delivery.rejected) == (4, ())
    assert reserved() == {ONE: (["2001:db8::3", "2001:db8::4"], []), TWO: (["2001:db8::1", "2001:db8::2"], [])}


def test_a_circle_that_passes_a_client_twice_stays(made: Any) -> None:
    """An exchange of two leases of one client would change one of them only."""
    sink, reserved = made
    one, two, own, three = six("2001:db8::1"), six("2001:db8::2", TWO), six("2001:db8::5", iaid=2), six(KEPT, THREE)
    sink.deliver([one, two, own, three])
    before = reserved()
    assert len(sink.deliver([of(two, ONE), of(own, TWO), of(three, ONE, 2), of(one, THREE)]).rejected) == 4
    assert reserved() == before


def test_the_search_for_circles_ends_whatever_clients_have() -> None:
    """Each of forty leases of one client may wait for each of forty leases of the other one."""
    conflicts = [
        (six(f"2001:db8::{number:x}", (ONE, TWO)[number % 2], iaid=number), (TWO, ONE)[number % 2])
        for number in range(80)
    ]
    begun = time.monotonic()
    assert circles(conflicts)
    assert time.monotonic() - begun < 5


def test_a_circle_of_many_clients_is_one() -> None:
    clients = [f"00:02:{number // 256:02x}:{number % 256:02x}" for number in range(1000)]
    conflicts = [(six(f"2001:db8::{at:x}", one), clients[at - 1]) for at, one in enumerate(clients)]
    (found,) = circles(conflicts)
    assert len(found) == 1000
    assert circles(conflicts[1:]) == []
    # Clients that wait for one of a circle are in none.
    into = six("2001:db8:1::", THREE), clients[0]
    assert circles([into, *conflicts]) == [found]


def test_an_edited_reservation_is_not_swapped(kea: Kea, database_made: Any) -> None:
    sink, reserved = database_made
    sink.deliver([six("2001:db8::1"), six("2001:db8::2", TWO)])
    kea.rows("UPDATE ipv6_reservations SET address = '2001:db8::9' WHERE address = '2001:db8::2'")
    before = reserved()
    assert len(sink.deliver([six("2001:db8::2"), six("2001:db8::1", TWO)]).rejected) == 1
    assert reserved()[TWO] == before[TWO]


def test_a_prefix_of_another_length_is_not_moved_in_the_database(database_made: Any) -> None:
    """The monitor may not change the length."""
    sink, reserved = database_made
    sink.deliver([prefix(1)])
    (rejection,) = sink.deliver([prefix(2, length=60)]).rejected
    assert (rejection.reason.value, reserved()) == ("edited_by_hand", {ONE: ([], ["2001:db8:100::/56"])})


@pytest.mark.parametrize("module", [file, database])
def test_the_default_is_to_skip_prefixes(module: Any) -> None:
    assert module.Options.parse(Section({}, "")).prefixes == "skip"
    assert module.Options.parse(Section({"prefixes": "reserve"}, "")).prefixes == "reserve"
    with pytest.raises(ConfigurationError, match="prefixes: one of skip, reserve is needed"):
        module.Options.parse(Section({"prefixes": True}, ""))


def test_an_address_and_a_prefix_of_one_iaid_are_two() -> None:
    address, delegated = six("2001:db8::1").lease, prefix(1).lease
    assert name_of(address) != name_of(delegated)
    assert client(address) != client(delegated)
    assert name_of(address._replace(lease_type=1)) == ""


@pytest.mark.parametrize("written", ["::/0", "2001:db8::", "2001:db8::/129", "x/56", "2001:db8::/5 6", 7])
def test_no_text_of_the_monitor_becomes_configuration(written: Any) -> None:
    parsed = applier_hosts.read(1, json.dumps({"duid": ONE, "prefixes": [written]}).encode(), {})
    assert (parsed.hosts, [one.host for one in parsed.refused]) == ([], [f"duid {ONE}"])


def test_the_applier_writes_a_prefix_as_kea_reads_it() -> None:
    text = json.dumps({"duid": ONE, "prefixes": ["2001:DB8:0:0::/056"]})
    ((host,), _refused) = applier_hosts.read(1, text.encode(), {})
    assert (host.address, host.value()["prefixes"], host.is_plain()) == ("2001:db8::/56", ["2001:db8::/56"], True)


def test_the_leases_of_both_servers_are_present(tmp_path: Path) -> None:
    """A client of DHCPv6 that lives must not be forgotten."""
    four, both = tmp_path / "kea-leases4.csv", tmp_path / "kea-leases6.csv"
    now = int(time.time())
    four.write_text(HEADER + row(1, cltt=now))
    both.write_text(f"{header_line(6)}\n2001:db8::1,{ONE},3600,{now + 3600},7,1800,0,1,128,0,0,,,0,,,\n")
    source = {"type": "memfile", "path": str(four), "path6": str(both)}
    subscriptions = [
        {"name": str(family), "match": {"families": [family]}, "sinks": [{"type": "discovery"}]} for family in (4, 6)
    ]
    settings = MonitorSettings.parse({"source": source, "subscriptions": subscriptions})
    found = Present(settings)
    wanted = {client(lease) for lease in (event(1).lease, six("2001:db8::1", subnet_id=7).lease)}
    assert {lease.address for lease in found.of(wanted)} == {"10.0.0.1", "2001:db8::1"}
    found.close()
