# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's notification protocol (sd_notify(3)).

It is one datagram. The Python bindings (python3-systemd) would replace these lines by a compiled dependency that a test
environment cannot install from source, so the monitor does without, here and in journal.py.
"""

from __future__ import annotations

import os
import socket
from typing import Optional


def notify(message: str) -> None:
    """Send a message to the service manager, if there is one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.connect(address)
            channel.sendall(message.encode())
        except OSError:
            return


def watchdog_interval() -> Optional[float]:
    """Return the seconds between two signs of life: a third of the watchdog's time. None without a watchdog."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 3e6 if microseconds.isdigit() and int(microseconds) else None
