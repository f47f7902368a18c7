# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One subnet of a Kea that takes reservations by command: what changes, and how it comes into force."""

from __future__ import annotations

from typing import AbstractSet, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set

from kea_lease_monitor.kea.applier import hosts
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.confirming import is_unconfirmed
from kea_lease_monitor.kea.applier.hosts import Host, Refusal
from kea_lease_monitor.kea.applier.included import Included
from kea_lease_monitor.kea.applier.placing import Held, Placing
from kea_lease_monitor.kea.applier.report import Subnet
from kea_lease_monitor.kea.applier.tail import Tail


class Change(NamedTuple):
    """What changed in the monitor's file."""

    written: int
    """Reservations in the file."""
    changed: List[Host]
    gone: Set[str]
    """Identifiers."""
    refused: Mapping[str, Refusal]
    """What Kea refused before by identifier, and would refuse again: its text is the same, and there is no room."""
    unconfirmed: Sequence[Refusal] = ()
    """Refusals of what nothing confirms. No command is sent for it."""
    twins: AbstractSet[str] = frozenset()
    """See LiveSubnet. A file that has two reservations of a client is not compared without a test of all."""

    def without(self, unconfirmed: Sequence[Refusal]) -> Change:
        """Return the change without these reservations of it."""
        identifiers = {one.host for one in unconfirmed}
        changed = [host for host in self.changed if host.identifier not in identifiers]
        return self._replace(changed=changed, unconfirmed=unconfirmed)

    def again(self) -> Change:
        """Return the change with those that nothing confirmed before."""
        retried = [one for one in self.refused.values() if is_unconfirmed(one) and one.text]
        hosts = [one.reservation for one in retried]
        left = {identifier: one for identifier, one in self.refused.items() if one not in retried}
        return self._replace(changed=[*self.changed, *hosts], refused=left)


class LiveSubnet:
    """What Kea, the files that it includes and the monitor's file have in a subnet."""

    def __init__(self, tail: Tail, included: Included, held: Held, status: Subnet) -> None:
        self.tail, self.included, self.held, self.status = tail, included, held, status
        self.refused: Dict[str, Refusal] = {}
        """By identifier."""
        self.twins: AbstractSet[str] = frozenset()
        """Identifiers with a reservation that is in force as it is written, whatever else is refused for them."""

    def in_force(self) -> int:
        """Return how many reservations Kea has as they are written. Of a refused one it may have the former."""
        # The few refused ones are counted: a set of all would take milliseconds at each change.
        former = self.refused.keys() - self.twins
        return len(self.held.hosts) - sum(identifier in self.held.hosts for identifier in former)

    def change(self, again: bool) -> Optional[Change]:
        """Return what changed; None if only a test of the whole configuration can judge it. Raises TemporaryError.

        With ``again``, what nothing confirmed is among it.
        """
        try:
            change = self._change()
        except ValueError:
            return None
        change = change.again() if change and again else change
        return change if change and all(host.is_plain() for host in change.changed) else None

    def _change(self) -> Optional[Change]:
        if not self.tail.is_changed():
            return Change(self.status.written, [], set(), self.refused, twins=self.twins)
        lines = self.tail.appended()
        change = None if lines is None else self._appended(lines)
        return change or self._compared(self.tail.whole())

    def _appended(self, lines: bytes) -> Optional[Change]:
        """Return what lines at the end of the file change; None if the whole file must be compared."""
        found = hosts.read_appended(self.included.subnet, lines, self._is_written)
        named = {*(host.identifier for host in found.hosts), *found.gone}
        others = {identifier: one for identifier, one in self.refused.items() if identifier not in named}
        untold = {identifier: one for identifier, one in others.items() if not one.text}
        waiting = [one.reservation for one in others.values() if one.text]
        gone = found.gone & self.held.hosts.keys()
        room = self._room({*gone, *(host.identifier for host in found.hosts if not self.held.has(host))})
        if any(room & {one.host, *one.address.split(", ")} for one in untold.values()):
            return None
        change = self._judged([*found.hosts, *waiting], gone, untold, self.status.written + found.more)
        return change and change._replace(twins=self.twins - named)

    def _is_written(self, identifier: str) -> bool:
        return identifier in self.held.hosts or identifier in self.refused

    def _compared(self, content: bytes) -> Optional[Change]:
        parsed = hosts.read(self.included.subnet, content, {})
        wanted, held = {host.identifier: host for host in parsed.hosts}, self.held.hosts
        # One that cannot be read is known, or may be an edit of a reservation that stays as Kea has it.
        if len(wanted) < len(parsed.hosts) or any(self.refused.get(one.host) != one for one in parsed.refused):
            return None
        unreadable = {one.host: one for one in parsed.refused}
        gone = held.keys() - wanted.keys() - unreadable.keys()
        return self._judged(parsed.hosts, gone, unreadable, len(wanted) + len(unreadable))

    def _judged(
        self, listed: Sequence[Host], gone: Set[str], left: Mapping[str, Refusal], written: int
    ) -> Optional[Change]:
        """Return the change to the listed reservations; None if it must be judged with all. ``left`` stay refused."""
        differing = [host for host in listed if not self.held.has(host)]
        changed = [host for host in differing if not self._is_refused(host)]
        waiting = [host for host in differing if self._is_refused(host)]
        room = self._room({*gone, *(host.identifier for host in changed)})
        retried = [host for host in waiting if room & {host.identifier, *host.addresses}]
        still = {host.identifier for host in waiting} - {host.identifier for host in retried}
        refused = {**left, **{identifier: self.refused[identifier] for identifier in sorted(still)}}
        claimed = {address for host in (*changed, *retried) for address in host.addresses}
        held = self.held.hosts
        if any(one in held and not claimed.isdisjoint(held[one].addresses) for one in refused):
            # Kea has the former reservation of a client whose new one is refused, and another client wants its address.
            return None
        return Change(written, [*changed, *retried], gone, refused)

    def _is_refused(self, host: Host) -> bool:
        """Return whether Kea refused this very text. Its configuration is the same: otherwise all are tested."""
        found = self.refused.get(host.identifier)
        return found is not None and found.text == host.text

    def _room(self, identifiers: Set[str]) -> Set[str]:
        """Return the identifiers and addresses that become free when these clients' reservations go or change."""
        former = [self.held.hosts[one] for one in identifiers if one in self.held.hosts]
        return {part for host in former for part in (host.identifier, *host.addresses)}

    def keeps(self, change: Change) -> bool:
        """Return whether Kea has all that a change leaves. If so, the change is in the status."""
        is_kept = not change.changed and not change.gone and change.refused == self.refused
        if is_kept:
            self.status = self.status._replace(written=change.written, source=self.tail.source)
        return is_kept

    def apply(self, change: Change, commands: Commands) -> List[Refusal]:
        """Make the change in Kea, then in the files. Return what Kea refuses. Raises TemporaryError."""
        placing = Placing(commands, self.held)
        placing.run(change.changed, change.gone)
        touched = [*(host.identifier for host in change.changed), *sorted(change.gone)]
        if touched:
            self.included.change({one: self.held.hosts.get(one) for one in touched})
        before = len(self.refused)
        refused = [*change.unconfirmed, *placing.refused]
        self.refused = {**change.refused, **{one.host: one for one in refused}}
        self.twins = change.twins & self.refused.keys()
        self.status = self.status._replace(
            written=change.written,
            in_force=self.in_force(),
            refused=self.status.refused + len(self.refused) - before,
            source=self.tail.source,
        )
        return refused
