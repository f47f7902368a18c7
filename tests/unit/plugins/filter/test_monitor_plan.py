# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of the role kea_lease_monitor, as tables without hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters

PATHS = {
    "user": "monitor",
    "kea_user": "_kea",
    "config_directory": "/etc/monitor",
    "config_file": "/etc/monitor/config.yml",
    "password_file": "/etc/monitor/password",
    "webhook_secret_file": "/etc/monitor/webhook",
    "site_file": "/config/site",
    "state_directory": "/var/monitor",
    "reservations": "/data",
}
TEXTS = {
    "config": "config",
    "site": [{"subnet": 1}],
    "units": {"/monitor.service": "unit"},
    "reservation_units": {"/reservations.service": "service"},
    "validate": "check %s",
}
COMMAND = [{"name": "site", "sinks": [{"type": "exec", "command": ["/bin/true"]}]}]
WEBHOOK = [
    {"name": "site", "sinks": [{"type": "webhook", "url": "https://a/"}, {"type": "webhook", "url": "https://b/"}]}
]
INVENTORY = [{"name": "site", "sinks": [{"type": "discovery", "directory": "/site"}, {"type": "discovery"}]}]
CERTIFICATES = {"trust_anchor_file": "/ca", "cert_file": "/cert", "key_file": "/key"}


def wanted(source: str = "memfile", reservations: str = "files", **others: Any) -> dict[str, Any]:
    database = {"host": "/run", "port": 5432, "name": "kea", "user": "monitor", "password": "", "ssl_mode": ""}
    database.update({"trust_anchor": "", "certificate": "", **others.pop("database", {})})
    return {
        "source": source,
        "source_options": {},
        "lease_file": "",
        "reservations": reservations,
        "reservations_directory": "/reservations",
        "site_reservations": [],
        "discovery_directory": "/discovery",
        "database": database,
        "subscriptions": [{"name": "all"}],
        "state": "sqlite",
        "state_options": {},
        "metrics_listen": "",
        "webhook_secret": "",
        "writable": [],
        "log_level": "INFO",
        **others,
    }


def make(asked: dict[str, Any], certificates: Any = None, **config: Any) -> dict[str, Any]:
    return filters.monitor_plan(asked, PATHS, [{"config": config or None}], certificates or {})


@pytest.mark.parametrize(
    ("source", "reservations", "uses_database"),
    [("memfile", "files", False), ("memfile", "database", True), ("events", "files", True), ("polling", "files", True)],
)
def test_when_the_monitor_uses_the_database(source: str, reservations: str, uses_database: bool) -> None:
    plan = make(wanted(source, reservations))
    assert plan["uses_database"] is uses_database
    assert ("database" in plan["config"]) is uses_database


@pytest.mark.parametrize(
    ("asked", "entry", "path"),
    [
        ("", None, "/var/lib/kea/kea-leases4.csv"),
        ("", {"type": "memfile", "name": "/kea.csv"}, "/kea.csv"),
        ("", {"name": "/kea.csv"}, "/kea.csv"),
        ("", {"type": "postgresql", "name": "kea"}, "/var/lib/kea/kea-leases4.csv"),
        ("/site.csv", {"type": "memfile", "name": "/kea.csv"}, "/site.csv"),
    ],
)
def test_which_lease_file_is_read(asked: str, entry: Any, path: str) -> None:
    plan = make(wanted(lease_file=asked), lease_database=entry)
    assert plan["servers"][0]["lease_file"] == path
    assert plan["config"]["source"] == {"type": "memfile", "path": path}


@pytest.mark.parametrize(
    ("asked", "entry", "elsewhere"),
    [
        ("", None, False),
        ("", {"type": "memfile"}, False),
        ("", {"type": "memfile", "persist": False}, True),
        ("", {"type": "postgresql", "name": "kea"}, True),
        ("/site.csv", {"type": "postgresql", "name": "kea"}, False),
    ],
)
def test_a_lease_confirms_a_reservation_only_where_leases_are_in_a_file(
    asked: str, entry: Any, elsewhere: bool
) -> None:
    plan = make(wanted(lease_file=asked), lease_database=entry)
    assert plan["servers"][0]["leases_elsewhere"] is elsewhere


