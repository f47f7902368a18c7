# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the text of the trigger functions and of the triggers.

The objects stay in place during every kea-admin db-upgrade: they name only columns that the lease tables have had since
schema 5.0, and no trigger names lease6.address, whose type an upgrade changes (kea-facts 1.2, 1.6).

The functions run with the rights of their owner and with the search path of the caller, who may have put a schema of
its own before pg_catalog. So every name and every operator is qualified, and no construct is used that looks up an
operator by its name: IS DISTINCT FROM, BETWEEN, IN, nullif, CASE with an operand. A fixed search path would cost each
lease as much as the event row (docs/benchmarks.md).
"""

from __future__ import annotations

from textwrap import fill
from typing import Dict, List, NamedTuple, Tuple

EVENTS = "lease_event"
LOST = "lease_event_lost"
TRIGGER = "kea_lease_notify_trigger"
TRIGGER_UPDATE = "kea_lease_notify_trigger_update"
CHANNEL = "kea_lease_events"
WAKE_UP_LOCK = 0x6B65615F6C656173
"""Number of the advisory lock that guards the channel: 'kea_leas' in ASCII. Both exist once per database."""
SETTINGS: List[str] = []
"""Settings of the functions. PostgreSQL sets and resets each of them for every lease, so there are none."""
QUEUE_LIMIT = "0.5"
"""Usage of the notification queue from which on no notification is sent; PostgreSQL itself warns from there on.

When the queue of the cluster is full, COMMIT fails and the lease is lost (SQLSTATE 54000, which no trigger can catch).
"""
USER_CONTEXT_LIMIT = 8192
"""Octets of user_context in an event at most; a longer one is left out."""
IDENTIFIER_LIMIT = 255
"""Octets of an identifier in a payload at most.

RFC 2132 allows 255 for a client identifier, and two of them in hexadecimal stay far below the 7999 octets of a
notification.
"""
WARNED = "kea_lease_notify.warned_at"
"""Setting of the session: when it warned last, in seconds since 1970."""
WARNING_INTERVAL = 10
"""Seconds between two warnings of one session about lost events; Kea writes each to its standard error."""


class Family(NamedTuple):
    """One of Kea's lease tables, and how its rows become events.

    ``suffix`` ends the keys of a state. ``address`` is an expression for the address of ``{row}``. An event has the new
    values of ``columns`` and the previous values of ``old_columns``. A change of ``compared`` is no mere renewal.
    """

    suffix: str
    table: str
    function: str
    address: str
    columns: Tuple[str, ...]
    old_columns: Tuple[str, ...]
    compared: Tuple[str, ...]
    payload: Tuple[str, ...]

    @property
    def leases_key(self) -> str:
        """Return the key of the lease table in a state."""
        return "leases" + self.suffix

    @property
    def function_key(self) -> str:
        """Return the key of the function in a state."""
        return "function" + self.suffix

    @property
    def triggers(self) -> Dict[str, str]:
        """Return the names of the triggers by key of the state."""
        return {f"trigger{self.suffix}": TRIGGER, f"trigger{self.suffix}_update": TRIGGER_UPDATE}


_TIMES = ("valid_lifetime", "expire")
FAMILIES = (
    Family(
        suffix="",
        table="lease4",
        function="kea_lease_notify",
        address="'0.0.0.0'::pg_catalog.inet OPERATOR(pg_catalog.+) {row}.address",
        columns=("hwaddr", "client_id", *_TIMES, "subnet_id", "hostname", "state"),
        old_columns=("hwaddr", "client_id", "hostname", *_TIMES, "state", "subnet_id"),
        compared=("hwaddr", "client_id", "valid_lifetime", "subnet_id", "hostname", "state", "user_context"),
        payload=("hwaddr", "client_id"),
    ),
    Family(
        suffix="6",
        table="lease6",
        function="kea_lease6_notify",
        # Cast through text: the column is varchar(39) up to schema 17.0 and inet from 18.0 on.
        address="{row}.address::pg_catalog.text::pg_catalog.inet",
        columns=(
            *("duid", "iaid", "lease_type", "prefix_len", "hwaddr", "pref_lifetime"),
            *(*_TIMES, "subnet_id", "hostname", "state"),
        ),
        old_columns=("duid", "iaid", "hwaddr", "hostname", *_TIMES, "state", "subnet_id"),
        compared=(
            *("duid", "iaid", "lease_type", "prefix_len", "hwaddr", "valid_lifetime"),
            *("subnet_id", "hostname", "state", "user_context"),
        ),
        payload=("duid", "hwaddr"),
    ),
)
FAMILY4, FAMILY6 = FAMILIES


def not_a_renewal(family: Family) -> str:
    """Return the condition that makes an update an event, spelled as pg_get_triggerdef prints it.

    An event is a change of any other column than the time, or of the time of an expired lease, because Kea assigns an
    expired row again with an UPDATE. Releasing on Kea 2.4 and 2.6 sets valid_lifetime to 0 and nothing else. An
    infinite lease (4294967295) never expires, though its expire is in the past (kea-facts 2). The address is the key
    and never changes. PostgreSQL parses the condition for each UPDATE, so it is kept short.
    """
    spelled = ("({row}.hostname)::text" if name == "hostname" else "{row}." + name for name in family.compared)
    changed = [f"({name.format(row='old')} IS DISTINCT FROM {name.format(row='new')})" for name in spelled]
    expired = "((old.expire < now()) AND (old.valid_lifetime <> '4294967295'::bigint))"
    return f"({' OR '.join([*changed, expired])})"


_WRITE_EVENT = """\
    -- Wait for no session that locks the table: then the event is lost and counted, never the lease. Nor does any later
    -- statement wait for the table, whose lock the transaction now has.
    LOCK TABLE ONLY {{events}} IN ROW EXCLUSIVE MODE NOWAIT;
    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
        {delete}
    ELSE
        -- OLD is all NULL when a lease is inserted.
        {insert}
    END IF;
