# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Kea 3.0 takes reservations by command: without a reload, one after another, and whatever is killed."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from _kea import pairs, reservation_files
from _kea.control import SUCCESS
from kea_lease_monitor.commands import applied
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import control
from kea_lease_monitor.kea.applier import included, report
from kea_lease_monitor.kea.control import Apply
from support.kea import DIRECTORIES

from runtime.applying import Host
from runtime.builders import event
from runtime.host_commands import HostCommands

SITE = "10.0.0.200"
NOW = 1e9
"""The applier's time, in epoch seconds."""


class World:
    """The files of a host, a Kea that takes commands, and the applier."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = Host(path)
        # By the applier's clock, Kea has read its configuration.
        os.utime(path / "kea.conf", (NOW - 7200, NOW - 7200))
        self.kea = HostCommands(str(self.host.applied / "subnet-1.json"))
        monkeypatch.setattr(control, "ask", self.kea.ask)
        self.host.asleep = self.passes
        self.program = self.started()
        self.tests = 0

    def passes(self) -> None:
        """Let the time pass that the applier waits for Kea; it also pauses for moments."""
        if self.host.slept[-1] > 0.5:
            self.kea.reloaded -= self.host.slept[-1]

    def started(self) -> Apply:
        """Return the applier of a new process."""
        return self.host.program_at(NOW)

    def write(self, *hosts: dict[str, Any]) -> None:
        self.host.include(",\n".join(map(json.dumps, hosts)) + "\n")

    def append(self, *hosts: dict[str, Any]) -> None:
        """Append as the monitor does. What no lease confirms, a person has approved."""
        self.host.approve(",\n".join(map(json.dumps, hosts)))
        with (self.host.written / "subnet-1.json").open("a") as file:
            file.write("".join(f",{json.dumps(each)}\n" for each in hosts))

    def run(self) -> bool:
        self.kea.sent.clear()
        self.kea.log.clear()
        return self.program.run()

    def status(self) -> tuple[int, int, int]:
        found = report.read(self.host.places.report)
        assert found
        assert (found.waiting_since, found.error, found.planned) == (None, "", False)
        return found.total("written"), found.total("in_force"), found.total("refused")

    def in_files(self) -> list[str]:
        """Return the addresses that Kea would have after a start."""
        text = reservation_files.text(str(self.host.applied / "subnet-1.json"))
        return [each["ip-address"] for each in json.loads(f"[{text}]")]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    tmp_path.chmod(0o750)
    return World(tmp_path, monkeypatch)


def one(number: int, address: int = 0, **more: Any) -> dict[str, Any]:
    mark = {"kea-lease-monitor": {"ip-address": f"10.0.0.{number}", "made": 1}}
    mine = {"hw-address": f"02:00:00:00:00:{number:02x}", "ip-address": f"10.0.0.{address or number}"}
    return {**mine, "user-context": mark, **more}


def several(*numbers: int) -> list[dict[str, Any]]:
    return [one(number) for number in numbers]


def addresses(*numbers: int) -> list[str]:
    return [*(f"10.0.0.{number}" for number in numbers), SITE]


def test_a_person_who_waits_is_told_of_each_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    counted: list[None] = []
    world.program.answered = lambda: counted.append(None)
    world.run()
    assert len(counted) == len(world.kea.sent) > 0


def test_they_come_into_force_without_a_reload_and_a_new_one_costs_one_command(world: World) -> None:
    world.write(*several(1, 2, 3))
    assert not world.run(), "the first time, all are tested"
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 3), (3, 3, 0))
    world.append(one(4))
    assert world.run()
    assert world.kea.sent == ["reservation-add", "status-get"]
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 3, 4), (4, 4, 0))
    assert world.in_files() == addresses(1, 2, 3, 4)[:-1]
    found = report.read(world.host.places.report)
    assert report.waiting_since(world.host.places, found) is None
    world.kea.restart()
    assert world.kea.addresses() == addresses(1, 2, 3, 4)


def test_one_report_is_for_many_changes(world: World) -> None:
    world.write(*several(1))
    world.program.report_interval = 3600
    world.run()
    for number in (2, 3):
        world.append(one(number))
        assert world.run()
        assert world.kea.sent == ["reservation-add"]
    assert (world.in_files(), world.kea.addresses()) == (addresses(1, 2, 3)[:-1], addresses(1, 2, 3))
    found = report.read(world.host.places.report)
    assert report.waiting_since(world.host.places, found) is not None, "it says nothing that it has not confirmed"
    assert 0 < (world.program.report_in() or 0) <= 3600
    assert world.program.report()
    assert world.status() == (1, 1, 0)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_report_is_confirmed_by_the_same_kea(world: World, restarted: bool) -> None:
    world.write(*several(1))
    world.program.report_interval = 3600
    world.run()
    world.append(one(2))
    world.run()
    if restarted:
        world.kea.restart()
    world.host.passed += 3600
    world.kea.reloaded -= 3600
    assert world.program.report_in() == 0
    assert world.program.report() is not restarted
    assert world.program.report_in() is None
    assert world.run() is not restarted, "after a restart, all are compared"
    assert world.status() == (2, 2, 0)


def test_a_change_takes_no_other_reservation_out_of_kea(world: World) -> None:
    world.write(*several(*range(1, 30)))
    world.run()
    world.write(*several(*range(1, 20)), *(one(number, hostname="new") for number in range(20, 29)))
    assert world.run()
    assert world.kea.sent == ["reservation-update"] * 9 + ["reservation-del", "status-get"]
    assert min(held for _command, held in world.kea.log) == 29
    assert world.kea.addresses() == addresses(*range(1, 29))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_clients_that_exchange_addresses_are_away_for_a_moment_only(world: World, count: int) -> None:
    world.write(*several(*range(1, 10)))
    world.run()
    turned = [one(number, number % count + 1) for number in range(1, count + 1)]
    world.write(*turned, *several(*range(count + 1, 10)))
    assert world.run()
    assert min(held for _command, held in world.kea.log) == (9 if count == 2 else 8), "of ten"
    assert {host["hw-address"]: host["ip-address"] for host in turned}.items() <= {
        hwaddr: host["ip-address"] for hwaddr, host in world.kea.hosts.items()
    }.items()
    assert sorted(world.in_files()) == sorted(world.kea.addresses()[:-1])


def test_only_our_mark_is_no_reason_for_a_command(world: World) -> None:
    world.write(*several(1, 2))
    world.run()
    marked = one(1, **{"user-context": {"kea-lease-monitor": {"ip-address": "10.0.0.1", "client-id": "01:02"}}})
    world.write(marked, one(2))
    assert world.run()
    assert world.kea.sent == ["status-get"]
    assert "01:02" not in (world.host.applied / "subnet-1.json").read_text(), "nor for a file to be written"
    world.program = world.started()
    world.run()
    assert {command for command, _held in world.kea.log} == {"reservation-get-page"}
    world.write(one(1, **{"user-context": {**marked["user-context"], "rack": "7"}}), one(2))
    world.run()
    assert "reservation-update" in world.kea.sent, "what a person wrote beside the mark is a change"
    assert "01:02" in (world.host.applied / "subnet-1.json").read_text()


BAD = {"the site's client": "02:ff:ff:ff:ff:ff 10.0.0.9", "the site's address": "02:00:00:00:00:09 10.0.0.200"}
BAD |= {"outside the subnet": "02:00:00:00:00:09 11.0.0.9", "an address twice": "02:00:00:00:00:09 10.0.0.1"}


@pytest.mark.parametrize("bad", BAD)
def test_a_refused_one_is_set_aside_and_all_others_are_in_force_in_the_same_run(world: World, bad: str) -> None:
    hwaddr, address = BAD[bad].split()
    world.write(one(1))
    world.run()
    world.append(one(2), {**one(9), "hw-address": hwaddr, "ip-address": address}, one(3))
    assert world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 3), (4, 3, 1))
    assert world.in_files() == addresses(1, 2, 3)[:-1], "a Kea that starts must not meet it"
    assert list(world.host.refused()) == [hwaddr]
    world.append(one(4))
    assert world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 3, 4), (5, 4, 1))


def test_of_two_reservations_of_a_client_the_one_in_force_is_counted(world: World) -> None:
    world.write(*several(1, 2), one(2, 9))
    assert not world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (3, 2, 1))
    world.append(one(3))
    world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 3), (4, 3, 1))
    world.write(*several(1, 2, 3))
    world.run()
    assert world.status() == (3, 3, 0)


def test_a_refused_change_leaves_the_former_reservation_in_force(world: World) -> None:
    world.write(*several(1, 2))
    world.run()
    world.write(one(1), one(2, 200))
    assert world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (2, 1, 1))
    assert world.in_files() == addresses(1, 2)[:-1]


def test_a_refused_one_comes_into_force_when_there_is_room(world: World) -> None:
    world.write(*several(1, 2))
    world.run()
    world.append(one(3, 2))
    world.run()
    assert world.status() == (3, 2, 1)
    world.write(one(1), one(3, 2))
    assert world.run()
    assert world.kea.sent == ["reservation-del", "reservation-add", "status-get"]
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (2, 2, 0))
    assert world.host.refused() == {}
    assert world.in_files() == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_refused_one_costs_later_changes_no_test_of_all(world: World, restarted: bool) -> None:
    world.write(*several(1, 2))
    world.run()
    world.append(one(9, 200))
    assert world.run()
    if restarted:
        world.program = world.started()
        world.run()
    refused = world.host.refused()
    for number in (3, 4):
        world.write(one(1), one(2, number), one(9, 200))
        assert world.run()
        assert world.kea.sent == ["reservation-update", "status-get"], "the refused one is not sent again"
        assert (world.kea.addresses(), world.status()) == (addresses(1, number), (3, 2, 1))
        assert world.host.refused() == refused
    world.write(one(1), one(2), one(9, 8))
    assert world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 8), (3, 3, 0)), "its own text is another one"
    assert world.host.refused() == {}


def test_a_refused_one_that_goes_is_refused_no_longer(world: World) -> None:
    world.write(*several(1, 2))
    world.run()
    world.append(one(9, 200))
    world.run()
    world.write(one(1))
    assert world.run()
    assert (world.kea.addresses(), world.status(), world.host.refused()) == (addresses(1), (1, 1, 0), {})


def test_one_that_cannot_be_read_costs_later_changes_no_test_of_all(world: World) -> None:
    unreadable = one(9, **{"boot-file-name": "a"})
    world.write(one(1), one(2), unreadable)
    assert not world.run()
    refused = world.host.refused()
    world.write(one(1), one(2, 3), unreadable)
    assert world.run()
    assert (world.kea.addresses(), world.status(), world.host.refused()) == (addresses(1, 3), (3, 2, 1), refused)
    world.write(one(1), one(2, 3), {**unreadable, "boot-file-name": "b", "ip-address": 7})
    assert not world.run(), "it is another one"


def test_an_address_that_a_refused_client_keeps_is_judged_with_all(world: World) -> None:
    world.write(*several(1, 2))
    world.run()
    world.write(one(1), one(2, 200))
    world.run()
    assert world.kea.addresses() == addresses(1, 2), "the former reservation of the second one stays"
    world.write(one(1, 2), one(2, 200))
    assert not world.run()
    assert world.kea.hosts["02:00:00:00:00:01"]["ip-address"] == "10.0.0.2"


@pytest.mark.parametrize("step", ["reservation-add", "status-get", "write"])
def test_a_kea_that_is_killed_at_any_step_has_all_in_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world.write(*several(1, 2))
    world.run()
    world.append(*several(3, 4))
    killed = []

    def kill(command: str) -> None:
        if command == step and not killed:
            killed.append(command)
            world.kea.restart()

    world.kea.before = kill
    real = included.Included.change
    monkeypatch.setattr(included.Included, "change", lambda *both: (kill("write"), real(*both))[1])
    world.run()
    assert killed
    assert world.kea.addresses() == addresses(1, 2, 3, 4)
    assert world.in_files() == addresses(1, 2, 3, 4)[:-1]


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
def test_an_applier_that_is_killed_at_any_step_leaves_nothing_that_its_next_start_does_not_find(world: World) -> None:
    chance = random.Random(7)  # noqa: S311
    wanted = {number: one(number) for number in range(1, 40)}
    world.write(*wanted.values())
    for _round in range(40):
        number = chance.randrange(1, 60)
        if number in wanted and chance.random() < 0.5:
            del wanted[number]
        else:
            wanted[number] = one(number, hostname=f"n{chance.random()}")
        world.write(*wanted.values())
        left = chance.randrange(8)

        def kill(_command: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError

        world.kea.before = kill
        try:
            world.run()
        except KilledError:
            world.program = world.started()
        if chance.random() < 0.2:
            world.kea.restart()
            world.program = world.started()
    world.kea.before = lambda _command: None
    world.program = world.started()
    world.run()
    assert world.kea.addresses() == addresses(*sorted(wanted))
    assert sorted(world.in_files()) == sorted(addresses(*wanted)[:-1])


def test_after_a_start_only_what_differs_is_sent_and_the_site_s_own_stays(world: World) -> None:
    world.write(*several(1, 2, 3))
    world.run()
    world.kea.hosts.pop("02:00:00:00:00:01")
    world.kea.hosts["02:00:00:00:00:07"] = one(7)
    world.kea.hosts["06:00:00:00:00:01"] = {"hw-address": "06:00:00:00:00:01", "ip-address": "10.0.0.77"}
    world.program = world.started()
    world.run()
    assert [command for command in world.kea.sent if command in ("reservation-add", "reservation-del")] == [
        "reservation-add",
        "reservation-del",
    ]
    assert world.kea.addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.77", SITE]


def test_a_restart_of_kea_is_noticed_and_one_that_does_not_answer_waited_for(world: World) -> None:
    world.write(one(1))
    world.run()
    assert not world.program.is_reloaded()
    world.kea.serves = False
    assert not world.program.is_reloaded()
    world.append(one(2))
    with pytest.raises(TemporaryError, match="Connection refused"):
        world.run()
    assert "Connection refused" in report.problem(world.host.places, 0.0)
    with pytest.raises(TemporaryError, match="Connection refused"):
        world.run()
    world.kea.serves = True
    world.kea.restart()
    world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (2, 2, 0))
    world.kea.restart()
    assert world.program.is_reloaded()


def test_a_kea_without_the_hook_is_reloaded_as_before(world: World) -> None:
    world.kea.has_hook = False
    world.write(*several(1, 2))
    assert not world.run()
    assert world.kea.sent.count("config-reload") == 1
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (2, 2, 0))
    world.kea.has_hook = True
    world.program = world.host.program_at(NOW + 100)
    world.append(one(3))
    world.run()
    assert "config-reload" not in world.kea.sent
    assert world.kea.addresses() == addresses(1, 2, 3)


def test_an_edit_that_is_not_in_force_takes_nothing_from_kea(world: World) -> None:
    """A person mistyped the subnet: in that configuration, no reservation of it would fit."""
    world.write(*several(1, 2, 3))
    world.run()
    found = (world.host.path / "kea.conf").read_text()
    assert "10.0.0.0/24" in found
    (world.host.path / "kea.conf").write_text(found.replace("10.0.0.", "10.9.0."))
    world.append(one(4))
    world.run()
    assert world.kea.addresses()[:3] == addresses(1, 2, 3)[:3]
    (world.host.path / "kea.conf").write_text(found)
    assert world.program.is_reloaded(), "the configuration is another one again"
    world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2, 3, 4), (4, 4, 0))


def test_a_hook_that_is_gone_is_no_refusal(world: World) -> None:
    world.write(one(1))
    world.run()
    world.kea.has_hook = False
    world.append(one(2))
    with pytest.raises(TemporaryError, match="no reservations by command any longer"):
        world.run()
    assert world.in_files() == addresses(1)[:1]
    assert not report.read_refused(world.host.places.report).refused


def test_half_of_a_pair_takes_commands_and_nothing_is_planned(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "is_half", lambda _arguments: True)
    world.write(one(1))
    world.run()
    world.append(one(2))
    assert world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (2, 2, 0))


def test_what_only_a_test_of_all_can_judge_is_tested(world: World) -> None:
    world.write(one(1))
    world.run()
    world.append(one(2, **{"boot-file-name": "evil.efi"}), one(3, **{"user-context": {"x": [[1]]}}))
    assert not world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 3), (3, 2, 1))
    world.host.write('"valid-lifetime": 4000,')
    world.append(one(4))
    assert not world.run(), "the configuration is another one"
    (world.host.applied / "subnet-1.json").write_text("")
    world.append(one(5))
    assert not world.run(), "another program wrote what Kea includes"
    assert world.in_files() == addresses(1, 3, 4, 5)[:-1]


def test_a_subnet_that_the_running_kea_does_not_know_is_reported_and_its_file_kept(world: World) -> None:
    world.kea.subnet = 2
    world.write(one(1))
    world.run()
    found = report.read(world.host.places.report)
    assert found
    assert found.subnets[1].error == "the running Kea has not loaded the configuration of subnet 1"
    assert (found.total("in_force"), world.in_files()) == (0, ["10.0.0.1"])
    world.kea.subnet = 1
    world.kea.restart()
    assert world.program.is_reloaded()
    world.run()
    assert world.kea.addresses() == addresses(1)


def test_an_edit_before_the_end_of_the_file_is_found(world: World) -> None:
    world.write(*several(*range(1, 60)))
    world.run()
    path = world.host.written / "subnet-1.json"
    with path.open("r+") as file:
        file.seek(len('{"hw-address": "02:00:00:00:00:'))
        file.write("ff")
    world.host.approve(json.dumps({"hw-address": "02:00:00:00:00:ff", "ip-address": "10.0.0.1"}))
    world.append(one(60))
    assert world.run()
    assert "02:00:00:00:00:ff" not in world.kea.hosts
    assert world.program.is_reloaded(), "the digest of the file differs"
    assert not world.run()
    assert "02:00:00:00:00:ff" in world.kea.hosts


def test_a_torn_line_waits_for_its_end(world: World) -> None:
    world.write(one(1))
    world.run()
    line = f",{json.dumps(one(2))}\n"
    path = world.host.written / "subnet-1.json"
    with path.open("a") as file:
        file.write(line[:20])
    world.run()
    assert world.kea.addresses() == addresses(1)
    with path.open("a") as file:
        file.write(line[20:])
    world.run()
    assert (world.kea.addresses(), world.status()) == (addresses(1, 2), (2, 2, 0))


def test_names_of_any_bytes_are_compared_as_kea_has_them(world: World) -> None:
    world.host.include(",\n".join(json.dumps(one(n, hostname=name)) for n, name in ((1, "ü€"), (2, "b\udcff"))))
    world.run()
    world.program = world.started()
    world.run()
    assert set(world.kea.sent) == {"reservation-update", "status-get", "reservation-get-page"}
    assert world.kea.log == [("reservation-get-page", 3)] * 2, "no reservation is sent again"


def test_the_monitor_s_sink_and_status(world: World) -> None:
    sink = world.host.sink()
    sink.deliver([event(1)])
    world.run()
    sink.deliver([event(2)])
    assert world.run()
    assert world.kea.addresses() == addresses(1, 2)
    assert applied.COLUMNS[:2] == ("written", "in_force")


@pytest.mark.parametrize("step", [-7200.0, -1.0, 0.0])
def test_a_clock_that_is_set_hides_no_reload(step: float) -> None:
    """Kea tells the seconds since its last reload by the clock of the host."""
    now, loaded = [100.0], [0.0]

    def ask(_command: str, _arguments: Any) -> control.Answer:
        return control.Answer(SUCCESS, "", {"pid": 1, "reload": int(now[0] - loaded[0] + step)})

    commands = control.Commands(ask, lambda _seconds: None, lambda: now[0])
    first = commands.running()
    now[0] += 50.0
    assert commands.still(first)
    loaded[0] = now[0] - 20.0
    assert commands.still(first) is None


def test_a_kea_that_does_not_tell_when_it_was_loaded_is_an_error() -> None:
    commands = control.Commands(
        lambda _command, _arguments: control.Answer(SUCCESS, "", {"pid": 1}), lambda _seconds: None, lambda: 0.0
    )
    with pytest.raises(TemporaryError, match="does not tell"):
        commands.running()


def test_kea_has_half_of_its_time_for_its_clients() -> None:
    now, slept = [0.0], []

    def ask(_command: str, _arguments: Any) -> control.Answer:
        now[0] += 0.25
        return control.Answer(SUCCESS, "", {"pid": 1, "reload": 60})

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    commands = control.Commands(ask, sleep, lambda: now[0])
    for _number in range(3):
        commands.running()
    assert slept == [0.25, 0.25]
    now[0] += 5.0
    commands.running()
    assert slept == [0.25, 0.25], "after a rest nothing waits"
