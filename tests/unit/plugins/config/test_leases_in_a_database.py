# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The live leases of what goes, in a real PostgreSQL. Other servers wrote them: Kea here does not know them."""

from __future__ import annotations

import ipaddress
import json
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import session
from site_helpers import Site, done, hand_written, refusal
from support.database import KEA, Database
from support.kea import KeaServer, serving
from support.modules import run_module

pytestmark = [pytest.mark.kea, pytest.mark.postgres, pytest.mark.slow]

OWN = {"id": 30, "subnet": "10.30.0.0/24"}
POOLS = [{"pool": "10.30.0.10 - 10.30.0.29"}]
ABSENT = {"subnet4": [{"id": 30, "state": "absent"}]}
INFINITE = 4294967295
NOT_KNOWN = "by the statistics of this server alone; postgresql"


def entry(database: Database, **more: Any) -> dict[str, Any]:
    found = {"type": "postgresql", "host": database.cluster.directory, "name": database.name, "user": KEA}
    return {**found, **more}


def site_with(directory: Path, database: dict[str, Any], family: int = 4, own: Any = None) -> Site:
    """A site with its leases in this database, and the subnet that a run adds to it."""
    site = hand_written(directory, f'"subnet{family}": [ ]', family=family)
    done(site, merge={f"subnet{family}": [own or {**OWN, "pools": POOLS}]})
    text = site.path.read_text()
    start = text.index("{", text.index('"lease-database"'))
    end = text.index("}", start) + 1
    site.path.write_text(text[:start] + json.dumps(database) + text[end:])
    return site


