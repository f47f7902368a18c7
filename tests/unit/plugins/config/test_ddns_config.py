# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of D2 (kea-dhcp-ddns): merged by natural keys, tested by the real D2, and taken back."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.servers import DDNS, has_leases, top_of_path
from ansible_collections.baremetal.kea.plugins.module_utils._config.syntax import Include
from support.modules import run_module

pytestmark = pytest.mark.kea

SITE = """{
// Names of the offices; ask the network team.
"DhcpDdns": {
  "ip-address": "127.0.0.1", "port": 53001,
  "tsig-keys": [ { "name": "Office.Example", "algorithm": "HMAC-SHA256", "secret": "b2ZmaWNlIGtleSBvZiBhIHRlc3Q=" } ],
  "forward-ddns": { "ddns-domains": [
    { "name": "office.example.", "key-name": "Office.Example", // theirs
      "dns-servers": [ { "ip-address": "192.0.2.53" } ] }
  ] },
  "reverse-ddns": {}
}
}
"""
SERVERS = [{"ip-address": "192.0.2.53"}]
SECRET = "c2VjcmV0IG9mIGEgdGVzdA=="


class D2:
    """A configuration of D2 in a directory like /etc/kea."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "kea-dhcp-ddns.conf"
        self.path.write_text(SITE)
        self.key = directory / "kea.example.json"
        self.key.write_text(json.dumps(SECRET))
        self.key.chmod(0o400)
        kea = pwd.getpwnam("_kea")
        for path in (self.path, self.key):
            os.chown(path, kea.pw_uid, kea.pw_gid)

    def merge(self, **options: Any) -> dict[str, Any]:
        record = str(self.path.parent / "record.json")
        return run_module("kea_config", path=str(self.path), kea_user="_kea", backup=False, record=record, **options)

    def value(self, *path: str) -> Any:
        return Document(self.path.read_text()).get((DDNS, *path))

    def wanted(self) -> dict[str, Any]:
        """Return an own key and zone, and a further server of the site's zone, named in another spelling."""
        return {
            "tsig-keys": [
                {"name": "kea.example.", "algorithm": "HMAC-SHA256", "secret": {"<?include?>": str(self.key)}}
            ],
            "forward-ddns": {
                "ddns-domains": [
                    {"name": "bmc.example.", "key-name": "kea.example.", "dns-servers": [{"ip-address": "192.0.2.53"}]},
                    {
                        "name": "Office.example.",
                        "dns-servers": [{"ip-address": "192.0.2.53", "port": 53}, {"ip-address": "192.0.2.54"}],
                    },
                ]
            },
        }


@pytest.fixture
def d2(directory: Path) -> D2:
    return D2(directory)


def test_the_configuration_of_d2_is_known_by_its_name() -> None:
    assert top_of_path("/etc/kea/kea-dhcp-ddns.conf") == DDNS
    assert not has_leases(DDNS)


def test_zones_servers_and_keys_are_merged_by_their_natural_keys_and_taken_back(d2: D2) -> None:
    preview = d2.merge(merge=d2.wanted(), check=True)
    assert d2.path.read_text() == SITE
    applied = d2.merge(merge=d2.wanted())
    assert not applied["failed"], applied
    assert preview["diff"] == applied["diff"]
    office, own = d2.value("forward-ddns", "ddns-domains")
    assert office["name"] == "office.example."
    # The port is the default that the site left out.
    assert office["dns-servers"] == [{"ip-address": "192.0.2.53", "port": 53}, {"ip-address": "192.0.2.54"}]
    assert own["name"] == "bmc.example."
    assert [one["name"] for one in d2.value("tsig-keys")] == ["Office.Example", "kea.example."]
    assert d2.value("tsig-keys")[1]["secret"] == Include(str(d2.key))
    assert "// theirs" in d2.path.read_text()
    assert not d2.merge(merge=d2.wanted())["changed"]

    back = d2.merge()
    assert (back["failed"], back["changed"]) == (False, True)
    assert d2.value() == Document(SITE).get((DDNS,))


def test_the_path_of_a_key_is_shown_and_its_secret_is_not(d2: D2) -> None:
    applied = d2.merge(merge=d2.wanted())
    assert str(d2.key) in applied["diff"]["after"]
    assert "b2ZmaWNlIGtleSBvZiBhIHRlc3Q=" not in str(applied)


def test_a_secret_of_the_site_is_replaced_by_a_file_of_the_same_key(d2: D2) -> None:
    key = {"name": "office.example.", "secret": {"<?include?>": str(d2.key)}}
    assert d2.merge(merge={"tsig-keys": [key]})["changed"]
    found = [{"name": "Office.Example", "algorithm": "HMAC-SHA256", "secret": Include(str(d2.key))}]
    assert d2.value("tsig-keys") == found


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"tsig-keys": [{"name": "k.", "algorithm": "HMAC-SHA256", "secret": "#"}]}, "base64"),
        ({"dns-server-timeout": -1}, "dns-server-timeout"),
        (
            {
                "reverse-ddns": {
                    "ddns-domains": [{"name": "10.in-addr.arpa.", "key-name": "none.", "dns-servers": SERVERS}]
                }
            },
            "none",
        ),
    ],
)
def test_what_d2_refuses_changes_nothing(values: dict[str, Any], words: str, d2: D2) -> None:
    refused = d2.merge(merge=values)
    assert refused["failed"]
    assert words in refused["msg"]
    assert d2.path.read_text() == SITE


def test_a_key_that_kea_cannot_read_is_refused(d2: D2) -> None:
    d2.key.unlink()
    assert "Kea refuses the configuration" in d2.merge(merge=d2.wanted())["msg"]
    assert d2.path.read_text() == SITE
