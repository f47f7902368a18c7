# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every source, sink and state store must do. A test class inherits the contract and defines one fixture."""

from __future__ import annotations

import random
import select
import time
from pathlib import Path
from typing import Any, Callable, Sequence

import pytest
from kea_lease_monitor import position as positions
from kea_lease_monitor.batch import Delivery, Pending, Reason, Rejection
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.lease import EventKind, LeaseEvent
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.position import Position
from kea_lease_monitor.replay import Replay, dead_letter_text
from kea_lease_monitor.sinks.base import Adopting, Forgetting, Sink
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.state.records import (
    LIVING,
    UNCONFIRMED,
    Bookmark,
    Client,
    DeadLetter,
    Heartbeat,
    Registration,
    Settlement,
)
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.subscriptions import Match, Subscription

from runtime.builders import NOW, event
from runtime.states import state_in

REQUESTED = (EventKind.FORGOTTEN, EventKind.REPLACED)
"""Kinds of events that a person requests."""


class FromAnotherWorld(tuple[int, ...]):
    """A position that no source knows."""


def drained(source: Source, position: Position, limit: int = 2) -> Any:
    """Read and settle all batches. Return the events and the position reached."""
    events: list[Any] = []
    while True:
        batch = source.read(position, limit)
        assert len(batch.events) <= limit
        events += batch.events
        position = positions.load(positions.dump(batch.position))
        if batch.caught_up:
            return events, position


def counted(delivery: Delivery) -> Delivery:
    """Return what a sink answered, without what it keeps."""
    return delivery._replace(kept=())


class Keeper(Sink):
    """Keeps the names of present leases, as every sink of ours does: a renewal tells it nothing new."""

    name = "keeper"

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.refused: set[str] = set()

    def check(self) -> None: ...

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        rejected = tuple(
            Rejection(each, Reason.REFUSED, "not now") for each in events if each.lease.address in self.refused
        )
        acted = [each for each in events if each.kind in (EventKind.ASSIGNED, EventKind.CHANGED)]
        self.kept.update({e.lease.address: e.lease.hostname for e in acted if e.lease.address not in self.refused})
        return Delivery(created=len(events) - len(rejected), rejected=rejected)

    def close(self) -> None: ...


class Replaying:
    """A subscription with a Keeper on a source, in which a person asks for replays."""

    def __init__(self, source: Source, directory: Path) -> None:
        self.passed = 0.0
        self.sink = Keeper()
        self.store = state_in(directory)
        clock = Clock(lambda: time.monotonic() + self.passed, time.time)
        self.pipeline = Pipeline(Subscription("default", Match(), True, "all"), source, [self.sink], self.store, clock)

    def run(self) -> dict[str, str]:
        """Let time pass until requests are seen and done. Return what the sink kept."""
        for _step in range(40):
            self.passed += 1
            self.pipeline.pump()
        assert not self.pipeline.health.error
        return self.sink.kept

    def ask(self, replay: Replay) -> None:
        self.store.add_request("default", replay.argument(), 1.0)
        self.passed += 10


