# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in a source. The text form carries kind and version and means nothing to whoever stores it."""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Union

from kea_lease_monitor.errors import PositionLostError


class FilePosition(NamedTuple):
    """Behind the last row taken from a lease file, or amid the reading of all leases while ``inode`` is 0.

    All of Kea's lease files begin with the same line, so the bytes before ``offset`` are what tells a file from
    another that got the same inode number.
    """

    device: int
    inode: int
    offset: int
    """Bytes; while all leases are read, how many of them were handed over."""
    checksum: int
    """CRC-32 of the last bytes before ``offset``."""
    companions: int = 0
    """Of the files that rotations and clean-ups make, when this was the current one. A later file may get the number of
    one that was removed; while nothing but the first line stands before ``offset``, only this tells them apart."""


class Snapshot(NamedTuple):
    """PostgreSQL's ``pg_snapshot``: what had been committed at a moment, however long other transactions take."""

    xmin: int
    xmax: int
    xip: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        xmin, xmax, xip = text.split(":")
        return cls(int(xmin), int(xmax), tuple(int(xid) for xid in xip.split(",") if xid))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.xip))}"


class EventPosition(NamedTuple):
    """All event rows visible in ``seen`` were taken, and those visible in ``target`` up to (xid, id).

    ``seen`` is the bookmark of the design in closed form: its xmin is the horizon that the bookmark moves to, and
    the rows it shows above that horizon are the ones "delivered ahead". A long transaction anywhere in the cluster
    therefore costs one number in a list, not a memory of every row since.
    """

    system: str
    """System identifier and timeline: transaction numbers mean nothing in another cluster or after a failover."""
    taken_at: float
    """When ``seen`` was taken, epoch seconds by the database's clock."""
    seen: Snapshot
    target: Optional[Snapshot]
    """None between passes."""
    xid: int
    id: int
    scanned: Optional[int]
    """Ordinal of the last address handed over while all leases are read; None when that is done."""
    lost: int = 0
    """Events that the trigger had lost when reading all leases made good for them."""
    triggers: str = ""
    """Which leases were followed at that time, and the state of their triggers."""


class PollPosition(NamedTuple):
    """All leases that transactions visible in ``seen`` wrote were taken, and of a pass under way those up to
    ``address``."""

    system: str
    """As in EventPosition."""
    taken_at: float
    seen: Snapshot
    target: Optional[Snapshot]
    """What will have been seen at the end of the pass; None between passes."""
    address: int
    """An ordinal."""
    whole: bool
    """Whether the pass goes through all leases."""
    families: str = "4"
    """Whose leases were looked at."""


Position = Union[FilePosition, EventPosition, PollPosition]

_ADDED: Dict[int, List[Any]] = {1: [0, ""], 2: [""], 3: []}
"""What the older versions of an EventPosition did not have."""

_COMPANIONS: Dict[int, List[int]] = {1: [0], 2: []}
"""And of a FilePosition."""


def reading_all(position: Position) -> bool:
    """Whether what follows are all present leases, and not what happened to them."""
    if isinstance(position, FilePosition):
        return position.inode == 0
    return position.whole if isinstance(position, PollPosition) else position.scanned is not None


def dump(position: Position) -> str:
    if isinstance(position, FilePosition):
        return json.dumps(["file", 2, *position])
    fields: List[Any] = [str(field) if isinstance(field, Snapshot) else field for field in position]
    return json.dumps(["poll", 1, *fields] if isinstance(position, PollPosition) else ["events", 3, *fields])


def load(text: str) -> Position:
    """Raises PositionLostError for a text of another version or kind: reading anew is always right."""
    try:
        kind, version, *fields = json.loads(text)
        if kind == "file" and version in (1, 2):
            return FilePosition(*(int(field) for field in [*fields, *_COMPANIONS[version]]))
        if kind == "events" and version in (1, 2, 3):
            known: List[Any] = [*fields, *_ADDED[version]]
            system, taken_at, seen, target, *more = known
            parsed = None if target is None else Snapshot.parse(target)
            return EventPosition(system, taken_at, Snapshot.parse(seen), parsed, *more)
        if (kind, version) == ("poll", 1):
            system, taken_at, seen, target, *more = fields
            parsed = None if target is None else Snapshot.parse(target)
            return PollPosition(system, taken_at, Snapshot.parse(seen), parsed, *more)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise PositionLostError(f"the stored position {text[:80]!r} cannot be read") from error
    raise PositionLostError(f"the stored position is of kind {kind!r}, version {version!r}")
