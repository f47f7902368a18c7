# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of a name as Kea's servers send it to D2 (ncr_msg.cc): the removal of one whose lease is gone.

For a lease that lives, Kea itself sends the change again (lease4-resend-ddns). For one that ended it has no command.
"""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import time
from typing import Any, Mapping

from _kea.identifiers import parse
from _kea.named_leases import Named

_REMOVE = 1
_HWADDR, _CLIENT_ID, _DUID = range(3)
"""Types of identifiers in a DHCID (RFC 4701)."""
_SHA256 = 1
_ETHERNET = b"\x01"
_WITH_DUID = 255
"""First byte of a client identifier that has a DUID after the four bytes of its IAID (RFC 4361)."""
_IAID = 5


def dhcid(lease: Named) -> str:
    """Return the record DHCID that D2 wrote beside the name of a lease, in hex: a digest of the client and the name."""
    kind, identifier = _client(lease)
    name = b"".join(bytes([len(label)]) + label.encode() for label in lease.name.rstrip(".").split(".")) + b"\0"
    return struct.pack("!HB", kind, _SHA256).hex() + hashlib.sha256(identifier + name).hexdigest()


def _client(lease: Named) -> tuple[int, bytes]:
    """Return type and bytes of the client as Kea takes it: of DHCPv4 the client identifier before the address."""
    if lease.duid:
        return _DUID, parse(lease.duid)
    if not lease.client_id:
        return _HWADDR, _ETHERNET + parse(lease.hwaddr)
    found = parse(lease.client_id)
    if found[0] == _WITH_DUID and len(found) > _IAID:
        return _DUID, found[_IAID:]
    return _CLIENT_ID, found


def removal(lease: Named, now: float) -> bytes:
    """Return the packet that has D2 remove the name of a lease. D2 does so only if the name is still this client's."""
    change = {
        "change-type": _REMOVE,
        "forward-change": lease.forward,
        "reverse-change": lease.reverse,
        "fqdn": lease.name,
        "ip-address": lease.address,
        "dhcid": dhcid(lease).upper(),
        "lease-expires-on": time.strftime("%Y%m%d%H%M%S", time.gmtime(now)),
        "lease-length": 0,
        # The first is for Kea before 2.5.0.
        "use-conflict-resolution": True,
        "conflict-resolution-mode": "check-with-dhcid",
    }
    text = json.dumps(change).encode()
    return struct.pack("!H", len(text)) + text


def send(d2: Mapping[str, Any], packet: bytes) -> None:
    """Send a packet to D2. ``d2`` is its configuration. Raises OSError."""
    address = str(d2.get("ip-address", "127.0.0.1"))
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as channel:
        channel.sendto(packet, (address, int(d2.get("port", 53001))))
