# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what both kinds of lease databases can do for a move."""

from __future__ import annotations

from typing import Callable, ContextManager, List, NamedTuple, Protocol, Sequence, Tuple

from .lease import Lease

Residue = Sequence[Tuple[int, int]]
"""Address and ``expire`` of stale rows: copies of an interrupted move, or leases that were moved away."""


class Reading(NamedTuple):
    """All leases of a lease database."""

    leases: List[Lease]
    rejected: int
    """Number of rows that Kea cannot read either."""
    has_pools: bool
    """Whether this Kea knows pool ids."""


class Context(NamedTuple):
    """What a lease database needs from outside."""

    schema: str
    """Schema of Kea's tables in PostgreSQL."""
    family: int
    log: Callable[[str], None]
    """Write a line into the host's journal, for a person who waits."""


class LeaseStore(Protocol):
    """A lease database that leases are moved from or to.

    It has seven methods, one for each step of a move, because the order of the steps is what makes a move safe, and
    ``leases.Move`` shall show it. All methods raise KeaError.
    """

    key: str
    """Identifies the lease database in the journal."""
    name: str
    """Names it for people."""

    def alone(self) -> ContextManager[None]:
        """Keep other programs from changing the leases. Entered while Kea still serves."""

    def settle(self) -> None:
        """Wait until what Kea started has finished. Called after Kea was stopped."""

    def read(self) -> Reading:
        """Return all leases."""

    def rehearse(self, leases: Sequence[Lease], residue: Residue) -> None:
        """Raise KeaError if ``take`` would fail; change nothing. Called while Kea still serves."""

    def take(self, reading: Reading, residue: Residue) -> List[Lease]:
        """Store these leases, remove unchanged stale rows, and return the leases that were stored."""

    def withdraw(self, residue: Residue) -> None:
        """Remove the leases that ``take`` stored, because Kea did not serve with them."""

    def set_aside(self) -> List[str]:
        """Keep Kea from loading these leases again, and return the new paths of files."""
