# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: databases and roles that a deployment created in a cluster of this host, each named PORT/NAME."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, FrozenSet, Tuple

from .document import Manifest, ManifestError, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


_USERS = """
SELECT pg_catalog.string_agg(pg_catalog.format('%s%s as %s, process %s',
    COALESCE(NULLIF(application_name, ''), backend_type),
    ' on ' || pg_catalog.host(client_addr), usename, pid), '; ' ORDER BY pid)
FROM pg_catalog.pg_stat_activity WHERE datname = :'name' AND pid <> pg_catalog.pg_backend_pid()
"""


def look_database(module: AnsibleModule, name: str) -> State:
    return _look(module, name, "d")


def look_role(module: AnsibleModule, name: str) -> State:
    return _look(module, name, "r")


def put_database(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    _drop(module, name, state, 'DROP DATABASE :"name"')


def put_role(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    _drop(module, name, state, 'DROP ROLE :"name"')


def _look(module: AnsibleModule, name: str, kind: str) -> State:
    """Return the state; absent if no server answers."""
    port, _slash, thing = name.partition("/")
    return {"state": "present" if kind + thing in _there(module, port) else "absent"}


@functools.lru_cache(maxsize=None)
def _there(module: AnsibleModule, port: str) -> FrozenSet[str]:
    """Return all databases and roles of the cluster at the port, each with d or r before its name.

    The result is cached, because the connection takes most of the time.
    """
    query = "SELECT 'd' || datname FROM pg_catalog.pg_database UNION ALL SELECT 'r' || rolname FROM pg_catalog.pg_roles"
    code, out, _err = psql(module, f"{port}/", query, "--record-separator-zero")
    return frozenset(out.split("\0")) if code == 0 else frozenset()


def _drop(module: AnsibleModule, name: str, state: State, statement: str) -> None:
    if state["state"] != "absent":
        raise ManifestError(
            f"{name} existed in PostgreSQL before the collection and is missing now; restore it from a dump"
        )
    code, _out, err = psql(module, name, statement)
    # PostgreSQL waits 5 s for other sessions to end, and does not say whose they are.
    users = psql(module, name, _USERS)[1].strip() if code else ""
    _there.cache_clear()
    if code:
        using = f" Sessions that use it: {users}. End what they belong to and roll back again" if users else ""
        raise ManifestError(f"PostgreSQL does not drop {name}: {err.strip()}{using}")


def psql(
    module: AnsibleModule, name: str, statements: str, *options: str, database: str = "postgres"
) -> Tuple[int, str, str]:
    """Run statements as the superuser of a cluster of this host. Return the exit code, the rows, and what psql says.

    ``name`` is PORT/NAME; in the statements :name is NAME.
    """
    program = module.get_bin_path("psql")
    if program is None:
        return 127, "", "psql is not installed"
    port, _slash, thing = name.partition("/")
    command = ["runuser", "-u", "postgres", "--", program, "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", f"name={thing}"]
    done: Tuple[int, str, str] = module.run_command(
        [*command, *options, "-p", port, "-d", database], data=statements, cwd="/"
    )
    return done
