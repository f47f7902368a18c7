# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of reservations follow the monitor's configuration, to its own directory and back, and none is lost."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import Callable

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host import systemd
from ansible_collections.baremetal.kea.plugins.module_utils._kea import approvals, durable
from ansible_collections.baremetal.kea.plugins.module_utils._monitor import reservations
from ansible_collections.baremetal.kea.plugins.module_utils._monitor.names import APPLIERS, FORMER_APPLIER
from ansible_collections.baremetal.kea.plugins.module_utils._monitor.reservations import ReservationFiles
from ansible_collections.baremetal.kea.plugins.module_utils._monitor.service import Monitor
from support.paths import ROOT

NOBODY = pwd.getpwnam("nobody")


class Host:
    """The directory of Kea's includes, where former releases wrote, and the monitor's own one."""

    def __init__(self, path: Path) -> None:
        self.config, self.includes, self.written = path / "config.yml", path / "includes", path / "written"
        for directory in (self.includes, self.written):
            directory.mkdir(mode=0o750)
            os.chown(directory, NOBODY.pw_uid, NOBODY.pw_gid)

    def names(self, directory: Path | None) -> ReservationFiles:
        """Configure where the monitor writes; nowhere for None."""
        sink = f"{{type: reservation_file, directory: {directory}}}" if directory else "{type: reservation}"
        self.config.write_text(f"subscriptions: [{{name: a, sinks: [{sink}]}}]\n")
        return ReservationFiles(str(self.config), str(self.includes), str(self.written))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr(reservations, "USER", "nobody")
    return Host(tmp_path)


def test_to_the_monitor_s_own_directory_and_back(host: Host) -> None:
    (host.includes / "subnet-1.json").write_text("one")
    (host.includes / "subnet-2.json").write_text("two")
    (host.includes / "notes").write_text("stay")
    forward = host.names(host.written)
    assert len(forward.misplaced()) == 2
    forward.move()
    assert forward.misplaced() == {}
    moved = host.written / "subnet-1.json"
    assert (moved.read_text(), sorted(os.listdir(host.includes))) == ("one", ["notes"])
    found = moved.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (NOBODY.pw_uid, NOBODY.pw_gid, 0o640)
    moved.write_text("one, and more")
    host.names(host.includes).move()
    assert (host.includes / "subnet-1.json").read_text() == "one, and more"
    assert os.listdir(host.written) == []
    assert stat.S_IMODE(host.includes.stat().st_mode) == 0o2770, "a former release writes here as a member of the group"


def test_what_kea_included_needs_no_lease_after_the_move(host: Host) -> None:
    report = host.written.parent / "report"
    report.mkdir(mode=0o2750)
    os.chown(report, NOBODY.pw_uid, NOBODY.pw_gid)
    (host.includes / "subnet-7.json").write_text(
        '# mine\n{"hw-address": "2:0:0:0:0:AB", "ip-address": "10.0.0.1"},\n'
        '{"duid": "0001", "ip-addresses": ["2001:DB8::0:1"], "prefixes": ["2001:db8:1:0::/56"]},\n'
        '{"hw-address": "020000000001", "hostname": "x"}, 7, {"hw-address": "no"}\n'
    )
    (host.includes / "subnet-8.json").write_text("no JSON")
    host.names(host.written).move()
    (path,) = report.iterdir()
    assert approvals.is_name(path.name)
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (NOBODY.pw_uid, 0o640)
    assert sorted(approvals.parse(path.read_bytes())) == [
        (7, "duid 00:01", "2001:db8:1::/56"),
        (7, "duid 00:01", "2001:db8::1"),
        (7, "hw-address 02:00:00:00:00:01", ""),
        (7, "hw-address 02:00:00:00:00:ab", "10.0.0.1"),
    ]
    host.names(host.includes).move()
    assert list(report.iterdir()) == [path], "a former release asks for no approval"


@pytest.mark.parametrize(("before", "after"), [(0o2770, 0o750), (0o755, 0o755)])
def test_a_former_release_may_write_beside_the_includes_until_its_files_moved(
    host: Host, before: int, after: int
) -> None:
    host.includes.chmod(before)
    host.names(host.written).move()
    assert stat.S_IMODE(host.includes.stat().st_mode) == after, "a mode of the site stays"


def killed_at_second(real: Callable[..., None]) -> Callable[..., None]:
    """Return the function, which is killed in place of its second call."""
    paths: list[str] = []

    def called(path: str, *rest: object) -> None:
        paths.append(path)
        if len(paths) == 2:
            raise KeyboardInterrupt
        real(path, *rest)

    return called


