# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the families of DHCP."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple

import packets4
import packets6
from messages import Packets

_CORPUS = Path(__file__).parent / "corpus"


class Family(NamedTuple):
    """A family of DHCP: its packets, and how Kea and the monitor serve it."""

    number: int
    packets: Packets
    corpus: Path
    """Packets that are kept."""
    server: tuple[str, int]
    """Address and port of Kea: not the port of DHCP or of other tests, so that they can run at the same time."""
    client: tuple[str, int]
    """Address and port to which Kea answers."""
    relays: Mapping[str, int]
    """Addresses of relays, each with the subnet that it serves."""
    settings: Mapping[str, Any]
    """Kea's own ones."""
    subnet: Callable[[int], Mapping[str, Any]]
    """Return those of a subnet."""
    reserved: str
    """Statement for the reserved addresses in the database."""
    reservation: Mapping[str, Any] = {}
    """Options of the sinks for reservations."""


def _subnet4(number: int) -> Mapping[str, Any]:
    return {
        "subnet": f"10.{number}.0.0/16",
        "pools": [{"pool": f"10.{number}.0.1 - 10.{number}.255.254"}],
    }


def _subnet6(number: int) -> Mapping[str, Any]:
    return {
        "subnet": f"2001:db8:{number}::/48",
        "pools": [{"pool": f"2001:db8:{number}:1::/64"}],
        "pd-pools": [{"prefix": f"2001:db8:8{number}00::", "prefix-len": 40, "delegated-len": 64}],
        "rapid-commit": number == 2,
    }


FAMILIES = (
    Family(
        number=4,
        packets=packets4,
        corpus=_CORPUS / "packet",
        server=("127.0.0.1", 20267),
        client=("", 20268),
        relays={"127.0.0.1": 1, "127.0.0.2": 2},
        settings={"interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"}},
        subnet=_subnet4,
        reserved="SELECT host('0.0.0.0'::inet + ipv4_address) FROM hosts",
    ),
    Family(
        number=6,
        packets=packets6,
        corpus=_CORPUS / "packet6",
        server=("::1", 20567),
        client=("::1", 20566),
        relays={"2001:db8:1::ff": 1, "2001:db8:2::ff": 2},
        settings={
            "interfaces-config": {"interfaces": ["lo/::1"]},
            "server-id": {"type": "EN", "identifier": "aa", "persist": False},
        },
        subnet=_subnet6,
        reserved="SELECT split_part(address::text, '/', 1) FROM ipv6_reservations",
        reservation={"prefixes": "reserve"},
    ),
)
