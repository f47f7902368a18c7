# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of its own, in which a real DHCP server may use the ports of DHCP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

INTERFACE = "kea0"
_PREPARE = f"""
ip link set lo up
ip link add {INTERFACE} type veth peer name other0
ip link set {INTERFACE} addrgenmode none
ip link set {INTERFACE} up
ip link set other0 up
ip address add 192.0.2.1/24 dev {INTERFACE}
ip address add fe80::2/64 dev {INTERFACE} nodad
echo ready
exec sleep infinity
"""


@contextmanager
def network() -> Iterator[tuple[str, ...]]:
    """Yield the words before a command that run it in a network with one interface, which has both kinds of address."""
    holder = subprocess.Popen(["unshare", "--net", "sh", "-ec", _PREPARE], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        yield ("nsenter", f"--net=/proc/{holder.pid}/ns/net", "--")
    finally:
        holder.kill()
        holder.communicate()
