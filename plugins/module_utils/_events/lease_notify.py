# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: lease events in PostgreSQL: from the options of a task to the wanted state, and to the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from . import catalogue
from . import changes
from . import rights
from . import sql
from . import table as events_table
from .._postgres import session
from .._postgres import errors
from .._postgres import preflight
from .._host import state_text

if TYPE_CHECKING:
    from psycopg2 import extensions

# The first with xid8 and pg_snapshot, which the order of the events rests on.
OLDEST_SERVER = 130000
READER_RIGHTS = {"event_schema": ["USAGE"], "event_table": ["DELETE", "SELECT"], "lost_counter": ["SELECT"]}

State = Dict[str, Any]
read_state = catalogue.read_state


class Wanted(NamedTuple):
    """What a task asks for; ``owner`` is empty for the owner of lease4."""

    present: bool
    lease6: bool
    schema: str
    event_schema: str
    owner: str
    readers: List[str]
    delivery: str
    wake_up: str
    renewals: bool
    force: bool


_REFUSE_LATECOMERS = """BEGIN IF EXISTS (SELECT FROM {events}) THEN
    RAISE EXCEPTION 'an event came just now, so nothing was changed' USING ERRCODE = 'object_in_use';
END IF; END"""


def count_waiting(cursor: extensions.cursor, event_schema: str) -> int:
    """Events that nobody has pruned yet. Raises PostgresError, also when there is no event table."""
    query = session.compose(cursor, "SELECT count(*) FROM {events}", events=(event_schema, sql.EVENTS))
    return int(session.fetch(cursor, query)[0][0])


def ages(cursor: extensions.cursor, event_schema: str) -> Tuple[Optional[float], Optional[float]]:
    """Seconds since the oldest and since the newest event that nobody has pruned; None without one. Raises
    PostgresError."""
    query = session.compose(
        cursor,
        "SELECT extract(epoch FROM now() - min(recorded_at))::float8,"
        " extract(epoch FROM now() - max(recorded_at))::float8 FROM {events}",
        events=(event_schema, sql.EVENTS),
    )
    oldest, newest = session.fetch(cursor, query)[0]
    return oldest, newest


def count_lost(cursor: extensions.cursor, event_schema: str) -> int:
    """Events that could not be written since the counter was made. PostgreSQL logs a sequence ahead of its use, so a
    crash of the server may add up to 32. Raises PostgresError, also when there is no counter."""
    query = session.compose(
        cursor,
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {lost}",
        lost=(event_schema, sql.LOST),
    )
    return int(session.fetch(cursor, query)[0][0])


def queue_usage(cursor: extensions.cursor) -> float:
    """How full the notification queue of the server is, from 0 to 1. Raises PostgresError."""
    return float(session.fetch(cursor, "SELECT pg_catalog.pg_notification_queue_usage()")[0][0])


def ensure(cursor: extensions.cursor, wanted: Wanted, locks: session.Locks, check_mode: bool) -> Dict[str, Any]:
    """Bring all objects to the wanted state in one transaction; the result of the module. Raises PostgresError."""
    if cursor.connection.server_version < OLDEST_SERVER:
        raise errors.PostgresError("Lease events need PostgreSQL 13 or later")
    if wanted.event_schema == wanted.schema:
        # Its owner and rights are about to be set, and those of Kea's schema are not ours.
        raise errors.PostgresError("event_schema must be another schema than that of Kea's tables")
    if not check_mode:
        preflight.await_turn(cursor)
    before = session.patiently(cursor, locks, lambda: _read(cursor, wanted))
    after = _present(cursor, wanted, before) if wanted.present else _absent(cursor, wanted, before)
    queries = changes.Changes(cursor, wanted.schema, wanted.event_schema, before, after).statements()
    if before["event_table"] and not after["event_table"] and not wanted.force:
        _refuse_waiting(cursor, wanted, locks)
        queries = [*_latecomers_refused(cursor, wanted), *queries]
    if queries:
        preflight.refuse_standby(cursor)
        rights.Needs(cursor, wanted.schema, wanted.event_schema, before, after).refuse_missing(queries)
    outcome = "nothing was changed"
    if queries and not check_mode:
        locks = _share(locks, before, after)
        session.set_lock_timeout(cursor, locks.timeout)
        session.run_together(cursor, queries, locks)
        outcome = "the change was made, but could not be looked at afterwards"
        _verify(session.patiently(cursor, locks, lambda: _read(cursor, wanted), outcome), after)
    lost_events = 0
    if wanted.present and before["lost_counter"]:
        lost_events = session.patiently(cursor, locks, lambda: count_lost(cursor, wanted.event_schema), outcome)
    return {
        "changed": bool(queries),
        "queries": queries,
        "diff": state_text.diff(before, after),
        "state": after,
        "lost_events": lost_events,
        "warnings": [] if wanted.present else rights.staying(cursor, wanted.schema, wanted.readers),
    }


