# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight as tables: what stops a deployment, what is only told, and that all findings come together."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.release import __version__ as ansible_version
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.module_utils._host import firewall
from jinja2 import UndefinedError
from support.playbook import play

GIB = 2**30
NO_TLS = dict.fromkeys(
    ("trust_anchor", "certificate", "key", "monitor_certificate", "monitor_key", "server_certificate", "server_key"), ""
)
ASKED: dict[str, Any] = {
    "is_server": True,
    "is_database": False,
    "enable_database": False,
    "enable_notify": False,
    "dhcp6": False,
    "servers_enable_database": False,
    "database_is_here": True,
    "database_hosts": [],
    "database_host": "/run",
    "database_name": "kea",
    "database_port": 5432,
    "database_password": "",
    "monitor_password": "",
    "clients": [],
    "ssl_mode": "",
    "tls_files": NO_TLS,
    "interfaces": ["eth0"],
    "subnets": [{"id": 1, "subnet": "10.0.0.0/24"}],
    "settings": {},
    "shared_networks": [],
    "allow_removals": False,
    "subscriptions": [{"name": "all"}],
    "config_group": "",
    "metrics_listen": "",
    "packaging_names": {},
    "roles": {},
    "unreadable": "",
}
REMOTE = {"enable_database": True, "database_host": "db1", "database_is_here": False}
GROUP = {**REMOTE, "database_hosts": ["db1"], "is_server": False, "is_database": True}
FACTS: dict[str, Any] = {
    "system": {"id": "debian", "like": [], "version": "13", "name": "Debian GNU/Linux 13 (trixie)", "systemd": True},
    "disks": [{"directory": "/etc", "free": 9 * GIB, "free_inodes": 10**6, "read_only": False}],
    "dhcp_sockets": [],
    "interfaces": [{"name": "eth0", "up": True, "link": True}, {"name": "lo", "up": True, "link": True}],
    "time_synchronized": True,
    "groups": ["kea-readers"],
    "firewall": [],
    "firewalld": None,
    "selinux": False,
    "servers": [],
}
DEBIAN: dict[str, Any] = {
    "error": None,
    "name": "debian",
    "unit": "kea-dhcp4-server",
    "packages": ["kea-dhcp4-server"],
    "missing": [],
    "unlisted": [],
}
NOTHING = {"refusals": [], "warnings": [], "variables_fit": True}
BARE = {"version": None, "capabilities": None, "serving": False}


def found(
    server: Any = None, config: Any = None, packaging: Any = None, subnets: Any = (), **facts: Any
) -> dict[str, Any]:
    config = {"untouched": False, "interfaces": [], "socket_type": None, "hooks_libraries": None, **(config or {})}
    server = {"version": "2.6.0", "capabilities": {}, "serving": True, **(server or {})}
    seen = {"server": server, "config": config, "packaging": {**DEBIAN, **(packaging or {})}, "subnets": list(subnets)}
    changes = facts.pop("changes", {"deployed": None})
    return {**seen, "changes": changes, "preflight": {**FACTS, **facts}}


def judge(asked: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    judged: dict[str, Any] = filters.preflight({**ASKED, **asked}, seen)
    return judged


def test_a_host_without_findings() -> None:
    assert judge({}, found()) == NOTHING
    assert judge({}, found(server=BARE)) == NOTHING
    logins = {"database_password": "p", "monitor_password": "q", "clients": ["10.0.0.0/8"]}
    assert judge({**GROUP, **logins}, {"preflight": FACTS}) == NOTHING
    assert judge({**REMOTE, **logins}, found()) == NOTHING


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"enable_notify": True}, "kea_db_enable_notify: true needs kea_enable_database"),
        ({"database_port": "many"}, "kea_db_port: 'many' is no port"),
        ({"packaging_names": {"users": "kea"}}, "kea_packaging_names: users is none of"),
        # B23
        (REMOTE, "kea_db_password is missing: Kea connects to the database over the network at db1"),
        ({**REMOTE, "database_password": "p"}, "kea_db_monitor_password is missing: the monitor connects"),
        ({"enable_database": True, "database_password": "it's"}, "a quote or a backslash"),
        ({"enable_database": True, "ssl_mode": "require"}, "PostgreSQL has no TLS over its unix socket"),
        ({**REMOTE, "tls_files": {**NO_TLS, "key": "/k"}}, "kea_db_cert_file and kea_db_key_file belong together"),
        (GROUP, "which needs kea_db_password, kea_db_monitor_password, kea_db_clients; set them"),
        ({**GROUP, "enable_database": False, "servers_enable_database": True}, "for both groups"),
        ({"settings": {"subnet4": []}}, "kea_dhcp4_settings must not hold subnet4"),
        ({"subnets": [{"pools": []}]}, "needs an id and a subnet"),
        ({"subscriptions": [{"name": "x", "match": {"subnets": [9]}}]}, "which Kea does not serve"),
        ({"roles": {"kea_server_subnets": "text"}, "subnets": "text"}, "role kea_server: "),
        ({"roles": {"kea_lease_monitor_log_level": "LOUD"}}, "role kea_lease_monitor: value of kea_lease_monitor_log"),
        ({**REMOTE, "tls_files": {**NO_TLS, "key": "/k"}, "tls": {"key": "/k"}}, "kea_db_key_file: the controller has"),
    ],
)
def test_variables_that_are_refused(asked: dict[str, Any], words: str) -> None:
    refusals = judge(asked, found())["refusals"]
    assert any(words in one for one in refusals), refusals


