# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/day-to-day.md for booting over the network, written by kea_config and served by a real Kea."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.kea import DIRECTORIES, KeaServer
from support.modules import run_module
from support.paths import ROOT
from support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.kea]
SERVER, NONE = "192.0.2.10", socket.inet_ntoa(bytes(4))
DISCOVER, OFFER = 1, 2
COOKIE = b"\x63\x82\x53\x63"
FILE = slice(108, 236)
"""Where a packet names the file to boot from."""


def example() -> dict[str, Any]:
    text = (ROOT / "docs" / "day-to-day.md").read_text()
    block = text.split("<!-- tested: boot by architecture -->\n```yaml\n")[1].split("```")[0]
    settings: dict[str, Any] = yaml.safe_load(block)["kea_dhcp4_settings"]
    return settings


def discover(number: int, options: dict[int, bytes]) -> bytes:
    """Return the packet of a client, as a relay on the loopback passes it on."""
    hwaddr = bytes([2, 0, 0, 0, 0, number])
    head = struct.pack("!BBBBIHH", 1, 1, 6, 1, number, 0, 0) + bytes(12) + socket.inet_aton("127.0.0.1")
    asked = b"".join(bytes([code, len(value)]) + value for code, value in {53: bytes([DISCOVER]), **options}.items())
    return head + hwaddr.ljust(16, b"\0") + bytes(192) + COOKIE + asked + b"\xff"


def options_of(packet: bytes) -> dict[int, bytes]:
    found, at = {}, 240
    while packet[at] != 255:
        found[packet[at]] = packet[at + 2 : at + 2 + packet[at + 1]]
        at += 2 + packet[at + 1]
    return found


@contextlib.contextmanager
def relay() -> Iterator[tuple[socket.socket, int]]:
    """Yield the socket of a relay, and a free port for the server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        other.close()
        yield one, port


@pytest.fixture
def asked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a function that sends options to a Kea with the example, and returns its offer."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(directory))
    with relay() as (one, port):
        server = KeaServer(directory, config=directory / "kea-dhcp4.conf")
        subnet = {"id": 1, "subnet": "127.0.0.0/8", "pools": [{"pool": "127.0.0.100 - 127.0.0.199"}]}
        server.configure(
            {
                "interfaces-config": {"interfaces": ["lo"], "dhcp-socket-type": "udp"},
                "lease-database": {"type": "memfile", "persist": False},
                "subnet4": [subnet],
            }
        )
        os.chown(server.config, 0, pwd.getpwnam("_kea").pw_gid)
        server.config.chmod(0o640)
        result = run_module("kea_config", path=str(server.config), merge=example(), backup=False)
        assert result["changed"], json.dumps(result)
        server.launch("-p", str(port), "-P", str(one.getsockname()[1]))
        try:
            until(server.answers, lambda: f"Kea's answer: {server.log.read_text()}")
            yield lambda number, options: answer(one, port, discover(number, options))
        finally:
            server.stop()


def answer(one: socket.socket, port: int, packet: bytes) -> bytes:
    one.settimeout(60)
    one.sendto(packet, ("127.0.0.1", port))
    return one.recv(1500)


ARCHITECTURES = [
    ("BIOS", 0x0000, b"PXEClient:Arch:00000:UNDI:002001", b"", (SERVER, "undionly.kpxe")),
    ("UEFI, x86-64", 0x0007, b"PXEClient:Arch:00007:UNDI:003016", b"", (SERVER, "ipxe-x64.efi")),
    ("UEFI, x86-64, by the other number", 0x0009, b"PXEClient:Arch:00009", b"", (SERVER, "ipxe-x64.efi")),
    ("UEFI, arm64", 0x000B, b"PXEClient:Arch:00011:UNDI:003016", b"", (SERVER, "ipxe-arm64.efi")),
    ("HTTP boot, x86-64", 0x0010, b"HTTPClient:Arch:00016:UNDI:003001", b"", (NONE, "http://192.0.2.10/x64.efi")),
    ("HTTP boot, arm64", 0x0013, b"HTTPClient:Arch:00019:UNDI:003001", b"", (NONE, "http://192.0.2.10/arm64.efi")),
    ("iPXE on BIOS", 0x0000, b"PXEClient:Arch:00000:UNDI:002001", b"iPXE", (SERVER, "http://192.0.2.10/boot.ipxe")),
    ("iPXE on UEFI", 0x0007, b"PXEClient:Arch:00007:UNDI:003016", b"iPXE", (SERVER, "http://192.0.2.10/boot.ipxe")),
]


def test_each_architecture_gets_its_file(asked: Any) -> None:
    for number, (name, architecture, vendor, user_class, expected) in enumerate(ARCHITECTURES, 1):
        options = {60: vendor, 93: struct.pack("!H", architecture), **({77: user_class} if user_class else {})}
        offer = asked(number, options)
        found = options_of(offer)
        assert found[53] == bytes([OFFER]), name
        assert (socket.inet_ntoa(offer[20:24]), offer[FILE].rstrip(b"\0").decode()) == expected, name
        assert found.get(60) == (b"HTTPClient" if vendor.startswith(b"HTTP") else None), name
    assert asked(99, {})[FILE].rstrip(b"\0") == b"", "a BMC names no architecture"
