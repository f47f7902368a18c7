# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: creates, changes and removes files and directories of a host, many in one round trip.

A file gets its name only when it is complete, on the disk, with its owner and mode, and found to be valid. Every path
is walked as ``_kea/tree.py`` does, so another user who may write a directory leads root nowhere else.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shlex
import stat
from typing import TYPE_CHECKING, Any, Dict, NamedTuple, Optional

from .._errors import KeaError
from .._kea import durable, tree
from . import state_text

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

State = Dict[str, Any]
ABSENT: State = {"state": "absent"}


class Wanted(NamedTuple):
    """A file, a directory, or the absence of both."""

    path: str
    state: str
    content: Optional[str]
    """Content of a file; None keeps the content of an existing one."""
    owner: Optional[str]
    group: Optional[str]
    mode: Optional[str]
    force: bool
    """Whether an existing file gets the content, too."""
    secret: bool
    validate: Optional[str]
    """A command that succeeds for a valid file; %s is its path."""


def wanted(options: Dict[str, Any]) -> Wanted:
    """Return what the options of one file ask for. Raises KeaError if ``src`` cannot be read."""
    given = dict(options)
    source = given.pop("src")
    if source is not None:
        try:
            given.update(content=tree.read(source).decode("utf-8", "surrogateescape"), secret=True)
        except OSError as error:
            raise KeaError(f"{source} cannot be read: {error.strerror}; nothing was changed") from error
    for what, look_up in (("owner", pwd.getpwuid), ("group", grp.getgrgid)):
        if given[what] is not None and given[what].isdigit():
            given[what] = _name(look_up, int(given[what]))
    return Wanted(**given)


def bring_about(module: AnsibleModule, wanted: Wanted) -> Optional[Dict[str, str]]:
    """Bring the file to the wanted state; in check mode nothing is written.

    Return the difference for a diff, or None if there is none. Raises KeaError.
    """
    before = _look(wanted)
    after = _then(wanted, before)
    if before == after:
        return None
    if not module.check_mode:
        try:
            _change(module, wanted, before, after)
        except OSError as error:
            raise KeaError(f"{error.filename or wanted.path} cannot be changed: {error.strerror}") from error
    header = {"before_header": wanted.path, "after_header": wanted.path}
    return {**header, **state_text.diff(_shown(wanted, before, "before"), _shown(wanted, after, "after"))}


def exists(path: str) -> bool:
    """Return whether the path names anything, a link included. Raises KeaError."""
    try:
        return tree.status(path, follow=False) is not None
    except OSError as error:
        raise KeaError(f"{path} cannot be read: {error.strerror}; nothing was changed") from error


def _look(wanted: Wanted) -> State:
    """Return the current state; with the content only if it may change."""
    try:
        with tree.at(wanted.path, follow=wanted.state != "absent") as spot:
            return _look_at(wanted, spot)
    except FileNotFoundError:
        return ABSENT
    except OSError as error:
        raise KeaError(f"{wanted.path} cannot be read: {error.strerror}; nothing was changed") from error


def _look_at(wanted: Wanted, spot: tree.Spot) -> State:
    found = spot.stat()
    if found is None:
        return ABSENT
    kind = "directory" if stat.S_ISDIR(found.st_mode) else "file"
    if wanted.state not in (kind, "absent"):
        raise KeaError(f"{wanted.path} is a {kind}, and a {wanted.state} is wanted; nothing was changed")
    state = {
        "state": kind,
        "owner": _name(pwd.getpwuid, found.st_uid),
        "group": _name(grp.getgrgid, found.st_gid),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
    }
    if kind == "file" and wanted.content is not None and wanted.force:
        state["content"] = spot.read().decode("utf-8", "surrogateescape")
    elif wanted.state != "absent":
        os.close(spot.open())
    return state


def _then(wanted: Wanted, before: State) -> State:
    """Return the state to be reached."""
    if wanted.state == "absent":
        return ABSENT
    if before == ABSENT and wanted.state == "file" and wanted.content is None:
        raise KeaError(f"{wanted.path} does not exist, and no content is given for it")
    default = {"owner": "root", "group": "root", "mode": "0755" if wanted.state == "directory" else "0644"}
    if before == ABSENT and wanted.content is not None:
        default["content"] = wanted.content
    after = {**default, **before, "state": wanted.state}
    given = {"owner": wanted.owner, "group": wanted.group, "mode": wanted.mode}
    after.update({name: value for name, value in given.items() if value is not None})
    if "content" in after:
        after["content"] = wanted.content
    return after


def _change(module: AnsibleModule, wanted: Wanted, before: State, after: State) -> None:
    with tree.at(wanted.path, follow=after != ABSENT) as spot:
        if after == ABSENT:
            (spot.rmdir if before["state"] == "directory" else spot.unlink)()
            spot.sync()
        elif before.get("content") != after.get("content"):
            _write(module, wanted, after, spot)
        else:
            if before == ABSENT:
                spot.mkdir(0o700)
            spot.own(*_owner(wanted.path, after), int(after["mode"], 8))


def _write(module: AnsibleModule, wanted: Wanted, after: State, spot: tree.Spot) -> None:
    candidate = durable.temporary(spot.path)
    content = after["content"].encode("utf-8", "surrogateescape")
    try:
        durable.write_new(candidate, content, int(after["mode"], 8), _owner(wanted.path, after))
        _validate(module, wanted, candidate)
        durable.rename(candidate, spot.path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            spot.beside(os.path.basename(candidate)).unlink()


def _validate(module: AnsibleModule, wanted: Wanted, candidate: str) -> None:
    if wanted.validate is None:
        return
    code, out, err = module.run_command([word.replace("%s", candidate) for word in shlex.split(wanted.validate)])
    if code:
        raise KeaError(f"{wanted.path} is not valid: {(err.strip() or out.strip()).replace(candidate, wanted.path)}")


def _owner(path: str, after: State) -> durable.Owner:
    """Return the numbers of owner and group. Raises KeaError for a user or group that does not exist."""
    try:
        owner, group = after["owner"], after["group"]
        user = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        return user, int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise KeaError(f"{path}: {error.args[0]}") from error


def _name(look_up: Any, number: int) -> str:
    """Return the name of a user or group, or the number if it has none."""
    try:
        return str(look_up(number)[0])
    except KeyError:
        return str(number)


def _shown(wanted: Wanted, state: State, when: str) -> State:
    return {**state, "content": f"(secret, {when})"} if wanted.secret and "content" in state else state
