# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: names of hosts. A client chooses its own DHCP name, so that name never decides which host a play acts on."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from typing import Callable, List, NamedTuple, Sequence

from ._inventory_clients import Client

LONGEST = 100
"""Characters of a name; a DNS name of a client has up to 255."""

_RESERVED = frozenset({"all", "ungrouped", "localhost", "127.0.0.1"})
"""Names with a meaning of their own in Ansible."""

_OTHERS = re.compile(r"[^a-z0-9._-]+")
_DERIVED = re.compile(r"bmc-(?:[0-9a-f]{12,}|(?:hwaddr|id|duid|circuit-id|flex-id|type-[0-9]+)-(?:[0-9a-f]{2})+)")
"""Any name that an identifier gives, whether of a client of this source or of another one."""
_ETHERNET = 12
"""Digits of a hardware address of Ethernet. A shorter one would give a name such as ``bmc-07``, which people choose."""


class Wish(NamedTuple):
    """The name that a client would like to have. ``firm``: a person wrote it, not the client."""

    client: Client
    name: str
    firm: bool


def derived(client: Client) -> str:
    """Return the name that an identifier gives: ``bmc-020000000001`` of a hardware address. No two clients share it."""
    kind, value = client.key
    digits = value.replace(":", "")
    if len(digits) > LONGEST:
        digits = hashlib.sha256(digits.encode()).hexdigest()
    is_plain = kind == "hwaddr" and len(digits) >= _ETHERNET
    return f"bmc-{digits}" if is_plain else f"bmc-{kind}-{digits}"


def sanitised(text: str) -> str:
    """Return what is left of a name in lower-case letters, digits, dots, dashes and underscores. May be empty."""
    return _OTHERS.sub("-", text.lower())[:LONGEST].strip("._-")


def assigned(wishes: Sequence[Wish], is_taken: Callable[[str, Client], bool]) -> List[str]:
    """Return a name for each wish, all different.

    A wish is granted if the name is free. If several clients wish for one name, only a person's choice is granted.
    All others get the name of their identifier. ``is_taken`` says whether another inventory source has a host or
    group of that name.
    """
    wanted = [sanitised(wish.name) for wish in wishes]
    count, firm = Counter(wanted), Counter(name for name, wish in zip(wanted, wishes) if wish.firm)

    def is_free(name: str, wish: Wish) -> bool:
        if not name or name in _RESERVED or _DERIVED.fullmatch(name) or is_taken(name, wish.client):
            return False
        return count[name] == 1 or (wish.firm and firm[name] == 1)

    return [name if is_free(name, wish) else derived(wish.client) for name, wish in zip(wanted, wishes)]
