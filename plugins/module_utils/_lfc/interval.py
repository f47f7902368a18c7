# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: takes Kea's own clean-up over (lfc-interval 0), and gives it back as it was found."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple, Optional

from .._host import durable
from .._config.document import MISSING, Document

DIRECTORY = "/var/lib/baremetal-kea"
DEFAULT = 3600
"""Seconds: Kea's lfc-interval where the configuration says nothing."""


class Found(NamedTuple):
    """What the configuration said before the timer."""

    database: bool
    """Whether it had a lease-database at all; without one Kea's default is the lease file."""
    interval: Optional[int]
    """Its lfc-interval; None when it said nothing."""

    @property
    def seconds(self) -> int:
        """After which Kea cleaned up by itself; 0 for never."""
        return DEFAULT if self.interval is None else self.interval


def look(document: Document, top: str) -> Found:
    """What the configuration says now."""
    database = document.get((top, "lease-database"))
    interval = document.get((top, "lease-database", "lfc-interval")) if database is not MISSING else MISSING
    return Found(database is not MISSING, None if interval is MISSING else int(interval))


def take_over(document: Document, top: str) -> Document:
    """Kea does not clean up by itself."""
    if document.get((top, "lease-database")) is MISSING:
        return document.put((top, "lease-database"), {"type": "memfile", "lfc-interval": 0})
    return document.put((top, "lease-database", "lfc-interval"), 0)


def give_back(document: Document, top: str, found: Found) -> Document:
    """As it was found, unless somebody has changed it since, or the leases are in no file any more."""
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
    """What was found, in a file that outlives everything the timer has."""

    def __init__(self, family: int, directory: str = DIRECTORY) -> None:
        self.path = os.path.join(directory, f"lfc{family}.json")

    def read(self) -> Optional[Found]:
        """None when Kea's own clean-up was never taken over. Raises OSError."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return Found(**json.load(file))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise OSError(f"{self.path} is damaged ({error}): write Kea's lfc-interval there, or remove it") from error

    def write(self, found: Found) -> None:
        """Lasting before the configuration is touched."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        durable.replace(self.path, json.dumps(found._asdict()).encode(), 0o644)

    def forget(self) -> None:
        """It was given back."""
        durable.remove(self.path)


class Mark:
    """Of a timer that was changed and not proved yet; what a killed run leaves."""

    def __init__(self, family: int, directory: str = DIRECTORY) -> None:
        self.path = os.path.join(directory, f"lfc{family}.unproved")

    def exists(self) -> bool:
        return os.path.exists(self.path)

    def put(self) -> None:
        """Before the first change."""
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        durable.replace(self.path, b"", 0o644)

    def remove(self) -> None:
        """It is proved, or as it was before."""
        durable.remove(self.path)
