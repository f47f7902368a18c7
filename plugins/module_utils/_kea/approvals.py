# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a person with root's rights approved: reservations in files that Kea uses without a lease.

An approval is for a client, a subnet and an address. It is written into the directory of the applier's report, which
only Kea's user may write, before the reservation is written into the monitor's file. The applier drops it once Kea
includes the reservation.
"""

from __future__ import annotations

import json
import os
import re
import time
from typing import Any, Iterable, List, Optional, Tuple

from . import durable

Approval = Tuple[int, str, str]
"""Subnet, identifier with its kind (``hw-address 02:00:00:00:00:01``), and address or prefix, empty for none."""

KEPT = "approved.json"
"""File of the applier: what a lease confirmed and Kea refuses for now."""

_MODE = 0o640
_NAME = re.compile(r"approved(-\d{1,20}-\d{1,10})?\.json")


def write(directory: str, approvals: Iterable[Approval], owner: Optional[durable.Owner] = None) -> None:
    """Approve these reservations durably, in a file of their own: the applier may change the other ones at this moment.

    ``directory`` is that of the report, and ``owner`` the user and the group of the file. Raises OSError.
    """
    name = f"approved-{time.time_ns()}-{os.getpid()}.json"
    durable.replace(os.path.join(directory, name), render(approvals), _MODE, owner)


def render(approvals: Iterable[Approval]) -> bytes:
    """Return the content of a file of approvals."""
    return json.dumps(sorted(set(approvals))).encode()


def parse(content: bytes) -> List[Approval]:
    """Return the approvals of a file. Raises ValueError for anything else."""
    found: Any = json.loads(content)
    if not isinstance(found, list) or not all(map(_is_approval, found)):
        raise ValueError("this is no list of approvals")
    return [(one[0], one[1], one[2]) for one in found]


def _is_approval(value: object) -> bool:
    return isinstance(value, list) and [type(field) for field in value] == [int, str, str]


def is_name(name: str) -> bool:
    """Return whether a file with this name holds approvals."""
    return bool(_NAME.fullmatch(name))
