# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receive requests by HTTPS on a test host: receive.py ADDRESS PORT CERTIFICATE KEY FILE.

It appends each request to the file, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from support.certificates import Certificate
from support.receiver import Answer, Receiver, Request


def main(address: str, port: str, certificate: str, key: str, file: str) -> None:
    def keep(request: Request) -> Answer:
        with Path(file).open("a", encoding="utf-8") as kept:
            kept.write(json.dumps({**request._asdict(), "body": request.body.decode()}) + "\n")
        return Answer()

    Receiver(Certificate(Path(certificate), Path(key)), (address, int(port))).answer = keep
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
