# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that gets both servers of Kea, in file, database and events mode. The tests run in their order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from changing import Site
from host import DISCOVERY, Kea, wait
from states import BEFORE_DEPLOY, EVENTS
from support import control

SOCKET6 = "/run/kea/kea6-ctrl-socket"
DIRECT, RELAYED = "2001:db8:1::/64", "2001:db8:2::/64"
LINK = "2001:db8:2::fffe"
GIVEN, BOTH = 7, 500
"""Numbers of BMCs."""
DATABASE: dict[str, Any] = {"kea_enable_database": True}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    options = request.config.option
    return Site(options.host, options.address, options.bmcs)


@pytest.fixture(scope="module")
def found(site: Site) -> str:
    """The host as it was."""
    return site.script("look.sh", check=True)


def lease6(site: Site, first: int, count: int, prefix: str, *options: str) -> dict[str, str]:
    """Request addresses by DHCPv6. Return them by DUID."""
    said = site.play_bmcs6("--first", str(first), "--count", str(count), "--prefix", prefix, *options)
    answers = [json.loads(line) for line in said.splitlines()]
    assert [answer["problem"] for answer in answers] == [""] * count
    return {answer["duid"]: answer["address"] for answer in answers}


def in_force(site: Site) -> dict[str, list[str]]:
    """The reservations of the running server by DUID."""
    script = Path(control.__file__).read_text()
    answer: Any = json.loads(site.run("python3", "-", "config-get", "{}", SOCKET6, stdin=script))
    config = answer["arguments"]["Dhcp6"]
    subnets = [*config["subnet6"], *(one for shared in config["shared-networks"] for one in shared["subnet6"])]
    return {host["duid"]: host["ip-addresses"] for subnet in subnets for host in subnet["reservations"]}


def await_followers(site: Site, leases: dict[str, str]) -> None:
    """Until Kea uses a reservation for each lease, and the inventory has each."""
    wanted = {duid: [address] for duid, address in leases.items()}
    wait(lambda: wanted.items() <= in_force(site).items(), "each reservation in force")
    wait(lambda: set(leases.values()) <= site.discovered(), "each discovery file")


def test_both_servers_serve(site: Site, found: str) -> None:
    site.succeed("kea_deploy")
    site.serves()
    await_followers(site, lease6(site, 100, 20, DIRECT))


def test_clients_of_a_relay(site: Site) -> None:
    """The subnet is in a shared network, and the relay's address on the link tells which."""
    await_followers(site, lease6(site, 200, 10, RELAYED, "--relay", LINK))
    files = site.run("grep", "-rlF", "--include=[!.]*.yml", 'kea_remote_id: "rack-7"', DISCOVERY).split()
    assert len(files) >= 10
    assert site.run("grep", "-LF", 'kea_circuit_id: "port 7"', *files, check=False) == ""


def test_one_machine_with_leases_of_both_families_is_one_host(site: Site) -> None:
    """The relay tells the hardware address of the DHCPv6 client."""
    [answer] = site.play_bmcs("--first", str(BOTH), "--count", "1", "--retry-after", "4").splitlines()
    addresses = {json.loads(answer)["address"], *lease6(site, BOTH, 1, RELAYED, "--relay", LINK).values()}
    wait(lambda: addresses <= site.discovered(), "both addresses")
    for address in addresses:
        found = site.run("grep", "-rlFw", "--include=[!.]*.yml", address, DISCOVERY).split()
        assert found == [f"{DISCOVERY}/02-bc-00-00-01-f4.yml"]


def test_a_reservation_given_beforehand(site: Site) -> None:
    [(_duid, address)] = lease6(site, GIVEN, 1, DIRECT).items()
    assert address == "2001:db8:1::7"


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


def test_all_is_well(site: Site) -> None:
    played = site.play("kea_verify")
    assert played.code == 0, played.words[-3000:]
    assert "DHCPv6 kea" in played.words


def test_a_configuration_that_kea_refuses_is_reverted(site: Site) -> None:
    before = site.run("cat", "/etc/kea/kea-dhcp6.conf")
    site.fail("kea_deploy", "Kea refuses the configuration", kea_dhcp6_settings={"valid-lifetime": "for ever"})
    assert site.run("cat", "/etc/kea/kea-dhcp6.conf") == before
    lease6(site, 100, 20, DIRECT)
    site.settled()


