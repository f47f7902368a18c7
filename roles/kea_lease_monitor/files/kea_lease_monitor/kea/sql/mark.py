# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL that the statements for reservations of both families share: the mark (shares.MARK) and the name of a host.

The expressions use these columns of the steps (WITH queries) that they stand in: ``mark``, what the monitor wrote;
``hostname``, the name of the lease; ``made``, when the client got it; ``present_name`` and ``user_context`` of the
host as it is; ``host_id``, NULL without a host; ``name_is_managed``, ``new_name`` and ``new_mark``, as computed here
and by the family's statement.
"""

from __future__ import annotations

from typing import Mapping

from kea_lease_monitor.kea.shares import MARK

MARK_OF_OWN = f"CASE WHEN own.user_context LIKE '%%\"{MARK}\"%%' THEN own.user_context::jsonb -> '{MARK}' END"
"""The mark of the client's own host ``own``; NULL if a person wrote that host."""

NAME_IS_MANAGED = """mark IS NOT NULL AND (present_name IS NOT DISTINCT FROM mark ->> 'hostname'
                                OR NOT %(reserve)s AND present_name IS NULL)"""
"""Whether no person named the host. Unless names are reserved, a host without a name is as it should be."""

RENAMED = """name_is_managed AND CASE WHEN %(reserve)s
                THEN hostname <> coalesce(present_name, '')
                ELSE present_name IS NOT NULL OR hostname <> coalesce(mark ->> 'name', '') END"""
"""Whether a managed name differs from what it should be: that of the lease, or none in the host itself."""

_NAMED_HERE = "(name_is_managed OR mark IS NULL AND present_name IS NULL)"

NEW_NAME = f"""CASE WHEN host_id IS NULL OR {_NAMED_HERE}
                THEN CASE WHEN %(reserve)s THEN coalesce(hostname, present_name, mark ->> 'name') END
                ELSE present_name END"""
"""The name that the host gets: that of the lease if names are reserved, unless a person named the host."""

CHANGED = f"""hostname = judged.new_name,
           user_context = (coalesce(nullif(judged.user_context, '')::jsonb, '{{}}') || jsonb_build_object('{MARK}',
               new_mark || jsonb_strip_nulls(jsonb_build_object(
                   'made', mark -> 'made',
                   'hostname', CASE WHEN {_NAMED_HERE} THEN new_name ELSE mark ->> 'hostname' END,
                   'name', CASE WHEN {_NAMED_HERE} AND NOT %(reserve)s
                                THEN coalesce(judged.hostname, mark ->> 'name', mark ->> 'hostname') END))))::text"""
"""The SET list of an existing host, from the step ``judged``."""

FIRST_CONTEXT = f"""jsonb_build_object('{MARK}', new_mark || jsonb_strip_nulls(jsonb_build_object(
               'made', made, CASE WHEN %(reserve)s THEN 'hostname' ELSE 'name' END, hostname)))::text"""
"""The user context of a new host."""


MADE = "CASE WHEN verdict = 'created' THEN made::text ELSE mark ->> 'made' END"
"""The mark's time of a host, as a text: a person may have written anything there."""


def statement(steps: Mapping[str, str], result: str) -> str:
    """Return the statement that runs the named steps, in their order and each once, and then ``result``."""
    named = ", ".join(f"{name} AS MATERIALIZED ({text})" for name, text in steps.items())
    return f"\nWITH {named}{result}"
