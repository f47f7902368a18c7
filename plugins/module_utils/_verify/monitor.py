# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges the lease monitor, and the timer that cleans the lease file up."""

from __future__ import annotations

from typing import Iterator, Optional

from .finding import (
    DEPLOY,
    OK,
    WARN,
    WRONG,
    Expected,
    Facts,
    Finding,
    journal,
)

LAG = 60.0
"""Seconds that a bookmark may stay behind the newest lease. It waits for transactions of others, too."""
LONGEST_RUN = 7200.0
"""Seconds after which systemd ends a clean-up (TimeoutStartSec of its unit)."""
STATUS = "kea-lease-monitor status"


def monitor(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """The unit, and what the monitor says of itself."""
    unit, release, check = facts["monitor"]["unit"], facts["monitor"]["release"], facts["monitor_check"]
    if unit is None or release is None:
        yield Finding("monitor", WRONG, "the lease monitor is not installed", DEPLOY)
        return
    if not unit["active"]:
        yield Finding("monitor", WRONG, f"{unit['name']} does not run", journal(unit["name"]))
    elif check["code"]:
        yield Finding("monitor", WRONG, check["said"], f"{STATUS}; {journal(unit['name'])}")
    else:
        yield Finding("monitor", OK, f"{check['said']}; release {release}")
    if not unit["enabled"]:
        yield Finding("monitor at boot", WRONG, f"{unit['name']} does not start with the host", DEPLOY)


def subscriptions(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """How far behind the leases each one is, and what it gave up."""
    newest = _newest_change(facts, expected)
    for line in facts["monitor_status"] or []:
        if line["status"] == "removed":
            continue
        name, behind = f"subscription {line['subscription']}", _behind(line["bookmark"], newest)
        if behind > LAG:
            seen = f"its bookmark is {behind:.0f} s behind the newest change of a lease"
            yield Finding(name, WARN, seen, f"{STATUS}; a long transaction in the database holds the bookmark up, too")
        else:
            yield Finding(name, OK, f"{line['status']}, {line['events'] or 0} events since it began, no lag")
        if line["dead_letters"]:
            seen = f"{line['dead_letters']} events were given up"
            yield Finding(name, WARN, seen, "kea-lease-monitor dead-letters list")


def reservation_files(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Without a database, a unit makes Kea read new reservations."""
    unit = facts["monitor"]["reservations"]
    if expected.reservations != "files":
        return
    if unit and unit["active"] and unit["enabled"]:
        yield Finding("reservations", OK, f"{unit['name']} waits for new ones")
    else:
        yield Finding("reservations", WRONG, "nothing makes Kea read new reservations", DEPLOY)


def probe(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """How far a lease came that was sent through."""
    found = facts["probe"]
    if not found:
        return
    if found.get("skipped"):
        yield Finding("probe", WARN, f"no lease was sent through: {found['skipped']}", "leave kea_verify_probe out")
        return
    if found["error"]:
        yield Finding("probe", WRONG, found["error"], f"{STATUS}; {journal('kea-dhcp4-server')}")
        return
    stations = ", ".join(f"{name} after {seconds * 1000:.0f} ms" for name, seconds in found["seconds"].items())
    yield Finding("probe", OK, f"{stations}; removed again: {', '.join(found['removed'])}")


def timer(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """The clean-up of the lease file, and when it last succeeded."""
    found, run = facts["lfc"]["timer"], facts["lfc"]["last_run"] or {}
    if not expected.timer:
        if found and found["active"]:
            yield Finding("timer", WRONG, f"{found['name']} runs, though the leases are in no file of its", DEPLOY)
        return
    if not found or not found["active"] or not found["enabled"]:
        yield Finding("timer", WRONG, "the clean-up of the lease file is not due any more", DEPLOY)
        return
    success, todo = run.get("last_success"), journal(facts["lfc"]["service"]["name"])
    last = f"the last success was {_age(facts['now'] - success)} ago" if success else "none has succeeded yet"
    failed = facts["lfc_service"]["result"] != "success" or run.get("outcome") == "failed"
    if failed:
        seen = f"the last clean-up failed ({run.get('message') or facts['lfc_service']['result']}); {last}"
        yield Finding("timer", WRONG, seen, todo)
    elif facts["lfc_service"]["triggered"] - (success or 0) > LONGEST_RUN and facts["lfc_service"]["triggered"]:
        yield Finding("timer", WARN, f"the timer went off since, but {last}", todo)
    else:
        yield Finding("timer", OK, f"{run.get('outcome', 'not due yet')}; {last}")


def _newest_change(facts: Facts, expected: Expected) -> Optional[float]:
    """Seconds since Kea last wrote a lease; None when nothing tells."""
    age = facts["database"]["newest_event"] if expected.leases == "postgresql" else facts["lease_file_age"]
    return None if age is None else float(age)


def _behind(bookmark: Optional[float], newest: Optional[float]) -> float:
    """Seconds between the newest change and a bookmark that was moved before it, for as long as that is."""
    if newest is None:
        return 0.0
    return newest if bookmark is None or bookmark > newest else 0.0


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
