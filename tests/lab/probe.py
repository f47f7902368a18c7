# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Record when each address first appears in each of several text files, which are read each millisecond.

It shares no code with the monitor that it measures. Exits on SIGTERM (its process ID is in /run/probe.pid), and then
prints for each file when each address with the given prefix was first seen, in seconds since the epoch.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time


def main() -> None:
    prefix, paths = sys.argv[1], sys.argv[2:]
    pattern = re.compile(rb"\b" + re.escape(prefix).encode() + rb"[0-9.]+")
    seen: dict[str, dict[str, float]] = {path: {} for path in paths}
    known: dict[str, tuple[int, int]] = {}
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    with open("/run/probe.pid", "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    while running:
        time.sleep(0.001)
        for path in paths:
            try:
                status = os.stat(path)
            except FileNotFoundError:
                continue
            if known.get(path) == (status.st_ino, status.st_size):
                continue
            now = time.time()
            # Read only what was appended since; read a replaced file from its start.
            inode, size = known.get(path, (0, 0))
            with open(path, "rb") as leases:
                leases.seek(size if inode == status.st_ino and status.st_size > size else 0)
                for address in pattern.findall(leases.read(status.st_size)):
                    seen[path].setdefault(address.decode(), now)
            known[path] = (status.st_ino, status.st_size)
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
