# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's equations of time; nobody else adds or subtracts lifetimes."""

from __future__ import annotations

from typing import Optional, Tuple

INFINITE = 4294967295
"""Seconds; Lease::INFINITY_LFT."""


def of_row(expire: int, valid_lifetime: int) -> Tuple[int, Optional[int]]:
    """(cltt, expires) in epoch seconds from a lease file, where ``expire`` is always cltt + valid_lifetime."""
    return expire - valid_lifetime, None if valid_lifetime == INFINITE else expire


def of_record(expire: int, valid_lifetime: int) -> Tuple[int, Optional[int]]:
    """(cltt, expires) in epoch seconds from PostgreSQL, which stores ``expire = cltt`` for an infinite lease."""
    return (expire, None) if valid_lifetime == INFINITE else (expire - valid_lifetime, expire)


def is_over(expires: Optional[int], now: float) -> bool:
    return expires is not None and expires <= now
