# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs kea-lfc and reads its messages. Its exit code proves nothing (kea-facts 3.2): see the module diagnosis."""

from __future__ import annotations

import re
import subprocess
from typing import List, NamedTuple

from _kea import program
from _kea.lease_file import LeaseFile

from kea_lfc_cleanup.errors import LfcError
from kea_lfc_cleanup.kea import Kea

DEADLINE = 3600.0
"""Seconds after which a kea-lfc that has not ended counts as hanging."""

_ERROR = re.compile(r" (?:ERROR|FATAL) +\[[^\]]*\] \S+ :? ?(.*)")
_DISCARDED = re.compile(r"LFC_READ_STATS .*errors: (\d+)")


class Output(NamedTuple):
    """What a kea-lfc wrote, and the signal that killed it."""

    killed_by: int
    """Number of the signal, or 0."""
    errors: List[str]
    discarded: int
    """Number of rows that it could not read and left out; Kea leaves out the same rows when it loads the file."""


def run(kea: Kea, files: LeaseFile, lock: int) -> Output:
    """Run kea-lfc on the files that exist, and return its output.

    It inherits the lock with the descriptor C(lock), so that Kea is not reloaded while it runs, even if this program is
    killed. Raises LfcError if it does not end within C(DEADLINE).
    """
    command = [kea.lfc, f"-{kea.family}", "-d", "-p", files.pid, "-x", files.previous, "-i", files.rotated]
    command += ["-o", files.output, "-f", files.completed, "-c", "ignored"]
    try:
        result = program.run(command, DEADLINE, [lock])
    except subprocess.TimeoutExpired as error:
        raise LfcError(
            f"kea-lfc did not end within {error.timeout:.0f} s and was killed: look whether the disk of "
            f"{files.current} answers, then run this again (no row of a lease is lost)"
        ) from error
    discarded = sum(int(number) for number in _DISCARDED.findall(result.output))
    return Output(max(0, -result.code), _ERROR.findall(result.output), discarded)
