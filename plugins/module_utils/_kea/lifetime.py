# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's equations of time. No other code adds or subtracts lifetimes.

CLTT is the client's last transmission time. Lease files and PostgreSQL store ``expire`` and the valid lifetime, and
mean different things by ``expire`` of an infinite lease (kea-facts 2 and 3.7). Times are epoch
seconds, lifetimes are seconds.
"""

from __future__ import annotations

from typing import Optional, Tuple

INFINITE = 4294967295
"""Valid lifetime in seconds of a lease that never expires; Lease::INFINITY_LFT."""


def of_row(expire: int, valid_lifetime: int) -> Tuple[int, Optional[int]]:
    """Return (CLTT, end or None for never) of a row of a lease file, where ``expire`` is always their sum."""
    return expire - valid_lifetime, None if valid_lifetime == INFINITE else expire


def of_record(expire: int, valid_lifetime: int) -> Tuple[int, Optional[int]]:
    """Return (CLTT, end or None for never) of a row in PostgreSQL; ``expire`` of an infinite lease is its CLTT."""
    return (expire, None) if valid_lifetime == INFINITE else (expire - valid_lifetime, expire)


def expire_of_row(cltt: int, valid_lifetime: int) -> int:
    """Return ``expire`` as Kea writes it into a lease file; the reverse of ``of_row``."""
    return cltt + valid_lifetime


def expire_of_record(cltt: int, valid_lifetime: int) -> int:
    """Return ``expire`` as Kea writes it into PostgreSQL; the reverse of ``of_record``."""
    return cltt if valid_lifetime == INFINITE else cltt + valid_lifetime


def sql_cltt(row: str) -> str:
    """Return the SQL expression for the CLTT (timestamp) of ``row``, a table or alias with Kea's lease columns."""
    return f"({row}.expire - make_interval(secs => coalesce(nullif({row}.valid_lifetime, {INFINITE}), 0)))"


def is_over(end: Optional[int], now: float) -> bool:
    """Return whether a lease with this end, None for never, has expired at ``now``."""
    return end is not None and end <= now
