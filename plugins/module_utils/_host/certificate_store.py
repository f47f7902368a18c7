# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: certificates on a host, each set in a directory that is named after its content.

So a set is never incomplete, and the previous one stays for a configuration that is reverted.
"""

from __future__ import annotations

import grp
import hashlib
import os
import stat
from typing import Dict, List, NamedTuple, Optional

from .._errors import KeaError
from .._kea import durable, removal, tree
from .certificates import Material

NAMES = {"trust_anchor": "ca.pem", "certificate": "cert.pem", "key": "key.pem"}
# With this mode libpq accepts only a key that belongs to root; several users can share it by the group
# (fe-secure-openssl.c).
FILE_MODE, DIRECTORY_MODE = 0o640, 0o750
PREVIOUS_SETS = 1
_BEGIN = "-----BEGIN "


class Store(NamedTuple):
    """Directory with the sets of one user."""

    directory: str
    group: str

    def paths(self, material: Material) -> Dict[str, Optional[str]]:
        """Return the path of each file; None for what was not given."""
        home = os.path.join(self.directory, _name(material))
        given = material._asdict()
        return {what: os.path.join(home, name) if given[what] else None for what, name in NAMES.items()}

    def holds(self, material: Material) -> bool:
        """Return whether the set is there, complete, and open to its group only."""
        try:
            gid = grp.getgrnam(self.group).gr_gid
        except KeyError:
            return False
        home = os.path.join(self.directory, _name(material))
        return (
            _is_as(self.directory, DIRECTORY_MODE, gid)
            and _is_as(home, DIRECTORY_MODE, gid)
            and all(
                _is_as(os.path.join(home, NAMES[what]), FILE_MODE, gid, text)
                for what, text in material._asdict().items()
                if text
            )
        )

    def put(self, material: Material) -> None:
        """Write the set. Raises KeaError."""
        try:
            gid = grp.getgrnam(self.group).gr_gid
        except KeyError as error:
            raise KeaError(f"the group {self.group} does not exist") from error
        try:
            tree.make_directories(self.directory, DIRECTORY_MODE)
            _own(self.directory, DIRECTORY_MODE, gid)
            home = os.path.join(self.directory, _name(material))
            _write(home, material, gid)
        except OSError as error:
            raise KeaError(f"{error.filename} cannot be written: {error.strerror}") from error

    def others(self, material: Material) -> List[str]:
        """Return the other sets, except the newest of them."""
        try:
            with tree.at(os.path.join(self.directory, _name(material))) as spot:
                states = [(one.stat(), one) for one in map(spot.beside, spot.names())]
        except FileNotFoundError:
            return []
        found = [(state.st_mtime, one) for state, one in states if state and stat.S_ISDIR(state.st_mode)]
        found.sort(key=lambda each: each[0], reverse=True)
        return [os.path.join(self.directory, one.name) for _mtime, one in found if one.name != _name(material)][
            PREVIOUS_SETS:
        ]


def remove(path: str) -> None:
    """Remove a set. Raises KeaError."""
    try:
        removal.remove_tree(path)
    except OSError as error:
        raise KeaError(f"{path} cannot be removed: {error.strerror}") from error


def given(what: str, value: Optional[str]) -> Optional[str]:
    """Return the PEM text of an option, which has the text or the path of a file. Raises KeaError."""
    if not value or _BEGIN in value:
        return value or None
    try:
        with tree.at(value) as spot, os.fdopen(spot.open(), encoding="ascii") as file:
            if what == "key" and os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise KeaError(f"{value} is a key that every user of this host can read: set its mode to 0600")
            return file.read()
    except OSError as error:
        raise KeaError(f"{what} {value} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KeaError(f"{what} {value} is not PEM") from error


def _name(material: Material) -> str:
    text = "\0".join(text or "" for text in material)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _write(home: str, material: Material, gid: int) -> None:
    part = home + ".part"
    removal.remove_tree(part)
    tree.make_directories(part, DIRECTORY_MODE)
    _own(part, DIRECTORY_MODE, gid)
    for what, text in material._asdict().items():
        if text:
            path = os.path.join(part, NAMES[what])
            durable.write(path, text.encode("ascii"), FILE_MODE, (0, gid))
    # A rename replaces no directory, and a changed set is of no use.
    removal.remove_tree(home)
    durable.rename(part, home)


def _own(path: str, mode: int, gid: int) -> None:
    with tree.at(path) as spot:
        spot.own(0, gid, mode)


def _is_as(path: str, mode: int, gid: int, text: Optional[str] = None) -> bool:
    try:
        with tree.at(path) as spot:
            found = spot.stat()
            if found is None or (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (0, gid, mode):
                return False
            return text is None or spot.read().decode("ascii") == text
    except (OSError, UnicodeDecodeError):
        return False
