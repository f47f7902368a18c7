# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each strategy with a real Kea 2.2 that grants, renews and removes leases at every step."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kea_lfc_cleanup import strategies
from kea_lfc_cleanup.cli import BUSY, DONE, FAILED
from support.paths import program_environment
from support.programs import need
from support.wait import until

from lfc.world import COLUMNS, Server, row

pytestmark = pytest.mark.slow  # each test starts programs, for seconds

ROTATE = [
    "look for traces of a killed run",
    "test the configuration",
    "rename the lease file",
    "reload Kea",
    "check that no process writes to the renamed file",
    "run kea-lfc",
    "record the result",
]


@pytest.mark.parametrize("family", [4, 6])
def test_rotate_keeps_every_lease_that_changes_during_the_run(tmp_path: Path, family: int) -> None:
    kea = Server(tmp_path, family)
    kea.start()
    try:
        kea.add(range(1, 21))
        steps: list[str] = []

        def busy(step: str) -> None:
            number = 100 + len(steps)
            steps.append(step)
            kea.add([number])
            kea.add([1], "update", 2000001000 + number)
            kea.delete(1 + len(steps))

        assert kea.run_lfc("rotate", busy) == DONE
        assert steps == ROTATE
        before = kea.leases()
        assert len(before) == 20
        kea.restart()
        assert kea.leases() == before
        assert kea.leftovers() == []
    finally:
        kea.stop()


def test_a_run_is_reported_in_journal_state_and_metrics(kea: Server, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        kea.add([1], "update" if number else "add", 2000000000 + number)
    size = os.path.getsize(kea.files.current)
    assert kea.run_lfc("rotate", why="asked for by a test") == DONE
    found = kea.state()
    assert (found["rows_before"], found["rows_after"], found["rows_discarded"]) == (5, 1, 0)
    assert found["bytes_before"] == size
    assert found["bytes_after"] == os.path.getsize(kea.files.previous)
    assert (found["outcome"], found["strategy"]) == ("cleaned", "rotate")
    assert found["last_success"] == found["finished"]
    assert 0 < found["reload_seconds"] < found["seconds"]
    assert "cleaned by strategy rotate (asked for by a test): 5 rows became 1" in capsys.readouterr().out
    metrics = (kea.path / "kea_lfc4.prom").read_text()
    assert 'kea_lfc_rows_before{family="4"} 5\n' in metrics
    assert 'kea_lfc_last_run{family="4",strategy="rotate",outcome="cleaned"} 1\n' in metrics


def test_several_runs_in_succession(kea: Server) -> None:
    for number in range(1, 4):
        kea.add([number])
        assert kea.run_lfc("rotate") == DONE
    assert len(kea.leases()) == 3
    assert kea.state()["rows_before"] == 3


def test_a_second_run_at_the_same_time_does_nothing(kea: Server) -> None:
    kea.add([1])
    codes: list[int] = []

    def second(step: str) -> None:
        if step == "run kea-lfc":
            done = subprocess.run(
                [sys.executable, "-m", "kea_lfc_cleanup", *kea.words("rotate")],
                env=program_environment(), capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert "nothing was done" in done.stdout
            codes.append(done.returncode)

    assert kea.run_lfc("rotate", second) == DONE
    assert codes == [BUSY]


def test_no_run_starts_while_a_play_holds_the_lock(kea: Server) -> None:
    with open(kea.files.lock, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert kea.run_lfc("rotate") == BUSY
        assert kea.state()["last_success"] is None
    assert kea.run_lfc("rotate") == DONE


def lock_is_free(path: str) -> bool:
    with open(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_a_killed_program_leaves_the_lock_to_its_kea_lfc(kea: Server) -> None:
    """kea-lfc is stopped as soon as it is seen, long before it could have read its rows."""
    Path(kea.files.rotated).write_text(f"{COLUMNS}\n" + "".join(map(row, range(50000))))
    source = (
        "import sys; from _kea.lease_file import LeaseFile, Lock\n"
        "from kea_lfc_cleanup import kea_lfc; from kea_lfc_cleanup.kea import Kea\n"
        "with Lock(sys.argv[1]) as lock:\n"
        "    assert lock.take()\n"
        "    kea_lfc.run(Kea(4, '', '', '', sys.argv[2]), LeaseFile(sys.argv[1]), lock.descriptor)"
    )
    command = [sys.executable, "-c", source, kea.files.current, need("kea-lfc")]
    with subprocess.Popen(command, env=program_environment(), start_new_session=True) as program:
        until(lambda: Path(kea.files.pid).exists() and Path(kea.files.pid).read_text().strip(), "kea-lfc")
        number = int(Path(kea.files.pid).read_text())
        os.kill(number, signal.SIGSTOP)
        program.kill()
        program.wait()
        assert kea.run_lfc("rotate") == BUSY
        assert "holds" in kea.state()["message"]
    os.kill(number, signal.SIGKILL)
    # The kernel closes a killed process's files a moment after it gave up its program.
    until(lambda: lock_is_free(kea.files.lock), "the lock of the killed kea-lfc")
    os.utime(kea.files.pid, (1, 1))
    assert kea.run_lfc("rotate") == DONE
    assert kea.state()["outcome"] == "finished"


def test_finish_does_nothing_if_no_run_was_interrupted(kea: Server) -> None:
    kea.add([1])
    assert kea.run_lfc("finish", **{"lfc-interval": "3600"}) == DONE
    assert kea.state()["outcome"] == "nothing"
    assert os.path.exists(kea.files.current)


@pytest.mark.parametrize("stopped_at", ["input", "completed"])
def test_finish_finishes_an_interrupted_run(kea: Server, stopped_at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kea.add([1])
    left = kea.files.rotated if stopped_at == "input" else kea.files.completed
    Path(left).write_text(f"{COLUMNS}\n{row(2)}{row(2, 2000000100)}")
    Path(kea.files.output).write_text("half a ro")
    assert kea.run_lfc("finish", **{"lfc-interval": "3600"}) == DONE, "nothing happens in the moment after a rotation"
    if stopped_at == "input":
        assert os.path.exists(left)
        monkeypatch.setattr(strategies, "_JUST_ROTATED", 0.0)
        assert kea.run_lfc("finish", **{"lfc-interval": "3600"}) == DONE
    assert kea.state()["outcome"] == "finished"
    assert kea.leftovers() == []
    assert row(2, 2000000100) in Path(kea.files.previous).read_text()
    kea.restart()
    assert len(kea.leases()) == 2


def test_finish_fails_if_kea_never_runs_its_lfc(kea: Server) -> None:
    until(lambda: kea.ask("status-get")["arguments"]["uptime"] > 2, "an uptime of two intervals")
    assert kea.run_lfc("finish", **{"lfc-interval": "1"}) == FAILED
    assert "has finished no LFC run for two of its intervals of 1 s" in kea.state()["message"]


def test_a_rotation_by_kea_itself_makes_the_run_busy(kea: Server) -> None:
    kea.add([1])

    def rotate(step: str) -> None:
        if step == "rename the lease file":
            Path(kea.files.rotated).write_text(f"{COLUMNS}\n")

    assert kea.run_lfc("rotate", rotate) == BUSY
    assert kea.leases()
    assert kea.run_lfc("rotate") == DONE
