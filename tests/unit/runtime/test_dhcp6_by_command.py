# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of DHCPv6 clients in a running Kea 3.0: a client may have several addresses."""

from __future__ import annotations

from typing import Any, Mapping

import pytest
from _kea.control import EMPTY, ERROR, SUCCESS, Answer
from kea_lease_monitor.kea.applier import live
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.hosts import Host
from kea_lease_monitor.kea.applier.placing import Held, Placing, managed


def host(client: int, *numbers: int, **more: Any) -> Host:
    addresses = [f"2001:db8::{number}" for number in numbers]
    mark = {"ip-addresses": {str(number): each for number, each in zip(numbers, addresses)}, "made": 1}
    fields = {
        "duid": f"00:01:{client:02x}",
        "ip-addresses": addresses,
        "user-context": {"kea-lease-monitor": mark},
        **more,
    }
    return Host.of(1, f"duid {fields['duid']}", fields)


class Kea:
    """A Kea that refuses an address that another client has, as Kea does."""

    def __init__(self, *hosts: Host) -> None:
        self.hosts = {one.value()["duid"]: one.value()["ip-addresses"] for one in hosts}
        self.sent: list[str] = []
        self.fewest = len(hosts)

    def ask(self, command: str, arguments: Mapping[str, Any] | None) -> Answer:
        assert arguments
        self.sent.append(command.removeprefix("reservation-"))
        if command == "reservation-del":
            assert arguments["identifier-type"] == "duid"
            found = self.hosts.pop(arguments["identifier"], None)
            self.fewest = min(self.fewest, len(self.hosts))
            return Answer(SUCCESS if found else EMPTY, "", {})
        wanted = arguments["reservation"]
        if command == "reservation-update":
            del self.hosts[wanted["duid"]]
        taken = {address for listed in self.hosts.values() for address in listed}
        if taken & set(wanted["ip-addresses"]):
            return Answer(ERROR, "There's already a reservation for this address", {})
        self.hosts[wanted["duid"]] = wanted["ip-addresses"]
        return Answer(SUCCESS, "", {})


@pytest.mark.parametrize(
    ("former", "wanted", "sent"),
    [
        ([host(1, 1, 2)], [host(1, 1, 2), host(2, 3)], ["add"]),
        ([host(1, 1, 2)], [host(1, 1)], ["update"]),
        ([host(1, 1, 2), host(2, 3)], [host(1, 1), host(2, 3, 2)], ["update", "update"]),
        ([host(1, 1), host(2, 2, 3)], [host(1, 1, 3), host(2, 2)], ["del", "update", "add"]),
        ([host(1, 1, 2), host(2, 3, 4)], [host(1, 3, 4), host(2, 1, 2)], ["del", "update", "add"]),
        (
            [host(1, 1), host(2, 2), host(3, 3)],
            [host(1, 2, 3), host(2, 1), host(3, 4)],
            ["del", "del", "update", "add", "add"],
        ),
        ([host(1, 1, 2)], [host(2, 2)], ["del", "add"]),
    ],
)
def test_the_addresses_of_clients_move_between_them(former: list[Host], wanted: list[Host], sent: list[str]) -> None:
    kea, held = Kea(*former), Held(former)
    placing = Placing(Commands(kea.ask, lambda _seconds: None, lambda: 0.0), held)
    changed = [one for one in wanted if held.hosts.get(one.identifier) != one]
    placing.run(changed, {one.identifier for one in former} - {one.identifier for one in wanted})
    assert not placing.refused
    assert kea.hosts == {one.value()["duid"]: one.value()["ip-addresses"] for one in wanted}
    assert (kea.sent, held.hosts) == (sent, {one.identifier: one for one in wanted})
    assert {address: one.identifier for one in wanted for address in one.addresses} == held.holders


def test_one_that_another_client_keeps_is_refused_and_the_former_reservation_stays() -> None:
    former = [host(1, 1), host(2, 2)]
    kea, held = Kea(*former), Held(former)
    placing = Placing(Commands(kea.ask, lambda _seconds: None, lambda: 0.0), held)
    placing.run([host(1, 3, 2)], set())
    assert [one.host for one in placing.refused] == ["duid 00:01:01"]
    assert held.hosts == {one.identifier: one for one in former}


def test_a_reservation_goes_that_has_one_of_the_addresses_of_another_client() -> None:
    held, wanted = Held([host(1, 1, 2), host(2, 3)]), {one.identifier: one for one in (host(3, 2, 4),)}
    assert live._gone(held, wanted, list(held.hosts)) == {"duid 00:01:01"}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (host(1, 1), True),
        (host(1, 1, hostname="a"), True),
        (host(1, 1, prefixes=["2001:db8:1::/64"]), True),
        (host(1, 1, **{"client-classes": ["KNOWN"]}), False),
    ],
)
def test_kea_s_test_by_command_is_enough_for_what_the_monitor_writes(one: Host, expected: bool) -> None:
    assert one.is_plain() is expected


def test_what_kea_answers_is_compared_by_its_values() -> None:
    own = host(1, 1, 2).value()
    told = {**own, "subnet-id": 1, "hostname": "", "prefixes": [], "client-classes": [], "option-data": []}
    site = {"duid": "00:01:02", "ip-addresses": ["2001:db8::9"], "subnet-id": 1}
    (found,) = managed(1, [told, site], ())
    assert (found.identifier, found.addresses) == ("duid 00:01:01", ["2001:db8::1", "2001:db8::2"])
