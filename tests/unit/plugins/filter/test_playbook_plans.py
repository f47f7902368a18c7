# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the playbooks and of the role kea_database, as tables without hosts."""

from __future__ import annotations

import os
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from support.paths import ROOT

CONFIG = "/etc/kea/kea-dhcp4.conf"
DATABASE = {"host": "/run", "port": "5432", "name": "kea", "user": "_kea", "password": ""}


def deployment(**asked: Any) -> dict[str, Any]:
    default = {
        "families": [],
        "has_dhcp6": False,
        "enable_database": False,
        "enable_notify": False,
        "polling": False,
        "enable_lfc_timer": True,
        "notify_dhcp6": False,
        "elsewhere": {"families": [], "interfaces": [], "subnets": []},
    }
    return filters.deployment_plan(
        {**default, "database_hosts": [], "database_host": "/run", "database_port": 5432, **asked}
    )


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        ({}, ("memfile", "none", "memfile", "files", "present")),
        ({"enable_lfc_timer": False}, ("memfile", "none", "memfile", "files", "absent")),
        ({"polling": True}, ("memfile", "none", "memfile", "files", "present")),
        ({"enable_database": True}, ("memfile", "postgresql", "memfile", "database", "present")),
        (
            {"enable_database": True, "enable_notify": True},
            ("postgresql", "postgresql", "events", "database", "absent"),
        ),
        (
            {"enable_database": True, "enable_notify": True, "polling": True},
            ("postgresql", "postgresql", "polling", "database", "absent"),
        ),
    ],
)
def test_what_a_mode_means_for_the_roles(asked: dict[str, bool], values: Any) -> None:
    plan = deployment(**asked)
    names = ("lease_database", "hosts_database", "monitor_source", "reservations", "lfc_timer_state")
    assert tuple(plan[name] for name in names) == values
    assert (plan["events"], plan["polling"]) == (values[2] == "events", values[2] == "polling")


@pytest.mark.parametrize(
    ("named", "has_dhcp6", "families"),
    [
        ([], False, [4]),
        ([], True, [4, 6]),
        ([6], True, [6]),
        (["6", 4], False, [4, 6]),
        ([4], True, [4]),
        ([6, 6], False, [6]),
        (["both"], False, ["both"]),
    ],
)
def test_which_servers_are_deployed(named: list[Any], has_dhcp6: bool, families: list[Any]) -> None:
    plan = deployment(families=named, has_dhcp6=has_dhcp6)
    assert (plan["families"], plan["database_dhcp6"]) == (families, 6 in families)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"notify_dhcp6": True}, True),
        ({"elsewhere": {"families": [4], "interfaces": [], "subnets": []}}, False),
        ({"elsewhere": {"families": ["6"], "interfaces": [], "subnets": []}}, True),
        ({"elsewhere": {"families": [], "interfaces": ["eth0"], "subnets": []}}, True),
        ({"elsewhere": {"families": [], "settings": [{"valid-lifetime": 60}]}}, True),
        ({"elsewhere": {"families": [], "settings": []}}, False),
    ],
)
def test_a_database_has_what_the_dhcpv6_server_of_any_host_needs(asked: dict[str, Any], expected: bool) -> None:
    assert deployment(families=[4], **asked)["database_dhcp6"] is expected


@pytest.mark.parametrize(
    ("hosts", "host", "here", "listen"),
    [
        ([], "/run", True, ""),
        ([], "localhost", True, ""),
        ([], "::1", True, ""),
        ([], "db1", False, ""),
        (["db1"], "/run", False, "*"),
        (["db1"], "db1", False, "*"),
    ],
)
def test_where_postgresql_runs(hosts: list[str], host: str, here: bool, listen: str) -> None:
    plan = deployment(database_hosts=hosts, database_host=host)
    assert (plan["database_is_here"], plan["listen_addresses"]) == (here, listen)


