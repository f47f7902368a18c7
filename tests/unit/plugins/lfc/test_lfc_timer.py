# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of kea_lfc_timer that need no systemd; the rest is tested on hosts (molecule/lfc)."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import shlex
import subprocess
import threading
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.versions import capabilities
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host import release
from ansible_collections.baremetal.kea.plugins.module_utils._host.account import Account
from ansible_collections.baremetal.kea.plugins.module_utils._host.release import pack, release_name, unpack
from ansible_collections.baremetal.kea.plugins.module_utils._kea.lease_file import LeaseFile, Lock
from ansible_collections.baremetal.kea.plugins.module_utils._lfc import units as lfc_units
from ansible_collections.baremetal.kea.plugins.module_utils._lfc.interval import (
    Found,
    Kept,
    give_back,
    look,
    take_over,
)
from ansible_collections.baremetal.kea.plugins.module_utils._lfc.strategy import choose
from ansible_collections.baremetal.kea.plugins.module_utils._moves.lease_files import LeaseFiles
from ansible_collections.baremetal.kea.plugins.module_utils._server import config as server_config
from ansible_collections.baremetal.kea.plugins.module_utils._server import kea_account
from ansible_collections.baremetal.kea.plugins.module_utils._server.lfc import no_lfc
from ansible_collections.baremetal.kea.plugins.module_utils._server.service import KeaService
from kea_lfc_cleanup.cli import parser
from lfc.world import hanging
from support.programs import need

PLUGINS = Path(release.__file__).resolve().parents[2]
SHARED = str(PLUGINS / "module_utils/_kea")
PROGRAM = PLUGINS.parent / "roles/kea_lfc_timer/files"

SETTINGS = lfc_units.Settings(
    family=4,
    user="_kea",
    command=["/opt/baremetal/kea-lfc/current/kea-lfc-cleanup", "--why", 'auto: 100 % of "Kea" costs $5'],
    lease_directory="/var/lib/kea",
    leases=250000,
    metrics_directory="/srv",
    schedule=lfc_units.Schedule("hourly", None, "15min", persistent=True),
)


@pytest.mark.parametrize(
    ("asked", "version", "interval", "strategy", "why"),
    [
        ("auto", "3.2.0", 3600, "command", "auto: Kea 3.2.0 has kea-lfc-start"),
        ("auto", "3.1.2", 0, "command", "auto: Kea 3.1.2 has kea-lfc-start"),
        ("auto", "3.1.1", 3600, "finish", "starts an LFC run each 3600 s without a pause"),
        ("auto", "2.2.0", 0, "rotate", "its lfc-interval is 0"),
        ("rotate", "3.2.0", 3600, "rotate", "asked for"),
        ("finish", "2.6.3", 60, "finish", "asked for"),
        ("command", "3.2.0", 60, "command", "asked for"),
    ],
)
def test_the_strategy_and_why(asked: str, version: str, interval: int, strategy: str, why: str) -> None:
    choice = choose(asked, capabilities(version), interval)
    assert choice.strategy == strategy
    assert why in choice.why
    assert choice.takes_over == (strategy != "finish")


@pytest.mark.parametrize(
    ("asked", "version", "interval", "message"),
    [
        ("command", "3.0.3", 3600, "needs Kea 3.1.2 or later, which has kea-lfc-start; this is 3.0.3"),
        ("finish", "3.0.3", 0, "its lfc-interval is 0: set it, or use rotate"),
    ],
)
def test_a_strategy_that_cannot_work_is_refused(asked: str, version: str, interval: int, message: str) -> None:
    with pytest.raises(KeaError, match=re.escape(message)):
        choose(asked, capabilities(version), interval)


@pytest.mark.parametrize(
    ("asked", "version", "interval", "strategy"),
    [("auto", "2.6.3", 3600, "finish"), ("auto", "3.2.0", 0, "command"), ("finish", "2.2.0", 60, "finish")],
)
def test_a_pair_gets_a_strategy_without_a_reload(asked: str, version: str, interval: int, strategy: str) -> None:
    assert choose(asked, capabilities(version), interval, pair=True).strategy == strategy


