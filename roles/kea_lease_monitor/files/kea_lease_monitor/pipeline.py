# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subscription: read, match, deliver, settle. It knows no descriptor of its own and asks others for the time."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Union

from kea_lease_monitor import position as positions
from kea_lease_monitor import refusals, telemetry
from kea_lease_monitor.backoff import Backoff, Retry
from kea_lease_monitor.batch import Batch, Delivery, Pending, Rejection
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import MonitorError, PositionLostError, TemporaryError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.position import Position
from kea_lease_monitor.replay import Replays, letter_text
from kea_lease_monitor.sinks.base import Adopting, Sink
from kea_lease_monitor.sources.base import Source, StandingBy
from kea_lease_monitor.state.records import Bookmark, Letter, Settlement
from kea_lease_monitor.state.store import Store
from kea_lease_monitor.subscriptions import Match

BATCH = 1000
"""Events read at once, and so the bound of what is kept in memory while a sink is stuck."""

_SETTLE = 0.05
"""Seconds a bookmark may wait, so that its transaction does not stand before the next batch."""

_SETTLE_IDLE = 60.0
"""Seconds between two bookmarks while nothing happens but time."""

_ASK = 1.0
"""Seconds between two questions whether it is our turn, while another monitor acts or a command of ours runs."""


@dataclass(frozen=True)
class Subscription:
    name: str
    match: Match
    everything: bool
    """At the very first start: all present leases, or only what happens from now on."""
    effects: str
    """Changes with the match and the sinks: what leases became under other ones must be made good."""
    description: str = ""
    """For people."""


@dataclass
class _Work:
    """A batch on its way through the sinks. It is kept only while one of them says that it is still acting."""

    batch: Batch
    wanted: Sequence[LeaseEvent]
    sinks: List[Sink]
    """Those that have not acted yet."""
    letters: List[Letter] = field(default_factory=list)


