# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the files of a configuration that a person edited after the last deployment, and that Kea has not read.

A restart would bring such an edit into force. Only what is certain counts: a configuration of which the manifest has
the content that the last deployment left, with another meaning now. Reservations do not count, because kea_reservation
writes them and brings them into Kea by command, without a reload.
"""

from __future__ import annotations

import time
from typing import Any, List, Optional, Sequence

from .._config.document import Document
from .._config.servers import top_of_path
from .._config.syntax import KeaJsonError, same, value_of
from .._kea import control, reading, tree
from .._server import config, served
from .document import Manifest, ManifestError

TIMEOUT = 5.0
"""Seconds that Kea has for an answer."""


def edited(path: str, changed: Sequence[str], manifest: Manifest) -> List[str]:
    """Return those of the files that changed after Kea started in which a person's edit is not in force.

    ``path`` is the configuration. An unfinished deployment may have written any of them, so there is none then.
    """
    if not changed or manifest.unfinished is not None:
        return []
    sockets = config.read(path)["control_sockets"]
    read_at = _read_at(sockets)
    found = [one for one in changed if _is_newer(one, read_at) and _differs(one, manifest)]
    return found if found and not _is_in_force(path, sockets) else []


def _read_at(sockets: Any) -> Optional[float]:
    """Return when Kea read its configuration, at the latest; None if it does not tell."""
    for path in control.unix_sockets(sockets):
        try:
            answer = control.send(path, "status-get", TIMEOUT)
        except control.ControlError:
            continue
        if answer.result == control.SUCCESS:
            return reading.reading_of(answer.arguments, time.time()).latest
    return None


def _is_newer(path: str, read_at: Optional[float]) -> bool:
    try:
        status = tree.status(path)
    except OSError:
        return False
    return status is not None and (read_at is None or status.st_mtime > read_at)


def _differs(path: str, manifest: Manifest) -> bool:
    entry = manifest.find("file", path)
    if entry is None or "sha256" not in (entry.made or {}):
        return False
    try:
        before, now = manifest.copy((entry.made or {})["sha256"]), tree.read(path)
        return before != now and not same(_meaning(before), _meaning(now))
    except KeaJsonError:
        return True
    except (ManifestError, OSError):
        return False


def _meaning(content: bytes) -> Any:
    """Return the values of a file without its reservations. Raises KeaJsonError."""
    value = value_of(Document(content.decode("utf-8", "surrogateescape")).root)
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            one.pop("reservations", None)
        pending += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return value


def _is_in_force(path: str, sockets: Any) -> bool:
    """Return whether Kea runs with just this configuration, as after its own command config-write."""
    top = top_of_path(path)
    try:
        value = value_of(Document(tree.read(path).decode("utf-8", "surrogateescape")).root)
    except (OSError, KeaJsonError):
        return False
    running = served.running(sockets, top)
    return running is not None and isinstance(value, dict) and same(value.get(top), running)
