# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root reads an inventory below a directory that the monitor's user may not enter, and follows no link there."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kea_lease_monitor.commands import entries, owner
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options, told

from runtime.builders import event

NOBODY = 65534


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "discovery"
    found.mkdir()
    DiscoverySink(Options(str(found), "bmcs", None)).deliver([event(1), event(2)])
    os.chown(found, NOBODY, NOBODY)
    return found


def settings(directory: Path) -> MonitorSettings:
    sinks = [{"type": "discovery", "directory": str(directory)}, {"type": "exec", "command": ["/bin/true"]}]
    return MonitorSettings.parse(
        {
            "source": {"type": "memfile", "path": "/nowhere/leases.csv"},
            "state": {"path": "/nowhere/state.sqlite"},
            "subscriptions": [{"name": name, "sinks": sinks} for name in ("a", "b")],
        }
    )


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[os.stat_result]:
    """Who the children are started as. They stay root here, because the Python of the tests is root's."""
    found: list[os.stat_result] = []
    popen = subprocess.Popen

    def start(*words: Any, user: int, group: int, extra_groups: list[int], **more: Any) -> Any:
        assert (user, group, extra_groups) == (NOBODY, NOBODY, [])
        found.append(os.stat("/"))
        return popen(*words, **more)

    monkeypatch.setattr(owner.subprocess, "Popen", start)  # type: ignore[attr-defined]
    return found


def test_a_child_reads_the_files_once_for_all_subscriptions(directory: Path, started: list[os.stat_result]) -> None:
    given = settings(directory)
    made = entries.Entries(given)
    for flow in given.flows:
        inventory, command = flow.sinks
        leases = made.of(inventory)
        assert leases == told(str(directory))
        assert {lease.address for lease in leases or ()} == {"10.0.0.1", "10.0.0.2"}
        assert made.of(command) is None
    made.close()
    assert len(started) == 1


@pytest.mark.parametrize("kind", ["link", "root", "missing"])
def test_root_itself_is_no_owner_to_act_as(kind: str, directory: Path, started: list[os.stat_result]) -> None:
    """Kea's user may put there what it wants; the sink then reads as the monitor's user, and says what it may not."""
    shown = directory.parent / "shown"
    if kind == "link":
        shown.symlink_to(directory)
    elif kind == "root":
        shown.mkdir()
    given = settings(shown)
    made = entries.Entries(given)
    assert made.of(given.flows[0].sinks[0]) is None
    made.close()
    assert started == []


def test_a_child_that_is_asked_nothing_ends(directory: Path, started: list[os.stat_result]) -> None:
    entries.Entries(settings(directory)).close()
    assert len(started) == 1


def test_a_directory_that_cannot_be_read_is_told(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", functools.partial(_refused, str(directory)))
    with pytest.raises(TemporaryError, match="cannot be read: Permission denied"):
        told(str(directory))


def _refused(path: str, *_words: object) -> list[str]:
    raise PermissionError(13, "Permission denied", path)
