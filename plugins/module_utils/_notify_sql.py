# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the text of the trigger function and of its trigger conditions.

Only columns that lease4 has had since schema 5.0 are named, and lease6.address never (kea-facts 1.2, 1.6), so that the
objects stay in place through every kea-admin db-upgrade. Every name outside pg_catalog is qualified: the function runs
with the rights of its owner.
"""

from __future__ import annotations

from typing import NamedTuple

LEASES = "lease4"
EVENTS = "lease_event"
LOST = "lease_event_lost"
FUNCTION = "kea_lease_notify"
TRIGGERS = {"trigger": "kea_lease_notify_trigger", "trigger_update": "kea_lease_notify_trigger_update"}
CHANNEL = "kea_lease_events"
# 'kea_leas' in ASCII. Per database, as advisory locks are; the channel that it guards is, too.
WAKE_UP_LOCK = 0x6B65615F6C656173
# Kea waits for a lock on the event table no longer than this; then the event is lost and counted, never the lease. A
# single-threaded Kea still grants 50 leases a second while somebody keeps the table locked. It is no shorter, because
# the moment in which another connection makes the table's file longer is such a wait, too.
LOCK_TIMEOUT = "20ms"
SETTINGS = ["search_path=pg_catalog, pg_temp", f"lock_timeout={LOCK_TIMEOUT}"]
# A committing NOTIFY fails once the queue of the whole cluster is full, and takes the lease with it (SQLSTATE 54000,
# which no trigger can catch). PostgreSQL itself warns from the same level on.
QUEUE_LIMIT = "0.5"
# Octets of user_context that an event carries at most.
USER_CONTEXT_LIMIT = 8192
# Octets of an identifier in a payload: RFC 2132 allows 255 for a client identifier, and twice two of them in
# hexadecimal stay far below the 7999 octets of a notification.
IDENTIFIER_LIMIT = 255


class Column(NamedTuple):
    """A column of the event table; ``definition`` as the query of _notify_catalogue prints it."""

    name: str
    type: str
    extra: str = ""

    @property
    def definition(self) -> str:
        return f"{self.name} {self.type}{self.extra}"


EVENT_COLUMNS = [
    Column("xid", "xid8", " NOT NULL DEFAULT pg_current_xact_id()"),
    Column("id", "bigint", " NOT NULL GENERATED ALWAYS AS IDENTITY"),
    Column("recorded_at", "timestamp with time zone", " NOT NULL DEFAULT clock_timestamp()"),
    Column("op", '"char"', " NOT NULL"),
    Column("address", "inet"),
    Column("hwaddr", "bytea"),
    Column("client_id", "bytea"),
    Column("valid_lifetime", "bigint"),
    Column("expire", "timestamp with time zone"),
    Column("subnet_id", "bigint"),
    Column("hostname", "text"),
    Column("state", "bigint"),
    Column("user_context", "text"),
    Column("old_hwaddr", "bytea"),
    Column("old_client_id", "bytea"),
    Column("old_hostname", "text"),
    Column("old_valid_lifetime", "bigint"),
    Column("old_expire", "timestamp with time zone"),
    Column("old_state", "bigint"),
    Column("old_subnet_id", "bigint"),
]
EVENT_CONSTRAINTS = ["PRIMARY KEY (xid, id)"]
# Otherwise autovacuum would lock Kea out whenever it returns the pages of pruned events to the file system.
EVENT_STORAGE = "vacuum_truncate = off, toast.vacuum_truncate = off"
COUNTER = "bigint INCREMENT 1 START 1"

# What makes an update an event: anything but the time, or the time when the lease had run out, because Kea gives an
# expired row away again with an UPDATE. Releasing sets valid_lifetime to 0 on Kea 2.4 and 2.6 and nothing else.
# An infinite lease (4294967295) never runs out, though its expire is in the past (kea-facts 2).
# Spelled as pg_get_triggerdef prints it, to be comparable with what is there.
NOT_A_RENEWAL = (
    "((old.address IS DISTINCT FROM new.address)"
    " OR (old.hwaddr IS DISTINCT FROM new.hwaddr)"
    " OR (old.client_id IS DISTINCT FROM new.client_id)"
    " OR (old.valid_lifetime IS DISTINCT FROM new.valid_lifetime)"
    " OR (old.subnet_id IS DISTINCT FROM new.subnet_id)"
    " OR ((old.hostname)::text IS DISTINCT FROM (new.hostname)::text)"
    " OR (old.state IS DISTINCT FROM new.state)"
    " OR (old.user_context IS DISTINCT FROM new.user_context)"
    " OR ((old.expire < now()) AND (old.valid_lifetime <> '4294967295'::bigint)))"
)

WRITE_EVENT = """\
    IF TG_OP = 'DELETE' THEN
        INSERT INTO {events} (op, address, hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname, state,
            user_context)
        VALUES ('D', '0.0.0.0'::pg_catalog.inet + OLD.address, OLD.hwaddr, OLD.client_id, OLD.valid_lifetime,
            OLD.expire, OLD.subnet_id, OLD.hostname, OLD.state,
            CASE WHEN pg_catalog.octet_length(OLD.user_context) <= {user_context_limit} THEN OLD.user_context END);
    ELSE
        -- OLD is all NULL when a lease is inserted.
        INSERT INTO {events} (op, address, hwaddr, client_id, valid_lifetime, expire, subnet_id, hostname, state,
            user_context, old_hwaddr, old_client_id, old_hostname, old_valid_lifetime, old_expire, old_state,
            old_subnet_id)
        VALUES (pg_catalog.left(TG_OP, 1)::pg_catalog."char", '0.0.0.0'::pg_catalog.inet + NEW.address, NEW.hwaddr,
            NEW.client_id, NEW.valid_lifetime, NEW.expire, NEW.subnet_id, NEW.hostname, NEW.state,
            CASE WHEN pg_catalog.octet_length(NEW.user_context) <= {user_context_limit} THEN NEW.user_context END,
            OLD.hwaddr, OLD.client_id, OLD.hostname, OLD.valid_lifetime, OLD.expire, OLD.state, OLD.subnet_id);
    END IF;
