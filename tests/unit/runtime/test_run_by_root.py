# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's program, run by root: it becomes the monitor's user, and follows nothing that this user planted."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from kea_lease_monitor import batch_files, files
from kea_lease_monitor.commands import access, cli
from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.approved import Approved
from kea_lease_monitor.state import schema
from kea_lease_monitor.state.location import StateLocation

from runtime.builders import HEADER

NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """The directory of a monitor whose user is nobody, in a directory that this user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        home = Path(name) / "home"
        home.mkdir()
        config = Path(name) / "config.yml"
        config.write_text(
            f"source: {{type: memfile, path: {home}/leases.csv}}\nstate: {{path: {home}/state.sqlite}}\n"
            f"subscriptions: [{{name: a, sinks: [{{type: discovery, directory: {home}}}]}}]\n"
        )
        config.chmod(0o640)
        for path in (home, config):
            os.chown(path, NOBODY if path == home else 0, NOBODY)
        yield home


def in_child(act: Callable[[], object], user: int = NOBODY) -> int:
    """Return 0 if a child that did this is this user afterwards, with no way back to root."""
    child = os.fork()
    if child == 0:
        try:
            act()
        finally:
            # However it ends: the Python of the tests is closed to this user.
            became = set(os.getresuid()) == {user} and 0 not in (*os.getresgid(), *os.getgroups())
            became = became and os.environ["HOME"] == pwd.getpwuid(user).pw_dir
            os._exit(0 if became else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    "words",
    [
        *(["check"], ["status"], ["export"], ["replay", "a"]),
        *(["db", "version"], ["db", "init"], ["db", "upgrade", "--yes"], ["db", "downgrade", "--yes"]),
        *(["dead-letters", "list"], ["dead-letters", "retry", "--all"], ["dead-letters", "drop", "--all"]),
    ],
    ids=" ".join,
)
def test_a_command_of_root_becomes_the_monitors_user(home: Path, words: list[str]) -> None:
    arguments = [*words, "--config", str(home.parent / "config.yml")]
    assert in_child(lambda: cli.main(arguments)) == 0
    assert {path.stat().st_uid for path in home.iterdir()} <= {NOBODY}


@pytest.mark.parametrize("words", [["forget", "10.0.0.1"], ["forget", "x", "--dry-run"]], ids=" ".join)
def test_forget_of_root_becomes_the_monitors_user(home: Path, words: list[str]) -> None:
    """Kea's user, who reads the lease file in a child, is root here."""
    (home.parent / "leases.csv").write_text(HEADER)
    config = home.parent / "config.yml"
    config.write_text(config.read_text().replace(f"{home}/leases.csv", f"{home.parent}/leases.csv"))
    assert in_child(lambda: cli.main([*words, "--config", str(config)])) == 0
    assert {path.stat().st_uid for path in home.iterdir()} <= {NOBODY}


