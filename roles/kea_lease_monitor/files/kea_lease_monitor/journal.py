# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram with fields, so no library."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from typing import Mapping

SOCKET = "/run/systemd/journal/socket"

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


def is_connected() -> bool:
    """Return whether systemd connected standard error to the journal, by the rule of systemd.exec(5)."""
    status = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Handler whose records may have ``fields``: journal field names with their values."""

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__()
        self._path = path
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        priority = _PRIORITIES.get(record.levelno, 5)
        fields = {
            "MESSAGE": record.getMessage(),
            "PRIORITY": str(priority),
            "SYSLOG_IDENTIFIER": "kea-lease-monitor",
            **getattr(record, "fields", {}),
        }
        try:
            self._channel.sendto(datagram(fields), self._path)
        except OSError:
            # Too long for one datagram, or journald restarts: the stream that systemd connected accepts it.
            print(f"<{priority}>{record.getMessage()}", file=sys.stderr, flush=True)

    def close(self) -> None:
        self._channel.close()
        super().close()


def datagram(fields: Mapping[str, str]) -> bytes:
    """Return the fields in the journal's native format."""
    parts = []
    for name, text in fields.items():
        value = text.encode("utf-8", "backslashreplace")
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)
