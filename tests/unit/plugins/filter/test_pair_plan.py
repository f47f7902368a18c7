# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a pair, and the configurations of both servers that come from them."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.module_utils._host.account import Account
from ansible_collections.baremetal.kea.plugins.module_utils._server import partner
from ansible_collections.baremetal.kea.plugins.plugin_utils import _pair, _pair_certificates, _pair_check, _pair_leases
from ansible_collections.baremetal.kea.plugins.plugin_utils._login import Files
from support.kea import DIRECTORIES, KeaServer, serving
from support.modules import run_module
from support.paths import ROOT
from support.programs import need
from support.receiver import Receiver
from support.wait import until

HOOKS = "/usr/lib/x86_64-linux-gnu/kea/hooks"
HOT, BALANCED = "hot-standby", "load-balancing"
PEERS = [{"name": "a", "url": "http://192.0.2.1:8001/"}, {"name": "b", "url": "http://192.0.2.2:8001/"}]


def asked(**changes: Any) -> dict[str, Any]:
    own = {"mode": HOT, "this": "a", "peers": PEERS, "user": "kea", "password": "", "trust_anchor": ""}
    return {**own, "certificate": "", "key": "", "shared_leases": False, **changes}


def problems(
    wanted: dict[str, Any], settings: dict[str, Any], named: list[dict[str, Any]], found: list[dict[str, Any]]
) -> list[str]:
    tls = [wanted[name] for name in ("trust_anchor", "certificate", "key")]
    return _pair_check.problems(_pair.pair(wanted), tls, settings, _pair_check.pooled(named, found))


def relationship(settings: dict[str, Any]) -> dict[str, Any]:
    (one,) = settings["hooks-libraries"][1]["parameters"]["high-availability"]
    return dict(one)


@pytest.mark.parametrize(("mode", "second"), [(HOT, "standby"), (BALANCED, "secondary")])
def test_both_configurations_differ_in_the_name_only(mode: str, second: str) -> None:
    both = [_pair.settings(_pair.pair(asked(mode=mode, this=name)), Files(), HOOKS, 4) for name in ("a", "b")]
    one, two = map(relationship, both)
    assert (one.pop("this-server-name"), two.pop("this-server-name")) == ("a", "b")
    assert one == two
    assert [peer["role"] for peer in one["peers"]] == ["primary", second]
    assert one["heartbeat-delay"] == 1000
    assert both[0]["multi-threading"] == {"enable-multi-threading": True}
    switches = ("enable-multi-threading", "http-dedicated-listener")
    assert all(one["multi-threading"][switch] for switch in switches)
    assert "basic-auth-user" not in str(both)


def test_two_servers_with_one_lease_database_send_each_other_no_leases() -> None:
    switches = ("send-lease-updates", "sync-leases")
    shared, own = (
        relationship(_pair.settings(_pair.pair(asked(shared_leases=one)), Files(), HOOKS, 4)) for one in (True, False)
    )
    assert [shared[name] for name in switches] == [False, False]
    assert not set(switches) & set(own)


REMOTE = {"kea_db_enable_notify": True, "kea_db_host": "db", "kea_db_name": "leases"}
ENTRY = {"type": "postgresql", "host": "db", "port": 5432, "name": "leases"}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (REMOTE, REMOTE, True),
        (REMOTE, {**REMOTE, "kea_db_enable_notify": "yes", "kea_db_port": "5432"}, True),
        # A primary and its standbys.
        (REMOTE, {**REMOTE, "kea_db_host": "db,standby"}, True),
        (REMOTE, {**REMOTE, "kea_db_host": "db2"}, False),
        (REMOTE, {**REMOTE, "kea_db_name": "other"}, False),
        (REMOTE, {**REMOTE, "kea_db_port": 5433}, False),
        (REMOTE, {**REMOTE, "kea_db_port": "nonsense"}, False),
        # Reservations alone are shared: the leases are in files.
        ({**REMOTE, "kea_db_enable_notify": False}, {**REMOTE, "kea_db_enable_notify": False}, False),
        (REMOTE, {}, False),
        ({"kea_db_enable_notify": True}, {"kea_db_enable_notify": True}, False),
        *(({**REMOTE, "kea_db_host": one}, {**REMOTE, "kea_db_host": one}, False) for one in ("localhost", "/run/pg")),
    ],
)
def test_the_inventory_tells_whether_both_have_one_lease_database(
    first: dict[str, Any], second: dict[str, Any], shared: bool
) -> None:
    assert filters.pair_leases(PEERS, {"a": first, "b": second})["shared"] == shared
    assert not filters.pair_leases([], {"a": first, "b": second})["shared"]


