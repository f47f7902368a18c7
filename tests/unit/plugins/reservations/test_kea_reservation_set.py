# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_reservation_set: the reservations of the variables of a host, in a database with Kea's schema."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from support.database import Database

pytestmark = pytest.mark.postgres

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
HEADER = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)
Module = Callable[..., "dict[str, Any]"]


def entry(hwaddr: str, address: str = "", **more: Any) -> dict[str, Any]:
    found = {"subnet-id": 1, "hw-address": hwaddr, **more}
    return {**found, "ip-address": address} if address else found


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "kea-dhcp4.conf"
    path.write_text(json.dumps({"Dhcp4": {"lease-database": {"type": "memfile", "name": str(tmp_path / "leases")}}}))
    return path


@pytest.fixture
def module(database: Database, config: Path) -> Module:
    def run(*reservations: dict[str, Any], check: bool = False, owner: str = "dhcp1", **more: Any) -> dict[str, Any]:
        options = {"reservations": list(reservations), "owner": owner, "path": str(config), **more}
        return database.module("kea_reservation_set", check, **options)

    return run


def rows(database: Database) -> list[Any]:
    return database.fetch(
        "SELECT encode(dhcp_identifier, 'hex'), host('0.0.0.0'::inet + ipv4_address), hostname FROM hosts"
        " ORDER BY dhcp_identifier"
    )


def bare(hwaddr: str) -> str:
    return hwaddr.replace(":", "")


def test_the_whole_life(database: Database, module: Module) -> None:
    database.constraint()
    database.execute(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id) VALUES ('\\xff', 0, 1)"
    )
    wanted = [entry(A, "192.0.2.7", hostname="bmc-7"), entry(B, "192.0.2.8")]
    checked = module(*wanted, check=True)
    assert (checked["changed"], len(rows(database))) == (True, 1), checked
    applied = module(*wanted)
    assert applied["diff"] == checked["diff"]
    kept = ("ff", None, None)
    assert rows(database) == [(bare(A), "192.0.2.7", "bmc-7"), (bare(B), "192.0.2.8", None), kept]
    assert not module(*wanted)["changed"]

    database.execute("UPDATE hosts SET hostname = 'drift' WHERE hostname = 'bmc-7'")
    assert module(*wanted)["changed"]
    assert rows(database)[0] == (bare(A), "192.0.2.7", "bmc-7")

    moved = [entry(B, "192.0.2.7")]
    assert module(*moved, check=True)["changed"]
    assert module(*moved)["changed"]
    assert rows(database) == [(bare(B), "192.0.2.7", None), kept]
    assert module()["changed"]
    assert rows(database) == [kept]
    assert not module()["changed"]


def test_a_row_goes_with_its_last_owner(database: Database, module: Module) -> None:
    module(entry(A, "192.0.2.7"))
    module(entry(A, "192.0.2.7"), owner="dhcp2")
    assert not module(entry(A, "192.0.2.7"))["changed"]
    assert module()["changed"]
    assert len(rows(database)) == 1
    assert module(owner="dhcp2")["changed"]
    assert rows(database) == []


def test_what_a_person_changed_stays(database: Database, module: Module) -> None:
    module(entry(A, "192.0.2.7"), entry(B, "192.0.2.8"))
    database.execute("UPDATE hosts SET ipv4_address = ipv4_address + 100 WHERE dhcp_identifier = '\\x02000000000a'")
    database.execute("UPDATE hosts SET dhcp4_boot_file_name = 'x' WHERE dhcp_identifier = '\\x02000000000b'")
    assert module()["changed"]
    assert [row[1] for row in rows(database)] == ["192.0.2.107", "192.0.2.8"]
    assert not module()["changed"]


def test_an_entry_without_an_address_gets_the_leased_one(database: Database, module: Module) -> None:
    named = entry(A, hostname="rack-7")
    assert module(named)["changed"]
    assert rows(database) == [(bare(A), None, "rack-7")]
    # As the lease monitor completes it, which test_database.py in the runtime's tests shows.
    database.execute(
        "UPDATE hosts SET ipv4_address = '192.0.2.50'::inet - '0.0.0.0', user_context = (user_context::jsonb ||"
        " jsonb_build_object('kea-lease-monitor', jsonb_build_object('ip-address', '192.0.2.50')))::text"
    )
    assert not module(named)["changed"]
    # The address is given to another client: the named one leaves it.
    assert module(named, entry(B, "192.0.2.50"))["changed"]
    assert rows(database) == [(bare(A), None, "rack-7"), (bare(B), "192.0.2.50", None)]
    # Without the monitor's mark: with it, the monitor would take the missing address for a person's wish.
    assert "kea-lease-monitor" not in database.value("SELECT string_agg(user_context, '') FROM hosts")


def test_without_its_entry_the_monitors_reservation_stays_and_loses_the_name(
    database: Database, module: Module
) -> None:
    mark = '{"kea-lease-monitor": {"ip-address": "192.0.2.50", "name": "bmc"}}'
    database.execute(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, user_context)"
        f" VALUES ('\\x02000000000a', 0, 1, '192.0.2.50'::inet - '0.0.0.0', '{mark}')"
    )
    module(entry(A, hostname="rack-7"))
    assert rows(database) == [(bare(A), "192.0.2.50", "rack-7")]
    module()
    assert rows(database) == [(bare(A), "192.0.2.50", None)]
    assert json.loads(database.value("SELECT user_context FROM hosts")) == json.loads(mark)