def test_the_monitor_gets_the_site_reservations_that_it_can_use() -> None:
    hosts = [
        {"hw-address": "2:0:0:0:0:AB", "ip-address": "192.0.2.7"},
        {"hw-address": "0200000000ac"},
        {"hw-address": "no hex", "ip-address": "192.0.2.8"},
        {"client-id": "01:02", "ip-address": "192.0.2.9"},
        {"duid": "01:02:03"},
        {"flex-id": "'s0mEVaLue'", "ip-address": "192.0.2.10", "hostname": "x"},
        {"<?include?>": "/etc/kea/site.json"},
        {"hw-address": "0200000000ad", "state": "absent"},
    ]
    found = filters.site_reservations({"subnets": [{"id": 1, "reservations": hosts}, {"id": 2}], "shared_networks": []})
    assert {one["subnet"] for one in found} == {1}
    assert [(one["kind"], one["identifier"], one["address"]) for one in found] == [
        ("hw-address", "02:00:00:00:00:ab", "192.0.2.7"),
        ("hw-address", "02:00:00:00:00:ac", ""),
        ("hw-address", "6e:6f:20:68:65:78", "192.0.2.8"),
        ("client-id", "01:02", "192.0.2.9"),
        ("duid", "01:02:03", ""),
        ("flex-id", "73:30:6d:45:56:61:4c:75:65", "192.0.2.10"),
    ]


@pytest.mark.parametrize(
    "subnet",
    [{"id": 1, "reservations": {"<?include?>": "/x"}}, {"subnet": "192.0.2.0/24", "reservations": [{"duid": "01"}]}],
)
def test_reservations_in_other_forms_are_left_to_kea(subnet: dict[str, Any]) -> None:
    assert filters.site_reservations({"subnets": [subnet], "shared_networks": []}) == []


@pytest.mark.parametrize(
    ("database", "certificates", "become", "options"),
    [
        ({}, None, (True, "_kea"), {"login_unix_socket": "/run"}),
        ({"host": "db1"}, {"skipped": True}, (False, "root"), {"login_host": "db1"}),
        ({"host": "db1", "password": "x"}, None, (False, "root"), {"login_host": "db1", "login_password": "x"}),
        ({"host": "db1", "ssl_mode": "disable"}, None, (False, "root"), {"login_host": "db1", "ssl_mode": "disable"}),
        (
            {"host": "db1", "certificate": "CERT"},
            {"cert_file": "/cert", "key_file": "/key"},
            (False, "root"),
            {"login_host": "db1", "ssl_mode": "require", "ssl_cert": "/cert", "ssl_key": "/key"},
        ),
        (
            {"host": "db1", "trust_anchor": "CA"},
            {"trust_anchor_file": "/ca"},
            (False, "root"),
            {"login_host": "db1", "ssl_mode": "verify-full", "ca_cert": "/ca"},
        ),
    ],
)
def test_how_a_task_logs_in(database: dict[str, str], certificates: Any, become: Any, options: dict[str, Any]) -> None:
    login = filters.login({**DATABASE, **database}, "_kea", certificates)
    assert login["options"] == {"login_port": 5432, "login_user": "_kea", "login_db": "kea", **options}
    assert (login["become"], login["become_user"]) == become


@pytest.mark.parametrize(
    ("server", "client", "asks", "kinds", "tls"),
    [
        ("", "", False, ["host"], ""),
        ("", "", True, ["hostssl"], ""),
        ("CERT", "", True, [], ""),
        ("CERT", "CA", True, [], " clientcert=verify-full"),
    ],
)
def test_who_may_reach_the_database(server: str, client: str, asks: bool, kinds: list[str], tls: str) -> None:
    asked = {"name": "kea", "users": ["_kea", "monitor"], "clients": ["192.0.2.0/24"], "tls": asks}
    access = filters.database_access({**asked, "server_certificate": server, "client_trust_anchor": client})
    network = [rule for rule in access["rules"] if "address" in rule]
    assert network == [{"contype": kind, "address": "192.0.2.0/24", "method": "scram-sha-256"} for kind in kinds]
    assert access["rules"][0] == {"contype": "local", "method": "peer"}
    assert access["tls_rules"].splitlines() == [
        f'hostssl "kea" "_kea","monitor" 192.0.2.0/24 scram-sha-256{tls}',
        'host "kea" "_kea","monitor" all reject',
    ]


