# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the manifest, which records the state of the host before and after each deployment.

docs/rollback.md describes the file. It holds digests and no contents. Each content is a file beside it, named by its
digest and readable by root only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from .._errors import KeaError
from .._kea import durable, locks, tree

DIRECTORY = "/var/lib/baremetal-kea"
VERSION = 1
LOCK_TIMEOUT = 300.0
"""Seconds that another play may hold the manifest; it does so for one roll-back at most."""

State = Dict[str, Any]
"""State of a thing, by its kind (see entries.py); of a file also ``sha256``, the name of its copy."""


class ManifestError(KeaError):
    """The manifest cannot be read, or forbids what was asked for."""


class Fingerprint(NamedTuple):
    """By what a later run sees whether anything changed since a deployment."""

    inputs: str
    """Digest of the variables and of the collection."""
    parts: Dict[str, str]
    """Digests of what is on the host."""


class Entry(NamedTuple):
    """One thing of the host and its recorded states."""

    kind: str
    name: str
    found: State
    """State before the first deployment; never replaced."""
    found_at: int
    """Seconds since the epoch."""
    made: Optional[State] = None
    """State after the last finished deployment; None before the first."""
    made_at: Optional[int] = None
    in_force: Optional[State] = None
    """State when the last deployment started, or an earlier one that was killed. A failure reverts to it."""
    before: Optional[State] = None
    """State at the start of the first unfinished deployment; None if the last one finished."""

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def pending(self) -> bool:
        """Whether the last deployment that may have changed it did not finish."""
        return self.before is not None

    @property
    def is_configuration(self) -> bool:
        """Whether it is a configuration of a server of Kea."""
        name = os.path.basename(self.name)
        return self.kind == "file" and name.startswith("kea-") and name.endswith(".conf")

    @property
    def ours(self) -> bool:
        """Whether a deployment changed it, or was killed and may have changed it."""
        return self.made is None or self.made != self.found


class Manifest:
    """The file, read once. Change it only inside ``locked``, and write it with ``write``."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        """Raises ManifestError."""
        self._directory = directory
        self.path = os.path.join(directory, "manifest.json")
        self._copies = os.path.join(directory, "files")
        self.exists = False
        self.entries: Dict[str, Entry] = {}
        """By key, in the order of the first change."""
        self.unfinished: Optional[int] = None
        """Start of the first unfinished deployment; None if the last one finished."""
        self.deployed: Optional[int] = None
        """End of the last finished deployment."""
        self.releases: List[Dict[str, Any]] = []
        """Releases of the lease monitor, oldest first: ``release``, and ``files`` with their states by path."""
        self.fingerprint: Optional[Fingerprint] = None
        """Of the last finished deployment (fingerprint.py); None after anything else."""
        self._read()

    def find(self, kind: str, name: str) -> Optional[Entry]:
        return self.entries.get(f"{kind}:{name}")

    def put(self, entry: Entry) -> None:
        """Replace the entry, or add it after all others."""
        self.entries[entry.key] = entry

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of the file, and read the file again. Raises ManifestError after LOCK_TIMEOUT seconds."""
        tree.make_directories(self._directory, 0o755)
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locks.held(f"{self.path}.lock", LOCK_TIMEOUT))
            except locks.LockedError as error:
                raise ManifestError(f"{error}: let it finish, then run the play again") from error
            self._read()
            yield

    def keep(self, content: bytes) -> str:
        """Write a copy of the content to the disk, and return its digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = os.path.join(self._copies, digest)
        if tree.status(path) is None:
            tree.make_directories(self._copies, 0o700)
            durable.replace(path, content, 0o600)
        return digest

    def copy(self, digest: str) -> bytes:
        """Return the content with that digest. Raises ManifestError if the copy is missing or was changed."""
        path = os.path.join(self._copies, digest)
        try:
            content = tree.read(path)
        except OSError as error:
            raise ManifestError(f"{path} cannot be read: {error.strerror}; what was found is lost") from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise ManifestError(f"{path} was changed since it was written; what was found is lost")
        return content

    def write(self) -> None:
        """Write the file to the disk, then delete the copies that no entry refers to."""
        document = {
            "version": VERSION,
            "deployed": self.deployed,
            "unfinished": self.unfinished,
            "releases": self.releases,
            "fingerprint": self.fingerprint and self.fingerprint._asdict(),
            "entries": [entry._asdict() for entry in self.entries.values()],
        }
        durable.replace(self.path, (json.dumps(document, indent=1) + "\n").encode(), 0o600)
        self.exists = True
        wanted = {state["sha256"] for state in self._states() if state and "sha256" in state}
        for name in os.listdir(self._copies) if tree.is_directory(self._copies) else []:
            if name not in wanted:
                durable.remove(os.path.join(self._copies, name))

    def _states(self) -> List[Optional[State]]:
        states = [state for entry in self.entries.values() for state in (entry.found, entry.in_force, entry.made)]
        return states + [state for release in self.releases for state in release["files"].values()]

    def _read(self) -> None:
        try:
            document = json.loads(tree.text(self.path))
            if document["version"] != VERSION:
                raise ManifestError(f"{self.path} was written by a newer version of this collection")
            entries = [Entry(**entry) for entry in document["entries"]]
            # A manifest of an earlier release has none.
            known = document.get("fingerprint")
            fingerprint = Fingerprint(**known) if known else None
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ManifestError(f"{self.path} cannot be read: {error}") from error
        self.exists = True
        self.entries = {entry.key: entry for entry in entries}
        self.unfinished, self.deployed = document["unfinished"], document["deployed"]
        self.releases = document["releases"]
        self.fingerprint = fingerprint
