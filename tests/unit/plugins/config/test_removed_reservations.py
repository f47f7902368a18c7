# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reservations of what goes that stand elsewhere: in a real PostgreSQL, asked as Kea's account, and in files."""

from __future__ import annotations

import ipaddress
import json
import os
import pwd
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import session
from site_helpers import Site, done, hand_written, refusal
from support.certificates import Authority
from support.database import KEA, PASSWORD, PASSWORD_ROLE, Database
from support.kea import KeaServer, serving
from support.modules import run_module
from support.paths import KEA_SCHEMA
from support.postgres import Cluster, postgres_cluster, running

pytestmark = [pytest.mark.kea, pytest.mark.postgres, pytest.mark.slow]

POOLS = [{"pool": "10.30.0.10 - 10.30.0.29"}]
OWN = {"id": 30, "subnet": "10.30.0.0/24"}
MANAGED = json.dumps({"kea-lease-monitor": {"ip-address": "10.30.0.25"}})
GIVEN: dict[str, Any] = {"baremetal.kea": {"owners": ["dhcp1"], "ip-address": "10.30.0.26"}}
WRONG = "not-the-password"
UNKNOWN = "an unknown number of reservations in hosts-databases (named in an included file that Kea's"


def entry(database: Database, **more: Any) -> dict[str, Any]:
    found = {"type": "postgresql", "host": database.cluster.directory, "name": database.name, "user": KEA}
    return {**found, **more}


def site_with(directory: Path, *databases: Mapping[str, Any], **files: str) -> Site:
    """A site that reads these databases, and the subnet 30 that a run adds to it."""
    members = f'"hosts-databases": {json.dumps(databases)}, "subnet4": [ {{ "id": 31, "subnet": "10.31.0.0/24" }} ]'
    return with_own(hand_written(directory, members, **files))


def with_own(site: Site) -> Site:
    done(site, merge={"subnet4": [{**OWN, "pools": POOLS}]})
    return site


def add(cluster: Cluster, name: str, address: str = "", context: str = "", subnet: int = 30) -> None:
    """Add a reservation of DHCPv4."""
    number = int(ipaddress.IPv4Address(address)) if address else None
    with cluster.session(name) as cursor:
        cursor.execute(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, user_context)"
            " SELECT decode(lpad(to_hex(count(*)), 12, '0'), 'hex'), 0, %s, %s, %s FROM hosts",
            (subnet, number, context),
        )


def facts(site: Site) -> dict[int, dict[str, Any]]:
    result = run_module("kea_info", path=str(site.path), gather=["subnets"])
    assert not result["failed"], result
    return {one["id"]: one for one in result["subnets"]}


def test_reservations_in_a_database_are_counted_before_a_subnet_goes(directory: Path, database: Database) -> None:
    """Their clients may be switched off, and have no live lease."""
    site = site_with(directory, entry(database))
    for address, context in (("10.30.0.25", MANAGED), ("10.30.0.200", ""), ("", ""), ("10.30.0.26", json.dumps(GIVEN))):
        add(database.cluster, database.name, address, context)
    add(database.cluster, database.name, "10.31.0.7", subnet=31)
    where = f"postgresql {database.name} at {database.cluster.directory}"
    kinds = f"1 managed reservations, 2 reservations of the site in {where} and 1 reservations of kea_reservations"
    assert f"(id 30), a subnet with 1 pools and 0 reservations, 0 live leases, {kinds}" in refusal(site)
    smaller = {"subnet4": [{**OWN, "pools": [{"pool": "10.30.0.10 - 10.30.0.24"}]}]}
    words = "in 10.30.0.0/24 (id 30): pool 10.30.0.10 - 10.30.0.29, 0 live leases, 1 managed reservations and 1 reserv"
    assert words in refusal(site, merge=smaller)
    moved = {"subnet4": [{**OWN, "id": 32, "pools": POOLS}]}
    assert f"a subnet, whose id becomes 32 with 1 pools and 0 reservations, 0 live leases, {kinds}" in refusal(
        site, merge=moved
    )
    done(site, merge={"subnet4": [{**OWN, "pools": [{"pool": "10.30.0.20 - 10.30.0.29"}]}]})
    counted = facts(site)
    assert counted[30]["database_reservations"] == {"managed": 1, "given": 1, "others": 2}
    assert (counted[30]["reservations"], counted[30]["managed_reservations"]) == (4, 0)
    assert (counted[31]["reservations"], counted[31]["database_reservations"]["others"]) == (1, 1)
    done(site, allow_removals=True)


