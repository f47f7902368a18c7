# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads, edits and replaces a configuration file of Kea, after Kea itself has tested the new one.

The candidate is in the directory of the live file: the rename must stay on one file system, and AppArmor lets Kea read
only below /etc/kea. Kea tests it as its own user, because root can read more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple

from .._errors import KeaError
from .._kea import durable, locks, program as kea_program, tree
from .document import MISSING, Document
from .path import Path, parse_path
from .secret import secrets_in, secrets_in_text
from .servers import PROGRAMS
from .syntax import (
    KeaJsonError,
    from_plain,
    same,
    value_of,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


LOCKS = "/run/baremetal-kea"
"""Directory of root's with the locks of the configuration files."""
LOCK_TIMEOUT = 120.0
"""Seconds that another module may hold the lock of a file, which it does for one test by Kea."""


def config_options() -> Dict[str, Dict[str, Any]]:
    """Return the options of every module that writes a configuration file."""
    return {
        "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
        "kea_user": {"type": "str", "default": "_kea"},
        "backup": {"type": "bool", "default": True},
    }


class Settings:
    """Changes that ``kea_config`` was asked for: values at paths, and paths to remove."""

    def __init__(self, settings: Dict[str, Any], absent: List[str]) -> None:
        """Raises KeaJsonError for a path that cannot be read, or that is both in ``settings`` and in ``absent``."""
        self.wanted = [(parse_path(path), from_plain(value)) for path, value in settings.items()]
        self.unwanted = [parse_path(path) for path in absent]
        for path, text in zip(self.unwanted, absent):
            if any(wanted[: len(path)] == path for wanted, _value in self.wanted):
                raise KeaJsonError(f"{text} is both in settings and in absent")

    @property
    def top(self) -> str:
        """Return the map at the top of a file that does not exist yet."""
        return next((str(path[0]) for path, _value in self.wanted), "Dhcp4")

    def edit(self, document: Document) -> Document:
        """Return the document with all changes. Raises KeaJsonError."""
        for path, value in self.wanted:
            document = document.put(path, value)
        for path in self.unwanted:
            document = document.drop(path)
        return document

    def differing(self, before: Document, after: Document) -> List[Path]:
        """Return the paths whose values differ between both."""
        paths = [path for path, _value in self.wanted] + self.unwanted
        return [path for path in paths if not _same_at(path, before, after)]


def update(
    module: AnsibleModule, edit: Callable[[Document], Document], top: str
) -> Tuple[Document, Document, Dict[str, Any]]:
    """Apply ``edit`` to the file that the module's options name. In check mode nothing is written.

    ``top`` is the map at the top of a new file. Return the document before and after, and the module's result. Raises
    KeaError, with nothing changed.
    """
    path = _real(module.params["path"])
    if module.check_mode:
        return _update(module, path, edit, top)
    with _alone(path):
        return _update(module, path, edit, top)


def _update(
    module: AnsibleModule, path: str, edit: Callable[[Document], Document], top: str
) -> Tuple[Document, Document, Dict[str, Any]]:
    exists, text = _read(path, top)
    try:
        before = Document(text)
        after = edit(before)
    except KeaJsonError as error:
        raise KeaError(f"{path}: {error}") from error
    for document in (before, after):
        module.no_log_values.update(filter(None, secrets_in(value_of(document.root))))
        module.no_log_values.update(filter(None, secrets_in_text(document.text)))
    result: Dict[str, Any] = {"path": path, "changed": not exists or after.text != before.text}
    if result["changed"] and module._diff:
        result["diff"] = {
            "before_header": path,
            "after_header": path,
            "before": _printable(before.masked()) if exists else "",
            "after": _printable(after.masked()),
        }
    if module.check_mode:
        return before, after, result
    _remove_candidates(path)
    backup = _swap(module, path, after) if result["changed"] else None
    if backup:
        result["backup_file"] = backup
    return before, after, result


def top_of(document: Document) -> str:
    """Return the map at the top that names the server. Raises KeaError if there is none."""
    for top in PROGRAMS:
        if document.get((top,)) is not MISSING:
            return top
    raise KeaError(f"the configuration holds none of {', '.join(PROGRAMS)}, so no server of Kea can read it")


def readable(module: AnsibleModule, user: str, path: str) -> bool:
    """Return whether a user can read the file, directories on the way included. Raises KeaError."""
    test = module.get_bin_path("test", required=True)
    code, _out, _err = module.run_command([*_switch(module, _user(user)), test, "-r", path])
    return bool(code == 0)


def _same_at(path: Path, before: Document, after: Document) -> bool:
    old, new = before.get(path), after.get(path)
    return old is new if MISSING in (old, new) else same(old, new)


def _read(path: str, top: str) -> Tuple[bool, str]:
    """Return whether the file exists, and its text or that of an empty configuration."""
    try:
        return True, tree.read(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return False, f'{{\n  "{top}": {{}}\n}}\n'
    except OSError as error:
        raise KeaError(f"{path} cannot be read: {error.strerror}") from error


def _printable(text: str) -> str:
    """Replace every byte that is not UTF-8: a result must be valid text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _swap(module: AnsibleModule, path: str, document: Document) -> Optional[str]:
    """Replace the file once Kea has accepted the document; return the path of the backup, if any."""
    program, user = _program(module, document), _user(module.params["kea_user"])
    candidate = _candidate(path)
    try:
        mode, owner = _access(path, user)
        durable.write(candidate, document.text.encode("utf-8", "surrogateescape"), mode, owner)
        _ask_kea(module, program, candidate, path, user)
        backup = keep(path) if module.params["backup"] else None
        durable.rename(candidate, path)
    except OSError as error:
        raise KeaError(f"{error.filename or path} cannot be written: {error.strerror}; nothing was changed") from error
    finally:
        durable.remove(candidate)
    return backup


def _candidate(path: str) -> str:
    """Return the path of this process's candidate."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.{os.getpid()}.candidate")


def _remove_candidates(path: str) -> None:
    """Remove what killed runs left; this process holds the lock, so no other one has a candidate now."""
    with contextlib.suppress(FileNotFoundError), tree.at(path, follow=False) as spot:
        found = re.compile(rf"\.{re.escape(spot.name)}\.(?:(?:[0-9]+\.)?candidate|[0-9]+\.[0-9@:-]+~\.tmp)")
        for name in filter(found.fullmatch, spot.names()):
            durable.remove(spot.beside(name).path)


def _real(path: str) -> str:
    """Return the path without links. Raises KeaError for a link that another user may have made."""
    try:
        with tree.at(path) as spot:
            return spot.path
    except FileNotFoundError:
        return path
    except OSError as error:
        raise KeaError(f"{error.filename or path} cannot be used: {error.strerror}; nothing was changed") from error


@contextlib.contextmanager
def _alone(path: str) -> Iterator[None]:
    """Hold the lock of a configuration file from before it is read until the new one is in its place.

    Otherwise one play would put in force what another one has not tested. Raises KeaError after LOCK_TIMEOUT seconds.
    """
    directory, name = os.path.split(path)
    lock = os.path.join(directory, f".{name}.lock")
    if os.geteuid() == 0:
        lock = os.path.join(LOCKS, f"{hashlib.sha256(path.encode()).hexdigest()[:16]}.lock")
    with contextlib.ExitStack() as stack:
        try:
            if os.geteuid() == 0:
                tree.make_directories(LOCKS, 0o700)
            stack.enter_context(locks.held(lock, LOCK_TIMEOUT))
        except locks.LockedError as error:
            raise KeaError(f"another module changes {path}: {error}; nothing was changed") from error
        except OSError as error:
            raise KeaError(f"{lock} cannot be locked: {error.strerror}; nothing was changed") from error
        yield


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise KeaError(f"the user {name} (kea_user) does not exist") from error


def _program(module: AnsibleModule, document: Document) -> str:
    program = PROGRAMS[top_of(document)]
    path: Optional[str] = module.get_bin_path(program)
    if path is None:
        raise KeaError(f"{program} is not installed, so the configuration cannot be tested")
    return path


def _access(path: str, user: pwd.struct_passwd) -> Tuple[int, durable.Owner]:
    """Return mode and owner of the file; a new one belongs to Kea's user and is closed to others."""
    found = tree.status(path)
    if found is None:
        return 0o640, (user.pw_uid, user.pw_gid)
    return found.st_mode & 0o7777, (found.st_uid, found.st_gid)


def _ask_kea(module: AnsibleModule, program: str, candidate: str, path: str, user: pwd.struct_passwd) -> None:
    """Raise KeaError with Kea's message if it refuses the candidate."""
    command = [*_switch(module, user), *kea_program.check_command(program, candidate)]
    code, out, err = module.run_command(command, environ_update=kea_program.ENVIRONMENT)
    if code != 0:
        words = (err.strip() or out.strip()).replace(candidate, path)
        raise KeaError(f"Kea refuses the configuration: {words}")


def _switch(module: AnsibleModule, user: pwd.struct_passwd) -> List[str]:
    """Return the command prefix that switches to the user; empty if this process is not root."""
    if os.geteuid() != 0:
        return []
    ids = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid)]
    return [module.get_bin_path("setpriv", required=True), *ids, "--init-groups", "--"]


def keep(path: str) -> Optional[str]:
    """Copy a file, with its owner and mode, before it is replaced. Return the path of the copy; None without a file."""
    backup = f"{path}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S')}~"
    return backup if copy(path, backup) else None


def copy(source: str, target: str) -> bool:
    """Copy a file with its owner and mode over another one, atomically. Return whether there is one. Raises OSError."""
    with tree.at(source) as spot:
        found = spot.stat()
        if found is None:
            return False
        durable.replace(target, spot.read(), found.st_mode & 0o7777, (found.st_uid, found.st_gid))
    return True
