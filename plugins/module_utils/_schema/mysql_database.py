# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's database in MySQL or MariaDB: its schema, and its connections as the server sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .schema import KeaSchemaError, Schema
from .mysql import Mysql, connection_of

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

# Only performance_schema has the status of others' sessions (MySQL 5.7, MariaDB 10.5). MariaDB fills it when it is told
# to (performance_schema=ON), and who may not read it gets the sessions alone.
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
    """What C(kea_info) tells of it; C(error) tells why the rest is missing."""
    found: Dict[str, Any] = dict.fromkeys(("schema_version", "connections", "account_requires"))
    found["error"] = None
    try:
        backend = Mysql(module, connection_of(module.params))
        found["schema_version"] = Schema(backend).version()
    except KeaSchemaError as error:
        found["error"] = str(error)
        return found
    rows = _rows(backend, _WITH_TLS)
    found["connections"] = [_session(row) for row in (_rows(backend, _ALONE) or [] if rows is None else rows)]
    account = _REQUIRES.search("".join("".join(row) for row in _rows(backend, _ACCOUNT) or []))
    found["account_requires"] = account[1] if account else "NONE"
    return found


def _rows(backend: Mysql, query: str) -> Optional[List[List[str]]]:
    """None where the server refuses the question."""
    code, out, _err = backend.run(*backend.ask(query))
    return None if code else [line.split("\t") for line in out.splitlines()]


def _session(row: List[str]) -> Dict[str, Any]:
    """As C(_postgres_sessions) has it; the program prints NULL where nothing is known."""
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
