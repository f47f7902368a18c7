# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the statements that lead from one state of the lease events (see _notify_catalogue) to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional

from ansible_collections.baremetal.kea.plugins.module_utils import _notify_sql, _postgres

if TYPE_CHECKING:
    from psycopg2 import extensions

    from ansible_collections.baremetal.kea.plugins.module_utils._notify_catalogue import State

# What GRANT, ALTER and DROP call the object.
TARGETS = {
    "event_schema": "SCHEMA {event_schema}",
    "event_table": "TABLE {event_table}",
    "lost_counter": "SEQUENCE {lost_counter}",
    "function": "FUNCTION {function}()",
}
_CREATE_TABLE = "CREATE TABLE {event_table} (\n    {columns}\n) WITH ({storage})"
CREATE = {
    "event_schema": ["CREATE SCHEMA {event_schema}"],
    "event_table": [_CREATE_TABLE],
    "lost_counter": ["CREATE SEQUENCE {lost_counter}"],
    "function": [_notify_sql.CREATE_FUNCTION],
}
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
    "lost_counter": ["ALTER SEQUENCE {lost_counter} AS bigint INCREMENT BY 1 START WITH 1 NO CYCLE"],
    "function": CREATE["function"],
}
MADE_ANEW_TO_MEND = ("event_table",)

Rights = Dict[str, List[str]]


class Changes:
    """Whatever locks lease4 comes last, the strongest lock first, so that it is waited for once and then held for a
    moment of catalogue work only."""

    def __init__(self, cursor: extensions.cursor, schema: str, event_schema: str, before: State, after: State) -> None:
        self.cursor = cursor
        self.before = before
        self.after = after
        events = (event_schema, _notify_sql.EVENTS)
        kept = _kept_columns(before["event_table"])
        shape = [column.definition for column in _notify_sql.EVENT_COLUMNS] + _notify_sql.EVENT_CONSTRAINTS
        self.parts: Dict[str, _postgres.Part] = {
            "leases": (schema, _notify_sql.LEASES),
            "function": (schema, _notify_sql.FUNCTION),
            "body": _postgres.Literal(after["function"]["body"] if after["function"] else ""),
            "event_schema": event_schema,
            "event_table": events,
            "table_name": _postgres.Literal(_postgres.compose(cursor, "{events}", events=events)),
            "columns": _postgres.Words(",\n    ".join(shape)),
            "storage": _postgres.Words(_notify_sql.EVENT_STORAGE),
            "kept": _postgres.Words(", ".join(column.name for column in kept)),
            "values": _postgres.Words(", ".join(f"{column.name}::text::{column.type}" for column in kept)),
            "lost_counter": (event_schema, _notify_sql.LOST),
        }

    def statements(self) -> List[str]:
        return [
            *(statement for key in TARGETS for statement in self._owned(key)),
            *self._dropped("event_table"),
            *self._dropped("lost_counter"),
            *self._readers(),
            *(self._sql("DROP TRIGGER {trigger} ON {leases}", trigger=name) for name in self._wrong_triggers()),
            *(statement for key in _notify_sql.TRIGGERS for statement in self._trigger(key)),
            *self._dropped("function"),
            *self._dropped("event_schema"),
        ]

    def _sql(self, template: str, **parts: _postgres.Part) -> str:
        text: str = _postgres.compose(self.cursor, template, **dict(self.parts, **parts))
        return text

    def _owned(self, key: str) -> List[str]:
        """The object in its definition, then its owner and rights."""
        before, after = self.before[key], self.after[key]
        if not after:
            return []
        mended = before and _definition(before) != _definition(after)
        anew = not before or (mended and key in MADE_ANEW_TO_MEND)
        statements = (
            [self._sql(text) for text in (MEND[key] if mended else CREATE[key])] if mended or not before else []
        )
        if anew or before["owner"] != after["owner"]:
            statements.append(self._sql(f"ALTER {TARGETS[key]} OWNER TO {{owner}}", owner=after["owner"]))
        rights = _initial_rights(key, after["owner"]) if anew else before["rights"]
        return statements + self._rights(TARGETS[key], rights, after["rights"])

    def _rights(self, target: str, before: Rights, after: Rights) -> List[str]:
        statements = []
        for role in sorted(set(before) | set(after)):
            if before.get(role) == after.get(role):
                continue
            who: _postgres.Part = _postgres.Words("PUBLIC") if role == "public" else role
            if role in before:
                statements.append(self._sql(f"REVOKE ALL ON {target} FROM {{who}}", who=who))
            if role in after:
                statements.append(self._sql(f"GRANT {', '.join(after[role])} ON {target} TO {{who}}", who=who))
        return statements

    def _readers(self) -> List[str]:
        before, after = (set((state["leases"] or {}).get("readers", [])) for state in (self.before, self.after))
        return [
            *(self._sql("REVOKE SELECT ON {leases} FROM {who}", who=role) for role in sorted(before - after)),
            *(self._sql("GRANT SELECT ON {leases} TO {who}", who=role) for role in sorted(after - before)),
        ]

    def _wrong_triggers(self) -> List[str]:
        return [
            name
            for key, name in _notify_sql.TRIGGERS.items()
            if self.before[key] and not _same_definition(self.before[key], self.after[key])
        ]

    def _trigger(self, key: str) -> List[str]:
        before, after = self.before[key], self.after[key]
        if not after or before == after:
            return []
        if _same_definition(before, after):
            name = _notify_sql.TRIGGERS[key]
            return [self._sql("ALTER TABLE {leases} ENABLE TRIGGER {trigger}", trigger=name)]
        # As the catalogue would print it: names are quoted already.
        return [after["definition"]]

    def _dropped(self, key: str) -> List[str]:
        return [self._sql(f"DROP {TARGETS[key]}")] if self.before[key] and not self.after[key] else []


def _definition(thing: Dict[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in thing.items() if key not in ("owner", "rights")}


def _same_definition(before: Optional[Dict[str, Any]], after: Optional[Dict[str, Any]]) -> bool:
    return bool(before and after and before["definition"] == after["definition"])


def _initial_rights(key: str, owner: str) -> Rights:
    """What PostgreSQL gives by itself. A trigger function is everybody's at first: any role could hang it on a table of
    its own and invent events."""
    return {owner: ["ALL"], **({"public": ["EXECUTE"]} if key == "function" else {})}


def _kept_columns(table: Optional[Dict[str, Any]]) -> List[_notify_sql.Column]:
    there = {definition.split(" ", 1)[0] for definition in table["columns"]} if table else set()
    return [column for column in _notify_sql.EVENT_COLUMNS if column.name in there]
