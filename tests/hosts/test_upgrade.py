# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea goes from 2.2 to 2.6 and 3.0 with one PostgreSQL 15.

The second step is a real upgrade of the packages of a deployed host. In each, a real kea-admin upgrades the schema over
the network, with the constraint, the trigger, leases, reservations and unread events in place.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import states
from host import Host, Kea, wait
from support.paths import LAB, ROOT
from support.playbook import Played
from support.programs import run
from support.suites import SUITES

OLD, MIDDLE, NEW = SUITES["bookworm"], SUITES["trixie"], SUITES["backports"]
DOCUMENT = ROOT / "docs" / "take-over.md"
CLIENTS = 10
FIRST = "4000"  # number of the first client, who asks again after each upgrade
LEASE6 = """
INSERT INTO lease6
    (address, duid, valid_lifetime, expire, subnet_id, pref_lifetime, lease_type, iaid, prefix_len, state)
VALUES ('2001:db8::1', '\\x0001', 3600, now() + interval '1 day', 7, 1800, 0, 99, 128, 0)
"""
DATA = """
SELECT 'lease6', address, duid, iaid, prefix_len, state FROM lease6;
SELECT 'lease', address, hwaddr, client_id, valid_lifetime, subnet_id, hostname, state FROM lease4;
SELECT 'host', host_id, dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, hostname FROM hosts;
SELECT 'event', lease_event FROM kea_events.lease_event;
"""
OBJECTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'hosts'::regclass AND contype = 'u'
ORDER BY 1;
SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname ^@ 'kea_lease_notify'
ORDER BY 1;
SELECT proowner::regrole, prosecdef, proconfig, proacl, prosrc FROM pg_proc WHERE proname = 'kea_lease_notify';
"""


class Server(Host):
    """One of the two Kea servers; their database is on the first."""

    def __init__(self, name: str, address: str, bmcs: str) -> None:
        super().__init__(name, address, bmcs)
        self.database = Host("kea-upgrade-bookworm", "", bmcs)

    def sql(self, statements: str, user: str = "postgres") -> list[str]:
        return self.database.sql(statements, user)

    def deploy(self, **variables: Any) -> Played:
        """Deploy to this host alone."""
        return self.play("kea_deploy", "--limit", self.name, **variables)

    def schema(self) -> str:
        return self.sql("SELECT version || '.' || minor FROM schema_version")[0]

    def dumps(self) -> list[str]:
        """The schemas of the dumps on this host."""
        names = self.run("sh", "-c", "ls /var/lib/kea/dumps 2>/dev/null", check=False).split()
        return sorted(name.split("-")[2] for name in names)


@pytest.fixture(scope="module")
def old(request: pytest.FixtureRequest) -> Server:
    name = "kea-upgrade-bookworm"
    return Server(name, run(str(LAB / "lab"), "ip", name).strip(), request.config.option.bmcs)


@pytest.fixture(scope="module")
def new(request: pytest.FixtureRequest) -> Server:
    options = request.config.option
    return Server(options.host, options.address, options.bmcs)


def clients(server: Server) -> dict[str, str]:
    """The addresses that the same clients get now, each with its first packet."""
    return {answer["hwaddr"]: answer["address"] for answer in Kea(server).serve(CLIENTS, "--first", FIRST)}


def refuse(server: Server, message: str, **variables: Any) -> None:
    """The play fails with these words, and nothing changed in the database."""
    before = server.sql(DATA + OBJECTS), server.schema(), server.dumps()
    played = server.deploy(**variables)
    assert played.code != 0
    assert re.search(message, played.words), played.words[-2000:]
    assert (server.sql(DATA + OBJECTS), server.schema(), server.dumps()) == before


def upgrade(server: Server, schema: str) -> None:
    """By the play; everything that was there before still is, each event row too."""
    before, former, dumps = set(server.sql(DATA)), server.schema(), server.dumps()
    played = server.deploy(kea_schema_upgrade=True)
    assert played.code == 0, played.words[-2000:]
    assert server.schema() == schema
    assert before - set(server.sql(DATA)) == set()
    assert server.dumps() == [*dumps, former]


@pytest.fixture
def deployed_old(old: Server) -> None:
    """The oldest Kea is deployed and serves, unless its database was upgraded for a newer one."""
    if not states.deployed(old):
        played = old.deploy()
        assert played.code == 0, played.words[-2000:]
    if old.schema() == OLD.schema:
        clients(old)


def make_room(old: Server) -> None:
    """Stop what uses the database with the old schema."""
    old.run("systemctl", "stop", "kea-lease-monitor", "kea-dhcp4-server")


@pytest.fixture
def middle(deployed_old: None, old: Server, new: Server) -> None:
    """The schema is at least that of the Kea between the two others."""
    if old.schema() == OLD.schema:
        make_room(old)
        upgrade(new, MIDDLE.schema)


@pytest.fixture
def newest(middle: None, new: Server) -> None:
    """The schema is that of the newest Kea."""
    if new.schema() != NEW.schema:
        new.script("install_backports.sh", NEW.debian, NEW.package_release, check=True)
        upgrade(new, NEW.schema)


def test_unattended_upgrades_leave_a_held_kea_alone(new: Server) -> None:
    """With the setting of docs/take-over.md, and without it they would bring a Kea that refuses the schema."""
    [setting] = re.findall(r"^ +(Unattended-Upgrade::Package-Blacklist .*;)$", DOCUMENT.read_text(), re.MULTILINE)
    kea = Kea(new)
    try:
        told = new.script("offer_backports.sh", NEW.package_release, check=True)
        assert "pkgs that look like they should be upgraded: " in told
        assert "found pkg: kea-dhcp4-server" in told
        new.run("tee", "/etc/apt/apt.conf.d/52kea", stdin=setting)
        assert "skipping blacklisted package kea-dhcp4-server" in new.run("unattended-upgrade", "--debug")
        assert new.run("kea-dhcp4", "-v").startswith(MIDDLE.kea)
        assert kea.process() == kea.began
    finally:
        new.script("offer_backports.sh", NEW.package_release, "undo", check=True)


@pytest.mark.usefixtures("deployed_old")
def test_a_database_is_refused_that_an_older_kea_made(old: Server, new: Server) -> None:
    assert old.schema() == OLD.schema
    needs = rf"Kea {MIDDLE.kea}\.\d needs {MIDDLE.schema}"
    refuse(new, f"the schema is {OLD.schema}, but {needs};.* With kea_schema_upgrade: true")


@pytest.mark.usefixtures("deployed_old")
def test_it_is_not_upgraded_under_a_kea_that_serves_elsewhere(old: Server, new: Server) -> None:
    kea = Kea(old)
    refuse(new, rf"has other sessions with the database, from {re.escape(old.address)}", kea_schema_upgrade=True)
    clients(old)
    assert kea.process() == kea.began
    assert kea.complaints() == []


@pytest.mark.usefixtures("deployed_old")
def test_from_kea_2_2_to_2_6_everything_stays(old: Server, new: Server) -> None:
    old.run("systemctl", "stop", "kea-lease-monitor")
    unread = Kea(old).serve(CLIENTS)
    before, objects = clients(old), old.sql(OBJECTS)
    old.run("systemctl", "stop", "kea-dhcp4-server")
    # Only the module makes DHCPv6 leases events; the play takes that back, once it has upgraded the schema.
    old.database.module("kea_lease_notify", lease6=True, readers=["kea-lease-monitor"])
    old.sql(LEASE6, user="_kea")
    waiting = [line for line in old.sql(DATA) if line.startswith("event")]
    assert len(waiting) > CLIENTS
    assert "2001:db8::1" in waiting[-1]
    upgrade(new, MIDDLE.schema)
    assert new.sql(OBJECTS) == objects
    assert clients(new) == before
    new.await_followers(unread + Kea(new).serve(1))


@pytest.mark.usefixtures("middle")
def test_from_kea_2_6_to_3_0_what_is_missing_is_made_again(new: Server) -> None:
    before, objects = clients(new), new.sql(OBJECTS)
    new.script("install_backports.sh", NEW.debian, NEW.package_release, check=True)
    refusals = ("systemctl", "show", "-P", "NRestarts", "kea-dhcp4-server")
    wait(lambda: int(new.run(*refusals)) > 1, "Kea 3.0 to refuse the older schema time and again")
    new.sql(
        "ALTER TABLE hosts DROP CONSTRAINT hosts_dhcp_identifier_subnet_unique; "
        "ALTER TABLE lease4 DISABLE TRIGGER kea_lease_notify_trigger"
    )
    upgrade(new, NEW.schema)
    assert new.sql(OBJECTS) == objects
    assert clients(new) == before
    new.await_followers(Kea(new).serve(1))
    played = new.deploy(kea_schema_upgrade=True)
    assert (played.code, played.changed) == (0, [0]), played.words[-2000:]


@pytest.mark.usefixtures("newest")
def test_all_of_it_can_be_taken_away_again(old: Server) -> None:
    old.database.module("kea_hosts_constraint", state="absent")
    old.database.module("kea_lease_notify", state="absent", force=True)
    assert old.sql(OBJECTS) == []
    kea_made = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'lease4'::regclass AND NOT tgisinternal ORDER BY 1"
    assert old.sql(kea_made) == ["lease4_adel", "lease4_ains", "lease4_aupd"]
