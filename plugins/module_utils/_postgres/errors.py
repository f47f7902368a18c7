# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the error of modules that use PostgreSQL: what happened, and by SQLSTATE what to do next."""

from __future__ import annotations

from typing import Any, Dict

from .._errors import KeaError

UNDEFINED_TABLE = "42P01"
# libpq reports no SQLSTATE before there is a session, so these phrases of the server stand for it.
CONNECT_SQLSTATES = (
    ("password authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("authentication failed", "28000"),
    ("no pg_hba.conf entry", "28000"),
    ('FATAL:  role "', "28000"),
    ('FATAL:  database "', "3D000"),
)
NO_KEA_SCHEMA = "Initialise Kea's schema first (kea_schema, or kea-admin db-init), or correct the option schema."
# By SQLSTATE or by its class, the first two characters.
NEXT_STEPS = {
    "08": "Check login_host, login_port and that the server runs; the TLS options when it is a certificate.",
    "25006": "This is a standby or a read-only session: connect to the primary.",
    "28000": "Check login_user and pg_hba.conf; with peer authentication run the task as the system user of that name.",
    "25P03": "The host was too slow or stopped during a transaction, which was rolled back. Run the task again.",
    "28P01": "Check login_user and login_password.",
    "2BP01": "Something that this collection did not create depends on the object: remove that first.",
    "55006": "Let the monitor read the events and run the task again, or set force to drop them.",
    "3D000": "Create the database first, or correct login_db.",
    "3F000": NO_KEA_SCHEMA,
    "42501": "Log in as a superuser or the owner of Kea's tables (login_user, session_role), or grant those rights.",
    "42704": "Create the role first (community.postgresql.postgresql_user).",
    UNDEFINED_TABLE: NO_KEA_SCHEMA,
    "53": "The server is out of disk, memory or connections: make room first.",
    "55P03": "Run the task again after the session with that lock has ended.",
}
OTHER_STEP = "Look up the statement in the server's log, correct the cause, and run the task again."


class PostgresError(KeaError):
    """What happened, the SQLSTATE if the server reported one, the statement, and what to do next."""

    def __init__(self, message: str, sqlstate: str = "", statement: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.sqlstate = sqlstate
        self.statement = statement

    def as_result(self) -> Dict[str, Any]:
        """Return the arguments of ``fail_json``."""
        code = f" (SQLSTATE {self.sqlstate})" if self.sqlstate else ""
        other = OTHER_STEP if self.statement else ""
        step = NEXT_STEPS.get(self.sqlstate) or NEXT_STEPS.get(self.sqlstate[:2], other)
        result = dict(self.details, msg=f"{self.message.rstrip('.')}{code}. {step}".strip())
        if self.sqlstate:
            result["sqlstate"] = self.sqlstate
        if self.statement:
            result["statement"] = self.statement
        return result
