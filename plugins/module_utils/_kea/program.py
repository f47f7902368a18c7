# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's programs, run for their result: ``kea-dhcp4 -t`` on a configuration, and kea-lfc."""

from __future__ import annotations

import os
import subprocess
from typing import List, NamedTuple, Optional, Sequence

ENVIRONMENT = {"KEA_LOCKFILE_DIR": "none"}
"""Variables for a program that is not the server: its log needs no lock file, and the directory for one exists only
while the server runs (kea-facts 3.6)."""


class Result(NamedTuple):
    """How a program ended and what it wrote."""

    code: int
    """Exit code, or the negative number of the signal that killed it."""
    output: str
    """Its standard output and its errors in the order of time."""

    @property
    def last_line(self) -> str:
        """Return the last line: where Kea says why it refuses a configuration."""
        return last_line(self.output)


def check_command(program: str, config: str) -> List[str]:
    """Return the command that has Kea check a configuration; its exit code is 0 if Kea accepts it.

    ``program`` is the path of kea-dhcp4 or kea-dhcp6. Run it as Kea's user and with ``ENVIRONMENT``.
    """
    return [program, "-t", config]


def check(program: str, config: str, timeout: Optional[float] = None) -> Result:
    """Have Kea check a configuration as this user; ``code`` of the result is 0 if Kea accepts it.

    ``timeout`` is in seconds, None for ever. Raises subprocess.TimeoutExpired, and OSError if the program cannot run.
    """
    return run(check_command(program, config), timeout)


def run(command: Sequence[str], timeout: Optional[float] = None, inherited: Sequence[int] = ()) -> Result:
    """Run one of Kea's programs with ``ENVIRONMENT``, and return its result.

    ``timeout`` is in seconds; the program is killed then, and subprocess.TimeoutExpired raised. ``inherited`` are file
    descriptors that stay open in the program, such as that of a lock. Raises OSError if the program cannot be run.
    """
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env={**os.environ, **ENVIRONMENT},
        pass_fds=inherited,
        timeout=timeout,
    )
    return Result(done.returncode, done.stdout.decode("utf-8", "replace"))


def last_line(output: str) -> str:
    """Return the last line of what a program wrote, ``no message`` if it wrote nothing."""
    return (output.strip().splitlines() or ["no message"])[-1]
