# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which elements of Kea's lists are the same thing, by their natural keys.

A natural key is what Kea itself tells elements apart by: the id of a subnet, the range of a pool, the code and space of
an option, the bytes of a client identifier. Lists that have none are values like any other.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .._kea import identifiers
from .options import Options
from .syntax import INCLUDE_KEY, Include, KeaJsonError

Identity = Dict[str, Any]
"""The members of an element that identify it, such as ``{"id": 1}``."""

SUBNETS = ("subnet4", "subnet6")
NETWORKS = "shared-networks"
DNS_PORT = 53
"""Default of the ``port`` of a DNS server in Kea's configuration."""
OPAQUE = frozenset(("parameters", "user-context"))
"""Keys of maps whose lists have meanings of their own."""

CLASSES = "client-classes"
"""In an option of Kea 3.0, the names of the classes whose clients get it. There may be one for each."""

MEMBERS: Dict[str, Tuple[str, ...]] = {
    "subnet4": ("id", "subnet"),
    "subnet6": ("id", "subnet"),
    NETWORKS: ("name",),
    "pools": ("pool",),
    "pd-pools": ("prefix", "prefix-len"),
    "option-data": ("name", "code", "space"),
    "option-def": ("name", "code", "space"),
    "client-classes": ("name",),
    "loggers": ("name",),
    "hooks-libraries": ("library",),
    "reservations": identifiers.TYPES,
    "ddns-domains": ("name",),
    "dns-servers": ("ip-address", "port"),
    "tsig-keys": ("name",),
}
"""Members that identify the elements of a list, by its key."""


def has_identities(kind: str) -> bool:
    """Return whether the elements of the list with this key have natural keys."""
    return kind in MEMBERS


def identity(kind: str, value: Any) -> Identity:
    """Return the identity of an element of the list ``kind``. Raises KeaJsonError if it has none."""
    if isinstance(value, Include):
        return {INCLUDE_KEY: value.path}
    found = {key: value[key] for key in MEMBERS[kind] if key in value} if isinstance(value, dict) else {}
    if not set(found) - {"space"}:
        raise KeaJsonError(f"an element of {kind} needs {' or '.join(MEMBERS[kind])}")
    if kind == "option-data" and CLASSES in value:
        found[CLASSES] = value[CLASSES]
    if kind == "pools":
        pool_range(found["pool"])
    return found


def alike(kind: str, wanted: Mapping[str, Any], value: Any, options: Options) -> bool:
    """Return whether ``value``, an element of the list ``kind``, is the one with the identity ``wanted``."""
    if kind in SUBNETS and isinstance(value, dict) and INCLUDE_KEY not in wanted:
        return _same_subnet(wanted, value)
    key = natural_key(kind, wanted, options)
    return key is not None and key == natural_key(kind, value, options)


def natural_key(kind: str, value: Any, options: Options) -> Optional[Tuple[Any, ...]]:
    """Return what tells an element, or an identity, apart from others however it is spelled; None if nothing does."""
    if isinstance(value, Include):
        return (INCLUDE_KEY, value.path)
    if not isinstance(value, dict):
        return None
    if isinstance(value.get(INCLUDE_KEY), str):
        return (INCLUDE_KEY, value[INCLUDE_KEY])
    if kind == "option-data":
        key = options.key(value)
        return key and (*key, _classes(value))
    if kind == "option-def":
        return options.key(value)
    return _KEYS.get(kind, _name_key)(value)


def is_settled(kind: str, key: str, wanted: Any, found: Mapping[str, Any]) -> bool:
    """Return whether a member that identifies the element ``found`` says the same, so that its spelling stays."""
    if key not in MEMBERS[kind] or key not in found:
        return False
    if kind in SUBNETS and key == "subnet":
        return is_same_network(wanted, found[key])
    return kind in ("pools", "pd-pools", "hooks-libraries", "reservations", "ddns-domains", "tsig-keys")


def words(path: Sequence[Union[str, Identity]]) -> str:
    """Return the words of a path for a message."""
    parts: List[str] = []
    for step in path:
        if isinstance(step, str):
            parts.append(step)
        else:
            parts.append(label(parts.pop(), step))
    return ", ".join(parts)


def label(kind: str, wanted: Mapping[str, Any]) -> str:
    """Return the words for a message that name an element."""
    words = {"subnet4": "subnet", "subnet6": "subnet", NETWORKS: "shared network", "pools": "pool"}
    words.update({"reservations": "reservation", "hooks-libraries": "hook", "ddns-domains": "zone"})
    words.update({"dns-servers": "DNS server", "tsig-keys": "TSIG key"})
    texts = [" ".join(map(str, text)) if isinstance(text, list) else str(text) for text in wanted.values()]
    return " ".join([words.get(kind, kind), *filter(None, texts)])


