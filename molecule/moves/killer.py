# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lies in wait until a move carries leases, and kills the process that does it as a power cut would."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal

DIRECTORY = "/var/lib/baremetal-kea"


def under_way() -> bool:
    with contextlib.suppress(OSError), open(f"{DIRECTORY}/lease-move.json", encoding="utf-8") as file:
        return bool(json.load(file)["unfinished"])
    return False


def holder() -> int:
    """The Python process with the lock of the move open; 0 for none."""
    for link in glob.glob("/proc/[0-9]*/fd/*"):
        pid = link.split("/")[2]
        with contextlib.suppress(OSError):
            if os.readlink(link) == f"{DIRECTORY}/lease-move.lock" and "python" in os.readlink(f"/proc/{pid}/exe"):
                return int(pid)
    return 0


def main() -> None:
    pid = 0
    while not pid:
        pid = holder() if under_way() else 0
    os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
