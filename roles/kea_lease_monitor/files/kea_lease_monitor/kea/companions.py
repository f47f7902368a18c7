# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease file with its companions, whose generation changes with each rotation and LFC run."""

from __future__ import annotations

import os
import zlib
from typing import Optional, Tuple

from _kea.lease_file import LeaseFile, default_path

DEFAULT_PATH = default_path(4)
"""The lease file of a DHCPv4 server whose configuration names none."""


class LeaseFiles(LeaseFile):
    """A lease file with its companions."""

    def generation(self) -> int:
        """Return a number that differs once a rotation or an LFC run began or ended.

        Both create, rename and remove the companions. A bookmark stores the number, so its formula must not change.
        """
        stamps = [_stamp(path) for path in (self.previous, self.rotated, self.completed)]
        return zlib.crc32(repr(stamps).encode())


def _stamp(path: str) -> Optional[Tuple[int, int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