"""
_USER_CONTEXT = (
    "CASE WHEN pg_catalog.octet_length({row}.user_context) OPERATOR(pg_catalog.<=) {user_context_limit} "
    "THEN {row}.user_context END"
)
WAKE_UP_EACH = f"""\
    -- The row is the truth and this only a hint; so it is left out while the queue is filling up.
    IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) {QUEUE_LIMIT} THEN
        PERFORM pg_catalog.pg_notify('{CHANNEL}', '');
    END IF;
"""
WAKE_UP_DEBOUNCED = f"""\
    -- Commits that notify queue up behind one lock of the cluster, so only one transaction at a time does. A reader
    -- that another one wakes sees this row, or sees this transaction in progress and looks again.
    IF pg_catalog.pg_try_advisory_xact_lock({WAKE_UP_LOCK}) THEN
        IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.<) {QUEUE_LIMIT} THEN
            PERFORM pg_catalog.pg_notify('{CHANNEL}', '');
        END IF;
    END IF;
"""
WAKE_UPS = {"debounced": WAKE_UP_DEBOUNCED, "each": WAKE_UP_EACH, "never": ""}
_SEND_PAYLOAD = f"""\
    IF pg_catalog.pg_notification_queue_usage() OPERATOR(pg_catalog.>=) {QUEUE_LIMIT} THEN
        RAISE EXCEPTION 'the notification queue is filling up';
    END IF;
    IF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
        lease := OLD;
    ELSE
        lease := NEW;
    END IF;
    -- Keys only, each bounded: a payload of 8000 octets would be refused.
    PERFORM pg_catalog.pg_notify('{CHANNEL}', pg_catalog.json_build_object(
        'op', pg_catalog.left(TG_OP, 1),
        'address', pg_catalog.host({{address}}),
        'subnet_id', lease.subnet_id,
{{identifiers}}
        'state', lease.state)::pg_catalog.text);
