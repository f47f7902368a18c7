# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statement that finds who else holds an advisory lock of the monitors. Any role that may connect can take one."""

from __future__ import annotations

WAKE_UP = 0x6B65615F6C656173
"""Number of the lock that guards the channel of wake-ups: the trigger of kea_lease_notify takes it."""

FOREIGN = """
SELECT DISTINCT activity.usename::text, activity.pid
  FROM pg_locks AS lock
  JOIN pg_stat_activity AS activity USING (pid)
 WHERE lock.locktype = 'advisory' AND lock.granted AND lock.database = activity.datid AND lock.objsubid = 1
   AND activity.datname = current_database()
   AND ((lock.classid::bigint << 32) | lock.objid::bigint) = ANY (%(keys)s::bigint[])
   AND activity.usename <> current_user
   AND NOT coalesce(has_table_privilege(activity.usesysid, to_regclass('lease4'), 'INSERT'), false)
 ORDER BY 1, 2
"""
"""Not the monitors, which share a role, and not Kea, whose sessions run the trigger."""
