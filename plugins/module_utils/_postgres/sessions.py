# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the connections to a database as the server sees them; what a client says of itself proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from . import session

if TYPE_CHECKING:
    from psycopg2 import extensions

_FIELDS = ("role", "application", "address", "encrypted", "protocol", "cipher", "client_dn", "client_issuer_dn")
# Of another role's session, one that is neither superuser nor in pg_read_all_stats sees only that it is there.
_SESSIONS = """
SELECT a.usename, a.application_name, host(a.client_addr), s.ssl, s.version, s.cipher, s.client_dn, s.issuer_dn
FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s ON s.pid = a.pid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usename IS NOT NULL
ORDER BY a.backend_start, a.pid
"""


def read_sessions(cursor: "extensions.cursor") -> List[Dict[str, Any]]:
    """Every session with this database but our own, the oldest first. Raises PostgresError."""
    return [dict(zip(_FIELDS, row)) for row in session.fetch(cursor, _SESSIONS)]
