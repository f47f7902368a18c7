# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_reservation_move with a real PostgreSQL, and Kea as the judge of its files."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.database import KEA, Database
from support.programs import need

pytestmark = [pytest.mark.kea, pytest.mark.postgres]

HOSTS: list[dict[str, Any]] = [
    {"hw-address": "02:00:00:00:00:01", "ip-address": "192.0.2.1", "hostname": "bmc-1",
     "user-context": {"kea-lease-monitor": {"ip-address": "192.0.2.1", "hostname": "bmc-1"}}},
    {"client-id": "01:02:03", "ip-address": "192.0.2.2", "client-classes": ["gold", "blue"]},
    {"duid": "0a:0b", "hostname": "only-a-name"},
    {"circuit-id": "63:69:72", "ip-address": "192.0.2.4", "next-server": "192.0.2.250", "server-hostname": "boot",
     "boot-file-name": "/a\tb \\ c.efi"},
    {"flex-id": "66:6c", "ip-address": "192.0.2.5", "user-context": {"comment": "naïve, 'quoted' \"text\""}},
]  # fmt: skip


class Site:
    """The files of one Kea and the database."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self.database = database
        self.written = directory / ".monitor"
        self.written.mkdir()
        (directory / "applied").mkdir()

    def write(self, *hosts: dict[str, Any], subnet: int = 1) -> None:
        text = ",\n".join(json.dumps(host) for host in hosts)
        (self.directory / f"subnet-{subnet}.json").write_text(text)

    def read(self, subnet: int = 1) -> list[dict[str, Any]]:
        name = f"subnet-{subnet}.json"
        text = (self.directory / name).read_text()
        assert (self.directory / "applied" / name).read_text() == text
        return json.loads(f"[{text}]")

    def move(self, to: str, check: bool = False, **params: Any) -> dict[str, Any]:
        options = {"directory": str(self.directory), "written": str(self.written), "login_user": KEA, **params}
        subnets = {"subnets": [1, 2]} if to == "files" else {}
        return self.database.module("kea_reservation_move", check, to=to, **subnets, **options)

    def rows(self) -> list[tuple[Any, ...]]:
        return self.database.fetch(
            "SELECT encode(dhcp_identifier, 'hex'), dhcp_identifier_type, dhcp4_subnet_id, ipv4_address "
            "FROM hosts ORDER BY host_id"
        )


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    return Site(tmp_path, database)


def by_identifier(hosts: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(host, sort_keys=True) for host in hosts)


def test_there_and_back(site: Site) -> None:
    site.write(*HOSTS)
    assert site.move("database", check=True)["changed"]
    assert site.rows() == []
    there = site.move("database")
    assert (there["failed"], there["changed"], there["reservations"]) == (False, True, 5), there
    assert not site.move("database")["changed"]
    assert [row[1] for row in site.rows()] == [0, 3, 1, 2, 4]
    assert site.database.value("SELECT dhcp4_client_classes FROM hosts WHERE dhcp_identifier_type = 3") == "gold,blue"

    aside = site.move("database", set_aside=True)
    assert aside["changed"]
    assert [Path(path).name for path in aside["set_aside"]] == ["subnet-1.json"]
    assert not site.move("database", set_aside=True)["changed"]

    assert site.move("files", check=True)["changed"]
    assert not (site.directory / "subnet-1.json").exists()
    back = site.move("files")
    assert (back["failed"], back["changed"], back["reservations"]) == (False, True, 5), back
    assert by_identifier(site.read()) == by_identifier(HOSTS)
    assert not (site.directory / "subnet-2.json").exists()
    assert not site.move("files")["changed"]


def test_reservations_of_dhcpv6_go_there_and_back(site: Site) -> None:
    """Each with its addresses and prefixes, in order. What a database has of DHCPv4 stays."""
    mark = {"kea-lease-monitor": {"ip-addresses": {"1": "2001:db8::9", "7": "2001:db8::1"}, "made": 1}}
    hosts: list[dict[str, Any]] = [
        {"duid": "00:01:01", "ip-addresses": ["2001:db8::9", "2001:db8::1"], "user-context": mark},
        {"duid": "00:01:02", "ip-addresses": ["2001:DB8:0::2"], "prefixes": ["2001:db8:2::/56"], "hostname": "bmc"},
        {"hw-address": "02:00:00:00:00:01", "hostname": "only-a-name", "client-classes": ["gold", "blue"]},
    ]
    site.database.execute(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
        " VALUES ('\\x0201', 0, 1, 7)"
    )
    site.write(*hosts)
    there = site.move("database", family=6)
    assert (there["failed"], there["changed"], there["reservations"]) == (False, True, 3), there
    assert not site.move("database", family=6)["changed"]
    rows = "SELECT split_part(address::text, '/', 1), prefix_len, type FROM ipv6_reservations ORDER BY reservation_id"
    assert site.database.fetch(rows) == [
        ("2001:db8::9", 128, 0),
        ("2001:db8::1", 128, 0),
        ("2001:db8::2", 128, 0),
        ("2001:db8:2::", 56, 2),
    ]
    assert site.move("database", family=6, set_aside=True)["changed"]
    back = site.move("files", family=6)
    assert (back["failed"], back["changed"], back["reservations"]) == (False, True, 3), back
    hosts[1]["ip-addresses"] = ["2001:db8::2"]
    assert by_identifier(site.read()) == by_identifier(hosts)
    assert not site.move("files", family=6)["changed"]
    site.write({**hosts[0], "ip-addresses": ["2001:db8::3"]}, hosts[1])
    assert site.move("database", family=6)["changed"]
    assert [row[0] for row in site.database.fetch(rows)] == ["2001:db8::3", "2001:db8::2", "2001:db8:2::"]
    assert site.database.value("SELECT count(*) FROM hosts WHERE dhcp4_subnet_id = 1") == 1
    site.write(hosts[0], {"duid": "00:09", "ip-addresses": ["2001:db8::1"]})
    assert "has the same address as the one for 00:01:01" in site.move("database", family=6)["msg"]


def test_excluded_prefixes_are_not_lost_in_files(site: Site) -> None:
    """Only newer schemas have the column."""
    site.write({"duid": "00:01:01", "prefixes": ["2001:db8:2::/56"]})
    assert site.move("database", family=6, set_aside=True)["changed"]
    site.database.execute("ALTER TABLE ipv6_reservations ADD COLUMN IF NOT EXISTS excluded_prefix inet")
    site.database.execute("UPDATE ipv6_reservations SET excluded_prefix = '2001:db8:2:1::'")
    moved = site.move("files", family=6)
    assert moved["failed"]
    assert "1 reservations in the table hosts have excluded prefixes" in moved["msg"]
    site.database.execute("UPDATE ipv6_reservations SET excluded_prefix = NULL")
    assert site.move("files", family=6)["changed"]


def test_what_the_monitor_wrote_goes_to_the_database_and_is_replaced_on_the_way_back(site: Site) -> None:
    path, waiting = site.written / "subnet-1.json", site.directory / "subnet-1.json"
    path.write_text(json.dumps(HOSTS[0]))
    (site.directory / "applied" / "subnet-1.json").write_text(json.dumps({**HOSTS[0], "ip-address": "192.0.2.77"}))
    assert site.move("database")["reservations"] == 1
    assert [row[3] for row in site.rows()] == [int.from_bytes(bytes([192, 0, 2, 1]), "big")]
    aside = site.move("database", set_aside=True)["set_aside"]
    assert [Path(one).parent.name for one in aside] == ["applied"], (
        "Kea's user may not write in the monitor's directory"
    )
    site.database.fetch("DELETE FROM hosts RETURNING 1")
    assert site.move("files")["changed"]
    assert (waiting.read_text(), (site.directory / ".moved-from-database").read_text()) == ("", "")
    assert path.read_text() != ""
    assert not site.move("files")["changed"]


def test_kea_accepts_the_files(site: Site) -> None:
    site.write(*HOSTS)
    assert site.move("database")["changed"]
    assert site.move("files")["changed"]
    reservations = f'[ <?include "{site.directory}/applied/subnet-1.json"?> ]'
    subnet = '{"id": 1, "subnet": "192.0.2.0/24", "reservations": RESERVATIONS}'.replace("RESERVATIONS", reservations)
    config = site.directory / "kea-dhcp4.conf"
    identifiers = '["hw-address", "duid", "circuit-id", "client-id", "flex-id"]'
    config.write_text(f'{{"Dhcp4": {{"host-reservation-identifiers": {identifiers}, "subnet4": [{subnet}]}}}}')
    tested = subprocess.run([need("kea-dhcp4"), "-t", config], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_reservations_deleted_from_files_do_not_come_back(site: Site) -> None:
    site.write(*HOSTS)
    site.database.host("020000000099", address=int.from_bytes(bytes([192, 0, 2, 99]), "big"))
    assert site.move("database")["changed"]
    assert site.move("files")["reservations"] == 6
    kept = [host for host in site.read() if host.get("hw-address") != "02:00:00:00:00:01"]
    site.write(*kept)
    # A reservation that a person added meanwhile stays.
    site.database.host("020000000098", address=int.from_bytes(bytes([192, 0, 2, 98]), "big"))
    assert site.move("database")["changed"]
    assert sorted(row[0] for row in site.rows() if row[1] == 0) == ["020000000098", "020000000099"]


def test_files_replace_rows_and_may_hold_comments(site: Site) -> None:
    site.database.host("020000000001", address=7)
    text = f"# by hand\n{json.dumps(HOSTS[0])}, // the first\n/* and\n no more */"
    (site.directory / "subnet-1.json").write_text(text)
    # The copy that Kea includes is read if the monitor has written no file.
    (site.directory / "applied" / "subnet-1.json").write_text("rubbish")
    (site.directory / "applied" / "subnet-2.json").write_text(json.dumps(HOSTS[1]))
    assert site.move("database")["reservations"] == 2
    assert [(row[0], row[2], row[3] & 255) for row in site.rows()] == [("020000000001", 1, 1), ("010203", 2, 2)]


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"hw-address": "02:00:00:00:00:01", "option-data": [{"name": "routers", "data": "192.0.2.1"}]}, "option-data"),
        ({"ip-address": "192.0.2.1"}, "needs one of hw-address"),
        ({"hw-address": "02:00", "ip-address": "nowhere"}, "nowhere"),
        ({"hw-address": "02:00:00:00:00:02", "ip-address": "192.0.2.1"}, "same address as the one for"),
    ],
)
def test_reservation_that_the_database_cannot_hold_is_refused(site: Site, host: dict[str, Any], message: str) -> None:
    site.write(HOSTS[0], host)
    failed = site.move("database")
    assert message in failed["msg"], failed
    assert site.rows() == []


def test_reservation_that_files_cannot_hold_is_refused(site: Site) -> None:
    site.write(HOSTS[0])
    assert site.move("database")["changed"]
    (site.directory / "subnet-1.json").unlink()
    site.database.host("020000000002", subnet=0)
    site.database.execute(
        "INSERT INTO dhcp4_options (code, formatted_value, space, host_id, scope_id) "
        "SELECT 3, '192.0.2.1', 'dhcp4', host_id, 3 FROM hosts WHERE dhcp4_subnet_id = 1"
    )
    failed = site.move("files")
    assert "1 global reservations and 1 with options" in failed["msg"], failed
    assert not (site.directory / "subnet-1.json").exists()


def test_what_the_variables_give_before_kea_reads_the_database_stays(site: Site) -> None:
    """The play writes it before the restart, and moves the last reservations of the files after that."""

    def managed(client: int, address: int) -> dict[str, Any]:
        where = {"ip-address": f"192.0.2.{address}"}
        return {"hw-address": f"02:00:00:00:00:0{client}", **where, "user-context": {"kea-lease-monitor": where}}

    def found() -> list[tuple[str, int]]:
        return [(row[0][-1], row[3] & 255) for row in site.rows()]

    site.write(managed(1, 1), managed(2, 7))
    site.move("database")
    given = [{"subnet-id": 1, "hw-address": "02:00:00:00:00:01", "ip-address": "192.0.2.7"}]
    assert site.database.module("kea_reservation_set", reservations=given, owner="dhcp1")["gave_way"]
    assert found() == [("1", 7)]
    site.write(managed(1, 1), managed(2, 7), managed(3, 3))
    moved = site.move("database", set_aside=True)
    assert (moved["failed"], sorted(found())) == (False, [("1", 7), ("3", 3)]), moved
    assert not site.database.module("kea_reservation_set", reservations=given, owner="dhcp1")["changed"]


def test_what_the_variables_give_is_not_copied_into_the_monitors_files(site: Site) -> None:
    """The play writes it into the configuration, and Kea refuses a second one."""
    given = [
        {"subnet-id": 1, "hw-address": "02:00:00:00:00:01", "ip-address": "192.0.2.7"},
        {"subnet-id": 1, "hw-address": "02:00:00:00:00:02", "hostname": "rack-7"},
    ]
    site.database.module("kea_reservation_set", reservations=given, owner="dhcp1")
    moved = site.move("files")
    assert (moved["failed"], moved["reservations"]) == (False, 1), moved
    assert [host["hw-address"] for host in site.read()] == ["02:00:00:00:00:02"]
