# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report of one LFC run: a line of the journal, a state file that kea_info reads, and metrics for Prometheus."""

from __future__ import annotations

import json
import os
import time
from typing import Any, Dict

from _kea import durable, locks
from _kea.lease_file import LeaseFile

from kea_lfc_cleanup import kea_lfc
from kea_lfc_cleanup.files import measure

FIELDS = (
    "strategy", "why", "outcome", "message", "finished", "seconds", "reload_seconds", "rows_before", "rows_after",
    "rows_discarded", "bytes_before", "bytes_after", "last_success", "busy_since",
)  # fmt: skip
LOCK = ".report.lock"
"""File in the state directory whose lock a run holds while it writes its report."""
LOCK_TIMEOUT = 10.0
"""Seconds that another run may take for its report."""
_FIGURES = ("rows_before", "rows_after", "rows_discarded", "bytes_before", "bytes_after")

_METRICS = (
    ("last_run_timestamp_seconds", "finished", "When the last run ended."),
    ("last_success_timestamp_seconds", "last_success", "When the last run ended that did not fail."),
    ("duration_seconds", "seconds", "How long the last run took."),
    ("reload_seconds", "reload_seconds", "How long Kea took to reload in the last run; it serves no client meanwhile."),
    ("rows_before", "rows_before", "Rows that the last LFC run read."),
    ("rows_after", "rows_after", "Rows that the last LFC run left."),
    ("rows_discarded", "rows_discarded", "Rows that kea-lfc could not read, and left out as Kea does."),
    ("bytes_before", "bytes_before", "Bytes that the last LFC run read."),
    ("bytes_after", "bytes_after", "Bytes that the last LFC run left."),
)


class Report:
    """Collects what the strategy did, and adds what the report of the previous run said."""

    def __init__(self, strategy: str, why: str, interval: int, directory: str, family: int) -> None:
        self.interval = interval
        """Seconds, Kea's own C(lfc-interval)."""
        self.values: Dict[str, Any] = dict.fromkeys(FIELDS)
        self.values.update(strategy=strategy, why=why, rows_discarded=0)
        self._started = time.monotonic()
        self._directory, self._family = directory, family
        self._state = os.path.join(directory, f"state{family}.json")
        self._previous = _read(self._state)

    def before(self, files: LeaseFile, with_current: bool = False) -> None:
        """Measure what kea-lfc is about to read: with the current lease file if Kea is going to rotate it."""
        parts = [files.previous, files.rotated]
        if os.path.exists(files.completed):
            parts = [files.completed]
        if with_current:
            parts.append(files.current)
        self.values["rows_before"], self.values["bytes_before"] = measure(parts)

    def after(self, files: LeaseFile, outcome: str) -> None:
        """Measure what kea-lfc wrote, and record success: C(outcome) is C(cleaned) or C(finished)."""
        self.values["rows_after"], self.values["bytes_after"] = measure([files.previous])
        self.values.update(outcome=outcome, message="")

    def reloaded(self, seconds: float) -> None:
        """Record that Kea reloaded, and so served no client, for this long; several reloads add up."""
        self.values["reload_seconds"] = (self.values["reload_seconds"] or 0.0) + seconds

    def discarded(self, rows: int) -> None:
        """Record how many rows kea-lfc could not read."""
        self.values["rows_discarded"] = rows

    def nothing(self, message: str) -> None:
        """Record that there was nothing to do. The message is one sentence."""
        self.values.update(outcome="nothing", message=message)

    def failed(self, message: str) -> None:
        """Record a failure. The message is one sentence."""
        self.values.update(outcome="failed", message=message)

    def busy(self, message: str) -> bool:
        """Record that another LFC run or a play is at work.

        Return whether that has been so in every run for longer than C(kea_lfc.DEADLINE), which is a failure.
        """
        now = time.time()
        since = self.values["busy_since"] = float(self._previous.get("busy_since") or now)
        hangs = now - since > kea_lfc.DEADLINE
        if hangs:
            self.failed(f"{message}, and so it was for {now - since:.0f} s: look what that waits for")
        else:
            self.values.update(outcome="busy", message=message)
        return hangs

    def sentence(self) -> str:
        """Return the line for the journal."""
        found = self.values
        text = f"{found['outcome']} by strategy {found['strategy']} ({found['why']})"
        if found["message"]:
            return f"{text}: {found['message']}"
        reload = f", Kea's reload {found['reload_seconds']:.3f} s" if found["reload_seconds"] is not None else ""
        left_out = f", {found['rows_discarded']} unreadable ones left out" if found["rows_discarded"] else ""
        return (
            f"{text}: {found['rows_before']} rows became {found['rows_after']}{left_out}, "
            f"{found['bytes_before']} bytes {found['bytes_after']}, in {found['seconds']:.3f} s{reload}"
        )

    def close(self) -> None:
        """Record when the run ended and how long it took."""
        self.values["seconds"] = time.monotonic() - self._started
        self.values["finished"] = time.time()

    def write(self) -> None:
        """Write the state file and the metrics. Raises OSError, and LockedError if another run reports for long.

        The last success and its figures stay in the report over later runs that ran no LFC or failed.
        """
        found = self.values
        done = found["outcome"] in ("cleaned", "finished")
        if not done:
            found.update({field: self._previous.get(field) for field in _FIGURES})
        found["last_success"] = (
            found["finished"] if done or found["outcome"] == "nothing" else self._previous.get("last_success")
        )
        # A run that found another at work may report while that one does. Other users may read the directory, and could
        # hold a lock of the directory itself.
        with locks.held(os.path.join(self._directory, LOCK), LOCK_TIMEOUT):
            metrics = os.path.join(self._directory, f"kea_lfc{self._family}.prom")
            # Other users read both.
            durable.replace(self._state, (json.dumps(found, indent=2) + "\n").encode(), 0o644)
            durable.replace(metrics, self._metrics().encode(), 0o644)

    def _metrics(self) -> str:
        """Return the metrics in Prometheus's text format."""
        lines = []
        for name, field, text in _METRICS:
            if self.values[field] is not None:
                metric = f"kea_lfc_{name}"
                lines += [f"# HELP {metric} {text}", f"# TYPE {metric} gauge"]
                lines += [f'{metric}{{family="{self._family}"}} {self.values[field]}']
        lines += ["# HELP kea_lfc_last_run Outcome of the last run.", "# TYPE kea_lfc_last_run gauge"]
        labels = f'family="{self._family}",strategy="{self.values["strategy"]}",outcome="{self.values["outcome"]}"'
        return "\n".join([*lines, f"kea_lfc_last_run{{{labels}}} 1", ""])


def _read(path: str) -> Dict[str, Any]:
    """Return the report of the previous run; empty if there is none or if it cannot be read."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
