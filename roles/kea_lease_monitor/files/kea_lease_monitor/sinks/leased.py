# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leases of a host, and the line in which its discovery file keeps them.

The line is a comment, so that a template of the site needs nothing for it. So a lease of one family is added to a host,
or removed from it, without what else the file tells.
"""

from __future__ import annotations

import json
import re
from typing import List, NamedTuple, Optional, Sequence

from kea_lease_monitor.kea import changes, identifiers, machine
from kea_lease_monitor.kea.machine import Machine
from kea_lease_monitor.lease import Lease, LeaseState

MOST = 8
"""DHCPv6 leases of a host. A client that invents DUIDs must not make its file grow; the youngest leases count."""

_START = b"# kea-lease-monitor: "
_LINE = re.compile(b"^" + _START + rb"(\[.*\])$", re.MULTILINE)

# What a file tells that an earlier release wrote, by the default template.
_VALUE = re.compile(rb'^\s*(ansible_host|bmc_[a-z_]+): "([^"\\]*)"$', re.MULTILINE)
_SUBNET = re.compile(rb"^\s*kea_subnet_id: ([0-9]+)$", re.MULTILINE)
_MADE = re.compile(rb"^\s*kea_made_at: ([0-9]{1,12})$", re.MULTILINE)
_IAID = re.compile(rb"^    bmc-[0-9a-z-]+?v6([0-9a-f]+)(?:-s[0-9]+)?:$", re.MULTILINE)
_ADDRESS = re.compile(rb"^\s*ansible_host: *[\"']?([0-9A-Fa-f.:]+)", re.MULTILINE)
"""Also as a site's template may write it."""
_NAMED = rb"(?<![0-9A-Fa-f.:])%s(?![0-9A-Fa-f.:])"
"""An address anywhere in a file."""


class Part(NamedTuple):
    """A lease of a host."""

    lease: Lease
    made: Optional[int]
    """See batch.Kept."""

    @property
    def is_confirmed(self) -> bool:
        """Return whether the times of the lease confirm its client."""
        return changes.is_confirmed(self.made, self.lease.cltt, self.lease.valid_lifetime)


def line(parts: Sequence[Part]) -> bytes:
    """Return the line that ``read`` reads."""
    return _START + json.dumps([[part.made, *part.lease] for part in parts]).encode() + b"\n"


def read(content: bytes) -> List[Part]:
    """Return the leases that a file tells of; none if it tells of none."""
    lines = _LINE.findall(content)
    if not lines:
        earlier = _told(content)
        return [earlier] if earlier else []
    try:
        found = [(made, Lease(*fields)) for made, *fields in json.loads(lines[-1])]
        return [Part(lease._replace(state=LeaseState(lease.state)), made) for made, lease in found]
    except (ValueError, TypeError):
        return []


def _told(content: bytes) -> Optional[Part]:
    """Return what a file of an earlier release tells. One of a site's template may tell the address and the subnet."""
    told = {key.decode(): value.decode() for key, value in _VALUE.findall(content)}
    address, subnet = address_in(content), _SUBNET.search(content)
    if not address or not subnet:
        return None
    known = (told.get("bmc_mac", ""), told.get("bmc_client_id", ""), told.get("bmc_hostname", ""))
    lease = Lease(6 if ":" in address else 4, address, int(subnet[1]), *known, 0, 0, None, LeaseState.DEFAULT, "")
    iaid = _IAID.search(content)
    lease = lease._replace(duid=told.get("bmc_duid", ""), iaid=int(iaid[1], 16) if iaid else 0)
    return Part(lease, made_in(content))


def address_in(content: bytes) -> str:
    """Return the address of the host in a file without the line; empty if it does not tell."""
    found = _ADDRESS.search(content)
    return found[1].decode() if found else ""


def made_in(content: bytes) -> Optional[int]:
    """Return when the host's client first got a lease, by a file without the line; None if it does not tell."""
    found = _MADE.search(content)
    return int(found[1]) if found else None