def test_the_monitor_is_told_of_the_reservations_of_each_database(directory: Path, database: Database) -> None:
    """Those of DHCPv4; the monitor's own ones are not the site's."""
    mysql = {"type": "mysql", "name": "hosts", "host": "db.example.org", "user": "kea", "password": WRONG}
    site = site_with(directory, mysql, entry(database))
    rows = (("10.30.0.25", MANAGED, 30), ("10.30.0.200", "", 30), ("", "", 30), ("10.31.0.9", "", 0))
    for address, context, subnet in rows:
        add(database.cluster, database.name, address, context, subnet)
    database.execute("UPDATE hosts SET dhcp_identifier_type = 3 WHERE ipv4_address IS NULL")
    found = run_module("kea_info", path=str(site.path), gather=["reservations"])["reservations"]["databases"]
    unknown, known = found
    assert unknown == {
        "type": "mysql",
        "name": "hosts",
        "host": "db.example.org",
        "port": 0,
        "reservations": None,
        "error": "only PostgreSQL is asked",
    }
    assert (known["name"], known["host"], known["error"]) == (database.name, database.cluster.directory, "")
    assert known["reservations"] == [
        {"subnet": 0, "kind": "hw-address", "identifier": "00:00:00:00:00:03", "address": "10.31.0.9"},
        {"subnet": 30, "kind": "hw-address", "identifier": "00:00:00:00:00:01", "address": "10.30.0.200"},
        {"subnet": 30, "kind": "client-id", "identifier": "00:00:00:00:00:02", "address": ""},
    ]


def test_a_row_whose_address_is_none_fails_alone(directory: Path, database: Database) -> None:
    """The column takes any number. Its client is known, and the other rows are."""
    site = site_with(directory, entry(database))
    add(database.cluster, database.name, "10.30.0.9")
    add(database.cluster, database.name, "10.30.0.10")
    number = int(ipaddress.ip_address("10.30.0.10"))
    database.execute(f"UPDATE hosts SET ipv4_address = {2**32 + 5} WHERE ipv4_address = {number}")
    (known,) = run_module("kea_info", path=str(site.path), gather=["reservations"])["reservations"]["databases"]
    assert known["error"] == "1 of them have an address that is none; Kea cannot use these"
    assert [one["address"] for one in known["reservations"]] == ["10.30.0.9", ""]
    smaller = {"subnet4": [{**OWN, "pools": [{"pool": "10.30.0.10 - 10.30.0.24"}]}]}
    done(site, merge=smaller)


def test_rows_of_the_variables_keep_no_subnet_unless_a_person_had_written_them(
    directory: Path, database: Database
) -> None:
    """The play removes them together with the variable."""
    site = site_with(directory, entry(database))
    adopted = {**GIVEN["baremetal.kea"], "found": {"ip-address": "10.30.0.9"}}
    add(database.cluster, database.name, "10.30.0.26", json.dumps({"baremetal.kea": adopted}))
    assert "0 live leases and 1 reservations of the site in" in refusal(site)
    database.execute("DELETE FROM hosts")
    add(database.cluster, database.name, "10.30.0.26", json.dumps(GIVEN))
    done(site)


def test_each_database_is_asked(directory: Path, database: Database) -> None:
    """MySQL is not, and what is not known counts like reservations."""
    mysql = {"type": "mysql", "name": "hosts", "host": "db.example.org", "user": "kea", "password": WRONG}
    site = site_with(directory, mysql, entry(database))
    add(database.cluster, database.name, "10.30.0.26")
    message = refusal(site)
    unknown = "an unknown number of reservations in mysql hosts at db.example.org (only PostgreSQL is asked)"
    assert f"0 live leases, {unknown} and 1 reservations of the site in postgresql" in message
    database.execute("DELETE FROM hosts")
    assert f"0 live leases and {unknown}" in (message := refusal(site))
    assert WRONG not in message
    assert [(one["reservations"], one["database_reservations"]) for one in facts(site).values()] == [(None, None)] * 2
    done(site, allow_removals=True)


def test_a_database_that_cannot_be_asked_is_named(
    directory: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"user": PASSWORD_ROLE.replace(" ", "-"), "password": WRONG}
    site = site_with(directory, entry(database, **login))
    message = refusal(site)
    assert f"an unknown number of reservations in postgresql {database.name} at" in message
    assert 'role "with-password" does not exist' in message
    assert WRONG not in message
    merged = {"subnet4": [{**OWN, "pools": POOLS, "valid-lifetime": 60}]}
    done(site, merge=merged)  # nothing is asked where nothing goes
    monkeypatch.setattr(session, "PSYCOPG2_IMPORT_ERROR", "none")
    assert "(the Python library psycopg2 is missing)" in refusal(site)
    assert facts(site)[30]["reservations"] is None


