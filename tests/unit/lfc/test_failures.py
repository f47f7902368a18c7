# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault is recognised, reported in one sentence and repaired where that is safe, and no lease is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from _kea import locks
from _kea.lease_file import Lock
from kea_lfc_cleanup import kea_lfc, report, strategies
from kea_lfc_cleanup.cli import BUSY, DONE, FAILED
from support.paths import program_environment
from support.programs import need
from support.wait import until

from lfc.world import COLUMNS, HOOK, Server, hanging, row

pytestmark = pytest.mark.slow  # each test starts programs, for seconds


def bad_rows(number: int) -> str:
    return "".join(row(one).replace("10.", "xx.", 1) for one in range(number))


def serves(kea: Server) -> bool:
    """Return whether Kea adds a lease, and knows all leases after a restart."""
    kea.add([9999])
    expected = kea.leases()
    kea.restart()
    found: bool = kea.leases() == expected
    return found


def message(kea: Server) -> str:
    text: str = kea.state()["message"]
    assert "\n" not in text
    return text


def test_more_than_100_bad_rows(kea: Server) -> None:
    kea.add([1])
    with open(kea.files.current, "a") as file:
        file.write(bad_rows(101))
    assert kea.run_lfc("rotate") == FAILED
    assert "more than 100 bad rows (discarding row" in message(kea)
    assert f"take them out of {kea.files.rotated}, then run this again" in message(kea)
    assert kea.leftovers() == [".1"]
    assert serves(kea)
    assert kea.run_lfc("rotate") == FAILED, "the bad rows are still there"
    text = Path(kea.files.rotated).read_text()
    Path(kea.files.rotated).write_text("".join(line for line in text.splitlines(True) if not line.startswith("xx")))
    assert kea.run_lfc("rotate") == DONE
    assert serves_still(kea)


def serves_still(kea: Server) -> bool:
    """Return whether Kea knows its leases, at least one, also after a restart."""
    before = kea.leases()
    kea.restart()
    return bool(before) and kea.leases() == before


def test_a_few_bad_rows_are_left_out_and_reported(kea: Server, capsys: pytest.CaptureFixture[str]) -> None:
    kea.add([1])
    with open(kea.files.current, "a") as file:
        file.write(bad_rows(3))
    assert kea.run_lfc("rotate") == DONE
    assert kea.state()["rows_discarded"] == 3
    assert "3 unreadable ones left out" in capsys.readouterr().out


def test_a_file_that_is_no_lease_file(kea: Server) -> None:
    kea.add([1])
    Path(kea.files.previous).write_text("oops\n")
    assert kea.run_lfc("rotate") == FAILED
    assert f"{kea.files.previous} is no lease file, and Kea could not load it" in message(kea)
    assert kea.leases(), "Kea did not load it"
    os.unlink(kea.files.previous)
    assert kea.run_lfc("rotate") == DONE
    assert serves(kea)


def test_a_full_disk(full: Server) -> None:
    kea = full
    assert kea.run_lfc("rotate") == FAILED
    assert f"the disk of {kea.files.current} is full: make room, then run this again" in message(kea)
    assert kea.leftovers() == [".1"], "the half-written copy is gone: Kea needs the room"
    kea.ask("config-reload")
    assert len(kea.leases()) == 8000
    subprocess.run(["mount", "-o", "remount,size=8m", str(kea.path)], check=True)
    assert kea.run_lfc("rotate") == DONE
    assert serves(kea)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Server]:
    """A Kea whose disk has room for one copy of its leases, not for two."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(tmp_path)], check=True)
    server = Server(tmp_path)
    try:
        Path(server.files.current).write_text(f"{COLUMNS}\n" + "".join(map(row, range(1, 8001))))
        server.start()
        yield server
        server.stop()
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def test_a_stale_pid_file_with_the_number_of_another_process(kea: Server) -> None:
    """Kea itself would refuse to load its leases, and kea-lfc would end with success and do nothing."""
    kea.add([1])
    Path(kea.files.pid).write_text(str(os.getpid()))
    assert kea.run_lfc("rotate") == BUSY, "written a moment ago: a kea-lfc may be about to start"
    os.utime(kea.files.pid, (1, 1))
    assert kea.run_lfc("rotate") == DONE
    assert serves(kea)


@pytest.mark.parametrize("text", ["", "no number", "4194999"])
def test_a_pid_file_that_names_no_process(kea: Server, text: str) -> None:
    kea.add([1])
    Path(kea.files.pid).write_text(text)
    os.utime(kea.files.pid, (1, 1))
    assert kea.run_lfc("rotate") == DONE
    assert kea.leftovers() == []
    assert serves(kea)


def test_the_exit_code_of_kea_lfc_proves_nothing(kea: Server) -> None:
    kea.add([1])
    assert kea.run_lfc("rotate", **{"kea-lfc": need("true")}) == FAILED
    assert f"kea-lfc left {kea.files.rotated}" in message(kea)
    assert serves(kea)
    assert kea.run_lfc("rotate") == DONE


@pytest.mark.parametrize("name", ["kea-leases4.csv", "kea-leases4.csv.2"])
def test_a_file_of_another_user(kea: Server, name: str) -> None:
    kea.add([1])
    assert kea.run_lfc("rotate") == DONE
    shutil.chown(kea.path / name, "nobody")
    assert kea.run_lfc("rotate") == FAILED
    assert message(kea) == f"{kea.path / name} belongs to another user: run chown root {kea.path / name}"
    assert serves(kea)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Run the program as Kea's own user, because root can read everything."""
    kea = Server(tmp_path)
    for name in (kea.files.current, kea.files.previous):
        Path(name).write_text(COLUMNS)
        os.chmod(name, 0o600)
    os.chmod(kea.files.previous, 0o000)
    subprocess.run(["chown", "-R", "_kea", tmp_path], check=True)
    for folder in [*tmp_path.parents][:3]:
        folder.chmod(0o755)
    command = ["setpriv", "--reuid", "_kea", "--clear-groups", sys.executable, "-m", "kea_lfc_cleanup"]
    done = subprocess.run([*command, *kea.words("rotate")], env=program_environment(), capture_output=True, check=False)
    assert done.returncode == FAILED, done.stderr
    assert message(kea).endswith(f".2 cannot be read and written by its owner: run chmod u+rw {kea.files.previous}")


