# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep NetBox's IP addresses in step with leases: a command for the sink exec of the lease monitor.

python3 lease_to_netbox.py --url https://netbox.example.org --token-file FILE [--ca-file FILE]

Standard input is the sink's document. An address that this command created has a description that begins with
"kea-lease-monitor". Any other one is a person's and is left alone. docs/netbox.md describes it.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

MARK = "kea-lease-monitor"
STATUSES = {
    **dict.fromkeys(("assigned", "renewed", "changed"), "dhcp"),
    # The monitor's reservation keeps the address for the client until the client is forgotten.
    **dict.fromkeys(("released", "declined", "expired", "reclaimed", "deleted"), "reserved"),
    "forgotten": None,
}
"""NetBox's status of an address after an event; None removes the address. Other kinds change nothing."""
TIMEOUT = 10
"""Seconds for one answer of NetBox."""


class NetBox:
    """The API of NetBox. Methods raise OSError; urllib.error.HTTPError is one."""

    def __init__(self, url: str, token: str, context: ssl.SSLContext | None) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._context = context

    def find(self, address: str) -> dict[str, Any] | None:
        """Return the object of an address, with whatever mask; None if there is none."""
        found = self._list("ip-addresses", address=address)
        return found[0] if found else None

    def length(self, address: str) -> int:
        """Return the length of the longest prefix that contains the address; that of one host if there is none."""
        lengths = [int(each["prefix"].rpartition("/")[2]) for each in self._list("prefixes", contains=address)]
        return max(lengths, default=128 if ":" in address else 32)

    def create(self, values: dict[str, Any]) -> None:
        self._call("POST", "ip-addresses/", values)

    def change(self, number: int, values: dict[str, Any]) -> None:
        self._call("PATCH", f"ip-addresses/{number}/", values)

    def remove(self, number: int) -> None:
        self._call("DELETE", f"ip-addresses/{number}/")

    def _list(self, kind: str, **filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._call("GET", f"{kind}/?{urllib.parse.urlencode(filters)}")["results"]
        return found

    def _call(self, method: str, path: str, values: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self._url}/api/ipam/{path}",
            method=method,
            data=None if values is None else json.dumps(values).encode(),
            headers={"Authorization": f"Token {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT, context=self._context) as answer:
            return json.loads(answer.read() or b"null")


def follow(netbox: NetBox, event: dict[str, Any]) -> None:
    """Bring the address of an event into step. Doing so again changes nothing. Raises OSError."""
    lease = event["lease"]
    if event["kind"] not in STATUSES or lease["lease_type"] == 2:
        return
    status = STATUSES[event["kind"]]
    found = netbox.find(lease["address"])
    if found and not found["description"].startswith(MARK):
        return
    client = lease["hwaddr"] or lease["client_id"] or lease["duid"]
    values = {"status": status, "dns_name": lease["hostname"].rstrip("."), "description": f"{MARK} {client}"}
    if status is None:
        if found:
            netbox.remove(found["id"])
    elif found is None:
        # The end of a lease that NetBox never had is no news.
        if status == "dhcp":
            netbox.create({**values, "address": f"{lease['address']}/{netbox.length(lease['address'])}"})
    else:
        # Kea clears the name and the client of a lease that it reclaims.
        told = values if status == "dhcp" else {"status": status}
        present = {**found, "status": found["status"]["value"]}
        if any(present[key] != value for key, value in told.items()):
            netbox.change(found["id"], told)


def last_of_each(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last event of each address, in order."""
    last = {event["lease"]["address"]: event for event in events if event["kind"] in STATUSES}
    return list(last.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--ca-file")
    options = parser.parse_args()
    try:
        with open(options.token_file, encoding="utf-8") as file:
            token = file.read().strip()
        context = ssl.create_default_context(cafile=options.ca_file) if options.url.startswith("https") else None
        netbox = NetBox(options.url, token, context)
        for event in last_of_each(json.load(sys.stdin)["events"]):
            follow(netbox, event)
    except urllib.error.HTTPError as error:
        said = error.read(200).decode("utf-8", "replace")
        print(f"NetBox answered {error.code} to {error.url}: {said}", file=sys.stderr)
        # 400 is about the event, which will never be accepted; anything else may pass.
        return os.EX_DATAERR if error.code == 400 else os.EX_TEMPFAIL
    except (OSError, ValueError, KeyError) as error:
        print(f"NetBox at {options.url}: {type(error).__name__}: {error}", file=sys.stderr)
        return os.EX_TEMPFAIL
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