class SourceContract:
    """The fixture ``source`` yields (source, grant): ``grant(number, hostname)`` writes a lease as Kea does."""

    def test_a_replay_repeats_effects_that_were_lost(self, source: Any, tmp_path: Path) -> None:
        reader, grant = source
        grant(1, "one")
        grant(2, "two")
        world = Replaying(reader, tmp_path)
        assert world.run() == {"10.0.0.1": "one", "10.0.0.2": "two"}
        for replay in (Replay(), Replay(since=1.0)):
            world.sink.kept.clear()
            world.ask(replay)
            assert world.run() == {"10.0.0.1": "one", "10.0.0.2": "two"}, replay
            assert world.store.request("default") is None
        grant(3, "three")
        assert world.run()["10.0.0.3"] == "three"

    def test_a_retried_dead_letter_is_acted_upon(self, source: Any, tmp_path: Path) -> None:
        reader, grant = source
        world = Replaying(reader, tmp_path)
        world.sink.refused = {"10.0.0.1"}
        grant(1, "one")
        grant(2, "two")
        assert world.run() == {"10.0.0.2": "two"}
        [dead_letter] = world.store.dead_letters()
        world.ask(Replay(dead_letters=(dead_letter.id,)))
        assert world.run() == {"10.0.0.2": "two"}
        [dead_letter] = world.store.dead_letters()
        world.sink.refused = set()
        world.sink.kept.clear()
        grant(3, "three")
        world.ask(Replay(dead_letters=(dead_letter.id,)))
        assert world.run() == {"10.0.0.1": "one", "10.0.0.3": "three"}, "a lease of that moment is not passed over"
        assert world.store.dead_letters() == []

    def test_leases_that_were_read_while_the_clock_was_ahead_are_read_again(self, source: Any) -> None:
        _reader, grant = source
        for number in (1, 2, 3):
            grant(number, "")
        ahead = 7200.0
        clock = Clock(time.monotonic, lambda: self.now() + ahead)
        reader = self.another(clock)
        events, position = drained(reader, reader.start(True))
        assert [event.kind for event in events] == [EventKind.EXPIRED] * 3
        assert reader.read(position, 2).events == ()
        ahead = 0.0
        for again in (reader, self.another(clock)):
            with pytest.raises(PositionLostError, match="clock was 7200 seconds ahead"):
                again.read(position, 2)
            events, _position = drained(again, again.start(True))
            assert [event.kind for event in events] == [EventKind.ASSIGNED] * 3, "no renewal must be waited for"
            again.close()

    def now(self) -> float:
        """Return the time by which ``grant`` dates its leases, epoch seconds."""
        return time.time()

    def test_start_with_everything_reads_all_current_leases(self, source: Any) -> None:
        reader, grant = source
        for number in range(1, 6):
            grant(number, "")
        events, _position = drained(reader, reader.start(True))
        assert [event.lease.address for event in events] == [f"10.0.0.{number}" for number in range(1, 6)]
        assert {event.kind for event in events} == {EventKind.ASSIGNED}

    def test_start_without_everything_reads_only_later_changes(self, source: Any) -> None:
        reader, grant = source
        grant(1, "")
        position = reader.start(False)
        grant(2, "")
        events, _position = drained(reader, position)
        assert [event.lease.address for event in events] == ["10.0.0.2"]

    def test_an_unsettled_batch_is_read_again_unchanged(self, source: Any) -> None:
        reader, grant = source
        _events, position = drained(reader, reader.start(True))
        grant(1, "one")
        grant(2, "two")
        first = reader.read(position, 10)
        assert reader.read(position, 10).events == first.events
        assert [event.lease.hostname for event in first.events] == ["one", "two"]
        assert reader.read(first.position, 10).events == ()

    def test_a_stored_position_resumes_where_it_was(self, source: Any) -> None:
        reader, grant = source
        grant(1, "")
        _events, position = drained(reader, reader.start(True))
        reader.close()
        grant(2, "")
        again = self.another()
        events, _position = drained(again, position)
        assert [event.lease.address for event in events] == ["10.0.0.2"]
        again.close()

    def test_a_position_of_another_source_is_lost(self, source: Any) -> None:
        reader, _grant = source
        with pytest.raises(PositionLostError):
            reader.read(FromAnotherWorld(), 1)

    def another(self, clock: Clock | None = None) -> Source:
        """Return a second source of the same leases."""
        raise NotImplementedError


def delivered(sink: Sink, events: Sequence[LeaseEvent]) -> Delivery:
    """Return the final result of the sink; wait as the loop does."""
    while isinstance(answer := sink.deliver(events), Pending):
        poll = select.poll()
        poll.register(answer.fileno, select.POLLIN)
        poll.poll(max(0.0, answer.due - time.monotonic()) * 1000)
    return answer


