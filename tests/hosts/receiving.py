# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server of the site, with TLS, on the host that plays the BMCs."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import tarfile
from base64 import b64encode
from pathlib import Path
from typing import Any

from host import SCRIPTS, Host, wait
from support.certificates import Authority
from support.paths import ROOT

NAME, PORT = "receiver.example.org", 8443
CA_FILE = "/etc/ssl/certs/receiver-ca.pem"
"""The authority of its certificate, on the host of the monitor."""
DIRECTORY = "/root/receiver"
KEPT = f"{DIRECTORY}/requests"


class DistantReceiver:
    """It runs as a unit of systemd there. The host of the monitor knows its name and trusts its authority."""

    url = f"https://{NAME}:{PORT}/leases"

    def __init__(self, host: Host, directory: Path) -> None:
        self._host = host
        authority = Authority(directory, "ca")
        certificate = authority.issue("receiver", host=NAME)
        files = [ROOT / "tests/support" / name for name in ("__init__.py", "certificates.py", "receiver.py")]
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in files:
                archive.add(path, f"support/{path.name}")
            for path in (SCRIPTS / "receive.py", certificate.path, certificate.key):
                archive.add(path, path.name)
        unpack = f"mkdir -p {DIRECTORY}; rm -f {KEPT}; base64 -d | tar -xC {DIRECTORY}; hostname -I"
        self._address = host.run_on_bmcs("sh", "-ec", unpack, stdin=b64encode(packed.getvalue()).decode()).split()[0]
        # The file of a container cannot be replaced, so no sed -i.
        host.run("sh", "-ec", f"cat >{CA_FILE}; echo {self._address} {NAME} >>/etc/hosts", stdin=authority.own.pem)

    def start(self) -> None:
        words = f"python3 receive.py {self._address} {PORT} receiver.pem receiver.key {KEPT}"
        unit = f"systemd-run --quiet --collect --unit receiver --working-directory {DIRECTORY} {words}"
        self._host.run_on_bmcs("sh", "-ec", unit)
        wait(lambda: self._host.run_on_bmcs("ss", "-Hltn", f"sport = :{PORT}"), "the receiver")

    def stop(self) -> None:
        self._host.run_on_bmcs("systemctl", "stop", "receiver")

    def requests(self) -> list[dict[str, Any]]:
        """Return all requests so far."""
        return [json.loads(line) for line in self._host.run_on_bmcs("cat", KEPT, check=False).splitlines()]

    def events(self, address: str) -> list[dict[str, Any]]:
        """Return the events about an address."""
        found = [event for request in self.requests() for event in json.loads(request["body"])["events"]]
        return [event for event in found if event["lease"]["address"] == address]


def is_signed(request: dict[str, Any], secret: str) -> bool:
    """Return whether both signatures of a request are those of a secret."""
    headers, body = request["headers"], request["body"]
    made = {
        name: "sha256=" + hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        for name, signed in (
            ("x-kea-signature", f"{headers['x-kea-timestamp']}.{body}"),
            ("x-hub-signature-256", body),
        )
    }
    return all(hmac.compare_digest(headers[name], signature) for name, signature in made.items())
