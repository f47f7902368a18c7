# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of one reservation file, parsed into values and written field by field.

The monitor's user owns what is read here, so none of its text becomes configuration.
"""

from __future__ import annotations

import io
import json
from contextlib import suppress
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from _kea import host_maps
from _kea.host_commands import is_empty
from _kea.identifiers import HWADDR_TYPE, TYPES, parse, spell

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.shares import MARK

_OWN = host_maps.KEYS
"""Further ones, such as a boot file, must stand in Kea's own configuration."""


HWADDR = TYPES[HWADDR_TYPE]
"""Kind of the identifiers of managed reservations."""


_PLAIN = frozenset({HWADDR, "duid", "ip-address", "ip-addresses", "prefixes", "hostname"})
"""Keys whose values Kea's test of a reservation by command judges as well as a test of the whole configuration."""


_LONGEST = 20
"""Octets of a hardware address that Kea takes (HWAddr::MAX_HWADDR_LEN)."""


_BITS = 128
"""Of an IPv6 address."""


_LONGEST_TEXT, _LARGEST = 255, 2**62
"""Limits of a text and of a number that the monitor writes into a mark."""


Further = Mapping[str, Mapping[str, Any]]
"""Keys beside the monitor's own ones, and their values, by the name of the reservation's identifier."""


class Claim(NamedTuple):
    """A client and an address or prefix in a subnet. The address is empty for a reservation that has none."""

    subnet: int
    identifier: str
    """As in Host."""
    address: str


class Host(NamedTuple):
    """One reservation of a subnet."""

    subnet: int
    identifier: str
    """Its kind and its value as Kea writes them: ``hw-address 02:00:00:00:00:01``."""
    address: str
    """Empty if the reservation has none; those of a DHCPv6 client, and its prefixes, have commas between them."""
    text: str
    """The map in one line, for Kea. Surrogates stand for bytes that are not UTF-8."""

    @property
    def addresses(self) -> List[str]:
        """Return the addresses one by one."""
        return self.address.split(", ") if self.address else []

    @property
    def claims(self) -> List[Claim]:
        """Return what it claims: each of its addresses, or none."""
        return [Claim(self.subnet, self.identifier, address) for address in self.addresses or [""]]

    @classmethod
    def of(cls, subnet: int, identifier: str, fields: Mapping[str, Any]) -> Host:
        """Return the host of a map. Raises ValueError if JSON cannot hold one of its values."""
        # Kea's JSON reads \u00XX only, so that characters beyond ASCII are written as themselves.
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8", "surrogateescape")
        return cls(subnet, identifier, ", ".join(_claimed(fields)), text)

    def value(self) -> Dict[str, Any]:
        """Return the map."""
        found: Dict[str, Any] = json.loads(self.text)
        return found

    def is_same(self, other: Host) -> bool:
        """Return whether Kea does the same with another reservation of the client: only what the mark says differs."""
        return self.text == other.text or _essence(self.value()) == _essence(other.value())

    def is_plain(self) -> bool:
        """Return whether it has only what the monitor writes, so that Kea's test of it by command is enough."""
        found = self.value()
        context = found.pop("user-context", {})
        mark = context.get(MARK, {}) if context.keys() <= {MARK} else None
        return (
            found.keys() <= _PLAIN
            and isinstance(mark, dict)
            and all(map(_is_plain, [found.get("hostname", ""), *_leaves(mark)]))
        )


class Refusal(NamedTuple):
    """A reservation that is not in force, and why."""

    subnet: int
    host: str
    """Its identifier, or the number of its line if it has none."""
    address: str
    text: str
    """The map, empty if it could not be written for Kea."""
    reason: str

    @property
    def reservation(self) -> Host:
        """Return the reservation whose map is known."""
        return Host(self.subnet, self.host, self.address, self.text)


