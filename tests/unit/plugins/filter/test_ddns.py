# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in DNS: what the variables become in the configuration of D2 and of the DHCP servers, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.plugin_utils import _ddns, _ddns_check

SECRET = "c2VjcmV0IG9mIGEgdGVzdA=="
KEY = {"name": "Kea.Example.", "secret": SECRET}
ZONE = {"name": "bmc.example.org.", "key-name": "kea.example.", "dns-servers": [{"ip-address": "192.0.2.53"}]}
REVERSE = {"name": "2.0.192.in-addr.arpa.", "dns-servers": [{"ip-address": "2001:db8::53", "port": 5353}]}
WANTED = {"forward_zones": [ZONE], "reverse_zones": [REVERSE], "keys": [KEY], "settings": {"dns-server-timeout": 2000}}
NAMES = {
    "config": "/etc/kea/kea-dhcp-ddns.conf",
    "record": "/var/lib/baremetal-kea/keys-dhcp-ddns.json",
    "directory": "/etc/kea/tsig",
    "user": "_kea",
}
VARIABLES: dict[str, Any] = {
    "enabled": True,
    "names": {"ddns-qualifying-suffix": "bmc.example.org."},
    **WANTED,
}


def d2(secret_file: bool = True, **server: Any) -> dict[str, Any]:
    return {
        "server": {"version": "3.0.3", "capabilities": {"tsig_secret_file": secret_file}, **server},
        "config": {"control_sockets": [{"socket-type": "unix", "socket-name": "kea-ddns-ctrl-socket"}]},
    }


def plan(now: dict[str, Any], **results: Any) -> dict[str, Any]:
    return filters.ddns_plan(WANTED, NAMES, now, results)


@pytest.mark.parametrize(
    ("secret_file", "path", "content", "secret", "absent"),
    [
        (
            True,
            "/etc/kea/tsig/kea.example.key",
            SECRET,
            {"secret-file": "/etc/kea/tsig/kea.example.key"},
            ["DhcpDdns/tsig-keys[name=Kea.Example.]/secret"],
        ),
        (
            False,
            "/etc/kea/tsig/kea.example.json",
            f'"{SECRET}"',
            {"secret": {"<?include?>": "/etc/kea/tsig/kea.example.json"}},
            [],
        ),
    ],
)
def test_a_secret_is_in_a_file_that_only_keas_user_reads(
    secret_file: bool, path: str, content: str, secret: dict[str, Any], absent: list[str]
) -> None:
    made = plan(d2(secret_file))
    directory, key = made["files"]
    assert (directory["path"], directory["owner"], directory["mode"]) == ("/etc/kea/tsig", "root", "0750")
    assert key == {"path": path, "content": content, "secret": True, "owner": "_kea", "group": "_kea", "mode": "0400"}
    assert made["merge"]["tsig-keys"] == [{"algorithm": "HMAC-SHA256", "name": "Kea.Example.", **secret}]
    assert SECRET not in str(made["merge"])
    assert made["absent"] == absent


def test_zones_and_settings_are_merged() -> None:
    made = plan(d2())
    assert made["merge"]["forward-ddns"] == {"ddns-domains": [ZONE]}
    assert made["merge"]["reverse-ddns"] == {"ddns-domains": [REVERSE]}
    assert made["merge"]["dns-server-timeout"] == 2000
    assert made["settings"] == {}


def test_before_d2_is_installed_no_file_is_written_and_a_new_one_gets_a_control_socket() -> None:
    made = plan({})
    assert (made["is_installed"], made["files"], made["needs_restart"]) == (False, [], False)
    assert list(made["settings"]) == ["DhcpDdns/control-socket"]


def test_d2_with_a_control_socket_over_http_gets_a_unix_socket_beside_it() -> None:
    sockets = [{"socket-type": "http", "socket-address": "127.0.0.1", "socket-port": 8001}]
    now = {**d2(), "config": {"control_sockets": sockets, "keys": ["control-sockets"]}}
    added = {"DhcpDdns/control-sockets[socket-type=unix]": {"socket-name": "/run/kea/kea-ddns-ctrl-socket"}}
    assert plan(now)["settings"] == added


@pytest.mark.parametrize(
    ("now", "results"),
    [
        (d2(outdated=True), {}),
        (d2(), {"config": {"changed": True}}),
        (d2(), {"files": {"changed_paths": ["/etc/kea/tsig/kea.example.key"]}}),
        (d2(), {"remembered": {"interrupted": True}}),
    ],
)
def test_when_d2_restarts(now: dict[str, Any], results: dict[str, Any]) -> None:
    assert plan(now, **results)["needs_restart"]
    assert not plan(d2())["needs_restart"]