@pytest.mark.parametrize(
    ("sockets", "path"),
    [
        (None, "/run/kea/kea4-ctrl-socket"),
        ([{"socket-type": "http"}], "/run/kea/kea4-ctrl-socket"),
        ([{"socket-type": "http"}, {"socket-type": "unix", "socket-name": "bare"}], "/run/kea/bare"),
        ([{"socket-type": "unix", "socket-name": "/var/kea.sock"}], "/var/kea.sock"),
    ],
)
def test_which_control_socket_is_used(sockets: Any, path: str) -> None:
    assert make(wanted(), control_sockets=sockets)["servers"][0]["socket"] == path


@pytest.mark.parametrize(
    ("others", "offline"),
    [
        ({}, True),
        ({"database": {"host": "db1"}}, False),
        ({"metrics_listen": "127.0.0.1:9"}, False),
        ({"subscriptions": COMMAND}, False),
        ({"subscriptions": WEBHOOK}, False),
        ({"subscriptions": INVENTORY}, True),
    ],
)
def test_when_the_unit_needs_no_network(others: dict[str, Any], offline: bool) -> None:
    assert make(wanted(**others))["offline"] is offline


@pytest.mark.parametrize(("sinks", "has"), [(COMMAND, True), (WEBHOOK, True), (INVENTORY, False)])
def test_when_the_unit_gets_control_groups_for_commands(sinks: Any, has: bool) -> None:
    assert make(wanted(subscriptions=sinks))["has_commands"] is has


def test_only_a_webhook_needs_the_library_that_sends() -> None:
    assert make(wanted(subscriptions=WEBHOOK))["packages"] == ["python3-requests"]
    assert make(wanted(subscriptions=COMMAND))["packages"] == make(wanted())["packages"] == []


def test_what_the_unit_may_write_to() -> None:
    asked = wanted(subscriptions=INVENTORY, writable=["/more", "/site"])
    assert make(asked)["writable"] == ["/discovery", "/data/written", "/site", "/more"]
    assert make(wanted("events", "database"))["writable"] == ["/discovery"]


def test_the_sinks_of_a_subscription() -> None:
    discovery = {"type": "discovery", "directory": "/discovery"}
    files = {
        "type": "reservation_file", "directory": "/data/written", "report": "/data/report",
        "site_file": "/config/site",
    }  # fmt: skip
    config = make(wanted())["config"]
    assert config["subscriptions"] == [{"sinks": [files, discovery], "name": "all"}]
    database = {"type": "reservation", "site_file": "/config/site"}
    config = make(wanted("events", "database", subscriptions=[*COMMAND, {"name": "all"}]))["config"]
    assert config["subscriptions"] == [*COMMAND, {"sinks": [database, discovery], "name": "all"}]


def test_the_reservations_of_the_site_are_those_of_the_variables_and_of_the_configuration() -> None:
    """B12: each once, without what the monitor does not need."""
    own = {"subnet": 1, "kind": "hw-address", "identifier": "02:00", "address": "192.0.2.7", "hostname": "x"}
    other = {**own, "kind": "flex-id", "hostname": ""}
    look = {"reservations": {"site": [own, other], "global_subnets": [1]}}
    plan = filters.monitor_plan(wanted("events", "database", site_reservations=[own]), PATHS, [look], {})
    assert [one["kind"] for one in plan["site"]] == ["hw-address", "flex-id"]
    assert set(plan["site"][0]) == {"subnet", "kind", "identifier", "address", "name"}
    sink = plan["config"]["subscriptions"][0]["sinks"][0]
    assert sink == {"type": "reservation", "site_file": "/config/site", "global_subnets": [1]}


