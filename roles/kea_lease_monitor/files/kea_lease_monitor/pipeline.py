# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path of one subscription's events: read, match, deliver, settle."""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass, field, replace
from functools import partial
from typing import List, Optional, Protocol, Sequence, Union

from kea_lease_monitor import position as positions
from kea_lease_monitor import refusals, telemetry
from kea_lease_monitor.batch import Batch, Delivery, Kept, Pending, Rejection, following
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.endings.endings import Endings, EndingStore, Manner
from kea_lease_monitor.errors import DamagedError, MonitorError, PositionLostError
from kea_lease_monitor.health import Health
from kea_lease_monitor.herd import Herd
from kea_lease_monitor.lease import EventKind, LeaseEvent
from kea_lease_monitor.position import Position
from kea_lease_monitor.refusals import LateRefusals
from kea_lease_monitor.replay import Replays, Requests
from kea_lease_monitor.settling import Bookmarks, Settling
from kea_lease_monitor.sinks.base import Adopting, Forgetting, Sink, confirm, counted, held
from kea_lease_monitor.sources.base import Learning, Reporting, Resting, Source, StandingBy
from kea_lease_monitor.state.records import DeadLetter
from kea_lease_monitor.subscriptions import Subscription
from kea_lease_monitor.turn import Terms, Turn


class PipelineStore(Terms, Bookmarks, Requests, EndingStore, Protocol):
    """What a pipeline needs of the state store."""


@dataclass
class _Work:
    """A batch on its way through the sinks. It is kept only while one of them is still acting."""

    batch: Batch
    wanted: Sequence[LeaseEvent]
    sinks: List[Sink]
    """Those that have not acted yet."""
    removal: bool = False
    """Whether these are FORGOTTEN events of clients whose time is over. The position then stays."""
    present: bool = False
    """Whether these are present leases, which all are read, and not events."""
    dead_letters: List[DeadLetter] = field(default_factory=list)
    kept: List[Kept] = field(default_factory=list)
    """What the sinks that acted keep."""


@dataclass(frozen=True)
class _Unfinished:
    """Work that waits for its first sink."""

    work: _Work
    pending: Pending


