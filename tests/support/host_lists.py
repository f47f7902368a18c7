# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations in the files of the monitor."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from _kea import host_maps
from kea_lease_monitor.kea.host_file import HostFile
from kea_lease_monitor.kea.host_index import HostIndex
from kea_lease_monitor.kea.host_list import HostList
from kea_lease_monitor.kea.shares import KEYS

_INDEX = HostIndex()
"""One for all lists, because to create one takes longer than most tests of a list."""


def counting(path: Path) -> list[dict[str, Any]]:
    """Return the reservations that count in a file."""
    return [one.value for one in host_maps.parse(path.read_text()).maps]


class Hosts(HostList):
    """The reservations of a file with this content at first. The file is gone with the object."""

    def __init__(
        self,
        content: bytes = b"",
        names: bool = False,
        given: Mapping[str, str] = MappingProxyType({}),
        family: int = 4,
    ) -> None:
        directory = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, directory)
        self.path = Path(directory) / "subnet-1.json"
        self.path.write_bytes(content)
        super().__init__(HostFile(str(self.path), KEYS[family], _INDEX), names, given)
        self.file.refresh()

    def render(self) -> bytes:
        """Write what changed, and return the content of the file."""
        self.file.write()
        return self.path.read_bytes()

    def hosts(self) -> list[dict[str, Any]]:
        """Write what changed, and return the reservations."""
        self.file.write()
        return list(self.file.every())
