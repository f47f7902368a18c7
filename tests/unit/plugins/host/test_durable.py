# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are whole at every moment: the program is killed before each system call that changes one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host import durable
from support.programs import need

REPLACE = """
import sys
sys.path[:0] = sys.argv[2:]
from ansible_collections.baremetal.kea.plugins.module_utils._host import durable
durable.replace(sys.argv[1], b"after" * 10000, 0o640)
"""


def test_mode_owner_and_content_are_as_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    before = os.umask(0o077)
    try:
        durable.replace(str(path), b"after", 0o644, (os.getuid(), os.getgid()))
    finally:
        os.umask(before)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o644)
    assert os.listdir(tmp_path) == ["a"]


def test_a_link_in_the_place_of_the_candidate_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("whole")
    (tmp_path / ".a.candidate").symlink_to(victim)
    durable.replace(str(tmp_path / "a"), b"new", 0o644)
    assert (victim.read_text(), (tmp_path / "a").read_text()) == ("whole", "new")


@pytest.mark.parametrize("call", ["fchmod", "write", "fsync", "rename"])
def test_killed_at_any_call_the_former_file_is_whole_and_the_next_run_works(tmp_path: Path, call: str) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    # Only the calls on these paths count, not those of Python itself.
    command = [need("strace"), "-f", "-o", "/dev/null", f"--inject={call}:signal=KILL:when=1"]
    command += ["-P", str(tmp_path / ".a.candidate"), sys.executable, "-c", REPLACE]
    done = subprocess.run([*command, str(path), *sys.path], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert path.read_text() == "before"
    durable.replace(str(path), b"again", 0o644)
    assert path.read_text() == "again"
