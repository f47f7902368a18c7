# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kea-admin of a newer Kea upgrades the schema of Kea 2.2 with all objects of this collection in place.

The play's part in this is tested on real hosts (molecule/upgrade); here is what stands between the two: nothing mends.
"""

from __future__ import annotations

import subprocess
from typing import Iterator

import pytest
from kea_lease_monitor.database import Link
from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from runtime.builders import event
from support.catalogue import INSERT6
from support.database import KEA, Database, image_of, kea_cluster
from support.paths import KEA_SCHEMA
from support.suites import NEWER, NEWEST, OLDEST, SUITES

pytestmark = [pytest.mark.kea, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(params=NEWER, ids=[SUITES[name].kea for name in NEWER])
def upgrade(request: pytest.FixtureRequest) -> Iterator[tuple[Database, str]]:
    """Return a database with the schema of Kea 2.2 on the server of a newer Kea, and that Kea's schema version."""
    suite = request.param
    show = ["podman", "run", "--rm", "--network", "none", image_of(OLDEST), "cat", KEA_SCHEMA]
    old = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    with kea_cluster(suite) as cluster:
        cluster.execute("postgres", f'CREATE DATABASE old OWNER "{KEA}"')
        cluster.sql(old, "old", KEA)
        yield Database(cluster, "old"), SUITES[suite].schema


def test_kea_admin_upgrades_with_all_objects_in_place(upgrade: tuple[Database, str]) -> None:
    database, schema = upgrade
    version = "SELECT version || '.' || minor FROM schema_version"
    events = "SELECT lease_event::text FROM kea_events.lease_event ORDER BY xid, id"
    hosts = "SELECT hosts::text FROM hosts"
    assert database.value(version) == SUITES[OLDEST].schema
    database.constraint()
    database.notify(lease6=True)
    with database.session(KEA) as kea:
        database.lease()
        database.host()
        kea.execute(INSERT6)
        before = database.fetch(events), database.fetch(hosts)
        assert len(before[0]) == 2

        cluster = database.cluster
        printed = cluster.run(
            "kea-admin", "db-upgrade", "pgsql", "-h", cluster.directory, "-u", KEA, "-n", "old", "-p", "unused"
        )
        assert database.value(version) == schema, printed
        assert (database.fetch(events), database.fetch(hosts)) == before
        for check in (True, False):
            assert not database.constraint(check=check)["changed"]
            assert not database.notify(check=check, lease6=True)["changed"]
        # The session from before the upgrade still works, and so does a new one.
        database.lease(2)
        kea.execute("UPDATE public.lease4 SET state = 2 WHERE address = 2")
        kea.execute("UPDATE public.lease6 SET state = 2")
    assert database.ops() == "IIIUU"
    assert database.lost() == 0


def reserved(database: Database) -> None:
    """The monitor's statements have the same results on every schema."""
    database.execute("TRUNCATE hosts CASCADE")
    document = {"host": database.cluster.directory, "name": database.name, "user": KEA}
    sink = ReservationSink(Link(DatabaseSettings.parse(Section(document, "database"))), frozenset({4, 6}))
    sink.check()
    six = {"family": 6, "duid": "00:01:02", "iaid": 7, "prefix_len": 128}
    assert sink.deliver([event(1), event(2, address="2001:db8::2", **six)])[:3] == (2, 0, 0)
    assert sink.deliver([event(1), event(2, address="2001:db8::2", **six)])[:3] == (0, 0, 2)
    assert sink.deliver([event(3, client=1), event(4, address="2001:db8::4", **six)])[:3] == (0, 2, 0)
    assert len(sink.deliver([event(3, client=9)]).rejected) == 1
    assert sink.deliver([event(8)]).created == 1
    assert sink.deliver([event(3, client=8), event(8, client=1)]).updated == 2
    sink.close()
    four = "SELECT string_agg(host('0.0.0.0'::inet + ipv4_address), ' ' ORDER BY dhcp_identifier) FROM hosts"
    assert database.value(four) == "10.0.0.8 10.0.0.3"
    assert database.value("SELECT split_part(address::text, '/', 1) FROM ipv6_reservations") == "2001:db8::4"


@pytest.mark.parametrize("upgrade", [NEWEST], ids=[SUITES[NEWEST].kea], indirect=True)
def test_monitor_reserves_on_every_schema_of_the_upgrade(upgrade: tuple[Database, str]) -> None:
    """Upgrade step by step, as kea-admin does, with and without the constraint."""
    database, schema = upgrade
    cluster = database.cluster
    steps = cluster.run("sh", "-c", "ls -v /usr/share/kea/scripts/pgsql/upgrade_*.sh").split()
    later = [step for step in steps if step.split("/upgrade_")[1] >= "013"]
    seen = []
    for step in ["", *later]:
        if step:
            cluster.run(step, "-h", cluster.directory, "-U", KEA, "-d", database.name)
        for state in ("present", "absent"):
            database.constraint(state=state)
            reserved(database)
        seen.append(database.value("SELECT version || '.' || minor FROM schema_version"))
    assert (seen[0], seen[-1], len(set(seen))) == ("13.0", schema, len(later) + 1)
