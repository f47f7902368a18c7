# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_reservation in a database with Kea's schema."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

import pytest
from support.database import Database
from support.wait import until

pytestmark = pytest.mark.postgres

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
Module = Callable[..., "dict[str, Any]"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host without a monitor, with a configuration whose second subnet is in a shared network."""
    monkeypatch.setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
    config = tmp_path / "kea-dhcp4.conf"
    config.write_text(
        json.dumps(
            {
                "Dhcp4": {
                    "hosts-databases": [{"type": "postgresql", "name": "kea"}],
                    "subnet4": [{"id": 1, "subnet": "192.0.2.0/24"}],
                    "shared-networks": [{"name": "n", "subnet4": [{"id": 2, "subnet": "198.51.100.0/24"}]}],
                }
            }
        )
    )
    return config


@pytest.fixture
def module(database: Database, host: Path) -> Module:
    def run(check: bool = False, **options: Any) -> dict[str, Any]:
        return database.module("kea_reservation", check, path=str(host), **options)

    return run


def rows(database: Database) -> list[Any]:
    return database.fetch(
        "SELECT encode(dhcp_identifier, 'hex'), dhcp_identifier_type, dhcp4_subnet_id,"
        " host('0.0.0.0'::inet + ipv4_address), hostname, user_context FROM hosts ORDER BY ipv4_address, host_id"
    )


def automatic(database: Database, hwaddr: str, address: str, subnet: int = 1, context: str = "") -> None:
    """Write the row that the lease monitor writes."""
    mark = context or json.dumps({"kea-lease-monitor": {"ip-address": address, "name": "bmc"}})
    database.execute(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, user_context) VALUES "
        f"(decode('{hwaddr.replace(':', '')}', 'hex'), 0, {subnet}, '{address}'::inet - '0.0.0.0', '{mark}')"
    )


@pytest.mark.parametrize(
    ("client", "kind", "place"),
    [
        ({"hw_address": "02-00-00-00-00-0A"}, 0, (1, "192.0.2.7")),
        ({"client_id": A}, 3, (2, "198.51.100.7")),
        ({"duid": A}, 1, (1, "192.0.2.7")),
    ],
)
def test_the_whole_life(
    database: Database, module: Module, client: dict[str, str], kind: int, place: tuple[int, str]
) -> None:
    database.constraint()
    subnet, address = place
    wanted = {**client, "ip_address": address, "hostname": "bmc-7"}
    checked = module(check=True, **wanted)
    assert (checked["changed"], rows(database)) == (True, []), checked
    applied = module(**wanted)
    assert applied["changed"]
    assert applied["kept_in"] == "database"
    assert applied["diff"] == checked["diff"]
    assert address in applied["diff"]["after"]
    assert rows(database) == [(A.replace(":", ""), kind, subnet, address, "bmc-7", "")]
    assert not module(**wanted)["changed"]

    database.execute("UPDATE hosts SET ipv4_address = ipv4_address + 1, dhcp4_boot_file_name = 'site'")
    assert module(check=True, **wanted)["changed"]
    assert module(**wanted)["changed"]
    assert rows(database)[0][3] == address
    assert database.value("SELECT dhcp4_boot_file_name FROM hosts") == "site"

    gone = {**client, "subnet_id": subnet, "state": "absent"}
    assert module(check=True, **gone)["changed"]
    assert len(rows(database)) == 1
    assert module(**gone)["changed"]
    assert rows(database) == []
    assert not module(**gone)["changed"]


def test_a_dhcpv6_reservation_has_its_address_in_the_other_table(
    database: Database, tmp_path: Path, host: Path
) -> None:
    six = tmp_path / "kea-dhcp6.conf"
    text = {"hosts-databases": [{"type": "postgresql"}], "subnet6": [{"id": 5, "subnet": "2001:db8::/64"}]}
    six.write_text(json.dumps({"Dhcp6": text}))

    def run(**options: Any) -> dict[str, Any]:
        return database.module("kea_reservation", path=str(six), duid="00:03:00:01:0a", **options)

    assert run(ip_address="2001:DB8::7", hostname="six")["changed"]
    assert not run(ip_address="2001:db8::7", hostname="six")["changed"]
    query = (
        "SELECT dhcp6_subnet_id, split_part(address::text, '/', 1), prefix_len, type"
        " FROM hosts JOIN ipv6_reservations USING (host_id)"
    )
    assert database.fetch(query) == [(5, "2001:db8::7", 128, 0)]
    assert run(ip_address="2001:db8::8")["changed"]
    assert database.fetch(query) == [(5, "2001:db8::8", 128, 0)]
    mark = json.dumps({"kea-lease-monitor": {"ip-addresses": {"1": "2001:db8::9"}}})
    database.execute(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id, user_context)"
        f" VALUES ('\\x0001', 1, 5, '{mark}')",
        "INSERT INTO ipv6_reservations (address, host_id) SELECT '2001:db8::9', max(host_id) FROM hosts",
    )
    assert run(ip_address="2001:db8::9")["gave_way"] == ["2001:db8::9 of duid 00:01 in subnet 5"]
    assert database.fetch(query) == [(5, "2001:db8::9", 128, 0)]
    assert run(ip_address="2001:db8::9", state="absent")["changed"]
    assert database.fetch(query) == []


def test_an_automatic_reservation_of_the_client_becomes_the_sites(database: Database, module: Module) -> None:
    automatic(database, A, "192.0.2.100")
    applied = module(hw_address=A, ip_address="192.0.2.7")
    assert applied["gave_way"] == []
    assert rows(database) == [(A.replace(":", ""), 0, 1, "192.0.2.7", None, "")]


def test_an_automatic_reservation_of_another_client_gives_way(database: Database, module: Module) -> None:
    automatic(database, B, "192.0.2.7")
    automatic(database, C, "192.0.2.7", subnet=2)
    checked = module(check=True, hw_address=A, ip_address="192.0.2.7")
    applied = module(hw_address=A, ip_address="192.0.2.7")
    assert applied["gave_way"] == checked["gave_way"] == [f"192.0.2.7 of hw-address {B} in subnet 1"]
    assert [(row[0], row[2]) for row in rows(database)] == [(C.replace(":", ""), 2), (A.replace(":", ""), 1)]


@pytest.mark.parametrize(
    "context", ['{"site": 1}', '{"kea-lease-monitor": {"ip-address": "192.0.2.1"}}', "no JSON", "[1]"]
)
def test_a_persons_reservation_of_the_address_is_never_touched(
    database: Database, module: Module, context: str
) -> None:
    automatic(database, B, "192.0.2.7", context=context)
    before = rows(database)
    for check in (True, False):
        refused = module(check=check, hw_address=A, ip_address="192.0.2.7")
        assert refused["failed"]
        assert f"192.0.2.7 is reserved for hw-address {B} in subnet 1" in refused["msg"]
    assert rows(database) == before


def test_a_name_alone_leaves_the_address_to_the_monitor(database: Database, module: Module) -> None:
    automatic(database, A, "192.0.2.100")
    assert module(hw_address=A, hostname="rack-7", subnet_id=1)["changed"]
    (row,) = rows(database)
    assert (row[3], row[4], "kea-lease-monitor" in row[5]) == ("192.0.2.100", "rack-7", True)
    assert not module(hw_address=A, hostname="rack-7", subnet_id=1)["changed"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hw_address": "zz"}, "hw-address: 'zz' is no identifier"),
        ({"hw_address": "01:" * 20 + "01"}, "hw-address: 1 to 20 octets are allowed, not 21"),
        ({"hw_address": A}, "ip-address: an address or a hostname is needed"),
        ({"hw_address": A, "ip_address": "192.0.2.300"}, "ip-address: '192.0.2.300' is no IP address"),
        ({"hw_address": A, "ip_address": "203.0.113.1"}, "ip-address: 203.0.113.1 is in 0 subnets of 192.0.2.0/24 (id"),
        ({"hw_address": A, "ip_address": "192.0.2.7", "subnet_id": 2}, "ip-address: 192.0.2.7 is not in subnet 2"),
        ({"hw_address": A, "ip_address": "192.0.2.7", "subnet_id": 9}, "subnet-id: there is no subnet 9"),
        ({"hw_address": A, "hostname": "x"}, "subnet-id: missing"),
        ({"hw_address": A, "hostname": "a b", "subnet_id": 1}, "hostname: 'a b' is no name"),
        ({"client_id": A, "hostname": "x", "subnet_id": 1}, "ip-address: missing: only an entry by hw-address"),
        ({"hw_address": A, "client_id": A, "ip_address": "192.0.2.7"}, "mutually exclusive"),
        ({"duid": A, "ip_address": "2001:db8::1", "subnet_id": 1}, "ip-address: 2001:db8::1 is not in subnet 1"),
    ],
)
def test_one_error_names_the_field(module: Module, options: dict[str, Any], message: str) -> None:
    refused = module(**options)
    assert refused["failed"]
    assert message in refused["msg"]


def test_a_lock_is_not_waited_for_long(database: Database, module: Module) -> None:
    with database.session(autocommit=False) as other:
        other.execute("LOCK TABLE hosts IN ROW EXCLUSIVE MODE")
        refused = module(hw_address=A, ip_address="192.0.2.7", lock_timeout=20, lock_retries=0)
    assert (refused["failed"], refused.get("sqlstate")) == (True, "55P03"), refused
    assert rows(database) == []


def test_a_reservation_that_the_monitor_writes_meanwhile_gives_way_too(database: Database, module: Module) -> None:
    with database.session(autocommit=False) as other, ThreadPoolExecutor(1) as pool:
        mark = json.dumps({"kea-lease-monitor": {"ip-address": "192.0.2.7"}})
        other.execute(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, user_context)"
            f" VALUES (decode('{B.replace(':', '')}', 'hex'), 0, 1, '192.0.2.7'::inet - '0.0.0.0', '{mark}')"
        )
        applied = pool.submit(module, hw_address=A, ip_address="192.0.2.7", lock_timeout=30_000)
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        until(lambda: database.value(waiting), "it waits for the monitor's transaction")
        other.execute("COMMIT")
        assert applied.result()["gave_way"] == [f"192.0.2.7 of hw-address {B} in subnet 1"]
    assert [row[0] for row in rows(database)] == [A.replace(":", "")]


def test_a_missing_right_is_named_before_anything_is_changed(database: Database, module: Module) -> None:
    for check in (True, False):
        refused = module(check=check, hw_address=A, ip_address="192.0.2.7", login_user="kea-lease-monitor")
        assert refused["sqlstate"] == "42501", refused


def test_an_unreadable_configuration_is_named(database: Database, host: Path) -> None:
    refused = database.module("kea_reservation", path=str(host) + ".none", hw_address=A, hostname="x")
    assert refused["failed"]
    assert "cannot be read: No such file or directory" in refused["msg"]
