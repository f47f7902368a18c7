# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the lease table that Kea never writes: each fails alone, by name, and the next row goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.sources.events.source import EventsSource, Options
from kea_lease_monitor.sources.polling import Options as PollingOptions
from kea_lease_monitor.sources.polling import PollingSource

from runtime.contracts import drained
from runtime.world import Kea

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "monitor.md"

UNREADABLE = {
    "expire = 'infinity'": "expire is infinite",
    "expire = '-infinity'": "expire is infinite",
    "valid_lifetime = 4294967296": "valid_lifetime 4294967296 is not from 0 to 4294967295",
    "valid_lifetime = 4294967296000": "valid_lifetime 4294967296000 is not",
    "valid_lifetime = 9223372036854775807": "valid_lifetime 9223372036854775807 is not",
    "valid_lifetime = -1": "valid_lifetime -1 is not",
    "valid_lifetime = -9223372036854775808": "is not from 0",
    "valid_lifetime = NULL, expire = NULL": "valid_lifetime is NULL",
    "expire = NULL": "expire is NULL",
    "subnet_id = NULL": "subnet_id is NULL",
}

ODD = (
    *("expire = '294276-12-31'", "expire = '4713-01-01 BC'", "expire = 'epoch'", "expire = '2016-12-31 23:59:60'"),
    *("valid_lifetime = 4294967295", "valid_lifetime = 4294967294", "hostname = NULL", "user_context = NULL"),
    *("client_id = NULL", "client_id = '\\xff'", "fqdn_fwd = NULL", "subnet_id = 9223372036854775807"),
    *("hostname = repeat('x', 255)", "hwaddr = repeat('x', 5000)::bytea"),
)


@pytest.fixture(params=["events", "polling"])
def source(request: pytest.FixtureRequest, link: Callable[[], Any]) -> Any:
    if request.param == "events":
        found: Source = EventsSource("default", link(), Options(), {"default": 0}, Clock())
    else:
        found = PollingSource(link(), PollingOptions(), Clock())
    yield found
    found.close()


def grant(kea: Kea, number: int) -> None:
    kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")


def addresses(source: Source, position: Any) -> tuple[set[str], Any]:
    events, position = drained(source, position, 10)
    return {event.lease.address for event in events}, position


@pytest.mark.parametrize("change", UNREADABLE)
def test_a_row_that_kea_cannot_read_is_rejected_by_name(
    kea: Kea, source: Source, said: Callable[[], str], change: str
) -> None:
    grant(kea, 1)
    _found, position = addresses(source, source.start(True))
    grant(kea, 2)
    # With another name, because the trigger tells of no change of the time alone.
    kea.rows(f"UPDATE lease4 SET {change}, hostname = 'x' WHERE address = 167772162")
    grant(kea, 3)
    found, position = addresses(source, position)
    assert "10.0.0.3" in found
    assert "Row is no lease and was passed over: ref=" in said()
    assert UNREADABLE[change] in said()
    kea.rows(
        "UPDATE lease4 SET expire = now(), valid_lifetime = 60, subnet_id = 1, hostname = 'y' WHERE hostname = 'x'"
    )
    assert addresses(source, position)[0] == {"10.0.0.2"}, "Kea may use the address again"
    kea.rows(f"UPDATE lease4 SET {change} WHERE address = 167772162")
    assert addresses(source, source.start(True))[0] >= {"10.0.0.1", "10.0.0.3"}, "all leases are read beside it"


@pytest.mark.parametrize("change", ODD)
def test_an_odd_row_that_kea_can_read_is_a_lease(kea: Kea, source: Source, change: str) -> None:
    _found, position = addresses(source, source.start(True))
    grant(kea, 2)
    kea.rows(f"UPDATE lease4 SET {change} WHERE address = 167772162")
    grant(kea, 3)
    assert addresses(source, position)[0] == {"10.0.0.2", "10.0.0.3"}
    assert addresses(source, source.start(True))[0] == {"10.0.0.2", "10.0.0.3"}


@pytest.mark.parametrize("change", [*UNREADABLE, "expire = '294276-12-31'"])
def test_such_a_row_hides_no_other_lease_of_its_client(kea: Kea, source: Source, change: str) -> None:
    """Of several leases of a client all sources tell of the youngest one that Kea can read."""
    grant(kea, 1)
    kea.lease("10.0.0.9", "02:00:00:00:00:01")
    kea.rows(f"UPDATE lease4 SET {change} WHERE address = 167772169")
    found = addresses(source, source.start(True))[0]
    assert "10.0.0.1" in found or "294276" in change


def test_the_insert_of_a_person_is_named_with_what_it_lacks(kea: Kea, source: Source, said: Callable[[], str]) -> None:
    """The document that the project came from tests the way with such a statement."""
    _found, position = addresses(source, source.start(True))
    kea.rows(
        "INSERT INTO lease4 (address, hwaddr, hostname, subnet_id) VALUES (167772170, '\\x020000000001', 'bmc', 1)"
    )
    found, position = addresses(source, position)
    assert found == set()
    assert "valid_lifetime is NULL, so that Kea cannot read the row; a lease that is inserted by hand needs" in said()
    kea.rows("UPDATE lease4 SET valid_lifetime = 3600, expire = now() + interval '1 hour', state = 0")
    events, position = drained(source, position)
    assert [(event.kind.value, event.lease.address) for event in events] == [("assigned", "10.0.0.10")]


def test_the_insert_of_the_manual_is_a_lease(kea: Kea, source: Source) -> None:
    text = DOCUMENT.read_text()
    begin = text.index("    INSERT INTO lease4")
    _found, position = addresses(source, source.start(True))
    kea.rows(text[begin : text.index(";", begin)])
    assert addresses(source, position)[0] == {"192.168.1.10"}


def test_addresses_beyond_all_addresses_end_the_reading(kea: Kea, source: Source) -> None:
    grant(kea, 1)
    kea.rows(
        "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id)"
        " SELECT 4294967296 + n, '\\x01', 60, now(), 1 FROM generate_series(0, 20) AS n"
    )
    assert addresses(source, source.start(True))[0] == {"10.0.0.1"}