def test_an_edit_can_be_predicted_unless_variables_are_refused() -> None:
    assert not judge({"database_port": "many"}, found())["variables_fit"]
    assert not judge({"subnets": [{"pools": []}]}, found())["variables_fit"]
    full = judge({}, found(**disk(read_only=True)))
    assert (len(full["refusals"]), full["variables_fit"]) == (1, True)


def test_an_edit_that_a_restart_would_bring_into_force_is_named() -> None:
    seen = found(server={"changed_files": ["/etc/kea/kea-dhcp4.conf", "/etc/kea/more.json"]})
    (warning,) = judge({}, seen)["warnings"]
    assert warning.startswith("/etc/kea/kea-dhcp4.conf, /etc/kea/more.json was changed after Kea started; unless Kea")
    assert judge({"is_server": False}, seen)["warnings"] == []


def test_an_edit_since_the_last_deployment_is_refused_unless_it_is_allowed_e10() -> None:
    path = "/etc/kea/kea-dhcp4.conf"
    seen = found(server={"changed_files": [path], "edited_files": [path]})
    (refusal,) = judge({}, seen)["refusals"]
    assert refusal.startswith(f"{path} was edited since the last deployment, and Kea has not read that")
    assert "kea_allow_pending_edits: true" in refusal
    allowed = judge({"allow_edits": True}, seen)
    assert (allowed["refusals"], len(allowed["warnings"])) == ([], 1)
    assert judge({"is_server": False}, seen)["refusals"] == []


@pytest.mark.parametrize("server", [{"server": BARE}, {"config": {"untouched": True}}])
def test_a_bare_host_needs_interfaces_and_subnets(server: dict[str, Any]) -> None:
    seen = found(**server)
    (refusal,) = judge({"interfaces": [], "subnets": []}, seen)["refusals"]
    assert refusal.startswith("kea_dhcp4_interfaces and kea_dhcp4_subnets are missing")
    named = {"settings": {"interfaces-config": {"interfaces": ["eth0"]}}, "interfaces": []}
    assert judge(named, seen)["refusals"] == []
    assert judge({"interfaces": [], "subnets": []}, found())["refusals"] == []


def system(**values: Any) -> dict[str, Any]:
    return {"system": {**FACTS["system"], **values}}


def disk(**values: Any) -> dict[str, Any]:
    return {"disks": [{**FACTS["disks"][0], **values}]}


def dhcp(program: str, port: int = 67, address: str = "*", device: str | None = None) -> dict[str, Any]:
    return {"dhcp_sockets": [{"port": port, "address": address, "device": device, "program": program, "pid": 7}]}


def server(error: str, resolved: bool = True) -> dict[str, Any]:
    return {"host": "db1", "port": 5432, "resolved": resolved, "error": error}


def chain(*ports: tuple[str, int]) -> dict[str, Any]:
    accepted = [{"protocol": name, "first": port, "last": port} for name, port in ports]
    return {"firewall": [{"chain": "inet filter input", "accepted": accepted}]}


def zones(*ports: tuple[str, int]) -> dict[str, Any]:
    admitted = [{"protocol": name, "first": port, "last": port} for name, port in ports]
    return {"firewalld": {"zones": ["trusted", "public"], "admitted": admitted}}


PAIR = {
    "hooks_libraries": [
        {
            "library": "/usr/lib/kea/hooks/libdhcp_ha.so",
            "parameters": {
                "high-availability": [
                    {"this-server-name": "a", "peers": [{"name": "a", "url": "http://10.0.0.1:8001/"}, {"name": "b"}]}
                ]
            },
        }
    ]
}
PEERS = [{"name": "a", "url": "http://10.0.0.1:8001/"}, {"name": "b", "url": "http://10.0.0.2:8001/"}]
PEERS6 = [{"name": "a", "url": "http://10.0.0.1:8002/"}, {"name": "b", "url": "http://10.0.0.2:8002/"}]
ASKED_PAIR = {
    "mode": "hot-standby",
    "this": "a",
    "peers": PEERS,
    "peers6": PEERS6,
    "user": "kea",
    "password": "",
    "trust_anchor": "",
    "shared_leases": False,
    "leases": {"shared": False, "there": {}},
    "leases6": {"shared": False, "there": {}},
    "files": {},
    "tls": {},
    "tls_remote": False,
}
MYSQL = {"type": "mysql", "name": "h", "host": "db9"}
OURS = {"type": "postgresql", "name": "kea", "host": "/run"}
SITE_LEASES = {"type": "postgresql", "name": "dhcp", "host": "db.site", "port": 5432}
ADOPTED = {"enable_database": True, "enable_notify": True, "database_host": "db.site", "database_name": "dhcp"}
ADOPTED |= {"database_password": "p", "monitor_password": "q"}
SERVED = {"id": 1, "subnet": "10.0.0.0/24", "file": "/etc/kea/kea-dhcp4.conf", "line": 9, "editable": True}
NOT_SERVING = {"server": {"serving": False}}