def is_named(address: str, content: bytes) -> bool:
    """Return whether a file has this address."""
    return re.search(_NAMED % re.escape(address.encode()), content) is not None


def is_same(one: Lease, other: Lease) -> bool:
    """Return whether two leases of a host are of one client: it has one of DHCPv4, and one for each association."""
    if one.family == 4 or other.family == 4:
        return one.family == other.family
    return (one.duid, one.iaid) == (other.duid, other.iaid)


def with_part(parts: Sequence[Part], part: Part) -> List[Part]:
    """Return the leases with this one in place of the client's former one: DHCPv4 first, then the youngest first."""
    found = [each for each in without(parts, part.lease) if each.lease.address != part.lease.address]
    ordered = sorted([*found, part], key=lambda each: (each.lease.family, -each.lease.cltt, each.lease.address))
    return ordered[: MOST + (ordered[0].lease.family == 4)]


def has_told(parts: Sequence[Part], part: Part) -> bool:
    """Return whether this lease changes nothing that lasts: a renewal is a reason to write a file only if it confirms.

    In a host with as many leases as there may be, the times tell which is the oldest.
    """
    former = of_client(parts, part.lease)
    if former is None or len(parts) >= MOST:
        return False
    known, new = ((_lasting(each.lease), each.made, each.is_confirmed) for each in (former, part))
    return known == new


def _lasting(lease: Lease) -> Lease:
    """Return a lease without its times."""
    return lease._replace(cltt=0, valid_lifetime=0, expires=None)


def without(parts: Sequence[Part], lease: Lease) -> List[Part]:
    """Return the leases without that of the client."""
    return [part for part in parts if not is_same(part.lease, lease)]


def of_client(parts: Sequence[Part], lease: Lease) -> Optional[Part]:
    """Return the lease of this lease's client, if there is one."""
    return next((part for part in parts if is_same(part.lease, lease)), None)


def is_elsewhere(parts: Sequence[Part], lease: Lease) -> bool:
    """Return whether the host has leases of this family in another subnet. A subnet may get another number."""
    own = [part.lease for part in parts if part.lease.family == lease.family]
    return bool(own) and not any(lease.subnet_id == each.subnet_id or lease.address == each.address for each in own)


class Told(NamedTuple):
    """What a template is given of a host."""

    lease: Lease
    """The lease of the preferred family, with the names and identifiers that only another one has."""
    leases: List[Lease]
    """All, that of ``lease`` first."""
    machine: Machine
    made: Optional[int]
    confirmed: bool
    """Whether one of the leases confirms the client."""
    apart: bool
    """Whether Kea has a lease of DHCPv6 here whose hardware address is not proven."""


def told(parts: Sequence[Part], family: int) -> Told:
    """Return what the leases tell together; ``family`` is preferred. There is one lease at least."""
    ordered = sorted(parts, key=lambda part: part.lease.family != family)
    leases = [_proven(part.lease) for part in ordered]
    main = leases[0]._replace(
        hwaddr=_first([lease.hwaddr for lease in leases]),
        client_id=_first([lease.client_id for lease in leases]),
        duid=_first([lease.duid for lease in leases]),
        hostname=_first([lease.hostname for lease in leases]),
    )
    known = Machine(*map(_first, zip(*(machine.of(lease) for lease in leases))))
    confirmed = any(part.is_confirmed for part in parts)
    return Told(main, leases, known, ordered[0].made, confirmed, main.family == 6 and not main.hwaddr)


def _proven(lease: Lease) -> Lease:
    """Return what a lease tells for certain, with the host name as Ansible takes it."""
    return lease._replace(hwaddr=identifiers.proven_hwaddr(lease), hostname=lease.hostname.rstrip("."))


def _first(values: Sequence[str]) -> str:
    return next(filter(None, values), "")
