# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which files of a configuration the running Kea has not read, and in what they differ from what it has.

Times alone tell that of an edit by a person. They mislead where Kea took a change by command, and where a refused
change was reverted. So a record holds the text that Kea has, for as long as Kea reads nothing else.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .._config.document import Document
from .._config.syntax import KeaJsonError
from .._errors import KeaError
from .._host import systemd
from .._kea import control, durable, tree
from .._kea.reading import Reading, reading_of
from . import config

DIRECTORY = "/var/lib/baremetal-kea"
"""Directory of root's, with the manifest."""
_MODE = 0o600
"""A configuration can hold passwords."""
_TIMEOUT = 5.0
"""Seconds that Kea has for an answer."""
_LINES, _LONGEST = 20, 160
"""Lines of a difference that are shown, and their characters."""

Texts = Mapping[str, str]
"""Texts of files by path; surrogates stand for bytes that are not UTF-8."""


class Running(NamedTuple):
    """The Kea that answers."""

    pid: int
    reading: Reading


class Edit(NamedTuple):
    """A file that changed after Kea read it."""

    path: str
    changed_at: float
    """Epoch seconds."""
    read_at: float
    """Epoch seconds of Kea's reading, or of its start if it does not answer."""
    difference: List[str]
    """Lines with ``-`` and ``+``, without secrets; none if the text that Kea has is not known."""

    def shown(self) -> Dict[str, Any]:
        """Return what modules report about it."""
        return {
            "path": self.path,
            "changed_at": _moment(self.changed_at),
            "read_at": _moment(self.read_at),
            "difference": self.difference,
        }


def texts(path: str) -> Dict[str, str]:
    """Return the texts of a configuration and of the files that it includes and that may be edited.

    A file that cannot be read is left out.
    """
    found: Dict[str, str] = {}
    for one in (path, *config.included(path)):
        with contextlib.suppress(OSError):
            found[one] = tree.read(one).decode("utf-8", "surrogateescape")
    return found


def running(sockets: Any) -> Optional[Running]:
    """Return the Kea that answers on the control sockets of the configuration; None without an answer."""
    for path in control.unix_sockets(sockets):
        try:
            status = control.send(path, "status-get", _TIMEOUT).arguments
        except control.ControlError:
            continue
        return Running(int(status.get("pid", 0)), reading_of(status, time.time()))
    return None


def edits(path: str, sockets: Any, unit: Optional[systemd.Unit]) -> List[Edit]:
    """Return the files of the configuration at ``path`` that the running Kea has not read; none if it does not run."""
    if unit is None or not unit.active:
        return []
    kea = running(sockets)
    known = _record(path, kea)
    latest = kea.reading.latest if kea else unit.since
    found: List[Edit] = []
    for name, text in texts(path).items():
        changed_at = os.lstat(name).st_mtime
        if text != known[name] if name in known else changed_at > latest:
            difference = _difference(known[name], text) if name in known else []
            found.append(Edit(name, changed_at, kea.reading.at if kea else unit.since, difference))
    return found


def note(path: str, sockets: Any, has: Texts) -> None:
    """Record that the running Kea has these texts of its configuration. Only root records it. Raises KeaError.

    What is known of other files stays known.
    """
    kea = running(sockets)
    if kea is None or os.geteuid() != 0:
        return
    record = {"pid": kea.pid, "read_at": kea.reading.at, "files": {**_record(path, kea), **has}}
    try:
        tree.make_directories(DIRECTORY, 0o755)
        durable.replace(_path(path), json.dumps(record).encode(), _MODE)
    except OSError as error:
        raise KeaError(f"{error.filename or _path(path)} cannot be written: {error.strerror}") from error


def _path(path: str) -> str:
    name = os.path.splitext(os.path.basename(path))[0]
    return os.path.join(DIRECTORY, f"in-force-{name}.json")


def _record(path: str, kea: Optional[Running]) -> Dict[str, str]:
    """Return the texts that the running Kea has; empty if it has read something else since the record."""
    try:
        found = json.loads(tree.text(_path(path)))
        is_same = kea is not None and found["pid"] == kea.pid and kea.reading.is_same(found["read_at"])
        return dict(found["files"]) if is_same else {}
    except (OSError, ValueError, LookupError, TypeError):
        # Without the record, times decide.
        return {}


def _difference(before: str, after: str) -> List[str]:
    one, other = _masked(before).splitlines(), _masked(after).splitlines()
    if one == other:
        return ["a secret"]
    found = [line for line in difflib.unified_diff(one, other, n=0, lineterm="") if line[:2] not in ("--", "++", "@@")]
    lines = ["".join(char if char.isprintable() else "?" for char in line)[:_LONGEST] for line in found]
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"and {len(lines) - _LINES} more lines"]


def _masked(text: str) -> str:
    """Return a text without its secrets. An included file can be elements of a list, or members of a map."""
    for before, after in (("", ""), ("[", "\n]"), ("{", "\n}")):
        try:
            masked: str = Document(before + text + after).masked()
        except KeaJsonError:
            continue
        return masked[len(before) : len(masked) - len(after)]
    return ""


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
