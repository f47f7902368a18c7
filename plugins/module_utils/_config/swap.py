# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: replaces a configuration file of Kea, after Kea itself has tested the new one.

The candidate is in the directory of the live file: the rename must stay on one file system, and AppArmor lets Kea read
only below /etc/kea. Kea tests it as its own user, because root can read more.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import time
from typing import TYPE_CHECKING, Dict, List, Optional, Tuple

from .._errors import KeaError
from .._kea import durable, program as kea_program, tree
from .document import MISSING, Document
from .packagings import user_of
from .servers import PROGRAMS

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Swap:
    """Replaces files once Kea has accepted them. Raises KeaError, with nothing changed.

    The caller holds the lock of the configuration file.
    """

    def __init__(self, module: AnsibleModule, path: str, document: Document) -> None:
        self._module = module
        self._path = path
        self._program = _program(module, document)
        self._user = _user(user_of(module))

    def file(self, text: str) -> Optional[str]:
        """Replace the configuration file, and return the path of its backup, if any."""
        path, candidate = self._path, _candidate(self._path)
        try:
            self._test(text)
            backup = self._keep(path)
            durable.rename(candidate, path)
        except OSError as error:
            raise _unwritten(error, path) from error
        finally:
            durable.remove(candidate)
        return backup

    def files(self, texts: Dict[str, str], whole: str) -> Optional[str]:
        """Replace several files, of which Kea tests the ``whole``, and return the backup of the configuration file.

        The configuration is last. After a kill between two of them, the next run replaces the others.
        """
        try:
            self._test(whole)
        except OSError as error:
            raise _unwritten(error, self._path) from error
        finally:
            durable.remove(_candidate(self._path))
        backup = None
        for path in sorted(texts, key=lambda one: one == self._path):
            try:
                mode, owner = _access(path, self._user)
                kept = self._keep(path)
                durable.replace(path, _encoded(texts[path]), mode, owner)
            except OSError as error:
                raise KeaError(f"{error.filename or path} cannot be written: {error.strerror}") from error
            backup = kept if path == self._path else backup
        return backup

    def _test(self, text: str) -> None:
        candidate = _candidate(self._path)
        mode, owner = _access(self._path, self._user)
        durable.write(candidate, _encoded(text), mode, owner)
        _ask_kea(self._module, self._program, candidate, self._path, self._user)

    def _keep(self, path: str) -> Optional[str]:
        return keep(path) if self._module.params["backup"] else None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unwritten(error: OSError, path: str) -> KeaError:
    return KeaError(f"{error.filename or path} cannot be written: {error.strerror}; nothing was changed")


def _candidate(path: str) -> str:
    """Return the path of this process's candidate."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.{os.getpid()}.candidate")


def remove_candidates(path: str) -> None:
    """Remove what killed runs left; this process holds the lock, so no other one has a candidate now."""
    with contextlib.suppress(FileNotFoundError), tree.at(path, follow=False) as spot:
        found = re.compile(rf"\.{re.escape(spot.name)}\.(?:(?:[0-9]+\.)?candidate|[0-9]+\.[0-9@:-]+~\.tmp)")
        for name in filter(found.fullmatch, spot.names()):
            durable.remove(spot.beside(name).path)


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
