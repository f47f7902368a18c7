# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away PostgreSQL with Kea's schema, for all tests that ask for it."""

from __future__ import annotations

from typing import Iterator

import pytest
from support.database import Database, KeaCluster, kea_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[KeaCluster]:
    with kea_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(cluster: KeaCluster) -> Iterator[Database]:
    with cluster.database() as database:
        yield database
