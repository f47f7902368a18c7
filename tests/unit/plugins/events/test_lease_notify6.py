# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of DHCPv6 leases: optional, in the same table, and removable."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.catalogue import INSERT6
from support.database import KEA, MONITOR
from support.wait import until

if TYPE_CHECKING:
    import psycopg2
    from support.database import Database

pytestmark = pytest.mark.postgres

COLUMNS = """
op, host(address), encode(duid, 'hex'), iaid, lease_type, prefix_len, valid_lifetime, pref_lifetime, subnet_id,
hostname, encode(hwaddr, 'hex'), encode(client_id, 'hex'), encode(old_duid, 'hex'), old_iaid, old_state
"""


def change(database: Database, *statements: str) -> None:
    """Run statements as Kea does, each in a transaction of its own."""
    with database.session(KEA) as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_lease6_is_optional_and_removable(database: Database) -> None:
    database.execute(f'GRANT SELECT ON lease6 TO "{MONITOR}"')
    database.notify()
    change(database, INSERT6)
    assert database.ops() == ""
    # A right that was granted for another purpose stays.
    assert database.value(f"SELECT has_table_privilege('{MONITOR}', 'lease6', 'SELECT')")

    checked = database.notify(check=True, lease6=True)
    applied = database.notify(lease6=True)
    assert applied["queries"] == checked["queries"]
    for check in (True, False):
        assert not database.notify(check=check, lease6=True)["changed"]
    change(database, "DELETE FROM public.lease6")
    assert database.ops() == "D"

    assert database.notify()["changed"]
    assert not database.notify()["changed"]
    assert database.value("SELECT count(*) FROM pg_proc WHERE proname LIKE 'kea\\_lease%notify'") == 1
    change(database, INSERT6)
    assert database.ops() == "D"


def test_an_event_holds_the_lease_and_what_it_was(database: Database) -> None:
    database.notify(lease6=True)
    change(
        database,
        INSERT6,
        "UPDATE public.lease6 SET expire = expire + interval '1 hour', pref_lifetime = 1900",
        "UPDATE public.lease6 SET duid = '\\x0002', iaid = 100, state = 1",
        "DELETE FROM public.lease6",
    )
    rows = database.fetch(f"SELECT {COLUMNS} FROM kea_events.lease_event ORDER BY xid, id", user=MONITOR)
    tail = (2, 56, 3600)
    assert rows == [
        ("I", "2001:db8::1", "0001", 99, *tail, 1800, 7, "bmc", "02", None, None, None, None),
        ("U", "2001:db8::1", "0002", 100, *tail, 1900, 7, "bmc", "02", None, "0001", 99, 0),
        ("D", "2001:db8::1", "0002", 100, *tail, 1900, 7, "bmc", "02", None, None, None, None),
    ]
    assert database.lost() == 0


def test_both_families_share_one_order(database: Database) -> None:
    database.notify(lease6=True)
    database.lease()
    change(database, INSERT6)
    database.lease(2)
    assert database.fetch("SELECT family(address) FROM kea_events.lease_event ORDER BY xid, id") == [(4,), (6,), (4,)]


def test_a_payload_holds_the_keys(database: Database) -> None:
    database.notify(lease6=True, delivery="payload")
    assert not database.notify(lease6=True, delivery="payload")["changed"]
    with database.session(MONITOR) as listener:
        listener.execute("LISTEN kea_lease_events")
        change(database, INSERT6)
        listener.execute("SELECT 1")
        payload = json.loads(listener.connection.notifies[0].payload)
    assert payload == {
        "op": "I", "address": "2001:db8::1", "subnet_id": 7, "duid": "0001", "hwaddr": "02", "iaid": 99,
        "lease_type": 2, "prefix_len": 56, "state": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("wake_up", "received"), [("debounced", 1), ("each", 2), ("never", 0)])
def test_wake_ups(database: Database, wake_up: str, received: int) -> None:
    """Run two transactions in different subnets, because each locks the statistics of its subnet."""
    database.notify(lease6=True, wake_up=wake_up)
    with database.session(MONITOR) as listener, database.session(KEA, autocommit=False) as slow:
        listener.execute("LISTEN kea_lease_events")
        slow.execute(INSERT6)
        change(database, INSERT6.replace("::1", "::2").replace(" 7,", " 8,"))
        slow.connection.commit()
        listener.execute("SELECT 1")
        assert [notify.payload for notify in listener.connection.notifies] == [""] * received
    assert database.ops() == "II"


