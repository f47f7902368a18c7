# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subscription, with a source and a sink that are lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kea_lease_monitor import position as positions
from kea_lease_monitor.app import open_state
from kea_lease_monitor.backoff import Backoff
from kea_lease_monitor.batch import Batch, Pending, Reason, Rejection
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.pipeline import BATCH, Pipeline, Subscription
from kea_lease_monitor.position import FilePosition, Position
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.state.location import Place
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.subscriptions import Match

from runtime.builders import NOW, Time, event
from runtime.fakes import ListSink, ListSource


class World:
    def __init__(self, directory: Path) -> None:
        self.time = Time()
        self.store = open_state(Place(str(directory / "state.sqlite")))
        self.source, self.sink = ListSource(), ListSink()
        self.make(True)

    def make(self, everything: bool, match: Match | None = None, effects: str = "some") -> None:
        subscription = Subscription("default", match or Match(), everything, effects)
        self.pipeline = Pipeline(subscription, self.source, [self.sink], self.store, self.time.clock())

    def run(self) -> None:
        """Until nothing is due at this moment."""
        while self.pipeline.due() <= self.time.now:
            self.pipeline.pump()

    def stored(self) -> Any:
        bookmark = self.store.bookmark("default")
        return positions.load(bookmark.position) if bookmark else None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_is_delivered_in_batches_and_the_bookmark_follows(world: World) -> None:
    world.source.events = [event(1)] * (2 * BATCH + 5)
    world.run()
    assert len(world.sink.got) == 2 * BATCH + 5
    assert world.pipeline.ready
    assert world.stored() is None, "it does not stand before the next batch"
    world.time.now += 0.05
    world.run()
    assert world.stored() == FilePosition(1, 1, 2 * BATCH + 5, 0)


def test_a_restart_goes_on_behind_the_bookmark(world: World) -> None:
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    world.make(True)
    world.source.events.append(event(2))
    world.run()
    assert [each.lease.address for each in world.sink.got] == ["10.0.0.1", "10.0.0.2"]


def test_other_sinks_get_what_the_former_ones_got(world: World) -> None:
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    world.make(True, effects="others")
    world.run()
    assert [each.lease.address for each in world.sink.got] == ["10.0.0.1", "10.0.0.1"]
    world.pipeline.stop()
    world.make(False, effects="yet others")
    world.run()
    assert len(world.sink.got) == 2, "who wants only what happens from now on does not want it again"


def test_from_now_on_passes_over_what_was(world: World) -> None:
    world.source.events = [event(1)]
    world.make(False)
    world.run()
    assert world.sink.got == []


def test_who_begins_now_begins_once(world: World) -> None:
    """Nothing happened before the crash, so nothing but the beginning itself could be stored."""
    world.make(False)
    world.run()
    world.make(False)
    world.source.events = [event(1)]
    world.run()
    assert len(world.sink.got) == 1


def test_what_does_not_match_moves_the_bookmark_only(world: World) -> None:
    world.make(True, Match(kinds=frozenset({EventKind.DELETED})))
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    assert world.sink.got == []
    assert world.stored().offset == 1


def test_a_failing_sink_is_tried_again_for_ever_and_nothing_is_lost(world: World) -> None:
    world.source.events = [event(1)]
    world.sink.problem = TemporaryError("no")
    waits = []
    for _round in range(12):
        world.run()
        assert world.pipeline.retry is not None
        waits.append(world.pipeline.retry.due - world.time.now)
        world.time.now = world.pipeline.retry.due
    assert waits[0] < 0.11
    assert waits == sorted(waits)
    assert 29 < waits[-1] < 30
    assert world.pipeline.status == "starting"
    world.sink.problem = None
    world.run()
    assert (len(world.sink.got), world.pipeline.retry, world.pipeline.status) == (1, None, "running")


def test_while_a_sink_fails_nothing_more_is_read(world: World) -> None:
    world.source.events = [event(1)] * 5000
    world.sink.problem = TemporaryError("no")
    for _round in range(5):
        world.run()
        world.time.now += 60
    assert world.source.limits == [BATCH] * len(world.source.limits)
    assert world.stored() is None


def test_a_poisoned_event_becomes_a_dead_letter_and_blocks_nobody(world: World) -> None:
    world.source.events = [event(number) for number in range(1, 8)]
    world.sink.poison = world.source.events[4]
    world.run()
    world.pipeline.stop()
    assert [each.lease.address[-1] for each in world.sink.got] == list("123467")
    assert world.store.dead_letters() == {"default": 1}
    assert world.stored().offset == 7


def test_a_lost_position_reads_all_again_even_for_a_subscription_from_now(world: World) -> None:
    world.make(False)
    world.source.events = [event(1)]
    world.run()
    world.source.problem = PositionLostError("gone")
    world.pipeline.pump()
    world.run()
    assert len(world.sink.got) == 1