class Pipeline:
    """One subscription at work. A failed step is retried for ever; what was not settled is read again."""

    def __init__(
        self,
        subscription: Subscription,
        source: Source,
        sinks: Sequence[Sink],
        store: PipelineStore,
        clock: Clock,
    ) -> None:
        self.subscription = subscription
        self.health = Health(subscription.name, clock)
        self._source = source
        self._sinks = sinks
        self._turn = Turn(subscription.name, store, clock, self._drop)
        self._replays = Replays(subscription.name, store, clock)
        self._selects = replace(subscription.match, kinds=frozenset())
        self._keeps = any(isinstance(sink, Forgetting) for sink in sinks)
        hears = subscription.hears_endings
        uses = partial(counted, sinks), partial(held, sinks), partial(confirm, sinks)
        manner = Manner(source.renewals, self._told_until, self._keeps, hears, *uses)
        self._endings = Endings(subscription, store, clock, manner)
        self._late = LateRefusals(subscription.name, sinks, store, clock)
        self._settling = Settling(subscription, store, self._replays, self._endings, clock)
        self._herd = Herd(clock)
        self._unfinished: Optional[_Unfinished] = None
        self._lost = ""
        """Why all leases must be read again; empty if the bookmark is valid."""
        self._more = True
        """Whether the source can be read at once."""

    def fileno(self) -> Optional[int]:
        """Return the descriptor to wait for, if any."""
        if self._unfinished:
            return self._unfinished.pending.fileno
        return None if self.health.retry or self._herd.due() else self._source.fileno()

    def due(self) -> float:
        """Return when to call ``pump`` at the latest, by the monotonic clock; 0 is at once."""
        if self._unfinished:
            due = min(self._unfinished.pending.due, self._turn.due)
        elif self.health.retry:
            return self.health.retry.due
        elif self.health.standing_by:
            return self._turn.due
        elif (looks := self._herd.due()) is not None:
            due = looks
        else:
            due = 0.0 if self._more or self._endings.waits else self._source.due()
        return due if self._settling.due is None else min(due, self._settling.due)

    def pump(self) -> None:
        """Do one step, with at most one batch. One subscription cannot stop the others.

        Raises only DamagedError, because all subscriptions keep their bookmarks in the same state.
        """
        self._attempt()
        if self._unfinished or self.health.retry:
            self._rest()

    def _attempt(self) -> None:
        try:
            with telemetry.acting_for(self.subscription.name):
                self._step()
        except PositionLostError as lost:
            self._settling.position, self._lost, self._more = None, str(lost), True
            return
        except DamagedError:
            raise
        except MonitorError as error:
            self.health.fail(str(error), error.wait)
            return
        except Exception:  # A defect in one source or sink must not stop the others, and may pass with the next lease.
            self.health.fail(traceback.format_exc())
            return
        if not self._unfinished:
            self.health.succeed()

    def _rest(self) -> None:
        """Tell the source that it is not read for a while."""
        if isinstance(self._source, Resting):
            self._source.rest()

    def stop(self) -> None:
        """Store the bookmark and close all. Raises nothing: what cannot be stored is read again."""
        try:
            self._settling.settle(self._turn.term)
        except MonitorError as error:
            telemetry.retrying(self.subscription.name, 1, 0, str(error))
        self._rest()
        self._endings.drop()
        self._close()

    def _close(self) -> None:
        self._source.close()
        for sink in self._sinks:
            sink.close()

    def _drop(self) -> None:
        """Drop all work of the ended term, as if the program had just started."""
        self._close()
        self._settling.forget()
        self._late.drop()
        self._replays.forget_all()
        self._unfinished, self._more, self.health.ready = None, True, False
        self.health.wait_for("")

    def _step(self) -> None:
        acting = self._turn.claim()
        self.health.stand_by(not acting)
        if not acting:
            self._stand_by()
            return
        self._settling.settle_when_due(self._turn.term)
        if self._herd.waits():
            return
        self._herd.begin()
        work = self._unfinished.work if self._unfinished else self._read()
        # Cleared before anything can fail: work that no sink holds is read again.
        self._unfinished = None
        while work.sinks:
            sink = work.sinks[0]
            answer = self._deliver(sink, work.wanted)
            if isinstance(answer, Pending):
                self._unfinished = _Unfinished(work, answer)
                return
            del work.sinks[0]
            work.dead_letters += [self._letter(sink.name, each) for each in answer.rejected]
            work.kept += answer.kept
            work.wanted = following(work.wanted, answer)
        self._finish(work)

    def _finish(self, work: _Work) -> None:
        """Record that all sinks have acted."""
        self._herd.acted(len(work.batch.events))
        self._endings.note(work.batch.events, work.kept if self._keeps else self._met(work))
        if work.removal:
            self._settling.add(work.dead_letters)
            self._more = True
        else:
            self._more = self._settling.advance(work.batch, work.dead_letters, self.health.ready)
        if late := self._late.found():
            self._settling.add([self._letter(*each) for each in late])
        # While there are no leases to read, silence does not tell that any of them ended.
        idle = not self._more and not self._replays.running and not self.health.missing
        if idle and self._endings.look():
            self._settling.hurry()
        self.health.delivered(work.wanted, work.batch.caught_up)

    def _met(self, work: _Work) -> List[Kept]:
        """Return the clients that were met first, where no sink keeps anything that tells.

        When a client of a present lease was met first is not known then.
        """
        learns = isinstance(self._source, Learning) and not self._source.has_learnt()
        if learns or work.present or work.removal or not self.subscription.hears_endings:
            return []
        met = [event for event in work.batch.events if event.kind is EventKind.ASSIGNED and self._selects(event)]
        return [Kept(event, event.lease.cltt, False) for event in met]

    def _told_until(self) -> float:
        """Return up to when the source told of renewals, epoch seconds."""
        return self._source.told_until() if isinstance(self._source, Reporting) else math.inf

    def _stand_by(self) -> None:
        bookmark = self._settling.bookmark()
        if bookmark and isinstance(self._source, StandingBy):
            self._source.stand_by(positions.load(bookmark.position))

    def _read(self) -> _Work:
        if self._settling.position is None:
            self._settling.position = self._begin()
        position = self._settling.position
        if due := self._endings.take():
            return self._removal(due, position)
        if self._replays.begun(position):
            self._settling.settle(self._turn.term)
            position = self._settling.position = self._replayed(position)
        if events := self._replays.current.events:
            self._rest()
            return _Work(Batch(events, position, False), events, list(self._sinks))
        batch = self._source.read(position, self._herd.size)
        self.health.wait_for(self._source.missing() if isinstance(self._source, Reporting) else "")
        if gone := [] if self._replays.running else self._endings.displaced(batch.events):
            # The source is read at the same position again, once this is done.
            return self._removal(gone, position)
        wanted = [event for event in batch.events if self.subscription.match(event)]
        wanted = self._replays.chosen(wanted, position)
        for sink in self._sinks if wanted and self._replays.adopts(position) else ():
            if isinstance(sink, Adopting):
                sink.adopt(wanted)
        return _Work(batch, wanted, list(self._sinks) if wanted else [], present=positions.reading_all(position))

    def _removal(self, events: Sequence[LeaseEvent], position: Position) -> _Work:
        self._rest()
        return _Work(Batch(tuple(events), position, False), events, list(self._sinks), removal=True)

    def _begin(self) -> Position:
        """Return the position of the bookmark, or where to read all leases."""
        for sink in self._sinks:
            sink.check()
        bookmark = None if self._lost else self._settling.bookmark()
        if bookmark and (bookmark.effects == self.subscription.effects or not self.subscription.everything):
            return positions.load(bookmark.position)
        if bookmark:
            self._lost = "its match or its sinks changed"
        everything = self.subscription.everything or bool(self._lost)
        if everything:
            telemetry.reading_all(self.subscription.name, self._lost or "first start")
        else:
            # Stored at once: after a crash it would otherwise begin later, and miss the events in between.
            self._settling.hurry()
        position = self._source.start(everything)
        self._lost = ""
        return position

    def _replayed(self, position: Position) -> Position:
        """Return where the replay begins."""
        if self._replays.current.forgets:
            return position
        if self._replays.current.position:
            return positions.load(self._replays.current.position)
        telemetry.reading_all(self.subscription.name, "replay of " + self._replays.current.what)
        return self._source.start(True)

    def _deliver(self, sink: Sink, events: Sequence[LeaseEvent]) -> Union[Delivery, Pending]:
        # Claimed before each sink, since the read or the previous sink may have taken seconds.
        self._turn.confirm()
        return refusals.deliver(sink, events)

    def _letter(self, sink: str, rejection: Rejection) -> DeadLetter:
        telemetry.dead_letter(self.subscription.name, sink, rejection)
        return self._settling.dead_letter(sink, rejection)
