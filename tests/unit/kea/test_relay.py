# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a relay said of a client: spellings, and what a real Kea keeps of a real request."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from _kea import relay
from _kea.relay import Relay
from hypothesis import given
from hypothesis import strategies as st
from support.kea import KeaServer, serving
from support.wait import until

OPTION = "0x0108657468302f312f330206aabbccddeeff"
EXPECTED = Relay("eth0/1/3", "aa:bb:cc:dd:ee:ff")


def context(info: Any) -> dict[str, Any]:
    return {"ISC": {"relay-agent-info": info}}


@pytest.mark.parametrize(
    "found",
    [
        context(OPTION),
        context({"sub-options": OPTION, "remote-id": "aabbccddeeff"}),
        {"comment": "x", **context(OPTION)},
    ],
)
def test_both_forms_of_kea_are_read(found: Any) -> None:
    assert relay.of_context(found) == relay.of_context(json.dumps(found)) == EXPECTED


@pytest.mark.parametrize(
    "found",
    [
        "",
        None,
        "{",
        '"relay-agent-info"',
        "[" * 100000 + '"relay-agent-info"',
        context(None),
        context(5),
        context("0x01"),
        context("0x0109aa"),
        context("zz"),
        context({}),
        {"ISC": []},
        [],
    ],
)
def test_anything_else_tells_nothing(found: Any) -> None:
    assert relay.of_context(found) == Relay()


NEXT = {"hop": 0, "link": "2001:db8::1", "peer": "fe80::1", "options": "0x001200046574683000250006000000097237"}
FAR = {"hop": 1, "link": "::", "peer": "fe80::2", "options": "0x00120001ff0025000700000009733701"}


@pytest.mark.parametrize("key", ["relay-info", "relays"])
@pytest.mark.parametrize(
    ("relays", "expected"),
    [
        ([FAR, NEXT], Relay("eth0", "r7")),
        ([NEXT], Relay("eth0", "r7")),
        ([FAR], Relay("ff", "73:37:01")),
        ([FAR, {**NEXT, "options": "0x001200046574683000250004ffffffff"}], Relay("eth0", "73:37:01")),
        ([{**NEXT, "options": "0x0012ff"}, 5, FAR], Relay("ff", "73:37:01")),
        ([{**NEXT, "hop": "x", "options": None}], Relay()),
        ("x", Relay()),
    ],
)
def test_the_relay_next_to_a_dhcpv6_client_tells(key: str, relays: Any, expected: Relay) -> None:
    found = {"ISC": {key: relays}}
    assert relay.of_context(found) == relay.of_context(json.dumps(found)) == expected
    assert relay.circuit_id(found) == ""


def test_the_port_is_told_by_its_bytes() -> None:
    """Text in hex digits is not what it spells."""
    ports = {b"eth0": "65:74:68:30", b"61:62": "36:31:3a:36:32", b"\x00\x04": "00:04"}
    for octets, expected in ports.items():
        option = bytes([1, len(octets)]) + octets
        assert relay.circuit_id(context(f"0x{option.hex()}")) == expected
    assert relay.circuit_id("{") == relay.circuit_id(context({})) == ""


@given(st.binary(max_size=300))
def test_a_port_of_a_mark_is_told_again(octets: bytes) -> None:
    told = octets.hex(":")
    assert relay.circuit_id(relay.context_of(told)) == (told if len(octets) <= 255 else "")


@given(st.binary(max_size=40))
def test_no_option_raises_an_error(data: bytes) -> None:
    assert isinstance(relay.of_context(context("0x" + data.hex())), Relay)


def requested(hwaddr: bytes, options: bytes) -> bytes:
    """A DHCPREQUEST of an address, as a relay at 127.0.0.1 forwards it."""
    head = struct.pack("!BBBBIHH", 1, 1, 6, 1, 7, 0, 0)
    addresses = bytes(12) + socket.inet_aton("127.0.0.1")
    return head + addresses + hwaddr + bytes(10 + 192) + b"\x63\x82\x53\x63" + options + b"\xff"


@pytest.mark.kea
@pytest.mark.slow
@pytest.mark.parametrize("stores", [True, False])
def test_what_a_real_kea_keeps_of_a_relayed_request(tmp_path: Path, stores: bool) -> None:
    """The vendor class of the client (option 60) is in no lease, with whatever setting."""
    leases = tmp_path / "leases.csv"
    server = KeaServer(tmp_path)
    server.configure(
        {
            "interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"},
            "lease-database": {"type": "memfile", "name": str(leases), "lfc-interval": 0},
            "store-extended-info": stores,
            "subnet4": [{"id": 1, "subnet": "127.0.0.0/8", "pools": [{"pool": "127.0.0.10 - 127.0.0.20"}]}],
        }
    )
    sent = bytes([53, 1, 3, 50, 4, 127, 0, 0, 10, 54, 4, 127, 0, 0, 1, 60, 5]) + b"iDRAC"
    sent += bytes([82, len(OPTION) // 2 - 1]) + bytes.fromhex(OPTION[2:])
    with serving(server), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        request = requested(bytes.fromhex("020000000001"), sent)

        def stored() -> bool:
            client.sendto(request, ("127.0.0.1", 10067))
            return leases.exists() and "02:00:00:00:00:01" in leases.read_text()

        until(stored, lambda: f"the lease: {server.log.read_text()[-2000:]}", 60, pause=0.5)
    text = leases.read_text()
    assert not [each for each in ("iDRAC", b"iDRAC".hex()) if each in text]
    kept = text.splitlines()[-1].rpartition(",")[2].replace("&#x2c", ",")
    assert relay.of_context(kept if not kept.isdigit() else "") == (EXPECTED if stores else Relay())
