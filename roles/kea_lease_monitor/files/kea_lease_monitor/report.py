# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the state tells a person, or a program, about the monitor."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Sequence

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.state.store import Heartbeat, Store

STALE = 15.0
"""Seconds without a heartbeat after which nobody is taken for alive: three intervals."""

STUCK = 30.0
"""Seconds that a subscription may try again before it counts as stuck."""

_COLUMNS = ("subscription", "status", "monitor", "version", "events", "beat", "bookmark", "dead letters", "detail")


def become_owner(path: str) -> None:
    """As root, act as whoever owns the state: a file that root made beside it would shut the monitor out.

    Raises TemporaryError.
    """
    if os.geteuid() == 0:
        try:
            status = os.stat(path if os.path.exists(path) else os.path.dirname(path) or ".")
            os.setegid(status.st_gid)
            os.seteuid(status.st_uid)
        except OSError as error:
            raise TemporaryError(f"the state {path}: {error.strerror}") from error


def problem(heartbeats: Sequence[Heartbeat], names: Sequence[str], now: float) -> Optional[str]:
    """One line on the first thing that is wrong; None when all is well."""
    for name in names:
        alive = [beat for beat in heartbeats if beat.subscription == name]
        if not alive:
            return f"unhealthy: subscription {name} never ran"
        if trouble := _trouble(max(alive, key=lambda beat: beat.beat_at), now):
            return f"unhealthy: subscription {name} {trouble}"
    return None


def _trouble(beat: Heartbeat, now: float) -> str:
    if beat.status == "stopped":
        return "was stopped"
    if now - beat.beat_at > STALE:
        return f"gave its last sign of life {now - beat.beat_at:.0f} seconds ago"
    if beat.status == "starting":
        return f"has not caught up yet: {beat.detail or 'still reading'}"
    if beat.status == "retrying" and now - beat.status_since > STUCK:
        return f"is stuck for {now - beat.status_since:.0f} seconds: {beat.detail}"
    return ""


def lines(store: Store, now: float) -> List[Dict[str, Any]]:
    """One mapping per subscription, with the columns of the table as keys. Times are ages in seconds."""
    bookmarks = {bookmark.subscription: bookmark for bookmark in store.bookmarks()}
    found = []
    for beat in store.heartbeats():
        bookmark = bookmarks.get(beat.subscription)
        values = (
            beat.subscription,
            beat.status if now - beat.beat_at <= STALE or beat.status == "stopped" else "silent",
            beat.monitor,
            beat.version,
            beat.events,
            round(now - beat.beat_at, 1),
            round(now - bookmark.updated_at, 1) if bookmark else None,
            store.dead_letters(beat.subscription),
            beat.detail,
        )
        found.append(dict(zip(_COLUMNS, values)))
    return found


def as_json(found: Sequence[Dict[str, Any]]) -> str:
    return json.dumps([{name.replace(" ", "_"): value for name, value in line.items()} for line in found])


def as_table(found: Sequence[Dict[str, Any]]) -> str:
    rows = [_COLUMNS, *(tuple(_cell(name, line[name]) for name in _COLUMNS) for line in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _cell(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value} s ago" if name in ("beat", "bookmark") else str(value).splitlines()[-1]
