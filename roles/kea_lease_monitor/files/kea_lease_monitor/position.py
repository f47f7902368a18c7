# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Positions in a source. Their text carries kind and version; the state store does not interpret it."""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Union

from kea_lease_monitor.errors import PositionLostError


class FilePosition(NamedTuple):
    """Position after the last row read from a lease file, or within the reading of all leases while ``inode`` is 0.

    The bytes before ``offset`` tell a file from another with the same inode number. All lease files of Kea begin with
    the same line.
    """

    device: int
    inode: int
    offset: int
    """Bytes; while all leases are read, the number of leases delivered."""
    checksum: int
    """CRC-32 of the last bytes before ``offset``."""
    companions: int = 0
    """Checksum of the files of rotations and LFC runs, when this was the current file. A later file may get the inode
    number of a removed one. While only the first line is before ``offset``, nothing else tells them apart."""
    judged_at: float = 0.0
    """When leases were last judged by the clock, epoch seconds; see sources.base.require_clock."""


class Snapshot(NamedTuple):
    """PostgreSQL's ``pg_snapshot``: the transactions committed at one moment."""

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
    """Position after all event rows visible in ``seen``, and those visible in ``target`` up to (xid, id).

    ``seen.xmin`` is the horizon. Rows above it that ``seen`` shows were delivered ahead of older transactions. A long
    transaction anywhere in the cluster therefore costs one number in a list, instead of a record of every row since.
    """

    system: str
    """System identifier and timeline: transaction numbers mean nothing in another cluster or after a failover."""
    taken_at: float
    """When ``seen`` was taken, epoch seconds by the database's clock."""
    seen: Snapshot
    target: Optional[Snapshot]
    """Snapshot of the pass in progress; None between passes."""
    xid: int
    id: int
    scanned: Optional[int]
    """Ordinal of the last address delivered while all leases are read; None when that is done."""
    lost: int = 0
    """Number of events that the trigger had lost when all leases were last read."""
    triggers: str = ""
    """The lease tables followed at that time, and the state of their triggers."""
    judged_at: float = 0.0
    """As in FilePosition."""


class PollPosition(NamedTuple):
    """Position after all leases written by transactions visible in ``seen``, and up to ``address`` of this pass."""

    system: str
    """As in EventPosition."""
    taken_at: float
    seen: Snapshot
    target: Optional[Snapshot]
    """Becomes ``seen`` at the end of the pass; None between passes."""
    address: int
    """An ordinal; see kea.identifiers."""
    whole: bool
    """Whether the pass goes through all leases."""
    families: str = "4"
    """Address families whose leases were read."""
    judged_at: float = 0.0
    """As in FilePosition."""


Position = Union[FilePosition, EventPosition, PollPosition]

_ADDED: Dict[int, List[Any]] = {1: [0, "", 0.0], 2: ["", 0.0], 3: [0.0], 4: []}
"""Values of the fields that an EventPosition of an older version lacks."""

_COMPANIONS: Dict[int, List[Any]] = {1: [0, 0.0], 2: [0.0], 3: []}
"""Values of the fields that a FilePosition of an older version lacks."""


def reading_all(position: Position) -> bool:
    """Return whether all present leases follow, and not events."""
    if isinstance(position, FilePosition):
        return position.inode == 0
    return position.whole if isinstance(position, PollPosition) else position.scanned is not None


def dump(position: Position) -> str:
    """Return the text that a bookmark keeps."""
    if isinstance(position, FilePosition):
        return json.dumps(["file", 3, *position])
    fields: List[Any] = [str(field) if isinstance(field, Snapshot) else field for field in position]
    return json.dumps(["poll", 2, *fields] if isinstance(position, PollPosition) else ["events", 4, *fields])


def load(text: str) -> Position:
    """Parse the text of ``dump``. Raises PositionLostError for another version: reading all leases is always right."""
    try:
        kind, version, *fields = json.loads(text)
        if kind == "file" and version in _COMPANIONS:
            numbers: List[Any] = [*fields, *_COMPANIONS[version]]
            device, inode, offset, checksum, companions, judged_at = numbers
            found = FilePosition(int(device), int(inode), int(offset), int(checksum), int(companions))
            return found._replace(judged_at=float(judged_at))
        if kind == "events" and version in _ADDED:
            known: List[Any] = [*fields, *_ADDED[version]]
            system, taken_at, seen, target, *more = known
            parsed = None if target is None else Snapshot.parse(target)
            return EventPosition(system, taken_at, Snapshot.parse(seen), parsed, *more)
        if kind == "poll" and version in (1, 2):
            system, taken_at, seen, target, *more = fields
            parsed = None if target is None else Snapshot.parse(target)
            return PollPosition(system, taken_at, Snapshot.parse(seen), parsed, *more)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise PositionLostError(f"the stored position {text[:80]!r} cannot be read") from error
    raise PositionLostError(f"the stored position is of kind {kind!r}, version {version!r}")
