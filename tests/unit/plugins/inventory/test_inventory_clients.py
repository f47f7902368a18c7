# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which records are of one client, which the filters leave, and what its host is called."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_clients as clients
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_names as names
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_records as records
from ansible_collections.baremetal.kea.plugins.plugin_utils._inventory_records import Record
from inventory_helpers import HOSTILE

NOW = 1_700_000_000
ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
DUID = "00:03:00:01:" + ONE
EVERYTHING = clients.Filters(("leases", "reservations"), None, None, ("assigned",), None)


def lease(address: str = "10.0.0.1", family: int = 4, **more: Any) -> Record:
    return Record("leases", family, [address], 1, **{"state": "assigned", "since": NOW, "expires": NOW + 60, **more})


def reservation(address: str = "10.0.0.1", family: int = 4, **more: Any) -> Record:
    return Record("reservations", family, [address] if address else [], 1, **more)


def keys(*found: Record) -> list[clients.Key]:
    return [client.key for client in clients.grouped(found)]


def named(*found: Record, taken: tuple[str, ...] = ()) -> list[str]:
    wanted = clients.grouped(found)
    wishes = [names.Wish(client, *clients.hostname(client)) for client in wanted]
    return names.assigned(wishes, lambda name, _client: name in taken)


def test_a_hardware_address_joins_lease_and_reservation_of_both_families() -> None:
    found = [lease(hwaddr=ONE), reservation(hwaddr=ONE), lease("2001:db8::1", 6, hwaddr=ONE, duid="00:02:ff")]
    [client] = clients.grouped(found)
    variables = clients.variables(client, NOW)
    assert variables["ansible_host"] == "10.0.0.1"
    assert variables["kea_ipv6_addresses"] == ["2001:db8::1"]
    assert variables["bmc_mac"] == ONE
    assert variables["bmc_duid"] == "00:02:ff"


def test_a_lease_joins_no_machine_by_the_duid_of_another_lease() -> None:
    """field-cases C4: an attacker may use any DUID, with an association of its own."""
    proven = lease("2001:db8::1", 6, hwaddr=ONE, duid=DUID)
    assert keys(proven, lease("2001:db8::66", 6, duid=DUID)) == [("duid", DUID), ("hwaddr", ONE)]
    assert keys(proven, reservation("2001:db8::1", 6, duid=DUID)) == [("hwaddr", ONE)]


def test_a_duid_joins_no_families_even_if_it_holds_the_hardware_address() -> None:
    assert keys(lease(hwaddr=ONE), lease("2001:db8::1", 6, duid=DUID)) == [("duid", DUID), ("hwaddr", ONE)]


@pytest.mark.parametrize(("source", "certain"), [(0, ""), (1, ONE), (2, ""), (4, ""), (8, ONE), (16, "")])
def test_only_a_frame_or_a_relay_makes_a_hardware_address_certain(source: int, certain: str) -> None:
    assert records.certain_hwaddr(ONE, source) == certain


@pytest.mark.parametrize(("prefer", "address"), [(4, "10.0.0.1"), (6, "2001:db8::1")])
def test_ansible_host_is_of_the_preferred_family(prefer: int, address: str) -> None:
    found = [lease(hwaddr=ONE, since=9), lease("2001:db8::1", 6, hwaddr=ONE), reservation("2001:db8::9", 6, hwaddr=ONE)]
    [client] = clients.grouped(found)
    assert clients.variables(client, NOW, prefer)["ansible_host"] == address
    [only] = clients.grouped(found[:1])
    assert clients.variables(only, NOW, prefer)["ansible_host"] == "10.0.0.1"


def test_a_reservation_by_client_id_or_duid_is_of_the_client_that_shows_it() -> None:
    found = [lease(hwaddr=ONE, client_id="01:aa"), reservation("10.0.0.9", client_id="01:aa")]
    found += [lease("2001:db8::1", 6, hwaddr=ONE, duid="00:02:ff"), reservation("2001:db8::9", 6, duid="00:02:ff")]
    assert keys(*found) == [("hwaddr", ONE)]


def test_an_identifier_that_two_machines_show_joins_nothing() -> None:
    shared = [lease(hwaddr=ONE, client_id="01:aa"), lease("10.0.0.2", hwaddr=TWO, client_id="01:aa")]
    assert keys(*shared, reservation("10.0.0.3", client_id="01:aa")) == [
        ("hwaddr", ONE),
        ("hwaddr", TWO),
        ("id", "01:aa"),
    ]


