# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of clients in a real BIND 9 or Knot, with TSIG, up to the roll-back. The tests run in their order."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from changing import Site
from host import SCRIPTS, wait
from states import BEFORE_DEPLOY
from support.wait import until

SECRET = "c2VjcmV0IG9mIHRoZSBob3N0cyBvZiBhIHRlc3Q="  # of the scenario
PROGRAM = "bind9" if os.environ.get("SUITE") != "trixie" else "knot"
UNIT = {"bind9": "named", "knot": "knot"}[PROGRAM]
STAYS, LEAVES, EXPIRES, AWAY, LEFT, FORGOTTEN, SIX = range(70, 77)
"""Numbers of BMCs."""
PREFIX6 = "2001:db8:16::/64"
CONFIG6 = "/etc/kea/kea-dhcp6.conf"
FIVE_MINUTES = 300.0


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    options = request.config.option
    one = Site(options.host, options.address, options.bmcs)
    one.run_on_bmcs("sh", "-ec", (SCRIPTS / "dns.sh").read_text(), "dns.sh", PROGRAM, SECRET)
    return one


@pytest.fixture(scope="module")
def found(site: Site) -> str:
    """The host as it was."""
    return site.script("look.sh", check=True)


def name_of(number: int) -> str:
    return f"name-{number}.lab.example."


def lease(site: Site, number: int, *options: str) -> dict[str, Any]:
    """Return the answer to a BMC with a name, which is told nothing about DNS."""
    said = site.play_bmcs(
        "--first", str(number), "--count", "1", "--hostname", "name-{number}", "--retry-after", "4", *options
    )
    answer: dict[str, Any] = json.loads(said.splitlines()[0])
    assert answer["address"], answer
    return answer


def dig(site: Site, *question: str) -> list[str]:
    return site.run_on_bmcs("dig", "+short", "+tries=1", "+time=2", "@127.0.0.1", *question, check=False).split()