def test_a_kill_between_any_two_steps_loses_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        (host.includes / f"subnet-{number}.json").write_text(f"{number}")
    files = host.names(host.written)
    for name in ("replace", "remove"):
        real = getattr(durable, name)
        monkeypatch.setattr(durable, name, killed_at_second(real))
        with pytest.raises(KeyboardInterrupt):
            files.move()
        monkeypatch.setattr(durable, name, real)
    files.move()
    assert {path.name: path.read_text() for path in host.written.iterdir()} == {
        f"subnet-{number}.json": f"{number}" for number in range(3)
    }


@pytest.mark.parametrize("former", [False, True])
def test_a_former_release_finds_each_client_once(host: Host, former: bool) -> None:
    """Up to release 1.1.0 every map counted. A change by a later one is a line at the end of the file."""
    one, two = (f'{{"hw-address": "02:00:00:00:00:0{each}", "ip-address": "10.0.0.{each}"}}' for each in (1, 2))
    path = host.written / "subnet-1.json"
    text = f'# a person\n{one},\n{two}\n,/*replaces*/{one[:-1]}, "hostname": "new"}}\n'
    path.write_text(text + ',/*removed*/{"hw-address": "02:00:00:00:00:02"}\n')
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    (host.written / "subnet-2.json").write_text("broken /*replaces*/")
    os.mkfifo(host.written / "subnet-3.json")
    if former:
        os.remove(host.written / "subnet-3.json")
    host.names(host.includes if former else host.written).move()
    found = (host.includes if former else host.written) / "subnet-1.json"
    assert found.read_text() == f'# a person\n{one[:-1]}, "hostname": "new"}}\n'
    assert (found.stat().st_uid, stat.S_IMODE(found.stat().st_mode)) == (NOBODY.pw_uid, 0o640)
    assert found.with_name("subnet-2.json").read_text() == "broken /*replaces*/"


def test_a_file_in_both_places_is_refused_by_name(host: Host) -> None:
    (host.includes / "subnet-1.json").write_text("of a person")
    (host.written / "subnet-1.json").write_text("of the monitor")
    with pytest.raises(KeaError, match=r"includes/subnet-1\.json and .*written/subnet-1\.json differ"):
        host.names(host.written).move()
    assert (host.written / "subnet-1.json").read_text() == "of the monitor"


def test_what_comes_from_the_database_replaces_what_was_there_before(host: Host) -> None:
    (host.includes / "subnet-1.json").write_text("new")
    (host.includes / ".moved-from-database").write_text("")
    (host.written / "subnet-1.json").write_text("old")
    host.names(host.written).move()
    assert (host.written / "subnet-1.json").read_text() == "new"
    assert os.listdir(host.includes) == []


@pytest.mark.parametrize("elsewhere", [None, Path("/somewhere/else")])
def test_where_reservations_are_not_here_nothing_moves(host: Host, elsewhere: Path | None) -> None:
    (host.includes / "subnet-1.json").write_text("one")
    files = host.names(elsewhere)
    files.move()
    assert (files.directory, files.misplaced()) == (None, {})


