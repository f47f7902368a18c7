# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the state tells a person, or a program, about the monitor."""

from __future__ import annotations

import json
import os
import pwd
from typing import Any, Dict, List, Optional, Sequence

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.heart import STALE
from kea_lease_monitor.state.location import Place
from kea_lease_monitor.state.records import Heartbeat, Registration
from kea_lease_monitor.state.store import Store

STUCK = 30.0
"""Seconds that a subscription may try again before it counts as stuck."""

_COLUMNS = (
    *("subscription", "status", "since", "monitor", "version", "events", "beat", "bookmark", "dead_letters"),
    *("what", "detail"),
)
_AGES = ("since", "beat", "bookmark")


def become_owner(place: Place) -> None:
    """As root, act as the monitor's user: a file that root made beside the state would shut the monitor out, and a
    server at a unix socket knows its role by it.

    Raises TemporaryError.
    """
    if os.geteuid() != 0:
        return
    try:
        if place.database is None:
            status = os.stat(place.path if os.path.exists(place.path) else os.path.dirname(place.path) or ".")
            _become(status.st_uid, status.st_gid)
        elif place.database.host.startswith("/"):
            user = pwd.getpwnam(place.database.user)
            _become(user.pw_uid, user.pw_gid)
    except KeyError:
        return  # Its role is known by something else than a user of this host.
    except OSError as error:
        raise TemporaryError(f"the state {place}: {error.strerror}") from error


def _become(user: int, group: int) -> None:
    os.setegid(group)
    os.seteuid(user)


def problem(heartbeats: Sequence[Heartbeat], names: Sequence[str], monitor: str, now: float) -> Optional[str]:
    """One line on the first thing that is wrong with this monitor, or for us with all; None when all is well."""
    for name in names:
        beats = [beat for beat in heartbeats if beat.subscription == name]
        own = [beat for beat in beats if not monitor or beat.monitor == monitor]
        if not own:
            return f"unhealthy: subscription {name} never ran" + (f" on {monitor}" if monitor else "")
        newest = max(own, key=lambda beat: beat.beat_at)
        if trouble := _trouble(newest, now):
            return f"unhealthy: subscription {name} {trouble}"
        if newest.status == "standby" and not any(_acts(beat, now) for beat in beats):
            return f"unhealthy: subscription {name} has monitors standing by, and none that acts"
    return None


def _acts(beat: Heartbeat, now: float) -> bool:
    return beat.status not in ("standby", "stopped") and now - beat.beat_at <= STALE


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
    """One mapping per subscription and monitor, with the columns of the table as keys. Times are ages in seconds."""
    known = {each.name: each for each in store.registrations()}
    beats = {beat.subscription: beat for beat in store.heartbeats()}
    found = [_line(beat.subscription, beat, known.get(beat.subscription), now) for beat in store.heartbeats()]
    found += [_line(name, None, each, now) for name, each in known.items() if name not in beats]
    bookmarks = {bookmark.subscription: bookmark for bookmark in store.bookmarks()}
    letters = store.dead_letters()
    for line in found:
        bookmark = bookmarks.get(line["subscription"])
        line["bookmark"] = round(now - bookmark.updated_at, 1) if bookmark else None
        line["position"] = bookmark.position if bookmark else None
        line["dead_letters"] = letters.get(line["subscription"], 0)
    return found


def _line(name: str, beat: Optional[Heartbeat], known: Optional[Registration], now: float) -> Dict[str, Any]:
    line: Dict[str, Any] = dict.fromkeys(_COLUMNS)
    line.update(subscription=name, status="waiting", what=known.description if known else "")
    if beat:
        line.update(monitor=beat.monitor, version=beat.version, events=beat.events, detail=beat.detail)
        silent = now - beat.beat_at > STALE and beat.status != "stopped"
        line.update(status="silent" if silent else beat.status, since=round(now - beat.status_since, 1))
        line.update(beat=round(now - beat.beat_at, 1))
    if known and known.removed_at is not None:
        line.update(status="removed", since=round(now - known.removed_at, 1), detail="")
    return line


def as_json(found: Sequence[Dict[str, Any]]) -> str:
    return json.dumps(list(found))


def as_table(found: Sequence[Dict[str, Any]], columns: Sequence[str] = _COLUMNS) -> str:
    """Columns in which nothing stands are left out."""
    shown = [name for name in columns if any(line[name] not in (None, "") for line in found)] or list(columns)
    rows = [tuple(name.replace("_", " ").upper() for name in shown)]
    rows += [tuple(_cell(name, line[name]) for name in shown) for line in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(shown))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _cell(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    return age(float(str(value))) if name in _AGES else str(value).splitlines()[-1]


def age(seconds: float) -> str:
    """Two digits are enough for a person."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
