# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our mark and the name of a reservation, as the statements of both families read and write them (reservations.py)."""

from __future__ import annotations

from kea_lease_monitor.kea import reservations

_OF_OWN = "CASE WHEN own.user_context LIKE '%%\"{mark}\"%%' THEN own.user_context::jsonb -> '{mark}' END"

_NAME_IS_OURS = "mark IS NOT NULL AND present_name IS NOT DISTINCT FROM mark ->> 'hostname'"

_NEW_NAME = """CASE WHEN host_id IS NULL OR name_is_ours OR mark IS NULL AND present_name IS NULL
                THEN coalesce(hostname, present_name) ELSE present_name END"""

_CHANGED = """hostname = judged.new_name,
           user_context = (coalesce(nullif(judged.user_context, '')::jsonb, '{}') || jsonb_build_object('{mark}',
               new_mark || jsonb_strip_nulls(jsonb_build_object('hostname',
                   CASE WHEN name_is_ours OR mark IS NULL AND present_name IS NULL
                        THEN new_name ELSE mark ->> 'hostname' END))))::text"""

_FIRST = """jsonb_build_object('{mark}',
               new_mark || jsonb_strip_nulls(jsonb_build_object('hostname', hostname)))::text"""


def filled(statement: str) -> str:
    """With our mark in the user context of ``own``, whether the name in ``met`` is ours, the name that the host will
    have, the columns of one that is changed, and the user context of one that is made."""
    pieces = {"mark_of_own": _OF_OWN, "name_is_ours": _NAME_IS_OURS, "new_name": _NEW_NAME}
    for name, piece in {**pieces, "changed": _CHANGED, "first_context": _FIRST}.items():
        statement = statement.replace("{" + name + "}", piece)
    return statement.replace("{mark}", reservations.MARK)