@pytest.mark.parametrize(
    ("no_file", "look", "left_out"),
    [
        ({}, {"left_out_subnets": [7], "defined_subnets": [1, 7]}, [7]),
        ({4: [9, 3]}, {"left_out_subnets": [7], "defined_subnets": [1, 7]}, [3, 7, 9]),
        ({"4": [1, 9], 6: [5]}, {"defined_subnets": [1]}, [9]),
        ({6: [5]}, {}, None),
    ],
)
def test_the_subnets_that_no_reservation_in_a_file_reaches_are_told_to_the_sink(
    no_file: dict[Any, list[int]], look: dict[str, Any], left_out: list[int] | None
) -> None:
    for reservations, expected in (("files", left_out), ("database", None)):
        asked = wanted(reservations=reservations, subnets_in_no_file=no_file)
        plan = filters.monitor_plan(asked, PATHS, [{"reservations": look}], {})
        assert plan["config"]["subscriptions"][0]["sinks"][0].get("left_out") == expected


def test_each_server_has_subnets_of_its_own_that_are_left_out() -> None:
    asked = wanted(families=[4, 6], subnets_in_no_file={6: [5]})
    four, six = filters.monitor_plan(asked, PATHS, [{}, {}], {})["config"]["subscriptions"]
    assert ("left_out" in four["sinks"][0], six["sinks"][0]["left_out"]) == (False, [5])


def test_sinks_that_a_subscription_names_know_the_reservations_of_the_site_too() -> None:
    own = [{"name": "a", "sinks": [{"type": "reservation_file", "directory": "/own"}, {"type": "discovery"}]}]
    (subscription,) = make(wanted(subscriptions=own))["config"]["subscriptions"]
    assert subscription["sinks"] == [
        {"type": "reservation_file", "directory": "/own", "site_file": "/config/site"}, {"type": "discovery"},
    ]  # fmt: skip


def test_a_sink_of_the_site_writes_where_the_applier_watches() -> None:
    sinks = [
        {"type": "reservation_file", **named} for named in ({}, {"directory": "/reservations"}, {"directory": "/x"})
    ]
    plan = make(wanted(subscriptions=[{"name": "a", "sinks": sinks}]))
    site = {"type": "reservation_file", "site_file": "/config/site"}
    placed = {**site, "directory": "/data/written", "report": "/data/report"}
    assert plan["config"]["subscriptions"][0]["sinks"] == [placed, placed, {**site, "directory": "/x"}]
    assert plan["writable"] == ["/discovery", "/data/written", "/x"]


def test_the_unit_sees_neither_kea_s_socket_nor_its_configuration_e13() -> None:
    assert make(wanted())["hidden"] == ["/run/kea", "/etc/kea"]
    assert make(wanted(writable=["/etc/kea/site"]))["hidden"] == ["/run/kea"], "the site asks for it"
    assert make(wanted(lease_file="/etc/kea/leases.csv"))["hidden"] == ["/run/kea"]


@pytest.mark.parametrize(
    ("others", "hidden"),
    [
        ({"sink": {"type": "discovery", "template": "/etc/kea/x.j2"}}, ["/run/kea"]),
        ({"sink": {"type": "exec", "command": ["/etc/kea/hook"]}}, ["/run/kea"]),
        ({"sink": {"type": "exec", "command": ["/bin/sh", "/etc/kea/hook"]}}, ["/run/kea"]),
        ({"sink": {"type": "exec", "command": ["/bin/nc", "/run/kea/../kea/socket", 5]}}, ["/etc/kea"]),
        ({"sink": {"type": "exec", "command": ["/bin/echo", "etc/kea/x", "/etc/keas"]}}, ["/run/kea", "/etc/kea"]),
        ({"source_options": {"path": "/etc/kea/leases.csv"}}, ["/run/kea"]),
    ],
)
def test_the_unit_sees_what_the_site_has_it_read(others: dict[str, Any], hidden: list[str]) -> None:
    sink = others.pop("sink", {"type": "discovery"})
    assert make(wanted(subscriptions=[{"name": "a", "sinks": [sink]}], **others))["hidden"] == hidden