class SinkContract:
    """The fixture ``sink`` yields (sink, addresses): ``addresses()`` returns the addresses in effect, sorted."""

    def test_a_repeated_event_has_the_same_effect(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        for _time in range(3):
            delivered(writer, [event(1), event(2)])
        assert sorted(set(addresses())) == ["10.0.0.1", "10.0.0.2"]

    def test_the_counts_add_up(self, sink: Any) -> None:
        writer, *_more = sink
        given = [
            event(1),
            event(2),
            event(3, client=1),
            event(4, kind=EventKind.RENEWED),
            event(5, hwaddr=""),
            event(2, 9),
        ]
        delivery = delivered(writer, given)
        assert sum(delivery._replace(rejected=())[:4]) + delivery.executed + len(delivery.rejected) == len(given)
        assert delivered(writer, []) == Delivery()

    def test_check_passes_when_the_sink_can_work(self, sink: Any) -> None:
        sink[0].check()


class KeepingContract(SinkContract):
    """A sink whose effect for a client stays when the lease is gone."""

    def test_created_then_unchanged_then_updated(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        assert writer.deliver([event(1), event(2)]).created == 2
        assert writer.deliver([event(1), event(2)]).unchanged == 2
        assert writer.deliver([event(3, client=1)]).updated == 1
        assert addresses() == ["10.0.0.2", "10.0.0.3"]

    def test_the_last_event_of_a_client_wins(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1, client=1), event(2, client=1)])
        assert addresses() == ["10.0.0.2"]

    @pytest.mark.parametrize(
        "kind",
        [kind for kind in EventKind if kind not in (EventKind.ASSIGNED, EventKind.CHANGED, *REQUESTED)],
    )
    def test_ends_and_renewals_of_a_lease_are_skipped(self, sink: Any, kind: EventKind) -> None:
        writer, addresses, *_more = sink
        assert writer.deliver([event(1, kind=kind)]).skipped == 1
        assert addresses() == []
        writer.deliver([event(1)])
        assert writer.deliver([event(1, kind=kind)]).skipped == 1
        assert addresses() == ["10.0.0.1"], "what is kept outlives the lease"

    def test_an_event_without_any_identifier_is_skipped(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        assert writer.deliver([event(1, hwaddr="")]).skipped == 1
        assert addresses() == []

    def test_what_was_made_for_a_client_is_forgotten(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        given = [event(1, hostname="bmc-1"), event(2, client_id="01:02"), event(3, client=1, subnet_id=2)]
        assert writer.deliver(given).created == 3
        assert isinstance(writer, Forgetting)
        made = {(each.address, each.subnet_id): each for each in writer.made()}
        assert made.keys() == {("10.0.0.1", 1), ("10.0.0.2", 1), ("10.0.0.3", 2)}
        first, second = made["10.0.0.1", 1], made["10.0.0.2", 1]
        assert (first.hwaddr, first.hostname, second.client_id) == ("02:00:00:00:00:01", "bmc-1", "01:02")
        gone = [LeaseEvent(EventKind.FORGOTTEN, first, "forget", None)]
        assert counted(writer.deliver(gone)) == Delivery(removed=1)
        assert counted(writer.deliver(gone)) == Delivery(skipped=1)
        assert {each.address for each in writer.made()} == {"10.0.0.2", "10.0.0.3"}
        assert writer.deliver([event(5, client=1)]).created == 1
        assert "10.0.0.1" not in addresses()

    def test_the_end_of_another_lease_of_a_client_removes_nothing(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1)])
        ended = event(2, client=1, kind=EventKind.FORGOTTEN)._replace(ref="retire_after")
        assert counted(writer.deliver([ended])) == Delivery(skipped=1)
        assert addresses() == ["10.0.0.1"]
        assert counted(writer.deliver([event(1, kind=EventKind.FORGOTTEN)])) == Delivery(removed=1)
        assert addresses() == []


