# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program that waits until a move of leases is under way, and kills its process as a power cut would."""

from __future__ import annotations

import contextlib
import json
import os
import signal

DIRECTORY = "/var/lib/baremetal-kea"


def under_way() -> bool:
    """Return whether a move has begun and not finished."""
    with contextlib.suppress(OSError), open(f"{DIRECTORY}/lease-move.json", encoding="utf-8") as file:
        return bool(json.load(file)["unfinished"])
    return False


def holder() -> int:
    """Return the ID of the process that holds the lock of the move; 0 if there is none.

    This reads the kernel's list of locks. A root without CAP_SYS_PTRACE cannot read /proc/PID/fd of a process that was
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
