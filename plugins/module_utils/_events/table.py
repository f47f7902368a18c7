# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the definition of the event table, which holds the events of both families, and of the counter.

An event of one family leaves the columns of the other NULL, which takes no space in a row. New columns are only added
at the end, so that the table of an older version is upgraded without a rewrite.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """A column of the event table; ``definition`` is spelled as catalogue.py reads it."""

    name: str
    type: str
    extra: str = ""

    @property
    def definition(self) -> str:
        """Return the column as catalogue.py reads it."""
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
    Column("duid", "bytea"),
    Column("iaid", "integer"),
    Column("lease_type", "smallint"),
    Column("prefix_len", "smallint"),
    Column("pref_lifetime", "bigint"),
    Column("old_duid", "bytea"),
    Column("old_iaid", "integer"),
]
EVENT_CONSTRAINTS = ["PRIMARY KEY (xid, id)"]
# Otherwise autovacuum would block Kea whenever it returns the pages of pruned events to the file system.
EVENT_STORAGE = "vacuum_truncate = off, toast.vacuum_truncate = off"
# All attributes of the table, with the names and in the spelling of catalogue.py.
EVENT_TABLE = {
    "persistence": "logged",
    "columns": [column.definition for column in EVENT_COLUMNS],
    "vacuum_truncate": False,
    "constraints": EVENT_CONSTRAINTS,
    "attached": [],
}
# An unlogged sequence would lose its count in a crash.
COUNTER = {
    "persistence": "logged",
    "definition": "bigint INCREMENT 1 START 1 MINVALUE 1 MAXVALUE 9223372036854775807 CACHE 1",
}
