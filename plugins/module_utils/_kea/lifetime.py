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

from . import lease_csv

INFINITE = 4294967295
"""Valid lifetime in seconds of a lease that never expires; Lease::INFINITY_LFT. No lifetime is greater."""

_UNSIGNED = 2**64 - 1
"""The greatest ``expire`` that Kea reads from a lease file."""

_LATEST = 253402300799
"""The end of the year 9999: every program and library of ours can keep and show times up to this one."""

_NO_MOMENT = 2**63 - 1
"""What sql_expire returns for ``infinity`` and ``-infinity``: no timestamp of PostgreSQL is that late."""


def expire_field(text: str) -> int:
    """Return ``expire`` from a field of a lease file. Raises ValueError.

    Kea keeps it as a signed number of 64 bits, so that the greatest ones are moments before 1970.
    """
    found = lease_csv.number(text, _UNSIGNED)
    return found if found <= _UNSIGNED // 2 else found - _UNSIGNED - 1


def of_row(expire: int, valid_lifetime: int) -> Tuple[int, Optional[int]]:
    """Return (CLTT, end or None for never) of a row of a lease file, where ``expire`` is always their sum."""
    return expire - valid_lifetime, None if valid_lifetime == INFINITE else expire


def storable(cltt: int, valid_lifetime: int) -> int:
    """Return the CLTT of a row of a lease file such that the lease ends, or if it is infinite begins, since 1970.

    A lease file may hold any number, and no database keeps all. To Kea the lease is the same: ended, or infinite.
    """
    return max(cltt, 0 if valid_lifetime == INFINITE else -valid_lifetime)


def of_record(expire: Optional[int], valid_lifetime: Optional[int]) -> Tuple[int, Optional[int]]:
    """Return (CLTT, end or None for never) of a row in PostgreSQL; ``expire`` of an infinite lease is its CLTT.

    Raises ValueError for times that Kea cannot read, and so never wrote. The message says what Kea writes.
    """
    if valid_lifetime is None or expire is None:
        missing = "valid_lifetime" if valid_lifetime is None else "expire"
        raise ValueError(
            f"{missing} is NULL, so that Kea cannot read the row; a lease that is inserted by hand needs, for example, "
            "valid_lifetime 3600, expire now() + interval '1 hour' and state 0"
        )
    if not 0 <= valid_lifetime <= INFINITE:
        raise ValueError(
            f"valid_lifetime {valid_lifetime} is not from 0 to {INFINITE}, so that Kea cannot read the row"
        )
    if expire == _NO_MOMENT:
        raise ValueError(
            f"expire is infinite, so that Kea cannot read the row; a lease without an end has valid_lifetime {INFINITE}"
        )
    return (expire, None) if valid_lifetime == INFINITE else (expire - valid_lifetime, expire)


def bounded(cltt: int, end: Optional[int]) -> Tuple[int, Optional[int]]:
    """Return (CLTT, end) moved into the years 1970 to 9999: a lease file may hold any number."""
    return _between(cltt), None if end is None else _between(end)


def _between(moment: int) -> int:
    return max(0, min(moment, _LATEST))


def expire_of_row(cltt: int, valid_lifetime: int) -> int:
    """Return ``expire`` as Kea writes it into a lease file; the reverse of ``of_row``."""
    return cltt + valid_lifetime


def expire_of_record(cltt: int, valid_lifetime: int) -> int:
    """Return ``expire`` as Kea writes it into PostgreSQL; the reverse of ``of_record``."""
    return cltt if valid_lifetime == INFINITE else cltt + valid_lifetime


def sql_cltt(row: str) -> str:
    """Return the SQL expression for the CLTT of ``row``: a table or alias with Kea's columns of leases.

    It is a floating-point number of epoch seconds, which no value of these columns exceeds. A timestamp minus an
    interval would fail for infinite and very long times, and with it the statement about all other rows.
    """
    lived = f"coalesce(nullif({row}.valid_lifetime, {INFINITE}), 0)"
    return f"(extract(epoch FROM {row}.expire)::float8 - {lived}::float8)"


def sql_expire(column: str) -> str:
    """Return the SQL expression for a column ``expire`` in epoch seconds, rounded down; see ``of_record``."""
    seconds = f"floor(extract(epoch FROM {column}))::bigint"
    return f"CASE WHEN isfinite({column}) THEN {seconds} WHEN {column} IS NOT NULL THEN {_NO_MOMENT} END"


def is_over(end: Optional[int], now: float) -> bool:
    """Return whether a lease with this end, None for never, has expired at ``now``."""
    return end is not None and end <= now


def is_confirmed(made: Optional[int], cltt: int, valid_lifetime: float) -> bool:
    """Return whether a client was acknowledged again at least half a lifetime after ``made``, its first lease.

    One whose times are not known, or not in order, counts as confirmed.
    """
    return made is None or not 0 <= cltt - made < valid_lifetime / 2