class ReservationContract(KeepingContract):
    """``sink[2](hwaddr, address)`` reserves as a person does, ``sink[3](address, another)`` edits a reservation."""

    def test_an_address_reserved_for_another_is_a_conflict(self, sink: Any) -> None:
        writer, addresses, by_hand, _edit = sink
        by_hand("02:ff:ff:ff:ff:ff", "10.0.0.1")
        delivery = writer.deliver([event(1), event(2)])
        assert (delivery.created, len(delivery.rejected)) == (1, 1)
        assert delivery.rejected[0].reason is Reason.ADDRESS_TAKEN
        assert addresses() == ["10.0.0.1", "10.0.0.2"]

    def test_a_moved_reservation_frees_its_address_in_the_same_batch(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1, client=1)])
        delivery = writer.deliver([event(1, client=2), event(3, client=1)])
        assert (delivery.created, delivery.updated, delivery.rejected) == (1, 1, ())
        assert addresses() == ["10.0.0.1", "10.0.0.3"]

    def test_the_last_client_of_an_address_in_a_batch_gets_it(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        delivery = writer.deliver([event(1, client=1), event(1, client=2)])
        assert (delivery.created, delivery.skipped) == (1, 1)
        assert addresses() == ["10.0.0.1"]

    def test_a_reservation_that_moves_later_frees_its_address_then(self, sink: Any, said: Callable[[], str]) -> None:
        """All leases are read in any order: the client that gets an address may come before the one that left it."""
        writer, addresses, *_more = sink
        writer.deliver([event(1, client=1)])
        assert writer.deliver([event(1, client=2)]).rejected[0].reason is Reason.ADDRESS_TAKEN
        assert writer.deliver([event(3, client=1)]).updated == 1
        assert addresses() == ["10.0.0.1", "10.0.0.3"]
        assert "[conflict_over]" in said()
        assert writer.deliver([event(1, client=2), event(3, client=1)]).unchanged == 2

    def test_two_clients_with_each_other_s_address_are_swapped(
        self, sink: Any, said: Callable[[], str], mark_of: Callable[[str], Any]
    ) -> None:
        """Neither could move first."""
        writer, addresses, *_more = sink
        writer.deliver([event(1), event(2), event(5)])
        crossed = [event(1, client=2), event(2, client=1)]
        assert writer.deliver([*crossed, event(4)])[:3] == (1, 2, 0)
        assert addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.5"]
        assert [mark_of(f"10.0.0.{number}")["name"] for number in (1, 2)] == ["host-2", "host-1"]
        assert "Static reservation updated: address=10.0.0.1 hwaddr=02:00:00:00:00:02" in said()
        assert counted(writer.deliver(crossed)) == Delivery(unchanged=2)
        assert writer.deliver([event(3, client=1)]).updated == 1, "they are still ours"

    def test_a_circle_of_clients_is_swapped_once_its_last_lease_arrives(
        self, sink: Any, said: Callable[[], str]
    ) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1), event(2), event(3)])
        turned = [event(2, client=1), event(3, client=2), event(1, client=3)]
        for each in turned[:2]:
            assert writer.deliver([each]).rejected[0].reason is Reason.ADDRESS_TAKEN
        assert counted(writer.deliver(turned[2:])) == Delivery(updated=1)
        assert said().count("[conflict_over]") == 2
        assert addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        assert counted(writer.deliver(turned)) == Delivery(unchanged=3)

    def test_all_leases_in_any_order_get_their_reservations_after_any_history(self, sink: Any) -> None:
        """Five clients share seven addresses; a read of all leases tells which address each has now."""
        writer, *_more = sink
        chance = random.Random(1)  # noqa: S311 (the same history each time)
        for _round in range(40):
            for _step in range(6):
                writer.deliver([event(chance.randint(1, 7), client=chance.randint(1, 5))])
            present = [event(number, client=client) for client, number in enumerate(chance.sample(range(1, 8), 5), 1)]
            chance.shuffle(present)
            size = chance.randint(1, 5)
            for first in range(0, 5, size):
                writer.deliver(present[first : first + size])
            assert counted(writer.deliver(present)) == Delivery(unchanged=5)

    def test_a_reservation_that_a_person_wrote_or_edited_is_not_swapped(self, sink: Any) -> None:
        writer, addresses, by_hand, edit = sink
        by_hand("02:00:00:00:00:02", "10.0.0.2")
        writer.deliver([event(1), event(3), event(4)])
        edit("10.0.0.4", "10.0.0.9")
        assert len(writer.deliver([event(1, client=2), event(2, client=1)]).rejected) == 2
        assert len(writer.deliver([event(3, client=4), event(9, client=3)]).rejected) == 2
        assert counted(writer.deliver([event(1), event(2), event(3), event(9, client=4)])) == Delivery(unchanged=4)
        assert addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9"]

    def test_an_ipv6_lease_is_skipped(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        assert writer.deliver([event(1, family=6, address="2001:db8::1", duid="00:01")]).skipped == 1
        assert addresses() == []

    def test_a_conflict_is_forgotten_once_the_lease_has_a_newer_event(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1, client=1)])
        writer.deliver([event(1, client=2)])
        writer.deliver([event(1, client=2, kind=EventKind.RELEASED)])
        writer.deliver([event(3, client=1)])
        assert addresses() == ["10.0.0.3"]

    def test_a_reservation_that_a_person_wrote_is_never_changed(self, sink: Any) -> None:
        writer, addresses, by_hand, _edit = sink
        by_hand("02:00:00:00:00:01", "10.0.0.9")
        (rejection,) = writer.deliver([event(1)]).rejected
        assert (rejection.reason, addresses()) == (Reason.EDITED, ["10.0.0.9"])
        assert "a person reserved 10.0.0.9" in rejection.detail
        assert writer.deliver([event(9, client=1)]).unchanged == 1

    def test_an_edited_reservation_stays_when_all_leases_are_read_again(self, sink: Any) -> None:
        writer, addresses, _by_hand, edit = sink
        writer.deliver([event(1)])
        edit("10.0.0.1", "10.0.0.7")
        assert counted(writer.deliver([event(1)])) == Delivery(unchanged=1), "the lease that we had acted upon"
        assert writer.deliver([event(2, client=1)]).rejected[0].reason is Reason.EDITED
        assert addresses() == ["10.0.0.7"]
        assert writer.deliver([event(7, client=1)]).unchanged == 1, "Kea gave the client what the person wanted"

    def test_adopt_marks_what_release_1_0_0_reserved(self, sink: Any, said: Callable[[], str]) -> None:
        """It wrote no mark, so only a reservation that agrees with the lease can be its own."""
        writer, addresses, by_hand, edit = sink
        by_hand("02:00:00:00:00:01", "10.0.0.1")
        edit("10.0.0.1", "10.0.0.9")
        assert isinstance(writer, Adopting)
        writer.adopt([event(1)])
        assert len(writer.deliver([event(1)]).rejected) == 1, "a person's, for all we know"
        edit("10.0.0.9", "10.0.0.1")
        for kind in (EventKind.EXPIRED, EventKind.RENEWED, EventKind.RENEWED):
            writer.adopt([event(1, kind=kind), event(2)])
            writer.deliver([])
        assert said().count("Static reservation taken over: address=10.0.0.1") == 1
        assert writer.deliver([event(7, client=1)]).updated == 1
        assert addresses() == ["10.0.0.7"]

    def test_a_name_that_a_person_changed_stays_when_the_address_moves(
        self, sink: Any, hostname_of: Callable[[str], str], rename: Callable[[str, str], None]
    ) -> None:
        writer, *_more = sink
        writer.deliver([event(1)])
        assert writer.deliver([event(1, hostname="other")]).updated == 1, "the monitor's name follows the lease"
        rename("10.0.0.1", "by-hand")
        assert writer.deliver([event(1, hostname="third")]).unchanged == 1
        assert writer.deliver([event(2, client=1, hostname="third")]).updated == 1
        assert hostname_of("10.0.0.2") == "by-hand"

    def test_a_replay_of_everything_changes_nothing(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        history = [event(1, client=1), event(2, client=2), event(3, client=1), event(1, client=2), event(4, client=4)]
        for _time in range(3):
            for each in history:
                writer.deliver([each])
            assert addresses() == ["10.0.0.1", "10.0.0.3", "10.0.0.4"]

    def test_a_lease_without_a_name_keeps_the_name(
        self, sink: Any, naming: Sink, mark_of: Callable[[str], Any], hostname_of: Callable[[str], str]
    ) -> None:
        writer, *_more = sink
        writer.deliver([event(1)])
        assert writer.deliver([event(1, hostname="")]).unchanged == 1
        assert mark_of("10.0.0.1")["name"] == "host-1"
        assert delivered(naming, [event(1)]).updated == 1
        assert delivered(naming, [event(1, hostname="")]).unchanged == 1
        assert hostname_of("10.0.0.1") == "host-1"

    def test_a_name_follows_the_client_and_is_not_reserved(
        self, sink: Any, mark_of: Callable[[str], Any], hostname_of: Callable[[str], str]
    ) -> None:
        """Kea would answer the client by a reserved name, and the lease would have that name for ever."""
        writer, *_more = sink
        writer.deliver([event(1, hostname="attacker-was-here")])
        for name in ("bmc-rack7.", "bmc-rack8.example.org"):
            assert writer.deliver([event(1, hostname=name, kind=EventKind.CHANGED)]).updated == 1
            assert writer.deliver([event(1, hostname=name)]).unchanged == 1
            assert (hostname_of("10.0.0.1"), mark_of("10.0.0.1")["name"]) == ("", name.rstrip("."))
        assert writer.deliver([event(1, hostname="bmc-rack8.example.org.")]).unchanged == 1

    def test_a_reserved_name_is_written_as_the_lease_has_it(
        self, naming: Sink, mark_of: Callable[[str], Any], hostname_of: Callable[[str], str]
    ) -> None:
        assert delivered(naming, [event(1, hostname="bmc.example.org.")]).created == 1
        assert hostname_of("10.0.0.1") == mark_of("10.0.0.1")["hostname"] == "bmc.example.org."
        assert delivered(naming, [event(1, hostname="bmc-7")]).updated == 1
        assert delivered(naming, [event(2, client=1, hostname="bmc-7")]).updated == 1
        assert hostname_of("10.0.0.2") == mark_of("10.0.0.2")["hostname"] == "bmc-7"

    def test_a_name_that_an_earlier_release_reserved_moves_into_the_mark(
        self, sink: Any, naming: Sink, mark_of: Callable[[str], Any], hostname_of: Callable[[str], str]
    ) -> None:
        writer, addresses, *_more = sink
        delivered(naming, [event(1), event(2), event(3, hostname="")])
        assert writer.deliver([event(1, hostname=""), event(2, hostname="new"), event(3, hostname="")])[:3] == (0, 2, 1)
        assert [hostname_of(f"10.0.0.{number}") for number in (1, 2, 3)] == ["", "", ""]
        assert mark_of("10.0.0.1") == {"ip-address": "10.0.0.1", "name": "host-1", "made": NOW}
        assert mark_of("10.0.0.2") == {"ip-address": "10.0.0.2", "name": "new", "made": NOW}
        assert addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
        assert delivered(naming, [event(1, hostname="")]).unchanged == 1
        assert delivered(naming, [event(2, hostname="new")]).updated == 1
        assert mark_of("10.0.0.2") == {"ip-address": "10.0.0.2", "hostname": "new", "made": NOW}

    def test_an_adopted_reservation_gives_its_name_to_the_mark(
        self, sink: Any, mark_of: Callable[[str], Any], hostname_of: Callable[[str], str],
        rename: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        writer, _addresses, by_hand, _edit = sink
        by_hand("02:00:00:00:00:01", "10.0.0.1")
        rename("10.0.0.1", "host-1")
        writer.adopt([event(1)])
        assert writer.deliver([event(1)]).updated == 1
        assert (hostname_of("10.0.0.1"), mark_of("10.0.0.1")["name"]) == ("", "host-1")

    @pytest.mark.parametrize("name", ["by-hand", "host-1"])
    def test_a_name_that_a_person_gave_is_never_touched(
        self, sink: Any, name: str, hostname_of: Callable[[str], str], rename: Callable[[str, str], None]
    ) -> None:
        """Also where it is the name that the client has at that time."""
        writer, *_more = sink
        writer.deliver([event(1)])
        rename("10.0.0.1", name)
        for sent in ("host-1", "third", ""):
            assert writer.deliver([event(1, hostname=sent)]).unchanged == 1
            assert hostname_of("10.0.0.1") == name

    @pytest.mark.parametrize(
        "name", ["\u4e2d\u6587", "\ufffd\ufffd", "a" * 256, "a\x07b", "a\x1b[2Jb", "a\nb", "a\x00b"]
    )
    def test_a_name_that_kea_could_not_read_harms_nothing(
        self, sink: Any, naming: Sink, name: str, mark_of: Callable[[str], Any]
    ) -> None:
        writer, addresses, *_more = sink
        assert writer.deliver([event(1), event(2, hostname=name), event(3)]).created == 3
        assert "name" not in mark_of("10.0.0.2")
        delivery = delivered(naming, [event(4), event(5, hostname=name), event(6)])
        assert (delivery.created, [each.reason for each in delivery.rejected]) == (2, [Reason.INVALID])
        assert delivery.rejected[0].detail.startswith("the host name ")
        assert addresses() == [f"10.0.0.{number}" for number in (1, 2, 3, 4, 6)]

    def test_a_hardware_address_that_kea_refuses_is_rejected_alone(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        longest = ":".join(["02"] * 20)
        delivery = writer.deliver([event(1), event(2, hwaddr=f"{longest}:02"), event(3, hwaddr=longest)])
        assert (delivery.created, [each.reason for each in delivery.rejected]) == (2, [Reason.INVALID])
        assert "has 21 octets" in delivery.rejected[0].detail
        assert addresses() == ["10.0.0.1", "10.0.0.3"]

    def test_the_second_lease_of_a_hardware_address_takes_no_reservation(
        self, sink: Any, mark_of: Callable[[str], Any]
    ) -> None:
        """PXE firmware and system with client identifiers of their own, or a client that takes on another's address."""
        writer, addresses, *_more = sink
        first, second = event(1, client=1, client_id="01:02"), event(2, client=1, client_id="ff:01")
        assert writer.deliver([first]).created == 1
        for _time in range(3):
            (rejection,) = writer.deliver([second]).rejected
            assert (rejection.reason, rejection.event) == (Reason.SECOND_LEASE, second)
            assert "10.0.0.1 is reserved for this hardware address" in rejection.detail
            assert writer.deliver([first]).unchanged == 1
            assert addresses() == ["10.0.0.1"]
        assert mark_of("10.0.0.1")["client-id"] == "01:02"
        assert writer.deliver([event(3, client=1, client_id="01:02")]).updated == 1, "its own client moves"
        assert writer.deliver([event(4, client=1)]).updated == 1, "Kea gives a client without identifier that lease"

    def test_of_two_leases_in_one_batch_the_first_is_reserved(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        first, second = event(1, client=1, client_id="01:02"), event(2, client=1, client_id="ff:01")
        delivery = writer.deliver([first, second, event(3)])
        assert (delivery.created, [each.event for each in delivery.rejected]) == (2, [second])
        assert addresses() == ["10.0.0.1", "10.0.0.3"]

    @pytest.mark.parametrize("kind", [EventKind.RELEASED, EventKind.EXPIRED, EventKind.RECLAIMED, EventKind.DELETED])
    def test_the_second_lease_is_reserved_once_the_first_has_ended(self, sink: Any, kind: EventKind) -> None:
        writer, addresses, *_more = sink
        first, second = event(1, client=1, client_id="01:02"), event(2, client=1, client_id="ff:01")
        writer.deliver([first])
        assert len(writer.deliver([second]).rejected) == 1
        assert writer.deliver([first._replace(kind=kind)]).skipped == 1
        assert addresses() == ["10.0.0.2"]
        third = event(3, client=1, client_id="ff:03")
        writer.deliver([second])
        assert writer.deliver([second._replace(kind=kind), third]).updated == 1, "in one batch"
        assert addresses() == ["10.0.0.3"]
        assert writer.deliver([event(4, client=4, client_id="a0"), event(4, client=4, client_id="a0", kind=kind),
                               event(5, client=4, client_id="a1")]).created == 1  # fmt: skip
        assert addresses() == ["10.0.0.3", "10.0.0.5"]

    def test_the_second_lease_is_reserved_once_another_client_has_the_first_address(self, sink: Any) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1, client=1, client_id="01:02")])
        assert len(writer.deliver([event(2, client=1, client_id="ff:01")]).rejected) == 1
        assert writer.deliver([event(1, client=7)]).created == 1
        assert addresses() == ["10.0.0.1", "10.0.0.2"]

    def test_a_reservation_that_a_person_edited_or_wrote_is_not_forgotten(self, sink: Any) -> None:
        writer, addresses, by_hand, edit = sink
        by_hand("02:ff:ff:ff:ff:ff", "10.0.0.8")
        writer.deliver([event(1)])
        assert [each.hwaddr for each in writer.made()] == ["02:00:00:00:00:01"]
        assert writer.deliver([event(8, hwaddr="02:ff:ff:ff:ff:ff", kind=EventKind.FORGOTTEN)]).skipped == 1
        edit("10.0.0.1", "10.0.0.7")
        (rejection,) = writer.deliver([event(1, kind=EventKind.FORGOTTEN)]).rejected
        assert (rejection.reason, addresses()) == (Reason.EDITED, ["10.0.0.7", "10.0.0.8"])

    def test_an_earlier_reservation_learns_the_client_identifier(
        self, sink: Any, mark_of: Callable[[str], Any]
    ) -> None:
        writer, *_more = sink
        writer.deliver([event(1)])
        assert writer.deliver([event(1, client_id="01:02")]).updated == 1
        assert mark_of("10.0.0.1")["client-id"] == "01:02"
        assert writer.deliver([event(1, client_id="01:02"), event(1)]).unchanged == 1

    def test_the_log_lines_that_people_look_for(self, sink: Any, said: Callable[[], str]) -> None:
        writer, *_more = sink
        writer.deliver([event(1)])
        writer.deliver([event(2, client=1)])
        assert "Static reservation created: address=10.0.0.1 hwaddr=02:00:00:00:00:01 subnet=1" in said()
        assert "Static reservation updated: address=10.0.0.2 hwaddr=02:00:00:00:00:01 subnet=1" in said()


def settle(state: Store, bookmark: Bookmark, letters: tuple[DeadLetter, ...] = (), **more: Any) -> None:
    state.settle(Settlement(bookmark, letters, **more), state.claim(bookmark.subscription) or 0)


def letter(number: int = 1, subscription: str = "one", **more: Any) -> DeadLetter:
    text = dead_letter_text(event(number, **more), "reservation")
    return DeadLetter(0, subscription, f"ref-{number}", "address_taken", "held", text, 1.0)


class StateContract:
    """The fixture ``state`` is an open store, ``reopened`` opens the same again."""

    def test_a_bookmark_is_found_again(self, state: Store, reopened: Callable[[], Store]) -> None:
        assert state.bookmark("one") is None
        settle(state, Bookmark("one", "first", "some", 1.0))
        settle(state, Bookmark("one", "second", "some", 2.0))
        settle(state, Bookmark("two", "other", "some", 3.0))
        state.close()
        again = reopened()
        assert again.bookmark("one") == Bookmark("one", "second", "some", 2.0)
        assert again.bookmarks() == [Bookmark("one", "second", "some", 2.0), Bookmark("two", "other", "some", 3.0)]
        again.close()

    def test_dead_letters_are_kept_but_not_for_ever(self, state: Store) -> None:
        settle(state, Bookmark("one", "first", "some", 1.0), tuple(letter(n % 250) for n in range(1500)))
        settle(state, Bookmark("two", "first", "some", 1.0), tuple(letter(n, "two") for n in range(3)))
        assert state.dead_letter_counts() == {"one": 1000, "two": 3}
        kept = state.dead_letters("one")
        assert [each.ref for each in kept] == [f"ref-{n % 250}" for n in range(500, 1500)], "the newest, in order"
        assert len({each.id for each in kept}) == 1000
        assert state.drop_dead_letters([kept[0].id, kept[5].id, 10**6]) == 2
        assert state.dead_letter_counts()["one"] == 998

    def test_what_belongs_to_a_bookmark_changes_with_it(self, state: Store) -> None:
        settle(state, Bookmark("one", "first", "some", 1.0), (letter(1), letter(2)))
        state.add_request("one", "a", 1.0)
        state.add_request("one", "b", 2.0)
        state.add_request("two", "c", 3.0)
        request, numbers = state.request("one"), tuple(each.id for each in state.dead_letters())
        assert request is not None
        assert (request.argument, request.requested_at) == ("a", 1.0)
        settle(state, Bookmark("one", "second", "some", 2.0), done=request.id, redelivered=numbers[:1])
        assert [each.id for each in state.dead_letters()] == [numbers[1]]
        assert state.request("one") is not None
        assert state.request("one").argument == "b"  # type: ignore[union-attr]
        assert state.request("three") is None

    def test_clients_change_with_a_bookmark_and_are_found_by_name_address_time_and_subnet(self, state: Store) -> None:
        bookmark = Bookmark("one", "first", "some", 1.0)
        assert not state.has_clients("one")
        many = {
            f"c{number}": Client(
                *(
                    "one",
                    f"c{number}",
                    4,
                    2**32 - 2,
                    f"10.0.0.{number}",
                    UNCONFIRMED,
                    float(number),
                    None,
                    600,
                    True,
                    "[]",
                )
            )
            for number in range(1200)
        }
        one = many["c1"]._replace(state=LIVING, made=NOW)
        settle(state, bookmark, clients={**many, "c1": one, "c2": many["c2"]._replace(reserves=False)})
        subnet = (4, 2**32 - 2)
        settle(state, bookmark, clients={"c0": None, "unknown": None}, shortages={subnet: 5.5, (6, 1): 7.0})
        settle(state, Bookmark("two", "first", "some", 1.0), clients={"c9": many["c9"]._replace(subscription="two")})
        assert state.has_clients("one")
        assert state.clients("one", ["c0", "c1"]) == [one]
        assert len(state.clients("one", list(many))) == 1199
        assert state.clients_at("one", ["10.0.0.1", "10.0.0.0"]) == [one]
        assert [each.client for each in state.clients_before("one", UNCONFIRMED, 4.0, 2)] == ["c2", "c3"]
        assert state.clients_before("one", LIVING, 0.5, 9) == []
        assert len(state.unconfirmed_of("one", subnet, 1000)) == 1000
        assert state.unconfirmed_of("one", (4, 1), 9) == []
        assert state.reserved() == {subnet: 1197}
        assert (state.shortages("one"), state.shortages("two")) == ({subnet: 5.5, (6, 1): 7.0}, {})
        settle(state, bookmark, shortages={})
        assert state.shortages("one") == {}

    def test_a_heartbeat_replaces_the_one_before(self, state: Store) -> None:
        beat = Heartbeat("host", "one", "1.0", 42, 1.0, 2.0, "running", 1.5, "", 7)
        state.beat([beat, beat._replace(subscription="two")])
        state.beat([beat._replace(beat_at=3.0, status="retrying", detail="no route")])
        assert state.heartbeats() == [
            beat._replace(beat_at=3.0, status="retrying", detail="no route"),
            beat._replace(subscription="two"),
        ]

    def test_a_subscription_that_is_gone_stays_visible(self, state: Store) -> None:
        state.register({"one": "all", "two": "some"}, [], 1.0)
        state.register({"one": "fewer"}, ["two"], 2.0)
        assert [each.removed_at for each in state.registrations()] == [None, None], "another monitor has it"
        state.register({"one": "fewer"}, [], 3.0)
        state.register({"one": "fewer"}, [], 4.0)
        assert state.registrations() == [Registration("one", "fewer", 1.0, None), Registration("two", "some", 1.0, 3.0)]
        state.register({"two": "again"}, ["one"], 5.0)
        assert state.registrations()[1] == Registration("two", "again", 5.0, None)

    def test_the_claim_is_ours_and_stays(self, state: Store) -> None:
        claimed = state.claim("one")
        assert claimed is not None
        assert claimed == state.claim("one")
