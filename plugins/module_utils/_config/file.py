# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads, edits and replaces a configuration file of Kea, with its lock held."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Sequence, Tuple

from .._errors import KeaError
from .._kea import locks, tree
from .document import MISSING, Document
from .path import Path, parse_path
from .secret import secrets_in, secrets_in_text
from .sources import Sources
from .swap import Swap, remove_candidates
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
        "kea_user": {"type": "str"},
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
    with alone(module):
        return update_alone(module, edit, top, included)


def update_alone(
    module: AnsibleModule, edit: Callable[[Document], Document], top: str, included: Sequence[str] = ()
) -> Tuple[Document, Document, Dict[str, Any]]:
    """Do the same with the lock of the file held by the caller."""
    path = _real(module.params["path"])
    exists, text = _read(path, top)
    try:
        sources = Sources(path, text, included)
        before = Document(sources.text, sources.directives)
        after = edit(before)
        files = _changed(sources, after)
        old, new = sources.split(before.masked()), sources.split(after.masked())
    except KeaJsonError as error:
        # Without a cause: pylint of ansible-core 2.16 takes this class for something that is none.
        raise KeaError(f"{path}: {error}") from None
    for document in (before, after):
        module.no_log_values.update(filter(None, secrets_in(value_of(document.root))))
        module.no_log_values.update(filter(None, secrets_in_text(document.text)))
    result: Dict[str, Any] = {"path": path, "changed": not exists or bool(files)}
    if result["changed"] and module._diff:
        diffs = [_diff(name, old[name] if exists else "", new[name]) for name in files or [path]]
        result["diff"] = diffs if len(diffs) > 1 else diffs[0]
    if module.check_mode:
        return before, after, result
    remove_candidates(path)
    if result["changed"]:
        swap = Swap(module, path, after)
        backup = (
            swap.files(files, sources.whole(after.text)) if set(files) - {path} else swap.file(files.get(path, text))
        )
        result.update({"backup_file": backup} if backup else {})
    return before, after, result


@contextlib.contextmanager
def alone(module: AnsibleModule) -> Iterator[None]:
    """Hold the lock of the file that the module's options name; in check mode there is nothing to lock."""
    with contextlib.nullcontext() if module.check_mode else _alone(_real(module.params["path"])):
        yield


def _changed(sources: Sources, after: Document) -> Dict[str, str]:
    """Return the new text of each file that differs, by its path. Raises KeaJsonError."""
    return {path: text for path, text in sources.split(after.text).items() if text != sources.files[path]}


def _diff(path: str, before: str, after: str) -> Dict[str, str]:
    return {"before_header": path, "after_header": path, "before": _printable(before), "after": _printable(after)}


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
