# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory from a real PostgreSQL with Kea's schema, by the real ansible-inventory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from inventory_helpers import HOSTILE, Result, configuration, listed, run
from support.database import KEA, PASSWORD, PASSWORD_ROLE, Database

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ADDRESS = 10 << 24
"""Of 10.0.0.0, as Kea stores it."""
MADE = 1893456000 - 3600
MARK = f'{{"kea-lease-monitor": {{"ip-address": "10.0.0.1", "hostname": "web", "made": {MADE}}}}}'
"""The lease of this client was acknowledged for the last time when it was made."""
RESERVED = "(dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)"


@pytest.fixture
def filled(database: Database) -> Database:
    """Return a database with these clients.

    1: DHCPv4 lease, managed reservation, DHCPv6 lease with a hardware address from the frame. 2: a hostile name.
    3: reservation only, by a person. 4: expired. 5: DHCPv6 only, whose DUID holds the hardware address of 1.
    """

    def lease(number: int, hostname: str, **values: Any) -> None:
        hwaddr = bytes([2, 0, 0, 0, 0, number])
        row = {"address": ADDRESS + number, "hwaddr": hwaddr, "client_id": b"\1" + hwaddr, "hostname": hostname}
        database.lease(**{**row, **values})

    relayed = '{"ISC": {"relay-agent-info": {"sub-options": "0x0108657468302f312f330206aabbccddeeff"}}}'
    lease(1, "web", subnet_id=1, user_context=relayed)
    lease(2, HOSTILE, subnet_id=2)
    lease(4, "old", expire="2020-01-01 00:00:00+00")
    database.execute(
        f"INSERT INTO hosts {RESERVED} VALUES "
        f"('\\x020000000001', 0, 1, {ADDRESS + 1}, 'web', '{MARK}'), "
        f"('\\x020000000003', 0, 1, {ADDRESS + 3}, 'db', NULL), ('\\x020000000006', 0, 1, NULL, 'nameless', NULL)",
        "INSERT INTO lease6 (address, duid, valid_lifetime, expire, subnet_id, lease_type, iaid, prefix_len, fqdn_fwd,"
        " fqdn_rev, hostname, state, hwaddr, hwaddr_source) VALUES"
        " ('2001:db8::1', '\\x0002ff', 3600, '2030-01-01', 7, 0, 1, 128, false, false, 'web', 0, '\\x020000000001', 1),"
        " ('2001:db8::5', '\\x00030001020000000001', 3600, '2030-01-01', 7, 0, 1, 128, false, false, '', 0,"
        "  '\\x020000000001', 4),"
        " ('2001:db8:5::', '\\x00030001020000000001', 3600, '2030-01-01', 7, 2, 1, 56, false, false, '', 0, NULL, 0)",
    )
    return database


def settings(database: Database, **more: Any) -> dict[str, Any]:
    login = {"login_unix_socket": database.cluster.directory, "login_db": database.name, "login_user": KEA}
    return {"source": "postgresql", **login, **more}


def show(tmp_path: Path, database: Database, **more: Any) -> Result:
    return listed(tmp_path, **settings(database, **more))


def test_each_client_is_one_host(filled: Database, tmp_path: Path) -> None:
    found = show(tmp_path, filled)
    by_duid = "bmc-duid-00030001020000000001"
    assert set(found.hosts) == {"web", "lookup-pipe-id", "db", by_duid}
    assert found.hosts["web"] == {
        "ansible_host": "10.0.0.1",
        "bmc_mac": "02:00:00:00:00:01",
        "bmc_client_id": "01:02:00:00:00:00:01",
        "bmc_duid": "00:02:ff",
        "bmc_hostname": "web",
        "bmc_vendor": "",
        "kea_circuit_id": "eth0/1/3",
        "kea_remote_id": "aa:bb:cc:dd:ee:ff",
        "kea_vendor_class": "",
        "kea_subnet_id": 1,
        "kea_family": 4,
        "kea_ipv4_addresses": ["10.0.0.1"],
        "kea_ipv6_addresses": ["2001:db8::1"],
        "kea_lease_state": "assigned",
        "kea_lease_expires": 1893456000,
        "kea_reserved": True,
        "kea_confirmed": False,
        "kea_managed": True,
    }
    assert found.hosts["db"]["ansible_host"] == "10.0.0.3"
    assert not found.hosts["db"]["kea_managed"]
    assert found.hosts[by_duid]["kea_ipv6_addresses"] == ["2001:db8::5"]
    assert found.hosts[by_duid]["bmc_mac"] == ""
    assert set(found.inventory["bmc_targets"]["hosts"]) == set(found.hosts)


