# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: when a running Kea read its configuration, by its answer to status-get.

Kea does not tell which text it has read, and Kea 2.2 counts whole seconds.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from . import pairs

_ROUNDING = 1.0
"""Seconds by which Kea's own times may be wrong."""


class Reading(NamedTuple):
    """When Kea read its configuration, in epoch seconds."""

    is_half: bool
    """Whether Kea is half of a pair."""
    earliest: float
    latest: float


def reading_of(status: Mapping[str, Any], now: float) -> Reading:
    """Return the reading, by the arguments of Kea's answer to status-get at ``now``."""
    read_at = now - float(status.get("reload", 0))
    return Reading(pairs.is_half(status), read_at - _ROUNDING, read_at + _ROUNDING)
