# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How crowded the processors of the host are."""

from __future__ import annotations

_TURNS = "/proc/thread-self/schedstat"
"""Nanoseconds on a processor, nanoseconds waited for one, and the number of turns."""


def waited() -> float:
    """Return the seconds that this thread waited for a processor; 0 if the kernel does not tell."""
    try:
        with open(_TURNS, encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
