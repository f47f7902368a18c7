# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the host was before the collection changed it, and what it was made into.

The form of the file is described in docs/rollback.md. It holds digests, never contents: those are beside it, each in a
file that is named by its digest and that only root can read.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from .._errors import KeaError
from .._kea import durable

DIRECTORY = "/var/lib/baremetal-kea"
VERSION = 1

State = Dict[str, Any]
"""What a thing is, by its kind (see _manifest_things); for a file also C(sha256), the name of its copy."""


class ManifestError(KeaError):
    """The manifest cannot be read, or says that what was asked for must not be done."""


class Entry(NamedTuple):
    """One thing of the host."""

    kind: str
    name: str
    found: State
    """Before the first deployment; never written again."""
    found_at: int
    """Seconds since the epoch."""
    made: Optional[State] = None
    """After the last deployment that came to its end; None before the first one did."""
    made_at: Optional[int] = None
    in_force: Optional[State] = None
    """When the last deployment began, or a former one that was killed; the way back from a failure."""
    before: Optional[State] = None
    """When the first deployment began that may have changed it, of those that did not come to their end. None: none."""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def pending(self) -> bool:
        """Whether the last deployment that may have changed it did not come to its end."""
        return self.before is not None

    @property
    def ours(self) -> bool:
        """Whether a deployment changed it, or was killed when it may have."""
        return self.made is None or self.made != self.found


class Manifest:
    """The file, read once. Change it only inside C(locked), and write it with C(write)."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        """Raises ManifestError."""
        self._directory = directory
        self.path = os.path.join(directory, "manifest.json")
        self._copies = os.path.join(directory, "files")
        self.exists = False
        self.entries: Dict[str, Entry] = {}
        """By key, in the order in which they were first touched."""
        self.unfinished: Optional[int] = None
        """When the deployment began that did not come to its end; None if the last one did."""
        self.deployed: Optional[int] = None
        """When a deployment came to its end for the last time."""
        self.releases: List[Dict[str, Any]] = []
        """Of the lease monitor, the oldest first: C(release), and C(files) with the state of each by its path."""
        self._read()

    def find(self, kind: str, name: str) -> Optional[Entry]:
        return self.entries.get(f"{kind}:{name}")

    def put(self, entry: Entry) -> None:
        """A new one goes behind all others."""
        self.entries[entry.key] = entry

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the file, which is read again."""
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        with open(f"{self.path}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            yield

    def keep(self, content: bytes) -> str:
        """Have a copy of it on the disk; returns its digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = os.path.join(self._copies, digest)
        if not os.path.exists(path):
            os.makedirs(self._copies, mode=0o700, exist_ok=True)
            durable.replace(path, content, 0o600)
        return digest

    def copy(self, digest: str) -> bytes:
        """Raises ManifestError when it is gone, or not what it was."""
        path = os.path.join(self._copies, digest)
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error.strerror}; what was found is lost") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise ManifestError(f"{path} was changed since it was written; what was found is lost")
        return content

    def write(self) -> None:
        """On the disk when it returns, and then without the copies that nobody refers to any more."""
        document = {
            "version": VERSION,
            "deployed": self.deployed,
            "unfinished": self.unfinished,
            "releases": self.releases,
            "entries": [entry._asdict() for entry in self.entries.values()],
        }
        durable.replace(self.path, (json.dumps(document, indent=1) + "\n").encode(), 0o600)
        self.exists = True
        wanted = {state["sha256"] for state in self._states() if state and "sha256" in state}
        for name in os.listdir(self._copies) if os.path.isdir(self._copies) else []:
            if name not in wanted:
                os.unlink(os.path.join(self._copies, name))

    def _states(self) -> List[Optional[State]]:
        states = [state for entry in self.entries.values() for state in (entry.found, entry.in_force)]
        return states + [state for release in self.releases for state in release["files"].values()]

    def _read(self) -> None:
        try:
            with open(self.path, encoding="utf-8") as file:
                document = json.load(file)
            if document["version"] != VERSION:
                raise ManifestError(f"{self.path} was written by a newer version of this collection")
            entries = [Entry(**entry) for entry in document["entries"]]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ManifestError(f"{self.path} cannot be read: {error}") from error
        self.exists = True
        self.entries = {entry.key: entry for entry in entries}
        self.unfinished, self.deployed = document["unfinished"], document["deployed"]
        self.releases = document["releases"]
