# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the record of the keys that runs of ``kea_config`` wrote, and of what stood there before.

It is kept beside the manifest. A key that is no longer wanted goes back to what was found, unless another hand changed
it since: what was written is known by its digest.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from .._errors import KeaError
from .._kea import durable, tree
from .identity import Identity, has_identities, natural_key
from .marks import MARK
from .options import Options
from .syntax import Include

VERSION = 1

Step = Union[str, Identity]
"""Key of a map, or identity of an element of a list."""
Steps = Tuple[Step, ...]
Key = Tuple[Any, ...]
"""A path in which an element has one key however its identity is spelled."""


class Entry(NamedTuple):
    """One key or element that was written."""

    path: Steps
    found: Optional[str]
    """The text that stood there; None if there was nothing."""
    wrote: Optional[str]
    """Digest of the value that was written; None for an element or a container, which have entries of their own.

    A container with ``found`` was there without an item.
    """

    @property
    def is_element(self) -> bool:
        return not isinstance(self.path[-1], str)


class Record:
    """The record of one configuration. Without a path nothing is kept."""

    def __init__(self, path: Optional[str]) -> None:
        """Raises KeaError if the file cannot be read."""
        self._path = path
        self._entries: Dict[Key, Entry] = {}
        self._noted: Set[Key] = set()
        self._options = Options("")
        self._text = self._read()

    @property
    def is_new(self) -> bool:
        """Whether no run has written it yet."""
        return self._path is not None and not self._text

    def resolve(self, options: Options) -> None:
        """Take names of these options for their codes."""
        self._options = options
        entries, self._entries = self.entries(), {}
        for entry in entries:
            self._entries.setdefault(self.key(entry.path), entry)

    def key(self, path: Sequence[Step]) -> Key:
        """Return the key of a path."""
        kind = ""
        found: List[Any] = []
        for step in path:
            if isinstance(step, str):
                kind = step
                found.append(step)
            else:
                natural = natural_key(kind, step, self._options) if has_identities(kind) else None
                found.append(natural or json.dumps(step, sort_keys=True))
        return tuple(found)

    def entries(self) -> List[Entry]:
        return list(self._entries.values())

    def entry(self, path: Sequence[Step]) -> Optional[Entry]:
        """Return the entry of what is at ``path``."""
        return self._entries.get(self.key(path))

    def owns(self, path: Sequence[Step]) -> bool:
        """Return whether a run created what is at ``path``."""
        entry = self.entry(path)
        return entry is not None and entry.found is None

    def note(self, path: Steps, found: Optional[str], current: Any, wrote: Any) -> None:
        """Note that the value at ``path`` is replaced; ``found`` is its text and ``current`` its value.

        Only the first note of a run counts: a value can take several passes.
        """
        key = self.key(path)
        old = self._entries.get(key)
        if key in self._noted:
            return
        self._noted.add(key)
        if old and old.wrote is not None and (found is None or digest(current) == old.wrote):
            found = old.found
        self._entries[key] = Entry(path, found, digest(wrote))

    def note_new(self, path: Steps) -> None:
        """Note that an element or a container is created."""
        self._entries.setdefault(self.key(path), Entry(path, None, None))

    def note_filled(self, path: Steps, found: str) -> None:
        """Note that a container without an item, whose text is ``found``, gets some."""
        self._entries.setdefault(self.key(path), Entry(path, found, None))

    def forget(self, path: Sequence[Step]) -> None:
        """Forget what is at ``path`` and below."""
        above = self.key(path)
        for key in [one for one in self._entries if one[: len(path)] == above]:
            del self._entries[key]

    def forget_one(self, path: Sequence[Step]) -> None:
        """Forget what is at ``path``, and nothing below."""
        self._entries.pop(self.key(path), None)

    def keep(self, entry: Entry, key: Key) -> None:
        """Keep the entry of an element under the key that it has now, unless a run wrote one for that."""
        self._entries.setdefault(key, entry)

    def rename(self, path: Steps, new: Steps) -> None:
        """Keep what is at ``path`` and below under a new path."""
        above = self.key(path)
        for key, entry in list(self._entries.items()):
            if key[: len(path)] == above:
                del self._entries[key]
                moved = entry._replace(path=(*new, *entry.path[len(path) :]))
                self._entries[self.key(moved.path)] = moved

    def respell(self, paths: Mapping[Key, Steps]) -> None:
        """Keep each entry under the path that the variables have for it, or for the element that it is in.

        A name of an option leads nowhere when its definition is gone.
        """
        for key, entry in self._entries.items():
            named = next((paths[key[:end]] for end in range(len(key), 0, -1) if key[:end] in paths), ())
            self._entries[key] = entry._replace(path=(*named, *entry.path[len(named) :]))

    def write(self, besides: Sequence[Entry] = ()) -> None:
        """Write the record, and the entries ``besides`` that are still in force. Raises KeaError."""
        entries = {**{self.key(entry.path): entry for entry in besides}, **self._entries}
        document = {"version": VERSION, "keys": [entry._asdict() for entry in entries.values()]}
        self._put((json.dumps(document, indent=1) + "\n").encode("utf-8", "surrogatepass"))

    def revert(self) -> None:
        """Write what was read: the configuration was not changed. Raises KeaError."""
        self._put(self._text)

    def _put(self, content: bytes) -> None:
        if self._path is None or content == self._read_text():
            return
        try:
            if content:
                durable.replace(self._path, content, 0o600)
            else:
                durable.remove(self._path)
        except OSError as error:
            raise KeaError(f"{self._path} cannot be written: {error.strerror}") from error

    def _read_text(self) -> bytes:
        try:
            return tree.read(str(self._path))
        except FileNotFoundError:
            return b""

    def _read(self) -> bytes:
        if self._path is None:
            return b""
        try:
            text = self._read_text()
            document: Any = (
                json.loads(text.decode("utf-8", "surrogatepass")) if text else {"version": VERSION, "keys": []}
            )
            if document["version"] != VERSION:
                raise KeaError(f"{self._path} was written by a newer version of this collection")
            for one in document["keys"]:
                # Earlier runs kept the comments around an included file, which mean nothing to another run.
                found = one["found"] and MARK.sub("", one["found"])
                entry = Entry(tuple(one["path"]), found, one["wrote"])
                self._entries.setdefault(self.key(entry.path), entry)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeaError(f"{self._path} cannot be read: {error}") from error
        return text


def digest(value: Any) -> str:
    """Return the digest of a value of a configuration."""
    text = json.dumps(value, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: Any) -> Any:
    return value.path if isinstance(value, Include) else str(value)
