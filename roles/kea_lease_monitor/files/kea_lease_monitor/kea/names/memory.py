# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one look at the names remembers for the next one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Dict, List

from _kea.named_leases import Named

from kea_lease_monitor import files


@dataclass
class Memory:
    """The file of it. A missing or damaged one has all names compared."""

    pid: int = 0
    """Process of D2. Another one has lost what waited in the one before."""
    failures: int = 0
    """Changes that this process of D2 failed to bring to DNS."""
    owed: bool = True
    """Whether names in DNS may be wrong."""
    fruitless: int = 0
    """Comparisons in a row, after failures, that found nothing to send."""
    compared: float = 0.0
    """When all names were compared, epoch seconds."""
    hourly: float = 0.0
    """When the hourly comparison was, which forgets all tries."""
    listed: float = 0.0
    """When the names of leases were listed."""
    tries: Dict[str, int] = field(default_factory=dict)
    """How often a change was sent again, by address and name."""
    silent: List[str] = field(default_factory=list)
    """Zones whose server was away at the last comparison."""
    known: Dict[str, Named] = field(default_factory=dict)
    """Leases whose names are in DNS, by address and name."""

    def start_over(self) -> None:
        """Have the next look compare all names, and send what is wrong however often it was sent."""
        self.owed, self.fruitless = True, 0
        self.tries.clear()


def read(path: str) -> Memory:
    """Return what the file says. Raises TemporaryError."""
    found = files.read(path)
    try:
        values = json.loads(found or b"{}")
        known = {key: Named(*one) for key, one in values.pop("known", {}).items()}
        return Memory(**values, known=known)
    except (ValueError, TypeError, AttributeError):
        return Memory()


def write(path: str, memory: Memory) -> None:
    """Write the file. Raises TemporaryError."""
    files.replace(path, json.dumps(asdict(memory)).encode(), 0o640)
