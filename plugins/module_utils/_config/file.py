# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads, edits and replaces a configuration file of Kea, after Kea itself has tested the new one.

The candidate is in the directory of the live file: the rename must stay on one file system, and AppArmor lets Kea read
only below /etc/kea. Kea tests it as its own user, because root can read more.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple

from .._errors import KeaError
from .._kea import durable, program as kea_program
from .document import MISSING, Document
from .path import Path, parse_path
from .servers import PROGRAMS
from .sources import Sources
from .syntax import (
    KeaJsonError,
    from_plain,
    same,
    secrets_in,
    value_of,
)

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


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
    module: AnsibleModule, edit: Callable[[Document], Document], top: str, included: Sequence[str] = ()
) -> Tuple[Document, Document, Dict[str, Any]]:
    """Apply ``edit`` to the file that the module's options name. In check mode nothing is written.

    ``top`` is the map at the top of a new file. The edit sees and may change the included files ``included``, too.
    Return the document before and after, and the module's result. Raises KeaError, with nothing changed.
    """
    path = os.path.realpath(module.params["path"])
    exists, text = _read(path, top)
    try:
        sources = Sources(path, text, included)
        before = Document(sources.text)
        after = edit(before)
        files = _changed(sources, after)
        old, new = sources.split(before.masked()), sources.split(after.masked())
    except KeaJsonError as error:
        raise KeaError(f"{path}: {error}") from error
    for document in (before, after):
        module.no_log_values.update(filter(None, secrets_in(value_of(document.root))))
    result: Dict[str, Any] = {"path": path, "changed": not exists or bool(files)}
    if result["changed"] and module._diff:
        diffs = [_diff(name, old[name] if exists else "", new[name]) for name in files or [path]]
        result["diff"] = diffs if len(diffs) > 1 else diffs[0]
    if module.check_mode:
        return before, after, result
    _remove(_candidate(path))
    if result["changed"]:
        swap = _Swap(module, path, after)
        backup = (
            swap.files(files, sources.whole(after.text)) if set(files) - {path} else swap.file(files.get(path, text))
        )
        result.update({"backup_file": backup} if backup else {})
    return before, after, result


def _changed(sources: Sources, after: Document) -> Dict[str, str]:
    """Return the new text of each file that differs, by its path. Raises KeaJsonError."""
    return {path: text for path, text in sources.split(after.text).items() if text != sources.files[path]}


def _diff(path: str, before: str, after: str) -> Dict[str, str]:
    return {"before_header": path, "after_header": path, "before": _printable(before), "after": _printable(after)}


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
        with open(path, "rb") as file:
            return True, file.read().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return False, f'{{\n  "{top}": {{}}\n}}\n'
    except OSError as error:
        raise KeaError(f"{path} cannot be read: {error.strerror}") from error


def _printable(text: str) -> str:
    """Replace every byte that is not UTF-8: a result must be valid text."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class _Swap:
    """Replaces files once Kea has accepted them. Raises KeaError, with nothing changed."""

    def __init__(self, module: AnsibleModule, path: str, document: Document) -> None:
        self._module = module
        self._path = path
        self._program = _program(module, document)
        self._user = _user(module.params["kea_user"])

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
            _remove(candidate)
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
            _remove(_candidate(self._path))
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
        return _keep(path) if self._module.params["backup"] else None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unwritten(error: OSError, path: str) -> KeaError:
    return KeaError(f"{error.filename or path} cannot be written: {error.strerror}; nothing was changed")


def _candidate(path: str) -> str:
    """Return the candidate's path, always the same, so that the next run finds what a killed one left."""
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.candidate")


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
    try:
        found = os.stat(path)
    except FileNotFoundError:
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


def _keep(path: str) -> Optional[str]:
    """Give the live file a second name before it is replaced: this takes no space and keeps owner and mode."""
    backup = f"{path}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S')}~"
    try:
        os.link(path, backup)
    except FileNotFoundError:
        return None
    return backup


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
