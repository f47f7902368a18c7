# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of discovery files and of the hosts in them.

They have hex digits, dashes and fixed words only, so that no client can name another file. Each kind of identifier has
names of its own, so that no client can take the name of another client by spelling its hardware address.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from kea_lease_monitor.lease import Lease

_LONGEST = 200
"""Characters of an identifier in a file name. File systems allow 255 bytes, and a client identifier has up to 255
octets in hex."""


class Name(NamedTuple):
    """Name of a client. A DHCPv6 client has one for each of its identity associations, each with its address."""

    kind: str
    """Empty for a hardware address, else ``client-id-`` or ``duid-``."""
    rest: str
    """The identifier; empty if the client is not known."""
    subnet: str = ""
    """Suffix of a client that already has a file for another subnet; else empty."""

    @property
    def file(self) -> str:
        """Return the name of the file, without its extension."""
        return f"{self.kind}{self.rest}{self.subnet}"

    @property
    def host(self) -> str:
        """Return the name of the host."""
        return f"bmc-{self.kind}{self.rest.replace('-', '')}{self.subnet}"

    def in_subnet(self, number: int) -> Name:
        """Return the name with the suffix for a subnet."""
        return self._replace(subnet=f"-s{number}")


def of(lease: Lease) -> Name:
    """Return the client's name: by hardware address; without one, by client identifier or DUID."""
    if lease.hwaddr:
        return Name("", _rest(lease, lease.hwaddr, "sha256-"))
    kind = "client-id-" if lease.client_id else "duid-"
    return Name(kind, _rest(lease, lease.client_id or lease.duid, "sha256-"))


def earlier(lease: Lease) -> Name:
    """Return the name that releases before 1.1.0 gave the client: the same for each kind of identifier."""
    return Name("", _rest(lease, lease.hwaddr or lease.client_id or lease.duid, ""))


def _rest(lease: Lease, identifier: str, digest: str) -> str:
    text = identifier.replace(":", "-")
    short = text if len(text) <= _LONGEST else digest + hashlib.sha256(text.encode()).hexdigest()
    return f"{short}-v6-{lease.iaid:x}" if text and lease.family == 6 else short