@pytest.mark.parametrize(
    ("asked", "seen", "verdict", "words"),
    [
        # B25
        (
            {},
            found(**system(id="alpine", name="Alpine Linux v3.20")),
            "refusals",
            "Alpine Linux v3.20 is not supported",
        ),
        ({}, found(**system(systemd=False)), "refusals", "systemd does not manage this host"),
        ({}, found(**system(id="ubuntu", version="24.04")), "warnings", "was tried on Debian 12 and 13 only"),
        (
            {},
            found(**system(id="almalinux", like=["rhel"])),
            "warnings",
            "was tried on Debian 12 and 13 only; try it",
        ),
        (
            {},
            found(config={"lease_database": MYSQL}),
            "refusals",
            "Kea's leases are in mysql, which the play cannot move",
        ),
        # B27
        (
            {},
            found(config={"hosts_databases": [MYSQL]}),
            "warnings",
            "does not read the reservations in h (mysql) at db9",
        ),
        (
            {"enable_database": True},
            found(config={"hosts_databases": [OURS, {**OURS, "name": "h"}]}),
            "warnings",
            "in h",
        ),
        (
            {},
            found(config={"recorded": False, "lease_database": SITE_LEASES}),
            "refusals",
            "Kea's leases are in the PostgreSQL database dhcp at db.site, and no deployment put them there",
        ),
        (
            {"enable_database": True},
            found(config={"recorded": False, "lease_database": SITE_LEASES}),
            "refusals",
            "they would leave it. Deploy with kea_enable_database: true, kea_db_enable_notify: true, kea_db_name: dhcp",
        ),
        (
            {**ADOPTED, "database_name": "kea"},
            found(config={"recorded": False, "lease_database": SITE_LEASES}),
            "refusals",
            "kea_db_host: db.site",
        ),
        (
            {},
            found(config={"recorded": False, "hosts_databases": [OURS]}),
            "refusals",
            "Kea looks for reservations in kea at /run, and no deployment put that there",
        ),
        (
            {"enable_database": True},
            found(**system(id="fedora")),
            "refusals",
            "sets up PostgreSQL on Debian and Ubuntu only",
        ),
        (
            {},
            {"msg": "sudo: a password is required"},
            "refusals",
            "could not be inspected: sudo: a password is required",
        ),
        ({}, found(packaging={"error": "neither dpkg nor rpm"}), "refusals", "neither dpkg nor rpm"),
        (
            {},
            found(packaging={"missing": ["kea-dhcp4-server"]}),
            "refusals",
            "Kea is installed, but not from the package",
        ),
        (
            {},
            found({"unit": {"name": "site-kea.service"}}),
            "refusals",
            "Kea is the unit site-kea.service, and not kea-dhcp4-server.service of the packaging debian; set unit",
        ),
        # B22
        ({}, found(packaging={"unlisted": ["kea-admin"]}), "warnings", "do not have kea-admin; the deployment fetches"),
        ({}, found(packaging={"name": "isc"}), "warnings", "the packaging isc was not tried"),
        ({}, found({"version": "3.2.0"}), "warnings", "Kea 3.2.0 is newer than the versions"),
        ({}, found({"version": "1.6.0", "capabilities": None}), "refusals", "does not support Kea 1.6.0"),
        ({}, found(**disk(read_only=True)), "refusals", "/etc is on a file system that is mounted read-only"),
        ({}, found(**disk(free=2**20)), "refusals", "/etc has 1 MiB free; at least 64 MiB are needed"),
        ({}, found(**disk(free=2**27)), "warnings", "/etc has 128 MiB free"),
        ({}, found(**disk(free_inodes=9)), "refusals", "9 free inodes"),
        ({}, found(**disk(directory="/usr", free=2**20)), "refusals", "/usr has 1 MiB free"),
        ({}, found(**disk(directory="/var/cache/apt", free=2**27)), "warnings", "128 MiB free; the packages may not"),
        (
            {},
            found(packaging={"missing": ["kea"]}, changes={"deployed": 1}, **disk(directory="/usr", free=2**27)),
            "warnings",
            "/usr has 128 MiB free",
        ),
        (
            {"enable_database": True},
            found(**disk(directory="/var/lib/postgresql", free=2**20)),
            "refusals",
            "/var/lib/postgresql has 1 MiB free",
        ),
        ({}, found(dhcp_sockets=None), "warnings", "could not be judged: whether another DHCP server has the port"),
        ({}, found(firewall_unread="a map"), "warnings", "whether the firewall drops what this host receives; a map"),
        ({}, found(unresolved=["eda.invalid"]), "warnings", "eda.invalid does not resolve on this host; a webhook"),
        (
            {},
            found(**NOT_SERVING, **dhcp("dnsmasq")),
            "refusals",
            "dnsmasq (process 7) has port 67, so Kea cannot serve",
        ),
        ({}, found(**dhcp("dhcpd")), "warnings", "two DHCP servers may answer the same clients"),
        (
            {},
            found(**NOT_SERVING, **dhcp("dnsmasq", device="virbr0")),
            "warnings",
            "on virbr0: Kea cannot serve there",
        ),
        ({}, found(**NOT_SERVING, **dhcp("dnsmasq", device="eth0")), "refusals", "dnsmasq"),
        ({}, found(**NOT_SERVING, **dhcp("dnsmasq", address="10.9.0.1")), "warnings", "listens on 10.9.0.1, port 67"),
        ({"dhcp6": True}, found(**NOT_SERVING, **dhcp("dhcpd", 547)), "warnings", "dhcpd has port 547"),
        (
            {},
            found(interfaces=[{"name": "eth0", "up": False, "link": None}]),
            "warnings",
            "eth0 is down; Kea serves it later",
        ),
        ({}, found(interfaces=[{"name": "eth0", "up": True, "link": False}]), "warnings", "eth0 has no link"),
        (
            {},
            found(servers=[server("Name or service not known", False)]),
            "refusals",
            "kea_db_host: db1 does not resolve",
        ),
        (
            {},
            found(servers=[server("Connection refused")]),
            "refusals",
            "does not answer at port 5432 (Connection refused)",
        ),
        ({}, found(servers=[server("timed out"), server("")]), "warnings", "does not answer at port 5432"),
        ({}, found(time_synchronized=False), "warnings", "the clock is not synchronised"),
        ({"config_group": "stork-agent"}, found(), "refusals", "kea_config_group: there is no group stork-agent"),
        ({}, found(**chain()), "warnings", "drops udp port 67"),
        ({"dhcp6": True}, found(**chain(("udp", 67))), "warnings", "drops udp port 547"),
        (
            {"metrics_listen": "[::]:9560"},
            found(**chain(("udp", 67))),
            "warnings",
            "tcp port 9560 (metrics of the monitor)",
        ),
        (
            {},
            found(**zones(("tcp", 67))),
            "warnings",
            "firewalld admits in no zone udp port 67 (requests of DHCP clients",
        ),
        (
            {},
            found(firewalld={"zones": [], "admitted": None}),
            "warnings",
            "be read whether firewalld admits udp port 67",
        ),
        ({"metrics_listen": ":9560"}, found(**zones(("udp", 67))), "warnings", "no zone tcp port 9560 (metrics of"),
        ({"firewalld_zone": "public"}, found(), "refusals", "firewalld does not run, so the zone public cannot"),
        ({"firewalld_zone": "dmz"}, found(**zones()), "refusals", "has no zone dmz, only public, trusted"),
        ({}, found(config=PAIR, **chain(("th", 67))), "warnings", "tcp port 8001 (the other server of the pair)"),
        ({"pair": ASKED_PAIR}, found(**chain(("th", 67))), "warnings", "tcp port 8001 (the other server of the pair)"),
        ({"pair": {**ASKED_PAIR, "peers": PEERS[:1]}}, found(), "refusals", "a pair has two servers, and these are a"),
        (
            {"pair": {**ASKED_PAIR, "mode": "load-balancing"}, "subnets": []},
            found(subnets=[{**SERVED, "pool_classes": {"10.0.0.8/31": []}}]),
            "refusals",
            "with load-balancing each server needs pools of its own",
        ),
        (
            {
                "pair": {**ASKED_PAIR, "mode": "load-balancing"},
                "subnets": [],
                "shared_networks": [
                    {"name": "n", "subnet4": [{"id": 1, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.8/31"}]}]}
                ],
            },
            found(config={"untouched": True}, subnets=[SERVED]),
            "refusals",
            "with load-balancing each server needs pools of its own",
        ),
        (
            {"pair": {**ASKED_PAIR, "peers": [{**one, "url": one["url"].replace("http:", "https:")} for one in PEERS]}},
            found(config=PAIR),
            "refusals",
            "this pair serves with http, and is to use https",
        ),
        (
            {"pair": {**ASKED_PAIR, "leases": {"shared": True, "there": {"a": False, "b": False}}}},
            found(config=PAIR),
            "refusals",
            "a and b would move the leases into a database that both servers share",
        ),
    ],
)
def test_what_is_told_of_a_host(asked: dict[str, Any], seen: dict[str, Any], verdict: str, words: str) -> None:
    judged = judge(asked, seen)
    (sentence,) = judged[verdict]
    assert words in sentence
    assert len(judged["refusals"] + judged["warnings"]) == (2 if "fedora" in str(seen) else 1), judged


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, dhcp("kea-dhcp4")),
        ({}, dhcp("dhcpd", 547)),
        ({"interfaces": ["*"]}, {}),
        ({"config_group": "kea-readers"}, {}),
        ({}, {"config": {"hosts_databases": [OURS]}}),
        ({}, {"config": {"hosts_databases": None}}),
        # A deployment put it there, or the variables name it.
        ({}, {"config": {"recorded": True, "lease_database": SITE_LEASES}}),
        ({}, {"config": {"recorded": None, "lease_database": SITE_LEASES}}),
        (ADOPTED, {"config": {"recorded": False, "lease_database": SITE_LEASES, "hosts_databases": [SITE_LEASES]}}),
        ({"enable_database": True}, {"config": {"recorded": False, "hosts_databases": [OURS]}}),
        ({}, chain(("udp", 67))),
        ({}, zones(("udp", 67))),
        ({}, zones(("th", 67))),
        ({"firewalld_zone": "public"}, zones()),
        ({"pair": ASKED_PAIR}, {}),
        ({"pair": {**ASKED_PAIR, "mode": ""}}, {}),
        ({"metrics_listen": "127.0.0.1:9560"}, chain(("udp", 67))),
        ({}, {"firewall": None, "firewall_unread": "", "time_synchronized": None}),
        ({}, {**disk(directory="/var/lib/postgresql", free=0)}),
        ({}, {"changes": {"deployed": 1}, **disk(directory="/usr", free=0)}),
    ],
)
def test_what_is_no_finding(asked: dict[str, Any], seen: dict[str, Any]) -> None:
    assert judge(asked, found(**NOT_SERVING, **seen)) == NOTHING


