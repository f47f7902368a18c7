# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the state of the lease events that a task asks for."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple

from . import catalogue
from . import trigger
from . import table as events_table
from .._postgres import preflight
from .._postgres.errors import UNDEFINED_TABLE, PostgresError
from .._postgres.parts import Literal, Words
from .._postgres.session import Session
from .catalogue import State
from .trigger import Family

READER_RIGHTS = {"event_schema": ["USAGE"], "event_table": ["DELETE", "SELECT"], "lost_counter": ["SELECT"]}


class Wanted(NamedTuple):
    """The options of a task; an empty ``owner`` is the owner of lease4."""

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


class Target:
    """The state that the objects will have, given the options and the state before."""

    def __init__(self, session: Session, wanted: Wanted, before: State) -> None:
        self._session = session
        self._wanted = wanted
        self._before = before

    def state(self) -> State:
        """Return the state after the change. Raises PostgresError for options that cannot be fulfilled."""
        return self._present() if self._wanted.present else self._absent()

    def _present(self) -> State:
        wanted = self._wanted
        owner = wanted.owner or self._leases(trigger.FAMILY4)["owner"]
        preflight.refuse_unknown_roles(self._session, [owner, *wanted.readers])
        for name in catalogue.of_another_kind(self._session, wanted.event_schema):
            raise PostgresError(
                f"The name {wanted.event_schema}.{name} is taken by something else, so nothing was changed. Remove or "
                "rename that, or choose another event_schema"
            )
        after: State = {
            "event_schema": self._owned(owner, "event_schema"),
            "event_table": None,
            "lost_counter": dict(self._owned(owner, "lost_counter"), **events_table.COUNTER),
        }
        if wanted.delivery == "events":
            after["event_table"] = dict(self._owned(owner, "event_table"), **events_table.EVENT_TABLE)
        for family in trigger.FAMILIES:
            if family is trigger.FAMILY4 or wanted.lease6:
                after.update(self._delivered(family, owner))
            else:
                after.update(self._undelivered(family))
        return after

    def _absent(self) -> State:
        """Return a state without objects; the event schema stays as it is if it holds other objects."""
        before, event_schema = self._before, self._wanted.event_schema
        stay = (catalogue.strangers, catalogue.of_another_kind)
        shared = any(others(self._session, event_schema) for others in stay)
        after: State = {**dict.fromkeys(before), "event_schema": before["event_schema"] if shared else None}
        for family in trigger.FAMILIES:
            after.update(self._undelivered(family))
        four = trigger.FAMILY4.leases_key
        after[four] = before[four] and dict(before[four], readers=[])
        return after

    def _delivered(self, family: Family, owner: str) -> State:
        leases = self._leases(family)
        for name in catalogue.functions_of_another_kind(self._session, self._wanted.schema, family.function):
            raise PostgresError(
                f"The name {name} is taken by something that is no trigger function, so nothing was changed. Remove or "
                "rename that"
            )
        function = {
            "language": "plpgsql",
            "volatility": "volatile",
            "security_definer": True,
            "settings": trigger.SETTINGS,
            "body": self._body(family),
        }
        triggers = {key: {"definition": self._trigger(family, key), "enabled": "origin"} for key in family.triggers}
        return {
            family.leases_key: dict(leases, readers=sorted(set(self._wanted.readers) - {leases["owner"]})),
            family.function_key: dict(self._owned(owner, family.function_key), **function),
            **triggers,
        }

    def _undelivered(self, family: Family) -> State:
        """Return the state of a family without events.

        The readers of its leases stay if no events were delivered: they were not granted that for events.
        """
        leases = self._before[family.leases_key]
        if leases and self._before[family.function_key]:
            leases = dict(leases, readers=[])
        return {family.leases_key: leases, family.function_key: None, **dict.fromkeys(family.triggers)}

    def _leases(self, family: Family) -> Dict[str, Any]:
        found: Dict[str, Any] = self._before[family.leases_key]
        if not found:
            message = f"There is no table {self._wanted.schema}.{family.table} in this database"
            raise PostgresError(message, UNDEFINED_TABLE)
        return found

    def _owned(self, owner: str, key: str) -> Dict[str, Any]:
        readers = sorted(set(self._wanted.readers)) if key in READER_RIGHTS else []
        return {"owner": owner, "rights": {**dict.fromkeys(readers, READER_RIGHTS.get(key)), owner: ["ALL"]}}

    def _body(self, family: Family) -> str:
        wanted, compose = self._wanted, self._session.compose
        parts = {
            "leases": (wanted.schema, family.table),
            "events": (wanted.event_schema, trigger.EVENTS),
            "user_context_limit": Words(str(trigger.USER_CONTEXT_LIMIT)),
        }
        return compose(
            trigger.BODY,
            declarations=Words(compose(trigger.declarations(wanted.delivery), **parts)),
            action=Words(compose(trigger.action(family, wanted.delivery, wanted.wake_up), **parts)),
            event_schema=Literal(wanted.event_schema),
            counter=Literal(trigger.LOST),
            warned_at=Literal(trigger.WARNED),
            interval=Words(str(trigger.WARNING_INTERVAL)),
        )

    def _trigger(self, family: Family, key: str) -> str:
        """Return the definition with names quoted by the server, because pg_get_triggerdef quotes only when needed."""
        schema = self._session.fetch("SELECT quote_ident(%s)", (self._wanted.schema,))[0][0]
        names = {"leases": f"{schema}.{family.table}", "function": f"{schema}.{family.function}"}
        return trigger.trigger(family, key, self._wanted.renewals).format(**names)
