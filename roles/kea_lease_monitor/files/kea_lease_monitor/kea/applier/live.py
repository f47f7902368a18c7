# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations in a running Kea that has loaded the hook host_cmds: no reload is needed (kea-facts 9)."""

from __future__ import annotations

import json
from typing import Any, Callable, Mapping, Sequence, Set, Tuple

from _kea.control import EMPTY, SUCCESS, Answer
from _kea.identifiers import TYPES

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.hosts import Host
from kea_lease_monitor.kea.reservations import MARK

Ask = Callable[[str, Mapping[str, Any]], Answer]
"""Send a command. Raises TemporaryError if Kea does not answer."""

_COMMANDS = frozenset({"reservation-add", "reservation-del", "reservation-get-all"})
_MEMORY = {"operation-target": "memory"}


def available(ask: Ask) -> bool:
    """Return whether the running Kea takes reservations by command."""
    try:
        listed = ask("list-commands", {}).arguments
    except TemporaryError:
        return False
    return set(listed) >= _COMMANDS


def change(ask: Ask, before: Sequence[Host], after: Sequence[Host]) -> None:
    """Change the reservations of the running Kea. Raises TemporaryError with Kea's words if it refuses one.

    All deletions come first, because one of them may free the address of an addition.
    """
    old, new = set(before), set(after)
    for host in before:
        if host not in new:
            _delete(ask, host)
    for host in after:
        if host not in old:
            _add(ask, host)


def repair(ask: Ask, subnets: Set[int], after: Sequence[Host]) -> None:
    """Change the reservations of a running Kea of which it is not known what it has. Raises TemporaryError.

    A reservation without the monitor's mark may be the site's own, so only those with the mark are deleted.
    """
    wanted = {(host.subnet, host.identifier): host for host in after}
    present: Set[Tuple[int, str]] = set()
    for subnet in sorted(subnets):
        answer = _checked(ask("reservation-get-all", {"subnet-id": subnet, **_MEMORY}), "reservation-get-all")
        for found in answer.arguments.get("hosts", []):
            name = _name(found)
            host = wanted.get((subnet, name))
            if host and _is_same(found, json.loads(host.text)):
                present.add((subnet, name))
            elif host or MARK in found.get("user-context", {}):
                _delete(ask, Host(subnet, name, "", ""))
    for key, host in wanted.items():
        if key not in present:
            _add(ask, host)


def _add(ask: Ask, host: Host) -> None:
    reservation = {"subnet-id": host.subnet, **json.loads(host.text)}
    _checked(ask("reservation-add", {"reservation": reservation, **_MEMORY}), f"reservation-add of {host.identifier}")


def _delete(ask: Ask, host: Host) -> None:
    kind, _space, identifier = host.identifier.partition(" ")
    named = {"subnet-id": host.subnet, "identifier-type": kind, "identifier": identifier}
    _checked(ask("reservation-del", {**named, **_MEMORY}), f"reservation-del of {host.identifier}")


def _checked(answer: Answer, what: str) -> Answer:
    """Return the answer. Raises TemporaryError unless it was done, or there was nothing to do."""
    if answer.result not in (SUCCESS, EMPTY):
        raise TemporaryError(f"Kea refuses {what}: {answer.text}")
    return answer


def _name(found: Mapping[str, Any]) -> str:
    kinds = [kind for kind in TYPES if kind in found]
    return f"{kinds[0]} {str(found[kinds[0]]).lower()}" if kinds else ""


def _is_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether Kea has all that is wanted; it spells client identifiers in upper case."""
    return all(found.get(key, "") == value for key, value in wanted.items() if key not in TYPES)