def test_the_incomplete_output_of_a_killed_kea_lfc_is_removed(kea: Server) -> None:
    """kea-lfc would append to its incomplete row, and so spoil a lease."""
    kea.add([1, 2])
    Path(kea.files.output).write_text(f"{COLUMNS}\n{row(7)[:20]}")
    assert kea.run_lfc("rotate") == DONE
    assert Path(kea.files.previous).read_text().count("\n") == 3
    assert serves(kea)


def test_a_rotated_file_next_to_a_completed_file_is_kept(kea: Server) -> None:
    """kea-lfc would remove .1 without reading it (kea-facts 3.4)."""
    kea.add([1, 2])
    kea.restart()
    shutil.copy(kea.files.current, kea.files.completed)
    kea.add([3])
    os.rename(kea.files.current, kea.files.rotated)
    kea.ask("config-reload")
    Path(kea.files.current).write_text(f"{COLUMNS}\n")
    assert kea.run_lfc("rotate") == DONE
    kea.restart()
    assert len(kea.leases()) == 3


def test_a_configuration_that_kea_refuses_is_found_before_the_lease_file_is_renamed(kea: Server) -> None:
    kea.add([1])
    kea.config.write_text("{")
    assert kea.run_lfc("rotate") == FAILED
    assert f"mend {kea.config}, nothing was done" in message(kea)
    assert os.path.exists(kea.files.current)
    assert kea.leases()


def test_half_of_a_pair_is_not_reloaded(kea: Server) -> None:
    peers = [
        {"name": name, "url": f"http://127.0.0.1:{port}/", "role": role}
        for name, port, role in (("one", 18051, "primary"), ("two", 18052, "standby"))
    ]
    parameters = {"high-availability": [{"this-server-name": "one", "mode": "hot-standby", "peers": peers}]}
    hooks = [{"library": str(HOOK)}, {"library": str(HOOK.with_name("libdhcp_ha.so")), "parameters": parameters}]
    kea.write(**{"hooks-libraries": hooks})
    kea.restart()
    assert kea.run_lfc("rotate") == FAILED
    assert "half of a pair, where a reload stops DHCP: deploy again" in message(kea)
    assert kea.leftovers() == []


def test_a_refused_reload_renames_the_lease_file_back(kea: Server) -> None:
    kea.add([1])
    good = kea.config.read_text()

    def spoil(step: str) -> None:
        if step == "reload Kea":
            kea.config.write_text("{")

    assert kea.run_lfc("rotate", spoil) == FAILED
    assert "Kea refused to reload" in message(kea)
    assert kea.leftovers() == []
    kea.config.write_text(good)
    assert serves(kea)
    assert kea.run_lfc("rotate") == DONE


def test_a_configuration_changed_after_kea_read_it_is_not_brought_into_force(kea: Server) -> None:
    kea.add([1])
    until(lambda: kea.ask("status-get")["arguments"]["reload"] > 1, "two seconds since Kea read its configuration")
    kea.write(**{"valid-lifetime": 77})
    assert kea.run_lfc("rotate") == FAILED
    assert f"{kea.config} was changed after Kea read it" in message(kea)
    assert kea.ask("config-get")["arguments"]["Dhcp4"]["valid-lifetime"] != 77
    assert serves(kea)
    assert kea.run_lfc("rotate") == DONE


