# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a command to Kea over its control socket: control.py COMMAND [ARGUMENTS as JSON] [SOCKET]. Prints Kea's answer.

Tests run this file on hosts too, alone: it imports the standard library only.
"""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

SOCKET = "/run/kea/kea4-ctrl-socket"


def ask(path: str, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a command. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(json.dumps({"command": command, "arguments": arguments}).encode())
        connection.shutdown(socket.SHUT_WR)
        answer: dict[str, Any] = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    return answer


def main() -> None:
    command, arguments, path = [*sys.argv[1:], *("{}", SOCKET)[len(sys.argv) - 2 :]]
    print(json.dumps(ask(path, command, json.loads(arguments))))


if __name__ == "__main__":
    main()
