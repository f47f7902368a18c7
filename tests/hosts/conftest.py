# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployed host that a scenario names on the command line."""

from __future__ import annotations

from typing import Iterator

import pytest
from host import Host, Kea


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--host", required=True, help="name of the deployed host")
    parser.addoption("--address", required=True, help="address that its Kea serves")
    parser.addoption("--bmcs", required=True, help="host that plays its BMCs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test time for whole deployments, on three hosts at once: more than the 300 s of a unit test."""
    for item in items:
        item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Host:
    options = request.config.option
    host = Host(options.host, options.address, options.bmcs)
    host.expose_metrics()
    # Of the first two leases of a subnet at one time, a multi-threaded Kea refuses one: both make the subnet's row of
    # its statistics (lease4_stat_pkey). That is Kea's own, so there is a first one here.
    Kea(host).ask(1)
    return host


@pytest.fixture
def kea(host: Host) -> Iterator[Kea]:
    """Real clients' view of the server; afterwards the server must be the same process, with nothing to complain of."""
    kea = Kea(host)
    yield kea
    assert kea.complaints() == []
    assert kea.process() == kea.began
