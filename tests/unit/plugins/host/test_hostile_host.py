# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What root does where other users may write: planted links and FIFOs, and a trace of every path that it used."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils import _info
from ansible_collections.baremetal.kea.plugins.module_utils._config import file
from ansible_collections.baremetal.kea.plugins.module_utils._kea import locks
from ansible_collections.baremetal.kea.plugins.module_utils._manifest import document
from ansible_collections.baremetal.kea.plugins.module_utils._verify import host as verify_host
from ansible_collections.baremetal.kea.plugins.module_utils._verify import probe
from support.modules import run_module
from support.programs import need
from support.wait import until

STRANGER = 65534
KEA = pwd.getpwnam("_kea")
# Calls that only tell something about a path change nothing and read nothing.
HARMLESS = ("stat", "lstat", "newfstatat", "statx", "access", "faccessat2", "readlink", "execve", "getcwd")

RUN = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from support.modules import run_module
for module, options in json.loads(sys.argv[2]):
    print(json.dumps(run_module(module, **options)))
"""


@pytest.fixture
def host() -> Iterator[Path]:
    """Directories as the roles create them: of root, of Kea's user, and of the monitor's."""
    with tempfile.TemporaryDirectory() as name:
        host = Path(name)
        host.chmod(0o755)
        for path, owner, mode in (
            ("reservations.d", KEA.pw_uid, 0o750),
            ("reservations.d/applied", KEA.pw_uid, 0o750),
            ("var-lib-kea", KEA.pw_uid, 0o750),
            ("monitor", STRANGER, 0o750),
            ("root", 0, 0o755),
            ("manifest", 0, 0o755),
        ):
            (host / path).mkdir()
            os.chown(host / path, owner, KEA.pw_gid)
            (host / path).chmod(mode)
        (host / "root" / "shadow").write_text("secret")
        (host / "root" / "shadow").chmod(0o600)
        yield host


def files(host: Path) -> list[dict[str, Any]]:
    """Return what the roles ask of kea_files."""
    kea = {"owner": "_kea", "group": "_kea"}
    return [
        {**kea, "path": f"{host}/reservations.d", "state": "directory", "mode": "0750"},
        {**kea, "path": f"{host}/reservations.d/applied", "state": "directory", "mode": "0750"},
        {**kea, "path": f"{host}/reservations.d/applied/subnet-1.json", "content": "", "force": False, "mode": "0640"},
        {"path": f"{host}/var-lib-kea/discovery", "state": "directory", "owner": "nobody", "group": "_kea"},
        {"path": f"{host}/var-lib-kea/dumps", "state": "directory", "owner": "postgres", "mode": "0700"},
        {"path": f"{host}/monitor/config.yml", "content": "a: 1\n", "mode": "0640", "validate": "test -s %s"},
        {"path": f"{host}/var-lib-kea/copy", "src": f"{host}/monitor/config.yml", "owner": "0", "mode": "0600"},
        {"path": f"{host}/var-lib-kea/gone", "state": "absent"},
    ]


def plant(link: Path, target: Path) -> None:
    link.symlink_to(target)
    os.lchown(link, STRANGER, STRANGER)


def untouched(host: Path) -> None:
    found = (host / "root" / "shadow").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
    assert (host / "root" / "shadow").read_text() == "secret"
    assert (host / "root").stat().st_uid == 0


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("reservations.d/applied", "root"),
        ("reservations.d/applied/subnet-1.json", "root/shadow"),
        ("var-lib-kea/discovery", "root"),
        ("monitor/config.yml", "root/shadow"),
    ],
)
def test_kea_files_follows_no_planted_link(host: Path, path: str, target: str) -> None:
    if path == "reservations.d/applied":
        (host / path).rmdir()
    plant(host / path, host / target)
    for check in (True, False):
        result = run_module("kea_files", check=check, files=files(host))
        assert f"{host / path} is a link that a user other than root may have made; remove it" in result["msg"]
    untouched(host)


@pytest.mark.parametrize("kind", ["fifo", "hard link"])
def test_kea_files_refuses_what_is_no_file_of_its_own(host: Path, kind: str) -> None:
    path = host / "reservations.d" / "applied" / "subnet-1.json"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        os.link(host / "root" / "shadow", path)
    assert kind in run_module("kea_files", files=files(host))["msg"].lower()
    untouched(host)


def test_the_manifest_neither_copies_nor_restores_through_a_link(host: Path) -> None:
    directory = str(host / "manifest")
    made = host / "var-lib-kea" / "discovery"
    things = {"file": [str(made), str(made / "bmc.yml")], "tree": [str(made)]}
    run_module("kea_manifest", state="intended", directory=directory, things=things)
    plant(made, host / "root")
    (host / "root" / "bmc.yml").write_text("of root")
    assert "is a link that a user other than root" in run_module(
        "kea_manifest", state="intended", directory=directory, things={"file": [str(made / "bmc.yml")]}
    )["msg"]  # fmt: skip
    run_module("kea_manifest", state="reverted", directory=directory, things=things)
    assert sorted(os.listdir(host / "root")) == ["bmc.yml", "shadow"]
    untouched(host)


def test_the_manifest_does_not_wait_for_a_fifo(host: Path) -> None:
    os.mkfifo(host / "var-lib-kea" / "file")
    things = {"file": [f"{host}/var-lib-kea/file"]}
    result = run_module("kea_manifest", state="intended", directory=f"{host}/manifest", things=things)
    assert "it is a FIFO, not a file; remove it" in result["msg"]


def test_a_manifest_that_is_locked_is_not_waited_for_for_ever(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "LOCK_TIMEOUT", 0.2)
    with locks.held(f"{host}/manifest/manifest.json.lock", 0):
        result = run_module("kea_manifest", state="intended", directory=f"{host}/manifest", things={})
    assert f"manifest.json.lock is still locked after 0 s by process {os.getpid()} (" in result["msg"]


def test_a_second_kea_config_waits_and_says_for_whom(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("kea-dhcp4")
    monkeypatch.setattr(file, "LOCK_TIMEOUT", 0.2)
    config = host / "kea-dhcp4.conf"
    config.write_text('{ "Dhcp4": { "valid-lifetime": 1 } }')
    wanted = {"path": str(config), "settings": {"Dhcp4/valid-lifetime": 2}}
    with file._alone(str(config)):
        message = run_module("kea_config", **wanted)["msg"]
        assert config.read_text() == '{ "Dhcp4": { "valid-lifetime": 1 } }'
    assert f"another module changes {config}: " in message
    assert f"by process {os.getpid()} (" in message
    assert run_module("kea_config", **wanted)["changed"]


def test_two_kea_config_at_once_lose_no_change(host: Path) -> None:
    need("kea-dhcp4")
    config = host / "kea-dhcp4.conf"
    config.write_text('{ "Dhcp4": { "valid-lifetime": 1 } }')
    keys = ("valid-lifetime", "renew-timer", "rebind-timer")
    plays = [[["kea_config", {"path": str(config), "settings": {f"Dhcp4/{key}": 7}}]] for key in keys]
    running = [subprocess.Popen(command(play), stdout=subprocess.DEVNULL) for play in plays]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    assert json.loads(config.read_text()) == {"Dhcp4": dict.fromkeys(keys, 7)}


def test_the_record_of_keys_is_read_once_the_lock_is_held(host: Path) -> None:
    """Else a play would forget what another one wrote while it waited."""
    need("kea-dhcp4")
    config, record, lock = host / "kea-dhcp4.conf", host / "root" / "keys.json", file.LOCKS
    config.write_text('{ "Dhcp4": { "rebind-timer": 9 } }')
    options = {"path": str(config), "record": str(record), "backup": False}
    assert run_module("kea_config", **options, merge={"renew-timer": 7})["changed"]
    kept = record.read_bytes()
    record.unlink()
    with file._alone(str(config)):
        call = ["kea_config", {**options, "merge": {"valid-lifetime": 20}}]
        play = subprocess.Popen(command([call]), stdout=subprocess.DEVNULL)
        until(lambda: any(one.startswith(lock) for one in opened_by(play.pid)), "the play that waits")
        record.write_bytes(kept)
    assert play.wait(60) == 0
    assert json.loads(config.read_text()) == {"Dhcp4": {"rebind-timer": 9, "valid-lifetime": 20}}


def opened_by(process: int) -> list[str]:
    found = []
    for one in Path(f"/proc/{process}/fd").glob("*"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(one))
    return found


def test_an_include_that_another_user_linked_is_not_edited(host: Path) -> None:
    need("kea-dhcp4")
    part, config = host / "root" / "timers.json", host / "kea-dhcp4.conf"
    part.write_text('"renew-timer": 7')
    link = host / "var-lib-kea" / "timers.json"
    plant(link, part)
    config.write_text(f'{{ "Dhcp4": {{ <?include "{link}"?> }} }}')
    config.chmod(0o644)
    run_module("kea_config", path=str(config), included=[str(part)], merge={"renew-timer": 8})
    assert part.read_text() == '"renew-timer": 7'


@pytest.mark.parametrize("kind", ["fifo", "link", "huge", "deep", "list"])
def test_a_hostile_report_of_the_lfc_is_no_report(host: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Kea's user writes the report, and root reads it."""
    monkeypatch.setattr(_info.units, "STATE_DIRECTORY", f"{host}/var-lib-kea")
    report = host / "var-lib-kea" / "state4.json"
    if kind == "fifo":
        os.mkfifo(report)
    elif kind == "link":
        (host / "root" / "shadow").write_text("{}")
        plant(report, host / "root" / "shadow")
    elif kind == "huge":
        with report.open("w") as file:
            file.truncate(2**40)
    else:
        report.write_text("[" * 100_000 if kind == "deep" else "[]")
    assert run_module("kea_info", gather=["lfc"])["lfc"]["last_run"] is None


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_a_configuration_that_is_no_file_is_reported(host: Path, kind: str) -> None:
    config = host / "var-lib-kea" / "kea-dhcp4.conf"
    os.mkfifo(config) if kind == "fifo" else plant(config, host / "root" / "shadow")
    found = run_module("kea_info", path=str(config), gather=["config"])["config"]
    assert ("a FIFO" if kind == "fifo" else "is a link that a user other than root") in found["error"]
    (judged,) = verify_host.find(verify_host.Secret(str(config), 0o640, is_kea_config=True))
    assert judged["problem"]