ADDRESSES = {"interfaces": [{"name": "eth0", "up": True, "link": True, "addresses": ["10.0.0.1", "fe80::1"]}]}


@pytest.mark.parametrize(
    ("interface", "words"),
    [
        ("eth7", "there is no interface eth7; this host has eth0"),
        ("eth7/10.0.0.1", "there is no interface eth7; this host has eth0"),
        ("eth0/10.0.0.2", "the interface eth0 does not have the address 10.0.0.2, but 10.0.0.1, fe80::1"),
        ("eth0/text", "'text' of eth0/text is no address"),
    ],
)
def test_an_interface_that_kea_refuses(interface: str, words: str) -> None:
    """The words of kea-dhcp4 -t 2.2: doesn't exist in the system; doesn't have address '10.0.0.2' assigned."""
    seen = found(**ADDRESSES)
    (refusal,) = judge({"interfaces": [interface]}, seen)["refusals"]
    assert refusal == f"kea_dhcp4_interfaces: {words}; Kea refuses such a configuration"
    settings = {"interfaces-config": {"interfaces": [interface]}}
    assert judge({"interfaces": [], "settings": settings}, seen)["refusals"] == [refusal]
    own = judge({"interfaces": []}, found(config={"interfaces": [interface]}, **ADDRESSES))
    assert own["refusals"] == []
    assert own["warnings"][0].startswith(f"{words}; Kea's own configuration names it")


