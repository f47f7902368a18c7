# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the kinds of things in the manifest: how to read the state of each, and how to restore it.

Owners are numbers, because a user can be removed before its files are restored.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pwd
import stat
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence

from .._kea import durable, removal, tree
from . import contexts
from . import packages
from . import ports
from . import postgres
from .._host import systemd
from .document import Manifest, ManifestError, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

ABSENT: State = {"state": "absent"}


class Kind(NamedTuple):
    """``look`` returns the state of a thing, without its content. ``put`` restores a state, or raises KeaError."""

    look: Callable[[AnsibleModule, str], State]
    put: Callable[[AnsibleModule, Manifest, str, State], None]


def look(module: AnsibleModule, kind: str, name: str, keep: Optional[Manifest] = None) -> State:
    """Return the state of a thing. With ``keep``, that manifest keeps a copy of its content."""
    try:
        state = KINDS[kind].look(module, name)
        if keep and "sha256" in state and not module.check_mode:
            state["sha256"] = keep.keep(tree.read(name))
    except OSError as error:
        raise ManifestError(f"{error.filename or name} cannot be recorded: {error.strerror}") from error
    return state


def put(module: AnsibleModule, manifest: Manifest, kind: str, name: str, state: State) -> None:
    """Restore a state. Raises KeaError."""
    try:
        KINDS[kind].put(module, manifest, name, state)
    except OSError as error:
        raise ManifestError(f"{error.filename or name} cannot be restored: {error.strerror}") from error


def _look_file(_module: AnsibleModule, name: str) -> State:
    try:
        with tree.at(name, follow=False) as spot:
            return _state_at(spot)
    except (FileNotFoundError, NotADirectoryError):
        return dict(ABSENT)


def _state_at(spot: tree.Spot) -> State:
    found = spot.stat()
    if found is None:
        return dict(ABSENT)
    if stat.S_ISLNK(found.st_mode):
        return {"state": "link", "target": os.readlink(spot.name, dir_fd=spot.directory)}
    state: Dict[str, Any] = {"uid": found.st_uid, "gid": found.st_gid, "mode": f"{stat.S_IMODE(found.st_mode):04o}"}
    if stat.S_ISDIR(found.st_mode):
        return {"state": "directory", **state}
    return {"state": "file", **state, "sha256": hashlib.sha256(spot.read()).hexdigest()}


def _put_file(module: AnsibleModule, manifest: Manifest, name: str, state: State) -> None:
    now = _look_file(module, name)["state"]
    if now not in ("absent", state["state"]):
        _remove(name)
    if state["state"] == "link":
        _remove(name)
        durable.link(name, state["target"])
    elif state["state"] == "directory":
        tree.make_directories(name)
        _own(name, state)
    elif state["state"] == "file" and _look_file(module, name).get("sha256") == state["sha256"]:
        _own(name, state)
    elif state["state"] == "file":
        owner = (state["uid"], state["gid"])
        durable.replace(name, manifest.copy(state["sha256"]), int(state["mode"], 8), owner)


def _own(path: str, state: State) -> None:
    with tree.at(path, follow=False) as spot:
        spot.own(state["uid"], state["gid"], int(state["mode"], 8))


def _remove(path: str) -> None:
    """Remove a path. A directory with unknown files stays."""
    with tree.at(path, follow=False) as spot:
        found = spot.stat()
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            spot.unlink()
            return
        try:
            spot.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def _look_tree(_module: AnsibleModule, name: str) -> State:
    """Return the state of a directory whose files all belong to the collection, so only its presence counts."""
    return {"state": "directory" if tree.is_directory(name) else "absent"}


def _put_tree(_module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    if state == ABSENT:
        removal.remove_tree(name)


def _look_unit(module: AnsibleModule, name: str) -> State:
    unit = systemd.find(module, name)
    return {"state": "loaded", "active": unit.active, "enabled": unit.enabled} if unit else dict(ABSENT)


def _put_unit(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    """Restore a unit. One that was absent is stopped and disabled, so that its file can be removed."""
    now, words = _look_unit(module, name), []
    module.run_command(["systemctl", "daemon-reload"])
    if now.get("enabled", False) != state.get("enabled", False):
        words.append("enable" if state.get("enabled", False) else "disable")
    if state.get("active", False):
        words += [] if now.get("active", False) else ["start"]
    elif now != ABSENT:
        # Also one that is not active: it may wait for its next start after a failure.
        words.append("stop")
    for word in words:
        code, _out, err = module.run_command(["systemctl", word, name])
        if code:
            raise ManifestError(f"systemctl {word} {name} failed: {err.strip()}")


def _look_user(_module: AnsibleModule, name: str) -> State:
    try:
        return {"state": "present", "uid": pwd.getpwnam(name).pw_uid}
    except KeyError:
        return dict(ABSENT)


def _put_user(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    if state != ABSENT:
        raise ManifestError(f"the user {name} existed before the collection and is missing now; create it again")
    code, _out, err = module.run_command(["userdel", name])
    if code:
        raise ManifestError(f"userdel {name} failed: {err.strip()}")


def _look_leases(_module: AnsibleModule, name: str) -> State:
    return {"state": "file" if _beginning_with(name) else "absent"}


def _put_leases(_module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    """Delete the lease file with the files of kea-lfc and of moves beside it."""
    for path in _beginning_with(name) if state == ABSENT else []:
        durable.remove(path)


def _beginning_with(path: str) -> List[str]:
    """Return the paths of all that begins with this path, in its directory."""
    try:
        with tree.at(path, follow=False) as spot:
            return [spot.beside(name).path for name in spot.names() if name.startswith(spot.name)]
    except FileNotFoundError:
        return []


KINDS: Dict[str, Kind] = {
    "package": Kind(packages.look, packages.put),
    "port": Kind(ports.look, ports.put),
    "fcontext": Kind(contexts.look, contexts.put),
    "user": Kind(_look_user, _put_user),
    "role": Kind(postgres.look_role, postgres.put_role),
    "database": Kind(postgres.look_database, postgres.put_database),
    "leases": Kind(_look_leases, _put_leases),
    "reservations": Kind(_look_tree, _put_tree),
    "file": Kind(_look_file, _put_file),
    "tree": Kind(_look_tree, _put_tree),
    "unit": Kind(_look_unit, _put_unit),
}
"""In the order of recording. A roll-back takes the reverse order, so units stop first. A file is a file, a directory or
a link, with its owner, mode and digest; a link is not followed."""

DATA = {"leases": "leases", "reservations": "reservations", "database": "database", "role": "database"}
"""Kinds that hold data, which a roll-back keeps unless ``purge`` names it, and the word for that."""

_FLEETING = ("active", "version")
_ACCESS = ("uid", "gid", "mode")


def same(one: State, other: State) -> bool:
    """Whether two states are the same, but for what is active at the moment and for the version of a package."""
    return bool(_lasting(one) == _lasting(other))


def same_content(one: State, other: State) -> bool:
    """Whether two states have the same content, whatever their owners and modes."""
    return bool(_lasting(one, _ACCESS) == _lasting(other, _ACCESS))


def _lasting(state: State, but: Sequence[str] = ()) -> State:
    return {name: value for name, value in state.items() if name not in (*_FLEETING, *but)}
