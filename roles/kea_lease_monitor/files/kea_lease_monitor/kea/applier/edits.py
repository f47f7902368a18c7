# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of Kea's configuration that are not in force: a reload for a reservation must not put them in force.

Kea does not tell which text it has read. So the applier remembers the digests of the files that its own reload had Kea
read. After a reload or start by another process, the times of the files decide.
"""

from __future__ import annotations

import os
from typing import Dict, List, Mapping, NamedTuple

from _kea import includes
from _kea.reading import Reading

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import report


class File(NamedTuple):
    """A file of Kea's configuration."""

    digest: str
    written_at: float
    """Epoch seconds of the last change of its content, as far as its writer tells."""
    changed_at: float
    """Epoch seconds of the last change of the file, such as a rename."""


def present(config: str, own: str) -> Dict[str, File]:
    """Return the files of Kea's configuration by path, but those in the directory ``own``. Raises TemporaryError."""
    try:
        paths = [path for path in includes.closure(config) if os.path.dirname(path) != own]
        found = {path: os.stat(path) for path in paths}
    except OSError as error:
        raise TemporaryError(f"{error.filename or config} cannot be read: {error.strerror}") from error
    return {
        path: File(report.digest(files.read(path) or b""), status.st_mtime, status.st_ctime)
        for path, status in found.items()
    }


def digests(found: Mapping[str, File]) -> Dict[str, str]:
    """Return the digest of each file."""
    return {path: one.digest for path, one in found.items()}


def pending(found: Mapping[str, File], known: report.Status, read: Reading) -> List[str]:
    """Return the files whose present text Kea has not read. ``known`` is the report of the last apply."""
    is_known = bool(known.configuration) and known.reloaded_at >= read.earliest
    return [
        path
        for path, one in found.items()
        if known.configuration.get(path) != one.digest
        and (one.changed_at > read.earliest if is_known else one.written_at > read.latest)
    ]


def changed(found: Mapping[str, File]) -> str:
    """Return the first of these files whose content is another one now; empty if there is none."""
    texts = ((path, one, files.read(path) or b"") for path, one in found.items())
    return next((path for path, one, text in texts if report.digest(text) != one.digest), "")