def test_a_probe_removes_no_file_through_a_planted_directory(host: Path) -> None:
    plant(host / "var-lib-kea" / "discovery", host / "root")
    (host / "root" / "02-00-00-00-00-01.yml").write_text("of root")
    found = object.__new__(probe.Probe)
    found._params = {"discovery": f"{host}/var-lib-kea/discovery"}
    found._files, found._pointers = ["02-00-00-00-00-01.yml"], (".02-00-00-00-00-01-s",)
    with pytest.raises(probe.ProbeError, match="is a link that a user other than root"):
        found._has_file()
    with pytest.raises(probe.ProbeError, match="is a link that a user other than root"):
        found._remove_files()
    assert (host / "root" / "02-00-00-00-00-01.yml").exists()


def command(calls: list[Any]) -> list[str]:
    return [sys.executable, "-c", RUN, json.dumps(sys.path), json.dumps(calls)]


@pytest.mark.slow
def test_no_path_that_root_uses_goes_through_a_directory_of_another_user(host: Path) -> None:
    """A component of a path that another user may replace must be opened by descriptor, which the trace shows."""
    manifest = {"directory": f"{host}/manifest"}
    config = f"{host}/var-lib-kea/kea-dhcp4.conf"
    Path(config).write_text('{ "Dhcp4": { "lease-database": { "type": "memfile", "name": "/nowhere/x" } } }')
    things = {"file": [one["path"] for one in files(host)], "tree": [f"{host}/var-lib-kea/discovery"]}
    calls = [
        ["kea_manifest", {**manifest, "state": "intended", "things": things}],
        ["kea_files", {"files": files(host)}],
        ["kea_files", {"files": files(host)}],
        ["kea_manifest", {**manifest, "state": "made"}],
        ["kea_manifest", {**manifest, "state": "reverted", "things": things}],
        ["kea_info", {"path": config, "gather": ["config", "lfc"]}],
        ["kea_verify", {"path": config}],
    ]
    trace = host / "root" / "trace"
    words = [need("strace"), "-f", "-qq", "-s", "4096", "-e", "trace=file,fchownat,fchmodat", "-o", str(trace)]
    done = subprocess.run([*words, *command(calls)], check=True, capture_output=True, text=True)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one for one in results if one["failed"]] == []
    assert results[1]["changed"], "the trace is of modules that change something"
    assert not results[2]["changed"]
    assert results[5]["config"]["lease_database"] == {"type": "memfile", "name": "/nowhere/x"}
    used = set(re.findall(r'^\d+ +(\w+)\((?:AT_FDCWD[^,]*, )?"(/[^"]*)"', trace.read_text(), re.MULTILINE))
    assert len(used) > 50, "the trace must have the paths that Python itself uses"
    assert sorted((call, path) for call, path in used if call not in HARMLESS and replaceable(host, path)) == []


def replaceable(host: Path, path: str) -> bool:
    """Return whether a user other than root may write a directory above this path, below the host's."""
    if not path.startswith(f"{host}/"):
        return False
    for above in Path(path).parents:
        if above == host:
            return False
        found = above.stat() if above.exists() else None
        if found and (found.st_uid != 0 or found.st_mode & 0o022):
            return True
    return False