def test_the_lfc_timers_of_both_servers(site: Site) -> None:
    site.run("systemctl", "start", "kea-lfc.service", "kea-lfc6.service")
    before = in_force(site)
    leases = lease6(site, 100, 20, DIRECT)
    assert {duid: [address] for duid, address in leases.items()}.items() <= before.items()


def reserved(site: Site) -> dict[str, str]:
    """The addresses that are reserved in the database, by DUID; each client has one."""
    rows = site.sql(
        "SELECT encode(dhcp_identifier, 'hex'), split_part(address::text, '/', 1) FROM ipv6_reservations"
        " JOIN hosts USING (host_id) WHERE dhcp6_subnet_id IS NOT NULL"
    )
    return {bytes.fromhex(duid).hex(":"): address for duid, address in (row.split("|") for row in rows)}


def await_reserved(site: Site, leases: dict[str, str]) -> None:
    wait(lambda: leases.items() <= reserved(site).items(), "each reservation")
    wait(lambda: set(leases.values()) <= site.discovered(), "each discovery file")


def test_reservations_move_into_the_database_and_leases_stay_in_files(site: Site) -> None:
    before = lease6(site, 100, 20, DIRECT)
    wait(lambda: {duid: [one] for duid, one in before.items()}.items() <= in_force(site).items(), "all in force")
    site.succeed("kea_deploy", **DATABASE)
    assert before.items() <= reserved(site).items()
    assert site.sql("SELECT count(*) FROM lease6") == ["0"]
    assert lease6(site, 100, 20, DIRECT) == before
    assert lease6(site, GIVEN, 1, DIRECT).popitem()[1] == "2001:db8:1::7"
    await_reserved(site, lease6(site, 250, 1, DIRECT))
    site.serves()
    site.settled(**DATABASE)


def test_leases_and_reservations_move_into_the_database(site: Site) -> None:
    before = lease6(site, 100, 20, DIRECT)
    site.succeed("kea_deploy", **EVENTS)
    assert before.items() <= reserved(site).items()
    assert int(site.sql("SELECT count(*) FROM lease6")[0]) >= 30
    assert lease6(site, 100, 20, DIRECT) == before
    assert lease6(site, GIVEN, 1, DIRECT).popitem()[1] == "2001:db8:1::7"
    site.settled(**EVENTS)


def test_events_of_both_families_become_reservations(site: Site) -> None:
    leases = {**lease6(site, 300, 10, DIRECT), **lease6(site, 400, 5, RELAYED, "--relay", LINK)}
    await_reserved(site, leases)
    before = reserved(site)
    played = site.play("kea_verify", kea_verify_probe=True, **EVENTS)
    assert played.code == 0, played.words[-3000:]
    assert re.search(r"ok +probe +lease after", played.output), played.words[-3000:]
    assert re.search(r"ok +DHCPv6 probe +lease after", played.output), played.words[-3000:]
    assert reserved(site) == before


def test_leases_and_reservations_move_back_into_files(site: Site) -> None:
    before = lease6(site, 100, 20, DIRECT)
    site.succeed("kea_deploy")
    assert lease6(site, 100, 20, DIRECT) == before
    await_followers(site, before)
    site.succeed("kea_deploy", **EVENTS)
    assert lease6(site, 100, 20, DIRECT) == before


def test_a_server_that_is_no_longer_named_stays_as_it_is(site: Site) -> None:
    before, config = lease6(site, 100, 20, DIRECT), site.config()
    alone = {**EVENTS, "kea_families": [6]}
    site.succeed("kea_deploy", **alone)
    assert site.config() == config
    site.serves()
    assert lease6(site, 100, 20, DIRECT) == before
    await_reserved(site, lease6(site, 260, 1, DIRECT))
    # The triggers and the rights for leases of DHCPv4 are still there.
    site.await_followers(Kea(site).ask(1))
    site.settled(**alone)
    assert site.play("kea_verify", **alone).code == 0
    site.succeed("kea_deploy", **EVENTS)


def test_a_roll_back_leaves_nothing(site: Site, found: str) -> None:
    purge = ["leases", "reservations", "database"]
    assert site.succeed("kea_rollback", kea_rollback_purge=purge, **EVENTS, **BEFORE_DEPLOY) > 0
    assert site.left(set(found.splitlines())) == []
