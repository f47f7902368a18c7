# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find and run the programs that the tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class ProgramError(Exception):
    """A program failed. The text has its command and its last output."""


def postgres_directory() -> Path:
    """Return the directory with the programs of the newest installed PostgreSQL."""
    found = list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "PostgreSQL is not installed; these tests run the real one"
    return max(found, key=lambda path: int(path.parts[-3])).parent


def need(name: str) -> str:
    """Return the path of a program. A missing one fails the test; no test is skipped for it.

    The system's directories come before PATH, where a test may have put a stand-in.
    """
    directories = [str(postgres_directory()), "/usr/sbin", "/usr/bin", os.environ.get("PATH", "")]
    found = shutil.which(name, path=os.pathsep.join(directories))
    assert found, f"{name} is not installed; these tests run the real one"
    return found


def run(*command: str | Path, stdin: str | None = None, check: bool = True, timeout: float | None = None) -> str:
    """Return a command's standard output. Raise ProgramError if it fails and ``check`` is set."""
    words = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)
    if check and done.returncode:
        raise ProgramError(
            f"{' '.join(words[:8])} exited with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout
