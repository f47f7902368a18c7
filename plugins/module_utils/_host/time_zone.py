# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: compares the time zones of a host and of its database, which must agree for Kea.

Kea writes the end of a lease as local time without a zone (database_connection.cc, convertToDatabaseTime), which the
database reads in the zone of the session. But Kea reads it back as seconds since the epoch. If the two zones differ,
each lease ends hours too early or too late.
"""

from __future__ import annotations

import time
from typing import Optional, Sequence

# One in winter and one in summer: zones may differ in daylight saving time only.
MOMENTS = ("2026-01-15 12:00:00", "2026-07-15 12:00:00")


def difference(found: Sequence[int]) -> Optional[str]:
    """Return why the zones differ; None if they do not. ``found`` are the database's epoch seconds for MOMENTS."""
    for moment, seconds in zip(MOMENTS, found):
        # With -1 the C library finds out whether daylight saving time applies.
        expected = int(time.mktime((*time.strptime(moment, "%Y-%m-%d %H:%M:%S")[:8], -1)))
        if seconds != expected:
            hours = (expected - seconds) / 3600
            return f"{moment} on this host is another time in the database, {abs(hours):g} h away"
    return None