@pytest.mark.parametrize(
    ("name", "action", "restarts"),
    [
        (f"{os.path.dirname(CONFIG)}/subnets.json", "restore", True),
        (f"{os.path.dirname(CONFIG)}/subnets.json", "keep", False),
        (f"{os.path.dirname(CONFIG)}/new.json", "remove", False),
        ("/etc/systemd/system/kea.service", "restore", False),
    ],
)
def test_kea_reads_restored_included_files_again(name: str, action: str, restarts: bool) -> None:
    assert rollback(plan=[step("file", name, action)])["restarts"] is restarts


@pytest.mark.parametrize(("name", "family"), [(CONFIG, 4), ("/etc/kea/kea-dhcp6.conf", 6)])
def test_no_server_is_restarted_again_for_a_configuration(name: str, family: int) -> None:
    """It is in force already: the move of the leases restarted the server."""
    plans = {one: rollback(family=one, plan=[step("file", name, "restore")]) for one in (4, 6)}
    assert {one: plan["restores_config"] for one, plan in plans.items()} == {4: family == 4, 6: family == 6}
    assert {one: plan["restarts"] for one, plan in plans.items()} == {4: False, 6: False}


def rollback(
    to: str = "before_deploy", notify: bool = False, keep: bool = True, family: int = 4, unit: str = "", **checked: Any
) -> dict[str, Any]:
    config = CONFIG.replace("dhcp4", f"dhcp{family}")
    server = {"config": config, "family": str(family), "unit": unit}
    asked = {"to": to, "enable_notify": notify, "keep_constraint": keep, **server}
    default = {"deployed": 1, "unfinished": None, "plan": [], "plan_lines": ["a line"], "entries": [], "releases": []}
    return filters.rollback_plan(asked, {**default, **checked})


def step(kind: str, name: str, action: str) -> dict[str, str]:
    return {"kind": kind, "name": name, "action": action, "why": ""}


@pytest.mark.parametrize(
    ("deployed", "unfinished", "action", "was", "now"),
    [
        (1, None, "keep", False, False),
        (None, 1, "keep", False, False),
        (None, None, "keep", True, True),
        (None, None, "remove", True, False),
    ],
)
def test_what_is_rolled_back_already(deployed: Any, unfinished: Any, action: str, was: bool, now: bool) -> None:
    plan = rollback(deployed=deployed, unfinished=unfinished, plan=[step("leases", "/leases", action)])
    assert (plan["was_rolled_back"], plan["is_rolled_back"]) == (was, now)


@pytest.mark.parametrize(("family", "name"), [(4, "site-dhcp4.service"), (6, "site-dhcp6.service")])
def test_kea_in_a_unit_that_a_person_names(family: int, name: str) -> None:
    entries = [{"name": name, "found": {"state": "loaded", "active": True}}]
    units = ("", "site-dhcp4", "site-dhcp4.service")
    active = [rollback(family=family, unit=unit, entries=entries)["kea_was_active"] for unit in units]
    assert active == [False, True, True]


def test_what_happens_to_kea() -> None:
    state = {"state": "file", "sha256": "x"}
    unit = {"name": "kea-dhcp4-server.service", "found": {"state": "loaded", "active": True}}
    plan = rollback(plan=[step("file", CONFIG, "restore")], entries=[{"name": CONFIG, "found": state}, unit])
    assert (plan["restores_config"], plan["removes_kea"], plan["kea_was_active"]) == (True, False, True)
    assert plan["config_found"] == state
    assert not plan["restarts"]
    plan = rollback(plan=[step("file", CONFIG, "remove"), step("package", "kea-dhcp4-server", "remove")])
    assert (plan["restores_config"], plan["removes_kea"], plan["kea_was_active"]) == (False, True, False)
    assert plan["config_found"] == {"state": "absent"}


