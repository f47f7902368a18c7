# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether a database reads the times that Kea writes as Kea means them.

Kea writes the end of a lease as local time without a zone (database_connection.cc, convertToDatabaseTime), and the
database takes it in the zone of the session; but it reads seconds since the epoch back. Where the two zones differ,
each lease ends hours too early or too late.
"""

from __future__ import annotations

import time
from typing import Optional, Sequence

# One in winter and one in summer: zones may differ in their daylight saving time only.
MOMENTS = ("2026-01-15 12:00:00", "2026-07-15 12:00:00")


def difference(found: Sequence[int]) -> Optional[str]:
    """Why the database's seconds since the epoch for MOMENTS are not this host's; None if they are."""
    for moment, seconds in zip(MOMENTS, found):
        # A negative daylight saving time has the C library find it out.
        expected = int(time.mktime((*time.strptime(moment, "%Y-%m-%d %H:%M:%S")[:8], -1)))
        if seconds != expected:
            hours = (expected - seconds) / 3600
            return f"what is {moment} on this host is another time in the database, {abs(hours):g} h away"
    return None
