# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory that cannot be watched costs no descriptors."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from kea_lease_monitor.sources import watch

from runtime.builders import Time


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_directory_that_is_missing_costs_nothing_and_is_watched_once_it_is_there(tmp_path: Path) -> None:
    now = Time()
    made = watch.Watch(str(tmp_path / "late"), lambda _name: True, now.clock())
    made.drain()
    before = descriptors()
    for _second in range(20):
        now.now += 1
        made.drain()
    assert descriptors() == before
    (tmp_path / "late").mkdir()
    made.drain()
    assert descriptors() > before
    made.close()


def test_inotify_that_refuses_is_asked_once_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = Time(), []

    class Refusing:
        def schedule(self, *_arguments: object, **_more: object) -> None:
            asked.append(now.now)
            raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(watch, "Observer", Refusing)
    made = watch.Watch(str(tmp_path), lambda _name: True, now.clock())
    for _second in range(90):
        made.drain()
        now.now += 1
    assert asked == [0, 60]
    made.close()