def test_source_state_and_metrics() -> None:
    options = {"source_options": {"batch": 5}, "state_options": {"schema": "x"}, "metrics_listen": "127.0.0.1:9"}
    config = make(wanted("events", "database", state="postgresql", **options))["config"]
    assert (config["source"], config["state"]) == (
        {"type": "events", "batch": 5},
        {"type": "postgresql", "schema": "x"},
    )
    assert config["metrics"] == {"listen": "127.0.0.1:9"}
    config = make(wanted())["config"]
    assert config["state"] == {"type": "sqlite", "path": "/var/monitor/state.sqlite"}
    assert "metrics" not in config


@pytest.mark.parametrize(
    ("database", "certificates", "section"),
    [
        ({}, {}, {}),
        ({"password": "secret"}, {}, {"password_file": "/etc/monitor/password"}),
        ({"ssl_mode": "verify-ca", "trust_anchor": "CA"}, {}, {"ssl_mode": "verify-ca"}),
        ({"certificate": "CERT"}, {}, {"ssl_mode": "require"}),
        (
            {"trust_anchor": "CA", "certificate": "CERT"},
            CERTIFICATES,
            {"ssl_mode": "verify-full", "ca_file": "/ca", "cert_file": "/cert", "key_file": "/key"},
        ),
    ],
)
def test_how_the_monitor_logs_in(database: dict[str, str], certificates: dict[str, str], section: Any) -> None:
    config = make(wanted("events", "database", database=database), certificates)["config"]
    assert config["database"] == {"host": "/run", "port": 5432, "name": "kea", "user": "monitor", **section}


def in_database(name: str, error: str = "", *hosts: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "postgresql",
        "name": name,
        "host": "/run",
        "port": 0,
        "reservations": None if error else list(hosts),
        "error": error,
    }


@pytest.mark.parametrize(("reservations", "subnets"), [("files", [1, 2, 5, 6]), ("database", [1, 5, 6])])
def test_the_reservations_of_other_databases_are_the_sites(reservations: str, subnets: list[int]) -> None:
    """A row outside of subnets counts where Kea uses such. The monitor reads its own database itself."""
    one = {"kind": "hw-address", "identifier": "02:00:00:00:00:01", "address": "192.0.2.7"}
    databases = [in_database("dhcp", "", {"subnet": 1, **one}, {"subnet": 0, **one})]
    databases += [in_database("kea", "", {"subnet": 2, **one}), in_database("old", "it is gone")]
    look = {"reservations": {"site": [], "global_subnets": [5, 6], "databases": databases}}
    plan = filters.monitor_plan(wanted(reservations=reservations), PATHS, [look], {})
    assert sorted(one["subnet"] for one in plan["site"]) == subnets
    assert plan["site"][0] == {"subnet": 1, **one, "name": "", "database": "postgresql dhcp at /run"}
    assert plan["unread"] == ["the reservations in old (postgresql) at /run: it is gone"]


def test_a_database_that_does_not_answer_leaves_what_the_monitor_was_told_before() -> None:
    """Else it would reserve for these clients until the next deployment."""
    first = {"subnet": 1, "kind": "hw-address", "identifier": "02:00:00:00:00:01", "address": "192.0.2.7", "name": ""}
    second = {**first, "identifier": "02:00:00:00:00:02", "address": "192.0.2.8"}
    gone = {**first, "identifier": "02:00:00:00:00:03", "address": "192.0.2.9"}
    told = [{**first, "database": "postgresql dhcp at /run"}, {**second, "database": "postgresql old at /run"}]
    told += [{**gone, "database": "postgresql removed at /run"}, {**told[1], "subnet": 2, "family": 6}]
    look = {
        "monitor": {"told_of_databases": told},
        "reservations": {"databases": [in_database("old", "it is gone"), in_database("dhcp")]},
    }
    plan = filters.monitor_plan(wanted(), PATHS, [look], {})
    assert plan["site"] == [told[1]], "the other one answered, and has none; the third is in no configuration now"
    kept = "the monitor keeps to the 1 that the last deployment read"
    assert plan["unread"] == [f"the reservations in old (postgresql) at /run: it is gone; {kept}"]
    unnamed = {"type": "", "name": "", "host": "", "port": 0, "reservations": None, "error": "not read"}
    look["reservations"] = {"databases": [unnamed]}
    assert filters.monitor_plan(wanted(), PATHS, [look], {})["site"] == told[:3], "it may be any of them"


