# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations in files that Kea refuses after the monitor said that it created them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor import metrics
from kea_lease_monitor.commands import dead_letters
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.hosts import Refusal
from kea_lease_monitor.kea.host_file import HostFile
from kea_lease_monitor.kea.site import Entry
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from kea_lease_monitor.subscriptions import Match, Subscription

from runtime.builders import Time, event
from runtime.fakes import ListSource
from runtime.states import state_in

WORDS = "failed to add new host: address 10.0.0.1 is taken"
MISSING = "Kea's configuration does not include the file of subnet 1"


def refusal(number: int = 1, address: str = "", family: int = 4) -> Refusal:
    kind = "hw-address" if family == 4 else "duid"
    host = f"{kind} 02:00:00:00:00:{number:02x}"
    return Refusal(1, host, address or f"10.0.0.{number}", "{}", WORDS)


class World:
    """A subscription in file mode, and the report of an applier."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.time = Time()
        self.source = ListSource()
        (tmp_path / "written").mkdir()
        self.start()

    def start(self, family: int = 4, left_out: tuple[int, ...] = ()) -> None:
        self.store = state_in(self.path)
        options = Options(str(self.path / "written"), str(self.path), left_out=left_out)
        sink = ReservationFileSink(options, family)
        subscription = Subscription("all", Match(), True, "same")
        self.pipeline = Pipeline(subscription, self.source, [sink], self.store, self.time.clock())
        self.run()

    def stop(self) -> None:
        self.pipeline.stop()
        self.store.close()

    def refuse(self, *refused: Refusal) -> None:
        report.write_refused(str(self.path), report.Refusals("configuration", refused))
        self.run()

    def unload(self, *subnets: int) -> None:
        """Have the applier report that Kea does not include the files of these subnets."""
        found = {number: report.Subnet(1, 0, 0, "", MISSING) for number in subnets}
        report.write(str(self.path), report.Status(found))
        self.run()

    def run(self) -> None:
        for _pump in range(6):
            self.time.now += 6
            self.pipeline.pump()
            assert not self.pipeline.health.retry, self.pipeline.health.error

    def letters(self) -> list[tuple[str, str, str]]:
        found = [(dead_letters._line(each, 0.0), each.detail) for each in self.store.dead_letters("all")]
        return [(line["sink"], line["address"], detail) for line, detail in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


REFUSED = [("reservation_file", "10.0.0.1", f"Kea refuses the reservation: {WORDS}")]


def test_a_refused_reservation_is_one_dead_letter_also_of_the_next_process(
    world: World, said: Callable[[], str]
) -> None:
    labels = {"subscription": "all", "reason": "refused"}

    def counted() -> float:
        return metrics.REGISTRY.get_sample_value("kea_lease_monitor_dead_letters_total", labels) or 0.0

    before = counted()
    world.source.events = [event(1), event(2)]
    world.run()
    assert world.letters() == []
    world.refuse(refusal())
    assert world.letters() == REFUSED
    assert "address=10.0.0.1 hwaddr=02:00:00:00:00:01 subnet=1 reason=refused detail=Kea refuses the" in said()
    world.run()
    world.stop()
    world.start()
    world.run()
    assert (world.letters(), counted() - before) == (REFUSED, 1)


def test_a_report_that_names_no_subnet_of_kea_stops_nothing(world: World) -> None:
    """Kea's user may write anything there."""
    world.source.events = [event(1)]
    world.refuse(refusal()._replace(subnet=10**300), refusal())
    assert world.letters() == REFUSED
    (world.path / report.REFUSED).write_text("[" * 100_000)
    world.run()
    assert world.letters() == REFUSED


def test_a_retry_finds_whether_kea_takes_it_now(world: World) -> None:
    world.source.events = [event(1)]
    world.refuse(refusal())
    for refused, expected in (([refusal()], REFUSED), ([], [])):
        (letter,) = world.store.dead_letters("all")
        world.refuse(*refused)
        world.store.add_request("all", Replay(dead_letters=(letter.id,)).argument(), 0.0)
        world.run()
        assert world.letters() == expected
        assert not world.store.dead_letters("all") or world.store.dead_letters("all")[0].id != letter.id


def test_what_is_refused_again_later_is_told_again(world: World) -> None:
    world.source.events = [event(1)]
    world.refuse(refusal())
    world.refuse()
    world.refuse(refusal())
    assert world.letters() == REFUSED * 2


@pytest.mark.parametrize(
    "other",
    [
        refusal(3),
        refusal(1, "10.0.0.9"),
        refusal(1, family=6),
        refusal()._replace(subnet=2),
        refusal()._replace(host="line 4"),
    ],
)
def test_a_refusal_of_what_the_monitor_did_not_write_is_no_dead_letter(world: World, other: Refusal) -> None:
    world.source.events = [event(1)]
    world.refuse(other)
    world.source.events.append(event(1, kind=EventKind.CHANGED))
    world.run()
    assert world.letters() == []


