# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kea_verify makes of what it sees. Whole hosts are broken in the scenarios `file` and `events`."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.versions import capabilities
from ansible_collections.baremetal.kea.plugins.module_utils._reservations.constraint import DEFINITION
from ansible_collections.baremetal.kea.plugins.module_utils._server.statistics import Usage
from ansible_collections.baremetal.kea.plugins.module_utils._verify import host
from ansible_collections.baremetal.kea.plugins.module_utils._verify import report as verify_report
from ansible_collections.baremetal.kea.plugins.module_utils._verify.finding import Expected, Finding
from support.modules import run_module
from support.postgres import Cluster, postgres_cluster

EVENTS = Expected("postgresql", "postgresql", False, False, "_kea", "kea-lease-monitor")
FILE = Expected("memfile", "files", True, False, "_kea", "kea-lease-monitor")
NOW = 1795248000.0


def unit(name: str) -> dict[str, Any]:
    return {"name": name, "active": True, "enabled": True}


def session(**values: Any) -> dict[str, Any]:
    return {
        "role": "_kea",
        "address": None,
        "encrypted": False,
        "protocol": None,
        "cipher": None,
        "client_dn": None,
        **values,
    }


def subnet(number: int, network: str | None = None) -> dict[str, Any]:
    own = {"id": number, "subnet": f"10.0.{number}.0/24", "shared_network": network}
    own.update(reservation_obstacle="", site_reservations=[], reservation_scopes=[], managed_reservations=3)
    return {**own, "left_out": False, "file": "/etc/kea/x.conf"}


def host_of(kind: str, address: str = "") -> dict[str, str]:
    return {"kind": kind, "identifier": "02:00", "address": address, "hostname": "rack7"}


def kept(number: int, reserved: int, pool: int | None = None) -> dict[str, Any]:
    """What the monitor's status says of a subnet or a pool."""
    return {"family": 4, "subnet": number, "pool": pool, "reserved": reserved}


def facts() -> dict[str, Any]:
    """Facts of a host on which all is well, with leases in PostgreSQL and facts of a lease file."""
    objects = ("event_schema", "event_table", "lost_counter", "function")
    triggers = {name: {"enabled": "origin"} for name in ("trigger", "trigger_update")}
    return {
        "family": 4,
        "now": NOW,
        "server": {
            "version": "2.6.3",
            "capabilities": capabilities("2.6.3")._asdict(),
            "unit": unit("kea-dhcp4-server.service"),
            "serving": True,
            "outdated": False,
            "listening": {"status": "ready", "errors": []},
            "ssl_mode": "verify-full",
        },
        "config": {
            "path": "/etc/kea/kea-dhcp4.conf",
            "error": None,
            "lease_database": {"type": "postgresql"},
            "hooks_libraries": [{"library": "/usr/lib/kea/hooks/libdhcp_lease_cmds.so"}],
            "hosts_databases": [{"type": "postgresql"}],
        },
        "pair": None,
        "move": {"unfinished": None, "error": None},
        "database": {
            "error": None,
            "schema_version": "22.2",
            "hosts_constraint": DEFINITION,
            "lease_notify": {**{key: {"owner": "_kea"} for key in objects}, **triggers},
            "lost_events": 0,
            "waiting_events": 3,
            "oldest_event": 90.0,
            "newest_event": 30.0,
            "notification_queue_usage": 0.0,
            "rights": None,
            "connections": [session()],
        },
        "monitor_database": None,
        "monitor": {
            "release": "1.1.0-3f2a9c1d77aa",
            "ssl_mode": "verify-full",
            "unit": unit("kea-lease-monitor.service"),
            "reservations": unit("kea-reservations.service"),
        },
        "monitor_check": {"code": 0, "said": "healthy: all"},
        "monitor_status": [
            {"subscription": "all", "status": "running", "events": 3, "bookmark": 30.0, "dead_letters": 0}
        ],
        "lease_file": "/var/lib/kea/kea-leases4.csv",
        "lease_file_age": 100.0,
        "subnets": [subnet(7), subnet(8, "a"), subnet(9, "a")],
        "pools": {7: Usage(100, 90), 8: Usage(10, 10), 9: Usage(90, 0)},
        "probe": None,
        "lfc": {
            "service": unit("kea-lfc.service"),
            "timer": unit("kea-lfc.timer"),
            "last_run": {"outcome": "cleaned", "message": "", "last_success": NOW - 1800},
        },
        "lfc_service": {"result": "success", "triggered": NOW - 1801},
        "secrets": [{"path": "/etc/kea/kea-dhcp4.conf", "problem": "", "todo": ""}],
        "hba": {"main": []},
        "manifest": {"error": "", "unfinished": None, "things": 40, "changed": []},
        "ddns": None,
    }


