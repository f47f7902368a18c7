# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lease file as Kea and kea-lfc treat it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.kea.companions import LeaseFiles
from kea_lease_monitor.lease import EventKind, Lease
from kea_lease_monitor.sources.memfile import present as leases
from kea_lease_monitor.sources.memfile.source import MemfileSource
from support.programs import need

from runtime.builders import HEADER, Time


class Files:
    """What Kea and kea-lfc do to the files, and a source that follows them and starts again as the pipeline does."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "kea-leases4.csv"
        self.source = MemfileSource(str(self.path), Time().clock())
        self.position = self.source.start(True)
        self.kinds: list[Any] = []
        self.view: dict[str, str] = {}

    def create(self) -> None:
        self.path.write_text(HEADER)

    def write(self, text: str) -> None:
        with self.path.open("a") as file:
            file.write(text)

    def rotate(self) -> None:
        self.path.rename(LeaseFiles(str(self.path)).rotated)
        self.create()

    def clean_up(self) -> None:
        """Run the real kea-lfc on the files."""
        run_lfc(self.path)

    def follow(self) -> list[Any]:
        """Read batch by batch, each settled before the next one. Return all events."""
        events: list[Any] = []
        caught_up = False
        while not caught_up:
            try:
                found, self.position, caught_up = self.source.read(self.position, 3)
            except PositionLostError:
                self.position = self.source.start(True)
                continue
            events += found
            for event in found:
                self.kinds.append(event.kind.value)
                self.view[event.lease.address] = event.lease.hwaddr
                if event.kind in {EventKind.DELETED, EventKind.RELEASED}:
                    del self.view[event.lease.address]
        return events

    def addresses(self) -> list[str]:
        return [event.lease.address for event in self.follow()]


def run_lfc(path: Path, family: str = "-4") -> None:
    names = {"p": "pid", "x": "2", "i": "1", "o": "output", "f": "completed"}
    arguments = [text for flag, suffix in names.items() for text in (f"-{flag}", f"{path}.{suffix}")]
    done = subprocess.run(
        [need("kea-lfc"), family, *arguments, "-c", "ignored"],
        env={"KEA_LOCKFILE_DIR": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(f"{path}.1"), "kea-lfc did not finish"


def everything(path: Path) -> dict[str, Lease]:
    """Return all leases as the source reads them."""
    reading, found = leases.Reading(LeaseFiles(str(path))), {}
    while (known := reading.portion(50)) is not None:
        found.update(known)
    return {key: lease for key, lease in found.items() if lease}