SLOW = {"interfaces": [{"name": "eth0", "up": False, "link": None}]}


@pytest.mark.parametrize(
    ("interfaces", "asked", "there", "is_served"),
    [
        (["eth0"], {}, {}, True),
        (["eth0"], {}, {"service-sockets-max-retries": 0}, False),
        (["eth0"], {}, {"service-sockets-retry-wait-time": 9}, False),
        ([], {}, {}, False),
        ([], {}, {"service-sockets-max-retries": 0}, False),
        ([], {}, {"service-sockets-max-retries": 9}, True),
        ([], {"service-sockets-max-retries": 9}, {}, True),
    ],
)
def test_whether_an_interface_that_is_down_is_served_later(
    interfaces: list[str], asked: dict[str, Any], there: dict[str, Any], is_served: bool
) -> None:
    """B16. A server that keeps its own interfaces gets no retries from the play."""
    seen = found(config={"interfaces": ["eth0"], "interfaces_config": {"interfaces": ["eth0"], **there}}, **SLOW)
    (warning,) = judge({"interfaces": interfaces, "settings": {"interfaces-config": asked}}, seen)["warnings"]
    if is_served:
        assert warning == "the interface eth0 is down; Kea serves it later"
    else:
        assert "Kea does not serve it until Kea is restarted: set service-sockets-max-retries in" in warning


@pytest.mark.parametrize("interface", ["*", "eth0", "eth0/10.0.0.1", "eth0/FE80:0::1"])
def test_an_interface_that_is_there(interface: str) -> None:
    assert judge({"interfaces": [interface]}, found(**ADDRESSES)) == NOTHING
    assert judge({"interfaces": ["eth0/10.0.0.9"]}, found()) == NOTHING


