# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``status`` and ``check`` show of reservations in files, and of leases that none can reach."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.report import Places
from kea_lease_monitor.settings import Flow, MonitorSettings

COLUMNS = ("written", "in_force", "refused", "waiting", "left_out")
"""The last one has the leases in subnets that no reservation in a file reaches."""


class Applied(NamedTuple):
    """The report of the applier."""

    problem: str
    """Why reservations do not come into force; empty if they do."""
    warning: str
    """What a person should look at although the others work; empty if there is nothing."""
    columns: Mapping[str, Mapping[str, Any]]
    """By subscription: COLUMNS, and ``detail``."""


def read(settings: MonitorSettings, now: float) -> Applied:
    """Read the reports."""
    figures = pools.read(settings.pools)
    problems: List[str] = []
    warnings: List[str] = []
    columns: Dict[str, Mapping[str, Any]] = {}
    for flow in settings.flows:
        for places in flow.reservation_places():
            problem, warning = _judged(places, now)
            problems += [problem] if problem not in problems else []
            warnings += [each for each in (warning, _left_out(flow, figures)) if each not in warnings]
            columns[flow.subscription.name] = {**_columns(places, flow, now), "left_out": _leased(flow, figures)}
    return Applied("; ".join(filter(None, problems)), "; ".join(filter(None, warnings)), columns)


def _judged(places: Places, now: float) -> Tuple[str, str]:
    """Return the problem and the warning of a directory. A report that cannot be read is a warning."""
    try:
        return report.problem(places, now), "; ".join(_warnings(places.report))
    except TemporaryError as error:
        return "", str(error)


def _leased(flow: Flow, figures: Optional[pools.Reading]) -> Optional[int]:
    """Return how many leases the subnets have that are left out; None if that is not known."""
    left_out = flow.left_out()
    return 0 if not left_out else figures.leased(left_out) if figures else None


def _left_out(flow: Flow, figures: Optional[pools.Reading]) -> str:
    """Return a sentence about the subnets that are left out; empty if there are none."""
    numbers = ", ".join(str(number) for _family, number in flow.left_out())
    leased = _leased(flow, figures)
    known = "" if leased is None else f"; they have {leased} leases"
    return f"no reservation in a file reaches these subnets: {numbers}{known}: see docs/take-over.md" if numbers else ""


def add(lines: Sequence[Dict[str, Any]], applied: Applied) -> None:
    """Add the columns to the lines of ``status``."""
    for line in lines:
        columns = dict(applied.columns.get(line["subscription"], dict.fromkeys(COLUMNS)))
        line["detail"] = line["detail"] or columns.pop("detail", "")
        line.update({name: columns[name] for name in COLUMNS})


def _columns(places: Places, flow: Flow, now: float) -> Dict[str, Any]:
    found: Dict[str, Any] = dict.fromkeys(COLUMNS)
    with suppress(TemporaryError):
        status = report.read(places.report)
        since = report.waiting_since(places, status)
        found["waiting"] = None if since is None else round(now - since, 1)
        if status is not None:
            own = status.only(flow.subscription.match.subnets)
            errors = [subnet.error for subnet in own.subnets.values() if subnet.error]
            found.update({name: own.total(name) for name in COLUMNS[:3]})
            found["detail"] = "; ".join(filter(None, [status.error, *errors]))
    return found


def _warnings(directory: str) -> List[str]:
    """Return one sentence for the refused reservations, and one for each subnet that has none in force."""
    status = report.read(directory) or report.Status()
    found = [subnet.error for subnet in status.subnets.values() if subnet.error]
    if status.planned:
        found.append(
            f"{status.held()} reservations or more wait for the next planned reload of Kea, which is half of a pair: "
            f"reload it by kea_service, see docs/pairs.md"
        )
    if status.edited:
        found.append(
            f"{status.held()} reservations or more wait, because {', '.join(status.edited)} was changed after Kea read "
            "it, and a reload would bring that into force: reload Kea yourself, or revert the change"
        )
    if count := status.total("refused"):
        first = next(iter(report.read_refused(directory).refused), None)
        why = f", such as {first.host} in subnet {first.subnet}: {first.reason}" if first else ""
        found.append(f"{count} reservations are refused{why}")
    return found