def _share(locks: session.Locks, before: State, after: State) -> session.Locks:
    """While the second lease table is waited for, Kea waits for the first: so they share the time."""
    locked = [family for family in sql.FAMILIES if any(before[key] != after[key] for key in family.triggers)]
    return locks._replace(timeout=max(1, locks.timeout // max(1, len(locked))))


def _read(cursor: extensions.cursor, wanted: Wanted) -> State:
    """As read_state; but the lease tables are Kea's, so who else may read them is none of our business."""
    state: State = read_state(cursor, wanted.schema, wanted.event_schema)
    for family in sql.FAMILIES:
        leases = state[family.leases_key]
        if leases:
            leases["readers"] = [one for one in leases["readers"] if one in wanted.readers]
    return state


def _present(cursor: extensions.cursor, wanted: Wanted, before: State) -> State:
    owner = wanted.owner or _leases(wanted, before, sql.FAMILY4)["owner"]
    preflight.refuse_unknown_roles(cursor, [owner, *wanted.readers])
    for name in catalogue.of_another_kind(cursor, wanted.event_schema):
        raise errors.PostgresError(
            f"The name {wanted.event_schema}.{name} is taken by something else, so nothing was changed. Remove or "
            "rename that, or choose another event_schema"
        )
    after = {
        "event_schema": _owned(owner, wanted, "event_schema"),
        "event_table": None,
        "lost_counter": dict(_owned(owner, wanted, "lost_counter"), **events_table.COUNTER),
    }
    if wanted.delivery == "events":
        after["event_table"] = dict(_owned(owner, wanted, "event_table"), **events_table.EVENT_TABLE)
    for family in sql.FAMILIES:
        if family is sql.FAMILY4 or wanted.lease6:
            after.update(_delivered(cursor, wanted, before, family, owner))
        else:
            after.update(_undelivered(before, family))
    return after


def _absent(cursor: extensions.cursor, wanted: Wanted, before: State) -> State:
    """Nothing; but an event schema in which something else lives stays as it is."""
    stay = (catalogue.strangers, catalogue.of_another_kind)
    shared = any(others(cursor, wanted.event_schema) for others in stay)
    after: State = {**dict.fromkeys(before), "event_schema": before["event_schema"] if shared else None}
    for family in sql.FAMILIES:
        after.update(_undelivered(before, family))
    four = sql.FAMILY4.leases_key
    after[four] = before[four] and dict(before[four], readers=[])
    return after


def _delivered(cursor: extensions.cursor, wanted: Wanted, before: State, family: sql.Family, owner: str) -> State:
    leases = _leases(wanted, before, family)
    for name in catalogue.functions_of_another_kind(cursor, wanted.schema, family.function):
        raise errors.PostgresError(
            f"The name {name} is taken by something that is no trigger function, so nothing was changed. Remove or "
            "rename that"
        )
    function = {
        "language": "plpgsql",
        "volatility": "volatile",
        "security_definer": True,
        "settings": sql.SETTINGS,
        "body": _body(cursor, wanted, family),
    }
    return {
        family.leases_key: dict(leases, readers=sorted(set(wanted.readers) - {leases["owner"]})),
        family.function_key: dict(_owned(owner, wanted, family.function_key), **function),
        **{key: {"definition": _trigger(cursor, wanted, family, key), "enabled": "origin"} for key in family.triggers},
    }


def _undelivered(before: State, family: sql.Family) -> State:
    """Who may read leases stays as it is where no events were delivered: it was not granted for that."""
    leases = before[family.leases_key]
    if leases and before[family.function_key]:
        leases = dict(leases, readers=[])
    return {family.leases_key: leases, family.function_key: None, **dict.fromkeys(family.triggers)}


def _leases(wanted: Wanted, before: State, family: sql.Family) -> Dict[str, Any]:
    found: Dict[str, Any] = before[family.leases_key]
    if not found:
        message = f"There is no table {wanted.schema}.{family.table} in this database"
        raise errors.PostgresError(message, errors.UNDEFINED_TABLE)
    return found


def _owned(owner: str, wanted: Wanted, key: str) -> Dict[str, Any]:
    readers = sorted(set(wanted.readers)) if key in READER_RIGHTS else []
    return {"owner": owner, "rights": {**dict.fromkeys(readers, READER_RIGHTS.get(key)), owner: ["ALL"]}}


def _body(cursor: extensions.cursor, wanted: Wanted, family: sql.Family) -> str:
    declarations = sql.declarations(wanted.delivery)
    action = sql.action(family, wanted.delivery, wanted.wake_up)
    parts = {
        "leases": (wanted.schema, family.table),
        "events": (wanted.event_schema, sql.EVENTS),
        "user_context_limit": session.Words(str(sql.USER_CONTEXT_LIMIT)),
    }
    body: str = session.compose(
        cursor,
        sql.BODY,
        declarations=session.Words(session.compose(cursor, declarations, **parts)),
        action=session.Words(session.compose(cursor, action, **parts)),
        event_schema=session.Literal(wanted.event_schema),
        counter=session.Literal(sql.LOST),
        locked=session.Literal(sql.LOCKED),
        warned_at=session.Literal(sql.WARNED),
        interval=session.Words(str(sql.WARNING_INTERVAL)),
    )
    return body


def _trigger(cursor: extensions.cursor, wanted: Wanted, family: sql.Family, key: str) -> str:
    """With names quoted by the server, because pg_get_triggerdef quotes only those that need it."""
    schema = session.fetch(cursor, "SELECT quote_ident(%s)", (wanted.schema,))[0][0]
    names = {"leases": f"{schema}.{family.table}", "function": f"{schema}.{family.function}"}
    template: str = sql.trigger(family, key, wanted.renewals)
    return template.format(**names)


def _refuse_waiting(cursor: extensions.cursor, wanted: Wanted, locks: session.Locks) -> None:
    waiting = session.patiently(cursor, locks, lambda: count_waiting(cursor, wanted.event_schema))
    if waiting:
        raise errors.PostgresError(
            f"{waiting} events in {wanted.event_schema}.{sql.EVENTS} are not delivered yet, so nothing was "
            "changed. Let the monitor read them, or set force to drop them",
            waiting_events=waiting,
        )


def _latecomers_refused(cursor: extensions.cursor, wanted: Wanted) -> List[str]:
    """Behind the lock nobody can write an event any more; until then one may have come since they were counted."""
    events = (wanted.event_schema, sql.EVENTS)
    body = session.Literal(session.compose(cursor, _REFUSE_LATECOMERS, events=events))
    lock = session.compose(cursor, "LOCK TABLE {events} IN ACCESS EXCLUSIVE MODE", events=events)
    return [lock, session.compose(cursor, "DO {body}", body=body)]


def _verify(found: State, after: State) -> None:
    different = sorted(key for key in after if found[key] != after[key])
    if different:
        raise errors.PostgresError(
            f"The change was made, but the catalogue still says something else about: {', '.join(different)}",
            diff=state_text.diff(found, after),
        )
