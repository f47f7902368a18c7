# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: rights on an object, as PostgreSQL's catalogue has them, and the statements that change them."""

from __future__ import annotations

from typing import Dict, List, Optional

from .parts import Part, Words
from .session import Session

Rights = Dict[str, List[str]]
"""By role, ``public`` for all of them: the rights as GRANT spells them, sorted. ALL for an owner that has PostgreSQL's
default rights of an owner, which depend on its version. Rights on single columns look like ``SELECT (name)``."""

PUBLIC = "public"

# The rights on single columns of a relation follow those on the whole relation.
_RIGHTS = """
SELECT coalesce(jsonb_object_agg(grantee, rights), '{}') FROM (
    SELECT CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END AS grantee,
        CASE WHEN a.grantee = o.owner AND bool_and(a.part = '') AND count(*) = (
            SELECT count(*) FROM aclexplode(acldefault(o.kind, o.owner)) d WHERE d.grantee = o.owner
        ) THEN '["ALL"]' ELSE jsonb_agg(
            a.privilege_type || a.part || CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) END AS rights
    FROM (SELECT %s::"char" AS kind, %s::oid AS owner, %s::aclitem[] AS acl, %s::oid AS relation) o,
        LATERAL (
            SELECT whole.*, '' AS part FROM aclexplode(coalesce(o.acl, acldefault(o.kind, o.owner))) whole
            UNION ALL
            SELECT one.*, format(' (%%s)', quote_ident(c.attname))
            FROM pg_attribute c, aclexplode(c.attacl) one WHERE c.attrelid = o.relation
        ) a
    GROUP BY a.grantee, o.owner, o.kind
) granted
"""


def read(session: Session, kind: str, owner: int, acl: Optional[str], relation: Optional[int] = None) -> Rights:
    """Return the rights on an object. Raises PostgresError.

    ``kind`` is the first argument of acldefault, ``owner`` the oid of the owner, ``acl`` the rights as stored, and
    ``relation`` the oid of the object if it may have rights on columns.
    """
    found = session.fetch(_RIGHTS, (kind, owner, acl, relation))[0][0]
    return {role: sorted(rights) for role, rights in found.items()}


def statements(session: Session, target: str, before: Rights, after: Rights, **parts: Part) -> List[str]:
    """Return the statements between two states. ``target`` is a template with ``parts``, such as ``TABLE {table}``."""
    found = []
    for role in sorted(set(before) | set(after)):
        if before.get(role) == after.get(role):
            continue
        who: Part = Words("PUBLIC") if role == PUBLIC else role
        granted = after.get(role, [])
        if set(before.get(role, [])) <= set(granted):
            granted = [right for right in granted if right not in before.get(role, [])]
        else:
            # CASCADE: with what that role granted to others.
            found.append(session.compose(f"REVOKE ALL ON {target} FROM {{who}} CASCADE", who=who, **parts))
        if granted:
            found.append(session.compose(f"GRANT {', '.join(granted)} ON {target} TO {{who}}", who=who, **parts))
    return found
