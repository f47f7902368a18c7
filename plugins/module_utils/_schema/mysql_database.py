# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what ``kea_info`` reports about Kea's database in MySQL or MariaDB."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .._errors import KeaError
from .mysql import Mysql, connection_of
from .schema import Schema

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Only performance_schema has the status of other sessions (MySQL 5.7, MariaDB 10.5). MariaDB fills it only with
# performance_schema=ON. A role that may not read it gets the sessions without their TLS.
_WITH_TLS = """
SELECT p.user, p.host, v.variable_value, c.variable_value
FROM information_schema.processlist p
LEFT JOIN performance_schema.threads t ON t.processlist_id = p.id
LEFT JOIN performance_schema.status_by_thread v ON v.thread_id = t.thread_id AND v.variable_name = 'Ssl_version'
LEFT JOIN performance_schema.status_by_thread c ON c.thread_id = t.thread_id AND c.variable_name = 'Ssl_cipher'
WHERE p.db = database() AND p.id <> connection_id() ORDER BY p.id
"""
_ALONE = """
SELECT user, host, NULL, NULL FROM information_schema.processlist
WHERE db = database() AND id <> connection_id() ORDER BY id
"""
_ACCOUNT = "SHOW CREATE USER CURRENT_USER()"
_REQUIRES = re.compile(r" REQUIRE (.+?)(?: WITH | PASSWORD | ACCOUNT |$)")


def mysql_database(module: AnsibleModule) -> Dict[str, Any]:
    """Return the schema version, the sessions and the TLS that the account requires; ``error`` says what failed."""
    found: Dict[str, Any] = dict.fromkeys(("schema_version", "connections", "account_requires"))
    found["error"] = None
    try:
        backend = Mysql(module, connection_of(module.params))
        found["schema_version"] = Schema(backend).version()
    except KeaError as error:
        found["error"] = str(error)
        return found
    rows = _rows(backend, _WITH_TLS)
    found["connections"] = [_session(row) for row in (_rows(backend, _ALONE) or [] if rows is None else rows)]
    account = _REQUIRES.search("".join("".join(row) for row in _rows(backend, _ACCOUNT) or []))
    found["account_requires"] = account[1] if account else "NONE"
    return found


def _rows(backend: Mysql, query: str) -> Optional[List[List[str]]]:
    """Return the rows of a query, None if the server refuses it."""
    answer = backend.query(query)
    return None if answer.code else [line.split("\t") for line in answer.output.splitlines()]


def _session(row: List[str]) -> Dict[str, Any]:
    """Return a session with the keys of ``_postgres.sessions``; mysql prints NULL for unknown values."""
    role, host, protocol, cipher = row
    address, colon, _port = host.rpartition(":")
    return {
        "role": role,
        "application": None,
        "address": address if colon else None,
        "encrypted": None if cipher == "NULL" else bool(cipher),
        "protocol": protocol if protocol != "NULL" and protocol else None,
        "cipher": cipher if cipher != "NULL" and cipher else None,
        "client_dn": None,
        "client_issuer_dn": None,
    }
