# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands the applier sends to a Kea with the hook host_cmds.

Debian 12's Kea, with which these tests run, has no such hook. So answers as Kea 3.0.3 gave them stand in for it here.
"""

from __future__ import annotations

import json
from typing import Any, Mapping

import pytest
from _kea.control import CONFLICT, EMPTY, SUCCESS, Answer
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import hosts, live
from kea_lease_monitor.kea.applier.hosts import Host

Reservation = Mapping[str, Any]


class Answers:
    """The reservations of a running Kea by subnet and hardware address, and the commands that it received."""

    def __init__(self, *reservations: Reservation) -> None:
        self.hosts = {(one["subnet-id"], one["hw-address"]): one for one in reservations}
        self.sent: list[str] = []

    def ask(self, command: str, arguments: Mapping[str, Any]) -> Answer:
        self.sent.append(command)
        if command == "reservation-get-all":
            found = [one for (subnet, _hwaddr), one in self.hosts.items() if subnet == arguments["subnet-id"]]
            return Answer(SUCCESS if found else EMPTY, "", {"hosts": found} if found else {})
        assert arguments["operation-target"] == "memory"
        if command == "reservation-del":
            gone = self.hosts.pop((arguments["subnet-id"], arguments["identifier"]), None)
            return Answer(SUCCESS if gone else EMPTY, "", {})
        one = {"hostname": "", **arguments["reservation"]}
        if any(one["ip-address"] == other["ip-address"] for other in self.hosts.values()):
            return Answer(CONFLICT, "There's already a reservation for this address", {})
        self.hosts[one["subnet-id"], one["hw-address"]] = one
        return Answer(SUCCESS, "", {})

    def known(self) -> dict[str, str]:
        return {hwaddr[-2:]: one["ip-address"] for (_subnet, hwaddr), one in sorted(self.hosts.items())}


def ours(client: int, number: int = 0, **more: Any) -> Reservation:
    address = f"10.0.0.{number or client}"
    mark = {"kea-lease-monitor": {"ip-address": address}}
    return {"hw-address": f"02:00:00:00:00:{client:02x}", "ip-address": address, "user-context": mark, **more}


def running(one: Reservation) -> Reservation:
    return {"hostname": "", "client-classes": [], "subnet-id": 1, **one}


def parsed(*reservations: Reservation) -> list[Host]:
    text = ",".join(json.dumps(one) for one in reservations)
    return hosts.read(1, text.encode(), {}).hosts


def test_clients_that_swap_their_addresses_are_deleted_before_they_are_added() -> None:
    before, after = [ours(1), ours(2), ours(3)], [ours(1, 2), ours(2, 1), ours(3), ours(4)]
    kea = Answers(*map(running, before))
    live.change(kea.ask, parsed(*before), parsed(*after))
    assert kea.known() == {"01": "10.0.0.2", "02": "10.0.0.1", "03": "10.0.0.3", "04": "10.0.0.4"}
    assert kea.sent == ["reservation-del"] * 2 + ["reservation-add"] * 3


def test_a_repair_changes_only_what_differs_and_keeps_what_the_site_reserved() -> None:
    site = {"hw-address": "02:00:00:00:00:99", "ip-address": "10.0.0.99"}
    kea = Answers(*map(running, [ours(1), ours(2, 5), ours(7), ours(8, hostname="old"), site]))
    live.repair(kea.ask, {1}, parsed(ours(1), ours(2), ours(3), ours(8, hostname="new")))
    assert kea.known() == {number: f"10.0.0.{int(number)}" for number in ("01", "02", "03", "08", "99")}
    assert kea.sent == ["reservation-get-all"] + ["reservation-del"] * 3 + ["reservation-add"] * 3
    live.repair(kea.ask, {1}, parsed(ours(1), ours(2), ours(3), ours(8, hostname="new")))
    assert kea.sent[-1] == "reservation-get-all", "nothing is left to do"


def test_a_refused_command_is_a_temporary_error_in_kea_s_words() -> None:
    kea = Answers(running(ours(9, 1)))
    with pytest.raises(TemporaryError, match=r"reservation-add of hw-address 02:.*:01: There's already a reservation"):
        live.change(kea.ask, [], parsed(ours(1)))


def test_kea_without_the_commands_is_reloaded_instead() -> None:
    def ask(_command: str, _arguments: Mapping[str, Any]) -> Answer:
        commands: Any = ["config-get", "reservation-add"]
        return Answer(SUCCESS, "", commands)

    assert not live.available(ask)

    def silent(_command: str, _arguments: Mapping[str, Any]) -> Answer:
        raise TemporaryError("no answer")

    assert not live.available(silent)
