# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subscription, with a source and a sink that are lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kea_lease_monitor import position as positions
from kea_lease_monitor.backoff import Backoff
from kea_lease_monitor.batch import Batch, Pending, Reason, Rejection
from kea_lease_monitor.errors import DamagedError, PositionLostError, TemporaryError
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.pace import FIRST, LEAST, LONGEST, MOST
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.position import FilePosition, Position
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.subscriptions import Match, Subscription

from runtime.builders import NOW, Time, event
from runtime.fakes import ListSink, ListSource
from runtime.states import state_in


class World:
    def __init__(self, directory: Path) -> None:
        self.time = Time()
        self.store = state_in(directory)
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


HEARS_NO_ENDINGS = Match(kinds=frozenset({EventKind.ASSIGNED}))
"""A subscription that hears of endings records each client that it meets, at once."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_events_are_delivered_in_batches_and_the_bookmark_follows(world: World) -> None:
    world.make(True, HEARS_NO_ENDINGS)
    world.source.events = [event(1)] * (2 * MOST + 5)
    world.run()
    assert len(world.sink.got) == 2 * MOST + 5
    assert world.pipeline.health.ready
    assert world.stored() is None, "it does not stand before the next batch"
    world.time.now += 0.05
    world.run()
    assert world.stored() == FilePosition(1, 1, 2 * MOST + 5, 0)


@pytest.mark.parametrize(
    ("seconds", "limits"),
    [
        (0, [FIRST, 2 * FIRST, 4 * FIRST, MOST, MOST]),
        (LONGEST / 2, [FIRST] * 5),
        # A slow disk, or a busy host.
        (LONGEST + 1, [FIRST, FIRST // 2, LEAST, LEAST, LEAST]),
    ],
)
def test_a_batch_is_what_the_sinks_act_upon_in_time_for_a_heartbeat(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float, limits: list[int]
) -> None:
    world.source.events = [event(1)] * (5 * MOST)
    deliver = world.sink.deliver

    def deliver_slowly(events: Any) -> Any:
        world.time.now += seconds
        return deliver(events)

    monkeypatch.setattr(world.sink, "deliver", deliver_slowly)
    for _batch in limits:
        world.pipeline.pump()
    assert world.source.limits == limits


def test_a_restart_continues_after_the_bookmark(world: World) -> None:
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    world.make(True)
    world.source.events.append(event(2))
    world.run()
    assert [each.lease.address for each in world.sink.got] == ["10.0.0.1", "10.0.0.2"]


def test_changed_sinks_get_what_the_previous_ones_got(world: World) -> None:
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


def test_start_now_skips_earlier_events(world: World) -> None:
    world.source.events = [event(1)]
    world.make(False)
    world.run()
    assert world.sink.got == []


def test_start_now_begins_once(world: World) -> None:
    """Nothing happened before the crash, so nothing but the beginning itself could be stored."""
    world.make(False)
    world.run()
    world.make(False)
    world.source.events = [event(1)]
    world.run()
    assert len(world.sink.got) == 1


def test_an_event_that_does_not_match_only_moves_the_bookmark(world: World) -> None:
    world.make(True, Match(kinds=frozenset({EventKind.DELETED})))
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    assert world.sink.got == []
    assert world.stored().offset == 1


def test_a_failing_sink_is_retried_for_ever_and_no_event_is_lost(world: World) -> None:
    world.source.events = [event(1)]
    world.sink.problem = TemporaryError("no")
    waits = []
    for _round in range(12):
        world.run()
        assert world.pipeline.health.retry is not None
        waits.append(world.pipeline.health.retry.due - world.time.now)
        world.time.now = world.pipeline.health.retry.due
    assert waits[0] < 0.11
    assert waits == sorted(waits)
    assert 29 < waits[-1] < 30
    assert world.pipeline.health.status == "starting"
    world.sink.problem = None
    world.run()
    assert (len(world.sink.got), world.pipeline.health.retry, world.pipeline.health.status) == (1, None, "running")


def test_a_server_that_says_when_to_come_again_is_not_tried_earlier(world: World) -> None:
    world.source.events = [event(1)]
    world.sink.problem = TemporaryError("busy", 120)
    world.run()
    assert world.pipeline.health.retry is not None
    assert world.pipeline.due() == world.pipeline.health.retry.due == world.time.now + 120


def test_no_event_is_read_while_a_sink_fails(world: World) -> None:
    world.source.events = [event(1)] * 5000
    world.sink.problem = TemporaryError("no")
    for _round in range(5):
        world.run()
        world.time.now += 60
    assert world.source.limits == [FIRST] * len(world.source.limits)
    assert world.stored() is None


def test_a_refused_event_becomes_a_dead_letter_and_blocks_no_other(world: World) -> None:
    world.source.events = [event(number) for number in range(1, 8)]
    world.sink.poison = world.source.events[4]
    world.run()
    world.pipeline.stop()
    assert [each.lease.address[-1] for each in world.sink.got] == list("123467")
    assert world.store.dead_letter_counts() == {"default": 1}
    assert world.stored().offset == 7


def test_a_lost_position_reads_all_leases_even_for_start_now(world: World) -> None:
    world.make(False)
    world.source.events = [event(1)]
    world.run()
    world.source.problem = PositionLostError("gone")
    world.pipeline.pump()
    world.run()
    assert len(world.sink.got) == 1


def test_an_unreadable_bookmark_reads_all_leases(world: World) -> None:
    world.source.events = [event(1)]
    world.run()
    world.pipeline.stop()
    with world.store._session.transaction() as connection:
        connection.exec_driver_sql("UPDATE bookmarks SET position = 'x'")
    world.make(True)
    world.run()
    assert len(world.sink.got) == 2


def test_a_defect_in_a_sink_is_retried(world: World) -> None:
    world.source.events = [event(1)]
    world.source.problem = KeyError("defect")
    world.run()
    assert world.pipeline.health.retry is not None
    assert "KeyError" in world.pipeline.health.retry.error
    world.time.now += 60
    world.run()
    assert len(world.sink.got) == 1


def test_a_damaged_state_ends_the_monitor(world: World) -> None:
    """Its next start sets the file aside. No retry could help, and no subscription could store a bookmark."""
    world.source.problem = DamagedError("no database")
    with pytest.raises(DamagedError):
        world.pipeline.pump()


def test_a_failing_state_is_retried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make(True, HEARS_NO_ENDINGS)
    world.source.events = [event(1)]
    world.run()
    world.time.now += 1
    with monkeypatch.context() as patch:
        patch.setattr(Store, "settle", _refuse)
        world.run()
        assert world.pipeline.health.status == "retrying"
    world.time.now += 60
    world.run()
    assert world.stored().offset == 1
    assert len(world.sink.got) == 1


def _refuse(*_arguments: object) -> None:
    raise TemporaryError("disk full")


def test_an_idle_subscription_stores_its_position_at_intervals(world: World) -> None:
    """Otherwise the bookmark would look too old: later rows have been pruned meanwhile."""
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


def test_no_event_is_read_while_a_sink_is_still_acting(world: World) -> None:
    world.source.events = [event(1)]
    world.sink.pending = Pending(42, 30.0)
    world.pipeline.pump()
    world.source.events.append(event(2))
    assert (world.pipeline.fileno(), world.pipeline.due()) == (42, 1.0), "to ask whether it is still our turn"
    world.run()
    assert (world.source.limits, world.stored()) == ([FIRST], None)
    world.sink.pending = None
    world.pipeline.pump()
    assert world.sink.got == [event(1)]
    world.pipeline.pump()
    assert world.sink.got == [event(1), event(2)]
    assert world.pipeline.fileno() is None


class RestingSource(ListSource):
    """Counts how often it was told of a pause."""

    rests = 0

    def rest(self) -> None:
        self.rests += 1


@pytest.mark.parametrize("fault", ["pending", "problem", "none"])
def test_the_source_is_told_when_it_is_not_read_for_a_while(world: World, fault: str) -> None:
    world.source = source = RestingSource()
    world.make(True)
    source.events = [event(1)]
    world.sink.pending = Pending(42, 30.0) if fault == "pending" else None
    world.sink.problem = TemporaryError("no") if fault == "problem" else None
    world.pipeline.pump()
    assert (source.rests > 0) == (fault != "none")


def test_pending_work_that_fails_is_retried_with_back_off(world: World) -> None:
    """A restarted command has not succeeded yet."""
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
    world.store.add_request("default", replay.argument(), 1.0)
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


def test_a_replay_delivers_all_leases_again(scanning: World) -> None:
    assert got(scanning) == "123"
    ask(scanning, Replay())
    assert got(scanning) == "123"
    assert scanning.store.request("default") is None
    scanning.time.now += 60
    scanning.run()
    assert got(scanning) == "", "once"


def test_a_replay_since_a_time_delivers_the_leases_heard_of_since(scanning: World) -> None:
    got(scanning)
    ask(scanning, Replay(since=NOW + 100))
    assert got(scanning) == "23"
    scanning.source.events.append(event(4))
    scanning.pipeline.pump()
    assert got(scanning) == "4", "what happens is not filtered"


def test_a_replay_from_a_position_continues_there(scanning: World) -> None:
    got(scanning)
    ask(scanning, Replay(position=positions.dump(FilePosition(1, 1, 2, 0))))
    assert got(scanning) == "3"
    assert scanning.stored().offset == 3


def test_an_interrupted_replay_starts_again(scanning: World) -> None:
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


def test_retried_dead_letters_deliver_the_present_leases(scanning: World) -> None:
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
    letters = scanning.store.dead_letters()
    assert [each.subscription for each in letters] == ["default", "default"]
    scanning.sink.poison = None
    scanning.source.events[3] = event(4, hostname="renamed")
    del scanning.source.events[4:]
    scanning.sink.got.clear()
    ask(scanning, Replay(dead_letters=tuple(each.id for each in letters)))
    assert [(each.kind.value, each.lease.hostname) for each in scanning.sink.got] == [
        ("deleted", "host-9"),
        ("assigned", "renamed"),
    ]
    assert scanning.store.dead_letters() == []


@pytest.mark.parametrize("asked", [{"since": NOW + 100}, {"dead_letters": (1,)}], ids=["since", "dead letters"])
def test_a_replay_of_some_leases_loses_no_unread_event(scanning: World, asked: Any) -> None:
    """While all leases are read again, unselected ones are skipped, with the changes they had since."""
    got(scanning)
    scanning.source.events.append(event(4))
    scanning.store.add_request("default", Replay(**asked).argument(), 1.0)
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


def test_reservations_are_adopted_only_while_all_leases_are_read(scanning: World) -> None:
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


def test_conflicts_are_retried_after_a_restart(scanning: World) -> None:
    got(scanning)
    lease = scanning.source.events[1]
    scanning.sink.rejected = (Rejection(lease, Reason.ADDRESS_TAKEN, "held"),)
    ask(scanning, Replay())
    assert [letter.reason for letter in scanning.store.dead_letters()] == ["address_taken"]
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
        assert len(scanning.store.dead_letters()) == held
        scanning.pipeline.stop()
    scanning.make(True)
    scanning.run()
    assert got(scanning) == "", "nothing waits any more"


def test_a_request_of_another_version_reads_all_leases(scanning: World) -> None:
    got(scanning)
    scanning.store.add_request("default", '{"version": 7}', 1.0)
    scanning.time.now += 6
    scanning.run()
    scanning.pipeline.pump()
    scanning.run()
    assert got(scanning) == "123"


def test_a_monitor_standing_by_follows_the_bookmark(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.source.events = [event(1)]
    world.run()
    world.time.now += 1
    world.run()
    noted: list[Any] = []
    monkeypatch.setattr(world.source, "stand_by", noted.append, raising=False)
    monkeypatch.setattr(world.store, "claim", lambda _name: None)
    world.source.events.append(event(2))
    world.pipeline.pump()
    assert (world.pipeline.health.status, len(world.sink.got)) == ("standby", 1)
    assert noted == [FilePosition(1, 1, 1, 0)]
    assert world.pipeline.due() == world.time.now + 1
    monkeypatch.setattr(world.store, "claim", lambda _name: 2)
    world.time.now += 1
    world.run()
    assert (world.pipeline.health.status, len(world.sink.got)) == ("running", 2)