def test_a_stored_position_that_makes_no_sense_reads_all(world: World) -> None:
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    with world.store._session.transaction() as connection:
        connection.exec_driver_sql("UPDATE bookmarks SET position = 'x'")
    world.make(True)
    world.run()
    assert len(world.sink.got) == 2


def test_a_defect_stops_nobody(world: World) -> None:
    world.source.events = [event(1)]
    world.source.problem = KeyError("defect")
    world.run()
    assert world.pipeline.retry is not None
    assert "KeyError" in world.pipeline.retry.error
    world.time.now += 60
    world.run()
    assert len(world.sink.got) == 1


def test_a_state_that_refuses_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.source.events = [event(1)]
    world.run()
    world.time.now += 1
    with monkeypatch.context() as patch:
        patch.setattr(Store, "settle", _refuse)
        world.run()
        assert world.pipeline.status == "retrying"
    world.time.now += 60
    world.run()
    assert world.stored().offset == 1
    assert len(world.sink.got) == 1


def _refuse(*_arguments: object) -> None:
    raise TemporaryError("disk full")


def test_an_idle_subscription_stores_its_place_now_and_then(world: World) -> None:
    """An old bookmark would be taken for one that rows behind were pruned of."""
    world.run()
    world.time.now += 1
    world.run()
    first = world.stored()
    world.source.checksum = 7
    world.pipeline.pump()
    assert world.stored() == first
    world.time.now += 61
    world.pipeline.pump()
    assert world.stored().checksum == 7


def test_waits_are_spread_over_the_whole_range() -> None:
    assert Backoff(lambda: 0.0).retry(5.0, 3, "").due == 5.0
    assert Backoff(lambda: 0.5).retry(5.0, 3, "").due == 5.2


def test_a_sink_that_is_at_work_is_waited_for_and_nothing_else_is_read(world: World) -> None:
    world.source.events = [event(1)]
    world.sink.pending = Pending(42, 30.0)
    world.pipeline.pump()
    world.source.events.append(event(2))
    assert (world.pipeline.fileno(), world.pipeline.due()) == (42, 1.0), "to ask whether it is still our turn"
    world.run()
    assert (world.source.limits, world.stored()) == ([BATCH], None)
    world.sink.pending = None
    world.pipeline.pump()
    assert world.sink.got == [event(1)]
    world.pipeline.pump()
    assert world.sink.got == [event(1), event(2)]
    assert world.pipeline.fileno() is None


def test_work_that_fails_later_and_later_is_tried_less_and_less(world: World) -> None:
    """A command that is started anew has not recovered anything yet."""
    world.source.events = [event(1)]
    waits = []
    for _attempt in range(4):
        world.sink.pending, world.sink.problem = Pending(42, world.time.now + 30), None
        world.pipeline.pump()
        world.sink.problem = TemporaryError("the command failed")
        world.pipeline.pump()
        waits.append(world.pipeline.due() - world.time.now)
        world.time.now = world.pipeline.due()
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]
    assert len(world.source.limits) == 4, "each time the batch was read again, not kept"


def ask(world: World, replay: Replay) -> None:
    world.store.ask("default", replay.argument(), 1.0)
    world.time.now += 6
    world.pipeline.pump()
    world.run()
    world.time.now += 1
    world.run()


class ScanSource(ListSource):
    """Amid all present leases until the end of the list; what is appended later happened since."""

    def start(self, everything: bool) -> Position:
        return FilePosition(1, 0 if everything else 1, 0 if everything else len(self.events), 0)

    def read(self, after: Position, limit: int) -> Batch:
        batch = super().read(after, limit)
        assert isinstance(batch.position, FilePosition)
        return Batch(batch.events, batch.position._replace(inode=1), batch.caught_up)


@pytest.fixture
def scanning(world: World) -> World:
    world.source = ScanSource()
    world.make(True)
    world.source.events = [event(1), event(2, cltt=NOW + 100), event(3, cltt=NOW + 200)]
    world.run()
    return world


def got(world: World) -> str:
    """The last digits of the addresses that the sink got, since it was asked last."""
    addresses = [each.lease.address[-1] for each in world.sink.got]
    world.sink.got.clear()
    return "".join(addresses)


def test_a_replay_acts_upon_all_leases_once_more(scanning: World) -> None:
    assert got(scanning) == "123"
    ask(scanning, Replay())
    assert got(scanning) == "123"
    assert scanning.store.request("default") is None
    scanning.time.now += 60
    scanning.run()
    assert got(scanning) == "", "once"


def test_a_replay_since_a_time_takes_the_leases_heard_of_since(scanning: World) -> None:
    got(scanning)
    ask(scanning, Replay(since=NOW + 100))
    assert got(scanning) == "23"
    scanning.source.events.append(event(4))
    scanning.pipeline.pump()
    assert got(scanning) == "4", "what happens is not filtered"


def test_a_replay_from_a_position_goes_on_there(scanning: World) -> None:
    got(scanning)
    ask(scanning, Replay(position=positions.dump(FilePosition(1, 1, 2, 0))))
    assert got(scanning) == "3"
    assert scanning.stored().offset == 3


