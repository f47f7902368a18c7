# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: clients: which records are of one machine, which of them the filters leave, and its variables."""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..module_utils._kea import identifiers, lifetime, vendors
from . import _inventory_records as records
from ._inventory_records import InventoryError, Record

Key = Tuple[str, str]
"""Type and value of the identifier that makes a client."""

_HWADDR, _CLIENT_ID, _DUID = "hwaddr", "id", "duid"

_VARIABLES = ((_HWADDR, "bmc_mac"), (_CLIENT_ID, "bmc_client_id"), (_DUID, "bmc_duid"))
"""Identifiers that make a client, the first one before the others, and their variables."""


class Client(NamedTuple):
    """One machine: all records that are known to be of it."""

    key: Key
    records: List[Record]
    confirmed: Optional[bool] = None
    """Whether a person reserved an address for it, or its lease was acknowledged again half a lifetime after the first
    time; None if that is not known."""


class Filters(NamedTuple):
    """Which records and clients are wanted. None is no restriction."""

    kinds: Collection[str]
    subnets: Optional[Collection[int]]
    subnets6: Optional[Collection[int]]
    states: Collection[str]
    prefixes: Optional[Sequence[str]]
    """Beginnings of hardware addresses, in Kea's spelling."""
    confirmed: Optional[bool] = None
    """Whether only clients are wanted that are confirmed, or only those that are not. Not known counts as confirmed."""

    def leave(self, record: Record, now: float) -> bool:
        """Return whether a record is wanted at ``now``, epoch seconds."""
        subnets = self.subnets if record.family == 4 else self.subnets6
        if record.kind not in self.kinds or (subnets is not None and record.subnet_id not in subnets):
            return False
        return record.kind == records.RESERVATION or state_of(record, now) in self.states

    def match(self, client: Client) -> bool:
        """Return whether a client is wanted by its confirmation and its hardware address."""
        if self.confirmed is not None and self.confirmed != (client.confirmed is not False):
            return False
        if self.prefixes is None:
            return True
        kind, value = client.key
        return kind == _HWADDR and any((value + ":").startswith(prefix + ":") for prefix in self.prefixes)


def prefixes(option: str, given: Iterable[object]) -> List[str]:
    """Return beginnings of hardware addresses in Kea's spelling. Raises InventoryError that names the option."""
    return [_prefix(option, str(text)) for text in given]


def _prefix(option: str, text: str) -> str:
    try:
        return identifiers.spell(identifiers.parse(text.replace("-", ":").rstrip(":")))
    except ValueError as error:
        raise InventoryError(f"{option}: {text[:60]!r} is not the beginning of a hardware address") from error


def grouped(found: Sequence[Record]) -> List[Client]:
    """Return the clients of these records, in the order of their identifiers.

    A hardware address makes a client; it alone joins DHCPv4 and DHCPv6, and only one that a frame or a relay told Kea
    (see records.certain_hwaddr). A record without one belongs to the client
    that has its client identifier, DUID or, for other identifiers, its address, if there is exactly one such client.
    """
    owners = _owners(found)
    clients: Dict[Key, List[Record]] = {}
    for record in found:
        key = _key(record, owners)
        if key is not None:
            clients.setdefault(key, []).append(record)
    return [Client(key, clients[key], _confirmed(clients[key])) for key in sorted(clients)]


def _confirmed(found: Sequence[Record]) -> Optional[bool]:
    """Return whether a client with these records is confirmed: one of them says so, or a reservation and its lease."""
    # The lifetime of a lease is 0 once its client released it.
    leases = {(one.family, one.subnet_id, address): one for one in found if one.lifetime for address in one.addresses}
    known = {one.confirmed for one in found}
    for one in found:
        held = (leases.get((one.family, one.subnet_id, address)) for address in one.addresses if one.made is not None)
        known |= {lifetime.is_confirmed(one.made, lease.since, lease.lifetime) for lease in held if lease}
    return True if True in known else False if False in known else None


def _owners(found: Sequence[Record]) -> Dict[object, Optional[Key]]:
    """Return the client that each other identifier and address of a lease belongs to; None where there are several."""
    owners: Dict[object, Optional[Key]] = {}
    for record in found:
        own = _own_key(record)
        if record.kind != records.LEASE or own is None:
            continue
        signs: List[object] = [(record.family, record.subnet_id, address) for address in record.addresses]
        if record.hwaddr:
            signs += [(_CLIENT_ID, record.client_id)] if record.client_id else []
            signs += [(_DUID, record.duid)] if record.duid else []
        for sign in signs:
            owners[sign] = own if owners.get(sign, own) == own else None
    return owners


