# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subscriptions, and the predicate that selects their lease events."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import FrozenSet, NamedTuple, Tuple

from kea_lease_monitor.kea import machine
from kea_lease_monitor.kea.pools import DEFAULT_PATHS
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent
from kea_lease_monitor.section import Section

_LONGEST = 10 * 366 * 86400
"""Seconds in ten years."""

_OF_MACHINES = ("vendors", "circuit_ids", "remote_ids", "vendor_classes")
"""Conditions on what a lease tells of the machine, in the order of the fields of Machine."""

_KINDS = tuple(kind.value for kind in EventKind)


@dataclass(frozen=True)
class Match:
    """Conditions on a lease event. All must hold; an empty one always does."""

    families: FrozenSet[int] = frozenset()
    subnets: FrozenSet[int] = frozenset()
    hwaddr_prefixes: Tuple[str, ...] = ()
    hostname: str = ""
    """Shell pattern; case and a dot at the end are ignored."""
    kinds: FrozenSet[EventKind] = frozenset()
    vendors: Tuple[str, ...] = ()
    """Shell patterns in lower case, like those of the next three; case is ignored."""
    circuit_ids: Tuple[str, ...] = ()
    remote_ids: Tuple[str, ...] = ()
    vendor_classes: Tuple[str, ...] = ()

    @classmethod
    def parse(cls, section: Section) -> Match:
        """Raises ConfigurationError."""
        families = section.numbers("families")
        subnets = section.numbers("subnets")
        prefixes = tuple(prefix.lower() for prefix in section.texts("hwaddr_prefixes"))
        kinds = section.texts("kinds")
        hostname = section.optional_text("hostname") or ""
        machines = [tuple(text.lower() for text in section.texts(key)) for key in _OF_MACHINES]
        section.done()
        if any(family not in (4, 6) for family in families):
            raise section.error("families", f"4 and 6 are allowed, not {list(families)}")
        if any(not 0 < subnet < 2**32 for subnet in subnets):
            raise section.error("subnets", f"numbers from 1 to 4294967294 are needed, not {list(subnets)}")
        if any(not prefix or prefix.strip("0123456789abcdef:") for prefix in prefixes):
            raise section.error("hwaddr_prefixes", f"hex with colons, like aa:bb:cc, is needed, not {list(prefixes)}")
        if unknown := [kind for kind in kinds if kind not in _KINDS]:
            raise section.error("kinds", f"{', '.join(_KINDS)} are allowed, not {unknown}")
        return cls(
            frozenset(families),
            frozenset(subnets),
            prefixes,
            hostname.rstrip(".").lower(),
            frozenset(map(EventKind, kinds)),
            *machines,
        )

    def __str__(self) -> str:
        """Describe the conditions for people."""
        parts = [
            ("families", [str(family) for family in sorted(self.families)]),
            ("subnets", [str(subnet) for subnet in sorted(self.subnets)]),
            ("hwaddr", [f"{prefix}*" for prefix in self.hwaddr_prefixes]),
            ("hostname", [self.hostname] if self.hostname else []),
            ("kinds", sorted(kind.value for kind in self.kinds)),
            *((key, list(getattr(self, key))) for key in _OF_MACHINES),
        ]
        described = [f"{name} {', '.join(values)}" for name, values in parts if values]
        return "; ".join(described) or "all leases"

    def has_subnet(self, family: int, number: int) -> bool:
        """Return whether leases of this subnet can be selected."""
        return (not self.families or family in self.families) and (not self.subnets or number in self.subnets)

    def __call__(self, event: LeaseEvent) -> bool:
        """Return whether the event is selected."""
        lease = event.lease
        return (
            (not self.families or lease.family in self.families)
            and (not self.subnets or lease.subnet_id in self.subnets)
            and (not self.hwaddr_prefixes or lease.hwaddr.startswith(self.hwaddr_prefixes))
            and (not self.hostname or fnmatch.fnmatchcase(lease.hostname.rstrip(".").lower(), self.hostname))
            and (not self.kinds or event.kind in self.kinds)
            and self._selects_machine(lease)
        )

    def _selects_machine(self, lease: Lease) -> bool:
        """Return whether what the lease tells of the machine is selected. Unless it is asked for, nothing is read."""
        wanted = [getattr(self, key) for key in _OF_MACHINES]
        return not any(wanted) or all(
            not patterns or any(fnmatch.fnmatchcase(told.lower(), each) for each in patterns)
            for patterns, told in zip(wanted, machine.of(lease))
        )


class Ending(NamedTuple):
    """When what a subscription made goes, counted from the end of the client's lease. Times are in seconds."""

    unconfirmed_for: int = 7 * 86400
    """For a client whose lease was not acknowledged again after half a lifetime."""
    low_water: int = 20
    """Per cent of a subnet's addresses. Once fewer are free, what was made for its unconfirmed clients goes at once."""
    retire_after: int = 0
    """For any other client; 0 is never."""
    figures: Tuple[str, ...] = DEFAULT_PATHS
    """Paths of the figures of pools. They are the same for all subscriptions."""

    @classmethod
    def parse(cls, section: Section, figures: Tuple[str, ...]) -> Ending:
        """Read the keys of a subscription's section. Raises ConfigurationError."""
        return cls(
            section.number("unconfirmed_for", cls().unconfirmed_for, 0, _LONGEST),
            section.number("low_water", cls().low_water, 0, 100),
            section.number("retire_after", cls().retire_after, 0, _LONGEST),
            figures,
        )


_DEFAULT = Ending()


@dataclass(frozen=True)
class Subscription:
    """A named selection of lease events, delivered to the same sinks."""

    name: str
    match: Match
    everything: bool
    """Whether the first start delivers all present leases, or only later events."""
    effects: str
    """Digest of the match and the sinks. When it changes, all leases are delivered again."""
    description: str = ""
    """For people."""
    ending: Ending = _DEFAULT

    @property
    def hears_endings(self) -> bool:
        """Return whether the sinks are told of clients whose time is over. A sink that keeps anything always is."""
        return not self.match.kinds or EventKind.FORGOTTEN in self.match.kinds
