# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: refuses an edit that would take away live leases, or what this collection did not write."""

from __future__ import annotations

import ipaddress
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence

from .._config.document import MISSING, Document
from .._config.servers import family_of
from .._config.subnets import Loss
from .._config.syntax import KeaJsonError
from .._errors import KeaError
from .._kea import host_maps
from . import included_hosts
from .config import is_applied
from .databases import Databases
from .host_databases import HostDatabases, Ranges
from .leases import Leases

SHOWN = 20
"""Losses that a message names."""
_UNKNOWN = "an unknown number of"


class _Held(NamedTuple):
    """The reservations of included files and databases that lie in what is lost."""

    words: List[str]
    may_go: bool
    """Whether there are none but those of the variable kea_reservations, which writes and removes them."""


def check(before: Document, top: str, lost: Sequence[Loss], databases: Databases) -> None:
    """Raise KeaError with the list if what an edit takes away needs a person's leave: see docs/take-over.md.

    ``lost`` is all of it, and ``databases`` are those that Kea reads now.
    """
    if not lost:
        return
    leases = Leases(databases.leases.entry, sockets_of(before, top), family_of(top), databases.leases)
    refused = [words for words in (_refused(one, leases, databases.hosts) for one in lost) if words]
    if not refused:
        return
    more = [f"and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
    raise KeaError(
        f"this would remove: {'; '.join(refused[:SHOWN] + more)}. Kea's configuration was not changed. If that is "
        f"meant, allow it with kea_allow_removals: true (allow_removals of kea_config)"
    )


def _refused(loss: Loss, leases: Leases, databases: HostDatabases) -> Optional[str]:
    count, held = leases.count(loss.subnet.id or 0, loss.ranges), _held(loss, databases)
    if loss.owned and count == 0 and held.may_go:
        return None
    where = loss.what if loss.what.startswith("subnet") else f"in {loss.subnet.name}: {loss.what}"
    name = f"{loss.subnet.name}, a {where}" if loss.what.startswith("subnet") else where
    doubt = f" ({leases.doubt()})" if leases.doubt() else ""
    *first, last = [f"{_UNKNOWN if count is None else count} live leases{doubt}", *held.words]
    return f"{name}, {', '.join(first)} and {last}" if first else f"{name}, {last}"


def _held(loss: Loss, databases: HostDatabases) -> _Held:
    """Return the reservations of a loss. Raises KeaError if a file of managed ones cannot be read."""
    if not loss.holds_reservations:
        return _Held([], True)
    managed, given = 0, 0
    words: List[str] = []
    for path in loss.subnet.included:
        if is_applied(path):
            managed += _count_in(path, loss.ranges)
        else:
            words += _words_of_file(path, loss.ranges)
    for database, count, reason in databases.counted(loss.subnet.id or 0, loss.ranges):
        if count is None:
            words.append(f"{_UNKNOWN} reservations in {database} ({reason})")
            continue
        managed, given = managed + count.managed, given + count.given
        words += [f"{count.others} reservations of the site in {database}"] if count.others else []
    first = [f"{managed} managed reservations"] if managed else []
    last = [f"{given} reservations of kea_reservations"] if given else []
    return _Held([*first, *words, *last], not first and not words)


def _words_of_file(path: str, ranges: Optional[Ranges]) -> List[str]:
    """Return words for the reservations in a file of the site."""
    try:
        count = _count_in(path, ranges)
    except KeaError:
        return [f"{_UNKNOWN} reservations of the site in {path}"]
    return [f"{count} reservations of the site in {path}"] if count else []


def _count_in(path: str, ranges: Optional[Ranges]) -> int:
    """Return how many reservations in an included file lie in the ranges. Raises KeaError."""
    hosts = included_hosts.read(path)
    try:
        return sum(1 for host in hosts if ranges is None or _is_inside(_numbers(host), ranges))
    except ValueError as error:
        raise KeaError(f"the reservations in {path} cannot be counted: {error}") from error


def _is_inside(addresses: Sequence[int], ranges: Ranges) -> bool:
    return any(first <= one <= last for one in addresses for first, last in ranges)


def _numbers(host: Mapping[str, Any]) -> List[int]:
    prefixes = [one.partition("/")[0] for one in host_maps.prefixes_of(host)]
    return [int(ipaddress.ip_address(one)) for one in [*host_maps.addresses_of(host), *prefixes]]


def leases_of(document: Document, top: str) -> Leases:
    """Return the live leases of the server that a configuration is for, if they are in a file. Raises KeaError."""
    return Leases(_part(document, top, "lease-database"), sockets_of(document, top), family_of(top))


def _part(document: Document, top: str, key: str) -> Any:
    try:
        value = document.get((top, key))
    except KeaJsonError:  # it comes from an included file
        return None
    return None if value is MISSING else value


def sockets_of(document: Document, top: str) -> List[Any]:
    """Return the control sockets of a configuration; none if they come from an included file."""
    single = _part(document, top, "control-socket")
    several = _part(document, top, "control-sockets")
    return [single] if isinstance(single, dict) else several if isinstance(several, list) else []