@pytest.mark.parametrize(
    ("asked", "seen", "ports"),
    [
        ({}, {}, ["67/udp"]),
        ({"families": [4, 6], "pair": ASKED_PAIR}, {}, ["67/udp", "8001/tcp", "547/udp", "8002/tcp"]),
        ({"families": [6], "metrics_listen": "[::]:9560"}, {}, ["547/udp", "9560/tcp"]),
        ({"metrics_listen": "[::1]:9560"}, {"config": PAIR}, ["67/udp", "8001/tcp"]),
        ({**GROUP, "database_port": 5433}, {}, ["5433/tcp"]),
        ({**GROUP, "is_server": True, "families": [4, 6]}, {}, ["67/udp", "5432/tcp", "547/udp"]),
        ({**GROUP, "enable_database": False}, {}, []),
    ],
)
def test_which_ports_a_host_needs(asked: dict[str, Any], seen: dict[str, Any], ports: list[str]) -> None:
    values = {**ASKED, **asked}
    assert filters.needed_ports(values, found(**seen), found()) == ports
    assert filters.needed_ports(values, {"msg": "it could not be inspected"}) == [
        one for one in ports if one != "8001/tcp" or "pair" in asked
    ]


def test_what_can_be_had_with_leases_in_mysql_is_named() -> None:
    (refusal,) = judge({}, found(config={"lease_database": MYSQL}))["refusals"]
    assert "no lease events, no inventory and no managed reservations" in refusal
    assert (
        "The modules work there: kea_config, kea_reservation, kea_database, kea_schema, kea_info and kea_v" in refusal
    )


def test_the_names_of_webhooks() -> None:
    sinks = [
        {"type": "webhook", "url": "https://eda.example.org:5000/leases"},
        {"type": "webhook", "url": "https://far.example.org/", "proxy": "http://proxy.example.org:3128"},
        {"type": "webhook", "url": "https://[::1"},
        {"type": "exec", "command": ["x"]},
        "text",
    ]
    asked = {"subscriptions": [{"name": "a", "sinks": sinks}, {"name": "b"}, {"sinks": "text"}]}
    assert filters.names_to_resolve(asked) == ["eda.example.org", "proxy.example.org"]
    assert filters.names_to_resolve({"subscriptions": "text"}) == []


def test_all_findings_of_all_hosts_come_together() -> None:
    one = judge({**REMOTE, "subnets": [{"pools": []}]}, found(time_synchronized=False, **disk(read_only=True)))
    assert len(one["refusals"]) == 4
    told = filters.preflight_messages({"dhcp1": one, "dhcp2": judge({}, found(**disk(read_only=True)))}, "refusals")
    assert len(told) == 4
    assert any(one.startswith("dhcp1, dhcp2: /etc is on a file system") for one in told)


class Undefined(dict[str, Any]):
    """Variables as Ansible gives them to a filter: templated when they are read."""

    def __getitem__(self, key: str) -> Any:
        if key in ("settings", "kea_server_settings"):
            raise UndefinedError("kea_secret is undefined")
        return super().__getitem__(key)


def test_a_variable_that_cannot_be_read_hides_no_other_finding() -> None:
    roles = Undefined(kea_server_settings=None, kea_lease_monitor_log_level="LOUD")
    asked = Undefined({**ASKED, **REMOTE, "monitor_password": "p", "roles": roles})
    refusals = filters.preflight(asked, found(**disk(read_only=True)))["refusals"]
    assert len(refusals) == 4
    assert refusals[0] == "a variable cannot be read: kea_secret is undefined"
    assert "log_level" in refusals[1]
    assert "kea_db_password is missing" in refusals[2]
    assert "read-only" in refusals[3]


def test_subscriptions_that_cannot_be_read_name_no_webhook() -> None:
    class Unreadable(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise UndefinedError("kea_secret is undefined")

    assert filters.names_to_resolve(Unreadable(subscriptions=[])) == []


RULES = {"family": "inet", "table": "filter", "chain": "input"}
INPUT = {"chain": {"family": "inet", "table": "filter", "name": "input", "type": "filter", "hook": "input"}}


def port(right: Any, field: str = "dport") -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": field}}, "right": right}}


STATE = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}}


