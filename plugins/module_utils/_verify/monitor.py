# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges the lease monitor and the LFC timer."""

from __future__ import annotations

from typing import Iterator, Optional

from .._monitor.names import APPLIERS
from .finding import (
    DEPLOY,
    OK,
    WARN,
    WRONG,
    Expected,
    Facts,
    Finding,
    journal,
    kea_unit,
)

LAG = 60.0
"""Seconds that a bookmark may lag; it also waits for open transactions of other programs."""
LONGEST_RUN = 7200.0
"""Seconds after which systemd stops an LFC run (TimeoutStartSec of its unit)."""
STATUS = "kea-lease-monitor status"
_AWAY = ("stopped", "silent")
"""What the monitor's status says of a subscription that no process works for."""
WARNING = "; WARN "
"""What the monitor's check says before each warning, while it is healthy."""


def monitor(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge the unit and the monitor's own check."""
    unit, release, check = facts["monitor"]["unit"], facts["monitor"]["release"], facts["monitor_check"]
    if unit is None or release is None:
        yield Finding("monitor", WRONG, "the lease monitor is not installed", DEPLOY)
        return
    if not unit["active"]:
        yield Finding("monitor", WRONG, f"{unit['name']} does not run", journal(unit["name"]))
    elif check["code"]:
        yield Finding("monitor", WRONG, check["said"], f"{STATUS}; {journal(unit['name'])}")
    elif WARNING in check["said"]:
        yield Finding("monitor", WARN, f"{check['said']}; release {release}", f"{STATUS}; docs/runbook.md")
    else:
        yield Finding("monitor", OK, f"{check['said']}; release {release}")
    if not unit["enabled"]:
        yield Finding("monitor at boot", WRONG, f"{unit['name']} does not start with the host", DEPLOY)


def subscriptions(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge the lag of each subscription, and its dead letters."""
    newest = _newest_change(facts, expected)
    for line in facts["monitor_status"] or []:
        if line["status"] == "removed":
            continue
        name, lag = f"subscription {line['subscription']}", _lag(line["bookmark"], newest)
        if line["status"] in _AWAY:
            seen = f"it is {line['status']}: no lease is acted on here, and those of the meantime are read once it runs"
            yield Finding(name, WARN, seen, STATUS)
        elif lag > LAG:
            seen = f"its bookmark lags {lag:.0f} s"
            yield Finding(name, WARN, seen, f"{STATUS}; a long transaction in the database also delays it")
        else:
            yield Finding(name, OK, f"{line['status']}, {line['events'] or 0} events since it began, no lag")
        if line["dead_letters"]:
            seen = f"{line['dead_letters']} events were given up"
            yield Finding(name, WARN, seen, "kea-lease-monitor dead-letters list")


def reservation_files(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge the service that has Kea use reservations in files."""
    unit = facts["monitor"]["reservations"]
    if expected.reservations != "files":
        return
    if unit and unit["active"] and unit["enabled"]:
        yield Finding("reservations", OK, f"{unit['name']} watches for new ones")
    else:
        seen = f"Kea does not read new reservations: {APPLIERS[facts['family']]} does not run"
        yield Finding("reservations", WRONG, seen, DEPLOY)


def probe(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge how far the lease of the probe came."""
    found = facts["probe"]
    if not found:
        return
    if found.get("skipped"):
        yield Finding("probe", WARN, f"no lease was sent through: {found['skipped']}", "leave kea_verify_probe out")
        return
    if found["error"]:
        yield Finding("probe", WRONG, found["error"], f"{STATUS}; {journal(kea_unit(facts))}")
        return
    stations = ", ".join(f"{name} after {seconds * 1000:.0f} ms" for name, seconds in found["seconds"].items())
    yield Finding("probe", OK, f"{stations}; removed again: {', '.join(found['removed'])}")


def timer(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge the LFC timer, and when a run last succeeded."""
    found, run = facts["lfc"]["timer"], facts["lfc"]["last_run"] or {}
    if not expected.timer:
        if found and found["active"]:
            yield Finding("timer", WRONG, f"{found['name']} runs, but the leases are not in its lease file", DEPLOY)
        return
    if not found or not found["active"] or not found["enabled"]:
        yield Finding("timer", WRONG, "the LFC timer does not run", DEPLOY)
        return
    success, todo = run.get("last_success"), journal(facts["lfc"]["service"]["name"])
    last = f"the last success was {_age(facts['now'] - success)} ago" if success else "none has succeeded yet"
    failed = facts["lfc_service"]["result"] != "success" or run.get("outcome") == "failed"
    if failed:
        seen = f"the last LFC run failed ({run.get('message') or facts['lfc_service']['result']}); {last}"
        yield Finding("timer", WRONG, seen, todo)
    elif facts["lfc_service"]["triggered"] - (success or 0) > LONGEST_RUN and facts["lfc_service"]["triggered"]:
        yield Finding("timer", WARN, f"the timer has elapsed since, but {last}", todo)
    else:
        yield Finding("timer", OK, f"{run.get('outcome', 'not due yet')}; {last}")


def _newest_change(facts: Facts, expected: Expected) -> Optional[float]:
    """Return the seconds since Kea last wrote a lease; None if that is unknown."""
    age = facts["database"]["newest_event"] if expected.leases == "postgresql" else facts["lease_file_age"]
    return None if age is None else float(age)


def _lag(bookmark: Optional[float], newest: Optional[float]) -> float:
    """Return for how long the newest change has been waiting for the bookmark, 0 if it is passed.

    ``bookmark`` is the age of the bookmark, ``newest`` that of the newest change, in seconds.
    """
    if newest is None:
        return 0.0
    return newest if bookmark is None or bookmark > newest else 0.0


def _age(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