def test_a_hostile_name_is_never_a_template(filled: Database, tmp_path: Path) -> None:
    path = configuration(tmp_path, **settings(filled))
    shown = run("ansible", "lookup-pipe-id", "-i", path, "-m", "ansible.builtin.debug", "-a", "var=bmc_hostname")
    assert shown.code == 0, shown.errors
    assert HOSTILE in shown.output
    assert "uid=" not in shown.output + shown.errors


def test_filters(filled: Database, tmp_path: Path) -> None:
    assert set(show(tmp_path, filled, subnets=[2], subnets6=[]).hosts) == {"lookup-pipe-id"}
    assert set(show(tmp_path, filled, records=["reservations"]).hosts) == {"web", "db"}
    assert set(show(tmp_path, filled, lease_states=["expired"], records=["leases"]).hosts) == {"old"}
    assert set(show(tmp_path, filled, hwaddr_prefixes=["02:00:00:00:00:03"]).hosts) == {"db"}
    assert set(show(tmp_path, filled, confirmed=False).hosts) == {"web"}
    assert "web" not in show(tmp_path, filled, confirmed=True).hosts
    filled.execute("UPDATE lease4 SET expire = expire + interval '30 minutes'")
    assert show(tmp_path, filled, confirmed=False).hosts == {}


def test_constructed_variables_and_groups(filled: Database, tmp_path: Path) -> None:
    found = show(
        tmp_path,
        filled,
        strict=True,
        hostname="{{ 'm-' ~ bmc_mac | replace(':', '') if bmc_mac else bmc_hostname }}",
        compose={"url": "'https://' ~ ansible_host"},
        groups={"reserved": "kea_reserved"},
        keyed_groups=[{"prefix": "name", "key": "bmc_hostname", "default_value": "none"}],
    )
    assert found.hosts["m-020000000001"]["url"] == "https://10.0.0.1"
    assert set(found.inventory["reserved"]["hosts"]) == {"m-020000000001", "m-020000000003"}
    [hostile] = [group for group in found.inventory if "lookup" in group]
    assert set(hostile) <= set("abcdefghijklmnopqrstuvwxyz_")
    assert "bmc-duid-00030001020000000001" in found.hosts  # its template gave no name


def test_strict_decides_whether_a_template_that_fails_is_an_error(filled: Database, tmp_path: Path) -> None:
    assert set(show(tmp_path, filled, hostname="{{ absent }}", subnets6=[]).hosts) == {
        "bmc-020000000001",
        "bmc-020000000002",
        "bmc-020000000003",
    }
    failed = show(tmp_path, filled, hostname="{{ absent }}", strict=True)
    assert failed.code != 0
    assert "hostname fails for bmc-" in failed.errors
    assert "'absent' is undefined" in failed.errors
    assert "Could not set x for host" in show(tmp_path, filled, compose={"x": "absent"}, strict=True).errors


def test_the_cache_answers_until_it_is_flushed(filled: Database, tmp_path: Path) -> None:
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    path = configuration(tmp_path, **settings(filled, **cached))
    first = run("ansible-inventory", "-i", path, "--list").hosts
    filled.execute("DELETE FROM lease4", "DELETE FROM lease6", "DELETE FROM hosts WHERE hostname = 'web'")
    assert run("ansible-inventory", "-i", path, "--list").hosts == first
    # Before 2.19 ansible-inventory does not know --flush-cache.
    play = tmp_path / "flush.yml"
    play.write_text("[{hosts: localhost, gather_facts: false}]")
    assert run("ansible-playbook", "-i", path, "--flush-cache", str(play)).code == 0
    assert set(run("ansible-inventory", "-i", path, "--list").hosts) == {"db"}


