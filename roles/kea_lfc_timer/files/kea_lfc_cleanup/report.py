# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, as a line of the journal, a state file that kea_info reads, and metrics for Prometheus."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import Any, Dict, Iterator

from kea_lfc_cleanup import processes
from kea_lfc_cleanup.files import LeaseFiles, measure

FIELDS = (
    "strategy", "why", "outcome", "message", "finished", "seconds", "reload_seconds", "rows_before", "rows_after",
    "rows_discarded", "bytes_before", "bytes_after", "last_success", "busy_since",
)  # fmt: skip
_LAST_CLEAN_UP = ("rows_before", "rows_after", "rows_discarded", "bytes_before", "bytes_after")

_METRICS = (
    ("last_run_timestamp_seconds", "finished", "When the last run ended."),
    ("last_success_timestamp_seconds", "last_success", "When the last run ended that did not fail."),
    ("duration_seconds", "seconds", "How long the last run took."),
    ("reload_seconds", "reload_seconds", "How long Kea took to reload in the last run, and served nobody."),
    ("rows_before", "rows_before", "Rows that the last clean-up read."),
    ("rows_after", "rows_after", "Rows that the last clean-up left."),
    ("rows_discarded", "rows_discarded", "Rows that kea-lfc could not read, and left out as Kea does."),
    ("bytes_before", "bytes_before", "Bytes that the last clean-up read."),
    ("bytes_after", "bytes_after", "Bytes that the last clean-up left."),
)


class Report:
    """Filled by the strategy as it goes; knows what the run before it wrote down."""

    def __init__(self, strategy: str, why: str, interval: int, directory: str, family: int) -> None:
        self.interval = interval
        """Kea's own lfc-interval, in seconds."""
        self.values: Dict[str, Any] = dict.fromkeys(FIELDS)
        self.values.update(strategy=strategy, why=why, rows_discarded=0)
        self._started = time.monotonic()
        self._directory, self._family = directory, family
        self._state = os.path.join(directory, f"state{family}.json")
        self._former = _read(self._state)

    def before(self, files: LeaseFiles, with_current: bool = False) -> None:
        """Measure what kea-lfc is about to read, the lease file too if Kea is going to rotate it."""
        parts = [files.previous, files.rotated]
        if os.path.exists(files.completed):
            parts = [files.completed]
        if with_current:
            parts.append(files.current)
        self.values["rows_before"], self.values["bytes_before"] = measure(parts)

    def after(self, files: LeaseFiles, outcome: str) -> None:
        """Measure what it made of it."""
        self.values["rows_after"], self.values["bytes_after"] = measure([files.previous])
        self.values.update(outcome=outcome, message="")

    def reloaded(self, seconds: float) -> None:
        """Kea served nobody for so long."""
        self.values["reload_seconds"] = (self.values["reload_seconds"] or 0.0) + seconds

    def discarded(self, rows: int) -> None:
        self.values["rows_discarded"] = rows

    def nothing(self, message: str) -> None:
        """There was nothing to do."""
        self.values.update(outcome="nothing", message=message)

    def failed(self, message: str) -> None:
        """It did not succeed; the message is one sentence."""
        self.values.update(outcome="failed", message=message)

    def busy(self, message: str) -> bool:
        """Somebody else is at work. Returns whether for so long that this is a failure."""
        now = time.time()
        since = self.values["busy_since"] = float(self._former.get("busy_since") or now)
        hangs = now - since > processes.DEADLINE
        if hangs:
            self.failed(f"{message}, and so it was for {now - since:.0f} s: look what that waits for")
        else:
            self.values.update(outcome="busy", message=message)
        return hangs

    def sentence(self) -> str:
        """For the journal."""
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
        """The run is over."""
        self.values["seconds"] = time.monotonic() - self._started
        self.values["finished"] = time.time()

    def write(self) -> None:
        """Write state and metrics; a success and its figures stay known over runs that cleaned nothing up."""
        found = self.values
        done = found["outcome"] in ("cleaned", "finished")
        if not done:
            found.update({field: self._former.get(field) for field in _LAST_CLEAN_UP})
        found["last_success"] = (
            found["finished"] if done or found["outcome"] == "nothing" else self._former.get("last_success")
        )
        with self._alone():
            _replace(self._state, json.dumps(found, indent=2) + "\n")
            _replace(os.path.join(self._directory, f"kea_lfc{self._family}.prom"), self._metrics())

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """A run that found another at work may report while that one does."""
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _metrics(self) -> str:
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
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _replace(path: str, text: str) -> None:
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o644)  # whatever the umask: others read it
        file.flush()
        os.fsync(file.fileno())
    os.replace(f"{path}.new", path)
