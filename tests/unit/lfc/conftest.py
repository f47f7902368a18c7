# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kea of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.kea import serving

from lfc.world import Server


@pytest.fixture
def kea(tmp_path: Path) -> Iterator[Server]:
    """Kea's DHCPv4 server with the hook that adds leases."""
    server = Server(tmp_path)
    with serving(server):
        yield server