@pytest.mark.parametrize(
    ("kind", "name", "action", "active", "hands_over"),
    [
        ("unit", "kea-dhcp4-server.service", "restore", False, True),
        ("unit", "kea-dhcp4-server.service", "remove", False, True),
        ("unit", "kea-dhcp4-server.service", "keep", False, False),
        ("unit", "kea-dhcp4-server.service", "restore", True, False),
        ("unit", "kea-dhcp6-server.service", "restore", False, False),
        ("package", "kea-dhcp4-server", "remove", False, True),
        ("package", "kea-dhcp6-server", "remove", False, False),
        ("file", CONFIG, "restore", True, True),
        ("file", CONFIG, "keep", True, False),
        ("file", "/etc/kea/kea-dhcp6.conf", "restore", True, False),
    ],
)
def test_which_roll_back_takes_the_server_out_of_its_pair(
    kind: str, name: str, action: str, active: bool, hands_over: bool
) -> None:
    unit = {"name": "kea-dhcp4-server.service", "found": {"state": "loaded", "active": active}}
    assert rollback(plan=[step(kind, name, action)], entries=[unit])["hands_over"] is hands_over


def test_the_partner_serves_before_a_roll_back_stops_or_restarts_kea() -> None:
    tasks = yaml.safe_load((ROOT / "playbooks/tasks/before_deploy.yml").read_text())
    names = [one.get("ansible.builtin.include_tasks") for one in tasks]
    before = tasks[names.index("found_leases.yml") - 1]
    assert before["baremetal.kea.kea_service"]["state"] == "handed_over"
    assert before["when"] == "kea__rollback.hands_over"


def test_what_the_operator_reads() -> None:
    assert rollback()["lines"] == ["a line"]
    assert rollback("previous_release", releases=["1"])["lines"][0] == "there is no earlier release"
    assert "the release 1 of the lease monitor" in rollback("previous_release", releases=["1", "2"])["lines"][0]
    assert "Kea serves from its lease file" in rollback("polling")["lines"][1]
    assert "Kea keeps its leases in the database" in rollback("polling", notify=True)["lines"][1]
    assert "the constraint stays" in rollback("polling")["lines"][3]
    assert "the constraint is removed" in rollback("polling", keep=False)["lines"][3]


SKIPPED = {"skipped": True, "changed": False}
LOST = {"msg": "lost"}
NOT_IN_CHECK_MODE = {"skipped": "not in check mode"}


