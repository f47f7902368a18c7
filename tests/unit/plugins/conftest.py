# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the checkout importable as ``ansible_collections.baremetal.kea``, the name that the plugins have everywhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Iterator

import pytest
from postgres_helpers import Cluster, Database

# In the checkout, .collections/ansible_collections/baremetal/kea is a link to the checkout itself.
COLLECTIONS = Path(__file__).resolve().parents[3] / ".collections"
sys.path.insert(0, str(COLLECTIONS))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.database() as database:
        yield database
