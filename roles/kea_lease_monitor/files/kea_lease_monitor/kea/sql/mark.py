# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SQL that the statements for reservations of both families share: the mark (reservations.MARK) and the name of a host.

The expressions use these columns of the steps (WITH queries) that they stand in: ``mark``, what the monitor wrote;
``hostname``, the name of the lease; ``present_name`` and ``user_context`` of the host as it is; ``host_id``, NULL
without a host; ``name_is_managed``, ``new_name`` and ``new_mark``, as computed here and by the family's statement.
"""

from __future__ import annotations

from typing import Mapping

from kea_lease_monitor.kea.reservations import MARK

MARK_OF_OWN = f"CASE WHEN own.user_context LIKE '%%\"{MARK}\"%%' THEN own.user_context::jsonb -> '{MARK}' END"
"""The mark of the client's own host ``own``; NULL if a person wrote that host."""

NAME_IS_MANAGED = "mark IS NOT NULL AND present_name IS NOT DISTINCT FROM mark ->> 'hostname'"
"""Whether the host still has the name that the monitor wrote."""

NEW_NAME = """CASE WHEN host_id IS NULL OR name_is_managed OR mark IS NULL AND present_name IS NULL
                THEN coalesce(hostname, present_name) ELSE present_name END"""
"""The name that the host gets: that of the lease, unless a person named the host."""

CHANGED = f"""hostname = judged.new_name,
           user_context = (coalesce(nullif(judged.user_context, '')::jsonb, '{{}}') || jsonb_build_object('{MARK}',
               new_mark || jsonb_strip_nulls(jsonb_build_object('hostname',
                   CASE WHEN name_is_managed OR mark IS NULL AND present_name IS NULL
                        THEN new_name ELSE mark ->> 'hostname' END))))::text"""
"""The SET list of an existing host, from the step ``judged``."""

FIRST_CONTEXT = f"""jsonb_build_object('{MARK}',
               new_mark || jsonb_strip_nulls(jsonb_build_object('hostname', hostname)))::text"""
"""The user context of a new host."""


def statement(steps: Mapping[str, str], result: str) -> str:
    """Return the statement that runs the named steps, in their order and each once, and then ``result``."""
    named = ", ".join(f"{name} AS MATERIALIZED ({text})" for name, text in steps.items())
    return f"\nWITH {named}{result}"
