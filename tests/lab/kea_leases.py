# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare Kea's leases before and after an LFC run, and after a restart of Kea. Prints JSON."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

from control import SOCKET, ask


def leases() -> list[str]:
    """Return each lease as text, in order. Waits up to 20 s for a Kea that is starting."""
    due = time.monotonic() + 20
    while not (found := answered()):
        assert time.monotonic() < due, "Kea has no leases"
        time.sleep(0.1)
    return sorted(json.dumps(lease, sort_keys=True) for lease in found)


def answered() -> list[Any]:
    try:
        found: list[Any] = ask(SOCKET, "lease4-get-all", {"subnets": [1]})["arguments"]["leases"]
    except (OSError, KeyError):
        return []
    return found


before = leases()
subprocess.run(["systemctl", "start", "kea-lfc.service"], check=True)
after_cleanup = leases()
subprocess.run(["systemctl", "restart", "kea-dhcp4-server.service"], check=True)
after_restart = leases()
print(
    json.dumps(
        {
            "addresses": [json.loads(lease)["ip-address"] for lease in before],
            "same_after_cleanup": after_cleanup == before,
            "same_after_restart": after_restart == before,
        }
    )
)