def network(text: Any) -> Optional[str]:
    """Return a prefix in its one spelling; None if it is no prefix."""
    try:
        return str(ipaddress.ip_network(_without_blanks(text).strip(), strict=False))
    except ValueError:
        return None


def _without_blanks(text: Any) -> str:
    """Return a text without the blanks that Kea takes anywhere in a prefix or a pool."""
    return str(text).replace(" ", "").replace("\t", "")


def is_same_network(one: Any, other: Any) -> bool:
    """Return whether both are spellings of one prefix."""
    prefix = network(one)
    return prefix is not None and prefix == network(other)


def pool_range(text: Any) -> Tuple[int, int]:
    """Return the first and the last address of a pool in either form of Kea. Raises KeaJsonError."""
    words = _without_blanks(text)
    try:
        if "-" in words:
            first, last = map(ipaddress.ip_address, words.split("-"))
            return int(first), int(last)
        block = ipaddress.ip_network(words, strict=False)
        return int(block[0]), int(block[-1])
    except ValueError:
        raise KeaJsonError(f"{text!r} is no pool such as 192.0.2.1 - 192.0.2.9 or 192.0.2.0/28") from None


def delegated_range(value: Mapping[str, Any]) -> Tuple[int, int]:
    """Return the first and the last address of a pool of prefixes; an empty range if it cannot be read."""
    prefix = network(f"{value.get('prefix')}/{value.get('prefix-len')}")
    return pool_range(prefix) if prefix else (0, -1)


def client(value: Mapping[str, Any]) -> Optional[Tuple[str, bytes]]:
    """Return the kind and the bytes of the identifier of a reservation; None if there is none that can be read."""
    kind = next((one for one in identifiers.TYPES if value.get(one)), None)
    if kind is None:
        return None
    text = str(value[kind])
    try:
        return kind, identifiers.parse(text)
    except ValueError:
        return kind, text.encode("utf-8", "surrogateescape")


def _same_subnet(wanted: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
    if "id" in wanted and "id" in value:
        return bool(wanted["id"] == value["id"])
    return "subnet" in wanted and is_same_network(wanted["subnet"], value.get("subnet"))


def domain_name(text: Any) -> str:
    """Return a name of DNS in its one spelling."""
    return str(text).lower().rstrip(".")


def _classes(option: Mapping[str, Any]) -> Tuple[str, ...]:
    listed = option.get(CLASSES)
    return tuple(sorted(map(str, listed))) if isinstance(listed, list) else ()


def _subnet_key(value: Mapping[str, Any]) -> Tuple[Any, ...]:
    return ("id", str(value["id"])) if "id" in value else ("subnet", network(value.get("subnet")))


def _pool_key(value: Mapping[str, Any]) -> Optional[Tuple[int, int]]:
    try:
        return pool_range(value.get("pool"))
    except KeaJsonError:
        return None


def _delegated_key(value: Mapping[str, Any]) -> Tuple[Any, ...]:
    prefix = network(f"{value.get('prefix')}/{value.get('prefix-len')}")
    return (prefix,) if prefix else (str(value.get("prefix")), str(value.get("prefix-len")))


def _library_key(value: Mapping[str, Any]) -> Tuple[str]:
    return (os.path.basename(str(value.get("library"))),)


def _name_key(value: Mapping[str, Any]) -> Optional[Tuple[str]]:
    return (str(value["name"]),) if "name" in value else None


def _domain_key(value: Mapping[str, Any]) -> Tuple[str]:
    """Names of zones and of their keys are names of DNS, in which neither case nor the last dot counts."""
    return (domain_name(value.get("name")),)


def _server_key(value: Mapping[str, Any]) -> Tuple[str, str]:
    return str(value.get("ip-address", "")), str(value.get("port", DNS_PORT))


_KEYS: Dict[str, Callable[[Mapping[str, Any]], Optional[Tuple[Any, ...]]]] = {
    "subnet4": _subnet_key,
    "subnet6": _subnet_key,
    "pools": _pool_key,
    "pd-pools": _delegated_key,
    "hooks-libraries": _library_key,
    "reservations": client,
    "ddns-domains": _domain_key,
    "tsig-keys": _domain_key,
    "dns-servers": _server_key,
}
