# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what is in a database of a cluster of this host, but for leases, events and reservations of the monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from .postgres import psql

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_OURS = """
(SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relowner, c.relacl, c.reloptions, c.relrowsecurity
   FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
"""
# Each statement returns rows; their order is that of the text. Owners are numbers of roles. What grows and shrinks in
# normal use is left out, so the result stays the same while nobody changes an object, a right or a role.
_STATEMENTS = r"""
SET search_path = pg_catalog;
SELECT 'database', datname, datdba, encoding, datacl FROM pg_database WHERE datname = current_database();
SELECT 'role', to_jsonb(r) FROM pg_authid r WHERE rolname !~ '^pg_' ORDER BY rolname;
SELECT 'member', to_jsonb(m) - 'oid' FROM pg_auth_members m ORDER BY roleid, member;
SELECT 'setting', to_jsonb(s) FROM pg_db_role_setting s ORDER BY setdatabase, setrole;
SELECT 'default right', to_jsonb(d) FROM pg_default_acl d ORDER BY oid;
SELECT 'schema', nspname, nspowner, nspacl FROM pg_namespace
 WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY nspname;
SELECT 'table', name, relkind, relowner, relacl, reloptions, relrowsecurity FROM {ours} o ORDER BY name;
SELECT 'column', o.name, a.attname, a.atttypid::regtype, a.atttypmod, a.attnotnull, a.attacl,
       pg_get_expr(d.adbin, d.adrelid)
  FROM {ours} o JOIN pg_attribute a ON a.attrelid = o.oid
  LEFT JOIN pg_attrdef d ON d.adrelid = o.oid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY o.name, a.attnum;
SELECT 'constraint', o.name, c.conname, c.convalidated, pg_get_constraintdef(c.oid)
  FROM {ours} o JOIN pg_constraint c ON c.conrelid = o.oid ORDER BY o.name, c.conname;
SELECT 'index', o.name, i.indisvalid, pg_get_indexdef(i.indexrelid)
  FROM {ours} o JOIN pg_index i ON i.indexrelid = o.oid ORDER BY o.name;
SELECT 'trigger', o.name, t.tgname, t.tgenabled, pg_get_triggerdef(t.oid)
  FROM {ours} o JOIN pg_trigger t ON t.tgrelid = o.oid WHERE NOT t.tgisinternal ORDER BY o.name, t.tgname;
SELECT 'rule', o.name, r.rulename, r.ev_enabled, pg_get_ruledef(r.oid)
  FROM {ours} o JOIN pg_rewrite r ON r.ev_class = o.oid ORDER BY o.name, r.rulename;
SELECT 'policy', o.name, to_jsonb(p) - 'oid'
  FROM {ours} o JOIN pg_policy p ON p.polrelid = o.oid ORDER BY o.name, p.polname;
SELECT 'function', p.oid::regprocedure::text AS name, p.proowner, p.proacl, pg_get_functiondef(p.oid)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.prokind IN ('f', 'p') ORDER BY name;
SELECT 'event trigger', to_jsonb(e) - 'oid' FROM pg_event_trigger e ORDER BY evtname;
SELECT to_regclass('public.schema_version') IS NOT NULL AND to_regclass('public.hosts') IS NOT NULL AS is_kea \gset
\if :is_kea
SELECT 'version', to_jsonb(v) FROM public.schema_version v;
SELECT 'given', to_jsonb(h) FROM public.hosts h WHERE user_context LIKE '%"baremetal.kea"%' ORDER BY host_id;
\endif
""".replace("{ours}", _OURS)


def read(module: AnsibleModule, name: str) -> Optional[str]:
    """Return the definitions in a database named PORT/NAME as text; None if they cannot be read."""
    port, _slash, database = name.partition("/")
    code, out, _err = psql(module, f"{port}/", _STATEMENTS, database=database)
    return out if code == 0 else None