def test_a_reservation_by_circuit_id_is_of_the_client_at_its_address() -> None:
    by_port = reservation("10.0.0.1", other_id="circuit-id 0a:01")
    assert keys(lease(hwaddr=ONE), by_port) == [("hwaddr", ONE)]
    assert keys(by_port) == [("circuit-id", "0a:01")]


def test_a_declined_lease_has_no_client() -> None:
    assert keys(lease(state="declined")) == []


def left(filters: clients.Filters, *found: Record) -> list[clients.Key]:
    return [client.key for client in clients.filtered(clients.grouped(found), filters, NOW)]


def test_an_expired_lease_is_left_out_and_its_reservation_stays() -> None:
    old = lease(hwaddr=ONE, expires=NOW - 1)
    assert left(EVERYTHING, old) == []
    assert left(EVERYTHING._replace(states=["expired"]), old) == [("hwaddr", ONE)]
    assert left(EVERYTHING, old, reservation(hwaddr=ONE)) == [("hwaddr", ONE)]


def test_subnets_of_the_families_are_counted_apart() -> None:
    found = [lease(hwaddr=ONE), lease("2001:db8::1", 6, hwaddr=TWO, duid="00:02:ff")]
    assert left(EVERYTHING._replace(subnets=[2]), *found) == [("hwaddr", TWO)]
    assert left(EVERYTHING._replace(subnets6=[]), *found) == [("hwaddr", ONE)]


def test_prefixes_are_of_whole_octets_and_in_every_spelling() -> None:
    for text in ("02:00:00", "2-0-0", "020000", "02:00:00:"):
        wanted = EVERYTHING._replace(prefixes=clients.prefixes("hwaddr_prefixes", [text]))
        assert left(wanted, lease(hwaddr=ONE), lease("10.0.0.2", hwaddr="03:00:00:00:00:01")) == [("hwaddr", ONE)]
    assert left(EVERYTHING._replace(prefixes=["02:00:00:00:00:01"]), lease(hwaddr=ONE + "0")) == []
    with pytest.raises(records.InventoryError, match="hwaddr_prefixes: 'dell'"):
        clients.prefixes("hwaddr_prefixes", ["dell"])


def test_kinds_are_chosen_and_a_client_without_an_address_is_left_out() -> None:
    assert left(EVERYTHING._replace(kinds=["leases"]), reservation(hwaddr=ONE)) == []
    assert left(EVERYTHING, reservation("", hwaddr=ONE, hostname="only-a-name")) == []


def test_the_newest_lease_is_the_address_before_the_reserved_one() -> None:
    found = [reservation("10.0.0.3", hwaddr=ONE), lease(hwaddr=ONE, since=1), lease("10.0.0.2", hwaddr=ONE, since=2)]
    variables = clients.variables(clients.grouped(found)[0], NOW)
    assert variables["ansible_host"] == "10.0.0.2"
    assert variables["kea_ipv4_addresses"] == ["10.0.0.2", "10.0.0.1", "10.0.0.3"]


@pytest.mark.parametrize(
    ("context", "managed"),
    [
        ({"kea-lease-monitor": {"ip-address": "10.0.0.1", "hostname": "a"}}, True),
        ('{"kea-lease-monitor": {"ip-address": "10.0.0.1", "hostname": "a"}}', True),
        ({"kea-lease-monitor": {"ip-address": "10.0.0.2", "hostname": "a"}}, False),
        ({"kea-lease-monitor": {"ip-address": "10.0.0.1", "hostname": "b"}}, False),
        ('{"kea-lease-monitor": ', False),
        ({"other": 1}, False),
        (None, False),
    ],
)
def test_a_reservation_is_managed_while_its_mark_says_what_it_says(context: object, managed: bool) -> None:
    assert records.reservation(reservation(hostname="a"), "hw-address", ONE, context).managed is managed


LIFETIME = 3600
MADE = {"kea-lease-monitor": {"ip-address": "10.0.0.1", "made": NOW}}


