# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: databases and roles that a deployment made in a cluster of this host; each is named PORT/NAME."""

from __future__ import annotations

from typing import TYPE_CHECKING, Tuple

from ansible_collections.baremetal.kea.plugins.module_utils._manifest import Manifest, ManifestError, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def look_database(module: AnsibleModule, name: str) -> State:
    return _look(module, name, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = :'name'")


def look_role(module: AnsibleModule, name: str) -> State:
    return _look(module, name, "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = :'name'")


def put_database(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    _drop(module, name, state, 'DROP DATABASE :"name"')


def put_role(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    _drop(module, name, state, 'DROP ROLE :"name"')


def _look(module: AnsibleModule, name: str, query: str) -> State:
    """Absent as well where there is no server to ask."""
    code, out, _err = _psql(module, name, query)
    return {"state": "present" if code == 0 and out.strip() else "absent"}


def _drop(module: AnsibleModule, name: str, state: State, statement: str) -> None:
    if state["state"] != "absent":
        raise ManifestError(f"{name} was in PostgreSQL before the collection, and is gone; restore it from a dump")
    code, _out, err = _psql(module, name, statement)
    if code:
        raise ManifestError(f"PostgreSQL does not take {name} away: {err.strip()}")


def _psql(module: AnsibleModule, name: str, statement: str) -> Tuple[int, str, str]:
    psql = module.get_bin_path("psql")
    if psql is None:
        return 127, "", "psql is not installed"
    port, _slash, thing = name.partition("/")
    command = ["runuser", "-u", "postgres", "--", psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-v", f"name={thing}"]
    done: Tuple[int, str, str] = module.run_command([*command, "-p", port, "-d", "postgres"], data=statement, cwd="/")
    return done
