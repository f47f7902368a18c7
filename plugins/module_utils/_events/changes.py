# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the statements that lead from one state of the lease events (see _notify_catalogue) to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional

from . import catalogue
from . import sql
from . import table as events_table
from .._postgres import session

if TYPE_CHECKING:
    from psycopg2 import extensions

    from .catalogue import State

FUNCTIONS = tuple(family.function_key for family in sql.FAMILIES)
# What GRANT, ALTER and DROP call the object.
TARGETS = {
    "event_schema": "SCHEMA {event_schema}",
    "event_table": "TABLE {event_table}",
    "lost_counter": "SEQUENCE {lost_counter}",
    **{key: f"FUNCTION {{{key}}}()" for key in FUNCTIONS},
}
# What pg_default_acl calls a thing of that kind, if not a function.
DEFAULT_ACL_KINDS = {"event_schema": "n", "event_table": "r", "lost_counter": "S"}
_CREATE_TABLE = "CREATE TABLE {event_table} (\n    {columns}\n) WITH ({storage})"
CREATE = {
    "event_schema": ["CREATE SCHEMA {event_schema}"],
    "event_table": [_CREATE_TABLE],
    "lost_counter": ["CREATE SEQUENCE {lost_counter}"],
    **{
        key: [sql.CREATE_FUNCTION.replace("{function}", f"{{{key}}}").replace("{body}", f"{{{key}_body}}")]
        for key in FUNCTIONS
    },
}
# Before PostgreSQL 15 no sequence is unlogged. What it has counted is kept.
LOG_COUNTER = "ALTER SEQUENCE {lost_counter} SET LOGGED"
ADD_COLUMNS = "ALTER TABLE {event_table} {added}"
MEND = {
    # A table of another shape is made anew with what it holds; every row keeps its place in the order. Its values go
    # by way of text, the only type that every other one is cast to and from.
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

Rights = Dict[str, List[str]]


class Changes:
    """Whatever locks a lease table comes last, the strongest lock first, so that it is waited for once and then held
    for a moment of catalogue work only."""

    def __init__(self, cursor: extensions.cursor, schema: str, event_schema: str, before: State, after: State) -> None:
        self.cursor = cursor
        self.schema = schema
        self.event_schema = event_schema
        self.before = before
        self.after = after
        events = (event_schema, sql.EVENTS)
        kept = _kept_columns(before["event_table"])
        shape = [column.definition for column in events_table.EVENT_COLUMNS] + events_table.EVENT_CONSTRAINTS
        self.parts: Dict[str, session.Part] = {
            "event_schema": event_schema,
            "event_table": events,
            "table_name": session.Literal(session.compose(cursor, "{events}", events=events)),
            "columns": session.Words(",\n    ".join(shape)),
            "storage": session.Words(events_table.EVENT_STORAGE),
            "kept": session.Words(", ".join(column.name for column in kept)),
            "values": session.Words(", ".join(f"{column.name}::text::{column.type}" for column in kept)),
            "added": session.Words(", ".join(f"ADD COLUMN {one}" for one in self._added_columns())),
            "lost_counter": (event_schema, sql.LOST),
        }
        for family in sql.FAMILIES:
            function = after[family.function_key]
            self.parts[family.function_key] = (schema, family.function)
            self.parts[family.function_key + "_body"] = session.Literal(function["body"] if function else "")

    def statements(self) -> List[str]:
        families = sql.FAMILIES
        return [
            *(statement for key in TARGETS for statement in self._owned(key)),
            *self._dropped("event_table"),
            *self._dropped("lost_counter"),
            *(statement for family in families for statement in self._readers(family)),
            *(statement for family in families for statement in self._triggers(family)),
            *(statement for key in FUNCTIONS for statement in self._dropped(key)),
            *self._dropped("event_schema"),
        ]

    def _sql(self, template: str, **parts: session.Part) -> str:
        text: str = session.compose(self.cursor, template, **dict(self.parts, **parts))
        return text

    def _owned(self, key: str) -> List[str]:
        """The object in its definition, then its owner and rights."""
        before, after = self.before[key], self.after[key]
        if not after:
            return []
        templates = self._templates(key)
        anew = not before or (key == "event_table" and templates == MEND[key])
        statements = [self._sql(text) for text in templates]
        if anew or before["owner"] != after["owner"]:
            statements.append(self._sql(f"ALTER {TARGETS[key]} OWNER TO {{owner}}", owner=after["owner"]))
        rights = self._initial_rights(key) if anew else before["rights"]
        return statements + self._rights(TARGETS[key], rights, after["rights"])

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
        """The last columns of the event table, if they are all that is missing."""
        before, after = self.before["event_table"], self.after["event_table"]
        if not before or not after:
            return []
        there, wanted = before["columns"], after["columns"]
        short = wanted[: len(there)] == there and same_definition(dict(before, columns=wanted), after)
        return wanted[len(there) :] if short else []

    def _initial_rights(self, key: str) -> Rights:
        """What PostgreSQL gives by itself. A trigger function is everybody's at first: any role could hang it on a
        table of its own and invent events. What ALTER DEFAULT PRIVILEGES adds or takes is not foreseen, but undone."""
        owner = self.after[key]["owner"]
        schema = self.schema if key in FUNCTIONS else self.event_schema
        named = catalogue.default_grantees(self.cursor, DEFAULT_ACL_KINDS.get(key, "f"), schema)
        rights = {owner: ["ALL"], **({"public": ["EXECUTE"]} if key in FUNCTIONS else {})}
        return {**rights, **{role: ["by default"] for role in ([*named, owner] if named else [])}}

    def _rights(self, target: str, before: Rights, after: Rights) -> List[str]:
        statements = []
        for role in sorted(set(before) | set(after)):
            if before.get(role) == after.get(role):
                continue
            who: session.Part = session.Words("PUBLIC") if role == "public" else role
            if role in before:
                # With what that role granted to others in its turn.
                statements.append(self._sql(f"REVOKE ALL ON {target} FROM {{who}} CASCADE", who=who))
            if role in after:
                statements.append(self._sql(f"GRANT {', '.join(after[role])} ON {target} TO {{who}}", who=who))
        return statements

    def _readers(self, family: sql.Family) -> List[str]:
        key, leases = family.leases_key, (self.schema, family.table)
        before, after = (set((state[key] or {}).get("readers", [])) for state in (self.before, self.after))
        revoke, grant = "REVOKE SELECT ON {leases} FROM {who}", "GRANT SELECT ON {leases} TO {who}"
        return [
            *(self._sql(revoke, leases=leases, who=role) for role in sorted(before - after)),
            *(self._sql(grant, leases=leases, who=role) for role in sorted(after - before)),
        ]

    def _triggers(self, family: sql.Family) -> List[str]:
        """Dropping takes the stronger lock."""
        statements = []
        for key, name in family.triggers.items():
            if self.before[key] and not _same_trigger(self.before[key], self.after[key]):
                drop = "DROP TRIGGER {trigger} ON {leases}"
                statements.append(self._sql(drop, trigger=name, leases=(self.schema, family.table)))
        return statements + [one for key in family.triggers for one in self._trigger(family, key)]

    def _trigger(self, family: sql.Family, key: str) -> List[str]:
        before, after = self.before[key], self.after[key]
        if not after or before == after:
            return []
        if _same_trigger(before, after):
            enable = "ALTER TABLE {leases} ENABLE TRIGGER {trigger}"
            return [self._sql(enable, trigger=family.triggers[key], leases=(self.schema, family.table))]
        # As the catalogue would print it: names are quoted already.
        return [after["definition"]]

    def _dropped(self, key: str) -> List[str]:
        return [self._sql(f"DROP {TARGETS[key]}")] if self.before[key] and not self.after[key] else []


def same_definition(before: Dict[str, Any], after: Dict[str, Any]) -> bool:
    """Whether two states of an object differ in nothing but owner and rights."""
    left, right = (
        {key: value for key, value in one.items() if key not in ("owner", "rights")} for one in (before, after)
    )
    return left == right


def _same_trigger(before: Optional[Dict[str, Any]], after: Optional[Dict[str, Any]]) -> bool:
    return bool(before and after and before["definition"] == after["definition"])


def _kept_columns(table: Optional[Dict[str, Any]]) -> List[events_table.Column]:
    there = {definition.split(" ", 1)[0] for definition in table["columns"]} if table else set()
    return [column for column in events_table.EVENT_COLUMNS if column.name in there]