@pytest.mark.parametrize("where", ["file", "database"])
def test_a_leased_address_is_not_removed_unasked(
    database: Database, module: Module, config: Path, tmp_path: Path, where: str
) -> None:
    module(entry(A, "192.0.2.7"), entry(B, "192.0.2.8"))
    ends = int(time.time()) + 3600
    if where == "file":
        (tmp_path / "leases").write_text(HEADER + f"192.0.2.7,{A},,3600,{ends},1,0,0,,0,,0\n")
    else:
        config.write_text(json.dumps({"Dhcp4": {"lease-database": {"type": "postgresql", "name": "kea"}}}))
        database.execute(
            "INSERT INTO lease4 (address, valid_lifetime, expire, subnet_id, state)"
            " VALUES ('192.0.2.7'::inet - '0.0.0.0', 3600, now() + interval '1 hour', 1, 0)"
        )
    for check in (True, False):
        refused = module(check=check)
        assert refused["failed"]
        assert f"192.0.2.7 of hw-address {A} in subnet 1" in refused["msg"]
        assert "192.0.2.8" not in refused["msg"]
        assert "kea_allow_removals: true" in refused["msg"]
    assert len(rows(database)) == 2
    assert module(allow_removals=True)["changed"]
    assert rows(database) == []


def test_without_kea_s_configuration_nothing_is_removed(database: Database, module: Module, config: Path) -> None:
    module(entry(A, "192.0.2.7"))
    config.unlink()
    refused = module()
    assert "cannot be read: No such file or directory, so it is not known whether 192.0.2.7" in refused["msg"]
    assert len(rows(database)) == 1


def test_a_bad_entry_changes_nothing(database: Database, module: Module) -> None:
    refused = module(entry(A, "192.0.2.7"), entry(B, "192.0.2"))
    assert "reservations[1]: ip-address: '192.0.2' is no IP address" in refused["msg"]
    refused = module(entry(A, "2001:db8::7"))
    assert "reservations[0]: ip-address: 2001:db8::7 is not of the DHCPv4 server" in refused["msg"]
    assert rows(database) == []


PERSONS = (
    "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname, user_context)"
    " VALUES ('\\x02000000000a', 0, 1, '192.0.2.7'::inet - '0.0.0.0', {hostname}, '{context}')"
)
WHOLE = "SELECT host_id, ipv4_address, coalesce(hostname, ''), user_context FROM hosts ORDER BY host_id"


@pytest.mark.parametrize("context", ["", '{ "rack":  7 }', "[1]", '{"kea-lease-monitor": {"ip-address": "192.0.2.9"}}'])
@pytest.mark.parametrize("hostname", ["NULL", "'mine'"])
def test_a_persons_row_is_restored_without_its_entry(
    database: Database, module: Module, context: str, hostname: str
) -> None:
    database.execute(PERSONS.format(hostname=hostname, context=context))
    before = database.fetch(WHOLE)
    checked = module(entry(A, "192.0.2.8", hostname="given"), check=True)
    assert module(entry(A, "192.0.2.8", hostname="given"))["diff"] == checked["diff"]
    assert rows(database) == [(bare(A), "192.0.2.8", "given")]
    assert not module(entry(A, "192.0.2.8", hostname="given"))["changed"]
    assert module(entry(A, "192.0.2.9"))["changed"]
    assert rows(database) == [(bare(A), "192.0.2.9", hostname.strip("'") if hostname != "NULL" else None)]
    module(entry(A, "192.0.2.9"), owner="dhcp2")
    module(owner="dhcp2")
    assert module(check=True)["changed"]
    assert module()["changed"]
    assert database.fetch(WHOLE) == before
    assert not module()["changed"]


def test_an_entry_that_loses_its_address_has_the_persons_again(database: Database, module: Module) -> None:
    database.execute(PERSONS.format(hostname="NULL", context=""))
    module(entry(A, "192.0.2.8"))
    module(entry(A, hostname="given"))
    assert rows(database) == [(bare(A), "192.0.2.7", "given")]


@pytest.mark.parametrize("given", [entry(A, "192.0.2.7", hostname="mine"), entry(A, "192.0.2.7"), entry(A)])
def test_a_persons_row_that_says_the_same_stays_the_persons(
    database: Database, module: Module, given: dict[str, Any]
) -> None:
    database.execute(PERSONS.format(hostname="'mine'", context=""))
    before = database.fetch(WHOLE)
    given = given if "ip-address" in given else {**given, "hostname": "mine"}
    assert not module(given)["changed"]
    assert not module()["changed"]
    assert database.fetch(WHOLE) == before