@pytest.mark.parametrize(
    ("found", "confirmed"),
    [
        ([lease(since=NOW + LIFETIME // 2 - 1, lifetime=LIFETIME)], False),
        ([lease(since=NOW + LIFETIME // 2, lifetime=LIFETIME)], True),
        ([lease(since=NOW - 1, lifetime=LIFETIME)], True),
        ([lease(since=NOW + 1, lifetime=0)], None),
        ([lease("10.0.0.2", since=NOW + 1, lifetime=LIFETIME)], None),
        ([], None),
        ([lease(since=NOW, lifetime=LIFETIME), lease("2001:db8::1", 6, confirmed=True)], True),
    ],
    ids=["new", "half a lifetime", "times out of order", "released", "another address", "no lease", "other family"],
)
def test_the_mark_and_the_lease_tell_whether_a_client_is_confirmed(found: list[Record], confirmed: bool | None) -> None:
    marked = records.reservation(reservation(), "hw-address", ONE, MADE)
    [client] = clients.grouped([marked, *(record._replace(hwaddr=ONE) for record in found)])
    assert client.confirmed is confirmed
    for wanted in (True, False):
        filters = EVERYTHING._replace(confirmed=wanted)
        assert bool(clients.filtered([client], filters, NOW)) is (wanted == (confirmed is not False))


@pytest.mark.parametrize("context", [None, {"kea-lease-monitor": {"ip-address": "10.0.0.1"}}])
def test_what_a_person_or_release_1_0_reserved_is_confirmed(context: object) -> None:
    found = [records.reservation(reservation(), "hw-address", ONE, context), lease(hwaddr=ONE, lifetime=LIFETIME)]
    assert [client.confirmed for client in clients.grouped(found)] == [True]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Web-1.Example.org.", "web-1.example.org"),
        (HOSTILE, "lookup-pipe-id"),
        ("\x1b[31mred\x1b[0m", "31mred-0m"),
        ("../../etc/passwd", "etc-passwd"),
        ("a b\nc\td", "a-b-c-d"),
        ("host[1:9]", "host-1-9"),
        ("ü", ""),
        ("x" * 300, "x" * 100),
    ],
)
def test_a_name_is_reduced_to_harmless_characters(given: str, expected: str) -> None:
    assert names.sanitised(given) == expected


@pytest.mark.parametrize("name", ["", "localhost", "ALL", "ungrouped", "127.0.0.1", "bmc-020000000002", "ü", "taken"])
def test_a_name_that_means_something_else_is_not_granted(name: str) -> None:
    assert named(lease(hwaddr=ONE, hostname=name), taken=("taken",)) == ["bmc-020000000001"]


def test_of_clients_with_one_name_only_a_persons_choice_is_granted() -> None:
    two = [lease(hwaddr=ONE, hostname="web"), lease("10.0.0.2", hwaddr=TWO, hostname="WEB")]
    assert named(*two) == ["bmc-020000000001", "bmc-020000000002"]
    assert named(*two, reservation("10.0.0.2", hwaddr=TWO, hostname="web")) == ["bmc-020000000001", "web"]
    managed = reservation("10.0.0.2", hwaddr=TWO, hostname="web", managed=True)
    assert named(*two, managed) == ["bmc-020000000001", "bmc-020000000002"]


def test_names_of_other_identifiers_differ_from_those_of_hardware_addresses() -> None:
    found = [lease(hwaddr=ONE), lease("10.0.0.2", client_id=ONE), lease("2001:db8::1", 6, duid=ONE + ":00" * 100)]
    assert len(set(named(*found))) == 3
    assert all(len(name) < 80 for name in named(*found))


@pytest.mark.parametrize(
    "kind_and_value",
    [
        *(("circuit-id", "0a:01"), ("flex-id", "07"), ("type-7", "0a"), ("duid", "00:03:00:01"), ("id", "01:02")),
        *(
            ("hwaddr", "07"),
            ("hwaddr", "02:00:00:00:00:02"),
            ("hwaddr", ":".join(["02"] * 20)),
            ("duid", "00:" * 60 + "01"),
        ),
    ],
)
def test_no_client_can_choose_the_name_that_an_identifier_gives(kind_and_value: tuple[str, str]) -> None:
    """Both would be one host. The other client may be of a source that is read later."""
    other = names.derived(clients.Client(kind_and_value, []))
    assert named(lease(hwaddr=ONE, hostname=other)) == ["bmc-020000000001"]


@pytest.mark.parametrize("name", ["bmc-07", "bmc-rack-12", "bmc-cafe", "bmc-idrac-07", "bmc-hall-020000000002"])
def test_names_that_people_choose_are_granted(name: str) -> None:
    assert named(lease(hwaddr=ONE, hostname=name)) == [name]


def test_the_cache_keeps_records_as_they_are() -> None:
    found = [lease(hwaddr=ONE, hostname=HOSTILE), reservation(hwaddr=TWO, managed=True)]
    assert records.restored(records.stored(found)) == found
