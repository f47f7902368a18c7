# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's programs, run for their result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from _kea import program
from _kea.lease_file import Lock
from lfc.world import need


def test_kea_accepts_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "kea.conf").write_text('{"Dhcp4": {"interfaces-config": {"interfaces": []}}}')
    assert program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf"), 60.0).code == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"Dhcp4": {"oops": 1}}', 'got unexpected keyword "oops" in Dhcp4 map'),
        ('{"Dhcp4": {"subnet4": [{"subnet": "none"}]}}', "none"),
        ("{", "syntax error"),
    ],
)
def test_kea_says_why_it_refuses_one(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "kea.conf").write_text(text)
    done = program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf"))
    assert done.code == 1
    assert why in done.last_line


def test_no_lock_file_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEA_LOCKFILE_DIR", str(tmp_path / "missing"))
    (tmp_path / "kea.conf").write_text('{"Dhcp4": {"interfaces-config": {"interfaces": []}}}')
    assert program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf")).code == 0


def test_a_program_that_does_not_finish_is_killed() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        program.run([sys.executable, "-c", "import signal; signal.pause()"], 0.2)


def test_output_and_errors_in_the_order_of_time() -> None:
    words = "import os; os.write(1, b'a\\n'); os.write(2, b'b\\xff\\n'); os.write(1, b'c\\n'); os.kill(os.getpid(), 9)"
    done = program.run([sys.executable, "-c", words])
    assert (done.code, done.output, done.last_line) == (-9, "a\nb\ufffd\nc\n", "c")


def test_a_program_without_a_word() -> None:
    assert program.run([sys.executable, "-c", ""]).last_line == "no message"


def test_a_lock_is_handed_on(tmp_path: Path) -> None:
    with Lock(str(tmp_path / "leases.csv")) as lock:
        words = f"import os; print(os.path.basename(os.readlink('/proc/self/fd/{lock.descriptor}')))"
        done = program.run([sys.executable, "-c", words], inherited=[lock.descriptor])
    assert done.last_line == os.path.basename(lock.path)
