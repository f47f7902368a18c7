# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lies in wait until a move carries leases, and kills the process that does it as a power cut would."""

from __future__ import annotations

import contextlib
import json
import os
import signal

DIRECTORY = "/var/lib/baremetal-kea"


def under_way() -> bool:
    with contextlib.suppress(OSError), open(f"{DIRECTORY}/lease-move.json", encoding="utf-8") as file:
        return bool(json.load(file)["unfinished"])
    return False


def holder() -> int:
    """The process that has the lock of the move; 0 for none.

    The kernel's own list, because /proc/PID/fd is closed to a root without CAP_SYS_PTRACE once that process has been
    another user for a moment, as the move is for its sessions with PostgreSQL.
    """
    with contextlib.suppress(FileNotFoundError), open("/proc/locks", encoding="ascii") as locks:
        inode = os.stat(f"{DIRECTORY}/lease-move.lock").st_ino
        for words in map(str.split, locks):
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                return int(words[4])
    return 0


def main() -> None:
    pid = 0
    while not pid:
        pid = holder() if under_way() else 0
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
