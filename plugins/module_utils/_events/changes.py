# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the statements that change the lease events from one state to another (see catalogue.State)."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

from . import catalogue
from . import trigger
from . import table as events_table
from .._postgres import acl
from .._postgres.acl import Rights
from .._postgres.parts import Literal, Part, Words
from .._postgres.session import Session
from .catalogue import State
from .trigger import FAMILIES, Family

FUNCTIONS = tuple(family.function_key for family in FAMILIES)
# What GRANT, ALTER and DROP call the object.
TARGETS = {
    "event_schema": "SCHEMA {event_schema}",
    "event_table": "TABLE {event_table}",
    "lost_counter": "SEQUENCE {lost_counter}",
    **{key: f"FUNCTION {{{key}}}()" for key in FUNCTIONS},
}
# What pg_default_acl calls an object of that kind, if it is no function.
DEFAULT_ACL_KINDS = {"event_schema": "n", "event_table": "r", "lost_counter": "S"}
_CREATE_TABLE = "CREATE TABLE {event_table} (\n    {columns}\n) WITH ({storage})"
CREATE = {
    "event_schema": ["CREATE SCHEMA {event_schema}"],
    "event_table": [_CREATE_TABLE],
    "lost_counter": ["CREATE SEQUENCE {lost_counter}"],
    **{
        key: [trigger.CREATE_FUNCTION.replace("{function}", f"{{{key}}}").replace("{body}", f"{{{key}_body}}")]
        for key in FUNCTIONS
    },
}
# Unlogged sequences exist since PostgreSQL 15. The sequence keeps its count.
LOG_COUNTER = "ALTER SEQUENCE {lost_counter} SET LOGGED"
ADD_COLUMNS = "ALTER TABLE {event_table} {added}"
MEND = {
    # A table with another definition is created again with its rows, which keep their order. The values are cast
    # through text, the only type that every other type can be cast to and from.
    "event_table": [
        "LOCK TABLE {event_table} IN ACCESS EXCLUSIVE MODE",
        "CREATE TEMPORARY TABLE lease_event_kept ON COMMIT DROP AS SELECT * FROM {event_table}",
        "DROP TABLE {event_table}",
        _CREATE_TABLE,
        "INSERT INTO {event_table} ({kept}) OVERRIDING SYSTEM VALUE SELECT {values} FROM pg_temp.lease_event_kept",
        "SELECT setval(pg_get_serial_sequence({table_name}, 'id'), coalesce(max(id), 0) + 1, false) FROM {event_table}",
    ],
    "lost_counter": [
        "ALTER SEQUENCE {lost_counter} AS bigint INCREMENT BY 1 START WITH 1 NO MINVALUE NO MAXVALUE CACHE 1 NO CYCLE"
    ],
    **{key: CREATE[key] for key in FUNCTIONS},
}


class Transition(NamedTuple):
    """The objects in Kea's schema and in the event schema, before and after a change."""

    schema: str
    event_schema: str
    before: State
    after: State


