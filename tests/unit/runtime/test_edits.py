# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's edit that is not in force stays so, and reservations that need a reload wait for it (E10)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from _kea.reading import Reading
from kea_lease_monitor.commands import applied
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import edits, report
from kea_lease_monitor.kea.applier.edits import File

from runtime.applying import SITE, Host, host_served, one, settings

EDIT = '"valid-lifetime": 1234,'


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with host_served(tmp_path, monkeypatch) as host:
        host.include(one(1))
        host.running_program().run()
        yield host


def warning(host: Host) -> str:
    found = applied.read(settings(host, []), time.time())
    assert found.problem == ""
    return found.warning


def test_an_edit_stays_out_of_force_is_named_and_comes_by_a_person_s_reload(host: Host) -> None:
    config = host.path / "kea.conf"
    host.write(EDIT)
    assert not host.running_program().is_reloaded(), "no reservation waits for this edit"
    host.include(f"{one(1)},\n{one(2)}")
    host.running_program().run()
    assert (host.known(), host.lifetime()) == (["10.0.0.1", SITE], 7200)
    assert f"1 reservations or more wait, because {config} was changed after Kea read it" in warning(host)
    columns = applied.read(settings(host, []), time.time() + 600).columns["default"]
    assert (columns["written"], columns["in_force"], columns["waiting"]) == (2, 1, pytest.approx(600, abs=60))
    assert not host.running_program().is_reloaded()

    host.an_hour_passes()
    host.reload()
    assert (host.known(), host.lifetime()) == (["10.0.0.1", "10.0.0.2", SITE], 1234), "both come by one reload"
    assert host.running_program().is_reloaded()
    host.running_program().run()
    status = report.read(host.places.report)
    assert status
    assert (status.is_held, status.total("in_force"), warning(host)) == (False, 2, "")


def test_an_edit_that_is_reverted_holds_nothing_up(host: Host) -> None:
    host.write(EDIT)
    host.include(f"{one(1)},\n{one(2)}")
    host.running_program().run()
    host.write("")
    assert host.running_program().is_reloaded()
    host.running_program().run()
    assert (host.known(), warning(host)) == (["10.0.0.1", "10.0.0.2", SITE], "")


def test_an_edit_in_an_included_file_is_named(host: Host) -> None:
    more = host.path / "more.json"
    more.write_text('"renew-timer": 900,')
    host.write(f'<?include "{more}"?>')
    host.reload()
    (host.report / "status.json").unlink()
    host.running_program().run()
    more.write_text('"renew-timer": 901,')
    host.include(f"{one(1)},\n{one(2)}")
    host.running_program().run()
    assert host.known() == ["10.0.0.1", SITE]
    assert f"because {more} was changed after Kea read it" in warning(host)


def test_a_file_that_was_renamed_into_place_is_an_edit_whatever_its_time(host: Host) -> None:
    config = host.path / "kea.conf"
    host.write(EDIT)
    os.utime(config, (1_000_000_000, 1_000_000_000))
    host.include(f"{one(1)},\n{one(2)}")
    host.running_program().run()
    assert host.lifetime() == 7200
    assert f"because {config} was changed" in warning(host)


def test_another_mode_or_time_of_the_same_text_is_no_edit(host: Host) -> None:
    config = host.path / "kea.conf"
    config.chmod(0o640)
    config.touch()
    host.include(f"{one(1)},\n{one(2)}")
    host.running_program().run()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE]


def test_an_edit_during_the_test_is_not_loaded(host: Host) -> None:
    real, host.program = host.program, str(host.path / "editing")
    text = (host.path / "kea.conf").read_text().replace('{"Dhcp4": {', '{"Dhcp4": { ' + EDIT)
    (host.path / "edited.conf").write_text(text)
    Path(host.program).write_text(f'#!/bin/sh\ncp {host.path}/edited.conf {host.path}/kea.conf\nexec {real} "$@"\n')
    Path(host.program).chmod(0o755)
    host.include(f"{one(1)},\n{one(2)}")
    with pytest.raises(TemporaryError, match=r"kea\.conf was changed during the test"):
        host.running_program().run()
    assert host.lifetime() == 7200
    host.program = real
    host.running_program().run()
    assert (host.lifetime(), "was changed after Kea read it" in warning(host)) == (7200, True)


@pytest.mark.parametrize(
    ("known", "reloaded_at", "found", "expected"),
    [
        ({"c": "a"}, 100.0, File("a", 500, 500), False),
        ({"c": "a"}, 100.0, File("b", 500, 500), True),
        ({"c": "a"}, 100.0, File("b", 50, 101), True),
        ({"c": "a"}, 100.0, File("b", 50, 99), False),
        ({"c": "a"}, 50.0, File("b", 101, 101), False),
        ({"c": "a"}, 50.0, File("b", 102, 102), True),
        ({}, 100.0, File("b", 101, 101), False),
        ({}, 0.0, File("b", 102, 102), True),
    ],
)
def test_what_kea_has_not_read(known: dict[str, str], reloaded_at: float, found: File, expected: bool) -> None:
    status = report.Status(configuration=known, reloaded_at=reloaded_at)
    assert edits.pending({"c": found}, status, Reading(False, 99.5, 101.5)) == (["c"] if expected else [])