def test_a_replay_that_is_cut_short_begins_anew(scanning: World) -> None:
    got(scanning)
    scanning.sink.problem = TemporaryError("no")
    ask(scanning, Replay())
    scanning.pipeline.stop()
    scanning.sink.problem = None
    scanning.make(True)
    scanning.run()
    scanning.time.now += 1
    scanning.run()
    assert (got(scanning), scanning.store.request("default")) == ("123", None)


def test_dead_letters_are_tried_again_with_their_leases_as_they_are_now(scanning: World) -> None:
    """The old event may be outdated; a lease that ended since can only be told as it was."""
    gone = event(9, kind=EventKind.DELETED)
    scanning.source.events += [event(4), gone]
    scanning.sink.poison = scanning.source.events[3]
    scanning.run()
    scanning.pipeline.pump()
    scanning.sink.poison = gone
    scanning.source.events.append(gone)
    scanning.pipeline.pump()
    scanning.time.now += 1
    scanning.run()
    letters = scanning.store.letters()
    assert [each.subscription for each in letters] == ["default", "default"]
    scanning.sink.poison = None
    scanning.source.events[3] = event(4, hostname="renamed")
    del scanning.source.events[4:]
    scanning.sink.got.clear()
    ask(scanning, Replay(letters=tuple(each.id for each in letters)))
    assert [(each.kind.value, each.lease.hostname) for each in scanning.sink.got] == [
        ("deleted", "host-9"),
        ("assigned", "renamed"),
    ]
    assert scanning.store.letters() == []


@pytest.mark.parametrize("asked", [{"since": NOW + 100}, {"letters": (1,)}], ids=["since", "letters"])
def test_a_replay_of_some_leases_loses_no_event_that_was_not_read_yet(scanning: World, asked: Any) -> None:
    """While all leases are read again, those that nobody asked for are passed over: also what they became since."""
    got(scanning)
    scanning.source.events.append(event(4))
    scanning.store.ask("default", Replay(**asked).argument(), 1.0)
    scanning.time.now += 6
    scanning.sink.problem = TemporaryError("amid the replay")
    scanning.pipeline.pump()
    scanning.pipeline.stop()
    scanning.sink.problem = None
    scanning.make(True)
    scanning.run()
    scanning.time.now += 1
    scanning.run()
    assert "4" in got(scanning)
    assert scanning.stored().offset == 4


def test_reservations_are_taken_over_while_all_leases_are_read_and_only_then(scanning: World) -> None:
    adopted: list[str] = []
    scanning.sink.adopt = lambda events: adopted.extend(each.lease.address for each in events)  # type: ignore[method-assign]
    ask(scanning, Replay())
    assert adopted == []
    ask(scanning, Replay(adopt=True))
    assert adopted == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    scanning.source.events.append(event(4))
    scanning.run()
    ask(scanning, Replay())
    assert len(adopted) == 3


def test_what_met_a_conflict_is_tried_again_after_a_restart(scanning: World) -> None:
    got(scanning)
    lease = scanning.source.events[1]
    scanning.sink.rejected = (Rejection(lease, Reason.ADDRESS_TAKEN, "held"),)
    ask(scanning, Replay())
    assert [letter.reason for letter in scanning.store.letters()] == ["address_taken"]
    scanning.pipeline.stop()
    for held in (True, False):
        got(scanning)
        scanning.sink.rejected = scanning.sink.rejected if held else ()
        scanning.make(True)
        scanning.pipeline.pump()
        scanning.run()
        scanning.time.now += 1
        scanning.run()
        assert got(scanning) == "2"
        assert len(scanning.store.letters()) == held
        scanning.pipeline.stop()
    scanning.make(True)
    scanning.run()
    assert got(scanning) == "", "nothing waits any more"


def test_what_another_version_asked_reads_everything(scanning: World) -> None:
    got(scanning)
    scanning.store.ask("default", '{"version": 7}', 1.0)
    scanning.time.now += 6
    scanning.run()
    scanning.pipeline.pump()
    scanning.run()
    assert got(scanning) == "123"


def test_while_another_monitor_acts_only_its_place_is_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.source.events = [event(1)]
    world.run()
    world.time.now += 1
    world.run()
    noted: list[Any] = []
    monkeypatch.setattr(world.source, "stand_by", noted.append)
    monkeypatch.setattr(world.store, "claim", lambda _name: None)
    world.source.events.append(event(2))
    world.pipeline.pump()
    assert (world.pipeline.status, len(world.sink.got)) == ("standby", 1)
    assert noted == [FilePosition(1, 1, 1, 0)]
    assert world.pipeline.due() == world.time.now + 1
    monkeypatch.setattr(world.store, "claim", lambda _name: 2)
    world.time.now += 1
    world.run()
    assert (world.pipeline.status, len(world.sink.got)) == ("running", 2)
