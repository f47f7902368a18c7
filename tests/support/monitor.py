# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease monitor as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from support.paths import MONITOR, program_environment
from support.wait import LIMIT, until

PROGRAM = MONITOR / "kea_lease_monitor.py"


class Daemon:
    """A monitor with its configuration and its log in a directory. ``within`` is a command that executes it."""

    def __init__(self, directory: Path, document: dict[str, Any], within: tuple[str, ...] = ()) -> None:
        self._within = within
        self.config = directory / "config.yml"
        self.config.write_text(yaml.safe_dump(document))
        self._log = directory / "log"
        self.start()

    def start(self, *arguments: str) -> None:
        words = arguments or ("--config", str(self.config))
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._within, sys.executable, str(PROGRAM), *words], stderr=log, env=program_environment()
            )

    def log(self) -> str:
        return self._log.read_text()

    def said(self, text: str, seconds: float = LIMIT) -> None:
        """Wait until the text is in the log."""
        until(lambda: text in self.log(), lambda: f"{text!r}, but:\n{self.log()}", seconds)

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(timeout=LIMIT) == 0, self.log()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the monitor's commands with the same configuration."""
        command = [sys.executable, str(PROGRAM), *arguments, "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=program_environment())


def document(tmp_path: Path, source: dict[str, Any], sinks: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Return a configuration with one subscription. It has a discovery sink after the given ones."""
    (tmp_path / "discovery").mkdir()
    sinks = [*sinks, {"type": "discovery", "directory": str(tmp_path / "discovery")}]
    return {
        "source": source,
        "state": {"path": str(tmp_path / "state.sqlite")},
        "log_level": "DEBUG",
        "subscriptions": [{"name": "default", "match": {"subnets": [1]}, "sinks": sinks}],
        **more,
    }