class Pipeline:
    """Everything that fails is tried again for ever; what was not settled is simply read again."""

    def __init__(
        self, subscription: Subscription, source: Source, sinks: Sequence[Sink], store: Store, clock: Clock
    ) -> None:
        self.name = subscription.name
        self.description = subscription.description
        self._subscription = subscription
        self._source = source
        self._sinks = sinks
        self._store = store
        self._clock = clock
        self._backoff = Backoff(clock.random)
        self._position: Optional[Position] = None
        self._lost = ""
        self._more = True
        self._work: Optional[_Work] = None
        self._pending: Optional[Pending] = None
        self._unsettled: List[Letter] = []
        self._settle_due: Optional[float] = None
        self._term: Optional[int] = None
        self._claim_due = 0.0
        self._replays = Replays(self.name, store, clock)
        self.standing_by = False
        self.retry: Optional[Retry] = None
        self.ready = False
        self.events = 0
        self.status_since = clock.time()

    @property
    def status(self) -> str:
        if self.standing_by:
            return "standby"
        if not self.ready:
            return "starting"
        return "retrying" if self.retry else "running"

    def fileno(self) -> Optional[int]:
        if self._pending:
            return self._pending.fileno
        return None if self.retry else self._source.fileno()

    def due(self) -> float:
        """When ``pump`` is wanted at the latest, by the monotonic clock; 0 is at once."""
        if self._pending:
            due = min(self._pending.due, self._claim_due)
        elif self.retry:
            return self.retry.due
        elif self.standing_by:
            return self._claim_due
        else:
            due = 0.0 if self._more else self._source.due()
        return due if self._settle_due is None else min(due, self._settle_due)

    def pump(self) -> None:
        """One step: at most one batch. Never raises, because no subscription may end the others."""
        try:
            with telemetry.acting_for(self.name):
                self._step()
        except PositionLostError as lost:
            self._position, self._lost, self._more = None, str(lost), True
            return
        except MonitorError as error:
            self._fail(str(error))
            return
        except Exception:  # A defect in one source or sink must not stop the others, and may pass with the next lease.
            self._fail(traceback.format_exc())
            return
        if not self._pending:
            self._succeed()

    def stop(self) -> None:
        """Settle what was delivered. Raises nothing: whatever cannot be stored is read again."""
        try:
            self.settle()
        except MonitorError as error:
            telemetry.retrying(self.name, 1, 0, str(error))
        self._let_go()

    def _let_go(self) -> None:
        self._source.close()
        for sink in self._sinks:
            sink.close()

    def _elected(self) -> bool:
        """Whether it is our turn; what belongs to a former turn of ours is dropped."""
        self._claim_due = self._clock.monotonic() + _ASK
        try:
            term = self._store.claim(self.name)
        except MonitorError:
            self._step_down()
            raise
        if term != self._term:
            self._step_down()
            self._term = term
        if term is None and not self.standing_by:
            telemetry.standing_by(self.name)
        if self.standing_by != (term is None):
            self.standing_by, self.status_since = term is None, self._clock.time()
        return term is not None

    def _step_down(self) -> None:
        """Nothing that is still to be done may be done by us: another monitor may have gone on from the bookmark."""
        if self._term is None:
            return
        self._let_go()
        self._term = self._position = self._work = self._pending = self._settle_due = None
        self._replays.step_down()
        self._unsettled, self._more, self.ready = [], True, False

    def _stand_by(self) -> None:
        bookmark = self._store.bookmark(self.name)
        if bookmark and isinstance(self._source, StandingBy):
            self._source.stand_by(positions.load(bookmark.position))

    def _step(self) -> None:
        if not self._elected():
            self._stand_by()
            return
        if self._settle_due is not None and self._settle_due <= self._clock.monotonic():
            self.settle()
        work = self._work or self._read()
        # Forgotten before anything can fail: what no sink holds is read again.
        self._work = self._pending = None
        while work.sinks:
            answer = self._deliver(work.sinks[0], work.wanted)
            if isinstance(answer, Pending):
                self._work, self._pending = work, answer
                return
            sink = work.sinks.pop(0)
            work.letters += [self._letter(sink, rejection) for rejection in answer.rejected]
        self._unsettled += work.letters
        self._advance(work.batch, work.wanted)

    def _letter(self, sink: Sink, rejection: Rejection) -> Letter:
        text = letter_text(rejection.event, sink.name)
        reason, detail = rejection.reason.value, rejection.detail
        return Letter(0, self.name, rejection.event.ref, reason, detail, text, self._clock.time())

    def _read(self) -> _Work:
        if self._position is None:
            self._position = self._begin()
        if self._replays.begun(self._position):
            self.settle()
            self._position = self._replayed()
        if events := self._replays.current.events:
            return _Work(Batch(events, self._position, False), events, list(self._sinks))
        batch = self._source.read(self._position, BATCH)
        wanted = [event for event in batch.events if self._subscription.match(event)]
        wanted = self._replays.chosen(wanted, self._position)
        for sink in self._sinks if wanted and self._replays.adopts(self._position) else ():
            if isinstance(sink, Adopting):
                sink.adopt(wanted)
        return _Work(batch, wanted, list(self._sinks) if wanted else [])

    def _begin(self) -> Position:
        for sink in self._sinks:
            sink.check()
        bookmark = None if self._lost else self._store.bookmark(self.name)
        if bookmark and (bookmark.effects == self._subscription.effects or not self._subscription.everything):
            return positions.load(bookmark.position)
        if bookmark:
            self._lost = "its match or its sinks changed"
        everything = self._subscription.everything or bool(self._lost)
        if everything:
            telemetry.reading_anew(self.name, self._lost or "first start")
        else:
            # Stored though nothing happens: after a crash it would else begin later, and lose what was between.
            self._settle_due = self._clock.monotonic()
        position = self._source.start(everything)
        self._lost = ""
        return position

    def _replayed(self) -> Position:
        """Where a replay begins."""
        if self._replays.current.position:
            return positions.load(self._replays.current.position)
        telemetry.reading_anew(self.name, "to act once more upon " + self._replays.current.what)
        return self._source.start(True)

    def _deliver(self, sink: Sink, events: Sequence[LeaseEvent]) -> Union[Delivery, Pending]:
        # Not only before the batch: to read it, or the sink before this one, may have taken seconds.
        if self._store.claim(self.name) != self._term:
            self._step_down()
            raise TemporaryError("another monitor may have taken over")
        answer = refusals.deliver(sink, events)
        for rejection in answer.rejected if isinstance(answer, Delivery) else ():
            telemetry.dead_letter(self.name, sink.name, rejection)
        return answer

    def _advance(self, batch: Batch, wanted: Sequence[LeaseEvent]) -> None:
        if batch.position != self._position and self._settle_due is None:
            moment = self._clock.monotonic()
            busy = bool(batch.events) or not batch.caught_up or not self.ready
            self._settle_due = moment + (_SETTLE if busy else _SETTLE_IDLE)
        elif batch.events and self._settle_due is not None:
            self._settle_due = min(self._settle_due, self._clock.monotonic() + _SETTLE)
        self._position, self._more = batch.position, not batch.caught_up
        if self._replays.follow(batch):
            self._settle_due = self._clock.monotonic()
            self._position, self._more = self._replays.place(batch.position), True
        self.events += len(wanted)
        now = self._clock.time()
        oldest = min((event.recorded_at for event in wanted if event.recorded_at), default=0.0)
        telemetry.delivered(self.name, len(wanted), batch.caught_up, now, oldest)
        if batch.caught_up and not self.ready:
            self.ready, self.status_since = True, now
            telemetry.ready(self.name)

    def settle(self) -> None:
        """The one place where a bookmark moves: after every sink said yes."""
        if self._settle_due is not None and self._position is not None:
            position = positions.dump(self._replays.place(self._position))
            bookmark = Bookmark(self.name, position, self._subscription.effects, self._clock.time())
            settlement = Settlement(bookmark, tuple(self._unsettled), *self._replays.fulfilled())
            self._store.settle(settlement, self._term or 0)
            self._replays.settled()
            self._unsettled = []
        self._settle_due = None

    def _fail(self, error: str) -> None:
        if not self.retry:
            self.status_since = self._clock.time()
        attempt = self.retry.attempt + 1 if self.retry else 1
        now = self._clock.monotonic()
        self.retry = self._backoff.retry(now, attempt, error)
        telemetry.retrying(self.name, attempt, self.retry.due - now, error)

    def _succeed(self) -> None:
        if self.retry:
            telemetry.recovered(self.name, self.retry.attempt)
            self.retry, self.status_since = None, self._clock.time()
