# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kea loads reservation files, but not during an LFC run."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any, Iterator

import pytest
from _kea.control import SUCCESS, send
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import report

from runtime.applying import Host, host_served
from runtime.builders import HEADER, event


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with host_served(tmp_path, monkeypatch) as host:
        yield host


def reserve(host: Host, number: int) -> None:
    host.sink().deliver([event(number)])


def waits(host: Host) -> bool:
    return report.waiting_since(host.places, report.read(host.places.report)) is not None


def test_kea_knows_the_reservation_after_the_reload(host: Host) -> None:
    reserve(host, 1)
    assert waits(host)
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.200"]
    assert not waits(host)


def test_a_configuration_that_kea_refuses_is_not_loaded(host: Host) -> None:
    reserve(host, 1)
    host.write('"oops": 1,')
    with pytest.raises(TemporaryError, match=r"Kea refuses its configuration, also without .*oops"):
        host.apply()
    assert host.known() == ["10.0.0.200"]
    assert waits(host)
    host.write("")
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.200"]


def test_it_waits_for_an_lfc_run(host: Host) -> None:
    reserve(host, 1)
    rotated = Path(f"{host.leases}.1")
    rotated.write_text(HEADER)

    def finish() -> None:
        assert host.known() == ["10.0.0.200"]
        if len(host.slept) == 3:
            rotated.unlink()

    host.asleep = finish
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.200"]
    assert host.slept == [0.5] * 3


def test_it_waits_for_the_lock_of_an_lfc_run_or_a_play(host: Host) -> None:
    """The LFC program and the play take the same lock next to the lease file."""
    reserve(host, 1)
    lock = (host.path / ".kea-leases4.csv.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def finish() -> None:
        assert host.known() == ["10.0.0.200"]
        if len(host.slept) == 2:
            lock.close()

    host.asleep = finish
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.200"]
    assert host.slept == [0.5] * 2


def test_a_reload_that_an_lfc_run_prevents_is_retried_at_once(host: Host) -> None:
    """While NAME.pid names a living process, Kea refuses its lease file and then has no leases."""
    reserve(host, 1)
    host.apply()
    pid = Path(f"{host.leases}.pid")
    pid.write_text(str(os.getpid()))
    host.asleep = pid.unlink
    host.program_at(0.0)._reload.now()
    assert host.slept == [1.0]
    assert send(str(host.path / "socket"), "status-get", 10.0).result == SUCCESS


def test_reloads_keep_the_minimum_interval(host: Host) -> None:
    reserve(host, 1)
    host.apply()
    reserve(host, 2)
    status = report.read(host.places.report)
    assert status
    host.program_at(status.reloaded_at + 20).run()
    assert [round(seconds) for seconds in host.slept] == [40]
    assert host.known() == ["10.0.0.1", "10.0.0.2", "10.0.0.200"]


def test_a_missing_control_socket_is_a_temporary_error(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="control socket"):
        Host(tmp_path).program_at(0.0)._reload.now()