def wait_for(database: Database, query: str) -> None:
    """Wait until a statement with this beginning waits for a lock."""
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '{query}%' AND wait_event_type = 'Lock'"
    until(lambda: database.value(waiting), query)


def test_writer_waits_at_most_the_bound_of_both_tables(database: Database) -> None:
    """Both tables are locked in one transaction: lease4 is locked after a wait, and then lease6 is not granted.

    With the whole bound for each table it would be more than eight seconds, and on a busy machine it is a second more.
    """
    waited = []

    def write() -> None:
        wait_for(database, "CREATE TRIGGER")
        start = time.monotonic()
        database.lease()
        waited.append(time.monotonic() - start)

    def let_go(four: psycopg2.extensions.cursor) -> None:
        """Hold lease4 for most of the time that the run waits."""
        wait_for(database, "CREATE TRIGGER")
        time.sleep(2.1)
        four.connection.rollback()

    with database.session(autocommit=False) as four, database.session(autocommit=False) as six:
        four.execute("LOCK TABLE lease4 IN ROW EXCLUSIVE MODE")
        six.execute("LOCK TABLE lease6 IN ROW EXCLUSIVE MODE")
        threads = [threading.Thread(target=write), threading.Thread(target=let_go, args=(four,))]
        for thread in threads:
            thread.start()
        result = database.notify(lease6=True, lock_timeout=6000, lock_retries=0)
        for thread in threads:
            thread.join()
    assert result["sqlstate"] == "55P03"
    assert "No lock within 3000 ms" in result["msg"]
    assert waited[0] < 6.5
    assert not database.fetch("SELECT FROM pg_trigger WHERE tgname LIKE 'kea_lease_notify%'")


def test_one_table_has_the_whole_bound(database: Database) -> None:
    database.notify(lease6=True)
    database.execute("DROP TRIGGER kea_lease_notify_trigger ON lease6")
    with database.session(autocommit=False) as six:
        six.execute("LOCK TABLE lease6 IN ROW EXCLUSIVE MODE")
        result = database.notify(lease6=True, lock_timeout=30, lock_retries=0)
    assert "No lock within 30 ms" in result["msg"]


def test_half_of_the_shortest_bound_is_one(database: Database) -> None:
    """A lock_timeout of 0 is no bound: the statement timeout would end the statement with another SQLSTATE."""
    options = {"lock_timeout": 1, "lock_retries": 0, "connect_params": {"options": "-c statement_timeout=5s"}}
    with database.session(autocommit=False) as six:
        six.execute("LOCK TABLE lease6 IN ROW EXCLUSIVE MODE")
        assert database.notify(lease6=True, **options)["sqlstate"] == "55P03"


DRIFT = {
    "function body": "CREATE OR REPLACE FUNCTION kea_lease6_notify() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
    "SET search_path = pg_catalog, pg_temp SET lock_timeout = '20ms' AS 'BEGIN RETURN NULL; END'",
    "function rights": "GRANT EXECUTE ON FUNCTION kea_lease6_notify() TO PUBLIC",
    "trigger gone": "DROP TRIGGER kea_lease_notify_trigger ON lease6",
    "trigger disabled": "ALTER TABLE lease6 DISABLE TRIGGER kea_lease_notify_trigger_update",
    "trigger replica": "ALTER TABLE lease6 ENABLE REPLICA TRIGGER kea_lease_notify_trigger_update",
    "leases unreadable": f'REVOKE SELECT ON lease6 FROM "{MONITOR}"',
}


@pytest.mark.slow
def test_every_difference_is_drift(database: Database) -> None:
    wanted = database.notify(lease6=True)["state"]
    for name, statement in DRIFT.items():
        database.execute(statement)
        assert database.notify(check=True, lease6=True)["changed"], name
        assert database.notify(lease6=True)["changed"], name
        again = database.notify(lease6=True)
        assert not again["changed"], name
        assert again["state"] == wanted, name


def test_kea_continues_when_the_events_are_broken(database: Database) -> None:
    database.notify(lease6=True)
    database.execute("DROP TABLE kea_events.lease_event")
    change(database, INSERT6, "UPDATE public.lease6 SET state = 2", "DELETE FROM public.lease6")
    assert database.lost() == 3