def test_a_password_is_used_and_never_told(directory: Path, database: Database) -> None:
    """The role is named like the password, so that the message of PostgreSQL has it."""
    database.execute(f'GRANT SELECT ON hosts TO "{PASSWORD_ROLE}"')
    site = site_with(directory, entry(database, user="ours"))
    add(database.cluster, database.name, "10.30.0.26", MANAGED)
    text = site.path.read_text()
    for password, words in ((PASSWORD, "1 managed reservations"), ("with password", "unknown number of reservations")):
        site.path.write_text(text.replace('"ours"', f'"{PASSWORD_ROLE}", "password": "{password}"'))
        for check in (True, False):
            result = site.merge(check=check)
            assert words in result["msg"]
            assert password not in json.dumps(result)
    assert "(Kea's account cannot connect to it)" in result["msg"]
    told = run_module("kea_info", path=str(site.path), gather=["subnets", "config"])
    assert all("password" not in one for one in told["config"]["hosts_databases"])
    assert told["subnets"][0]["reservations"] is None


@pytest.fixture
def outside() -> Iterator[Path]:
    """A directory whose files Kea's user may read and no edit may change."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def peers(directory: Path) -> Iterator[Cluster]:
    """A server that asks which user of the system connects."""
    with running(Cluster(hba="local all postgres trust\nlocal all all peer\n")) as cluster:
        cluster.administer(f'CREATE ROLE "{KEA}" LOGIN')
        cluster.administer("CREATE DATABASE kea")
        cluster.load(KEA_SCHEMA, "kea")
        cluster.execute("kea", f'GRANT SELECT ON hosts TO "{KEA}"')
        yield cluster


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("user", [{"user": KEA}, {}])
def test_it_is_asked_as_keas_account(user: dict[str, str], peers: Cluster, directory: Path) -> None:
    site = site_with(directory, {"type": "postgresql", "host": peers.socket, "name": "kea", **user})
    add(peers, "kea", "10.30.0.26", MANAGED)
    assert "0 live leases and 1 managed reservations" in refusal(site)
    assert (os.geteuid(), os.getegid()) == (0, 0)
    # Kea finds its tables by the search path of its role.
    peers.execute("kea", "CREATE SCHEMA other", f'GRANT USAGE ON SCHEMA other TO "{KEA}"')
    peers.execute("kea", "ALTER TABLE hosts SET SCHEMA other")
    assert 'relation "hosts" does not exist' in refusal(site)
    peers.execute("kea", f'ALTER ROLE "{KEA}" SET search_path = other')
    assert "0 live leases and 1 managed reservations" in refusal(site)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_what_only_root_may_read_is_sent_to_no_server(directory: Path, database: Database, outside: Path) -> None:
    """Kea's user may name any file and any server in its configuration."""
    secret = outside / "secret.json"
    secret.write_text(json.dumps(PASSWORD))
    database.execute(f'GRANT SELECT ON hosts TO "{PASSWORD_ROLE}"')
    site = site_with(directory, entry(database, user="ours"))
    include = f'"{PASSWORD_ROLE}", "password": <?include "{secret}"?>'
    site.path.write_text(site.path.read_text().replace('"ours"', include))
    add(database.cluster, database.name, "10.30.0.26", MANAGED)
    assert "0 live leases and 1 managed reservations" in refusal(site)
    secret.chmod(0o600)
    assert UNKNOWN in refusal(site)


def test_a_key_that_names_a_library_is_refused(directory: Path, database: Database) -> None:
    files = {"cert-file": "/nowhere", "key-file": "dynamic:/tmp/evil.so"}
    site = site_with(directory, entry(database))
    text = site.path.read_text()
    site.path.write_text(text.replace(f'"user": "{KEA}"', f'"user": "{KEA}", {json.dumps(files)[1:-1]}'))
    assert "(The key dynamic:/tmp/evil.so of Kea's certificate has a colon" in refusal(site)


SYSTEMCTL = """#!/bin/sh
case "$*" in
*property=Environment*) echo "LANG=C PGSSLMODE=verify-full PGSSLROOTCERT={trusted}" ;;
*kea-dhcp4-server*) printf 'Id=kea-dhcp4-server.service\\nLoadState=loaded\\nActiveState=inactive\\nUser=_kea\\n' ;;
esac
"""