def _kind(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def await_name(site: Site, name: str, address: str, seconds: float = 60.0) -> None:
    """Until the name has this address, and this address the name."""
    until(lambda: dig(site, name, _kind(address)) == [address], f"{name} in DNS", seconds, 1)
    until(lambda: dig(site, "-x", address) == [name], f"the name of {address} in DNS", seconds, 1)


def await_none(site: Site, name: str, address: str, seconds: float = 60.0) -> None:
    until(lambda: dig(site, name, _kind(address)) == [], f"no {name} in DNS", seconds, 1)
    until(lambda: name not in dig(site, "-x", address), f"no name of {address} in DNS", seconds, 1)


def test_a_name_comes_with_the_lease(site: Site, found: str) -> None:
    site.succeed("kea_deploy")
    await_name(site, name_of(STAYS), lease(site, STAYS)["address"])


def test_only_keas_user_reads_the_secret(site: Site) -> None:
    assert site.run("sh", "-c", "stat -c '%U %a' /etc/kea/tsig/*").split() == ["_kea", "400"]
    for path in (
        "/etc/kea/kea-dhcp-ddns.conf",
        "/etc/kea/kea-dhcp4.conf",
        CONFIG6,
        "/var/lib/baremetal-kea/keys-dhcp-ddns.json",
    ):
        assert SECRET not in site.run("cat", path)


def test_a_second_run_changes_nothing(site: Site) -> None:
    site.settled()


def test_all_is_well(site: Site) -> None:
    played = site.play("kea_verify")
    assert played.code == 0, played.words[-3000:]
    assert "names of leases were looked up, and DNS has them" in played.words


def test_the_name_of_another_client_stays_its_own(site: Site) -> None:
    """RFC 4703: nor does a client get a name that a person wrote into the zone."""
    before = dig(site, name_of(STAYS), "A")
    for number, name in ((STAYS + 100, f"name-{STAYS}"), (STAYS + 101, "printer")):
        said = site.play_bmcs("--first", str(number), "--count", "1", "--hostname", name, "--retry-after", "4")
        assert json.loads(said.splitlines()[0])["address"]
    wait(lambda: site.run("journalctl", "-u", "kea-dhcp-ddns-server").count("REJECTED") >= 2, "two refusals of DNS")
    assert dig(site, name_of(STAYS), "A") == before
    assert dig(site, "printer.lab.example.", "A") == ["192.0.2.99"]


def test_dns_follows_a_rename(site: Site) -> None:
    one = lease(site, STAYS)
    given = {"hw-address": one["hwaddr"], "ip-address": one["address"], "hostname": "renamed"}
    site.succeed("kea_deploy", kea_reservations=[given])
    lease(site, STAYS, "--renew", one["address"])
    await_name(site, "renamed.lab.example.", one["address"])
    until(lambda: dig(site, name_of(STAYS), "A") == [], "no former name in DNS", pause=1)
    site.succeed("kea_deploy", kea_allow_removals=True)


def test_a_name_goes_with_the_release(site: Site) -> None:
    one = lease(site, LEAVES)
    await_name(site, name_of(LEAVES), one["address"])
    lease(site, LEAVES, "--release")
    await_none(site, name_of(LEAVES), one["address"])


def forget(site: Site, address: str, **client: str) -> None:
    """Forget a client with its living lease."""
    gone = site.root_module("kea_reservation", subnet_id=1, state="absent", lease=True, **client)
    assert (gone["changed"], gone["leases"]) == (True, [address]), gone


def test_a_name_goes_with_forget(site: Site) -> None:
    one = lease(site, FORGOTTEN)
    await_name(site, name_of(FORGOTTEN), one["address"])
    forget(site, one["address"], hw_address=one["hwaddr"])
    await_none(site, name_of(FORGOTTEN), one["address"])


def test_a_name_of_a_dhcpv6_client_comes_with_the_lease_and_goes_with_forget(site: Site) -> None:
    [said] = site.play_bmcs6("--first", str(SIX), "--prefix", PREFIX6).splitlines()
    one = json.loads(said)
    assert one["problem"] == "", one
    name = f"{one['hostname']}.lab.example."
    await_name(site, name, one["address"])
    forget(site, one["address"], path=CONFIG6, duid=one["duid"])
    await_none(site, name, one["address"])


def test_a_name_goes_with_the_end_of_its_lease(site: Site) -> None:
    site.succeed(
        "kea_deploy",
        kea_dhcp4_settings={"valid-lifetime": 20, "expired-leases-processing": {"reclaim-timer-wait-time": 2}},
    )
    one = lease(site, EXPIRES)
    await_name(site, name_of(EXPIRES), one["address"])
    await_none(site, name_of(EXPIRES), one["address"], 120.0)
    site.succeed("kea_deploy")


def test_dns_away_costs_no_lease_and_names_are_right_after_its_return(site: Site) -> None:
    left = lease(site, LEFT)
    await_name(site, name_of(LEFT), left["address"])
    # What is to be removed is known from the lists of leases.
    site.run("rm", "-f", "/var/lib/kea-ddns-names/names.json")
    site.run("systemctl", "start", "kea-ddns-names.service")
    site.run_on_bmcs("systemctl", "stop", UNIT)
    came = lease(site, AWAY)
    lease(site, LEFT, "--release")
    wait(lambda: "sent again once" in site.run("journalctl", "-u", "kea-ddns-names"), "a word that DNS is away")
    site.run_on_bmcs("systemctl", "start", UNIT)
    await_name(site, name_of(AWAY), came["address"], FIVE_MINUTES)
    await_none(site, name_of(LEFT), left["address"], FIVE_MINUTES)


def test_what_d2_refuses_is_reverted(site: Site) -> None:
    before = site.run("cat", "/etc/kea/kea-dhcp-ddns.conf")
    site.fail("kea_deploy", "Kea refuses the configuration", kea_ddns_settings={"dns-server-timeout": -1})
    assert site.run("cat", "/etc/kea/kea-dhcp-ddns.conf") == before
    one = lease(site, LEAVES)
    await_name(site, name_of(LEAVES), one["address"])
    site.succeed("kea_deploy")


def test_a_roll_back_leaves_the_host_as_it_was(site: Site, found: str) -> None:
    assert site.succeed("kea_rollback", kea_rollback_purge=["leases", "reservations"], **BEFORE_DEPLOY) > 0
    assert site.script("look.sh", check=True) == found