def looked_at(lease_database: Any, in_pair: bool = True, **switches: bool) -> dict[str, Any]:
    """Return what kea_info finds of a server, with these switches in its relationship."""
    hook = {"library": f"{HOOKS}/libdhcp_ha.so", "parameters": {"high-availability": [switches]}}
    return {"config": {"lease_database": lease_database, "hooks_libraries": [hook] if in_pair else None}}


OFF = {"send-lease-updates": False, "sync-leases": False}
ELSEWHERE = "and a would move the leases into a database that both servers share"
BOTH = "and a and b would move the leases into a database that both servers share"
AT_ONCE = "its servers would not share any more"
UNSEEN = "b was not looked at. Run the play for both, without --limit"


@pytest.mark.parametrize(
    ("variables", "this", "partner", "words"),
    [
        # Leases in files or in databases of their own: each server moves alone, and sends its leases all the time.
        ({}, looked_at(None), looked_at(None), ""),
        ({}, looked_at(ENTRY), None, ""),
        ({"kea_db_enable_notify": True}, looked_at(None), looked_at(ENTRY), ""),
        # One database, now and before.
        (REMOTE, looked_at(ENTRY, **OFF), looked_at(ENTRY, **OFF), ""),
        (REMOTE, looked_at(ENTRY, **OFF), None, ""),
        # As a release before this rule left it.
        (REMOTE, looked_at(ENTRY), looked_at(ENTRY), ""),
        (REMOTE, looked_at(ENTRY), None, UNSEEN),
        # A new pair, and new hardware: such a server takes the leases that it has along.
        (REMOTE, looked_at(None, in_pair=False), looked_at(ENTRY, in_pair=False), ""),
        (REMOTE, looked_at(ENTRY, **OFF), looked_at(None, in_pair=False), ""),
        # Into one database.
        (REMOTE, looked_at(None), looked_at(None), BOTH),
        (REMOTE, looked_at({**ENTRY, "host": "localhost"}), looked_at(ENTRY), ELSEWHERE),
        (REMOTE, looked_at({**ENTRY, "name": "former"}, **OFF), looked_at(ENTRY, **OFF), ELSEWHERE),
        (REMOTE, looked_at(ENTRY), looked_at(None), ELSEWHERE.replace("and a", "and b")),
        # Out of it.
        ({}, looked_at(ENTRY, **OFF), looked_at(ENTRY, **OFF), AT_ONCE),
        ({"kea_db_enable_notify": True}, looked_at(ENTRY, **OFF), None, AT_ONCE),
    ],
)
def test_a_pair_that_serves_begins_or_ends_no_shared_lease_database(
    variables: dict[str, Any], this: dict[str, Any], partner: Any, words: str
) -> None:
    for fact, family in (("kea__found", 4), ("kea__found6", 6)):
        hosts = {"a": {**variables, fact: this}, "b": {**variables, **({fact: partner} if partner else {})}}
        leases = filters.pair_leases(PEERS, hosts, family)
        found = " ".join(_pair_leases.problems(leases, this["config"]["hooks_libraries"]))
        assert bool(found) == bool(words)
        assert words in found


HALF = {
    "config": {"hooks_libraries": [{"library": f"{HOOKS}/libdhcp_ha.so", "parameters": {"high-availability": [{}]}}]}
}
SINGLE: dict[str, Any] = {"config": {"hooks_libraries": None}}