def of_family(family: int, result: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a task that loops over this family."""
    return {"results": [{**result, "kea__family": family}]}


@pytest.mark.parametrize(
    ("database", "probe", "seen", "options"),
    [
        (False, False, (SKIPPED, SKIPPED, SKIPPED), {}),
        (True, False, ({"database": 1}, SKIPPED, SKIPPED), {"database": 1}),
        (True, False, ({"msg": "refused"}, SKIPPED, SKIPPED), {"database": {"error": "refused"}}),
        (
            True,
            False,
            (SKIPPED, {}, SKIPPED),
            {"database": {"error": "not asked"}, "monitor_database": {"error": "not asked"}},
        ),
        (
            True,
            True,
            ({"database": 1}, {"database": 2}, of_family(4, {"probe": 3})),
            {"database": 1, "monitor_database": 2, "probe": 3},
        ),
        (True, True, ({"database": 1}, SKIPPED, of_family(4, SKIPPED)), {"database": 1, "probe": NOT_IN_CHECK_MODE}),
        (True, True, ({"database": 1}, SKIPPED, of_family(4, LOST)), {"database": 1, "probe": {"error": "lost"}}),
    ],
)
def test_what_a_verification_saw(database: bool, probe: bool, seen: Any, options: dict[str, Any]) -> None:
    results = dict(zip(("database", "monitor_database", "probed"), seen))
    assert filters.verify_options(results, database, probe) == options


def test_the_subnets_with_reservations_are_those_of_the_subscriptions() -> None:
    results = dict.fromkeys(("database", "monitor_database", "probed"), SKIPPED)
    assert filters.verify_options(results, False, False, [{"match": {"subnets": [9, 7]}}]) == {"subnets": [7, 9]}
    assert filters.verify_options(results, False, False, [{"match": {"subnets": [9]}}, {"name": "all"}]) == {}


@pytest.mark.parametrize("family", [4, "6"])
def test_each_server_has_its_own_probe(family: Any) -> None:
    sent = [{"probe": number, "kea__family": number} for number in (4, 6)]
    results = {"database": {"database": 1}, "monitor_database": SKIPPED, "probed": {"results": sent}}
    assert filters.verify_options(results, True, True, None, family)["probe"] == int(family)


def test_a_probe_without_a_database_is_skipped() -> None:
    results = dict.fromkeys(("database", "monitor_database", "probed"), SKIPPED)
    assert "without a database" in filters.verify_options(results, False, True)["probe"]["skipped"]


def test_a_host_without_a_result_is_wrong() -> None:
    one = {"verdict": "ok", "findings": [{"name": "kea", "verdict": "ok"}]}
    found = filters.verify_report({"one": [one, {"skipped": True}], "other": [{}, {"skipped": True}], "none": []})
    wrong = {"verdict": "wrong", "findings": []}
    assert found == {"one": one, "other": wrong, "none": wrong}


def test_the_findings_of_both_servers_are_one_report() -> None:
    four = {"verdict": "ok", "findings": [{"name": "kea", "verdict": "ok"}]}
    six = {"verdict": "warn", "findings": [{"name": "DHCPv6 kea", "verdict": "warn"}]}
    both = {"verdict": "warn", "findings": [*six["findings"], *four["findings"]]}
    assert filters.verify_report({"one": [four, six]}) == {"one": both}
    assert filters.verify_report({"one": [four, {}]})["one"]["verdict"] == "wrong"


@pytest.mark.parametrize(
    ("action", "active", "package", "restarts"),
    [
        ("restore", True, "keep", True),
        ("restore", False, "keep", False),
        ("keep", True, "keep", False),
        ("restore", True, "remove", False),
    ],
)
def test_d2_reads_its_restored_configuration_again(action: str, active: bool, package: str, restarts: bool) -> None:
    steps = [
        {"kind": "file", "name": "/etc/kea/kea-dhcp-ddns.conf", "action": action},
        {"kind": "package", "name": "kea-dhcp-ddns-server", "action": package},
    ]
    entries = [{"name": "kea-dhcp-ddns-server.service", "found": {"state": "loaded", "active": active}}]
    plan = rollback(plan=steps, entries=entries)
    assert plan["restarts_ddns"] is restarts
    # Kea's DHCP server does not read it.
    assert not plan["restarts"]


@pytest.mark.parametrize(
    ("files", "clusters", "restarts"),
    [
        ({}, [], False),
        ({"/etc/postgresql/15/main/pg_hba.conf": "restore"}, [("postgresql@15-main", "reloaded")], False),
        (
            {"/etc/postgresql/15/main/conf.d/baremetal-kea-tls.conf": "remove"},
            [("postgresql@15-main", "reloaded")],
            False,
        ),
        (
            {
                "/etc/postgresql/15/main/pg_hba.conf": "restore",
                "/etc/postgresql/15/main/conf.d/baremetal-kea.conf": "remove",
                "/etc/postgresql/15/other/pg_hba.conf": "restore",
            },
            [("postgresql@15-main", "restarted"), ("postgresql@15-other", "reloaded")],
            True,
        ),
        ({"/etc/postgresql/15/main/conf.d/baremetal-kea.conf": "keep"}, [], False),
    ],
)
def test_only_the_options_of_postgresql_need_a_restart(
    files: dict[str, str], clusters: list[tuple[str, str]], restarts: bool
) -> None:
    """A restart ends the sessions of a site's Kea, which then ends unless it is told to connect again."""
    plan = rollback(plan=[step("file", name, action) for name, action in files.items()])
    assert [(one["unit"], one["state"]) for one in plan["clusters"]] == clusters
    assert plan["restarts"] is restarts