"""
_PAYLOAD_IDENTIFIER = f"""\
        '{{name}}', CASE WHEN pg_catalog.octet_length(lease.{{name}}) OPERATOR(pg_catalog.<=) {IDENTIFIER_LIMIT}
            THEN pg_catalog.encode(lease.{{name}}, 'hex') END,"""
_PAYLOAD_PREFIX = """
        'iaid', lease.iaid,
        'lease_type', lease.lease_type,
        'prefix_len', lease.prefix_len,"""
# The function catches every error: an error in a trigger makes Kea refuse the lease, and some errors end the server
# (kea-facts 2.1). OTHERS does not include a cancelled query, which Kea would take for a lost connection.
# The comments within are part of the function: a change of them would replace it in every database.
BODY = """
DECLARE
    lost pg_catalog.int8;
    now_at pg_catalog.float8;
    silent pg_catalog.float8;
{declarations}BEGIN
{action}    RETURN NULL;
EXCEPTION WHEN OTHERS OR query_canceled THEN
    BEGIN
        -- A sequence, because it keeps counting when the transaction is rolled back; found by its number, because the
        -- right to look into the schema may be what is missing. Nothing is counted when it is gone.
        SELECT pg_catalog.nextval(c.oid::pg_catalog.regclass) INTO lost
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE n.nspname OPERATOR(pg_catalog.=) {event_schema} AND c.relname OPERATOR(pg_catalog.=) {counter}
            AND c.relkind OPERATOR(pg_catalog.=) 'S';
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        lost := NULL;
    END;
    BEGIN
        -- Kea writes every warning to its log, so a session gives one now and then.
        now_at := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp());
        -- The setting is NULL or empty in a session that never warned.
        silent := now_at OPERATOR(pg_catalog.-)
            pg_catalog.concat('0', pg_catalog.current_setting({warned_at}, true))::pg_catalog.float8;
        IF silent OPERATOR(pg_catalog.<) 0 OR silent OPERATOR(pg_catalog.>) {interval} THEN
            PERFORM pg_catalog.set_config({warned_at}, now_at::pg_catalog.text, false);
            RAISE WARNING 'kea_lease_notify lost the event of a lease: % (%); lost so far: %', SQLERRM, SQLSTATE,
                coalesce(lost::pg_catalog.text, 'cannot be counted');
        END IF;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        RETURN NULL;
    END;
    RETURN NULL;
END
"""

CREATE_FUNCTION = """\
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS {body}"""


def trigger(family: Family, key: str, renewals: bool) -> str:
    """Return the definition of a trigger as pg_get_triggerdef prints it, with ``{leases}`` and ``{function}``."""
    name = family.triggers[key]
    events = "INSERT OR DELETE" if name == TRIGGER else "UPDATE"
    condition = "" if name == TRIGGER or renewals else f"WHEN ({not_a_renewal(family)}) "
    return f"CREATE TRIGGER {name} AFTER {events} ON {{leases}} FOR EACH ROW {condition}EXECUTE FUNCTION {{function}}()"


def action(family: Family, delivery: str, wake_up: str) -> str:
    """Return what the function does with a change: a template with ``{events}`` and ``{user_context_limit}``."""
    if delivery == "payload":
        identifiers = "\n".join(_PAYLOAD_IDENTIFIER.format(name=name) for name in family.payload)
        return _SEND_PAYLOAD.format(
            address=family.address.format(row="lease"),
            identifiers=identifiers + (_PAYLOAD_PREFIX if family is FAMILY6 else ""),
        )
    return _WRITE_EVENT.format(delete=_insert(family, "OLD"), insert=_insert(family, "NEW")) + WAKE_UPS[wake_up]


def declarations(delivery: str) -> str:
    """Return the declarations of the function: a template with ``{leases}``."""
    return "    lease {leases}%ROWTYPE;\n" if delivery == "payload" else ""


def _insert(family: Family, row: str) -> str:
    """Return the statement that writes the event; ``row`` is OLD for a deleted lease."""
    values = {
        "op": "'D'" if row == "OLD" else 'pg_catalog.left(TG_OP, 1)::pg_catalog."char"',
        "address": family.address.format(row=row),
        **{name: f"{row}.{name}" for name in family.columns},
        "user_context": _USER_CONTEXT.replace("{row}", row),
        **({f"old_{name}": f"OLD.{name}" for name in family.old_columns} if row == "NEW" else {}),
    }
    return "\n".join(
        fill(text, 110, subsequent_indent=" " * 12, break_long_words=False, break_on_hyphens=False)
        for text in (f"INSERT INTO {{events}} ({', '.join(values)})", f"        VALUES ({', '.join(values.values())});")
    )