@pytest.mark.parametrize(("asked", "interval"), [("rotate", 3600), ("auto", 0)])
def test_rotate_is_refused_on_a_pair(asked: str, interval: int) -> None:
    with pytest.raises(KeaError, match="rotate reloads Kea, which stops DHCP on a pair: use finish"):
        choose(asked, capabilities("2.6.3"), interval, pair=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{ "Dhcp4": {} }', Found(False, None)),
        ('{ "Dhcp4": { "lease-database": { "type": "memfile" } } }', Found(True, None)),
        (
            '{ "Dhcp4": {\n  # ours\n  "lease-database": { "type": "memfile", "lfc-interval": 7200 } } }',
            Found(True, 7200),
        ),
        ('{ "Dhcp4": { "lease-database": { "type": "memfile", "lfc-interval": 0 } } }', Found(True, 0)),
    ],
)
def test_the_lfc_interval_is_reverted_byte_for_byte(text: str, found: Found, tmp_path: Path) -> None:
    before = Document(text)
    assert look(before, "Dhcp4") == found
    kept = Kept(4, str(tmp_path / "new"))
    assert kept.read() is None
    kept.write(found)
    taken = take_over(before, "Dhcp4")
    assert look(taken, "Dhcp4").seconds == 0
    assert take_over(taken, "Dhcp4").text == taken.text
    read = kept.read()
    assert read is not None
    given = give_back(taken, "Dhcp4", read)
    assert look(given, "Dhcp4") == found
    assert give_back(given, "Dhcp4", read).text == given.text
    if found.database and found.interval is not None:
        assert given.text == text
    kept.forget()
    assert kept.read() is None


@pytest.mark.parametrize(
    "text",
    [
        '{ "Dhcp4": { "lease-database": { "type": "postgresql", "name": "kea" } } }',
        '{ "Dhcp4": { "lease-database": { "type": "memfile", "lfc-interval": 60 } } }',
    ],
)
def test_an_lfc_interval_that_was_changed_since_stays(text: str) -> None:
    document = Document(text)
    assert give_back(document, "Dhcp4", Found(True, 3600)) is document


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    units = lfc_units.render(SETTINGS)
    for path, text in units.items():
        (tmp_path / os.path.basename(path)).write_text(text.replace(SETTINGS.command[0], "/bin/true"))
    checked = subprocess.run(
        [need("systemd-analyze"), "verify", *tmp_path.glob("kea-lfc.*")], capture_output=True, text=True, check=False
    )
    assert str(tmp_path) not in checked.stderr, checked.stderr
    assert "kea-lfc" not in checked.stderr, checked.stderr
    assert checked.returncode == 0, checked.stderr


def test_the_units_contain_the_settings() -> None:
    service, timer = lfc_units.render(SETTINGS).values()
    assert "MemoryMax=308M" in service, "64 MiB, and 1 KiB for each of 250000 leases"
    assert "# Enough for 250000 leases." in service
    assert '"auto: 100 %% of \\"Kea\\" costs $$5"' in service
    assert "dd if=/var/lib/kea-lfc/kea_lfc4.prom of=/srv/.kea_lfc4.prom.new" in service
    assert "OnCalendar=hourly\nPersistent=yes\n" in timer
    assert "RandomizedDelaySec=15min" in timer