def test_the_reservation_of_a_person_is_no_dead_letter(world: World) -> None:
    host = {"hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1"}
    (world.path / "written" / "subnet-1.json").write_text(json.dumps(host))
    world.refuse(refusal())
    assert world.letters() == []


def test_a_refused_reservation_of_a_dhcpv6_client_tells_each_address(tmp_path: Path, world: World) -> None:
    six: dict[str, Any] = {"family": 6, "duid": "00:02:01", "hwaddr": "", "prefix_len": 128}
    world.stop()
    world.start(family=6)
    world.source.events = [event(1, address=f"2001:db8::{number}", iaid=number, **six) for number in (1, 2)]
    world.run()
    world.refuse(Refusal(1, "duid 00:02:01", "2001:db8::1, 2001:db8::2", "{}", WORDS))
    assert [letter[1] for letter in world.letters()] == ["2001:db8::1", "2001:db8::2"]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"configuration": "", "refused": [{"subnet": [1], "host": 1, "address": 1, "text": 1, "reason": 1}]}'],
)
def test_a_damaged_report_stops_nothing(world: World, content: str) -> None:
    """Kea's user writes it. ``check`` names it."""
    (world.path / report.REFUSED).write_text(content)
    world.source.events = [event(1)]
    world.run()
    assert "10.0.0.1" in (world.path / "written" / "subnet-1.json").read_text()
    assert world.letters() == []


def reasons(world: World) -> list[tuple[str, str]]:
    lines = [dead_letters._line(each, 0.0) for each in world.store.dead_letters("all")]
    return [(line["address"], line["reason"]) for line in lines]


def test_nothing_is_written_where_kea_includes_no_reservation(world: World, said: Callable[[], str]) -> None:
    world.stop()
    world.start(left_out=(9,))
    world.source.events = [event(1, subnet_id=9), event(2), event(3, subnet_id=9)]
    world.run()
    assert reasons(world) == [("10.0.0.1", "subnet_left_out"), ("10.0.0.3", "subnet_left_out")]
    assert sorted(path.name for path in (world.path / "written").glob("subnet-*")) == ["subnet-1.json"]
    assert said().count("Static reservation created") == 1
    assert "no reservation in a file reaches subnet 9: it is in no file" in said()


def test_a_new_board_gets_no_reservation_where_kea_includes_none(tmp_path: Path) -> None:
    sink = ReservationFileSink(Options(str(tmp_path), str(tmp_path), left_out=(1,)))
    (rejection,) = sink.deliver([event(1, kind=EventKind.REPLACED)]).rejected
    assert (rejection.reason.value, list(tmp_path.glob("subnet-*"))) == ("subnet_left_out", [])


def test_the_site_s_own_reservation_counts_also_where_kea_includes_none(tmp_path: Path) -> None:
    own = Entry(1, "hw-address", "02:00:00:00:00:01", "10.0.0.1")
    sink = ReservationFileSink(Options(str(tmp_path), str(tmp_path), site=(own,), left_out=(1,)))
    assert sink.deliver([event(1)]).unchanged == 1


def test_what_the_applier_finds_in_no_configuration_becomes_dead_letters_once(world: World) -> None:
    world.source.events = [event(1), event(2), event(3, subnet_id=2)]
    world.run()
    world.unload(1)
    assert world.letters() == [("reservation_file", f"10.0.0.{number}", MISSING) for number in (1, 2)]
    assert {reason for _address, reason in reasons(world)} == {"subnet_left_out"}
    world.run()
    world.stop()
    world.start()
    world.run()
    assert len(world.letters()) == 2, "also of the next process"
    world.source.events.append(event(4))
    world.run()
    assert [address for address, _reason in reasons(world)] == ["10.0.0.1", "10.0.0.2", "10.0.0.4"]


def test_a_retry_finds_whether_kea_includes_the_file_now(world: World) -> None:
    world.source.events = [event(1)]
    world.unload(1)
    for unloaded, expected in (((1,), [("10.0.0.1", "subnet_left_out")]), ((), [])):
        (letter,) = world.store.dead_letters("all")
        world.unload(*unloaded)
        world.store.add_request("all", Replay(dead_letters=(letter.id,)).argument(), 0.0)
        world.run()
        assert reasons(world) == expected


def test_a_subnet_with_many_reservations_that_are_not_loaded_is_read_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.source.events = [event(1)]
    world.unload(1)
    monkeypatch.setattr(HostFile, "every", lambda self: pytest.fail("all were read again"))
    world.run()
    assert len(world.letters()) == 1
