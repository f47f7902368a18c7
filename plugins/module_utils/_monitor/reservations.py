# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: moves the monitor's reservation files to the directory that its configuration names.

Former releases of the monitor wrote into the directory of Kea's includes. Now it has a directory of its own. A release
and its configuration are put in force or reverted together, so the files follow the configuration in both directions.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
import re
import stat
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from .._config.servers import WRITTEN
from .._errors import KeaError
from .._kea import approvals, durable, host_maps, identifiers, tree
from .._moves.reservation_files import FROM_DATABASE
from . import config as monitor_config
from .names import USER

NAME = re.compile(r"subnet-\d+\.json")
REPORT = "report"
"""Directory of the applier's report, beside the monitor's own directory."""
_LARGEST = 2**29
"""Bytes of a file that is compacted: its writer is not trusted with all of this host's memory."""
SHARED_MODE, OWN_MODE = 0o2770, 0o750
"""Modes of the directory of includes: former releases of the monitor wrote there as a member of Kea's group."""


class ReservationFiles:
    """The reservation files that the monitor with this configuration file reads and writes."""

    def __init__(self, config: str, includes: str, written: str = WRITTEN[4], family: int = 4) -> None:
        """``includes`` is the directory of what Kea includes, in which former releases wrote, too."""
        self._config = config
        self._includes = includes
        self._written = written
        self._family = family

    @property
    def directory(self) -> Optional[str]:
        """Return where the monitor writes; None if its reservations are not in files, or elsewhere."""
        found = monitor_config.reservation_directory(self._config, self._includes, self._family)
        return found if found in (self._includes, self._written) and tree.is_directory(found) else None

    def misplaced(self) -> Dict[str, str]:
        """Return the files to move, and their new paths. Raises KeaError, also if a file is in both directories.

        Only a move from the database writes over a file of the monitor.
        """
        target = self.directory
        source = self._written if target == self._includes else self._includes
        if target is None:
            return {}
        with _explained(target):
            moves = {os.path.join(source, name): os.path.join(target, name) for name in _names(source)}
            fresh = tree.status(os.path.join(self._includes, FROM_DATABASE)) is not None
            for one, other in moves.items() if not fresh else ():
                if tree.status(other) is not None and tree.read(one) != tree.read(other):
                    raise KeaError(
                        f"{one} and {other} differ. The monitor uses the latter: move {one} away, or merge them"
                    )
        return moves

    def move(self) -> None:
        """Move the files, and leave them as any release of the monitor reads them.

        The monitor must be stopped. May be killed at any step and run again. Raises KeaError.
        """
        target, moves = self.directory, self.misplaced()
        if target is None:
            return
        with _explained(target):
            if target == self._includes:
                _set_mode(target, SHARED_MODE)
            owner = _owner(target) if moves else None
            if target != self._includes:
                self._approve(moves)
            for one, other in sorted(moves.items()):
                durable.replace(other, tree.read(one), 0o640, owner)
                durable.remove(one)
            for name in _names(target):
                _compact(os.path.join(target, name))
            durable.remove(os.path.join(self._includes, FROM_DATABASE))
            if target != self._includes:
                # The role kea_server leaves it shared as long as a former release may be in force.
                _set_mode(self._includes, OWN_MODE, before=SHARED_MODE)

    def _approve(self, moves: Iterable[str]) -> None:
        """Approve what Kea included until now: the applier has not included it yet, and the leases may be gone."""
        report = os.path.join(os.path.dirname(self._written), REPORT)
        found = tree.status(report)
        claims = [claim for path in sorted(moves) for claim in _claims(path)]
        if claims and found is not None:
            approvals.write(report, claims, (found.st_uid, found.st_gid))


def _compact(path: str) -> None:
    """Write a file again without the maps that do not count, if it has any; what cannot be read is left alone."""
    try:
        found, content = tree.status(path, follow=False), tree.read(path, _LARGEST)
        compacted = host_maps.compacted(content)
    except (OSError, ValueError):
        return
    if found is not None and compacted != content:
        durable.replace(path, compacted, 0o640, (found.st_uid, found.st_gid))


def _claims(path: str) -> List[approvals.Approval]:
    """Return what the reservations of a file claim; nothing of a file that cannot be read, which is left alone."""
    subnet = int(re.sub(r"\D", "", os.path.basename(path)))
    try:
        values = [one.value for one in host_maps.parse(tree.read(path).decode("utf-8", "surrogateescape")).maps]
    except ValueError:
        return []
    return [(subnet, *claim) for value in values if isinstance(value, dict) for claim in _claimed(value)]


def _claimed(host: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """Return the client of a host, as the applier names it, with each of its addresses and prefixes."""
    addresses = [*host_maps.addresses_of(host), *host_maps.prefixes_of(host)]
    try:
        known = [f"{kind} {identifiers.spell(identifiers.parse(str(host[kind])))}" for kind in _kinds(host)]
    except ValueError:
        return []
    return [(name, _spelled(address)) for name in known for address in addresses or [""]]


def _kinds(host: Mapping[str, Any]) -> List[str]:
    return [kind for kind in identifiers.TYPES if kind in host]


def _spelled(address: str) -> str:
    """Return an address or a prefix in its one spelling; another text as it is."""
    with contextlib.suppress(ValueError):
        alone, slash, length = address.partition("/")
        return f"{ipaddress.ip_address(alone)}{slash}{length}"
    return address


def _names(directory: str) -> List[str]:
    if not tree.is_directory(directory):
        return []
    with tree.at(os.path.join(directory, FROM_DATABASE), follow=False) as spot:
        return [name for name in spot.names() if NAME.fullmatch(name)]


def _owner(directory: str) -> Tuple[int, int]:
    """Return the monitor's user and the group of a directory, which is Kea's."""
    found = tree.status(directory)
    return pwd.getpwnam(USER).pw_uid, found.st_gid if found else 0


def _set_mode(directory: str, mode: int, before: Optional[int] = None) -> None:
    """Set the mode of a directory that exists, if that was the mode before; None for any."""
    with tree.at(directory, follow=False) as spot:
        found = spot.stat()
        if found is not None and before in (None, stat.S_IMODE(found.st_mode)):
            spot.own(found.st_uid, found.st_gid, mode)


@contextlib.contextmanager
def _explained(directory: str) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError) as error:
        raise KeaError(f"The reservation files cannot be moved to {directory}: {error}") from error
