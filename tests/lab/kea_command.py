# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a command over Kea's control channel: kea_command.py COMMAND [ARGUMENTS as JSON]. Prints Kea's answer."""

from __future__ import annotations

import json
import socket
import sys


def main() -> None:
    request = {"command": sys.argv[1], "arguments": json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("/run/kea/kea4-ctrl-socket")
        connection.sendall(json.dumps(request).encode())
        connection.shutdown(socket.SHUT_WR)
        print(b"".join(iter(lambda: connection.recv(65536), b"")).decode())


if __name__ == "__main__":
    main()
