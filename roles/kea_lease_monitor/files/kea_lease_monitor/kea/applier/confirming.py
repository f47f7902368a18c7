# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a reservation may come into force: a lease confirms it, or a person with root's rights approved it.

Otherwise a monitor that was taken over could give any address to any client.
"""

from __future__ import annotations

from typing import Callable, Collection, Iterable, List, Optional, Sequence, Set

from kea_lease_monitor.kea.applier.approved import Approved
from kea_lease_monitor.kea.applier.hosts import Claim, Host, Refusal
from kea_lease_monitor.kea.applier.leased import Leases
from kea_lease_monitor.kea.applier.sift import Sifted

_NO_LEASE = "Kea has no lease"

Present = Callable[[Host], Optional[Host]]
"""Return what Kea has for the client of a host in its subnet."""


def is_unconfirmed(refusal: Refusal) -> bool:
    """Return whether a reservation was refused because nothing confirms it."""
    return refusal.reason.startswith(_NO_LEASE)


class Confirming:
    """What confirms reservations. All methods raise TemporaryError."""

    def __init__(self, report: str, leases: Optional[Leases]) -> None:
        """``report`` is the directory of the report. Without ``leases``, Kea has them in no file: all is confirmed."""
        self._approved, self._leases = Approved(report), leases
        self._used: Set[Claim] = set()
        """Approvals of reservations that are not known to be included yet."""
        self._waits = False
        """Whether nothing confirms a reservation."""

    def refusals(self, hosts: Collection[Host], present: Present) -> List[Refusal]:
        """Return a refusal for each host that nothing confirms. It may take as long as Leases.without."""
        if self._leases is None:
            return []
        opened = {host: _open(host, present(host)) for host in hosts}
        missing = self._missing({claim for own in opened.values() for claim in own}, self._leases)
        found = [
            Refusal(host.subnet, host.identifier, host.address, host.text, _words(first))
            for host, own in opened.items()
            for first in [claim for claim in own if claim in missing][:1]
        ]
        self._waits = self._waits or bool(found)
        return found

    def _missing(self, claims: Set[Claim], leases: Leases) -> Set[Claim]:
        """Return those of the claims that nothing confirms."""
        rest = leases.not_recent(claims)
        if not rest:
            return rest
        approved = self._approved.claims() & rest
        self._used |= approved
        rest -= approved
        addressed = {claim for claim in rest if claim.address}
        return (rest - addressed) | (leases.without(addressed) if addressed else set())

    def has_news(self) -> bool:
        """Return whether a reservation that nothing confirmed should be judged again."""
        if self._leases is None:
            return False
        self._leases.follow()
        return self._leases.has_news or (self._waits and self._approved.is_changed())

    def take_news(self) -> bool:
        """Return as ``has_news``. The caller judges all reservations again that nothing confirmed."""
        found = self.has_news()
        if self._leases and found:
            self._leases.has_news = self._waits = False
            self._approved.mark()
        return found

    def keep(self, refused: Sequence[Refusal]) -> None:
        """Keep approved what was confirmed and Kea refuses, of all subnets: its lease may be gone once Kea takes it.

        This is for before the files lose it. Where nothing is confirmed, nothing is kept.
        """
        kept = _kept(refused) if self._leases else set()
        if kept:
            self._approved.keep(kept | self._approved.kept())

    def settle(self, sifted: Sifted) -> None:
        """Settle the approvals once Kea includes what it accepts, of all subnets."""
        # Few sites have any, and the claims of 100,000 reservations take a while.
        if self._leases and self._approved.claims():
            self._approved.leave(_claims(sifted.accepted))
            self._approved.keep(_kept(sifted.refused))
        self._used.clear()

    def leave(self, is_present: Callable[[Claim], bool]) -> None:
        """Settle the approvals that were used. ``is_present`` tells whether Kea includes a claim."""
        if included := set(filter(is_present, self._used)):
            self._approved.leave(included)
            self._used -= included


def _kept(refused: Sequence[Refusal]) -> Set[Claim]:
    kept = [one for one in refused if one.text and not is_unconfirmed(one)]
    return _claims(one.reservation for one in kept)


def _claims(hosts: Iterable[Host]) -> Set[Claim]:
    return {claim for host in hosts for claim in host.claims}


def _open(host: Host, former: Optional[Host]) -> List[Claim]:
    """Return what a host claims and its client does not have: it keeps its addresses, whatever else changes."""
    if former is None:
        return host.claims
    return [claim for claim in host.claims if claim.address not in ("", *former.addresses)]


def _words(claim: Claim) -> str:
    if not claim.address:
        return f"{_NO_LEASE} that could confirm it: it has no address"
    return f"{_NO_LEASE} of {claim.address} for this client"
