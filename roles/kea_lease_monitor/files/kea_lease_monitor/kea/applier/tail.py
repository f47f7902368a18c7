# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's file of one subnet, followed: after the monitor appended to it, only that is read."""

from __future__ import annotations

import hashlib
from typing import Optional

from kea_lease_monitor import files
from kea_lease_monitor.kea.applier import report

_BEFORE = 4096
"""Bytes before the end that are compared: if they are the same, the file was appended to."""


class Tail:
    """A file that grows. A change of any other kind makes it be read whole."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stamp: Optional[files.Stamp] = None
        self._size, self._end = 0, b""
        self._hash = hashlib.sha256()
        self._followed = False

    @property
    def source(self) -> str:
        """Return the digest of what was read; see report.source."""
        return self._hash.hexdigest()

    def is_changed(self) -> bool:
        """Return whether the file changed since it was read."""
        return files.stamp(self.path, follow=False) != self._stamp

    def whole(self) -> bytes:
        """Return the whole content. Raises TemporaryError."""
        content, self._stamp = files.read_stamped(self.path) or (b"", None)
        self._size, self._end = len(content), content[-_BEFORE:]
        self._hash, self._followed = report.hashed(content), False
        return content

    def appended(self) -> Optional[bytes]:
        """Return the whole lines that were appended since; None if the file was changed otherwise.

        Raises TemporaryError.
        """
        found = files.read_stamped(self.path, start=max(0, self._size - _BEFORE))
        if found is None or self._stamp is None or found[1][0] != self._stamp[0]:
            return None
        content = found[0]
        begins, new = content[: len(self._end)], content[len(self._end) :]
        if begins != self._end or not begins.endswith(b"}\n") or new[:1] not in (b"", b","):
            return None
        lines = new[: new.rfind(b"\n") + 1]
        if lines == new:
            self._stamp = found[1]
        self._size, self._followed = self._size + len(lines), True
        self._end = content[: len(begins) + len(lines)][-_BEFORE:]
        self._hash.update(lines)
        return lines

    def is_certain(self) -> bool:
        """Return whether the file is what was read: an edit may stand far before the end. Raises TemporaryError."""
        if not self._followed:
            return True
        found = files.read_stamped(self.path, limit=self._size)
        self._followed = False
        return found is not None and report.hashed(found[0]).hexdigest() == self.source