def test_a_link_of_kea_s_user_is_not_followed(host: Host, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (host.includes / "subnet-1.json").symlink_to(tmp_path / "secret")
    os.lchown(host.includes / "subnet-1.json", NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(KeaError, match="cannot be moved"):
        host.names(host.written).move()
    assert os.listdir(host.written) == []


class Module:
    """Records the commands of systemctl."""

    check_mode = False

    def __init__(self, host: Host) -> None:
        self.params = {"root": "/none", "config": str(host.config), "files": [], "timeout": 0}
        self.params["reservations_directory"] = str(host.includes)
        self.commands: list[list[str]] = []

    def run_command(self, command: list[str], **_more: object) -> tuple[int, str, str]:
        self.commands.append(command)
        return 0, "", ""


def test_a_refused_configuration_leaves_the_former_release_its_applier() -> None:
    """kea_files refuses it, and the play ends there."""
    tasks = yaml.safe_load((ROOT / "roles/kea_lease_monitor/tasks/config.yml").read_text())
    modules = [module for task in tasks for module in task if "." in module]
    last = ["baremetal.kea.kea_files", "ansible.builtin.systemd_service", "ansible.builtin.file"]
    assert modules[-3:] == last
    assert tasks[-2]["ansible.builtin.systemd_service"]["name"] == FORMER_APPLIER


def known_to_systemd(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let systemd know these units."""
    units = {name: systemd.Unit(name, False, False, 0.0, False) for name in names}
    monkeypatch.setattr(systemd, "find", lambda _module, name: units.get(name))


def test_the_monitor_writes_nothing_before_another_release_reads_it(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_to_systemd(monkeypatch, APPLIERS[4])
    words = restarted(host, host.written)
    assert words[0] == "stop kea-lease-monitor.service"
    assert "stop kea-reservations.path" not in " ".join(words), "what runs meanwhile applies on"


def restarted(host: Host, directory: Path | None) -> list[str]:
    """Restart a monitor that writes there. Return the words of each call of systemctl."""
    module = Module(host)
    monitor = Monitor(module)  # type: ignore[arg-type]
    monitor._reservations = [host.names(directory)]
    assert monitor._restart() == ""
    return [" ".join(command[1:]) for command in module.commands if command[0] == "systemctl"]


@pytest.mark.parametrize("former", [False, True])
def test_nothing_runs_while_files_move_and_then_what_the_release_needs(
    host: Host, monkeypatch: pytest.MonkeyPatch, former: bool
) -> None:
    (host.includes / "subnet-1.json").write_text("one")
    known_to_systemd(monkeypatch, APPLIERS[4], *([FORMER_APPLIER] if former else []))
    words = restarted(host, host.written)
    assert (host.written / "subnet-1.json").read_text() == "one"
    appliers = " ".join(APPLIERS.values())
    stops = ["stop kea-lease-monitor.service", f"stop kea-reservations.path {appliers}"]
    new = ["restart kea-reservations.service", "stop kea-reservations6.service"]
    old = [f"stop {appliers}", "enable --now --quiet kea-reservations.path"]
    assert words[:2] == stops
    assert words[2:5] == ["daemon-reload", *(old if former else new)], "it reads what the monitor will write"
    assert words[-1] == "restart kea-lease-monitor.service"


@pytest.mark.parametrize("word", ["restart", "stop"])
def test_with_reservations_in_a_database_the_applier_follows_the_release_too(
    host: Host, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """A former release had no unit then: what runs must stop, though its file is gone."""
    known_to_systemd(monkeypatch, *([APPLIERS[4]] if word == "restart" else []))
    assert restarted(host, None)[1] == f"{word} kea-reservations.service"


def test_a_release_that_cannot_migrate_leaves_the_previous_one_with_its_own_files(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_to_systemd(monkeypatch, APPLIERS[4])
    monitor = Monitor(Module(host))  # type: ignore[arg-type]
    done: list[str] = []
    monkeypatch.setattr(monitor, "_migrate", lambda _source, _target: "no connection")
    monkeypatch.setattr(monitor._history, "revert", lambda name: done.append(f"revert {name}"))
    monkeypatch.setattr(monitor, "_restart", lambda: done.append("restart") or "")
    monkeypatch.setattr(monitor, "state", dict)
    with pytest.raises(KeaError, match=r"no connection\. Release 1 stays in force and healthy"):
        monitor._migrate_or_stay("2", "1")
    assert done == ["revert 1", "restart"]


def test_what_kea_does_not_load_is_not_the_release_s_fault(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Module(host)
    monitor = Monitor(module)  # type: ignore[arg-type]
    monitor._reservations = [host.names(None)]
    said = ["unhealthy: the reservations in /x are not in force: Kea refuses", "unhealthy: subscription all never ran"]
    for text, wrong in zip(said, ("", said[1])):
        answer = (1, text, "")
        monkeypatch.setattr(
            module,
            "run_command",
            lambda command, answer=answer, **_more: answer if command[0] == "runuser" else (0, "", ""),
        )
        monitor._timeout = -600
        assert monitor._restart_monitor() == wrong


@pytest.mark.parametrize(
    ("said", "late"),
    [
        ("subscription all gave its last sign of life 16 seconds ago", False),
        ("subscription all has not caught up yet: still reading", False),
        ("subscription all was stopped", True),
    ],
)
def test_a_busy_host_gets_more_time(host: Host, monkeypatch: pytest.MonkeyPatch, said: str, late: bool) -> None:
    """A batch of a thousand machines took longer than a monitor may be silent, and the deployment failed."""
    module = Module(host)
    monitor = Monitor(module)  # type: ignore[arg-type]
    monitor._reservations, monitor._timeout = [host.names(None)], -1
    answers = iter([f"unhealthy: {said}", ""])

    def answer(command: list[str], **_more: object) -> tuple[int, str, str]:
        text = next(answers) if command[0] == "runuser" else ""
        return (1 if text else 0), text, ""

    monkeypatch.setattr(module, "run_command", answer)
    assert bool(monitor._restart_monitor()) is late
