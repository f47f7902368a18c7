# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site with two subnets in a shared network and short leases, in each mode, and its clients one by one."""

from __future__ import annotations

import itertools
import json
import shlex
import time
from typing import Any

from changing import Site
from host import DISCOVERY, Kea, wait
from states import EVENTS
from support.paths import LAB

LIFETIME = 40
"""Seconds of each lease: tests wait for ends."""
RELAYS = {1: "", 7: "10.78.7.1", 8: "10.78.8.1", 9: "10.78.9.1"}
"""The relay of each subnet; the first one is that of the servers themselves."""
GUARDED = {
    "id": 9,
    "subnet": "10.78.9.0/24",
    "pools": [{"pool": "10.78.9.10 - 10.78.9.13"}],
    "valid-lifetime": 3600,
}
"""A subnet that a test has the play create and remove. Its leases live longer than the plays of the test."""
NETWORK = {
    "name": "hall",
    "subnet4": [
        {"id": 7, "subnet": "10.78.7.0/24", "pools": [{"pool": "10.78.7.10 - 10.78.7.13"}]},
        {"id": 8, "subnet": "10.78.8.0/24", "pools": [{"pool": "10.78.8.10 - 10.78.8.59"}]},
    ],
}
TOLD = "/var/lib/kea-lease-monitor/told"
SUBSCRIPTIONS = [
    {"name": "all"},
    {
        "name": "dns",
        "match": {
            "kinds": ["assigned", "changed", "released", "expired", "reclaimed", "deleted"],
            "hostname": "*.example.org",
        },
        "sinks": [{"type": "exec", "command": ["/bin/sh", "-c", f"cat >>{TOLD}; echo >>{TOLD}"]}],
    },
]
DEPLOYED: dict[str, Any] = {
    "kea_dhcp4_subnets": [{"id": 1, "subnet": "10.77.0.0/16", "pools": [{"pool": "10.77.16.0 - 10.77.16.99"}]}],
    "kea_dhcp4_shared_networks": [NETWORK],
    "kea_dhcp4_settings": {
        "valid-lifetime": LIFETIME,
        "expired-leases-processing": {
            "reclaim-timer-wait-time": 1,
            "hold-reclaimed-time": 0,
            "flush-reclaimed-timer-wait-time": 1,
        },
        "decline-probation-period": LIFETIME,
    },
    "kea_monitor_subscriptions": SUBSCRIPTIONS,
    "kea_reservations_interval": 1,
}
MODES: dict[str, dict[str, Any]] = {"file": {}, "database": {"kea_enable_database": True}, "events": EVENTS}

numbers = itertools.count(int(time.time()) % 2**24 * 64, 8)
"""Clients that no other test plays, nor an earlier run on the same host."""


class Field(Site):
    """The host, and clients one by one."""

    mode = "file"

    def deploy(self, **variables: Any) -> None:
        """Deploy in the mode of the tests, with these variables instead of some of ``DEPLOYED``."""
        self.succeed("kea_deploy", **{**DEPLOYED, **MODES[self.mode], **variables})

    def ask(self, number: int, subnet: int = 1, *options: str) -> str:
        """Return the address that a client got; empty if it got none."""
        relay = RELAYS[subnet]
        via = ("--relay", relay) if relay else ()
        lines = self.play_bmcs("--first", str(number), "--retry-after", "4", "--hostname", "", *via, *options)
        address: str | None = json.loads(lines)["address"]
        return address or ""

    def ask_in(self, namespace: str, server: str, number: int) -> str:
        """Return the address that a client in a network namespace of the host got; empty if it got none."""
        asking = ("python3", "-", server, "--first", str(number), "--tries", "1")
        lines = self.run("ip", "netns", "exec", namespace, *asking, stdin=(LAB / "bmc.py").read_text(), check=False)
        return json.loads(lines)["address"] or ""

    def leave(self, number: int, address: str, subnet: int = 1) -> None:
        """Have a client give its address back."""
        assert self.ask(number, subnet, "--release") == address

    def reservations(self) -> dict[str, str]:
        """Return who has each reserved address: in the table ``hosts``, or in the running configuration."""
        if self.mode != "file":
            columns = "host('0.0.0.0'::inet + ipv4_address), encode(dhcp_identifier, 'hex')"
            rows = self.sql(f"SELECT {columns} FROM hosts WHERE ipv4_address > 0")
            return {address: bytes.fromhex(client).hex(":") for address, client in (row.split("|") for row in rows)}
        config = Kea(self).command("config-get")["arguments"]["Dhcp4"]
        subnets = [*config["subnet4"], *(one for shared in config["shared-networks"] for one in shared["subnet4"])]
        hosts = [host for subnet in subnets for host in subnet["reservations"]]
        return {host["ip-address"]: host.get("hw-address", "") for host in hosts}

    def reserved(self) -> set[str]:
        """Return the addresses that are reserved."""
        return set(self.reservations())

    def await_reserved(self, *addresses: str) -> None:
        wait(lambda: set(addresses) <= self.reserved(), lambda: f"{addresses} in force, found {self.reserved()}")

    def free(self, subnet: int) -> int:
        """Return how many addresses of a subnet are free, as ``status`` tells."""
        lines = json.loads(self.run("kea-lease-monitor", "status", "--json"))
        [pools] = [line["pools"] for line in lines if line["subscription"] == "all"]
        [counts] = [one for one in pools if one["subnet"] == subnet and one["pool"] is None]
        return int(counts["free"])

    def does(self, *command: str) -> bool:
        """Return whether a command of the host succeeds."""
        return self.run("sh", "-c", f"{shlex.join(command)} >/dev/null 2>&1 && echo yes", check=False) == "yes\n"

    def edit(self, file: str, program: str) -> None:
        """Edit a file of Kea by a program of sed, as a person does, and tell Kea."""
        self.run("sed", "-i", program, file)
        Kea(self).command("config-reload")

    def logged(self, words: str) -> list[str]:
        """Return the monitor's lines with these words since its start."""
        unit = "kea-lease-monitor"
        began = self.run("systemctl", "show", "-P", "InvocationID", unit).strip()
        lines = self.run("journalctl", f"_SYSTEMD_INVOCATION_ID={began}", "-o", "cat", "--no-pager").splitlines()
        return [line for line in lines if words in line]

    def rewrite_leases(self, change: str) -> None:
        """Change Kea's lease file by a program of sed while Kea is stopped."""
        self.run("sh", "-ec", f"""
            systemctl stop kea-dhcp4-server
            sed -i {shlex.quote(change)} /var/lib/kea/kea-leases4.csv
            systemctl start kea-dhcp4-server
        """)  # fmt: skip

    def dead_letters(self) -> str:
        return self.run("kea-lease-monitor", "dead-letters", "list", check=False)

    def inventory(self) -> str:
        """Return all files of the inventory, each line with its file."""
        return self.run("grep", "-r", "", DISCOVERY, check=False)


def mac(number: int) -> str:
    """Return the hardware address of a client."""
    return "02:bc:" + number.to_bytes(4, "big").hex(":")
