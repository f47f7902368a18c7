# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases from the field, by their ids, with real clients: who has a reservation gets that address, and no other one.

Cases that need no host (damaged rows and files, spellings) are in tests/unit with the real programs of this machine.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import Any

import pytest
from changing import Site
from host import DISCOVERY, Kea, wait
from states import EVENTS

LIFETIME = 40
"""Seconds of each lease: tests wait for ends."""
RELAYS = {1: "", 7: "10.78.7.1", 8: "10.78.8.1"}
"""The relay of each subnet; the first one is that of the servers themselves."""
NETWORK = {
    "name": "hall",
    "subnet4": [
        {"id": 7, "subnet": "10.78.7.0/24", "pools": [{"pool": "10.78.7.10 - 10.78.7.13"}]},
        {"id": 8, "subnet": "10.78.8.0/24", "pools": [{"pool": "10.78.8.10 - 10.78.8.59"}]},
    ],
}
TOLD = "/var/lib/kea-lease-monitor/told"
SUBSCRIPTIONS = [
    {"name": "all", "unconfirmed_for": LIFETIME},
    {
        "name": "dns",
        "match": {
            "kinds": ["assigned", "changed", "released", "expired", "reclaimed", "deleted"],
            "hostname": "*.example.org",
        },
        "sinks": [{"type": "exec", "command": ["/bin/sh", "-c", f"cat >>{TOLD}; echo >>{TOLD}"]}],
    },
]
DEPLOYED: dict[str, Any] = {
    "kea_dhcp4_subnets": [{"id": 1, "subnet": "10.77.0.0/16", "pools": [{"pool": "10.77.16.0 - 10.77.16.99"}]}],
    "kea_dhcp4_shared_networks": [NETWORK],
    "kea_dhcp4_settings": {
        "valid-lifetime": LIFETIME,
        "expired-leases-processing": {
            "reclaim-timer-wait-time": 1,
            "hold-reclaimed-time": 0,
            "flush-reclaimed-timer-wait-time": 1,
        },
    },
    "kea_monitor_subscriptions": SUBSCRIPTIONS,
    "kea_reservations_interval": 1,
}
IN_FORCE = "/etc/kea/reservations.d/applied"

_numbers = itertools.count(int(time.time()) % 2**24 * 64, 8)
"""Clients that no other test plays, nor an earlier run on the same host."""


class Field(Site):
    """The host, and clients one by one."""

    def ask(self, number: int, subnet: int = 1, *options: str) -> str:
        """Return the address that a client got; empty if it got none."""
        relay = RELAYS[subnet]
        via = ("--relay", relay) if relay else ()
        lines = self.play_bmcs("--first", str(number), "--retry-after", "4", "--hostname", "", *via, *options)
        address: str | None = json.loads(lines)["address"]
        return address or ""

    def leave(self, number: int, address: str, subnet: int = 1) -> None:
        """Have a client give its address back."""
        assert self.ask(number, subnet, "--release") == address

    def reserved(self) -> set[str]:
        """Return the addresses whose reservations are in force in files."""
        found = self.run("sh", "-c", f"cat {IN_FORCE}/*.json", check=False)
        return set(re.findall(r'"ip-address": ?"([^"]+)"', found))

    def await_reserved(self, *addresses: str) -> None:
        wait(lambda: set(addresses) <= self.reserved(), lambda: f"{addresses} in force, found {self.reserved()}")

    def dead_letters(self) -> str:
        return self.run("kea-lease-monitor", "dead-letters", "list", check=False)

    def inventory(self) -> str:
        """Return all files of the inventory, each line with its file."""
        return self.run("grep", "-r", "", DISCOVERY, check=False)


def mac(number: int) -> str:
    return "02:bc:" + number.to_bytes(4, "big").hex(":")


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Field:
    options = request.config.option
    site = Field(options.host, options.address, options.bmcs)
    for relay in filter(None, RELAYS.values()):
        site.run_bmcs("ip", "address", "replace", f"{relay}/32", "dev", "eth0")
    site.succeed("kea_deploy", **DEPLOYED)
    return site


@pytest.fixture
def number() -> int:
    return next(_numbers)


def test_b3_a_subnet_of_a_shared_network_gets_its_reservations(site: Field, number: int) -> None:
    """The pool has four addresses, and four others ask while the client is away."""
    address = site.ask(number, 7)
    site.await_reserved(address)
    site.leave(number, address, 7)
    others = [site.ask(next(_numbers), 7) for _number in range(4)]
    assert address not in others
    assert site.ask(number, 7) == address