def at(seconds: int) -> str:
    """A moment as Kea writes it: local time without a zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + seconds))


def lease(database: Database, address: str, **values: Any) -> None:
    number = int(ipaddress.IPv4Address(address))
    row = {"subnet_id": 30, "hwaddr": number.to_bytes(6, "big"), "expire": at(3600), **values}
    database.lease(number, **row)


def facts(site: Site) -> dict[str, Any]:
    result = run_module("kea_info", path=str(site.path), gather=["subnets"])
    assert not result["failed"], result
    return {one["id"]: one for one in result["subnets"]}


def test_live_leases_are_counted_by_subnet_and_by_address(directory: Path, database: Database) -> None:
    site = site_with(directory, entry(database))
    lease(database, "10.30.0.10")
    lease(database, "10.30.0.11", state=1, hwaddr=b"")
    lease(database, "10.30.0.28", valid_lifetime=INFINITE, expire=at(-86400))
    lease(database, "10.30.0.200")  # of an earlier pool
    lease(database, "10.31.0.10", subnet_id=31)
    lease(database, "10.30.0.12", expire=at(-5))  # and not reclaimed yet
    lease(database, "10.30.0.13", state=2)
    lease(database, "10.30.0.14", valid_lifetime=0, expire=at(0))  # released, and kept for its client
    assert "(id 30), a subnet with 1 pools and 0 reservations, 4 live leases" in refusal(site, merge=ABSENT)
    moved = {"subnet4": [{**OWN, "id": 32, "pools": POOLS}]}
    assert "a subnet, whose id becomes 32 with 1 pools and 0 reservations, 4 live leases" in refusal(site, merge=moved)
    smaller = {"subnet4": [{**OWN, "pools": [{"pool": "10.30.0.11 - 10.30.0.27"}]}]}
    assert "pool 10.30.0.10 - 10.30.0.29, 2 live leases." in refusal(site, merge=smaller)
    assert (facts(site)[30]["leases"], facts(site)[30]["leases_source"]) == (4, "database")
    done(site, merge={"subnet4": [{**OWN, "pools": [{"pool": "10.30.0.10 - 10.30.0.28"}]}]})
    done(site, merge=ABSENT, allow_removals=True)


def test_ended_leases_keep_nothing(directory: Path, database: Database) -> None:
    site = site_with(directory, entry(database))
    lease(database, "10.30.0.12", expire=at(-5))
    done(site, merge=ABSENT)


@pytest.mark.parametrize(("zone", "end", "words"), [("Asia/Tokyo", 60, "1 live"), ("America/New_York", -60, "")])
def test_an_end_is_compared_as_kea_wrote_it(
    zone: str, end: int, words: str, directory: Path, database: Database
) -> None:
    """Where the zones differ, the moment in the table is hours away from the one that Kea meant."""
    database.execute(f"ALTER DATABASE {database.name} SET timezone = '{zone}'")
    site = site_with(directory, entry(database))
    lease(database, "10.30.0.12", expire=at(end))
    if words:
        assert words in refusal(site, merge=ABSENT)
    else:
        done(site, merge=ABSENT)


def test_a_running_kea_does_not_know_the_leases_of_its_partner(directory: Path, database: Database) -> None:
    """Nor those that it lost. Its statistics count for what the database does not tell, and the list says so."""
    site = Site(directory / "kea-dhcp4.conf")
    server = KeaServer(directory, config=site.path)
    server.configure({
        "interfaces-config": {"interfaces": []},
        "lease-database": entry(database),
        "subnet4": [{**OWN, "pools": POOLS}],
    })  # fmt: skip
    lease(database, "10.30.0.10")
    with serving(server):
        lease(database, "10.30.0.28")
        assert "reservations, 2 live leases. Kea's" in site.merge(check=True, merge=ABSENT)["msg"]
        assert facts(site)[30]["leases"] == 2
        database.execute("ALTER TABLE lease4 RENAME TO gone")
        message = site.merge(check=True, merge=ABSENT)["msg"]
        assert f"reservations, 1 live leases ({NOT_KNOWN} {database.name} at" in message
        assert 'relation "lease4" does not exist)' in message
        assert (facts(site)[30]["leases"], facts(site)[30]["leases_source"]) == (1, "statistics")
        database.execute("ALTER TABLE gone RENAME TO lease4")
    assert "reservations, 2 live leases. Kea's" in site.merge(check=True, merge=ABSENT)["msg"]


def test_what_is_not_known_is_told_with_its_reason(
    directory: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "not-the-password"
    site = site_with(directory, {"type": "mysql", "name": "leases", "user": "kea", "password": password})
    unknown = "an unknown number of live leases (by the statistics of this server alone; "
    assert f"{unknown}mysql leases at localhost: only PostgreSQL is asked)" in (message := refusal(site, merge=ABSENT))
    assert password not in message
    assert (facts(site)[30]["leases"], facts(site)[30]["leases_source"]) == (None, None)
    text = site.path.read_text()
    site.path.write_text(text.replace('"type": "mysql"', '<?include "/nowhere/leases.json"?>'))
    assert f"{unknown}lease-database: named in an included file" in refusal(site, merge=ABSENT)
    options = entry(database, user="unknown-role", password=password)
    site.path.write_text(json.dumps({"Dhcp4": {"lease-database": options, "subnet4": [{**OWN, "pools": POOLS}]}}))
    assert 'role "unknown-role" does not exist' in (message := refusal(site, merge=ABSENT))
    assert password not in message
    monkeypatch.setattr(session, "PSYCOPG2_IMPORT_ERROR", "none")
    assert "the Python library psycopg2 is missing)" in refusal(site, merge=ABSENT)


@pytest.mark.parametrize("column", ["varchar(39)", "inet"])
def test_leases_of_dhcpv6_are_counted_by_address_and_prefix(column: str, directory: Path, database: Database) -> None:
    """Kea 2.2 keeps addresses as text, and later versions as inet."""
    kind = database.value("SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
                          " WHERE attrelid = 'lease6'::regclass AND attname = 'address'")  # fmt: skip
    if column not in kind.replace("character varying", "varchar"):
        # Kea's functions and views of another version may name the column's type; none is called here.
        database.execute("CREATE TABLE other (LIKE lease6 INCLUDING DEFAULTS)")
        database.execute(f"ALTER TABLE other ALTER address TYPE {column} USING address::text::{column}")
        database.execute("ALTER TABLE lease6 RENAME TO kept", "ALTER TABLE other RENAME TO lease6")
        database.execute(f'GRANT SELECT ON lease6 TO "{KEA}"')
    live = {
        "2001:db8:1::10": (0, 128, 3600),
        "2001:db8:1::1f": (0, 128, INFINITE),
        "2001:db8:9000:7::": (2, 64, 3600),
        "2001:db8:1::11": (0, 128, 0),
    }
    for address, (kind, length, lifetime) in live.items():
        database.execute(
            "INSERT INTO lease6 (address, duid, valid_lifetime, expire, subnet_id, pref_lifetime, lease_type, iaid,"
            f" prefix_len, state) VALUES ('{address}', '\\x0001', {lifetime}, '{at(3600)}', 1, 0, {kind}, 1,"
            f" {length}, 0)"
        )
    own = {"id": 1, "subnet": "2001:db8:1::/64"}
    pools = [{"pool": "2001:db8:1::10 - 2001:db8:1::1f"}]
    prefixes = [{"prefix": "2001:db8:9000::", "prefix-len": 48, "delegated-len": 64}]
    site = site_with(directory, entry(database), 6, {**own, "pools": pools, "pd-pools": prefixes})
    assert "3 live leases" in refusal(site, merge={"subnet6": [{**own, "state": "absent"}]})
    less = refusal(site, merge={"subnet6": [{**own, "pools": [{"pool": "2001:db8:1::10 - 2001:db8:1::1e"}]}]})
    assert "pool 2001:db8:1::10 - 2001:db8:1::1f, 1 live leases" in less
    assert "pool of prefixes 2001:db8:9000::/48, 1 live leases" in less
    assert (facts(site)[1]["leases"], facts(site)[1]["leases_source"]) == (3, "database")
