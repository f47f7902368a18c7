# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the trace of a deployment calls unsafe, from a real strace of a process of root."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.programs import need
from support.trace import OPTIONS, Trace, Tree, unsafe

pytestmark = pytest.mark.slow

ACTS = """
import os, subprocess, sys
foreign, own = sys.argv[1:]
open(own + "/by-path", "w").close()
held = os.open(foreign, os.O_RDONLY | os.O_DIRECTORY)
os.close(os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=held))
os.close(os.open("held", os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, dir_fd=held))
os.rename("held", "renamed", src_dir_fd=held, dst_dir_fd=held)
os.unlink("renamed", dir_fd=held)
open(foreign + "/by-path", "w").close()
os.close(os.open("follows", os.O_CREAT | os.O_WRONLY, dir_fd=held))
os.chmod(own + "/link/changed", 0o600)
subprocess.run(["touch", "relative"], cwd=foreign, check=True)
subprocess.run(["touch", foreign + "/as-its-owner"], user=65534, group=65534, extra_groups=[], check=True)
"""


def test_what_root_does_by_a_path_that_another_user_may_replace_is_found(tmp_path: Path) -> None:
    own, foreign, log = (tmp_path / name for name in ("own", "foreign", "log"))
    for directory in (own, foreign, log):
        directory.mkdir()
    (foreign / "changed").touch()
    (own / "link").symlink_to(foreign)
    os.chown(foreign, 65534, 65534)
    temporary = Path(tempfile.gettempdir())
    for parent in (tmp_path, *(one for one in tmp_path.parents if one.is_relative_to(temporary) and one != temporary)):
        parent.chmod(parent.stat().st_mode | 0o055)
    # In a namespace of its own, as a container's processes are.
    command = ["unshare", "--pid", "--fork", sys.executable, "-c", ACTS, foreign, own]
    strace = [need("strace"), *OPTIONS, "-o", log / "trace", *command]
    with subprocess.Popen(strace) as process:
        pass
    assert process.returncode == 0
    first = min(int(path.suffix[1:]) for path in log.iterdir())
    found = [line.replace(str(tmp_path), "") for line in unsafe(Trace(log, first).acts(), Tree().is_of_root)]
    assert [re.sub("^python[0-9.]*", "python", line) for line in found] == [
        "python: chmod /own/link/changed",
        "python: openat /foreign/by-path",
        "python: openat /foreign/follows",
        "touch: openat /foreign/relative",
    ]
