# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the objects whose rights concern the lease monitor, as PostgreSQL's catalogue has them."""

from __future__ import annotations

from typing import Any, Dict, Optional, Sequence

from .._postgres import acl
from .._postgres.session import Session

State = Dict[str, Any]
"""One entry for each object: its owner, its rights and its definition, or None if it does not exist."""

FUNCTION = "kea_forget_reservations"
RELATIONS = ("hosts", "hosts_host_id_seq", "ipv6_reservations", "ipv6_reservations_reservation_id_seq")

_DATABASE = "SELECT pg_get_userbyid(datdba), datdba, datacl::text FROM pg_database WHERE datname = current_database()"
_RELATION = """
SELECT pg_get_userbyid(c.relowner), c.relowner, c.relacl::text, c.oid, c.relkind::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'S')
"""
_FUNCTION = """
SELECT pg_get_userbyid(p.proowner), p.proowner, p.proacl::text, jsonb_build_object(
    'definition', concat_ws(' ', l.lanname, p.provolatile, p.prosecdef, p.proconfig, pg_get_function_result(p.oid)),
    'body', p.prosrc, 'comment', coalesce(obj_description(p.oid, 'pg_proc'), ''))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE n.nspname = %s AND p.proname = %s AND p.proargtypes::text = 'bigint[]'::regtype::oid::text
"""
# Other roles that use this database and may connect only because every role may. A superuser may always.
# pg_shdepend has a row for each object that a role owns and for each that it has rights on, also on a column only.
_BY_PUBLIC = """
WITH d AS (SELECT oid, coalesce(datacl, acldefault('d', datdba)) AS rights
             FROM pg_database WHERE datname = current_database()),
     holders (role) AS (
     SELECT s.refobjid FROM pg_shdepend s JOIN d ON s.dbid = d.oid
      WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype IN ('o', 'a', 'r')
      UNION SELECT s.setrole FROM pg_db_role_setting s JOIN d ON s.setdatabase = d.oid WHERE s.setrole <> 0),
     found AS (
     SELECT r.oid, r.rolname::text AS name,
            EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid AND a.usesysid = r.oid) AS has_session,
            r.rolcanlogin AND EXISTS (SELECT FROM holders h WHERE pg_has_role(r.oid, h.role, 'MEMBER')) AS holds
       FROM pg_roles r, d
      WHERE NOT r.rolsuper
        AND NOT EXISTS (SELECT FROM unnest(%s::text[]) k WHERE pg_has_role(r.oid, k, 'USAGE'))
        AND NOT EXISTS (SELECT FROM aclexplode(d.rights) g WHERE g.privilege_type = 'CONNECT' AND g.grantee <> 0
                                                             AND pg_has_role(r.oid, g.grantee, 'USAGE')))
SELECT name, has_session FROM found WHERE has_session OR holds ORDER BY name
"""


def read_state(session: Session, schema: str) -> State:
    """Read the state from the catalogue: ``database``, RELATIONS and ``forget``. Raises PostgresError."""
    [(owner, number, stored)] = session.fetch(_DATABASE)
    found: State = {"database": {"owner": owner, "rights": acl.read(session, "d", number, stored)}}
    for name in RELATIONS:
        found[name] = _relation(session, schema, name)
    found["forget"] = _function(session, schema)
    return found


def connect_by_public(session: Session, known: Sequence[str]) -> Dict[str, bool]:
    """Return other roles that use this database and have no right to connect of their own. Raises PostgresError.

    The value tells whether the role has a session now. If not, it has rights on objects of the database, owns some, or
    has settings for it, itself or by a role of which it is a member. ``known`` roles exist.
    """
    return dict(session.fetch(_BY_PUBLIC, (list(known),)))


def may_change(session: Session, owner: str) -> bool:
    """Return whether this session's role may change the rights on what belongs to ``owner``. Raises PostgresError."""
    return bool(session.fetch("SELECT pg_has_role(%s, 'USAGE')", (owner,))[0][0])


def _relation(session: Session, schema: str, name: str) -> Optional[Dict[str, Any]]:
    for owner, number, stored, relation, kind in session.fetch(_RELATION, (schema, name)):
        return {"owner": owner, "rights": acl.read(session, "s" if kind == "S" else "r", number, stored, relation)}
    return None


def _function(session: Session, schema: str) -> Optional[Dict[str, Any]]:
    for owner, number, stored, definition in session.fetch(_FUNCTION, (schema, FUNCTION)):
        return {"owner": owner, "rights": acl.read(session, "f", number, stored), **definition}
    return None