def _essence(value: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what Kea uses of a map, and whether it has the mark, by which Kea's own copy of it is recognised."""
    found = {key: each for key, each in value.items() if key not in TYPES and not is_empty(each)}
    context = {key: True if key == MARK else each for key, each in found.pop("user-context", {}).items()}
    return {**found, "user-context": context}


def _leaves(mark: Mapping[str, Any]) -> Iterator[Any]:
    """Return the values of a mark, with those of a map in it: of a DHCPv6 client it has the addresses by IAID."""
    for value in mark.values():
        yield from [*value, *value.values()] if isinstance(value, dict) else [value]


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_TEXT and value.isprintable()
    return isinstance(value, int) and abs(value) < _LARGEST


class Parsed(NamedTuple):
    """The content of a reservation file."""

    hosts: List[Host]
    refused: List[Refusal]


def read(subnet: int, content: bytes, further: Further) -> Parsed:
    """Parse the reservations of a subnet. Raises ValueError if the file is no list of maps.

    ``further`` are the keys that may stand beside the monitor's own ones.
    """
    maps = host_maps.Stream(io.BytesIO(content))
    found = host_maps.latest((one, _judged(subnet, one, further)) for one in maps)
    hosts = [one for one in found.values() if isinstance(one, Host)]
    return Parsed(hosts, [one for one in found.values() if isinstance(one, Refusal)])


class Appended(NamedTuple):
    """What lines at the end of a reservation file say."""

    hosts: List[Host]
    """Of each client, what counts."""
    gone: Set[str]
    """Identifiers of the clients that have no reservation any longer."""
    more: int
    """How many reservations the file has more."""


def read_appended(subnet: int, content: bytes, is_known: Callable[[str], bool]) -> Appended:
    """Parse whole lines that were appended to a file. ``is_known`` tells whether it had a reservation of a client.

    Raises ValueError if a line is refused, or is not about what was there before it.
    """
    found: Dict[str, Optional[Host]] = {}
    more = 0
    for one in host_maps.Stream(io.BytesIO(content)):
        name = host_maps.client(one.value)
        host = None if one.change == host_maps.REMOVED else _host(subnet, one.value, {})
        if (found[name] is not None if name in found else is_known(name)) is not bool(one.change):
            raise ValueError(f"{name} is reserved twice, or not at all")
        more += {"": 1, host_maps.REPLACES: 0, host_maps.REMOVED: -1}[one.change]
        found[name] = host
    hosts = [host for host in found.values() if host]
    return Appended(hosts, {name for name, host in found.items() if host is None}, more)


def _judged(subnet: int, one: host_maps.HostMap, further: Further) -> Union[Host, Refusal]:
    try:
        return _host(subnet, one.value, further)
    except (ValueError, UnicodeError) as error:
        name, address = _names(one.value, one.line)
        return Refusal(subnet, name, address, "", str(error))


def claims_of(subnet: int, value: Mapping[str, Any]) -> List[Claim]:
    """Return what a map claims, whatever its other keys; nothing for one that is refused."""
    own = {key: each for key, each in value.items() if key in _OWN}
    found = _judged(subnet, host_maps.HostMap("", "", own, 0), {})
    return found.claims if isinstance(found, Host) else []


def included(subnet: int, content: bytes) -> Tuple[List[Host], Further]:
    """Return the hosts of a file that Kea includes and their further keys; none if it cannot be read."""
    hosts: List[Host] = []
    further: Dict[str, Mapping[str, Any]] = {}
    with suppress(ValueError):
        for one in host_maps.parse(content.decode("utf-8", "surrogateescape")).maps:
            present = one.value if isinstance(one.value, dict) else {}
            own = {key: value for key, value in present.items() if key not in _OWN}
            known = {" ".join(_identifier(one.value)): own} if own else {}
            further.update(known)
            found = _judged(subnet, one, known)
            hosts += [found] if isinstance(found, Host) else []
    return hosts, further


def render(hosts: Sequence[Host]) -> bytes:
    """Return the content of a file for Kea: the hosts with commas between, one in each line."""
    return host_maps.render(("", host.text) for host in hosts).encode("utf-8", "surrogateescape") if hosts else b""


def _host(subnet: int, value: Any, further: Further) -> Host:
    """Return the host of a map. Raises ValueError with the reason if the monitor may not write it so."""
    if not isinstance(value, dict):
        raise ValueError("a reservation is a map")
    kind, identifier = _identifier(value)
    name = f"{kind} {identifier}"
    fields: Dict[str, Any] = {kind: identifier, **further.get(name, {})}
    foreign = sorted(key for key in value if key not in _OWN and fields.get(key) != value[key])
    if foreign:
        raise ValueError(
            f"{', '.join(foreign)[:200]} must be set in Kea's own configuration (kea_dhcp4_subnets, kea_dhcp6_subnets)"
        )
    if "ip-address" in value:
        fields["ip-address"] = identifiers.dotted(identifiers.number(_text(value, "ip-address")))
    if "ip-addresses" in value:
        fields["ip-addresses"] = _addresses6(value["ip-addresses"])
    if "prefixes" in value:
        fields["prefixes"] = _prefixes(value["prefixes"])
    if "hostname" in value:
        fields["hostname"] = _text(value, "hostname")
    if "user-context" in value:
        if not isinstance(value["user-context"], dict):
            raise ValueError("user-context is no map")
        fields["user-context"] = value["user-context"]
    return Host.of(subnet, name, fields)


def _addresses6(listed: Any) -> List[str]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ValueError("ip-addresses is no list of texts")
    return [identifiers.address6(one) for one in listed]


def _prefixes(listed: Any) -> List[str]:
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise ValueError("prefixes is no list of texts")
    parts = [one.partition("/") for one in listed]
    if any(not length.isdigit() or not 0 < int(length) <= _BITS for _address, _slash, length in parts):
        raise ValueError("a prefix has a length, as in 2001:db8:1::/56")
    return [f"{identifiers.address6(address)}/{int(length)}" for address, _slash, length in parts]


def _claimed(fields: Mapping[str, Any]) -> List[str]:
    """Return the addresses and prefixes of a reservation."""
    return [*host_maps.addresses_of(fields), *host_maps.prefixes_of(fields)]


def _identifier(value: Mapping[str, Any]) -> Tuple[str, str]:
    kinds = [kind for kind in TYPES if kind in value]
    if len(kinds) != 1:
        raise ValueError(f"one of {', '.join(TYPES)} is needed")
    octets = parse(_text(value, kinds[0]))
    if not octets or (kinds[0] == HWADDR and len(octets) > _LONGEST):
        raise ValueError(f"{kinds[0]} has 1 to {_LONGEST} octets, not {len(octets)}")
    return kinds[0], spell(octets)


def _text(value: Mapping[str, Any], key: str) -> str:
    if not isinstance(value[key], str):
        raise ValueError(f"{key} is no text")
    return str(value[key])


def _names(value: Any, line: int) -> Tuple[str, str]:
    """Return what a report calls a refused map, and its address."""
    known = value if isinstance(value, dict) else {}
    kinds = [kind for kind in TYPES if isinstance(known.get(kind), str)]
    spelled = identifiers.bare(known[kinds[0]]) or known[kinds[0]] if kinds else ""
    name = f"{kinds[0]} {spelled}" if kinds else f"line {line}"
    return name[:200], ", ".join(_claimed(known))[:40]