def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes | None:
    """Run the lines of the unit that copy the metrics, as systemd does, and return the copy; None for none."""
    (tmp_path / "read").mkdir(exist_ok=True)
    monkeypatch.setattr(lfc_units, "STATE_DIRECTORY", str(tmp_path))
    service, _timer = lfc_units.render(SETTINGS._replace(metrics_directory=str(tmp_path / "read"))).values()
    lines = re.findall(r"^ExecStopPost=\+-(.+)$", service.replace("\\\n", ""), re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        # The minus sign says that a failure of one changes nothing for the next.
        subprocess.run(shlex.split(line), timeout=20, check=False, capture_output=True)
    copy = tmp_path / "read" / "kea_lfc4.prom"
    assert [path.name for path in copy.parent.iterdir()] in ([], [copy.name])
    if not copy.exists():
        return None
    assert copy.stat().st_mode & 0o7777 == 0o644
    return copy.read_bytes()


def test_the_metrics_are_copied_for_all_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = tmp_path / "kea_lfc4.prom"
    for text in (b"one", b"two"):
        metrics.write_bytes(text)
        metrics.chmod(0o600)
        assert copied(tmp_path, monkeypatch) == text


def test_the_copy_of_the_metrics_follows_no_link_waits_for_no_fifo_and_is_bounded_e12(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, secret = tmp_path / "kea_lfc4.prom", tmp_path / "shadow"
    secret.write_text("secret")
    metrics.symlink_to(secret)
    assert copied(tmp_path, monkeypatch) is None
    metrics.unlink()
    os.mkfifo(metrics)
    # It has no writer, so dd reads nothing instead of waiting.
    assert copied(tmp_path, monkeypatch) == b""
    metrics.unlink()
    with metrics.open("wb") as file:
        file.truncate(2**33)
    assert copied(tmp_path, monkeypatch) == bytes(2**16)
    # What stands where root writes is replaced, not followed.
    metrics.unlink()
    metrics.write_text("new")
    for name in (".kea_lfc4.prom.new", "kea_lfc4.prom"):
        path = tmp_path / "read" / name
        path.unlink(missing_ok=True)
        path.symlink_to(secret)
    assert copied(tmp_path, monkeypatch) == b"new"
    assert secret.read_text() == "secret"


def test_an_interval_instead_of_a_calendar_and_no_metrics_directory() -> None:
    schedule = SETTINGS.schedule._replace(interval="6h")
    units = lfc_units.render(SETTINGS._replace(family=6, schedule=schedule, metrics_directory=None))
    assert [os.path.basename(path) for path in units] == ["kea-lfc6.service", "kea-lfc6.timer"]
    service, timer = units.values()
    assert "ExecStopPost" not in service
    assert "OnActiveSec=6h\nOnUnitInactiveSec=6h" in timer
    assert "OnCalendar" not in timer


@pytest.mark.parametrize("family", [4, 6])
def test_where_units_copy_their_metrics_to(family: int) -> None:
    settings = SETTINGS._replace(family=family)
    assert lfc_units.metrics_file(lfc_units.render(settings)) == f"/srv/kea_lfc{family}.prom"
    assert lfc_units.metrics_file(lfc_units.render(settings._replace(metrics_directory=None))) is None
    assert lfc_units.metrics_file({}) is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"metrics_directory": "/srv/my metrics"}, "metrics_directory: '/srv/my metrics' is no absolute path of"),
        ({"metrics_directory": "/srv/%n"}, "metrics_directory: "),
        ({"lease_directory": "/srv/$x"}, "the lease file's directory: "),
        ({"leases": 0}, "leases: 0 is less than 1"),
        ({"schedule": SETTINGS.schedule._replace(calendar="daily\nUnit=x")}, "on_calendar: 'daily\\\\nUnit=x' is more"),
        ({"schedule": SETTINGS.schedule._replace(delay="1min\n")}, "randomized_delay: "),
    ],
)
def test_a_value_that_systemd_would_misread_is_refused(changed: dict[str, Any], message: str) -> None:
    lfc_units.check(SETTINGS)
    with pytest.raises(KeaError, match=message.replace("$", r"\$")):
        lfc_units.check(SETTINGS._replace(**changed))


def test_the_program_of_the_role_is_a_release() -> None:
    files = unpack(pack(str(PROGRAM), SHARED))
    assert re.fullmatch(r"1\.\d+\.\d+-[0-9a-f]{12}", release_name(files, "kea_lfc_cleanup", ("kea-lfc-cleanup",)))
    with pytest.raises(KeaError, match="kea_lease_monitor"):
        release_name(files)


def test_every_option_of_the_program_is_one_that_the_module_knows() -> None:
    source = (PLUGINS / "module_utils/_lfc/deploy.py").read_text()
    for action in parser()._actions[1:]:
        assert f'"{action.option_strings[0].strip("-")}"' in source


