# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the sessions with a database as the server reports them; a client's own report proves nothing."""

from __future__ import annotations

from typing import Any, Dict, List

from .session import Session

_FIELDS = ("role", "application", "address", "encrypted", "protocol", "cipher", "client_dn", "client_issuer_dn")
# A role that is neither superuser nor in pg_read_all_stats sees of another role's session only that it exists.
_SESSIONS = """
SELECT a.usename, a.application_name, host(a.client_addr), s.ssl, s.version, s.cipher, s.client_dn, s.issuer_dn
FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s ON s.pid = a.pid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.usename IS NOT NULL
ORDER BY a.backend_start, a.pid
"""


def read_sessions(session: Session) -> List[Dict[str, Any]]:
    """Return every other session with this database, the oldest first. Raises PostgresError."""
    return [dict(zip(_FIELDS, row)) for row in session.fetch(_SESSIONS)]