def test_a_database_of_which_a_part_is_known_replaces_what_was_told() -> None:
    one = {"kind": "hw-address", "identifier": "02:00:00:00:00:01", "address": ""}
    known = {**in_database("dhcp", "", {"subnet": 1, **one}), "error": "1 of them is wrong"}
    told = [{"subnet": 3, **one, "name": "", "database": "postgresql dhcp at /run"}]
    look = {"monitor": {"told_of_databases": told}, "reservations": {"databases": [known]}}
    plan = filters.monitor_plan(wanted(), PATHS, [look], {})
    assert [found["subnet"] for found in plan["site"]] == [1]
    assert plan["unread"] == ["the reservations in dhcp (postgresql) at /run: 1 of them is wrong"]


@pytest.mark.parametrize("reservations", ["files", "database"])
def test_the_files_of_the_monitor(reservations: str) -> None:
    """In each mode: the service of Kea's user reads Kea's statistics, too."""
    files = filters.monitor_files(wanted(reservations=reservations, subscriptions=INVENTORY), PATHS, TEXTS)
    paths = [one["path"] for one in files]
    assert paths[:5] == ["/etc/monitor", "/opt/baremetal", "/var/monitor", "/discovery", "/site"]
    (site,) = [one for one in files if one["path"] == "/config/site"]
    assert (site["content"], site["mode"], site["group"]) == ('[{"subnet": 1}]\n', "0640", "monitor")
    assert paths.index("/config/site") < paths.index("/etc/monitor/config.yml"), "the configuration needs it"
    assert paths[5:8] == ["/data", "/data/written", "/data/report"]
    assert paths[-1] == "/reservations.service"
    assert {"path": "/etc/monitor/password", "state": "absent"} in files
    access = [(one["owner"], one.get("group"), one["mode"]) for one in files[5:8]]
    assert access == [
        ("root", "root", "0755"),
        (PATHS["user"], PATHS["kea_user"], "2750"),
        (PATHS["kea_user"], PATHS["user"], "2750"),
    ]


def test_the_password_is_a_secret_file() -> None:
    files = filters.monitor_files(wanted(database={"password": "secret"}), PATHS, TEXTS)
    (secret,) = [one for one in files if one["path"] == "/etc/monitor/password"]
    assert (secret["content"], secret["secret"], secret["mode"]) == ("secret", True, "0640")


def test_the_secret_of_webhooks_is_a_secret_file_that_a_sink_may_replace() -> None:
    own = {"type": "webhook", "url": "https://a/", "secret_file": "/own"}
    subscriptions = [{"name": "site", "sinks": [{"type": "webhook", "url": "https://b/"}, own]}]
    asked = wanted(webhook_secret="secret", subscriptions=subscriptions)
    (found,) = make(asked)["config"]["subscriptions"]
    assert [sink["secret_file"] for sink in found["sinks"]] == ["/etc/monitor/webhook", "/own"]
    files = {one["path"]: one for one in filters.monitor_files(asked, PATHS, TEXTS)}
    secret = files["/etc/monitor/webhook"]
    assert (secret["content"], secret["secret"], secret["mode"]) == ("secret", True, "0640")
    without = make(wanted(subscriptions=subscriptions))["config"]["subscriptions"][0]["sinks"]
    assert [sink.get("secret_file") for sink in without] == [None, "/own"]
    assert {"path": "/etc/monitor/webhook", "state": "absent"} in filters.monitor_files(wanted(), PATHS, TEXTS)


