# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: brings the objects that deliver lease events to the state that a task asks for."""

from __future__ import annotations

from typing import Any, Dict, List

from . import catalogue
from . import counts
from . import rights
from . import trigger
from .._host import state_text
from .._postgres import preflight
from .._postgres.errors import PostgresError
from .._postgres.parts import Literal
from .._postgres.session import Session
from .catalogue import State
from .changes import Changes, Transition
from .target import Target, Wanted

OLDEST_SERVER = 130000
"""The first server with xid8 and pg_snapshot, which the order of the events is based on."""

_REFUSE_LATECOMERS = """BEGIN IF EXISTS (SELECT FROM {events}) THEN
    RAISE EXCEPTION 'an event came just now, so nothing was changed' USING ERRCODE = 'object_in_use';
END IF; END"""


def ensure(session: Session, wanted: Wanted) -> Dict[str, Any]:
    """Bring all objects to the wanted state in one transaction, and return the module's result.

    Raises PostgresError.
    """
    _refuse_unfit(session, wanted)
    if not session.readonly:
        preflight.await_turn(session)
    before = session.patiently(lambda: _read(session, wanted))
    transition = Transition(wanted.schema, wanted.event_schema, before, Target(session, wanted, before).state())
    queries = _statements(session, wanted, transition)
    if queries:
        preflight.refuse_standby(session)
        rights.Needs(session, transition).refuse_missing(queries)
    outcome = "nothing was changed"
    if queries and not session.readonly:
        session.limit_locks(_shared_timeout(session.locks.timeout, transition))
        session.together(queries)
        outcome = "the change was made, but could not be verified"
        _verify(session.patiently(lambda: _read(session, wanted), outcome), transition.after)
    lost_events = 0
    if wanted.present and before["lost_counter"]:
        lost_events = session.patiently(lambda: counts.count_lost(session, wanted.event_schema), outcome)
    return {
        "changed": bool(queries),
        "queries": queries,
        "diff": state_text.diff(before, transition.after),
        "state": transition.after,
        "lost_events": lost_events,
        "warnings": [] if wanted.present else rights.staying(session, wanted.schema, wanted.readers),
    }


def _refuse_unfit(session: Session, wanted: Wanted) -> None:
    if session.server_version < OLDEST_SERVER:
        raise PostgresError("Lease events need PostgreSQL 13 or later")
    if wanted.event_schema == wanted.schema:
        # The change sets owner and rights of the event schema, and those of Kea's schema are not this collection's.
        raise PostgresError("event_schema must be another schema than that of Kea's tables")


def _statements(session: Session, wanted: Wanted, transition: Transition) -> List[str]:
    queries = Changes(session, transition).statements()
    if transition.before["event_table"] and not transition.after["event_table"] and not wanted.force:
        _refuse_waiting(session, wanted)
        queries = [*_refusal_of_latecomers(session, wanted), *queries]
    return queries


def _shared_timeout(timeout: int, transition: Transition) -> int:
    """Return the share of the timeout for each lease table: Kea waits for the first while the second is awaited."""
    before, after = transition.before, transition.after
    locked = [family for family in trigger.FAMILIES if any(before[key] != after[key] for key in family.triggers)]
    return max(1, timeout // max(1, len(locked)))


def _read(session: Session, wanted: Wanted) -> State:
    """Return the state, with only the wanted readers of the lease tables: these are Kea's and may have others."""
    state = catalogue.read_state(session, wanted.schema, wanted.event_schema)
    for family in trigger.FAMILIES:
        leases = state[family.leases_key]
        if leases:
            leases["readers"] = [one for one in leases["readers"] if one in wanted.readers]
    return state


def _refuse_waiting(session: Session, wanted: Wanted) -> None:
    waiting = session.patiently(lambda: counts.count_waiting(session, wanted.event_schema))
    if waiting:
        raise PostgresError(
            f"{waiting} events in {wanted.event_schema}.{trigger.EVENTS} are not delivered yet, so nothing was "
            "changed. Let the monitor read them, or set force to drop them",
            waiting_events=waiting,
        )


def _refusal_of_latecomers(session: Session, wanted: Wanted) -> List[str]:
    """Return statements that lock the event table and then fail if an event arrived since they were counted."""
    events = (wanted.event_schema, trigger.EVENTS)
    body = Literal(session.compose(_REFUSE_LATECOMERS, events=events))
    lock = session.compose("LOCK TABLE {events} IN ACCESS EXCLUSIVE MODE", events=events)
    return [lock, session.compose("DO {body}", body=body)]


def _verify(found: State, after: State) -> None:
    different = sorted(key for key in after if found[key] != after[key])
    if different:
        raise PostgresError(
            f"The change was made, but the catalogue still differs in: {', '.join(different)}",
            diff=state_text.diff(found, after),
        )