def test_the_daemon_of_root_becomes_the_monitors_user(home: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            cli.main(["run", "--config", str(home.parent / "config.yml")])
        finally:  # whatever it raises: this process must not go on as a second run of the tests
            os._exit(1)
    try:
        ends = time.monotonic() + 20
        while f"Uid:\t{NOBODY}\t{NOBODY}" not in Path(f"/proc/{child}/status").read_text():
            assert time.monotonic() < ends, "the daemon is still root"
            time.sleep(0.05)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_database_over_the_network_leaves_the_group_of_the_configuration(home: Path) -> None:
    location = StateLocation(database=DatabaseSettings("192.0.2.1", 5432, "kea", "monitor", 5))
    config, user = home.parent / "config.yml", pwd.getpwnam("postgres")
    os.chown(config, 0, user.pw_gid)
    assert in_child(lambda: access.become_owner(location, str(config)), user.pw_uid) == 0


def test_a_planted_directory_of_the_state_is_refused(home: Path) -> None:
    root = home.parent / "root"
    root.mkdir()
    (home / "link").symlink_to(root)
    os.lchown(home / "link", NOBODY, NOBODY)
    with pytest.raises(TemporaryError, match="a link that a user other than root may have made"):
        access.become_owner(StateLocation(f"{home}/link/state.sqlite"))


def test_no_file_is_created_or_opened_through_a_planted_link(home: Path) -> None:
    target = home.parent / "target"
    for name in ("state.sqlite", "host.yml", ".host.yml.tmp"):
        (home / name).symlink_to(target)
        os.lchown(home / name, NOBODY, NOBODY)
    for act in (partial(files.touch, now=0.0), files.create_own, files.read):
        with pytest.raises(TemporaryError):
            act(f"{home}/state.sqlite")
    files.replace(f"{home}/host.yml", b"x", 0o644)
    batch_files.replace_all({f"{home}/host.yml": b"y"}, 0o644)
    assert not target.exists()
    assert (home / "host.yml").read_bytes() == b"y"


def test_apply_reservations_is_refused_to_root(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["apply-reservations", "--control-socket", "none", "--lease-file", f"{home}/leases.csv"]
    assert cli.main([*arguments, "--directory", str(home)]) == 2
    assert "systemctl restart kea-reservations.service" in capsys.readouterr().err


def test_an_import_reads_its_file_as_root_and_writes_as_the_monitors_user(home: Path) -> None:
    backup = home.parent / "backup.json"
    backup.write_text('{"version": 1, "reservations": {}}')
    backup.chmod(0o600)
    config = str(home.parent / "config.yml")
    assert in_child(lambda: cli.main(["import", str(backup), "--config", config])) == 0


@pytest.fixture
def in_files(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the report of a monitor in file mode. Kea's user is root."""
    # The monitor's user reads the migrations, and may be unable to enter the checkout, as in a clone made by mktemp.
    monkeypatch.setattr(schema, "MIGRATIONS", shutil.copytree(schema.MIGRATIONS, str(home.parent / "migrations")))
    written, report = home / "written", home.parent / "report"
    for path in (written, report):
        path.mkdir(mode=0o750)
    os.chown(written, NOBODY, NOBODY)
    config = home.parent / "config.yml"
    # The monitor's user may not read the libraries, so that they are loaded before.
    assert cli.main(["db", "init", "--config", str(with_state_of_root(config))]) == 0
    sinks = f"sinks: [{{type: reservation_file, directory: {written}, report: {report}}}]"
    config.write_text(config.read_text().partition("subscriptions")[0] + f"subscriptions: [{{name: a, {sinks}}}]\n")
    assert in_child(lambda: cli.main(["db", "init", "--config", str(config)])) == 0
    return report


def with_state_of_root(config: Path) -> Path:
    """Return another configuration, of a monitor whose state is root's."""
    other = config.with_name("root.yml")
    other.write_text(config.read_text().replace("/home/state.sqlite", "/state.sqlite"))
    return other


def approvals_in(report: Path) -> list[tuple[int, str, str]]:
    """Return what is approved, once the child of root has done so."""
    assert {path.stat().st_uid for path in report.iterdir()} <= {0}
    return sorted(Approved(str(report)).claims())


def test_an_import_of_root_approves_what_it_adds_and_what_is_there(home: Path, in_files: Path) -> None:
    (home / "written" / "subnet-1.json").write_text(
        '{"hw-address": "02:00:00:00:00:02", "ip-address": "10.0.0.2"},\n'
        '{"hw-address": "02:00:00:00:00:03", "ip-address": "10.0.0.33"}\n'
    )
    hosts = [{"hw-address": f"02:00:00:00:00:0{number}", "ip-address": f"10.0.0.{number}"} for number in (1, 2, 3)]
    backup = home.parent / "backup.json"
    backup.write_text(json.dumps({"version": 1, "reservations": {"1": hosts}}))
    words = ["import", str(backup), "--config", str(home.parent / "config.yml")]
    assert in_child(lambda: cli.main([*words, "--dry-run"])) == 0
    assert approvals_in(in_files) == []
    assert in_child(lambda: cli.main(words)) == 0
    assert approvals_in(in_files) == [(1, f"hw-address 02:00:00:00:00:0{n}", f"10.0.0.{n}") for n in (1, 2)]
    assert "10.0.0.1" in (home / "written" / "subnet-1.json").read_text()


def test_an_approval_that_fails_leaves_the_monitor_s_file(home: Path, in_files: Path) -> None:
    """The approval comes first: a command that is killed after it is run again."""
    backup = home.parent / "backup.json"
    host = {"hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1"}
    backup.write_text(json.dumps({"version": 1, "reservations": {"1": [host]}}))
    (in_files / "x").symlink_to(home)
    config = home.parent / "config.yml"
    config.write_text(config.read_text().replace(f"report: {in_files}", f"report: {in_files}/x"))

    def imports() -> None:
        os._exit(10 + cli.main(["import", str(backup), "--config", str(config)]))

    assert in_child(imports) == 11
    assert list((home / "written").iterdir()) == []


def test_replace_of_root_approves_the_address_for_the_new_board(home: Path, in_files: Path) -> None:
    mark = {"kea-lease-monitor": {"ip-address": "10.0.0.1", "made": 1}}
    host = {"hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1", "user-context": mark}
    (home / "written" / "subnet-1.json").write_text(f"{json.dumps(host)}\n")
    (home.parent / "leases.csv").write_text(HEADER)
    config = str(home.parent / "config.yml")
    Path(config).write_text(Path(config).read_text().replace(f"{home}/leases.csv", f"{home.parent}/leases.csv"))
    words = ["replace", "10.0.0.1", "02-00-00-00-00-99", "--config", config]
    assert in_child(lambda: cli.main([*words, "--dry-run"])) == 0
    assert approvals_in(in_files) == []
    assert in_child(lambda: cli.main(words)) == 0
    assert approvals_in(in_files) == [(1, "hw-address 02:00:00:00:00:99", "10.0.0.1")]