@pytest.mark.parametrize(
    ("policy", "rules", "accepted"),
    [
        ("accept", [], None),
        ("drop", [[STATE, {"accept": None}], [port(67), {"accept": None}]], [(67, 67)]),
        (
            "drop",
            [[port({"set": [22, {"range": [60, 70]}]}), {"counter": None}, {"accept": None}]],
            [(22, 22), (60, 70)],
        ),
        ("accept", [[port(53), {"accept": None}], [{"reject": None}], [port(67), {"accept": None}]], [(53, 53)]),
        ("drop", [[{"accept": None}]], None),
        ("drop", [[port(67), {"drop": None}]], []),
        ("drop", [[port(67, "sport"), {"accept": None}]], []),
        ("drop", [[{"jump": {"target": "x"}}]], "unknown"),
        ("drop", [[port("@named"), {"accept": None}]], "unknown"),
    ],
)
def test_what_simple_rules_of_nftables_accept(policy: str, rules: list[Any], accepted: Any) -> None:
    listed = [{"metainfo": {}}, {"chain": {**INPUT["chain"], "policy": policy}}]
    listed += [{"rule": {**RULES, "expr": expressions}} for expressions in rules]
    closed = firewall._closed(listed)
    if accepted == "unknown":
        assert closed is None
    elif accepted is None:
        assert closed == []
    else:
        assert closed is not None
        assert [(one["first"], one["last"]) for one in closed[0]["accepted"]] == accepted


FIREWALLD = [
    ("filter_INPUT", [port(22), {"accept": None}]),
    ("filter_IN_public_allow", [port(67), {"accept": None}]),
    ("filter_IN_public_allow", [STATE, port({"range": [60, 61]}), {"accept": None}]),
    ("filter_IN_public_deny", [port(53), {"drop": None}]),
    ("filter_IN_public", [STATE, {"accept": None}]),
    ("filter_IN_public", [{"jump": {"target": "filter_IN_public_allow"}}]),
]


@pytest.mark.parametrize(
    ("more", "spans"),
    [([], [(67, 67), (60, 61)]), ([("filter_IN_trusted", [{"accept": None}])], [(67, 67), (60, 61), (0, 65535)])],
)
def test_what_the_zones_of_firewalld_accept(more: list[Any], spans: list[Any]) -> None:
    rules = [{"chain": name, "expr": expressions} for name, expressions in [*FIREWALLD, *more]]
    admitted = firewall._admitted(rules)
    assert [(one["first"], one["last"]) for one in admitted] == spans


@pytest.mark.skipif(
    tuple(map(int, ansible_version.split(".")[:2])) < (2, 19),
    reason="an older ansible-core reads all variables of a host at once: one that cannot be read hides its findings",
)
@pytest.mark.slow
def test_the_playbook_tells_all_findings_of_all_hosts_and_changes_nothing(tmp_path: Path) -> None:
    """B23, B25 and others, on this machine, which no systemd manages."""
    local = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    remote = {"kea_enable_database": True, "kea_db_host": "nosuch.invalid", "kea_dhcp4_subnets": [{"pools": []}]}
    pair = {"kea_ha_mode": "hot-standby"}
    hosts = {
        "dhcp1": {**local, **remote},
        "dhcp2": {**local, "kea_dhcp4_settings": {"user-context": "{{ kea_secret_missing }}"}},
        "dhcp3": {**local, "kea_monitor_log_level": "LOUD", **remote, "kea_db_trust_anchor": "/nowhere"},
        "dhcp4": {**local, **pair, "kea_ha_peers": [{"name": "dhcp4", "url": "http://10.0.0.4:8001/"}, "dhcp5"]},
        "dhcp5": {**local, **pair, "kea_dhcp4_interfaces": ["nosuch"], "kea_ha_trust_anchor": "/nowhere"},
    }
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"kea_servers": {"hosts": hosts}}))
    for options in ([], ["--check"]):
        played = play("kea_deploy", [inventory], {}, options)
        assert played.code == 2, played.output
        assert played.changed == [0, 0, 0, 0, 0]
        for words in (
            "Nothing was changed. These findings stop the deployment:",
            "dhcp1, dhcp3: kea_db_password is missing",
            "dhcp1, dhcp3: kea_db_monitor_password is missing",
            "needs an id and a subnet",
            "dhcp1, dhcp3: kea_db_host: nosuch.invalid does not resolve",
            "dhcp2: a variable cannot be read: 'kea_secret_missing' is undefined",
            "dhcp3: kea_db_trust_anchor: the controller has no file /nowhere",
            "got: LOUD",
            "dhcp4: a pair has two servers, and these are dhcp4: name the two in kea_ha_peers",
            "dhcp5: a pair has two servers, and these are dhcp1, dhcp2, dhcp3, dhcp4, dhcp5",
            "dhcp5: kea_ha_trust_anchor: the controller has no file /nowhere",
            "dhcp5: kea_dhcp4_interfaces: there is no interface nosuch",
            "dhcp1, dhcp2, dhcp3, dhcp4, dhcp5: systemd does not manage this host",
        ):
            assert words in played.words, (words, played.output)


def test_a_program_on_one_interface_is_a_warning_for_all_interfaces() -> None:
    judged = judge({"interfaces": ["*"]}, found(**NOT_SERVING, **dhcp("dnsmasq", device="virbr0")))
    assert (judged["refusals"], len(judged["warnings"])) == ([], 1)