"""
WAKE_UP_EACH = f"""\
    -- The row is the truth and this only a hint; so it is left out while the queue is filling up.
    IF pg_catalog.pg_notification_queue_usage() < {QUEUE_LIMIT} THEN
        PERFORM pg_catalog.pg_notify('{CHANNEL}', '');
    END IF;
"""
WAKE_UP_DEBOUNCED = f"""\
    -- Commits that notify queue up behind one lock of the cluster, so only one transaction at a time does. A reader
    -- that another one wakes sees this row, or sees this transaction in progress and looks again.
    IF pg_catalog.pg_try_advisory_xact_lock({WAKE_UP_LOCK}) THEN
        IF pg_catalog.pg_notification_queue_usage() < {QUEUE_LIMIT} THEN
            PERFORM pg_catalog.pg_notify('{CHANNEL}', '');
        END IF;
    END IF;
"""
WAKE_UPS = {"debounced": WAKE_UP_DEBOUNCED, "each": WAKE_UP_EACH, "never": ""}
SEND_PAYLOAD = f"""\
    IF pg_catalog.pg_notification_queue_usage() >= {QUEUE_LIMIT} THEN
        RAISE EXCEPTION 'the notification queue is filling up';
    END IF;
    IF TG_OP = 'DELETE' THEN
        lease := OLD;
    ELSE
        lease := NEW;
    END IF;
    -- Keys only, each bounded: a payload of 8000 octets would be refused.
    PERFORM pg_catalog.pg_notify('{CHANNEL}', pg_catalog.json_build_object(
        'op', pg_catalog.left(TG_OP, 1),
        'address', pg_catalog.host('0.0.0.0'::pg_catalog.inet + lease.address),
        'subnet_id', lease.subnet_id,
        'hwaddr', CASE WHEN pg_catalog.octet_length(lease.hwaddr) <= {IDENTIFIER_LIMIT}
            THEN pg_catalog.encode(lease.hwaddr, 'hex') END,
        'client_id', CASE WHEN pg_catalog.octet_length(lease.client_id) <= {IDENTIFIER_LIMIT}
            THEN pg_catalog.encode(lease.client_id, 'hex') END,
        'state', lease.state)::pg_catalog.text);
"""
# Whatever goes wrong is this collection's loss, never Kea's: an error in a trigger is a refused lease, and some end
# the server (kea-facts 2.1). OTHERS leaves out a cancelled query, which would be a lost connection to Kea.
BODY = """
{declarations}BEGIN
{action}    RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    BEGIN
        -- A sequence, because it keeps counting when the transaction is rolled back. NULL, and nothing counted, when
        -- it is gone.
        PERFORM pg_catalog.nextval(pg_catalog.to_regclass({counter}));
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        RAISE WARNING 'kea_lease_notify cannot count lost events: %', SQLERRM;
    END;
    RAISE WARNING 'kea_lease_notify lost the event of a lease: % (%)', SQLERRM, SQLSTATE;
    RETURN NULL;
END
"""

CREATE_FUNCTION = f"""\
CREATE OR REPLACE FUNCTION {{function}}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '{LOCK_TIMEOUT}' AS {{body}}"""


def trigger(key: str, renewals: bool) -> str:
    """The definition of a trigger as pg_get_triggerdef prints it; a template with ``{leases}`` and ``{function}``."""
    events = "INSERT OR DELETE" if key == "trigger" else "UPDATE"
    condition = "" if key == "trigger" or renewals else f"WHEN ({NOT_A_RENEWAL}) "
    return (
        f"CREATE TRIGGER {TRIGGERS[key]} AFTER {events} ON {{leases}} "
        f"FOR EACH ROW {condition}EXECUTE FUNCTION {{function}}()"
    )


def action(delivery: str, wake_up: str) -> str:
    """What the function does with a change; a template with ``{events}`` and ``{user_context_limit}``."""
    return SEND_PAYLOAD if delivery == "payload" else WRITE_EVENT + WAKE_UPS[wake_up]


def declarations(delivery: str) -> str:
    """A template with ``{leases}``."""
    return "DECLARE\n    lease {leases}%ROWTYPE;\n" if delivery == "payload" else ""