class Changes:
    """The statements of one transition.

    Those that lock a lease table come last and the strongest lock first, so that the session waits for it once, and
    then holds it only while it changes the catalogue.
    """

    def __init__(self, session: Session, transition: Transition) -> None:
        self.session = session
        self.schema, self.event_schema, self.before, self.after = transition
        events = (self.event_schema, trigger.EVENTS)
        kept = _kept_columns(self.before["event_table"])
        shape = [column.definition for column in events_table.EVENT_COLUMNS] + events_table.EVENT_CONSTRAINTS
        self.parts: Dict[str, Part] = {
            "event_schema": self.event_schema,
            "event_table": events,
            "table_name": Literal(session.compose("{events}", events=events)),
            "columns": Words(",\n    ".join(shape)),
            "storage": Words(events_table.EVENT_STORAGE),
            "kept": Words(", ".join(column.name for column in kept)),
            "values": Words(", ".join(f"{column.name}::text::{column.type}" for column in kept)),
            "added": Words(", ".join(f"ADD COLUMN {one}" for one in self._added_columns())),
            "lost_counter": (self.event_schema, trigger.LOST),
        }
        for family in FAMILIES:
            function = self.after[family.function_key]
            self.parts[family.function_key] = (self.schema, family.function)
            self.parts[family.function_key + "_body"] = Literal(function["body"] if function else "")

    def statements(self) -> List[str]:
        """Return all statements in the order in which they must run."""
        return [
            *(statement for key in TARGETS for statement in self._owned(key)),
            *self._dropped("event_table"),
            *self._dropped("lost_counter"),
            *(statement for family in FAMILIES for statement in self._readers(family)),
            *(statement for family in FAMILIES for statement in self._triggers(family)),
            *(statement for key in FUNCTIONS for statement in self._dropped(key)),
            *self._dropped("event_schema"),
        ]

    def _sql(self, template: str, **parts: Part) -> str:
        return self.session.compose(template, **dict(self.parts, **parts))

    def _owned(self, key: str) -> List[str]:
        """Return the statements for the definition of an object, then those for its owner and rights."""
        before, after = self.before[key], self.after[key]
        if not after:
            return []
        templates = self._templates(key)
        created = not before or (key == "event_table" and templates == MEND[key])
        statements = [self._sql(text) for text in templates]
        if created or before["owner"] != after["owner"]:
            statements.append(self._sql(f"ALTER {TARGETS[key]} OWNER TO {{owner}}", owner=after["owner"]))
        rights = self._initial_rights(key) if created else before["rights"]
        return statements + acl.statements(self.session, TARGETS[key], rights, after["rights"], **self.parts)

    def _templates(self, key: str) -> List[str]:
        before, after = self.before[key], self.after[key]
        if not before:
            return CREATE[key]
        if same_definition(before, after):
            return []
        if key == "lost_counter" and before["persistence"] != after["persistence"]:
            return [LOG_COUNTER, *(MEND[key] if before["definition"] != after["definition"] else [])]
        return [ADD_COLUMNS] if key == "event_table" and self._added_columns() else MEND[key]

    def _added_columns(self) -> List[str]:
        """Return the last columns of the event table if nothing else is missing."""
        before, after = self.before["event_table"], self.after["event_table"]
        if not before or not after:
            return []
        there, wanted = before["columns"], after["columns"]
        short = wanted[: len(there)] == there and same_definition(dict(before, columns=wanted), after)
        return wanted[len(there) :] if short else []

    def _initial_rights(self, key: str) -> Rights:
        """Return the rights on a new object, so that those that are too many are revoked.

        PostgreSQL grants EXECUTE on a function to PUBLIC: any role could use it for a table of its own and invent
        events. What ALTER DEFAULT PRIVILEGES adds or removes is not predicted, so all of it is replaced.
        """
        owner = self.after[key]["owner"]
        schema = self.schema if key in FUNCTIONS else self.event_schema
        named = catalogue.default_grantees(self.session, DEFAULT_ACL_KINDS.get(key, "f"), schema)
        rights = {owner: ["ALL"], **({"public": ["EXECUTE"]} if key in FUNCTIONS else {})}
        return {**rights, **{role: ["by default"] for role in ([*named, owner] if named else [])}}

    def _readers(self, family: Family) -> List[str]:
        key, leases = family.leases_key, (self.schema, family.table)
        before, after = (set((state[key] or {}).get("readers", [])) for state in (self.before, self.after))
        revoke, grant = "REVOKE SELECT ON {leases} FROM {who}", "GRANT SELECT ON {leases} TO {who}"
        return [
            *(self._sql(revoke, leases=leases, who=role) for role in sorted(before - after)),
            *(self._sql(grant, leases=leases, who=role) for role in sorted(after - before)),
        ]

    def _triggers(self, family: Family) -> List[str]:
        """Drop first: that takes the stronger lock."""
        statements = []
        for key, name in family.triggers.items():
            if self.before[key] and not _same_trigger(self.before[key], self.after[key]):
                drop = "DROP TRIGGER {trigger} ON {leases}"
                statements.append(self._sql(drop, trigger=name, leases=(self.schema, family.table)))
        return statements + [one for key in family.triggers for one in self._trigger(family, key)]

    def _trigger(self, family: Family, key: str) -> List[str]:
        before, after = self.before[key], self.after[key]
        if not after or before == after:
            return []
        if _same_trigger(before, after):
            enable = "ALTER TABLE {leases} ENABLE TRIGGER {trigger}"
            return [self._sql(enable, trigger=family.triggers[key], leases=(self.schema, family.table))]
        # The definition is spelled as in the catalogue, with quoted names.
        return [after["definition"]]

    def _dropped(self, key: str) -> List[str]:
        return [self._sql(f"DROP {TARGETS[key]}")] if self.before[key] and not self.after[key] else []


def same_definition(before: Dict[str, Any], after: Dict[str, Any]) -> bool:
    """Return whether two states of an object differ at most in owner and rights."""
    left, right = (
        {key: value for key, value in one.items() if key not in ("owner", "rights")} for one in (before, after)
    )
    return left == right


def _same_trigger(before: Optional[Dict[str, Any]], after: Optional[Dict[str, Any]]) -> bool:
    return bool(before and after and before["definition"] == after["definition"])


def _kept_columns(table: Optional[Dict[str, Any]]) -> List[events_table.Column]:
    there = {definition.split(" ", 1)[0] for definition in table["columns"]} if table else set()
    return [column for column in events_table.EVENT_COLUMNS if column.name in there]