def test_a_host_of_a_database_that_the_play_does_not_set_up_is_left_alone() -> None:
    asked = {"is_server": False, "is_database": True, "enable_database": False}
    assert judge(asked, found(**disk(read_only=True)))["refusals"] == []


def test_only_variables_of_the_roles_are_read() -> None:
    names = ["kea_server_address", "kea_server_subnets", "kea_lfc_timer_x"]
    assert filters.role_options(names) == ["kea_server_subnets"]


def test_roles_whose_variables_cannot_be_read_hide_no_other_finding() -> None:
    class Undefined(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            if key == "roles":
                raise UndefinedError("'x' is undefined")
            return super().__getitem__(key)

    refusals = filters.preflight(Undefined(ASKED, roles={}), found(**disk(read_only=True)))["refusals"]
    assert len(refusals) == 2


SIX: dict[str, Any] = {
    "families": [4, 6],
    "server6": {
        "interfaces": ["eth0"],
        "subnets": [{"id": 1, "subnet": "2001:db8:1::/64"}],
        "shared_networks": [],
        "settings": {},
        "exclusive": False,
    },
    "pair": {},
    "allow_ineffective": False,
    "allow_edits": False,
    "exclusive": False,
}
DEBIAN6 = {"packages": ["kea-dhcp6-server"]}


def judge6(found6: Any = None, server6: Any = None, **asked: Any) -> dict[str, Any]:
    values = {**ASKED, **SIX, **asked, "server6": {**SIX["server6"], **(server6 or {})}}
    facts = {"interfaces": [{**one, "link_local": True} for one in FACTS["interfaces"]], **asked.pop("facts", {})}
    judged: dict[str, Any] = filters.preflight(values, found(**facts), found6 or found(packaging=DEBIAN6))
    return judged


def test_both_servers_without_findings() -> None:
    """Subnets of both may have the same id."""
    assert judge6() == NOTHING
    bare = found(server=BARE, packaging=DEBIAN6)
    assert judge6(bare) == NOTHING
    assert judge6(families=[6]) == NOTHING
    assert judge6(enable_database=True) == NOTHING
    assert judge6(pair=ASKED_PAIR) == NOTHING


@pytest.mark.parametrize(
    ("server6", "asked", "words"),
    [
        ({}, {"families": [5]}, "kea_families: a list of 4, 6 or both is needed, not [5]"),
        ({}, {"families": []}, "kea_families: a list of 4, 6 or both is needed"),
        ({}, {"families": [4]}, "kea_dhcp6_interfaces, kea_dhcp6_subnets: kea_families has no 6"),
        ({}, {"pair": {**ASKED_PAIR, "peers6": PEERS6[:1]}}, "a pair has two servers, and these are a"),
        (
            {"settings": {"hooks-libraries": [{"library": "/x/libdhcp_ha.so"}]}},
            {"pair": ASKED_PAIR},
            "kea_dhcp6_settings has libdhcp_ha.so",
        ),
        ({"settings": {"subnet6": []}}, {}, "kea_dhcp6_settings must not hold subnet6"),
        ({"subnets": [{"id": 1}]}, {}, "kea_dhcp6_subnets: subnet (id 1) is new on this server"),
        (
            {"subnets": [{"id": 1, "subnet": "2001:db8:1::/64"}, {"id": 1, "subnet": "2001:db8:2::/64"}]},
            {},
            "kea_dhcp6_subnets: subnet 2001:db8:2::/64 (id 1) is named twice",
        ),
        (
            {"settings": {"host-reservation-identifiers": ["hw-address"]}},
            {},
            "host-reservation-identifiers without duid in Dhcp6",
        ),
    ],
)
def test_variables_of_the_dhcpv6_server_that_are_refused(server6: Any, asked: dict[str, Any], words: str) -> None:
    refusals = judge6(server6=server6, **asked)["refusals"]
    assert any(words in one for one in refusals), refusals


def test_a_bare_dhcpv6_server_needs_interfaces_and_subnets() -> None:
    bare = found(server=BARE, packaging=DEBIAN6)
    (refusal,) = judge6(bare, {"interfaces": [], "subnets": []})["refusals"]
    assert refusal.startswith("kea_dhcp6_interfaces and kea_dhcp6_subnets are missing")


def test_the_port_and_the_interfaces_of_the_dhcpv6_server() -> None:
    taken = [{"port": 547, "address": "::", "device": None, "program": "dnsmasq", "pid": 7}]
    bare = found(server=BARE, packaging=DEBIAN6)
    (refusal,) = judge6(bare, facts={"dhcp_sockets": taken})["refusals"]
    assert refusal == "dnsmasq (process 7) has port 547, so Kea cannot serve; stop and disable it"
    without = [{"name": "eth0", "up": True, "link": True, "link_local": False}]
    (warning,) = judge6(facts={"interfaces": without})["warnings"]
    assert "the interface eth0 has no link-local address, which kea-dhcp6 needs" in warning
