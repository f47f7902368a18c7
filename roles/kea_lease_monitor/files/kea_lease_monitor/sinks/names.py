# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of discovery files and of the hosts in them.

They have hex digits, dashes and fixed words only, so that no client can name another file. Each kind of identifier has
names of its own, so that no client can take the name of another client by spelling its hardware address.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import Lease

_LONGEST = 200
"""Characters of an identifier in a file name. File systems allow 255 bytes, and a client identifier has up to 255
octets in hex."""


DUID = "duid-"
"""Kind of the name of a DHCPv6 client whose machine is not known."""

_FILE = re.compile(r"(client-id-|duid-|)(.*?)((?:-s[0-9]+)?)")


class Name(NamedTuple):
    """Name of a machine, by its hardware address; of a client, where that is not known.

    A DHCPv6 client without a proven hardware address has one for each of its identity associations.
    """

    kind: str
    """Empty for a hardware address, else ``client-id-`` or ``duid-``."""
    rest: str
    """The identifier; empty if the client is not known."""
    subnet: str = ""
    """Suffix of a client that already has a file for another subnet; else empty."""

    @classmethod
    def of_file(cls, file: str) -> Name:
        """Return the name that ``file`` belongs to."""
        found = _FILE.fullmatch(file)
        return cls(*found.groups()) if found else cls("", file)

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
    """Return the name by hardware address; by client identifier or DUID, if that does not tell who the client is.

    So the leases of a machine in both families have one name, and no client takes the name of another machine by a
    DUID that spells its hardware address.
    """
    if hwaddr := identifiers.proven_hwaddr(lease):
        return Name("", _short(hwaddr, "sha256-"))
    if lease.family == 6:
        return by_duid(lease)
    return Name("client-id-", _short(lease.client_id, "sha256-"))


def by_duid(lease: Lease) -> Name:
    """Return the name of a DHCPv6 client whose hardware address is not proven."""
    return Name(DUID, _associated(lease, lease.duid, "sha256-"))


def earlier(lease: Lease) -> Name:
    """Return the name that earlier releases gave.

    Before 1.1.0 it was the same for each kind of identifier, and before 1.2.0 a DHCPv6 lease had the name of any
    hardware address.
    """
    known = lease.hwaddr or lease.client_id or lease.duid
    return Name("", _associated(lease, known, "") if lease.family == 6 else _short(known, ""))


def _associated(lease: Lease, identifier: str, digest: str) -> str:
    return f"{_short(identifier, digest)}-v6-{lease.iaid:x}" if identifier else ""


def _short(identifier: str, digest: str) -> str:
    text = identifier.replace(":", "-")
    return text if len(text) <= _LONGEST else digest + hashlib.sha256(text.encode()).hexdigest()
