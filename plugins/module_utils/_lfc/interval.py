# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: sets Kea's lfc-interval to 0 for the timer, and reverts that."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, Optional

from .._errors import KeaError
from .._kea import durable
from .._config.document import MISSING, Document

DIRECTORY = "/var/lib/baremetal-kea"
DEFAULT = 3600
"""Kea's lfc-interval in seconds if the configuration does not set it."""


class Found(NamedTuple):
    """The lfc-interval in the configuration before the timer was installed."""

    database: bool
    """Whether there was a lease-database; without one Kea uses the lease file."""
    interval: Optional[int]
    """Its lfc-interval; None if it had none."""

    @property
    def seconds(self) -> int:
        """Return the seconds between two LFC runs that Kea started; 0 if it started none."""
        return DEFAULT if self.interval is None else self.interval


def look(document: Document, top: str) -> Found:
    """Read the lfc-interval of a configuration. ``top`` is the map at its top."""
    database = document.get((top, "lease-database"))
    interval = document.get((top, "lease-database", "lfc-interval")) if database is not MISSING else MISSING
    return Found(database is not MISSING, None if interval is MISSING else int(interval))


def take_over(document: Document, top: str) -> Document:
    """Return the configuration with lfc-interval 0: Kea starts no LFC run itself."""
    if document.get((top, "lease-database")) is MISSING:
        return document.put((top, "lease-database"), {"type": "memfile", "lfc-interval": 0})
    return document.put((top, "lease-database", "lfc-interval"), 0)


def give_back(document: Document, top: str, found: Found) -> Document:
    """Return the configuration with the previous lfc-interval.

    It stays as it is if the lfc-interval was changed since, or if the leases are in no file any more.
    """
    path = (top, "lease-database")
    database: Any = document.get(path)
    if database is MISSING or database.get("type") != "memfile" or database.get("lfc-interval") != 0:
        return document
    if not found.database and set(database) == {"type", "lfc-interval"}:
        return document.drop(path)
    if found.interval is None:
        return document.drop((*path, "lfc-interval"))
    return document.put((*path, "lfc-interval"), found.interval)


class Kept:
    """The previous lfc-interval, in a file that stays until it is reverted."""

    def __init__(self, family: int, directory: str = DIRECTORY) -> None:
        self.path = os.path.join(directory, f"lfc{family}.json")

    def read(self) -> Optional[Found]:
        """Return it; None if the lfc-interval was never changed. Raises KeaError for a damaged file, and OSError."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return Found(**json.load(file))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise KeaError(f"{self.path} is damaged ({error}): write Kea's lfc-interval there, or remove it") from error

    def write(self, found: Found) -> None:
        """Write it to the disk; called before the configuration is changed."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        durable.replace(self.path, json.dumps(found._asdict()).encode(), 0o644)

    def forget(self) -> None:
        """Remove the file; called once the lfc-interval is reverted."""
        durable.remove(self.path)


class Mark:
    """A file that exists while a changed timer is not proved yet, also after a killed run."""

    def __init__(self, family: int, directory: str = DIRECTORY) -> None:
        self.path = os.path.join(directory, f"lfc{family}.unproved")

    def exists(self) -> bool:
        """Return whether the timer is not proved."""
        return os.path.exists(self.path)

    def put(self) -> None:
        """Create it; called before the first change."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        durable.replace(self.path, b"", 0o644)

    def remove(self) -> None:
        """Remove it; called once the timer is proved, or reverted."""
        durable.remove(self.path)
