# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd's notification protocol (sd_notify(3)): one datagram, so no library is needed for it."""

from __future__ import annotations

import os
import socket
from typing import Optional


def notify(message: str) -> None:
    """Tell the service manager. Without one, or with one that went away, this does nothing."""
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
    """Seconds between two signs of life, a third of what systemd asks for; None when it asks for none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 3e6 if microseconds.isdigit() and int(microseconds) else None