def test_b11_a_name_of_the_site_without_an_address_keeps_the_address(site: Field, number: int) -> None:
    entry = {"hw-address": mac(number), "hostname": "rack7"}
    site.succeed("kea_deploy", **{**DEPLOYED, "kea_reservations": [{**entry, "subnet-id": 1}]})
    address = site.ask(number)
    site.await_reserved(address)
    site.leave(number, address)
    assert address not in {site.ask(next(_numbers)) for _number in range(3)}
    assert site.ask(number) == address


def test_b10_the_word_of_the_site_wins_over_what_was_made_before(site: Field, number: int) -> None:
    address = site.ask(number)
    site.await_reserved(address)
    wanted = "10.77.15.7"
    site.succeed("kea_deploy", **{**DEPLOYED, "kea_reservations": [{"hw-address": mac(number), "ip-address": wanted}]})
    assert address not in site.reserved()
    assert site.ask(number) == wanted
    site.succeed("kea_deploy", **DEPLOYED, kea_allow_removals=True)


def test_b13_settings_that_make_reservations_void_are_refused(site: Field) -> None:
    settings = {**DEPLOYED["kea_dhcp4_settings"], "reservations-in-subnet": False}
    config = site.config()
    site.fail("kea_deploy", "reservations-in-subnet", **{**DEPLOYED, "kea_dhcp4_settings": settings})
    assert site.config() == config


def test_b18_one_client_in_two_subnets_has_two_entries(site: Field, number: int) -> None:
    first, second = site.ask(number), site.ask(number, 8)
    site.await_reserved(first, second)
    wait(lambda: {first, second} <= site.discovered(), "both addresses in the inventory")


def test_b19_b20_a_subscription_by_name_hears_of_leases_and_their_ends(site: Field, number: int) -> None:
    name = f"bmc-{number}.example.org"
    address = site.ask(number, 1, "--hostname", f"{name}.")
    wait(lambda: name in site.run("cat", TOLD, check=False), "the lease")
    site.ask(number, 1, "--hostname", f"{name}.", "--release")
    ends = rf'"kind": ?"(released|deleted|reclaimed|expired)"[^}}]*"address": ?"{re.escape(address)}"'
    wait(lambda: re.search(ends, site.run("cat", TOLD, check=False)), "the end")


def test_c1_a_flood_frees_the_pool_again(site: Field) -> None:
    """Fifty clients that are never seen again fill a pool of fifty."""
    flood = next(_numbers) + 2**30
    lines = site.play_bmcs(
        *("--relay", RELAYS[8], "--first", str(flood), "--count", "60", "--hostname", "", "--retry-after", "0.5")
    )
    got = {answer["address"] for answer in map(json.loads, lines.splitlines())} - {None}
    assert len(got) > 40
    left = [site.ask(next(_numbers), 8)]
    wait(lambda: left.append(site.ask(next(_numbers), 8)) or left[-1], "an address for a new client")  # type: ignore[func-returns-value]
    wait(lambda: not site.reserved() & (got - set(left)), "the end of the flood's reservations")
    wait(lambda: not site.discovered() & (got - set(left)), "the end of the flood's inventory")


def test_c2_an_address_has_one_entry_of_clients_that_changed(site: Field, number: int) -> None:
    """Each has another client identifier and gives its address back at once."""
    for one in range(8):
        site.ask(number, 8, "--no-hwaddr", "--option", f"61:ff0000{one:02x}", "--release")
    time.sleep(2)
    addresses = [line for line in site.inventory().splitlines() if "ansible_host: " in line and "10.78.8." in line]
    assert len(addresses) == len({line.split("ansible_host: ")[1] for line in addresses})


def test_c3_a_second_identifier_does_not_move_the_reservation(site: Field, number: int) -> None:
    first = site.ask(number, 1, "--option", "61:0101")
    site.await_reserved(first)
    second = site.ask(number, 1, "--option", "61:0102")
    wait(lambda: "second_lease" in site.dead_letters(), "the dead letter")
    assert first in site.reserved()
    assert second not in site.reserved()