@pytest.mark.parametrize(
    ("mode", "looks", "families", "expected"),
    [
        (HOT, [HALF, {"skipped": True}], [4], "kea__pair"),
        (HOT, [SINGLE, {"skipped": True}], [4], "kea__new_pair"),
        (HOT, [{"failed": True}, {}], [4], "kea__new_pair"),
        # DHCPv6 comes to a pair that serves: its two servers are not changed at once.
        (HOT, [HALF, SINGLE], [4, 6], "kea__pair"),
        (HOT, [HALF, SINGLE], [6], "kea__new_pair"),
        ("", [HALF, SINGLE], [4, 6], "kea__pair"),
        ("", [SINGLE, SINGLE], [4, 6], ""),
    ],
)
def test_the_hosts_of_a_new_pair_are_told_from_those_of_a_pair(
    mode: str, looks: list[dict[str, Any]], families: list[int], expected: str
) -> None:
    assert filters.pair_group(looks, mode, families) == expected


@pytest.mark.parametrize(
    ("groups", "serial", "schema_upgrade", "expected"),
    [
        ({}, "", False, 1),
        ({}, "", True, 1),
        ({}, 5, True, 5),
        # A schema that several servers have is upgraded once no server uses the old one.
        ({"kea__shared_database": ["a", "b"]}, "", True, "100%"),
        ({"kea__shared_database": ["a", "b"], "kea__pair": ["a", "b"]}, "", True, "100%"),
        ({"kea__shared_database": ["a", "b"], "kea__pair": ["a", "b"]}, 1, True, 1),
        # With a database each, the partner serves meanwhile.
        ({"kea__pair": ["a", "b"]}, "", True, 1),
        ({"kea__pair": ["a", "b"]}, "100%", True, 1),
        ({"kea__new_pair": ["a", "b"]}, "", False, "100%"),
        ({"kea__new_pair": ["a"], "kea__pair": ["b", "c"]}, "", False, 1),
        ({"kea__pair": ["b", "c"]}, "", False, 1),
        ({"kea__pair": ["b", "c"]}, 2, False, 1),
        ({"kea__new_pair": ["a", "b"]}, 1, False, 1),
    ],
)
def test_two_servers_that_are_a_pair_are_never_changed_at_once(
    groups: dict[str, list[str]], serial: Any, schema_upgrade: bool, expected: Any
) -> None:
    assert filters.hosts_at_once(groups, serial, schema_upgrade) == expected


SHARED = {"kea_enable_database": True, "kea_db_host": "db", "kea_db_name": "kea"}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (SHARED, SHARED, True),
        # The leases are in files or elsewhere; the reservations are there.
        (SHARED, {**SHARED, "kea_enable_database": "yes", "kea_db_host": "db,standby", "kea_db_port": "5432"}, True),
        (SHARED, {**SHARED, "kea_enable_database": False}, False),
        (SHARED, {"kea_db_host": "db"}, False),
        (SHARED, {**SHARED, "kea_db_name": "other"}, False),
        (SHARED, {**SHARED, "kea_db_port": 5433}, False),
        *(({"kea_enable_database": True, "kea_db_host": one},) * 2 + (False,) for one in ("", "localhost", "/run/pg")),
        ({}, {}, False),
    ],
)
def test_the_inventory_tells_which_servers_have_one_database(
    first: dict[str, Any], second: dict[str, Any], shared: bool
) -> None:
    hosts = {"a": first, "b": second}
    assert [filters.shares_database(name, hosts) for name in ("a", "b")] == [shared] * 2
    assert not filters.shares_database("a", {"a": first})
    assert not filters.shares_database("no-server", hosts)


SHOWN = [{"subject": f"CN={name}", "issuer": "CN=ca", "fingerprint": f"{name.upper()}:" * 16} for name in ("aa", "bb")]