def test_an_included_file_changed_after_kea_read_it_is_not_brought_into_force(kea: Server) -> None:
    included = kea.path / "lifetime.json"
    included.write_text("66")
    kea.write(**{"valid-lifetime": "included"})
    kea.config.write_text(kea.config.read_text().replace('"included"', f'<?include "{included}"?>'))
    kea.restart()
    kea.add([1])
    assert kea.run_lfc("rotate") == DONE
    until(lambda: kea.ask("status-get")["arguments"]["reload"] > 1, "two seconds since Kea read its configuration")
    included.write_text("77")
    assert kea.run_lfc("rotate") == FAILED
    assert f"{included} was changed after Kea read it" in message(kea)
    assert kea.ask("config-get")["arguments"]["Dhcp4"]["valid-lifetime"] == 66


def test_a_kea_that_opens_another_lease_file(kea: Server) -> None:
    kea.add([1, 2])
    expected = kea.leases()

    def rename(step: str) -> None:
        if step == "reload Kea":
            kea.write(**{"lease-database": {"type": "memfile", "name": str(kea.path / "other.csv")}})

    assert kea.run_lfc("rotate", rename) == FAILED
    assert f"Kea reloaded and opened another lease file than {kea.files.current}" in message(kea)
    assert kea.leftovers() == []
    kea.write()
    kea.ask("config-reload")
    assert kea.leases() == expected
    assert serves(kea)


def test_a_kea_that_dies_in_the_reload(kea: Server) -> None:
    kea.add([1, 2])
    expected = kea.leases()

    def kill(step: str) -> None:
        if step == "reload Kea":
            kea.process.kill()
            kea.process.wait()

    assert kea.run_lfc("rotate", kill) == FAILED
    assert "Kea does not answer config-reload" in message(kea)
    kea.start()
    assert kea.leases() == expected
    assert kea.run_lfc("rotate") == DONE
    assert serves(kea)


def test_a_kea_that_does_not_run(kea: Server) -> None:
    kea.add([1])
    kea.stop()
    assert kea.run_lfc("rotate") == FAILED
    assert "look whether it runs, and start it" in message(kea)
    assert os.path.exists(kea.files.current)