def test_c4_an_identifier_that_spells_an_address_is_another_client(site: Field, number: int) -> None:
    address = site.ask(number)
    wait(lambda: address in site.discovered(), "the inventory")
    entries = {line for line in site.inventory().splitlines() if f'ansible_host: "{address}"' in line}
    assert entries
    spelled = mac(number).replace(":", "")
    other = site.ask(number + 1, 1, "--no-hwaddr", "--option", f"61:{spelled}")
    wait(lambda: other in site.discovered(), "the other client")
    assert entries == {line for line in site.inventory().splitlines() if f'ansible_host: "{address}"' in line}


def test_c5_the_inventory_follows_a_new_name(site: Field, number: int) -> None:
    for name in ("first", "second"):
        address = site.ask(number, 1, "--hostname", f"{name}-{number}")
        wait(lambda: f"{name}-{number}" in site.inventory(), f"the name {name}")  # noqa: B023 - waits at once
        assert address in site.discovered()
    assert f"first-{number}" not in site.inventory()


def test_c6_one_name_that_kea_cannot_read_stops_no_other(site: Field, number: int) -> None:
    odd = site.ask(number, 1, "--option", "12:c4b1ff80", "--hostname", "")
    plain = site.ask(number + 1)
    site.await_reserved(plain)
    assert odd


def test_d3_a_replay_acts_again(site: Field, number: int) -> None:
    address = site.ask(number)
    wait(lambda: address in site.discovered(), "the inventory")
    file = site.run("grep", "-rl", f'ansible_host: "{address}"', DISCOVERY).split()[0]
    site.run("rm", file)
    site.run("kea-lease-monitor", "replay", "all")
    wait(lambda: address in site.discovered(), "the inventory again")


def test_d4_a_damaged_state_is_set_aside(site: Field, number: int) -> None:
    site.run("systemctl", "stop", "kea-lease-monitor")
    state = site.run("sh", "-c", "ls /var/lib/kea-lease-monitor/*.sqlite").split()[0]
    site.run("sh", "-c", f"printf rubbish | dd of={state} conv=notrunc bs=1 2>/dev/null; rm -f {state}-wal {state}-shm")
    site.run("systemctl", "start", "kea-lease-monitor")
    address = site.ask(number)
    site.await_reserved(address)
    assert "rubbish" not in site.run("head", "-c", "20", state)


def test_b15_leases_that_are_not_kept_are_wrong(site: Field) -> None:
    found = site.config()
    unkept = re.sub(r'("type": "memfile",)', r'\1 "persist": false,', re.sub(r'"persist": true,?', "", found))
    assert unkept != found
    site.run("tee", "/etc/kea/kea-dhcp4.conf", stdin=unkept)
    site.run("systemctl", "restart", "kea-dhcp4-server")
    try:
        site.fail("kea_verify", "persist", **DEPLOYED)
    finally:
        site.run("tee", "/etc/kea/kea-dhcp4.conf", stdin=found)
        site.run("systemctl", "restart", "kea-dhcp4-server")


@pytest.fixture
def events(site: Field) -> Field:
    site.succeed("kea_deploy", **DEPLOYED, **EVENTS, kea_allow_removals=True)
    return site


def test_b24_d1_rows_of_a_person_stop_nothing(events: Field) -> None:
    """The user's document inserts a lease by hand, without a lifetime; another row never expires."""
    hand, for_ever = next(_numbers), next(_numbers)
    insert = "INSERT INTO lease4 (address, hwaddr, hostname, subnet_id, valid_lifetime, expire, state) VALUES"
    events.sql(
        f"INSERT INTO lease4 (address, hwaddr, hostname, subnet_id)"
        f" VALUES ('10.77.16.98'::inet - '0.0.0.0', '\\x{mac(hand).replace(':', '')}', 'by-hand', 1);"
        f"{insert} ('10.77.16.97'::inet - '0.0.0.0', '\\x{mac(for_ever).replace(':', '')}', '', 1, 3600, 'infinity', 0)"
    )
    address = Kea(events).ask(1)[0]["address"]
    wait(lambda: address in events.discovered(), "the next lease")
    # Kea cannot read that row either, and it is rejected by name.
    log = ("journalctl", "-u", "kea-lease-monitor", "-o", "cat", "--no-pager", "--grep", "is no lease")
    wait(lambda: "10.77.16.98: " in events.run(*log, check=False), "the row by hand")
    assert events.run("kea-lease-monitor", "check", check=False).startswith(("healthy", "degraded"))