def test_what_stands_against_the_certificates_of_a_pair_names_variables_and_certificates() -> None:
    looked = {"error": None, "refusals": [], "untrusted": None, "anchors": SHOWN, "certificate": SHOWN[0]}
    assert filters.pair_certificate_problems(looked, {"skipped": True}, "one", "two") == []
    assert filters.pair_certificate_problems({"skipped": True}, {}, "one", "two") == []
    (words,) = filters.pair_certificate_problems({"failed": True, "msg": "no openssl"}, {}, "one", "two")
    assert words == "kea_ha_trust_anchor, kea_ha_cert_file and kea_ha_key_file cannot be checked: no openssl"
    (words,) = filters.pair_certificate_problems({"error": "key is none"}, {}, "one", "two")
    assert words == "kea_ha_trust_anchor, kea_ha_cert_file and kea_ha_key_file cannot be used: key is none"
    # The servers of both families have the same certificates.
    refusal = {"by": "partner", "certificate": None, "reason": "unknown ca", "url": "https://192.0.2.2:8001/"}
    both = [{**refusal, "path": path} for path in ("/etc/kea/kea-dhcp4.conf", "/etc/kea/kea-dhcp6.conf")]
    (words,) = filters.pair_certificate_problems({**looked, "refusals": both}, {}, "one", "two")
    assert words.startswith("kea_ha_cert_file: two, which serves now with an unknown certificate, refuses CN=aa by ")
    later = {**looked, "anchors": SHOWN * 2, "partner_certificate": SHOWN[1], "untrusted": "it has expired"}
    (words,) = filters.pair_certificate_problems(looked, later, "one", "two")
    assert "CN=aa, SHA-256 AA:AA:AA:AA:AA:AA:AA:AA…; CN=bb" in words
    assert "; 1 more) does not verify kea_ha_cert_file of two, CN=bb by CN=ca" in words
    assert "Give both the trust anchors of both" in words


@pytest.mark.parametrize(
    ("present", "wanted", "refused"),
    [
        ("http", "http", False),
        ("https", "https", False),
        ("http", "https", True),
        ("https", "http", True),
        # An address that is not known has a finding of its own, and a single server has no partner yet.
        ("http", "", False),
        ("", "https", False),
    ],
)
def test_a_pair_that_serves_does_not_begin_or_end_https(present: str, wanted: str, refused: bool) -> None:
    peers = [{"name": "a", "url": f"{present}://192.0.2.1:8001/"}, {"name": "b"}]
    libraries = [{"library": "/x/libdhcp_ha.so", "parameters": {"high-availability": [{"peers": peers}]}}]
    urls = [f"{wanted}://192.0.2.{number}:8001/" if wanted else "" for number in (1, 2)]
    words = _pair_certificates.scheme_problem(urls, libraries if present else None)
    assert bool(words) == refused
    assert not words or f"this pair serves with {present}, and is to use {wanted}. " in words


def test_secrets_and_certificates() -> None:
    pair = _pair.pair(asked(password="a secret", trust_anchor="PEM"))
    found = relationship(_pair.settings(pair, Files("/ca", "/cert", "/key"), HOOKS, 6))
    assert [found[key] for key in ("trust-anchor", "cert-file", "key-file")] == ["/ca", "/cert", "/key"]
    assert [peer["basic-auth-password-file"] for peer in found["peers"]] == ["/etc/kea/kea-dhcp6.ha-password"] * 2
    assert "a secret" not in str(found)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"password": "a secret"},
            [
                {
                    "path": "/etc/kea/kea-dhcp4.ha-password",
                    "content": "a secret",
                    "secret": True,
                    "owner": "_kea",
                    "group": "_kea",
                    "mode": "0400",
                }
            ],
        ),
        ({}, [{"path": "/etc/kea/kea-dhcp4.ha-password", "state": "absent"}]),
        # A server that was imported as a pair may name the file in its settings.
        ({"mode": "", "password": "a secret"}, []),
    ],
)
def test_the_password_is_in_a_file_that_only_kea_s_user_reads(changes: dict[str, Any], expected: Any) -> None:
    assert _pair.password_files(_pair.pair(asked(**changes)), 4, "_kea") == expected


@pytest.mark.parametrize("family", [4, 6])
def test_a_failed_change_and_a_roll_back_revert_the_file_of_the_password(family: int) -> None:
    variables = yaml.safe_load((ROOT / "roles/kea_server/vars/main.yml").read_text())
    path = variables["kea_server__pair_password"].replace("{{ kea_server_family }}", str(family))
    assert path == _pair.password_file(family)
    assert "kea_server__pair_password" in variables["kea_server__files"]


