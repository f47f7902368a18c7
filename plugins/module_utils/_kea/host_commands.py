# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: arguments and answers of the hook library host_cmds, for reservations in a running Kea (kea-facts 9)."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Tuple

MEMORY = {"operation-target": "memory"}
"""The reservations of the running configuration, not those of a database."""

_EMPTY: Tuple[object, ...] = ("", [], "0.0.0.0")  # noqa: S104  # nosec B104  # an answer, no address to bind
"""What Kea answers for a key that a reservation does not have."""


def reservation(subnet: int, host: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the arguments of ``reservation-add`` and ``reservation-update`` for a map of Kea's configuration."""
    return {"reservation": {"subnet-id": subnet, **host}, **MEMORY}


def named(subnet: int, kind: str, identifier: str) -> Dict[str, Any]:
    """Return the arguments of ``reservation-get`` and ``reservation-del`` for a client."""
    return {"subnet-id": subnet, "identifier-type": kind, "identifier": identifier, **MEMORY}


def is_empty(value: object) -> bool:
    """Return whether a value of an answer stands for a key that the reservation does not have."""
    return value in _EMPTY


def fields(found: Mapping[str, Any]) -> Dict[str, Any]:
    """Return a reservation of an answer as Kea's configuration writes it, without its subnet."""
    return {key: _text(value) for key, value in found.items() if key != "subnet-id" and not is_empty(value)}


def _text(value: Any) -> Any:
    """Return a value of Kea's answer with its texts as they are: Kea writes each byte beyond ASCII as a character."""
    if isinstance(value, str):
        try:
            return value.encode("latin-1").decode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return value
    if isinstance(value, dict):
        return {key: _text(each) for key, each in value.items()}
    return [_text(each) for each in value] if isinstance(value, list) else value