def test_what_a_person_changed_after_the_entry_is_not_restored(database: Database, module: Module) -> None:
    database.execute(PERSONS.format(hostname="'mine'", context=""))
    module(entry(A, "192.0.2.8", hostname="given"))
    database.execute(
        "UPDATE hosts SET hostname = 'later', user_context = (user_context::jsonb || '{\"rack\": 8}')::text"
    )
    module()
    assert rows(database) == [(bare(A), "192.0.2.7", "later")]
    assert json.loads(database.value("SELECT user_context FROM hosts")) == {"rack": 8}


def test_a_restored_address_that_another_client_has_is_refused(database: Database, module: Module) -> None:
    database.execute(PERSONS.format(hostname="NULL", context=""))
    module(entry(A, "192.0.2.8"))
    refused = module(entry(B, "192.0.2.7"))
    assert f"192.0.2.7 is reserved for hw-address {A} in subnet 1 already" in refused["msg"]
    other = PERSONS.replace("0000000a", "0000000c").format(hostname="'other'", context="")
    database.execute(other)
    before = database.fetch(WHOLE)
    refused = module()
    assert f"192.0.2.7 is reserved for hw-address {C} in subnet 1 already" in refused["msg"]
    assert "Remove one of the two reservations" in refused["msg"]
    assert database.fetch(WHOLE) == before
    # A reservation of the lease monitor gives way, as to any other of a person.
    mark = '{"kea-lease-monitor": {"ip-address": "192.0.2.7"}}'
    database.execute(f"UPDATE hosts SET hostname = '', user_context = '{mark}' WHERE hostname = 'other'")
    assert module()["gave_way"] == [f"192.0.2.7 of hw-address {C} in subnet 1"]
    assert rows(database) == [(bare(A), "192.0.2.7", None)]


def test_a_restored_row_does_not_take_a_leased_address_away_unasked(
    database: Database, module: Module, tmp_path: Path
) -> None:
    database.execute(PERSONS.format(hostname="NULL", context=""))
    module(entry(A, "192.0.2.8"))
    (tmp_path / "leases").write_text(HEADER + f"192.0.2.8,{A},,3600,{int(time.time()) + 3600},1,0,0,,0,,0\n")
    assert f"192.0.2.8 of hw-address {A} in subnet 1" in module()["msg"]
    module(allow_removals=True)
    assert rows(database) == [(bare(A), "192.0.2.7", None)]


ADDED = [
    "UPDATE hosts SET auth_key = 'secret'",
    "INSERT INTO dhcp4_options (code, host_id, scope_id) SELECT 66, host_id, 3 FROM hosts",
    "INSERT INTO dhcp6_options (code, host_id, scope_id) SELECT 59, host_id, 3 FROM hosts",
]


@pytest.mark.parametrize("added", ADDED)
def test_a_row_to_which_a_person_added_something_stays(database: Database, module: Module, added: str) -> None:
    module(entry(A, "192.0.2.7"))
    database.execute(added)
    assert module()["changed"]
    assert rows(database) == [(bare(A), "192.0.2.7", None)]
    assert not module()["changed"]


@pytest.mark.parametrize("added", ADDED)
def test_a_reservation_of_the_monitor_with_additions_is_a_persons(
    database: Database, module: Module, added: str
) -> None:
    mark = '{"kea-lease-monitor": {"ip-address": "192.0.2.7"}}'
    database.execute(PERSONS.format(hostname="NULL", context=mark), added)
    refused = module(entry(B, "192.0.2.7"))
    assert "which a person wrote" in refused["msg"]
    assert rows(database) == [(bare(A), "192.0.2.7", None)]


def test_reservations_of_dhcpv6_come_and_go_beside_those_of_dhcpv4(
    database: Database, module: Module, tmp_path: Path
) -> None:
    six = tmp_path / "kea-dhcp6.conf"
    leases = {"type": "postgresql", "name": database.name}
    six.write_text(json.dumps({"Dhcp6": {"lease-database": leases}}))
    module(entry(A, "192.0.2.7"))
    wanted = [{"subnet-id": 1, "duid": "00:01:02", "ip-addresses": ["2001:db8::7"], "hostname": "bmc-7"}]
    assert module(*wanted, path=str(six), check=True)["changed"]
    assert module(*wanted, path=str(six))["changed"]
    assert not module(*wanted, path=str(six))["changed"]
    reserved = "SELECT split_part(address::text, '/', 1) FROM ipv6_reservations"
    assert database.fetch(reserved) == [("2001:db8::7",)]
    assert "not of the DHCPv6 server" in module(entry(B, "192.0.2.8"), path=str(six))["msg"]
    assert "not of the DHCPv4 server" in module(*wanted)["msg"]
    database.execute(
        "INSERT INTO lease6 (address, duid, valid_lifetime, expire, subnet_id, lease_type, state)"
        " VALUES ('2001:db8::7', '\\x000102', 3600, now() + interval '1 hour', 1, 0, 0)"
    )
    assert "2001:db8::7 of duid 00:01:02 in subnet 1" in module(path=str(six))["msg"]
    assert module(path=str(six), allow_removals=True)["changed"]
    assert not module(path=str(six))["changed"]
    assert database.fetch(reserved) == []
    assert [row[1] for row in rows(database)] == ["192.0.2.7"]