@pytest.mark.parametrize(
    ("database", "path"),
    [
        (None, "/var/lib/kea/kea-leases4.csv"),
        ({"type": "memfile"}, "/var/lib/kea/kea-leases4.csv"),
        ({"type": "memfile", "name": "x.csv"}, "/var/lib/kea/x.csv"),
        ({"type": "memfile", "name": "/x/y.csv"}, "/x/y.csv"),
        ({"type": "memfile", "persist": False}, None),
        ({"type": "postgresql"}, None),
    ],
)
def test_where_the_leases_are(database: dict[str, object] | None, path: str | None) -> None:
    assert server_config.lease_file_of("/etc/kea/kea-dhcp4.conf", {"lease_database": database}) == path


def test_no_lfc_run_takes_the_lock_meanwhile(tmp_path: Path) -> None:
    path = str(tmp_path / "kea-leases4.csv")
    with no_lfc(path), Lock(path) as lock:
        assert not lock.take()
    with Lock(path) as lock:
        assert lock.take()


def test_the_play_waits_for_an_lfc_run_and_gives_up_in_time(tmp_path: Path) -> None:
    path = str(tmp_path / "kea-leases4.csv")
    with open(LeaseFile(path).lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(KeaError, match="does not end"), no_lfc(path, 0.3):
            pass
        threading.Timer(0.3, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        with no_lfc(path, 10.0):
            pass


def test_the_play_waits_for_an_lfc_run_that_kea_started(tmp_path: Path) -> None:
    files = LeaseFile(str(tmp_path / "kea-leases4.csv"))
    with hanging(files), pytest.raises(KeaError, match="kea-lfc at work on"), no_lfc(files.current, 0.3):
        pass
    with no_lfc(files.current, 0.3):
        pass


def test_a_stale_pid_file_is_removed_before_kea_loads_its_leases(tmp_path: Path) -> None:
    path = str(tmp_path / "kea-leases4.csv")
    pid = tmp_path / "kea-leases4.csv.pid"
    pid.write_text(str(os.getpid()))
    with pytest.raises(KeaError, match=r"kea-lfc at work on .* does not end"), no_lfc(path, 0.3):
        pass
    os.utime(pid, (1, 1))
    with no_lfc(path, 0.3):
        assert not pid.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write everywhere")
def test_root_locks_and_removes_nothing_where_keas_user_may_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kea's user may write the configuration, and could name postmaster as lease file, to lose postmaster.pid."""
    pid = tmp_path / "postmaster.pid"
    pid.write_text("none")
    os.utime(pid, (1, 1))
    config = tmp_path / "kea-dhcp4.conf"
    config.write_text(json.dumps({"Dhcp4": {"lease-database": {"type": "memfile", "name": f"{tmp_path}/postmaster"}}}))
    service = KeaService(cast(Any, None), str(config))
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(kea_account, "account", lambda _module, _path: Account.of_user(nobody))
    with service.without_lfc():
        assert sorted(path.name for path in tmp_path.iterdir()) == ["kea-dhcp4.conf", "postmaster.pid"]
    store = LeaseFiles({"name": f"{tmp_path}/postmaster"}, "nobody", 4)
    with pytest.raises(KeaError, match=f"nobody may not write {tmp_path}, so it has no lease file"):
        store.set_aside()
    with pytest.raises(KeaError, match="may not write"), store.alone():
        pass
    monkeypatch.setattr(kea_account, "account", lambda _module, _path: Account.own())
    with service.without_lfc():
        assert not pid.exists()


def test_a_link_in_the_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".kea-leases4.csv.lock").symlink_to("/nowhere")
    with pytest.raises(KeaError, match="lock cannot be opened"):
        no_lfc(str(tmp_path / "kea-leases4.csv")).__enter__()


def test_a_damaged_record_of_the_lfc_interval_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lfc4.json").write_text("")
    with pytest.raises(KeaError, match=r"lfc4.json is damaged"):
        Kept(4, str(tmp_path)).read()


def test_without_a_lease_file_nothing_is_locked() -> None:
    with no_lfc("/nowhere/kea-leases4.csv"), no_lfc(None):
        pass
