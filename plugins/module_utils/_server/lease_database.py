# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: counts the live leases in the database of a server of Kea, with the access that Kea has.

Kea's own statistics are no substitute for a database that several servers share. Each server counts its own changes
since it read the table, which it does when it is configured.
"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._host.account import acting
from .._kea.lifetime import INFINITE
from .._postgres.parts import Words
from . import config
from .asked_database import AskedDatabase
from .kea_account import access

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Ranges = Sequence[Tuple[int, int]]

LEASES = "lease-database"

_LIVE = (
    "coalesce(l.state, 0) IN (0, 1) AND l.valid_lifetime > 0"
    f" AND (l.valid_lifetime = {INFINITE} OR l.expire > %s::timestamptz)"
)
"""Default or declined. An infinite lease has the time of its last renewal in ``expire`` (kea-facts 2)."""
_COUNTED = "SELECT l.subnet_id, count(*) FROM {table} l WHERE {live} GROUP BY 1"
_INSIDE = """SELECT count(*) FROM {table} l WHERE {live} AND l.subnet_id = %s AND EXISTS (
    SELECT 1 FROM unnest(%s::{type}[], %s::{type}[]) r (first, last)
    WHERE l.address::{type} BETWEEN r.first AND r.last)"""
_TYPES = {4: "bigint", 6: "inet"}
"""Of addresses. Those of DHCPv6 are text up to schema 17.0."""


class LeaseDatabase:
    """The database with the leases of the server that reads a configuration file. Nothing is asked before a count."""

    def __init__(self, module: AnsibleModule, path: str) -> None:
        self._module = module
        self._path = path
        self._asked: Optional[AskedDatabase] = None
        self._numbers: Optional[Dict[int, int]] = None
        self.entry = config.lease_database(path)
        """The entry with its password, never to be shown; empty for Kea's default, None if it is not known."""
        self.reason = ""
        """Why a count is not known."""

    @property
    def _family(self) -> int:
        """Return the family of its leases. A server without leases is not asked for one."""
        return family_of(top_of_path(self._path))

    def count(self, subnet: int, ranges: Optional[Ranges]) -> Optional[int]:
        """Return how many live leases a subnet has in the ranges, by default in all; None if that is not known."""
        try:
            asked = self._asked = self._asked or self._found()
        except KeaError as error:
            self.reason = error.message
            return None
        found = asked.answer(lambda: self._count(asked, subnet, ranges))
        self.reason = f"{asked.name}: {asked.reason}" if asked.reason else ""
        return found

    def _found(self) -> AskedDatabase:
        """Return the database. Raises KeaError if Kea's account does not exist."""
        found = access(self._module, self._path)
        # Kea's user may write the configuration. What only root may read must not be sent to a server that it names.
        with acting(found.account):
            entry = config.lease_database(self._path)
        return AskedDatabase(entry, found, LEASES)

    def _count(self, asked: AskedDatabase, subnet: int, ranges: Optional[Ranges]) -> int:
        if self._numbers is None:
            self._numbers = dict(self._fetch(asked, _COUNTED))
        whole = self._numbers.get(subnet, 0)
        if ranges is None or not whole:
            return whole
        firsts, lasts = ([self._address(one) for one in ends] for ends in zip(*ranges))
        [(inside,)] = self._fetch(asked, _INSIDE, subnet, firsts, lasts)
        return int(inside)

    def _fetch(self, asked: AskedDatabase, query: str, *arguments: Any) -> List[Tuple[Any, ...]]:
        # Kea writes local time without a zone, which PostgreSQL takes to be of the session's zone. So does this.
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        parts = {"live": Words(_LIVE), "type": Words(_TYPES[self._family])}
        return asked.fetch(query, [now, *arguments], table=f"lease{self._family}", **parts)

    def _address(self, number: int) -> Any:
        return number if self._family == 4 else str(ipaddress.IPv6Address(number))
