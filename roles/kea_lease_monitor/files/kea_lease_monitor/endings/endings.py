# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When what a subscription made for a client goes again.

A client is confirmed once its lease was acknowledged again at least half a lifetime after the first time. The store
keeps the clients that are not, and those whose lease ended. So an event of any other client costs no write.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Collection, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple

from kea_lease_monitor.batch import Kept
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.endings import reporting
from kea_lease_monitor.endings.clients import (
    ALIVE,
    Clients,
    ClientStore,
    confirming,
    dumped,
    forgotten,
    holder,
    is_unconfirmed,
    name_of,
)
from kea_lease_monitor.endings.shortages import Shortages, ShortageStore
from kea_lease_monitor.kea.reservations import ENDS
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.state.records import CONFIRMED, LIVING, UNCONFIRMED, Client, Subnet
from kea_lease_monitor.subscriptions import Match, Subscription

_INTERVAL = 10.0
"""Seconds between two looks for what is due."""

_SILENT = 60.0
"""Seconds after its end that a lease counts as ended although Kea said nothing: Kea reclaims leases every 10 seconds,
unless the site turned that off."""

_AT_ONCE = 1000
"""Clients that are forgotten at once."""

_UNCONFIRMED, _TAKEN, _SHORTAGE, _RETIRED = _REASONS = ("unconfirmed_for", "address_taken", "low_water", "retire_after")
"""Why a client is forgotten; the ``ref`` of the event."""

_NEVER = 1e12
"""The end of a lease without an end, epoch seconds."""


class EndingStore(ClientStore, ShortageStore, Protocol):
    """What ``Endings`` needs of the state store."""

    def clients_before(self, subscription: str, state: str, moment: float, limit: int) -> List[Client]: ...

    def unconfirmed_of(self, subscription: str, subnet: Subnet, limit: int) -> List[Client]: ...


class Manner(NamedTuple):
    """How a subscription hears of leases and acts on them."""

    renewals: bool
    """Whether the source tells of each renewal, so that a silent lease has ended."""
    told_until: Callable[[], float]
    """Return up to when renewals were told, epoch seconds; see sources.base.Reporting."""
    keeps: bool
    """Whether a sink makes anything that lasts."""
    hears: bool
    """Whether sinks that keep nothing, such as ``exec``, are told of endings."""
    made: Callable[[], Mapping[Subnet, int]]
    """Return how many reservations the sinks made. Raises TemporaryError."""
    held: Callable[[Sequence[Lease]], Collection[Lease]]
    """Return those leases whose address a sink reserved for their client. Raises TemporaryError."""
    confirm: Callable[[Sequence[Lease]], None]
    """Tell the sinks of leases that confirm their clients. Raises TemporaryError."""


