# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Kea that takes reservations by command, and what is known of it and of the files between two changes.

So a new reservation costs one command and a small file, beside any number of others. Kea's answer is the test of it:
only then it is written into the files that Kea reads when it starts. If this process or Kea is killed in between, the
comparison at the next start finds the difference.
"""

from __future__ import annotations

from typing import Collection, Dict, List, Mapping, Optional, Sequence, Set

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import lines, report
from kea_lease_monitor.kea.applier.batch import Written
from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.hosts import Claim, Host, Refusal
from kea_lease_monitor.kea.applier.known import Due, Known, Reporting, Tested
from kea_lease_monitor.kea.applier.live_subnet import Change, LiveSubnet
from kea_lease_monitor.kea.applier.placing import Held, Placing, managed
from kea_lease_monitor.kea.applier.report import Status


class Live:
    """What is known. Nothing is, once a method raised TemporaryError or returned False."""

    by_command = True

    def __init__(self, commands: Commands, reporting: Reporting, tested: Tested, confirming: Confirming) -> None:
        """Nothing is sent before ``begin``."""
        self._commands, self._tested, self._confirming = commands, tested, confirming
        self._places, self._now = reporting.places, reporting.now
        self._due = Due(reporting)
        self._known = Known(reporting.places, tested.sources)
        self._subnets = self._known.subnets

    def begin(self, done: Status) -> None:
        """Compare Kea with what it accepted, and send what differs. Raises TemporaryError.

        ``done`` is the report for a Kea that has all of that.
        """
        self._done, self._counts = done, dict(done.subnets)
        self._refusals = report.read_refused(self._places.report)
        self._running = self._commands.running()
        for number, one in self._tested.written.items():
            self._begin(number, one)
        if not self._confirm():
            raise TemporaryError("Kea was restarted or loaded its configuration while it took reservations")
        self._report(done.read_at)
        self._tested = Tested({}, {}, {})

    def _begin(self, number: int, one: Written) -> None:
        status = self._counts[number]
        wanted = {host.identifier: host for host in self._tested.hosts.get(number, [])}
        known = wanted.keys() | {host.identifier for host in one.included}
        found: List[Host] = []
        if status.error or not self._commands.reservations(
            number, lambda page: found.extend(managed(number, page, known))
        ):
            words = status.error or f"the running Kea has not loaded the configuration of subnet {number}"
            self._counts[number] = status._replace(in_force=status.in_force if status.error else 0, error=words)
            self._known.others.append(one.tail)
            return
        held = Held(found)
        for host in wanted.values():
            if held.has(host):
                held.put(host)
        changed = [host for host in wanted.values() if held.hosts.get(host.identifier) != host]
        placing = Placing(self._commands, held)
        placing.run(changed, _gone(held, wanted, {host.identifier for host in one.hosts}))
        self._refuse(placing.refused)
        self._confirming.keep(placing.refused)
        status = status._replace(refused=status.refused + len(placing.refused))
        live = LiveSubnet(one.tail, one.files, held, status)
        live.refused = {each.host: each for each in self._refusals.refused if each.subnet == number}
        written = {host.identifier for host in one.hosts[: len(one.hosts) - one.kept]}
        live.twins = (written & wanted.keys() & live.refused.keys()) - {each.host for each in placing.refused}
        live.status = self._counts[number] = status._replace(in_force=live.in_force())
        self._subnets[number] = live

    def _confirm(self) -> bool:
        """Return whether Kea has surely not read its files before the last change of them."""
        running = self._commands.still(self._running)
        self._running = running or self._running
        return running is not None

    def take(self) -> bool:
        """Bring into force what the monitor changed, and report it. Return False if that needs a test of all.

        Raises TemporaryError.
        """
        if not self._known.is_current():
            return False
        read_at = self._now()
        changes = self._known.changes(self._confirming.take_news())
        if changes is None:
            return False
        refused: List[Refusal] = []
        for number, change in self._judged(changes).items():
            refused += self._subnets[number].apply(change, self._commands)
            self._counts[number] = self._subnets[number].status
        self._refuse(refused)
        self._confirming.keep(refused)
        self._confirming.leave(self._is_present)
        self._due.read_at = read_at
        return self.report()

    def _judged(self, changes: Mapping[int, Change]) -> Dict[int, Change]:
        """Return the changes with a refusal in place of each reservation that nothing confirms."""
        changed = [host for change in changes.values() for host in change.changed]
        refusals = self._confirming.refusals(changed, self._former) if changed else []
        by_subnet: Dict[int, List[Refusal]] = {}
        for one in refusals:
            by_subnet.setdefault(one.subnet, []).append(one)
        return {number: change.without(by_subnet.get(number, [])) for number, change in changes.items()}

    def _former(self, host: Host) -> Optional[Host]:
        return self._subnets[host.subnet].held.hosts.get(host.identifier)

    def _is_present(self, claim: Claim) -> bool:
        subnet = self._subnets.get(claim.subnet)
        host = subnet.held.hosts.get(claim.identifier) if subnet else None
        return host is not None and claim in host.claims

    def report_in(self) -> Optional[float]:
        """Return in how many seconds a report is due, None if nothing is to be reported."""
        return self._due.within()

    def report(self) -> bool:
        """Report what came into force, once that is due. Return as ``take``. Raises TemporaryError."""
        if self._due.read_at is None or self._due.within():
            return True
        if not self._confirm():
            return False
        self._report(self._due.read_at)
        return True

    def is_stale(self) -> bool:
        """Return whether Kea, or a file, is another one than is known. While Kea does not answer it is not."""
        try:
            return not self._known.is_current() or not self._known.is_certain() or not self._confirm()
        except TemporaryError:
            return False

    def _refuse(self, refused: Sequence[Refusal]) -> None:
        """Record what Kea refused by command, and drop what is no longer refused.

        It is recorded without its text, so that the next test of all judges it again: Kea may then have another
        configuration loaded.
        """
        known = [one for one in self._refusals.refused if self._is_refused(one)]
        told = [one._replace(text="") for one in known]
        new = [one for one in refused if one._replace(text="") not in told]
        for one in new:
            lines.reservation_refused(one.subnet, one.host, one.address, one.reason)
        listed = [*known, *(one._replace(text="") for one in new)]
        if listed != list(self._refusals.refused):
            self._refusals = self._refusals._replace(refused=listed)
            report.write_refused(self._places.report, self._refusals)

    def _is_refused(self, one: Refusal) -> bool:
        """Return whether a recorded refusal still holds, as far as is known."""
        subnet = self._subnets.get(one.subnet)
        found = subnet.refused.get(one.host) if subnet else one
        return found is not None and found._replace(text="") == one._replace(text="")

    def _report(self, read_at: float) -> None:
        # Nothing counts as loaded: without the hook, the next apply is to reload Kea.
        done = self._done._replace(subnets=self._counts, loaded="", read_at=read_at)
        report.write(self._places.report, done)
        self._due.done()


def _gone(held: Held, wanted: Mapping[str, Host], named: Collection[str]) -> Set[str]:
    """Return the identifiers whose reservations are to go from Kea. The monitor's file still has those in ``named``.

    A named one that is not wanted was refused in the test of a configuration that Kea may not have loaded: an edit that
    is not in force. So what Kea has of it stays, unless another client is to have the address.
    """
    claimed = {address for host in wanted.values() for address in host.addresses}
    return {
        identifier
        for identifier, host in held.hosts.items()
        if identifier not in wanted and (identifier not in named or not claimed.isdisjoint(host.addresses))
    }
