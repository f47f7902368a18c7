# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: refuses an edit that would take away live leases, or what this collection did not write."""

from __future__ import annotations

import ipaddress
from typing import Any, List, Mapping, Optional, Sequence

from .._config.document import MISSING, Document
from .._config.record import Record
from .._config.servers import family_of
from .._config.subnets import Loss, losses
from .._config.syntax import Include, KeaJsonError
from .._errors import KeaError
from .._kea import host_maps, reservation_files
from .config import is_applied
from .leases import Leases

SHOWN = 20
"""Losses that a message names."""


def check(before: Document, after: Document, top: str, record: Record, moved: Sequence[Mapping[str, Any]] = ()) -> None:
    """Raise KeaError with the list if ``after`` takes away what only a person may: see docs/take-over.md.

    ``moved`` are reservations that Kea has elsewhere once ``after`` is in force.
    """
    lost = losses(before, after, top, record, moved)
    if not lost:
        return
    leases = leases_of(before, top)
    refused = [words for words in (_refused(one, leases) for one in lost) if words]
    if not refused:
        return
    more = [f"and {len(refused) - SHOWN} more"] if len(refused) > SHOWN else []
    raise KeaError(
        f"this would remove: {'; '.join(refused[:SHOWN] + more)}. Kea's configuration was not changed. If that is "
        f"meant, allow it with kea_allow_removals: true (allow_removals of kea_config)"
    )


def _refused(loss: Loss, leases: Leases) -> Optional[str]:
    count, managed = leases.count(loss.subnet.id or 0, loss.ranges), _managed(loss)
    if loss.owned and count == 0 and not managed:
        return None
    known = "an unknown number of" if count is None else str(count)
    where = loss.what if loss.what.startswith("subnet") else f"in {loss.subnet.name}: {loss.what}"
    name = f"{loss.subnet.name}, a {where}" if loss.what.startswith("subnet") else where
    more = f" and {managed} managed reservations" if managed else ""
    return f"{name}, {known} live leases{more}"


def _managed(loss: Loss) -> int:
    """Return how many managed reservations in included files lie in the ranges that are lost. Raises KeaError."""
    listed = loss.subnet.value.get("reservations")
    includes = [one.path for one in listed if isinstance(one, Include)] if isinstance(listed, list) else []
    addresses = [address for path in includes if is_applied(path) for address in _addresses(path)]
    return sum(1 for one in addresses if any(first <= one <= last for first, last in loss.ranges))


def _addresses(path: str) -> List[int]:
    try:
        hosts = [one.value for one in host_maps.parse(reservation_files.text(path)).maps]
        return [int(ipaddress.ip_address(text)) for one in hosts for text in host_maps.addresses_of(one)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise KeaError(f"the reservations in {path} cannot be counted: {error}") from error


def leases_of(document: Document, top: str) -> Leases:
    """Return the live leases of the server that a configuration is for. Raises KeaError."""
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
