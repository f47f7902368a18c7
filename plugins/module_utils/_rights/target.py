# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the rights that the lease monitor needs, and no more: the state that a task asks for.

A right on a whole table would also allow LOCK TABLE, for which Kea would wait. So the monitor has rights on the columns
that its statements name (kea_lease_monitor.kea.sql), and removes reservations through a function of the owner.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .catalogue import State
from .._postgres.acl import PUBLIC, Rights

MARKER = "Managed by Ansible: baremetal.kea.kea_database_rights"
WAS_PUBLIC = "; before, PUBLIC could connect"
"""End of the comment on the function if PUBLIC lost CONNECT: what state=absent grants again."""

READ = [
    *("host_id", "dhcp_identifier", "dhcp_identifier_type", "dhcp4_subnet_id", "dhcp6_subnet_id", "ipv4_address"),
    *("hostname", "user_context", "dhcp4_client_classes", "dhcp6_client_classes", "dhcp4_next_server"),
    *("dhcp4_server_hostname", "dhcp4_boot_file_name", "xmax"),
]
"""Columns of hosts that tell whether a person edited a reservation are read, and never written. Only release 1.0.0,
to which a host may be rolled back, reads xmax."""
WRITTEN = ["ipv4_address", "hostname", "user_context"]
CREATED = ["dhcp_identifier", "dhcp_identifier_type", "dhcp4_subnet_id", "dhcp6_subnet_id", *WRITTEN]
READ6 = ["reservation_id", "address", "type", "host_id"]
CREATED6 = ["address", "prefix_len", "type", "host_id"]

DEFINITION = 'sql v t {"search_path=pg_catalog, pg_temp"} SETOF bigint'
BODY = """
    DELETE FROM {hosts} AS h
     WHERE host_id = ANY ($1) AND coalesce(auth_key, '') = ''
       AND NOT EXISTS (SELECT FROM {options4} AS o WHERE o.host_id = h.host_id)
       AND NOT EXISTS (SELECT FROM {options6} AS o WHERE o.host_id = h.host_id)
       AND CASE WHEN user_context LIKE '%"kea-lease-monitor"%'
                THEN user_context::pg_catalog.jsonb OPERATOR(pg_catalog.?) 'kea-lease-monitor' END
    RETURNING host_id::pg_catalog.int8;
"""
"""Only hosts with the monitor's mark in their user context (kea_lease_monitor.kea.reservations), and never one to which
a person added options or a key, which the monitor may not even read."""


class Wanted(NamedTuple):
    """The options of a task."""

    present: bool
    schema: str
    monitor: str
    connect: List[str]
    public_connect: bool
    dhcp6: bool
    exclusive: bool = True
    """Whether other rights of the monitor on the relations are revoked."""


def _on(columns: Dict[str, List[str]]) -> List[str]:
    return sorted(f"{right} ({name})" for right, names in columns.items() for name in names)


HOSTS = _on({"SELECT": READ, "INSERT": CREATED, "UPDATE": WRITTEN})
RIGHTS = {"hosts": HOSTS, "hosts_host_id_seq": ["SELECT", "USAGE"]}
RIGHTS6 = {
    "ipv6_reservations": _on({"SELECT": READ6, "INSERT": CREATED6, "UPDATE": ["address"]}),
    "ipv6_reservations_reservation_id_seq": ["USAGE"],
}
"""What the monitor has, by relation."""


def state(wanted: Wanted, before: State, body: str, may_connect: bool) -> State:
    """Return the state after the change. ``may_connect``: the session may change the rights on the database."""
    after: State = dict(before)
    for name in (*RIGHTS, *RIGHTS6):
        granted = {**RIGHTS, **(RIGHTS6 if wanted.dhcp6 else {})}.get(name) if wanted.present else None
        keeps = wanted.present and not wanted.exclusive
        after[name] = _granted(before[name], wanted.monitor, granted or [], keeps)
    was_public = _was_public(before)
    if may_connect:
        after["database"] = _database(wanted, before, was_public)
    connect_lost = was_public or (_is_public(before) and not _is_public(after))
    after["forget"] = None
    if wanted.present:
        owner = before["hosts"]["owner"]
        rights = {**({} if wanted.monitor == owner else {wanted.monitor: ["EXECUTE"]}), owner: ["ALL"]}
        comment = MARKER + (WAS_PUBLIC if connect_lost and not _is_public(after) else "")
        after["forget"] = {"owner": owner, "rights": rights, "definition": DEFINITION, "body": body, "comment": comment}
    return after


def excess(state: State, monitor: str, connect: Sequence[str]) -> Dict[str, Rights]:
    """Return by object the rights of other roles than the owner that go beyond what the monitor needs.

    ``connect`` are the other roles that may connect.
    """
    found: Dict[str, Rights] = {}
    for name, one in state.items():
        due = {**RIGHTS, **RIGHTS6, "forget": ["EXECUTE"], "database": ["CONNECT"]}[name]
        for role, rights in one["rights"].items() if one else ():
            expected = due if role == monitor or (name == "database" and role in connect) else []
            more = [right for right in rights if right not in expected and not right.startswith("TEMPORARY")]
            if more and role != one["owner"]:
                found.setdefault(name, {})[role] = more
    return found


def _granted(
    before: Optional[Dict[str, Any]], role: str, rights: Sequence[str], keeps: bool
) -> Optional[Dict[str, Any]]:
    """Return the state of a relation with these rights of the role, and with ``keeps`` those that it has.

    The owner's own rights stay.
    """
    if before is None or before["owner"] == role:
        return before
    rights = sorted({*rights, *(before["rights"].get(role, []) if keeps else ())})
    others = {name: held for name, held in before["rights"].items() if name != role}
    return {**before, "rights": {**others, **({role: rights} if rights else {})}}


def _database(wanted: Wanted, before: State, was_public: bool) -> Dict[str, Any]:
    found = before["database"]
    rights = {role: list(held) for role, held in found["rights"].items()}
    public = wanted.public_connect or not wanted.present
    # Roles of the job keep a right that they had before PUBLIC lost it, or that another person granted them.
    if wanted.present and not public:
        rights[PUBLIC] = [right for right in rights.get(PUBLIC, []) if right != "CONNECT"]
        for role in (wanted.monitor, *wanted.connect):
            if role != found["owner"] and "CONNECT" not in rights.get(role, []):
                rights[role] = sorted([*rights.get(role, []), "CONNECT"])
    elif was_public:
        rights[PUBLIC] = sorted({*rights.get(PUBLIC, []), "CONNECT"})
        for role in (wanted.monitor, *wanted.connect):
            if role != found["owner"]:
                rights[role] = [right for right in rights.get(role, []) if right != "CONNECT"]
    return {**found, "rights": {role: held for role, held in rights.items() if held}}


def _is_public(state: State) -> bool:
    return "CONNECT" in state["database"]["rights"].get(PUBLIC, [])


def _was_public(state: State) -> bool:
    return bool(state["forget"] and state["forget"]["comment"].endswith(WAS_PUBLIC))