def _own_key(record: Record) -> Optional[Key]:
    for kind, value in ((_HWADDR, record.hwaddr), (_CLIENT_ID, record.client_id), (_DUID, record.duid)):
        if value:
            return kind, value
    return None


def _key(record: Record, owners: Dict[object, Optional[Key]]) -> Optional[Key]:
    """Return the client of a record; None if nothing identifies one."""
    own = _own_key(record)
    if own is not None:
        # The DUID of a DHCPv6 lease tells no machine: clients invent DUIDs. A reservation is a person's word.
        is_alone = own[0] == _HWADDR or (own[0] == _DUID and record.kind == records.LEASE)
        return own if is_alone else owners.get(own) or own
    if not record.other_id:
        return None
    known = [owners.get((record.family, record.subnet_id, address)) for address in record.addresses]
    kind, value = record.other_id.split(" ", 1)
    return next((key for key in known if key), (kind, value))


def filtered(clients: Iterable[Client], filters: Filters, now: float) -> List[Client]:
    """Return the wanted clients, each with its wanted records only. A client without an address is left out."""
    wanted = [
        client._replace(records=[record for record in client.records if filters.leave(record, now)])
        for client in clients
        if filters.match(client)
    ]
    return [client for client in wanted if any(record.addresses for record in client.records)]


def state_of(record: Record, now: float) -> str:
    """Return the state of a lease at ``now``. Kea marks an expired lease only when it reclaims it."""
    over = record.state == records.STATES[0] and lifetime.is_over(record.expires, now)
    return records.EXPIRED if over else record.state


def hostname(client: Client) -> Tuple[str, bool]:
    """Return the name of a client, and whether a person gave it. A reservation's name comes before a lease's."""
    for record in sorted(client.records, key=lambda one: (one.kind != records.RESERVATION, one.managed, -one.since)):
        if record.hostname:
            return record.hostname, record.kind == records.RESERVATION and not record.managed
    return "", False


def variables(client: Client, now: float, family: int = 4) -> Dict[str, Any]:
    """Return the variables of a client that has an address.

    ``ansible_host`` is where the client is: the address of the newest lease, of the preferred ``family`` first, else
    the reserved one.
    """
    by_use = sorted(client.records, key=lambda one: (one.kind != records.LEASE, one.family != family, -one.since))
    main = next(record for record in by_use if record.addresses)
    leases = [record for record in by_use if record.kind == records.LEASE]
    reservations = [record for record in by_use if record.kind == records.RESERVATION]
    return {
        "ansible_host": main.addresses[0],
        "bmc_mac": client.key[1] if client.key[0] == _HWADDR else "",
        "bmc_client_id": _first(record.client_id for record in by_use),
        "bmc_duid": _first(record.duid for record in by_use),
        "bmc_hostname": hostname(client)[0],
        "bmc_vendor": _vendor(client),
        "kea_circuit_id": _first(record.circuit_id for record in leases),
        "kea_remote_id": _first(record.remote_id for record in leases),
        "kea_vendor_class": _first(record.vendor_class for record in leases),
        "kea_subnet_id": main.subnet_id,
        "kea_family": main.family,
        "kea_ipv4_addresses": _addresses(by_use, 4),
        "kea_ipv6_addresses": _addresses(by_use, 6),
        "kea_lease_state": state_of(leases[0], now) if leases else "",
        "kea_lease_expires": leases[0].expires if leases else None,
        "kea_reserved": bool(reservations),
        "kea_confirmed": client.confirmed,
        "kea_managed": bool(reservations) and all(record.managed for record in reservations),
    }


def key_in(host: Mapping[str, Any]) -> Optional[Key]:
    """Return the key of the client that has these variables; None if they tell none, as for a circuit identifier."""
    found = ((kind, host.get(name)) for kind, name in _VARIABLES)
    return next(((kind, str(value)) for kind, value in found if value), None)


def _vendor(client: Client) -> str:
    """Return the vendor by the list of this host; by that of a Kea server if this host has none."""
    kind, value = client.key
    own = vendors.of(value) if kind == _HWADDR else ""
    return own or _first(record.vendor for record in client.records)


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def _addresses(found: Sequence[Record], family: int) -> List[str]:
    """Return each address of a family once, in order."""
    return list(dict.fromkeys(one for record in found if record.family == family for one in record.addresses))
