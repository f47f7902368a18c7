# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of the applier: which reservations are written, in force and refused.

Only Kea's user writes it. The monitor and its commands read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import AbstractSet, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, TypeVar

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.hosts import Refusal

REQUESTED = ".apply-requested"
"""File in the monitor's directory; its time is that of the first change that waits to be in force."""

STATUS, REFUSED = "status.json", "refused.json"

_MODE = 0o640
"""The monitor reads it: the directory gives each file its group."""

_FILE = re.compile(r"subnet-(\d{1,10})\.json")

_LONGEST = 1200.0
"""Seconds that an apply may take beyond the interval between reloads: a test, an LFC run and a reload."""


_Parsed = TypeVar("_Parsed")


class Places(NamedTuple):
    """Where the monitor and the applier meet. Each directory has one writer, and the other one reads it."""

    written: str
    """Directory of the monitor's reservation files."""
    report: str
    """Directory of the applier's report."""


DEFAULT = Places("/var/lib/kea-reservations/written", "/var/lib/kea-reservations/report")


class Subnet(NamedTuple):
    """The reservations of one subnet."""

    written: int
    """In the monitor's file."""
    in_force: int
    """In the file that Kea has loaded."""
    refused: int
    source: str
    """Digest of the monitor's file that this is about."""
    error: str = ""
    """Why none of them can be in force."""


class Status(NamedTuple):
    """Result of the last apply."""

    subnets: Mapping[int, Subnet] = {}
    waiting_since: Optional[float] = None
    """Epoch seconds of the first change that is not in force; None if all are."""
    error: str = ""
    """Why the last apply failed, in Kea's words."""
    interval: float = 0.0
    """Seconds between two reloads."""
    loaded: str = ""
    """Digest of what Kea has loaded."""
    read_at: float = 0.0
    """Epoch seconds at which the last apply that succeeded read the monitor's files."""
    reloaded_at: float = 0.0
    """Epoch seconds of the last reload by the applier."""
    planned: bool = False
    """Whether changes wait for a planned reload: Kea is half of a pair, where a reload of its own stops DHCP."""
    edited: Sequence[str] = ()
    """Files of Kea's configuration that a person changed and Kea has not read: changes of ours wait until it has."""
    configuration: Mapping[str, str] = {}
    """Digests of the files of Kea's configuration that the last reload by the applier had Kea read, by path."""

    @property
    def is_held(self) -> bool:
        """Return whether changes wait for a reload by a person or a play."""
        return self.planned or bool(self.edited)

    def only(self, subnets: AbstractSet[int]) -> Status:
        """Return the report of these subnets; of all if none is named."""
        chosen = {number: subnet for number, subnet in self.subnets.items() if not subnets or number in subnets}
        return self._replace(subnets=chosen)

    def held(self) -> int:
        """Return how many reservations wait for a reload by a person or a play, at least."""
        included = [one for one in self.subnets.values() if self.is_held and not one.error]
        return sum(one.written - one.in_force - one.refused for one in included)

    def total(self, field: str) -> int:
        """Return the sum of ``written``, ``in_force`` or ``refused``."""
        return sum(int(getattr(subnet, field)) for subnet in self.subnets.values())


class Refusals(NamedTuple):
    """The refused reservations, and the digest of the configuration that Kea refused them in."""

    configuration: str
    refused: Sequence[Refusal]


def digest(*contents: bytes) -> str:
    """Return a text that differs if any of the contents differs."""
    whole = hashlib.sha256()
    for content in contents:
        whole.update(b"%d:" % len(content) + content)
    return whole.hexdigest()


def read(directory: str) -> Optional[Status]:
    """Return the report, None if there is none yet. Raises TemporaryError."""
    return _load(os.path.join(directory, STATUS), _status)


def _status(found: Any) -> Status:
    subnets = {int(number): Subnet(**subnet) for number, subnet in found.pop("subnets").items()}
    return Status(subnets, **found)


def write(directory: str, status: Status) -> None:
    """Write the report. Raises TemporaryError."""
    subnets = {str(number): subnet._asdict() for number, subnet in sorted(status.subnets.items())}
    _store(os.path.join(directory, STATUS), {**status._asdict(), "subnets": subnets})


def read_refused(directory: str) -> Refusals:
    """Return the refused reservations. Raises TemporaryError."""
    return _load(os.path.join(directory, REFUSED), _refusals) or Refusals("", [])


