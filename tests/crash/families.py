# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the crash tests of DHCPv4 and DHCPv6: Kea, its clients, and how a lease is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

Lease = tuple[str, str]
"""Client, as hexadecimal digits, and its address; or its prefix with a slash and a length."""

_DELEGATED = 64
"""Length of each delegated prefix."""


class Family(NamedTuple):
    """A family of DHCP."""

    number: int
    ports: tuple[int, int]
    """Of server and clients. Not those of DHCP, so that no other server or test on this machine is in the way."""
    host: str
    """Where the server serves and the clients are."""
    settings: Mapping[str, Any]
    """Kea's own ones of this family."""
    traffic: Sequence[str]
    """Options of perfdhcp."""
    acknowledged: str
    """What perfdhcp calls the exchange whose last message tells a lease."""
    told: re.Pattern[str]
    """A row of its list: client, address, and perhaps a prefix."""
    leases: str
    reservations: str
    """Statements for both."""
    client: str
    """Column of a lease file."""
    file: re.Pattern[str]
    """Address and client in a discovery file."""
    name: str
    """Of that file; the braces stand for the client."""
    match: Mapping[str, Any] = {}
    """Of the monitor's subscription."""
    reservation: Mapping[str, Any] = {}
    """Options of its sink."""

    @property
    def lease_file(self) -> str:
        return f"kea-leases{self.number}.csv"

    @property
    def switch(self) -> bool:
        """Whether the modules are told that they serve DHCPv6, too."""
        return self.number == 6

    def told_in(self, output: str) -> set[Lease]:
        """Return what perfdhcp's clients were told by the server. Raises AssertionError if it does not say that."""
        _before, mark, rest = output.partition(f"***Leases for {self.acknowledged}***")
        assert mark, output[-2000:]
        found: set[Lease] = set()
        for client, address, *prefixes in self.told.findall(rest.partition("***")[0]):
            held = [address, *(f"{prefix}/{_DELEGATED}" for prefix in prefixes if prefix)]
            found.update((client.replace(":", ""), one) for one in held if one)
        return found

    def rows(self, content: str) -> Iterator[Lease]:
        """Return the leases of the lines of a lease file, the first of which names the columns."""
        header, *lines = content.splitlines()
        for line in lines:
            fields = dict(zip(header.split(","), line.split(",")))
            length = f"/{fields['prefix_len']}" if fields.get("lease_type") == "2" else ""
            yield fields[self.client].replace(":", ""), fields["address"] + length

    def discovered(self, path: Path) -> Lease:
        """Return the lease of a discovery file. One that is not whole, or has the name of another, is no lease's.

        Raises FileNotFoundError.
        """
        found = self.file.search(path.read_text())
        if found and path.name == self.name.format(found[2].replace(":", "-")):
            return found[2].replace(":", ""), found[1]
        return path.name, "is not whole"


DHCP4 = Family(
    number=4,
    ports=(20067, 20068),
    host="127.0.0.1",
    settings={
        "interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"},
        "subnet4": [
            {
                "id": 1,
                "subnet": "10.0.0.0/8",
                "pools": [{"pool": "10.0.0.1 - 10.200.255.254"}],
                "relay": {"ip-addresses": ["127.0.0.1"]},
            }
        ],
    },
    traffic=("-4",),
    acknowledged="REQUEST-ACK",
    told=re.compile(r"^01([0-9a-f]{12}),([0-9.]+),", re.MULTILINE),
    leases="SELECT encode(hwaddr, 'hex'), host('0.0.0.0'::inet + address) FROM lease4 WHERE state = 0",
    reservations="SELECT encode(dhcp_identifier, 'hex'), host('0.0.0.0'::inet + ipv4_address) FROM hosts",
    client="hwaddr",
    file=re.compile(r'ansible_host: "([0-9.]+)"\n\s+bmc_mac: "([0-9a-f:]+)"\n'),
    name="{}.yml",
)

DHCP6 = Family(
    number=6,
    ports=(20547, 20546),
    host="::1",
    settings={
        "interfaces-config": {"interfaces": ["lo/::1"]},
        "server-id": {"type": "EN", "identifier": "aa", "persist": False},
        "subnet6": [
            {
                "id": 1,
                "subnet": "2001:db8::/32",
                "pools": [{"pool": "2001:db8:1::/64"}],
                "pd-pools": [{"prefix": "2001:db8:8000::", "prefix-len": 33, "delegated-len": _DELEGATED}],
                "relay": {"ip-addresses": ["::1"]},
            }
        ],
    },
    # Kea takes no message to an address of its own but from a relay.
    traffic=("-6", "-A1", "-e", "address-and-prefix"),
    acknowledged="REQUEST-REPLY",
    told=re.compile(r"^([0-9a-f:]+),([0-9a-f:]*),([0-9a-f:]*)$", re.MULTILINE),
    leases="SELECT encode(duid, 'hex'), address || CASE lease_type WHEN 2 THEN '/' || prefix_len ELSE '' END"
    " FROM lease6 WHERE state = 0",
    # A host without an address, or of another kind of identifier or subnet, is no lease's.
    reservations="SELECT encode(dhcp_identifier, 'hex'), CASE WHEN (dhcp_identifier_type, dhcp6_subnet_id) = (1, 1)"
    " THEN coalesce(address || CASE type WHEN 2 THEN '/' || prefix_len ELSE '' END, 'no address') ELSE 'no DUID' END"
    " FROM hosts LEFT JOIN ipv6_reservations USING (host_id)",
    client="duid",
    # Kea has the hardware address from the DUID, so that it proves nothing.
    file=re.compile(
        r'ansible_host: "([0-9a-f:]+)"\n\s+bmc_mac: ""\n\s+bmc_client_id: ""\n\s+bmc_duid: "([0-9a-f:]+)"\n'
    ),
    name="duid-{}-v6-1.yml",
    match={"families": [6]},
    reservation={"prefixes": "reserve"},
)