def test_a_hostile_name_from_the_cache_is_no_template(filled: Database, tmp_path: Path) -> None:
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    path = configuration(tmp_path, **settings(filled, **cached))
    for _run in range(2):
        shown = run("ansible", "lookup-pipe-id", "-i", path, "-m", "ansible.builtin.debug", "-a", "var=bmc_hostname")
        assert HOSTILE in shown.output


def test_a_password_comes_from_the_environment_or_a_template_and_is_never_shown(
    filled: Database, tmp_path: Path
) -> None:
    filled.execute(f'GRANT SELECT ON lease4, lease6, hosts, ipv6_reservations TO "{PASSWORD_ROLE}"')
    login = settings(filled, login_user=PASSWORD_ROLE)
    path = configuration(tmp_path, **login)
    assert "web" in run("ansible-inventory", "-i", path, "--list", KEA_LOGIN_PASSWORD=PASSWORD).hosts
    path = configuration(tmp_path, **login, login_password="{{ lookup('ansible.builtin.env', 'SITE') }}")
    assert "web" in run("ansible-inventory", "-i", path, "--list", SITE=PASSWORD).hosts
    wrong = run("ansible-inventory", "-i", path, "--list", "-vvvv", SITE="wrong secret")
    assert wrong.code != 0
    assert "Check login_user and login_password" in wrong.errors
    assert "wrong secret" not in wrong.output + wrong.errors
    path = configuration(tmp_path, **login, login_password="tr0ub4dor{{ absent }}")
    failed = run("ansible-inventory", "-i", path, "--list")
    assert "the template in login_password fails" in failed.errors
    assert "tr0ub4dor" not in failed.output + failed.errors


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"login_unix_socket": "/nowhere"}, "Check login_host, login_port"),
        ({"login_db": "absent"}, "Create the database first, or correct login_db"),
        ({"schema": "absent"}, "correct the option schema"),
        ({"source": "mysql"}, "postgresql, control, directory"),
        ({"hwaddr_prefixes": ["dell"]}, "hwaddr_prefixes: 'dell' is not the beginning of a hardware address"),
    ],
)
def test_an_error_names_the_option(filled: Database, tmp_path: Path, more: dict[str, Any], expected: str) -> None:
    failed = show(tmp_path, filled, **more)
    assert failed.code != 0
    assert expected in failed.errors
    assert "Traceback" not in failed.errors


def test_nothing_is_written_and_no_lock_is_kept(filled: Database, tmp_path: Path) -> None:
    before = filled.fetch("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")
    assert show(tmp_path, filled).hosts
    time.sleep(0.1)
    assert filled.fetch("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables") == before
    assert filled.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ansible%'") == 0


def test_names_of_other_sources_are_not_taken(filled: Database, tmp_path: Path) -> None:
    site = tmp_path / "a.yml"
    site.write_text("all:\n  hosts:\n    web:\n      ansible_host: 192.0.2.1\n  children:\n    db:\n")
    found = run("ansible-inventory", "-i", site, "-i", configuration(tmp_path, **settings(filled)), "--list").hosts
    assert found["web"] == {"ansible_host": "192.0.2.1"}
    assert found["bmc-020000000001"]["ansible_host"] == "10.0.0.1"
    assert found["bmc-020000000003"]["bmc_hostname"] == "db"


def test_only_files_of_the_plugin_are_read(tmp_path: Path) -> None:
    other = tmp_path / "kea.yml"
    other.write_text("plugin: baremetal.kea.kea\nsource: directory\ndirectory: .\n")
    assert run("ansible-inventory", "-i", other, "--list").code != 0
    other.rename(tmp_path / "site.kea.yaml")
    assert run("ansible-inventory", "-i", tmp_path / "site.kea.yaml", "--list").code == 0
