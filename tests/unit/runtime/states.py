# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of a monitor for tests that are about something else than their creation."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from kea_lease_monitor.app import create_state, open_state
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.state.store import Store


@functools.lru_cache(maxsize=None)
def _empty() -> bytes:
    """Return the file of a state that was only created."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "state.sqlite")
        create_state(StateLocation(str(path)))
        return path.read_bytes()


def state_in(directory: Path) -> Store:
    """Open the state ``state.sqlite`` of a directory. One that is missing becomes a copy of an empty one.

    A monitor would start a process with Alembic to create it, for half a second in each of some hundred tests.
    """
    path = directory / "state.sqlite"
    if not path.exists():
        path.write_bytes(_empty())
    return open_state(StateLocation(str(path)))