def test_a_kea_that_writes_elsewhere(kea: Server, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(COLUMNS)
    assert kea.run_lfc("rotate", **{"lease-file": str(other)}) == FAILED
    assert f"Kea does not write to {other}" in message(kea)
    assert other.exists()


def test_kea_lfc_does_not_run_on_a_renamed_file_that_is_still_written_to(kea: Server) -> None:
    kea.add([1])
    with open(kea.files.current, "a"):
        assert kea.run_lfc("rotate") == FAILED
        assert "is still written to after Kea's reload: restart Kea" in message(kea)
        assert kea.leftovers() == [".1"]
        assert kea.run_lfc("rotate") == FAILED, "the next run reloads Kea again, and finds the same"
        assert f"{kea.files.rotated} is written to: restart Kea" in message(kea)
    assert kea.run_lfc("rotate") == DONE
    assert kea.state()["outcome"] == "finished"
    assert serves(kea)


def test_a_reader_is_no_writer(kea: Server) -> None:
    """The lease monitor, for example, reads the file all the time."""
    kea.add([1])
    with open(kea.files.current):
        assert kea.run_lfc("rotate") == DONE


def test_an_error_of_the_operating_system_is_reported_in_one_sentence(kea: Server) -> None:
    assert kea.run_lfc("rotate", **{"lease-file": "/nowhere/kea-leases4.csv"}) == FAILED
    assert "No such file or directory: '/nowhere/.kea-leases4.csv.lock'" in message(kea)


@pytest.mark.parametrize("strategy", ["rotate", "finish"])
def test_an_interrupted_run_is_left_until_kea_has_loaded_it(
    kea: Server, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A starting Kea first looks for kea-lfc's PID file and then loads .2 and .1, one after the other."""
    monkeypatch.setattr(strategies, "_JUST_ROTATED", 0.0)
    kea.add([1])
    kea.stop()
    os.rename(kea.files.current, kea.files.rotated)
    assert kea.run_lfc(strategy, **{"lfc-interval": "3600"}) == FAILED
    assert "Kea does not answer status-get" in message(kea)
    assert kea.leftovers() == [".1"]
    kea.start()
    assert kea.run_lfc(strategy, **{"lfc-interval": "3600"}) == DONE
    assert kea.state()["outcome"] == "finished"
    assert serves_still(kea)


def test_the_configuration_is_tested_before_the_reload_that_finishes_an_interrupted_run(kea: Server) -> None:
    kea.add([1])
    good = kea.config.read_text()
    with open(kea.files.current, "a"):
        assert kea.run_lfc("rotate") == FAILED
        kea.config.write_text("{")
        assert kea.run_lfc("rotate") == FAILED
        assert f"mend {kea.config}, nothing was done" in message(kea)
    kea.config.write_text(good)
    assert kea.run_lfc("rotate") == DONE
    assert serves(kea)


def test_a_hanging_lfc_run_of_kea_itself_is_no_success(kea: Server) -> None:
    until(lambda: kea.ask("status-get")["arguments"]["uptime"] > 2, "an uptime of two intervals")
    with hanging(kea.files):
        assert kea.run_lfc("finish", **{"lfc-interval": "3600"}) == DONE
        assert kea.run_lfc("finish", **{"lfc-interval": "1"}) == FAILED
    assert "has finished no LFC run for two of its intervals" in message(kea)


def test_a_report_that_cannot_be_written_is_a_failure(kea: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert kea.run_lfc("rotate", **{"state-directory": "/nowhere"}) == FAILED
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("failed by strategy rotate (asked for): the report cannot be written (")
    assert last.endswith("make room or mend /nowhere, then run this again")


def test_a_lock_that_another_user_holds_on_the_directory_delays_no_report(kea: Server) -> None:
    kea.path.chmod(0o755)
    # Each user may open the state directory of the unit, so this is one without rights.
    code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(kea.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as foreign:
        assert foreign.stdout
        foreign.stdout.readline()
        assert kea.run_lfc("rotate") == DONE
        foreign.communicate(b"\n")
    assert stat.S_IMODE((kea.path / report.LOCK).stat().st_mode) == 0o600


def test_a_report_that_another_run_keeps_locked_is_a_failure(
    kea: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report, "LOCK_TIMEOUT", 0.2)
    with locks.held(str(kea.path / report.LOCK), 0):
        assert kea.run_lfc("rotate") == FAILED
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.search(
        rf"the report cannot be written \(.*{report.LOCK} is still locked .* by process {os.getpid()} ", last
    )


def test_the_last_success_stays_known_after_a_failure(kea: Server) -> None:
    kea.add([1])
    assert kea.run_lfc("rotate") == DONE
    success = kea.state()["finished"]
    kea.stop()
    assert kea.run_lfc("rotate") == FAILED
    found = json.loads((kea.path / "state4.json").read_text())
    assert found["last_success"] == success < found["finished"]


def test_the_figures_of_the_last_lfc_run_stay_known(kea: Server) -> None:
    kea.add([1, 2])
    kea.add([1], "update", 2000000100)
    assert kea.run_lfc("rotate") == DONE
    kea.stop()
    assert kea.run_lfc("rotate") == FAILED
    found = kea.state()
    assert (found["outcome"], found["rows_before"], found["rows_after"]) == ("failed", 3, 2)
    assert found["bytes_before"] > found["bytes_after"] > 0
    metrics = (kea.path / "kea_lfc4.prom").read_text()
    assert 'kea_lfc_rows_before{family="4"} 3' in metrics
    assert 'outcome="failed"' in metrics


def test_a_kea_lfc_that_hangs_is_killed_and_reported(kea: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    kea.add([1])
    expected = kea.leases()
    hangs = kea.path / "kea-lfc"
    hangs.write_text("#!/bin/sh\nexec sleep 100\n")
    hangs.chmod(0o755)
    monkeypatch.setattr(kea_lfc, "DEADLINE", 0.3)
    assert kea.run_lfc("rotate", **{"kea-lfc": str(hangs)}) == FAILED
    assert "kea-lfc did not end within 0 s and was killed: look whether the disk" in message(kea)
    monkeypatch.undo()
    assert kea.run_lfc("rotate") == DONE
    assert kea.state()["outcome"] == "finished"
    assert kea.leases() == expected


def test_a_lock_that_is_held_for_too_long_is_a_failure(kea: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lock(kea.files.current) as lock:
        assert lock.take()
        assert kea.run_lfc("rotate") == BUSY
        since = kea.state()["busy_since"]
        assert kea.run_lfc("rotate") == BUSY
        monkeypatch.setattr(kea_lfc, "DEADLINE", 0.0)
        for again in (False, True):
            assert kea.run_lfc("rotate") == FAILED, again
            assert kea.state()["busy_since"] == since
        assert re.search("holds .*; nothing was done, and so it was for 0 s: look what that waits for", message(kea))
    monkeypatch.undo()
    assert kea.run_lfc("rotate") == DONE
    assert kea.state()["busy_since"] is None
