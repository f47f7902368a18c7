# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the trigger does for each change of a lease, and that failures of its own objects do not affect Kea."""

from __future__ import annotations

import json
import select
import threading
from typing import TYPE_CHECKING

import pytest
from support.database import KEA, MONITOR
from support.wait import until

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres

INFINITE = 4294967295


@pytest.fixture
def events(database: Database) -> Database:
    database.notify()
    return database


def test_an_event_holds_the_lease_and_what_it_was(events: Database) -> None:
    events.lease()
    events.update(
        "hostname = 'bmc-2', client_id = '\\x01ff', hwaddr = '\\x02', valid_lifetime = 60, state = 1, subnet_id = 2"
    )
    with events.session(KEA) as cursor:
        cursor.execute("DELETE FROM public.lease4")
    columns = (
        "op, host(address), encode(hwaddr, 'hex'), encode(client_id, 'hex'), valid_lifetime, expire, subnet_id, "
        "hostname, state, user_context, encode(old_hwaddr, 'hex'), old_hostname, old_valid_lifetime, old_state, "
        "old_subnet_id"
    )
    rows = events.fetch(f"SELECT {columns} FROM kea_events.lease_event ORDER BY xid, id", user=MONITOR)
    expire = events.value("SELECT '2030-01-01 00:00:00+00'::timestamptz")
    first = ("020000000001", "", 3600, expire, 1, "bmc-1", 0, "")
    second = ("02", "01ff", 60, expire, 2, "bmc-2", 1, "")
    assert rows == [
        ("I", "192.168.1.1", *first, None, None, None, None, None),
        ("U", "192.168.1.1", *second, "020000000001", "bmc-1", 3600, 0, 1),
        ("D", "192.168.1.1", *second, None, None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("assignment", "event"),
    [
        ("expire = expire + interval '1 hour'", False),  # renewed
        ("fqdn_fwd = true", False),  # not part of an event
        ("state = 2", True),  # reclaimed
        ("valid_lifetime = 0, expire = now()", True),  # released, on Kea 2.4 and 2.6
        ("user_context = '{\"a\": 1}'", True),
        ("hwaddr = NULL", True),
        ("subnet_id = 2", True),
    ],
)
def test_which_updates_are_events(events: Database, assignment: str, event: bool) -> None:
    events.lease()
    events.update(assignment)
    assert events.ops() == ("IU" if event else "I")


def test_assigning_an_expired_lease_again_is_an_event(events: Database) -> None:
    events.lease(expire="2020-01-01 00:00:00+00")
    events.update("expire = now() + interval '1 hour'")
    assert events.ops() == "IU"


def test_an_infinite_lease_never_counts_as_expired(events: Database) -> None:
    events.lease(expire="2020-01-01 00:00:00+00", valid_lifetime=INFINITE)
    events.update("expire = now()")
    assert events.ops() == "I"


def test_renewals_on_request(events: Database) -> None:
    events.notify(renewals=True)
    events.lease()
    events.update("expire = expire + interval '1 hour'")
    assert events.ops() == "IU"


@pytest.mark.parametrize(
    "values",
    [
        {"hostname": "h" * 255},
        {"hwaddr": None, "client_id": None, "hostname": None, "user_context": None, "expire": None, "state": 0},
        {"hwaddr": b"", "client_id": b"", "hostname": ""},
        {"client_id": b"\xff" * 255, "hwaddr": b"\x00" * 20},
        {"hostname": 'it\'s "quoted" \\ and %s'},
    ],
)
@pytest.mark.parametrize("delivery", ["events", "payload"])
def test_every_lease_that_kea_can_store_becomes_an_event(database: Database, delivery: str, values: dict) -> None:
    database.notify(delivery=delivery)
    database.lease(**values)
    assert database.value("SELECT count(*) FROM lease4") == 1
    assert database.lost() == 0


def test_a_large_user_context_is_left_out(events: Database) -> None:
    events.lease(1, user_context=json.dumps({"k": "v" * 65536}))
    events.lease(2, user_context='{"k": 1}')
    assert events.fetch("SELECT user_context FROM kea_events.lease_event ORDER BY xid") == [(None,), ('{"k": 1}',)]
    assert events.lost() == 0


BROKEN = {
    "dropped": ("DROP TABLE kea_events.lease_event",),
    "renamed": ("ALTER TABLE kea_events.lease_event RENAME TO elsewhere",),
    "rights of the owner revoked": (f'REVOKE ALL ON kea_events.lease_event FROM "{KEA}"',),
    "rights on the schema revoked": (f'REVOKE ALL ON SCHEMA kea_events FROM "{KEA}"',),
    "column dropped": ("ALTER TABLE kea_events.lease_event DROP hwaddr",),
    "column of another type": ("ALTER TABLE kea_events.lease_event ALTER op TYPE smallint USING 1",),
    "a constraint that fails": ("ALTER TABLE kea_events.lease_event ADD CHECK (false) NOT VALID",),
    "a trigger that fails": (
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
        "CREATE TRIGGER fails BEFORE INSERT ON kea_events.lease_event EXECUTE FUNCTION fails()",
    ),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_kea_continues_when_the_events_are(events: Database, broken: str) -> None:
    with events.session(KEA) as kea:
        # Like Kea's session, this one has run the trigger before and has cached its plans.
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (1, 1, 0)")
        events.execute(*BROKEN[broken])
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (2, 1, 0)")
        kea.execute("UPDATE public.lease4 SET state = 2 WHERE address = 2")
        kea.execute("DELETE FROM public.lease4 WHERE address = 2")
        assert "lost the event of a lease" in kea.connection.notices[-1]
        assert events.lost() == 3
        # The module corrects it during the session, so Kea need not connect again.
        if "trigger" in broken:
            events.execute("DROP TRIGGER fails ON kea_events.lease_event")
        assert not events.notify()["failed"]
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (3, 1, 0)")
    assert events.ops()[-1] == "I"


@pytest.mark.parametrize("gone", ["DROP SEQUENCE kea_events.lease_event_lost", "DROP SCHEMA kea_events CASCADE"])
def test_kea_continues_without_the_counter(events: Database, gone: str) -> None:
    events.execute("DROP TABLE kea_events.lease_event", gone)
    events.lease()
    assert events.value("SELECT count(*) FROM lease4") == 1
    events.notify()
    events.execute("DROP TABLE kea_events.lease_event")
    events.lease(2)
    assert events.lost() == 1


def test_kea_does_not_wait_for_a_locked_event_table(events: Database) -> None:
    with events.session(autocommit=False) as other:
        # SHARE is the lock of CREATE INDEX.
        for address, mode in enumerate(("SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE")):
            other.execute(f"LOCK TABLE kea_events.lease_event IN {mode} MODE")
            # A lease that waited would end with the statement_timeout of its session, a minute later.
            events.lease(address)
    assert events.lost() == 3
    assert events.value("SELECT count(*) FROM lease4") == 3
    assert events.ops() == ""


def test_kea_does_not_wait_for_a_session_that_waits_for_the_event_table(events: Database) -> None:
    with events.session(MONITOR, autocommit=False) as reader, events.session() as other:
        reader.execute("SELECT FROM kea_events.lease_event")
        waiter = threading.Thread(target=other.execute, args=("TRUNCATE kea_events.lease_event",))
        waiter.start()
        until(lambda: events.value("SELECT count(*) FROM pg_locks WHERE NOT granted") == 1, "the TRUNCATE to wait")
        events.lease()
        assert events.lost() == 1
        reader.connection.rollback()
        waiter.join()


def test_locked_event_table_delays_no_statement_for_many_leases(events: Database) -> None:
    """Kea removes all reclaimed leases with one DELETE."""
    events.execute("INSERT INTO lease4 (address, subnet_id, state) SELECT n, 1, 2 FROM generate_series(1, 3000) n")
    with events.session(autocommit=False) as other, events.session(KEA) as kea:
        other.execute("LOCK TABLE kea_events.lease_event IN ACCESS EXCLUSIVE MODE")
        kea.execute("DELETE FROM public.lease4 WHERE state = 2")
        assert kea.rowcount == 3000
        assert events.lost() == 3000
        other.connection.rollback()
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (1, 1, 0)")
    assert events.ops()[-1] == "I"
    assert events.lost() == 3000


def test_trigger_catches_a_statement_timeout(events: Database) -> None:
    """Kea takes a cancelled query for a lost connection, which may end the server (kea-facts 2.1)."""
    with events.session(autocommit=False) as other, events.session(KEA) as kea:
        # The trigger waits for the number of its row. 500 ms are enough for a busy machine to reach the trigger, in
        # which the statement must be when its time is over.
        other.execute("ALTER SEQUENCE kea_events.lease_event_id_seq INCREMENT 1")
        kea.execute("SET statement_timeout = 500")
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (1, 1, 0)")
    assert events.value("SELECT count(*) FROM lease4") == 1


def wake_ups(cursor: object) -> list[str]:
    """Return the payloads that the listener received."""
    connection = cursor.connection
    while select.select([connection], [], [], 0.2)[0]:
        connection.poll()
    payloads = [notify.payload for notify in connection.notifies]
    connection.notifies.clear()
    return payloads


@pytest.mark.parametrize(("wake_up", "received"), [("debounced", 1), ("each", 1), ("never", 0)])
def test_wake_ups(database: Database, wake_up: str, received: int) -> None:
    database.notify(wake_up=wake_up)
    with database.session(MONITOR) as listener:
        listener.execute("LISTEN kea_lease_events")
        database.lease()
        assert wake_ups(listener) == [""] * received


def test_one_transaction_at_a_time_notifies(events: Database) -> None:
    with events.session(MONITOR) as listener, events.session(autocommit=False) as slow:
        listener.execute("LISTEN kea_lease_events")
        slow.execute("INSERT INTO lease4 (address, subnet_id, state) VALUES (1, 1, 0)")
        with events.session() as quick:
            quick.execute("INSERT INTO lease4 (address, subnet_id, state) VALUES (2, 2, 0)")
        assert wake_ups(listener) == []
        slow.connection.commit()
        assert wake_ups(listener) == [""]
    assert events.ops() == "II"


def test_a_payload_holds_the_keys(database: Database) -> None:
    database.notify(delivery="payload")
    with database.session(MONITOR) as listener:
        listener.execute("LISTEN kea_lease_events")
        database.lease(client_id=b"\x01\xff")
        database.update("hostname = 'other', client_id = decode(repeat('ab', 256), 'hex')")
        database.update("hwaddr = NULL")
        inserted, updated, last = (json.loads(payload) for payload in wake_ups(listener))
    assert inserted == {
        "op": "I", "address": "192.168.1.1", "subnet_id": 1, "hwaddr": "020000000001", "client_id": "01ff", "state": 0,
    }  # fmt: skip
    assert updated["client_id"] is None
    assert last["hwaddr"] is None
    assert database.lost() == 0


def test_a_reader_may_read_and_prune_and_nothing_else(events: Database) -> None:
    events.lease()
    with events.session(MONITOR) as monitor:
        monitor.execute("SELECT last_value FROM kea_events.lease_event_lost")
        monitor.execute("SELECT count(*) FROM public.lease4")
        monitor.execute("DELETE FROM kea_events.lease_event")
    rights = events.fetch(
        "SELECT privilege_type FROM information_schema.table_privileges "
        f"WHERE grantee = '{MONITOR}' AND table_schema = 'kea_events'"
    )
    assert sorted(right for (right,) in rights) == ["DELETE", "SELECT"]
    assert not events.value(f"SELECT has_function_privilege('{MONITOR}', 'public.kea_lease_notify()', 'EXECUTE')")