def test_a_dhcp_server_sends_names_and_what_the_site_says_wins() -> None:
    asked = _ddns.ddns({"enabled": True, "names": {"ddns-update-on-renew": True}, "address": "", "port": "53002"})
    own = _ddns.settings(asked, "/hooks")
    hook = {"library": "/hooks/libdhcp_lease_cmds.so"}
    enabled = {"enable-updates": True, "server-port": 53002}
    assert _ddns.joined(own, {"valid-lifetime": 60}) == {
        "dhcp-ddns": enabled,
        "ddns-update-on-renew": True,
        "hooks-libraries": [hook],
        "valid-lifetime": 60,
    }
    site = {
        "dhcp-ddns": {"max-queue-size": 64},
        "ddns-update-on-renew": False,
        "hooks-libraries": [{"library": "/other/libdhcp_lease_cmds.so"}],
    }
    assert _ddns.joined(own, site) == {**site, "dhcp-ddns": {**enabled, "max-queue-size": 64}}
    assert _ddns.joined(_ddns.settings(_ddns.NO_DDNS, "/hooks"), site) == site


def test_conflict_resolution_is_written_as_the_version_knows_it() -> None:
    value = {"subnet4": [{"id": 1, _ddns.MODE: "no-check-with-dhcid"}], _ddns.MODE: "check-with-dhcid"}
    assert _ddns.for_version(value, True) == value
    assert _ddns.for_version(value, False) == {"subnet4": [{"id": 1, _ddns.SWITCH: False}], _ddns.SWITCH: True}


def problems(has_modes: bool | None = True, servers: Any = None, **variables: Any) -> list[str]:
    asked = _ddns_check.asked({**VARIABLES, **variables})
    return _ddns_check.problems(asked, servers or {}, has_modes)


def test_good_variables_have_no_problem() -> None:
    assert problems() == []
    assert problems(None, {"subnets": [{_ddns.MODE: "check-exists-with-dhcid"}]}) == []
    assert problems(enabled=False, forward_zones=[{"name": "x"}]) == []
    assert problems(forward_zones=[{**ZONE, "name": "evilin-addr.arpa."}]) == []
    assert problems(reverse_zones=[{**REVERSE, "name": "ip6.arpa."}]) == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"forward_zones": [], "reverse_zones": []}, "needs a zone in kea_ddns_forward_zones or"),
        (
            {"forward_zones": [{**ZONE, "name": "bmc.example.org"}]},
            "forward_zones: the zone 'bmc.example.org' must have",
        ),
        ({"forward_zones": [ZONE, {**ZONE, "name": "BMC.example.org."}]}, "names bmc.example.org twice"),
        ({"forward_zones": [REVERSE]}, "belongs into kea_ddns_reverse_zones"),
        ({"reverse_zones": [ZONE]}, "must end with in-addr.arpa. or ip6.arpa."),
        ({"forward_zones": [{"name": "a.example."}]}, "the zone 'a.example.' needs dns-servers"),
        ({"forward_zones": [{**ZONE, "dns-servers": [{"ip-address": "ns1"}]}]}, "ip-address 'ns1' is no IP address"),
        (
            {"forward_zones": [{**ZONE, "dns-servers": [{"ip-address": "192.0.2.1", "port": 0}]}]},
            "dns-servers: port 0 is no port",
        ),
        ({"keys": [{"name": "k/../../x", "secret": SECRET}]}, "kea_ddns_keys: the key 'k/../../x' must have a name"),
        ({"keys": [{"name": "k"}]}, "the key 'k' has no secret"),
        ({"keys": [{"name": "k", "secret": "no base64"}]}, "the key 'k' has a secret that is no base64"),
        ({"keys": [KEY, KEY]}, "kea_ddns_keys names kea.example twice"),
        ({"settings": {"tsig-keys": []}}, "kea_ddns_settings must not hold tsig-keys"),
        ({"names": {"valid-lifetime": 1}}, "kea_ddns_names: valid-lifetime is no key about names"),
        ({"names": {_ddns.MODE: "never"}}, "'never' is none of check-with-dhcid"),
        ({"names": {_ddns.MODE: "check-with-dhcid", _ddns.SWITCH: False}}, "stand side by side"),
        (
            {"servers": {"subnets": [{_ddns.MODE: "check-with-dhcid", _ddns.SWITCH: False}]}},
            "remove ddns-use-conflict-resolution",
        ),
        (
            {"forward_zones": ["bmc.example.org."], "reverse_zones": []},
            "kea_ddns_forward_zones: 'bmc.example.org.' is no map; write it as {name: ",
        ),
        (
            {"forward_zones": [{**ZONE, "dns-servers": ["192.0.2.53"]}]},
            "zone 'bmc.example.org.', dns-servers: '192.0.2.53' is no map; write it as {ip-address: 192.0.2.53}",
        ),
        ({"forward_zones": [{**ZONE, "dns-servers": "192.0.2.53"}]}, "needs dns-servers, a list of maps"),
        ({"reverse_zones": [{**REVERSE, "name": "evilin-addr.arpa."}]}, "must end with in-addr.arpa. or ip6.arpa."),
    ],
)
def test_each_bad_variable_has_one_message_that_names_it(variables: dict[str, Any], message: str) -> None:
    found = problems(**variables)
    assert len(found) == 1
    assert message in found[0]
    assert SECRET not in found[0]


def test_an_older_kea_knows_two_modes_also_in_a_subnet() -> None:
    servers = {"subnets": [{"id": 1, _ddns.MODE: "check-exists-with-dhcid"}]}
    found = problems(False, servers)
    assert len(found) == 1
    assert "knows check-with-dhcid and no-check-with-dhcid only" in found[0]