def look6(**config: Any) -> dict[str, Any]:
    names = {"program": "/usr/sbin/kea-dhcp6", "unit": "kea-dhcp6-server"}
    return {"config": config or None, "packaging": names}


def test_both_servers_have_their_own_files_and_services() -> None:
    asked = wanted(families=["4", 6])
    plan = filters.monitor_plan(asked, PATHS, [{}, look6(lease_database={"name": "/six.csv"})], {})
    four, six = plan["servers"]
    assert (four["family"], four["service"], four["included"]) == (
        4,
        "kea-reservations.service",
        "/reservations/applied",
    )
    assert six == {
        "family": 6,
        "config": "/etc/kea/kea-dhcp6.conf",
        "program": "/usr/sbin/kea-dhcp6",
        "unit": "kea-dhcp6-server.service",
        "socket": "/run/kea/kea6-ctrl-socket",
        "lease_file": "/six.csv",
        "leases_elsewhere": False,
        "reservations": f"{PATHS['reservations']}6",
        "included": "/etc/kea/reservations6.d/applied",
        "service": "kea-reservations6.service",
    }
    config = plan["config"]
    assert config["source"] == {"type": "memfile", "path": "/var/lib/kea/kea-leases4.csv", "path6": "/six.csv"}
    reports = [f"{PATHS['reservations']}{end}/report/pools.json" for end in ("", "6")]
    assert config["pools"] == dict(zip(("path", "path6"), reports))
    assert f"{PATHS['reservations']}6/written" in plan["writable"]
    directories = [
        file["path"] for file in filters.monitor_files(asked, PATHS, TEXTS) if file.get("state") == "directory"
    ]
    assert {f"{PATHS['reservations']}6/{name}" for name in ("written", "report")} < set(directories)


@pytest.mark.parametrize(
    ("families", "match", "found"),
    [
        ([4], {}, {"all": None}),
        ([4, 6], {}, {"all": [4], "all-dhcp6": [6]}),
        ([4, 6], {"families": [6]}, {"all": [6]}),
        ([6], {}, {"all": [6]}),
    ],
)
def test_a_subscription_is_set_up_for_each_family(families: list[int], match: Any, found: dict[str, Any]) -> None:
    asked = wanted(families=families, subscriptions=[{"name": "all", **({"match": match} if match else {})}])
    subscriptions = filters.monitor_plan(asked, PATHS, [], {})["config"]["subscriptions"]
    assert {one["name"]: one.get("match", {}).get("families") for one in subscriptions} == found
    for one in subscriptions:
        end = "6" if (one.get("match", {}).get("families") or [4]) == [6] else ""
        (sink,) = [sink for sink in one["sinks"] if sink["type"] == "reservation_file"]
        assert sink["directory"] == f"{PATHS['reservations']}{end}/written"


def test_a_dhcpv6_server_alone() -> None:
    plan = filters.monitor_plan(wanted(families=[6], lease_file="/own.csv"), PATHS, [look6()], {})
    assert [one["service"] for one in plan["servers"]] == ["kea-reservations6.service"]
    assert plan["config"]["source"] == {"type": "memfile", "path": "/own.csv"}
    assert plan["config"]["pools"] == {"path": f"{PATHS['reservations']}6/report/pools.json"}


def test_the_reservations_of_the_site_are_told_apart_by_their_family() -> None:
    own = {"subnet": 1, "kind": "duid", "identifier": "00:01", "address": "2001:db8::1", "family": 6}
    found = {"subnet": 1, "kind": "duid", "identifier": "00:02", "address": "", "hostname": "x"}
    looks = [{"reservations": {"site": [found]}}, {"reservations": {"site": [found]}}]
    site = filters.monitor_plan(wanted(families=[4, 6], site_reservations=[own]), PATHS, looks, {})["site"]
    assert [(one["identifier"], one.get("family")) for one in site] == [("00:02", None), ("00:01", 6), ("00:02", 6)]