def _refusals(found: Any) -> Refusals:
    return Refusals(found["configuration"], [Refusal(**one) for one in found["refused"]])


def write_refused(directory: str, refusals: Refusals) -> None:
    """Write the refused reservations. Raises TemporaryError."""
    listed: List[Dict[str, Any]] = [dict(one._asdict()) for one in refusals.refused]
    _store(os.path.join(directory, REFUSED), {"configuration": refusals.configuration, "refused": listed})


def written(directory: str) -> Dict[int, str]:
    """Return the paths of the monitor's reservation files by subnet. Raises TemporaryError."""
    try:
        names = os.listdir(directory)
    except OSError as error:
        raise TemporaryError(f"{directory} cannot be read: {error.strerror}") from error
    found = filter(None, map(_FILE.fullmatch, sorted(names)))
    return {int(name[1]): os.path.join(directory, name[0]) for name in found}


def hashed(content: bytes) -> hashlib._Hash:
    """Return the hash of a reservation file's content, to which more can be added."""
    return hashlib.sha256(content)


def source(path: str) -> str:
    """Return the digest of a reservation file; an empty text if it cannot be read."""
    try:
        return hashed(files.read_regular(path) or b"").hexdigest()
    except TemporaryError:
        return ""


def waiting_since(places: Places, status: Optional[Status]) -> Optional[float]:
    """Return since when the first change waits to be in force, in epoch seconds; None if none does.

    Raises TemporaryError.
    """
    if status and status.waiting_since is not None:
        return status.waiting_since
    seen = {number: subnet.source for number, subnet in status.subnets.items()} if status else {}
    changed = [path for number, path in written(places.written).items() if seen.get(number) != source(path)]
    if not changed:
        return None
    requested = _time(os.path.join(places.written, REQUESTED))
    if requested is not None and (status is None or requested > status.read_at):
        return requested
    return min((each for each in map(_time, changed) if each is not None), default=None)


def request(places: Places, now: float) -> None:
    """Record when a change began to wait, unless an earlier one waits still. Raises TemporaryError."""
    path = os.path.join(places.written, REQUESTED)
    requested, status = _time(path), read(places.report) or Status()
    if requested is None or requested <= status.read_at:
        files.touch(path, now)


def _time(path: str) -> Optional[float]:
    try:
        return os.lstat(path).st_mtime
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TemporaryError(f"{path} cannot be read: {error.strerror}") from error


def problem(places: Places, now: float) -> str:
    """Return why changed reservations do not come into force, empty if they do. Raises TemporaryError."""
    status = read(places.report)
    if status and status.error:
        return f"the reservations in {places.written} are not in force: {status.error}"
    since = None if status and status.is_held else waiting_since(places, status)
    if since is not None and now - since > _LONGEST + (status.interval if status else 0.0):
        return f"the reservations in {places.written} wait for {now - since:.0f} seconds: see kea-reservations.service"
    return ""


def total(directories: Sequence[str], subnets: AbstractSet[int], state: str) -> float:
    """Return how many reservations are ``written``, ``in_force`` or ``refused``; NaN if a report cannot be read.

    ``directories`` are those of the reports. No ``subnets`` are all.
    """
    try:
        return sum((read(directory) or Status()).only(subnets).total(state) for directory in directories)
    except TemporaryError:
        return float("nan")


def waiting(places: Places, now: float) -> float:
    """Return for how many seconds a change has not been in force, 0 without any; NaN if a report cannot be read.

    It is called often, so that the files are read only if one is younger than the last apply.
    """
    try:
        status = read(places.report)
        if status and status.waiting_since is None:
            paths = [os.path.join(places.written, REQUESTED), *written(places.written).values()]
            if all(moment <= status.read_at for moment in map(_time, paths) if moment is not None):
                return 0.0
        since = waiting_since(places, status)
    except TemporaryError:
        return float("nan")
    return 0.0 if since is None else max(0.0, now - since)


def _load(path: str, parse: Callable[[Any], _Parsed]) -> Optional[_Parsed]:
    content = files.read_regular(path)
    try:
        return None if content is None else parse(json.loads(content))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise TemporaryError(f"{path} is damaged, remove it: {error}") from error


def _store(path: str, value: Any) -> None:
    files.replace(path, json.dumps(value, indent=1).encode(), _MODE)