class Endings:
    """The clients of one subscription. Changes are stored together with the bookmark; a crash repeats removals."""

    def __init__(self, subscription: Subscription, store: EndingStore, clock: Clock, manner: Manner) -> None:
        """Nothing is read from the store yet."""
        self._name = subscription.name
        self._terms = subscription.ending
        self._match = replace(subscription.match, kinds=frozenset())
        self._ends = Match(self._match.families, self._match.subnets)
        """Kea clears the name of a lease that it reclaims, and the client of one that was declined."""
        self._store = store
        self._clock = clock
        self._manner = manner
        self._clients = Clients(subscription.name, store)
        self._shortages = Shortages(subscription, store, clock, manner.made)
        self._due: List[LeaseEvent] = []
        self._look_at = 0.0
        reporting.begin(subscription.name, _REASONS)

    def drop(self) -> None:
        """Drop all that is not stored: another monitor may have acted."""
        self._clients.drop()
        self._shortages.drop()
        self._due, self._look_at = [], 0.0

    @property
    def changes(self) -> Mapping[str, Optional[Client]]:
        """Return the clients to store by name; None removes one."""
        return self._clients.changes

    @property
    def shortages(self) -> Optional[Mapping[Subnet, float]]:
        """Return the shortages to store; None if they did not change."""
        return self._shortages.current if self._shortages.changed else None

    def settled(self) -> None:
        """Record that the changes are stored."""
        self._clients.changes, self._shortages.changed = {}, False

    def displaced(self, events: Sequence[LeaseEvent]) -> List[LeaseEvent]:
        """Return what is to be removed before these events: unconfirmed clients whose address another one got.

        Raises TemporaryError, as the other methods do.
        """
        living = {_spot(event.lease): event.lease for event in events if event.kind in ALIVE and self._is_own(event)}
        if not living or not self._clients.any():
            return []
        present = {name_of(lease) for lease in living.values()}
        found: List[LeaseEvent] = []
        for record in self._clients.at({address for _family, _subnet, address in living}):
            following = living.get((record.family, record.subnet_id, record.address))
            if following is None or record.client in present or record.state == CONFIRMED:
                continue
            if record.state == UNCONFIRMED or self._had_no_renewal(record, following):
                found.append(forgotten(record, _TAKEN))
            else:
                self._clients.change(
                    record.client, record, record._replace(state=CONFIRMED, at=self._clock.time(), reserves=False)
                )
        return found

    def _had_no_renewal(self, record: Client, following: Lease) -> bool:
        """Return whether a client is unconfirmed whose address another one got before Kea told of its lease's end.

        After a renewal that confirms, the lease would have lasted for one and a half lifetimes.
        """
        return self._manner.renewals or is_unconfirmed(record, following.cltt, 3.0 * record.lifetime)

    def note(self, events: Sequence[LeaseEvent], kept: Sequence[Kept]) -> None:
        """Record what these events, on which all sinks acted, say of their clients. ``kept``: what the sinks keep."""
        said: Dict[Tuple[str, str], List[Kept]] = {}
        for each in kept:
            said.setdefault((name_of(each.event.lease), each.event.lease.address), []).append(each)
        own = [event for event in events if self._is_own(event)]
        given = set(own)
        # A conflict that a retry solved is about an event of an earlier batch.
        own = [each.event for each in kept if each.event not in given] + own
        if not self._clients.any() and not said and all(event.kind in ALIVE for event in own):
            return
        records = self._clients.of([event.lease for event in own])
        confirmed = [confirming(event, records.get(name_of(event.lease))) for event in own]
        # Told before anything is recorded: if a sink fails now, the same events come again.
        self._manner.confirm([lease for lease in confirmed if lease is not None])
        held = self._held([event for event in own if event.kind in ENDS and name_of(event.lease) not in records])
        for event in own:
            if event.kind in ALIVE:
                self._shortages.met(event.lease)
            kept_for = said.get((name_of(event.lease), event.lease.address), [])
            self._follow(event, records, kept_for, event.lease in held)

    def _held(self, ends: Sequence[LeaseEvent]) -> Collection[Lease]:
        """Return the leases of these ends that are to be recorded and whose address is reserved for their client."""
        leases = [event.lease for event in ends if self._is_recorded(event)]
        return self._manner.held(leases) if leases else ()

    def _follow(self, event: LeaseEvent, records: Dict[str, Client], said: List[Kept], held: bool) -> None:
        name = name_of(event.lease)
        before = records.get(name) if name else holder(records, event.lease)
        after = before
        if event.kind in ALIVE:
            after = self._lived(event.lease, before, said)
        elif event.kind in ENDS:
            after = self._ended(event, before, held)
        elif event.kind is EventKind.FORGOTTEN:
            after = before if before and before.address != event.lease.address else None
            if event.ref in _REASONS:
                reporting.ended(self._name, event.ref)
        key = before.client if before else name
        if after != before:
            self._clients.change(key, before, after)
        records.pop(key, None)
        if after:
            records[key] = after

    def _lived(self, lease: Lease, before: Optional[Client], said: List[Kept]) -> Optional[Client]:
        """Return what to know of a client with a living lease; None if it is confirmed."""
        if said:
            times = [each.made for each in said]
            # Only a sink that keeps something tells that a client which returns was confirmed before.
            returns = not self._manner.keeps and before is not None and before.state == CONFIRMED
            made = None if None in times or returns else min(time for time in times if time is not None)
            reserves = any(each.reserves for each in said)
        elif before and before.address == lease.address:
            made, reserves = before.made, before.reserves
        else:
            # A lease that ended says nothing of a client that lives at another address, whatever the sinks keep there.
            return before if before and before.state == LIVING else None
        ends = _NEVER if lease.expires is None else float(lease.expires)
        after = self._record(lease, reserves)._replace(state=LIVING, at=ends, made=made)
        return after if after.client and is_unconfirmed(after, lease.cltt, lease.valid_lifetime) else None

    def _ended(self, event: LeaseEvent, before: Optional[Client], held: bool) -> Optional[Client]:
        """Return what to know of a client whose lease ended. ``held``: its address is reserved for it."""
        if before is None:
            return self._record(event.lease, held) if self._is_recorded(event) else None
        if before.state == CONFIRMED or before.address != event.lease.address:
            return before
        # The end of a lease may be all that a source tells of it: polling sees no lease that came and went.
        state = UNCONFIRMED if is_unconfirmed(before, event.lease.cltt, before.lifetime) else CONFIRMED
        return before if state == before.state else before._replace(state=state, at=self._clock.time())

    def _is_recorded(self, end: LeaseEvent) -> bool:
        """Return whether the end of a confirmed client's lease is recorded."""
        told = self._manner.keeps or self._manner.hears
        return bool(name_of(end.lease)) and told and self._match(end)

    def _record(self, lease: Lease, reserves: bool) -> Client:
        """Return the record of a confirmed client whose lease has just ended."""
        place = (self._name, name_of(lease), lease.family, lease.subnet_id, lease.address)
        return Client(*place, CONFIRMED, self._clock.time(), None, lease.valid_lifetime, reserves, dumped(lease))

    def look(self) -> bool:
        """Look for what is due, from time to time, once the source knows no further event. Return whether to store."""
        now = self._clock.monotonic()
        if now < self._look_at or self._due:
            return False
        self._look_at = now + _INTERVAL
        self._shortages.judge(self._clients.reserved_changed)
        self._clients.reserved_changed = False
        if self._clients.any():
            self._end_silent()
            self._find_due()
        return bool(self.changes) or self._shortages.changed

    def take(self) -> List[LeaseEvent]:
        """Return the events of what is due, once: until they are stored, the next look finds them again."""
        due, self._due = self._due, []
        return due

    @property
    def waits(self) -> bool:
        """Whether ``take`` has anything to return."""
        return bool(self._due)

    def _end_silent(self) -> None:
        if self._manner.renewals:
            now = self._clock.time()
            until = min(now, self._manner.told_until()) - _SILENT
            for record in self._store.clients_before(self._name, LIVING, until, _AT_ONCE):
                if record.client not in self.changes:
                    self._clients.change(record.client, record, record._replace(state=UNCONFIRMED, at=now))

    def _find_due(self) -> None:
        now = self._clock.time()
        found = self._before(UNCONFIRMED, now - self._terms.unconfirmed_for, _UNCONFIRMED)
        if self._terms.retire_after:
            found += self._before(CONFIRMED, now - self._terms.retire_after, _RETIRED)
        for subnet in self._shortages.current:
            if len(found) >= _AT_ONCE:
                break
            rest = self._store.unconfirmed_of(self._name, subnet, _AT_ONCE - len(found))
            found += [(each, _SHORTAGE) for each in rest]
        unique = {record.client: (record, reason) for record, reason in found if record.client not in self.changes}
        self._due = [forgotten(*each) for each in list(unique.values())[:_AT_ONCE]]
        if len(found) >= _AT_ONCE:
            self._look_at = 0.0

    def _before(self, state: str, moment: float, reason: str) -> List[Tuple[Client, str]]:
        return [(each, reason) for each in self._store.clients_before(self._name, state, moment, _AT_ONCE)]

    def _is_own(self, event: LeaseEvent) -> bool:
        """Return whether the event may tell of a client that was selected, whatever its kind."""
        if event.kind is EventKind.FORGOTTEN:
            return True
        return self._ends(event) if event.kind in ENDS else self._match(event)


def _spot(lease: Lease) -> Tuple[int, int, str]:
    return lease.family, lease.subnet_id, lease.address