def in_files(found: dict[str, Any]) -> None:
    found["config"].update(lease_database=None, hosts_databases=None)
    found["database"] = None


def judged(expected: Expected, *changes: Callable[[dict[str, Any]], None]) -> list[Finding]:
    found = copy.deepcopy(facts())
    if expected is FILE:
        in_files(found)
    else:
        found["lfc"] = {"service": None, "timer": None, "last_run": None}
    for change in changes:
        change(found)
    return verify_report.judge(found, expected)


def at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(found: Any) -> None:
        *way, last = path.split("/")
        for key in way:
            found = found[int(key)] if key.isdigit() else found[key]
        found[int(last) if last.isdigit() else last] = value

    return change


def half(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Make the server half of a pair."""
    one = {"mode": "hot-standby", "role": "primary", "state": "hot-standby", "scopes": ["a"], "in_touch": True}
    two = {"partner": "b", "url": "https://192.0.2.2:8001/", "partner_state": "hot-standby", "partner_scopes": []}
    both = {"unacked": 0, "clock_difference": 0.4, "subnets_differ": [], "error": None}
    return at("pair", {**one, **two, **both, **changes})


def test_a_pair_is_one_line_a3() -> None:
    (found,) = [one for one in judged(EVENTS, half()) if one.name.startswith("pair")]
    here = "hot-standby: this server (primary) is hot-standby and serves the clients of a"
    assert (found.verdict, found.seen) == ("ok", f"{here}; b is hot-standby and serves no client")


@pytest.mark.parametrize(
    ("changes", "name", "verdict", "words"),
    [
        ({"state": "terminated"}, "pair", "wrong", "is terminated"),
        ({"state": "partner-down", "partner_state": "partner-down"}, "pair", "wrong", "b is partner-down"),
        ({"in_touch": False}, "pair", "wrong", "Kea itself does not reach b"),
        (
            {"state": None, "scopes": None, "partner_state": "partner-down", "partner_scopes": ["a", "b"]},
            "pair",
            "wrong",
            "this server (primary) does not answer; b is partner-down and serves the clients of a and b",
        ),
        (
            {"state": None, "scopes": None, "partner_state": None, "error": "refused", "subnets_differ": None},
            "pair",
            "wrong",
            "this server (primary) does not answer; its partner b does not answer: refused",
        ),
        (
            {"state": "partner-down", "scopes": ["a", "b"], "partner_state": None, "error": "timed out"},
            "pair",
            "wrong",
            "is partner-down and serves the clients of a and b; its partner b does not answer: timed out",
        ),
        (
            {"mode": None, "role": None, "state": None, "partner": None, "error": "/p cannot be read by Kea's user"},
            "pair",
            "wrong",
            "the pair cannot be looked at: /p cannot be read by Kea's user",
        ),
        ({"state": "partner-down", "partner_state": "waiting"}, "pair", "wrong", "is partner-down"),
        ({"partner_state": None, "error": "timed out"}, "pair", "wrong", "b does not answer: timed out"),
        ({"state": "in-maintenance", "partner_state": "partner-in-maintenance"}, "pair", "warn", "is in-maintenance"),
        ({"state": "syncing"}, "pair", "warn", "is syncing"),
        ({"clock_difference": -7.0}, "pair clocks", "warn", "the clock of b is -7 s from"),
        ({"clock_difference": 45.0}, "pair clocks", "wrong", "the clock of b is +45 s from"),
        ({"url": "http://192.0.2.2:8001/"}, "pair access", "warn", "b takes every command at http://192.0.2.2:8001/"),
        ({"unacked": 3}, "pair clients", "warn", "b left 3 clients"),
        (
            {"subnets_differ": ["192.0.2.0/24 (id 1) here only"]},
            "pair subnets",
            "wrong",
            "192.0.2.0/24 (id 1) here only",
        ),
        ({"subnets_differ": None}, "pair subnets", "warn", "does not tell"),
    ],
)
def test_what_is_wrong_with_a_pair_is_named_a3(changes: dict[str, Any], name: str, verdict: str, words: str) -> None:
    found = [one for one in judged(EVENTS, half(**changes)) if one.verdict != "ok"]
    assert [(one.name, one.verdict) for one in found] == [(name, verdict)]
    assert words in found[0].seen
    assert found[0].todo


def test_a_server_without_a_partner_lacks_none() -> None:
    alone = {"partner": None, "url": None, "subnets_differ": None}
    changes = {"mode": "passive-backup", "state": "passive-backup", **alone}
    (found,) = [one for one in judged(EVENTS, half(**changes)) if one.name.startswith("pair")]
    assert (found.verdict, found.todo) == ("ok", "")
    assert found.seen.endswith("is passive-backup and serves the clients of a; no server takes over from it")


@pytest.mark.parametrize("status", ["stopped", "silent"])
def test_a_monitor_that_is_down_has_no_subscription_that_is_well(status: str) -> None:
    """The events of the meantime are not counted yet, so there need be no lag."""
    changes = [at("monitor/unit/active", False), at("monitor_status/0/status", status)]
    found = [(one.name, one.verdict) for one in judged(EVENTS, *changes) if one.verdict != "ok"]
    assert found == [("monitor", "wrong"), ("subscription all", "warn")]


@pytest.mark.parametrize("expected", [EVENTS, FILE, EVENTS._replace(leases="memfile", timer=True)])
def test_all_is_well(expected: Expected) -> None:
    change = [at("config/lease_database", None)] if expected.leases == "memfile" else []
    if expected.timer and expected is not FILE:
        change.append(at("lfc", facts()["lfc"]))
    findings = judged(expected, *change)
    assert [one for one in findings if one.verdict != "ok" or one.todo] == []
    assert verify_report.worst(findings) == "ok"
    assert verify_report.report(findings)[0] == f"0 wrong, 0 warn, {len(findings)} ok"


@pytest.mark.parametrize(
    ("path", "value", "name", "verdict", "words"),
    [
        ("server/unit", None, "kea", "wrong", "not installed"),
        ("server/unit/active", False, "kea", "wrong", "does not run"),
        ("server/serving", False, "kea", "wrong", "does not answer"),
        ("server/unit/enabled", False, "kea at boot", "wrong", "does not start with the host"),
        (
            "server/listening",
            {"status": "failed", "errors": ["interface eth1 is down"]},
            "interfaces",
            "wrong",
            "(failed): interface eth1 is down",
        ),
        ("server/listening", {"status": "retrying", "errors": ["eth1"]}, "interfaces", "wrong", "(retrying): eth1"),
        (
            "subnets/0/reservation_obstacle",
            "reservation-mode: disabled in Dhcp4",
            "reservation settings",
            "wrong",
            "do nothing in 10.0.7.0/24 (id 7): reservation-mode: disabled in Dhcp4",
        ),
        ("subnets/0/site_reservations", [host_of("flex-id")], "site reservations", "warn", "1 by flex-id name no"),
        ("subnets/0/site_reservations", [host_of("hw-address")], "site reservations", "warn", "hw-address 02:00"),
        ("pools/7", Usage(100, 91), "pools", "warn", "10.0.7.0/24 (id 7) has 9 of 100 addresses free"),
        ("pools/7", Usage(100, 100), "pools", "wrong", "10.0.7.0/24 (id 7) has no free address of 100"),
        ("pools/9", Usage(90, 85), "pools", "warn", "shared network a has 5 of 100"),
        (
            "monitor_status/0/pools",
            [kept(8, 95)],
            "pools",
            "wrong",
            "a has no free address of 100, and 95 are reserved",
        ),
        ("monitor_status/0/pools", [kept(7, 2)], "pools", "warn", "(id 7) has 8 of 100 addresses free, and 2 are"),
        (
            "monitor_check",
            {"code": 0, "said": "healthy: all; WARN subnet 1 has 1 of 20 addresses free"},
            "monitor",
            "warn",
            "WARN subnet 1 has 1 of 20 addresses free; release 1.1.0",
        ),
        ("server/outdated", True, "kea in force", "warn", "not in force"),
        ("server/capabilities", None, "version", "wrong", "does not support Kea 2.6.3"),
        ("server/capabilities/schema", None, "version", "warn", "newer than every version"),
        (
            "config/hooks_libraries",
            [{"library": "/usr/lib/kea/hooks/libdhcp_host_cache.so", "parameters": {"maximum": 1000}}],
            "host cache",
            "warn",
            "keeps a reservation in force after it was removed or moved",
        ),
        ("config/error", "Permission denied", "configuration", "wrong", "/etc/kea/kea-dhcp4.conf: Permission denied"),
        ("config/lease_database", None, "configuration", "wrong", "leases in memfile, reservations in postgresql;"),
        ("config/hosts_databases", [], "configuration", "wrong", "the variables say"),
        ("move/unfinished", {"source": "a"}, "move", "wrong", "interrupted"),
        ("database/error", "refused (SQLSTATE 08006)", "database", "wrong", "refused"),
        ("database/schema_version", "22.1", "schema", "wrong", "22.1, and this Kea requires 22.2"),
        ("database/schema_version", None, "schema", "wrong", "missing"),
        ("database/hosts_constraint", None, "constraint", "wrong", "is missing"),
        ("database/lease_notify/trigger", None, "trigger", "wrong", "missing: trigger;"),
        ("database/lease_notify/trigger_update/enabled", "no", "trigger", "wrong", "disabled: trigger_update;"),
        ("database/oldest_event", 7200.0, "events", "wrong", "2.0 h ago"),
        ("database/lost_events", 2, "lost events", "warn", "2 events"),
        ("database/notification_queue_usage", 0.5, "queue", "wrong", "50%"),
        ("database/connections", [], "sessions of Kea", "wrong", "no session"),
        ("database/connections", [session(role="other")], "sessions of Kea", "wrong", "no session"),
        ("database/connections", [session(address="192.0.2.7")], "sessions of Kea", "warn", "without TLS"),
        ("monitor/unit", None, "monitor", "wrong", "not installed"),
        ("monitor/unit/active", False, "monitor", "wrong", "does not run"),
        ("monitor/unit/enabled", False, "monitor at boot", "wrong", "does not start"),
        ("monitor_check", {"code": 1, "said": "unhealthy: all was stopped"}, "monitor", "wrong", "was stopped"),
        ("monitor_status/0/bookmark", 500.0, "subscription all", "ok", "no lag"),
        ("monitor_status/0/dead_letters", 4, "subscription all", "warn", "4 events were given up"),
        ("probe", {"error": "no answer", "seconds": {}, "removed": []}, "probe", "wrong", "no answer"),
        ("probe", {"skipped": "no database"}, "probe", "warn", "no lease was sent through: no database"),
        ("manifest/unfinished", NOW, "drift", "wrong", "did not finish"),
        ("manifest/error", "nothing was deployed", "drift", "wrong", "nothing was deployed"),
        ("manifest/changed", ["file:/etc/x"], "drift", "wrong", "file /etc/x was changed"),
        (
            "secrets/0",
            {"path": "/etc/x", "problem": "has mode 0644", "todo": "chmod"},
            "secrets",
            "wrong",
            "/etc/x has mode 0644",
        ),
        ("lfc/timer", unit("kea-lfc.timer"), "timer", "wrong", "not in its lease file"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: object, name: str, verdict: str, words: str) -> None:
    findings = judged(EVENTS, at(path, value))
    named = [one for one in findings if one.name == name and words in one.seen]
    assert [one.verdict for one in named] == [verdict]
    assert all(one.todo for one in findings if one.verdict != "ok")
    assert {one.verdict for one in findings} <= {verdict, "ok"}


@pytest.mark.parametrize(
    ("path", "value", "name", "verdict", "words"),
    [
        ("lfc/timer", None, "timer", "wrong", "the LFC timer does not run"),
        ("lfc/timer/active", False, "timer", "wrong", "the LFC timer does not run"),
        ("lfc_service/result", "exit-code", "timer", "wrong", "failed (exit-code); the last success was 30 min ago"),
        ("lfc/last_run/outcome", "failed", "timer", "wrong", "failed"),
        ("lfc/last_run", None, "timer", "warn", "has elapsed since, but none has succeeded yet"),
        ("lfc/last_run/last_success", NOW - 90000, "timer", "warn", "the last success was 25 h ago"),
        ("lease_file", None, "leases", "wrong", "in memory only (persist: false)"),
        ("lease_file_age", None, "leases", "wrong", "/var/lib/kea/kea-leases4.csv is missing"),
        ("monitor/reservations/active", False, "reservations", "wrong", "Kea does not read new reservations"),
        ("monitor/reservations", None, "reservations", "wrong", "Kea does not read new reservations"),
        ("monitor_status/0/bookmark", 500.0, "subscription all", "warn", "its bookmark lags 100 s"),
    ],
)
def test_what_is_wrong_without_a_database_is_named(
    path: str, value: object, name: str, verdict: str, words: str
) -> None:
    findings = judged(FILE, at(path, value))
    assert [one.verdict for one in findings if one.name == name and words in one.seen] == [verdict]
    assert {one.verdict for one in findings} <= {verdict, "ok"}


def test_a_host_cache_is_well_without_reservations_in_a_database() -> None:
    """Reservations in files are removed from the running Kea itself."""
    for libraries in ([{"library": "libdhcp_host_cache.so"}], None, ["odd"]):
        assert verify_report.worst(judged(FILE, at("config/hooks_libraries", libraries))) == "ok"


def test_pools_that_are_well() -> None:
    """Kea gives a client an address of another subnet of its shared network; without an answer nothing is said."""
    (seen,) = [one.seen for one in judged(EVENTS) if one.name == "pools"]
    assert seen == "least are free in 10.0.7.0/24 (id 7): 10 of 100 addresses"
    lines = [kept(7, 5, 0), {**kept(7, 5), "family": 6}]
    assert verify_report.worst(judged(EVENTS, at("monitor_status/0/pools", lines))) == "ok", "of pools, of DHCPv6"
    for nothing in (None, {}, {7: Usage(0, 0)}):
        assert [one for one in judged(EVENTS, at("pools", nothing)) if one.name == "pools"] == []


@pytest.mark.parametrize(
    ("file", "words"), [("/srv/x.json", "defined in /srv/x.json, which no play may edit"), (None, "in no file of Kea")]
)
def test_a_subnet_that_no_reservation_in_a_file_reaches_is_a_warning(file: str | None, words: str) -> None:
    changes = [at("subnets/0/left_out", True), at("subnets/0/file", file)]
    (found,) = [one for one in judged(FILE, *changes) if one.verdict != "ok"]
    assert (found.name, found.verdict) == ("reservation files", "warn")
    assert found.seen == f"no reservation in a file reaches 10.0.7.0/24 (id 7): it is {words}; it has 90 leases"
    assert verify_report.worst(judged(EVENTS, *changes)) == "ok", "reservations in a database reach all"
    elsewhere = facts()
    in_files(elsewhere)
    for change in changes:
        change(elsewhere)
    assert verify_report.worst(verify_report.judge(elsewhere, FILE._replace(subnets=[8]))) == "ok"


def test_subnets_without_a_subscription_need_no_reservations() -> None:
    change = at("subnets/0/reservation_obstacle", "reservation-mode: disabled in Dhcp4")
    assert verify_report.worst(judged(EVENTS._replace(subnets=[8]), change)) == "ok"


def test_reservations_of_the_site_with_an_address_are_well() -> None:
    hosts = [host_of("client-id", "10.0.7.9"), host_of("hw-address", "10.0.7.8")]
    assert verify_report.worst(judged(EVENTS, at("subnets/0/site_reservations", hosts))) == "ok"


ORDER = "host-reservation-identifiers"


@pytest.mark.parametrize(
    ("kind", "settings", "todo"),
    [
        ("circuit-id", [], "set store-extended-info, or name circuit-id before hw-address"),
        ("circuit-id", [{"store-extended-info": False}, {"store-extended-info": True}], "set store-extended-info"),
        ("circuit-id", [{"store-extended-info": True}], ""),
        ("circuit-id", [{}, {"store-extended-info": True}], ""),
        ("circuit-id", [{ORDER: ["circuit-id", "hw-address"]}], ""),
        ("circuit-id", [{ORDER: ["hw-address"]}], ""),
        ("circuit-id", [{ORDER: ["circuit-id"]}], ""),
        ("flex-id", [], ""),
        ("flex-id", [{ORDER: ["hw-address", "flex-id"]}], "name flex-id before hw-address in host-reservation"),
        ("flex-id", [{ORDER: ["flex-id", "hw-address"]}], ""),
    ],
)
@pytest.mark.parametrize("expected", [EVENTS, FILE])
def test_managed_reservations_that_may_hide_those_of_a_port_are_a_warning(
    kind: str, settings: list[dict[str, Any]], todo: str, expected: Expected
) -> None:
    """Kea looks up the hardware address first, and without extended info no lease tells the port."""
    scopes = [{"place": "Dhcp4", "settings": one} for one in settings]
    changes = [
        at("subnets/0/site_reservations", [host_of(kind, "10.0.7.9")]),
        at("subnets/0/reservation_scopes", scopes),
    ]
    found = [one for one in judged(expected, *changes) if one.verdict != "ok"]
    assert [(one.name, one.verdict, todo in one.todo) for one in found] == (
        [("site reservations", "warn", True)] if todo else []
    )
    none = judged(expected, *changes, at("subnets/0/managed_reservations", 0))
    assert verify_report.worst(none) == ("warn" if todo and expected is EVENTS else "ok")


def test_the_probe_of_the_dhcpv6_server_is_a_finding_about_that_server() -> None:
    failed = {"error": "no answer", "seconds": {}, "removed": []}
    findings = judged(EVENTS._replace(host=False), at("family", 6), at("probe", failed))
    assert [one[:3] for one in findings if "probe" in one.name] == [("DHCPv6 probe", "wrong", "no answer")]


def test_a_timer_that_has_not_elapsed_yet_is_well() -> None:
    findings = judged(FILE, at("lfc/last_run", None), at("lfc_service/triggered", 0.0))
    assert [one.seen for one in findings if one.name == "timer"] == ["not due yet; none has succeeded yet"]


def test_required_tls_is_judged_by_the_server() -> None:
    strict = EVENTS._replace(tls=True)
    clear = session(address="192.0.2.7")
    by_tls = {**clear, "encrypted": True, "protocol": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384"}
    found = judged(strict, at("database/connections", [by_tls, clear]))
    assert found[0][:3] == ("sessions of Kea", "wrong", "1 of 2 come over the network without TLS")
    sessions = [{**by_tls, "role": "kea-lease-monitor", "client_dn": "/CN=m"}]
    monitor = {"error": "permission denied for table schema_version", "connections": sessions}
    found = judged(strict, at("database/connections", [by_tls]), at("monitor_database", monitor))
    seen = [one.seen for one in found if one.name.startswith("sessions")]
    assert seen == [
        "1 by TLSv1.3 TLS_AES_256_GCM_SHA384; Kea asks for sslmode verify-full",
        "1 by TLSv1.3 TLS_AES_256_GCM_SHA384 /CN=m; the monitor asks for sslmode verify-full",
    ]
    found = judged(strict, at("monitor_database", {"error": "password authentication failed"}))
    assert found[0][:2] == ("sessions", "wrong")


def test_optional_tls_is_not_enough_where_tls_is_required() -> None:
    by_tls = session(address="192.0.2.7", encrypted=True, protocol="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384")
    weak = at("database/connections", [by_tls]), at("server/ssl_mode", "prefer")
    [found, *others] = judged(EVENTS._replace(tls=True), *weak)
    assert found[:2] == ("sessions of Kea", "wrong")
    assert found.seen.endswith("Kea asks for sslmode prefer, which accepts a server without TLS, too")
    assert {one.verdict for one in [*others, *judged(EVENTS, *weak)]} == {"ok"}


def test_a_stopped_program_needs_no_sessions() -> None:
    stopped = judged(EVENTS, at("server/unit/active", False), at("database/connections", []))
    assert [one.name for one in stopped if one.verdict != "ok"] == ["kea"]
    no_sessions = at("monitor_database", {"error": None, "connections": []})
    assert [one.name for one in judged(EVENTS, no_sessions) if one.verdict != "ok"] == ["sessions of the monitor"]
    stopped = judged(EVENTS, no_sessions, at("monitor/unit/active", False))
    assert [one.name for one in stopped if one.verdict != "ok"] == ["monitor"]


def test_the_report_is_a_table() -> None:
    lines = verify_report.report(
        [Finding("kea", "wrong", "does not run", "read on"), Finding("version", "ok", "2.6.3")]
    )
    assert lines == [
        "1 wrong, 0 warn, 1 ok",
        "WRONG  kea      does not run",
        "                -> read on",
        "ok     version  2.6.3",
    ]


def test_modes_of_secrets(tmp_path: Path) -> None:
    key, config = tmp_path / "key.pem", tmp_path / "kea-dhcp4.conf"
    key.touch(0o640)
    config.write_text('{ "Dhcp4": { "lease-database": { "type": "memfile" } } } // no "password"')
    config.chmod(0o644)
    secrets = [
        host.Secret(str(tmp_path / "*.pem"), 0o640),
        host.Secret(str(tmp_path / "*.conf*"), 0o640, is_kea_config=True),
    ]
    assert [one for secret in secrets for one in host.find(secret)] == [{"path": str(key), "problem": "", "todo": ""}]
    key.chmod(0o644)
    config.write_text('{ "Dhcp4": { "lease-database": { "type": "postgresql", "password": "x" } } }')
    found = [one for secret in secrets for one in host.find(secret)]
    assert [one["problem"] for one in found] == ["has mode 0644, and may have 0640 at most"] * 2
    assert found[0]["todo"] == f"chmod 0640 {key}"
    key.chmod(0o600)
    os.chown(key, 12345, -1)
    assert host.find(secrets[0])[0]["problem"] == "belongs to 12345"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres_cluster() as running:
        running.sql('CREATE DATABASE kea; CREATE ROLE "kea-lease-monitor"; CREATE ROLE auditor')
        for module in ("kea_schema", "kea_hosts_constraint", "kea_database_rights", "kea_lease_notify"):
            assert run_module(module, **running.login)["changed"]
        yield running


def looked(cluster: Cluster) -> list[Finding]:
    """With a database that is there, as the Kea of these tests wants it."""
    found: dict[str, Any] = run_module("kea_info", gather=["database"], **cluster.login)["database"]
    found["connections"] = [session()]
    return judged(EVENTS, at("database", found), at("server/capabilities", capabilities("2.2.0")._asdict()))


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("statement", "name", "words"),
    [
        ("ALTER TABLE lease4 DISABLE TRIGGER kea_lease_notify_trigger", "trigger", "disabled: trigger;"),
        ("DROP TABLE kea_events.lease_event", "trigger", "missing: event_table"),
        ("ALTER TABLE hosts DROP CONSTRAINT hosts_dhcp_identifier_subnet_unique", "constraint", "is missing"),
        ("UPDATE schema_version SET version = 12", "schema", "12.0, and this Kea requires 13.0"),
        ("DROP SCHEMA kea_events CASCADE", "trigger", "missing: event_schema, event_table, lost_counter"),
    ],
)
def test_a_database_that_was_changed_by_hand(cluster: Cluster, statement: str, name: str, words: str) -> None:
    assert verify_report.worst(looked(cluster)) == "ok"
    version = cluster.sql("SELECT version FROM schema_version", "kea")
    cluster.sql(statement, "kea")
    findings = looked(cluster)
    assert [one.verdict for one in findings if one.name == name and words in one.seen] == ["wrong"]
    cluster.sql(f"UPDATE schema_version SET version = {version}", "kea")
    for module in ("kea_hosts_constraint", "kea_lease_notify"):
        run_module(module, **cluster.login)


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("grant", "name", "verdict", "words"),
    [
        ("CONNECT ON DATABASE kea TO PUBLIC", "connect", "warn", "every role of the server may connect"),
        ("CONNECT ON DATABASE kea TO auditor", "rights", "ok", "by a person: auditor has CONNECT on database"),
        ("SELECT ON hosts TO auditor", "rights", "ok", "auditor has SELECT on hosts"),
        ("UPDATE (hostname) ON hosts TO auditor", "rights", "warn", "auditor has UPDATE (hostname) on hosts"),
        ("CREATE ON DATABASE kea TO auditor", "rights", "warn", "auditor has CREATE on database"),
        ('DELETE ON hosts TO "kea-lease-monitor"', "rights", "warn", "kea-lease-monitor has DELETE on hosts"),
        ('SELECT ON hosts TO "kea-lease-monitor"', "rights", "warn", "kea-lease-monitor has SELECT on hosts"),
        ("EXECUTE ON FUNCTION kea_forget_reservations TO auditor", "rights", "warn", "auditor has EXECUTE on forget"),
    ],
)
def test_rights_beyond_those_that_are_needed(cluster: Cluster, grant: str, name: str, verdict: str, words: str) -> None:
    assert [one.verdict for one in looked(cluster) if one.name == "rights"] == ["ok"]
    cluster.sql(f"GRANT {grant}", "kea")
    try:
        assert [one.verdict for one in looked(cluster) if one.name == name and words in one.seen] == [verdict]
    finally:
        cluster.sql(f"REVOKE {grant.replace(' TO ', ' FROM ')}", "kea")
        run_module("kea_database_rights", **cluster.login)


@pytest.mark.postgres
def test_old_events_and_lost_ones(cluster: Cluster) -> None:
    cluster.sql("INSERT INTO lease4 (address, subnet_id) VALUES (1, 1)", "kea")
    assert verify_report.worst(looked(cluster)) == "ok"
    cluster.sql("UPDATE kea_events.lease_event SET recorded_at = now() - interval '3 h'", "kea")
    assert [one.seen for one in looked(cluster) if one.verdict == "wrong"] == [
        "1 rows in the event table, the oldest of 3.0 h ago: a subscription does not pass them"
    ]


def test_the_module_wants_the_database_where_it_is_used() -> None:
    assert "database is needed" in run_module("kea_verify", leases="postgresql")["msg"]


def test_the_module_on_a_host_without_anything() -> None:
    result = run_module("kea_verify", check=True, path="/nowhere/kea-dhcp4.conf")
    assert not result["changed"]
    assert result["verdict"] == "wrong"
    assert {"kea", "configuration", "monitor", "timer", "drift"} <= {
        one["name"] for one in result["findings"] if one["verdict"] == "wrong"
    }
    assert len(result["report"]) > len(result["findings"])