@pytest.mark.parametrize("trusted", ["ca", "wrong"])
def test_it_is_asked_with_the_tls_settings_of_keas_unit(
    trusted: str, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Kea 3.1 they stand there only. Without them, a login would go to any server that poses as the database."""
    certificate = Authority(tmp_path, "ca").issue("server", host="localhost")
    Authority(tmp_path, "wrong")
    programs, authority = tmp_path / "bin", directory / "authority.pem"
    programs.mkdir()
    authority.write_bytes((tmp_path / f"{trusted}.pem").read_bytes())
    os.chown(authority, -1, pwd.getpwnam(KEA).pw_gid)
    (programs / "systemctl").write_text(SYSTEMCTL.format(trusted=authority))
    (programs / "systemctl").chmod(0o755)
    with postgres_cluster(certificate) as cluster:
        cluster.administer("CREATE DATABASE kea")
        cluster.load(KEA_SCHEMA, "kea")
        add(cluster, "kea", "10.30.0.26", MANAGED)
        database = {"type": "postgresql", "host": "localhost", "port": cluster.port, "name": "kea", "user": "postgres"}
        site = site_with(directory, database)
        monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
        message = site.merge(check=True)["msg"]
    if trusted == "ca":
        assert "0 live leases and 1 managed reservations" in message
    else:
        assert "an unknown number of reservations in postgresql kea at localhost" in message
        assert "certificate verify failed" in message


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ('"hosts-database": <?include "@DIR@/options.json"?>', "1 managed reservations"),
        ('"hosts-databases": [ <?include "@DIR@/options.json"?> ]', "1 managed reservations"),
        ('"hosts-databases": [ <?include "@OUTSIDE@"?> ]', "1 managed reservations"),
        ('"hosts-databases": [ <?include "relative.json"?> ]', UNKNOWN),
        ('"valid-lifetime": 600, <?include "relative.json"?>', UNKNOWN),
    ],
)  # fmt: skip
def test_databases_of_included_files_are_asked(
    members: str, words: str, database: Database, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = outside / "kea"
    directory.mkdir(mode=0o755)
    monkeypatch.chdir(directory)
    text = json.dumps(entry(database))
    (outside / "database.json").write_text(text)
    is_member = '600, <?include "relative' in members
    (directory / "relative.json").write_text(f'"hosts-databases": [ {text} ]' if is_member else text)
    members = members.replace("@OUTSIDE@", str(outside / "database.json"))
    site = hand_written(directory, f'"subnet4": [ ], {members}', options=text)
    add(database.cluster, database.name, "10.30.0.26", MANAGED)
    assert words in refusal(with_own(site))


def test_reservations_of_the_site_in_its_own_files_are_counted(directory: Path, outside: Path) -> None:
    """In a file that no edit may change, with and without brackets around."""
    hosts = [f'{{ "hw-address": "02:00:00:00:00:0{one}", "ip-address": "10.30.0.{one}5" }}' for one in (1, 2, 3)]
    path = outside / "hosts.json"
    path.write_text(f"[ {', '.join(hosts)} ]\n")
    site = with_own(hand_written(directory, '"subnet4": [ ]'))
    text = site.path.read_text()
    include = f'"id": 30, "reservations": <?include "{path}"?>'
    site.path.write_text(text.replace('"id": 30', include))
    assert f"0 live leases and 3 reservations of the site in {path}" in refusal(site)
    assert facts(site)[30]["reservations"] == 3
    path.write_text(", ".join(hosts))
    site.path.write_text(text.replace('"id": 30', include.replace("<?", "[ <?").replace("?>", "?> ]")))
    smaller = {"subnet4": [{**OWN, "pools": [{"pool": "10.30.0.20 - 10.30.0.29"}]}]}
    assert f"10.30.0.29, 0 live leases and 1 reservations of the site in {path}" in refusal(site, merge=smaller)
    path.write_text('{ "hw-address": ')
    assert f"an unknown number of reservations of the site in {path}" in refusal(site)


def test_whose_reservations_stand_in_a_subnet_is_told(directory: Path) -> None:
    site = with_own(hand_written(directory, '"subnet4": [ ]'))
    ours = {"hw-address": "02:00:00:00:00:01", "ip-address": "10.30.0.1"}
    done(site, merge={"subnet4": [{**OWN, "pools": POOLS, "reservations": [ours]}]})
    copy = {"hw-address": "02:00:00:00:00:02", "ip-address": "10.30.0.2", "user-context": json.loads(MANAGED)}
    theirs = {"hw-address": "02:00:00:00:00:03", "ip-address": "10.30.0.3"}
    added = "".join(f"{json.dumps(one)}, " for one in (copy, theirs))
    text = site.path.read_text()
    at = text.index("{", text.index('"reservations"'))
    site.path.write_text(text[:at] + added + text[at:])
    assert site.accepted()
    assert "a subnet with 1 pools and 3 reservations (1 managed, 1 of the site)" in refusal(site)


@pytest.mark.parametrize("address", ["varchar", "inet"])
def test_reservations_of_dhcpv6_are_counted_by_address_and_prefix(
    address: str, directory: Path, database: Database
) -> None:
    """Kea 2.2 keeps addresses as text, and later versions as inet."""
    if address == "inet":
        database.execute("ALTER TABLE ipv6_reservations ALTER address TYPE inet USING address::inet")
    hosts = {"00:01": ("2001:db8:1::15", 128, 0), "00:02": ("2001:db8:9000:7::", 64, 2), "00:03": None}
    for duid, leased in hosts.items():
        database.execute(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id) "
            f"VALUES (decode('{duid.replace(':', '')}', 'hex'), 1, 1)"
        )
        if leased:
            database.execute(
                "INSERT INTO ipv6_reservations (address, prefix_len, type, host_id) SELECT "
                f"'{leased[0]}', {leased[1]}, {leased[2]}, max(host_id) FROM hosts"
            )
    databases = json.dumps([entry(database)])
    site = hand_written(directory, f'"hosts-databases": {databases}, "subnet6": [ ]', family=6)
    own = {"id": 1, "subnet": "2001:db8:1::/64"}
    pools = [{"pool": "2001:db8:1::10 - 2001:db8:1::1f"}]
    prefixes = [{"prefix": "2001:db8:9000::", "prefix-len": 48, "delegated-len": 64}]
    done(site, merge={"subnet6": [{**own, "pools": pools, "pd-pools": prefixes}]})
    assert "0 live leases and 3 reservations of the site in postgresql" in refusal(site)
    less = refusal(site, merge={"subnet6": [{**own, "pools": [{"pool": "2001:db8:1::10 - 2001:db8:1::14"}]}]})
    assert "pool 2001:db8:1::10 - 2001:db8:1::1f, 0 live leases and 1 reservations of the site in" in less
    assert "pool of prefixes 2001:db8:9000::/48, 0 live leases and 1 reservations of the site in" in less
    done(
        site, merge={"subnet6": [{**own, "pools": [{"pool": "2001:db8:1::15 - 2001:db8:1::1f"}], "pd-pools": prefixes}]}
    )
    assert facts(site)[1]["reservations"] == 3


def test_managed_prefixes_of_a_file_keep_their_pool(directory: Path) -> None:
    site = hand_written(directory, '"subnet6": [ ]', family=6)
    managed = directory / "applied" / "subnet-1.json"
    managed.parent.mkdir()
    managed.write_text('{"duid": "00:01", "prefixes": ["2001:db8:9000:7::/64"]}\n')
    own = {"id": 1, "subnet": "2001:db8:1::/64", "reservations": [{"<?include?>": str(managed)}]}
    prefixes = [{"prefix": "2001:db8:9000::", "prefix-len": 48, "delegated-len": 64}]
    done(site, merge={"subnet6": [{**own, "pd-pools": prefixes}]})
    assert "/48, 0 live leases and 1 managed reservations" in refusal(site, merge={"subnet6": [own]})


def test_a_running_kea_with_all_in_a_database(directory: Path, database: Database) -> None:
    """It serves with this entry. Leases and reservations are counted in the database, also while it does not run."""
    site = Site(directory / "kea-dhcp4.conf")
    server = KeaServer(directory, config=site.path)
    server.configure({
        "interfaces-config": {"interfaces": []},
        "lease-database": entry(database),
        "hosts-database": entry(database),
        "subnet4": [{**OWN, "pools": POOLS}],
    })  # fmt: skip
    add(database.cluster, database.name, "10.30.0.26", MANAGED)
    absent = {"subnet4": [{"id": 30, "state": "absent"}]}
    with serving(server):
        counted = facts(site)[30]
        assert (counted["served"], counted["leases"], counted["reservations"]) == (True, 0, 1)
        assert "0 live leases and 1 managed reservations" in site.merge(check=True, merge=absent)["msg"]
    assert "0 live leases and 1 managed reservations" in site.merge(check=True, merge=absent)["msg"]