@pytest.mark.kea
@pytest.mark.parametrize("password", ["secret", "pass:word", " two words "])
def test_kea_and_the_play_send_the_password_of_the_file(
    tmp_path: Path, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kea 2.2 does, as 2.6 and 3.0 do."""
    file = tmp_path / "password"
    monkeypatch.setattr(_pair, "password_file", lambda _family: str(file))
    pair = _pair.pair(asked(password=password))
    (written,) = _pair.password_files(pair, 4, "root")
    assert run_module("kea_files", files=[{**written, "group": "root"}])["changed"]
    receiver = Receiver()
    try:
        peers = [
            pair.peers[0]._replace(url="http://127.0.0.1:20078/"),
            pair.peers[1]._replace(url=receiver.url.replace("localhost", "127.0.0.1")),
        ]
        settings = _pair.settings(pair._replace(peers=peers), Files(), HOOKS, 4)
        memory = {"lease-database": {"type": "memfile", "persist": False}, "interfaces-config": {"interfaces": []}}
        server = KeaServer(tmp_path)
        server.configure({**memory, **settings, "subnet4": [{"id": 1, "subnet": "192.0.2.0/24"}]})
        with serving(server):
            until(lambda: receiver.requests, lambda: f"a heartbeat: {server.log.read_text()[-2000:]}")
    finally:
        receiver.close()
    sent = "Basic " + base64.b64encode(f"kea:{password}".encode()).decode()
    found = partner.find(settings["hooks-libraries"], 4, Account.own())
    assert found
    assert (receiver.requests[0].headers["authorization"], found.authorization) == (sent, sent)


def test_what_the_site_sets_stays() -> None:
    own = _pair.settings(_pair.pair(asked()), Files(), HOOKS, 4)
    site = {"valid-lifetime": 60, "multi-threading": {"thread-pool-size": 2}}
    hooks = [{"library": "/other/libdhcp_lease_cmds.so"}, {"library": "/other/libdhcp_stat_cmds.so"}]
    found = _pair.joined(own, {**site, "hooks-libraries": hooks})
    assert found["valid-lifetime"] == 60
    assert found["multi-threading"] == {"enable-multi-threading": True, "thread-pool-size": 2}
    assert found["hooks-libraries"] == [*hooks, own["hooks-libraries"][1]]
    assert _pair.joined({}, site) == site


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"kea_dhcp4_interfaces": ["eth0"]}, "http://192.0.2.1:8001/"),
        ({"kea_dhcp4_interfaces": ["br-a:1", "eth0"]}, "http://192.0.2.3:8001/"),
        ({"kea_dhcp4_interfaces": ["eth0/192.0.2.9"]}, "http://192.0.2.9:8001/"),
        ({"kea__found": {"config": {"interfaces": ["eth0"]}}}, "http://192.0.2.1:8001/"),
        ({}, "http://192.0.2.2:8001/"),
        ({"kea_dhcp4_interfaces": ["eth7"]}, ""),
        ({"ansible_facts": {}}, ""),
    ],
)
def test_the_url_is_the_address_of_the_first_interface(variables: dict[str, Any], url: str) -> None:
    addresses = {"eth0": "192.0.2.1", "br_a_1": "192.0.2.3"}
    facts: dict[str, Any] = {name: {"ipv4": {"address": address}} for name, address in addresses.items()}
    facts["default_ipv4"] = {"address": "192.0.2.2"}
    hosts = {"a": {"ansible_facts": facts, **variables}}
    assert filters.pair_peers([], hosts, HOT) == [{"name": "a", "url": url}]
    assert filters.pair_peers([], hosts, HOT, True)[0]["url"] == url.replace("http:", "https:")


@pytest.mark.parametrize(
    ("named", "variables", "url"),
    [
        ({}, {"kea_dhcp6_interfaces": ["eth0"]}, "http://192.0.2.1:8002/"),
        ({}, {"kea_dhcp6_interfaces": ["eth1"]}, "http://[2001:db8::1]:8002/"),
        ({}, {"kea_dhcp6_interfaces": ["eth0/2001:db8::9"]}, "http://[2001:db8::9]:8002/"),
        ({}, {"kea__found6": {"config": {"interfaces": ["eth1"]}}}, "http://[2001:db8::1]:8002/"),
        ({}, {"kea_dhcp6_interfaces": ["eth2"]}, ""),
        ({"url": "http://192.0.2.7:9000/"}, {}, "http://192.0.2.7:9001/"),
        ({"url": "https://[2001:db8::7]/"}, {}, "https://[2001:db8::7]:8002/"),
        ({"url": "http://192.0.2.7:9000/", "url6": "http://192.0.2.7:1/"}, {}, "http://192.0.2.7:1/"),
    ],
)
def test_the_dhcpv6_server_has_a_port_of_its_own(named: dict[str, str], variables: dict[str, Any], url: str) -> None:
    six = [{"address": "fe80::1", "scope": "link"}, {"address": "2001:db8::1", "scope": "global"}]
    facts = {"eth0": {"ipv4": {"address": "192.0.2.1"}, "ipv6": six}, "eth1": {"ipv6": six}, "eth2": {"ipv6": six[:1]}}
    hosts = {"a": {"ansible_facts": facts, **variables}}
    assert filters.pair_peers([{"name": "a", **named}], hosts, HOT, False, 6) == [{"name": "a", "url": url}]


def test_a_single_server_has_no_peers() -> None:
    assert filters.pair_peers([{"name": "a"}], {"a": {}}, "") == []


def test_peers_may_be_named() -> None:
    named = [{"name": "b", "url": "http://192.0.2.7:9000/"}, {"name": "a"}]
    hosts = {"a": {"kea_dhcp4_interfaces": ["eth0/192.0.2.1"]}, "b": {}, "c": {}}
    assert [one["name"] for one in filters.pair_peers(named, hosts, HOT)] == ["b", "a"]
    assert filters.pair_peers(named, hosts, HOT)[0]["url"] == "http://192.0.2.7:9000/"
    assert filters.pair_peers([{"name": "a"}, {"url": ""}, "b"], hosts, HOT) == [
        {"name": "a", "url": "http://192.0.2.1:8001/"}
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"mode": ""}, ""),
        ({"mode": "both"}, "kea_ha_mode is both; it must be hot-standby or load-balancing"),
        ({"peers": PEERS[:1]}, "a pair has two servers, and these are a: name the two in kea_ha_peers"),
        ({"this": "c"}, "c is none of the servers of its pair, a and b"),
        ({"peers": [PEERS[0], {"name": "b", "url": ""}]}, "the address of b is not known"),
        ({"peers": [PEERS[0], {"name": "b", "url": "http://b:8001/"}]}, "Kea takes no names, so write the IP address"),
        ({"trust_anchor": "/ca.pem"}, "belong together"),
        ({"trust_anchor": "/ca.pem", "certificate": "/cert.pem"}, "belong together"),
        ({"trust_anchor": "/ca.pem", "certificate": "/cert.pem", "key": "/key.pem"}, ""),
    ],
)
def test_variables_that_make_no_pair(changes: dict[str, Any], words: str) -> None:
    found = problems(asked(**changes), {}, [], [])
    assert bool(found) == bool(words)
    assert words in " ".join(found)


def test_a_pair_by_hand_and_one_of_the_variables_exclude_each_other() -> None:
    (found,) = problems(asked(), {"hooks-libraries": [{"library": "/x/libdhcp_ha.so"}]}, [], [])
    assert "remove one of them" in found


SPLIT = [
    {"pool": "192.0.2.10 - 192.0.2.19", "client-class": "HA_a"},
    {"pool": "192.0.2.20 - 192.0.2.29", "client-class": "HA_b"},
]


@pytest.mark.parametrize(
    ("subnet", "found", "settings", "refused"),
    [
        ({"pools": SPLIT}, [], {}, False),
        ({"pools": [{"pool": "192.0.2.10-192.0.2.13"}]}, [], {}, True),
        ({"pools": [{**SPLIT[0], "client-class": "other"}]}, [], {}, True),
        (
            {"pools": [{"pool": "192.0.2.10-192.0.2.13", "client-classes": ["mine"]}]},
            [],
            {"client-classes": [{"name": "mine", "test": "member('HA_a')"}]},
            False,
        ),
        # A pool that the server has already, and that the variables do not name.
        ({"pools": SPLIT}, [{"192.0.2.8/31": []}], {}, True),
        ({}, [{"192.0.2.8/31": ["HA_a"]}], {}, False),
        ({"pools": [*SPLIT, {"pool": "192.0.2.8 - 192.0.2.9", "state": "absent"}]}, [{"192.0.2.8/31": []}], {}, False),
    ],
)
def test_load_balancing_needs_pools_of_each_server(
    subnet: dict[str, Any], found: list[dict[str, Any]], settings: dict[str, Any], refused: bool
) -> None:
    named = [{"id": 1, "subnet": "192.0.2.0/24", **subnet}]
    present = [{"id": 1, "subnet": "192.0.2.0/24", "pool_classes": one} for one in found]
    assert bool(problems(asked(mode=BALANCED), settings, named, present)) == refused
    assert problems(asked(), settings, named, present) == []


@pytest.mark.parametrize(
    ("mode", "pools", "refused"),
    [
        (BALANCED, SPLIT, False),
        (BALANCED, [{"pool": "192.0.2.10-192.0.2.13"}], True),
        # The class of a site may stand for a server. A pool that Kea has keeps what the site wrote for it.
        (BALANCED, [{"pool": "192.0.2.10-192.0.2.13", "client-classes": ["mine"]}], False),
        (BALANCED, [{"pool": "192.0.2.100 - 192.0.2.199"}], False),
        (BALANCED, [{"pool": "192.0.2.10-192.0.2.13", "state": "absent"}], False),
        (HOT, [{"pool": "192.0.2.10-192.0.2.13"}], False),
    ],
)
def test_a_pool_is_added_to_a_pair_by_hand_only_if_it_is_of_one_server(
    mode: str, pools: list[dict[str, Any]], refused: bool
) -> None:
    relation = {"mode": mode, "peers": [{"name": "x"}, {"name": "spare", "role": "backup"}, {"name": "y"}]}
    named = [{"id": 1, "subnet": "192.0.2.0/24", "pools": pools}]
    present = [{"id": 1, "subnet": "192.0.2.0/24", "pool_classes": {"192.0.2.100-192.0.2.199": ["HA_x"]}}]
    found = _pair_check.unsplit_additions(relation, named, present)
    assert bool(found) == refused
    # The subnet may be of one server, by a class that the variables name or that the server has.
    assert not _pair_check.unsplit_additions(relation, [{**named[0], "client-class": "HA_x"}], present)
    assert not _pair_check.unsplit_additions(
        relation, named, [{**present[0], "pool_classes": {"192.0.2.100-192.0.2.199": []}}]
    )
    if refused:
        assert '{pool: "192.0.2.10 - 192.0.2.11", client-class: "HA_x"}' in found[0]
        assert '{pool: "192.0.2.12 - 192.0.2.13", client-class: "HA_y"}' in found[0]


def test_the_text_to_write_is_named() -> None:
    named = [{"id": 1, "subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.10-192.0.2.13"}]}]
    (words,) = problems(asked(mode=BALANCED), {}, named, [])
    assert '{pool: "192.0.2.10 - 192.0.2.11", client-class: "HA_a"}' in words
    assert '{pool: "192.0.2.12 - 192.0.2.13", client-class: "HA_b"}' in words


@pytest.mark.kea
@pytest.mark.parametrize("mode", [HOT, BALANCED])
@pytest.mark.parametrize("this", ["a", "b"])
def test_kea_accepts_the_configuration(tmp_path: Path, mode: str, this: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    settings = _pair.settings(_pair.pair(asked(mode=mode, this=this, password="a secret")), Files(), HOOKS, 4)
    subnet = {"id": 1, "subnet": "192.0.2.0/24", "pools": SPLIT}
    path = tmp_path / "kea-dhcp4.conf"
    path.write_text(json.dumps({"Dhcp4": {**settings, "interfaces-config": {"interfaces": []}, "subnet4": [subnet]}}))
    done = subprocess.run([need("kea-dhcp4"), "-t", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
