# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases from the field, by their ids, with real clients: who has a reservation gets that address, and no other one.

Each runs in each mode, unless it says why not. Cases that need another clock (D2), a million rows (D7) or a hundred
thousand leases (C8) are in tests/unit/runtime and benchmarks.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from typing import Any

import pytest
import yaml
from fielding import DEPLOYED, GUARDED, LIFETIME, MODES, RELAYS, TOLD, Field, mac, numbers
from host import DISCOVERY, Kea, wait
from states import CONFIG

SITE_FILE = "/etc/kea/site.json"
SUBNET = DEPLOYED["kea_dhcp4_subnets"][0]


@pytest.fixture(scope="module", params=list(MODES))
def site(request: pytest.FixtureRequest) -> Field:
    """The site in each mode; the host moves from one to the next."""
    options = request.config.option
    site = Field(options.host, options.address, options.bmcs)
    site.mode = request.param
    for relay in filter(None, RELAYS.values()):
        site.run_bmcs("ip", "address", "replace", f"{relay}/32", "dev", "eth0")
    site.deploy(kea_allow_removals=True)
    return site


@pytest.fixture
def lease_file_site(site: Field) -> Field:
    """The site where leases are in Kea's lease file: file mode and database mode."""
    if site.mode == "events":
        pytest.skip("a case of lease files")
    return site


@pytest.fixture
def file_site(site: Field) -> Field:
    """The site where reservations are in files too."""
    if site.mode != "file":
        pytest.skip("a case of reservations in files")
    return site


@pytest.fixture
def kea_3_site(site: Field) -> Field:
    """The site where Kea keeps what the client sent: from 3.0 on."""
    if site.run("kea-dhcp4", "-v") < "3.0":
        pytest.skip("a case of Kea 3.0")
    return site


@pytest.fixture
def events_site(site: Field) -> Field:
    """The site where leases are rows of a database."""
    if site.mode != "events":
        pytest.skip("a case of leases in a database")
    return site


@pytest.fixture
def number() -> int:
    return next(numbers)


def test_b3_a_subnet_of_a_shared_network_gets_its_reservations(site: Field, number: int) -> None:
    """The pool has four addresses, and four others ask while the client is away."""
    address = site.ask(number, 7)
    site.await_reserved(address)
    site.leave(number, address, 7)
    others = [site.ask(next(numbers), 7) for _number in range(4)]
    assert address not in others
    assert site.ask(number, 7) == address


def test_b11_a_name_of_the_site_without_an_address_keeps_the_address(site: Field, number: int) -> None:
    entry = {"hw-address": mac(number), "hostname": "rack7"}
    site.deploy(kea_reservations=[{**entry, "subnet-id": 1}])
    address = site.ask(number)
    site.await_reserved(address)
    site.leave(number, address)
    assert address not in {site.ask(next(numbers)) for _number in range(3)}
    assert site.ask(number) == address


def test_b10_the_word_of_the_site_wins_over_what_was_made_before(site: Field, number: int) -> None:
    address = site.ask(number)
    site.await_reserved(address)
    wanted = "10.77.15.7"
    site.deploy(kea_reservations=[{"hw-address": mac(number), "ip-address": wanted}])
    assert address not in site.reserved()
    assert site.ask(number) == wanted
    site.deploy(kea_allow_removals=True)


def test_b8_b9_reservations_of_the_site_by_each_identifier(site: Field, number: int) -> None:
    """By client identifier, DUID and circuit-id in the variables, and by hardware address in a file of the site."""
    by_client_id, by_duid, by_port, in_file = (number, *(next(numbers) for _other in range(3)))
    port = f"port {number}"
    own = [
        {"client-id": f"01:{mac(by_client_id)}", "ip-address": "10.77.15.21"},
        {"duid": f"00:03:00:01:{mac(by_duid)}", "ip-address": "10.77.15.22"},
        {"circuit-id": f"'{port}'", "ip-address": "10.77.15.23"},
        {"<?include?>": SITE_FILE},
    ]
    site.run("tee", SITE_FILE, stdin=f'{{"hw-address": "{mac(in_file)}", "ip-address": "10.77.15.24"}}\n')
    site.deploy(kea_dhcp4_subnets=[{**SUBNET, "reservations": own}])
    client_id = "61:01" + mac(by_client_id).replace(":", "")
    duid = "61:ff0000000100030001" + mac(by_duid).replace(":", "")
    circuit = "82:" + bytes([1, len(port), *port.encode()]).hex()
    assert site.ask(by_client_id, 1, "--option", client_id) == "10.77.15.21"
    assert site.ask(by_duid, 1, "--option", duid) == "10.77.15.22"
    assert site.ask(by_port, 1, "--option", circuit) == "10.77.15.23"
    assert site.ask(in_file) == "10.77.15.24"
    site.deploy(kea_allow_removals=True)
    site.run("rm", SITE_FILE)


def test_b12_a_global_reservation_of_the_site_has_the_last_word(site: Field, number: int) -> None:
    """Also when it changes."""
    settings = {**DEPLOYED["kea_dhcp4_settings"], "reservations-global": True, "reservations-in-subnet": True}
    for address in ("10.77.15.31", "10.77.15.32"):
        own = [{"hw-address": mac(number), "ip-address": address}]
        site.deploy(kea_dhcp4_settings={**settings, "reservations": own}, kea_allow_removals=True)
        assert site.ask(number) == address
        wait(lambda: address in site.discovered(), "the inventory")  # noqa: B023 - waits at once
    site.deploy(kea_allow_removals=True)


def test_b13_settings_that_make_reservations_void_are_refused(site: Field) -> None:
    settings = {**DEPLOYED["kea_dhcp4_settings"], "reservations-in-subnet": False}
    config = site.config()
    variables = {**DEPLOYED, **MODES[site.mode], "kea_dhcp4_settings": settings}
    site.fail("kea_deploy", "reservations-in-subnet", **variables)
    assert site.config() == config


REMOVALS: dict[str, dict[str, Any]] = {
    "absent": {"kea_dhcp4_subnets": [SUBNET, {"id": GUARDED["id"], "state": "absent"}]},
    "exclusive": {"kea_dhcp4_exclusive": True},
}


@pytest.mark.parametrize("how", REMOVALS)
def test_a_subnet_of_the_play_with_a_live_lease_goes_only_if_that_is_allowed(
    site: Field, number: int, how: str
) -> None:
    site.deploy(kea_dhcp4_subnets=[SUBNET, GUARDED])
    address = site.ask(number, 9)
    site.await_reserved(address)
    config = site.config()
    variables = {**DEPLOYED, **MODES[site.mode], **REMOVALS[how]}
    what = r"would remove: 10\.78\.9\.0/24 \(id 9\), a subnet with 1 pools and [^;]* 1 live leases[^;]*\. Kea's"
    for options in (["--check"], []):
        said = site.fail("kea_deploy", what, *options, **variables)
        assert "kea_allow_removals" in said
        assert site.config() == config
        assert site.ask(number, 9, "--renew", address) == address
    site.deploy(**REMOVALS[how], kea_allow_removals=True)
    assert "10.78.9." not in site.config()
    assert site.ask(number, 9, "--tries", "2") == ""
    site.deploy(kea_allow_removals=True)


def test_b18_one_client_in_two_subnets_has_two_entries(site: Field, number: int) -> None:
    first, second = site.ask(number), site.ask(number, 8)
    site.await_reserved(first, second)
    wait(lambda: {first, second} <= site.discovered(), "both addresses in the inventory")


def test_the_kind_of_a_client_that_kea_keeps(kea_3_site: Field, number: int) -> None:
    """As docs/machines.md has it. A client may send octets that are no text."""
    hook = {
        "library": kea_3_site.run("sh", "-c", "echo /usr/lib/*/kea/hooks/libdhcp_lease_cmds.so").strip(),
        "parameters": {
            "binding-variables": [
                {"name": "vendor-class", "expression": "hexstring(option[60].hex, ':')", "source": "query"}
            ]
        },
    }
    kea_3_site.deploy(kea_dhcp4_settings={**DEPLOYED["kea_dhcp4_settings"], "hooks-libraries": [hook]})
    for client, octets, shown in (
        (number, ["--option", f"60:{b'iDRAC'.hex()}"], "iDRAC"),
        (next(numbers), ["--option", "60:00fe0a"], "00:fe:0a"),
        (next(numbers), [], ""),
    ):
        address = kea_3_site.ask(client, 1, *octets)
        kea_3_site.await_reserved(address)
        wait(lambda: address in kea_3_site.discovered(), "the inventory")  # noqa: B023 - waits at once
        file = f"{DISCOVERY}/{mac(client).replace(':', '-')}.yml"
        [host] = yaml.safe_load(kea_3_site.run("cat", file))["bmc_targets"]["hosts"].values()
        assert host.get("kea_vendor_class", "") == shown
    kea_3_site.deploy(kea_allow_removals=True)


def test_b19_b20_a_subscription_by_name_hears_of_leases_and_their_ends(site: Field, number: int) -> None:
    name = f"bmc-{number}.example.org"
    address = site.ask(number, 1, "--hostname", f"{name}.")
    wait(lambda: name in site.run("cat", TOLD, check=False), "the lease")
    site.ask(number, 1, "--hostname", f"{name}.", "--release")
    ends = rf'"kind": ?"(released|deleted|reclaimed|expired)"[^}}]*"address": ?"{re.escape(address)}"'
    wait(lambda: re.search(ends, site.run("cat", TOLD, check=False)), "the end")


FLOODS = {"once": ((),), "twice": ((), ()), "declining": (("--decline",),)}
"""What the clients of a flood do: ask, ask again within the same second, or find each address in use."""


@pytest.mark.parametrize("kind", FLOODS)
def test_c1_a_flood_frees_the_pool_again(site: Field, kind: str) -> None:
    """Sixty clients that are never seen again fill a pool of fifty, beside a machine that was confirmed before."""
    machine, free = next(numbers), site.free(8)
    kept = site.ask(machine, 8)
    time.sleep(LIFETIME / 2 + 1)
    assert site.ask(machine, 8, "--renew", kept) == kept
    site.await_reserved(kept)
    flood = next(numbers) + 2**30
    got: set[str | None] = set()
    for options in FLOODS[kind]:
        lines = site.play_bmcs(
            *("--relay", RELAYS[8], "--first", str(flood), "--count", "60", "--hostname", ""),
            *("--retry-after", "0.5", *options),
        )
        got |= {json.loads(line)["address"] for line in lines.splitlines()}
    assert len(got) > 40
    flooded = time.monotonic()
    clients = {mac(flood + one) for one in range(60)}
    wait(lambda: not clients & set(site.reservations().values()), "the end of the flood's reservations")
    wait(lambda: not any(client in site.inventory() for client in clients), "the end of the flood's inventory")
    # Kea's figures are at most 10 s old, and in files an end of which Kea does not tell counts a minute later.
    print(f"{site.mode}, {kind}: all of the flood was gone {time.monotonic() - flooded:.0f} s after its last client")
    assert kept in site.reserved() & site.discovered()
    wait(lambda: site.free(8) >= free - 1, lambda: f"as many free addresses as before, {free}; found {site.free(8)}")
    assert site.ask(machine, 8) == kept


def test_c2_an_address_has_one_entry_of_clients_that_changed(site: Field) -> None:
    """Twelve clients of a pool of four, each with another client identifier, give their addresses back at once."""
    got: list[str] = []
    identifiers = itertools.count(next(numbers))

    def another() -> bool:
        option = f"61:ff{next(identifiers):08x}"
        got.append(site.ask(next(numbers), 7, "--no-hwaddr", "--option", option, "--release", "--tries", "1"))
        return len([address for address in got if address]) >= 12

    wait(another, "twelve clients")
    time.sleep(2)
    entries = [line for line in site.inventory().splitlines() if "ansible_host: " in line and "10.78.7." in line]
    addresses = [line.split("ansible_host: ")[1] for line in entries]
    assert addresses
    assert len(addresses) == len(set(addresses))


def test_c3_a_second_identifier_does_not_move_the_reservation(site: Field, number: int) -> None:
    first = site.ask(number, 1, "--option", "61:0101")
    site.await_reserved(first)
    second = site.ask(number, 1, "--option", "61:0102")
    wait(lambda: "second_lease" in site.dead_letters(), "the dead letter")
    assert first in site.reserved()
    assert second not in site.reserved()
    assert site.ask(number, 1, "--option", "61:0101", "--release") == first
    site.run("kea-lease-monitor", "dead-letters", "retry", "--all")
    site.await_reserved(second)


def test_a_machine_is_forgotten_and_a_board_replaced(site: Field, number: int) -> None:
    """A machine whose lease lives is not forgotten: it would come back."""
    address, new = site.ask(number), next(numbers)
    site.await_reserved(address)
    assert not site.does("kea-lease-monitor", "forget", mac(number))
    assert address in site.reserved()
    site.leave(number, address)
    wait(lambda: site.does("kea-lease-monitor", "replace", mac(number), mac(new)), "the new board")
    wait(lambda: site.reservations().get(address) == mac(new), "its reservation")
    assert site.ask(new) == address
    site.leave(new, address)
    other = site.ask(number)
    site.await_reserved(other)
    site.leave(number, other)
    for client, entry in ((new, address), (number, other)):
        wait(lambda: entry in site.discovered(), "the inventory")  # noqa: B023 - waits at once
        wait(lambda: site.does("kea-lease-monitor", "forget", mac(client)), "the end of the lease")  # noqa: B023
        wait(lambda: entry not in site.discovered(), "the end of the inventory")  # noqa: B023
    wait(lambda: other not in site.reserved(), "the end of the reservation")
    # That of the new board counts as written by a person.
    assert site.reservations()[address] == mac(new)


def test_c4_an_identifier_that_spells_an_address_is_another_client(site: Field, number: int) -> None:
    address = site.ask(number)
    wait(lambda: address in site.discovered(), "the inventory")
    entries = {line for line in site.inventory().splitlines() if f'ansible_host: "{address}"' in line}
    assert entries
    spelled = mac(number).replace(":", "")
    other = site.ask(number + 1, 1, "--no-hwaddr", "--option", f"61:{spelled}")
    wait(lambda: other in site.discovered(), "the other client")
    assert entries == {line for line in site.inventory().splitlines() if f'ansible_host: "{address}"' in line}


def test_c5_the_inventory_follows_each_new_name(site: Field, number: int) -> None:
    """Renamed twice, and told at the next renewal."""
    names = [f"{name}-{number}" for name in ("first", "second", "third")]
    address = site.ask(number, 1, "--hostname", names[0])
    wait(lambda: names[0] in site.inventory(), "the first name")
    for name in names[1:]:
        assert site.ask(number, 1, "--hostname", name, "--renew", address) == address
        wait(lambda: name in site.inventory(), f"the name {name}")  # noqa: B023 - waits at once
    assert not any(name in site.inventory() for name in names[:2])
    site.await_reserved(address)


def test_c7_new_names_cost_no_reload_each(site: Field, number: int) -> None:
    """A client with another name at each of twenty renewals."""
    address = site.ask(number, 1, "--hostname", "name-0")
    site.await_reserved(address)
    time.sleep(2)
    before = _reloads(site)
    for one in range(20):
        site.ask(number, 1, "--hostname", f"name-{one}-{number}", "--renew", address)
    wait(lambda: f"name-19-{number}" in site.inventory(), "the last name")
    time.sleep(2)
    assert _reloads(site) - before == 0


def _reloads(site: Field) -> int:
    return site.run("journalctl", "-u", "kea-dhcp4-server", "-o", "cat", "--no-pager").count("DHCP4_CONFIG_COMPLETE")


def test_c6_one_name_that_kea_cannot_read_stops_no_other(site: Field, number: int) -> None:
    """Where names are reserved, beside a byte that is not UTF-8 in a comment of Kea's configuration."""
    kind = "reservation_file" if site.mode == "file" else "reservation"
    sinks = [{"type": kind, "hostname": "reserve"}, {"type": "discovery"}]
    site.deploy(kea_monitor_subscriptions=[{"name": "all", "sinks": sinks}])
    site.edit(CONFIG, r"1i // rack \d252")
    odd = site.ask(number, 1, "--option", "12:c4b1ff80", "--hostname", "")
    plain = site.ask(number + 1, 1, "--hostname", f"plain-{number}")
    site.await_reserved(plain)
    wait(lambda: odd in site.discovered(), "the inventory of the odd name")
    assert site.ask(number + 1, 1, "--hostname", "another") == plain
    site.edit(CONFIG, "1d")
    site.deploy(kea_allow_removals=True)


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


def test_b14_rows_wider_than_the_header_are_leases(lease_file_site: Field, number: int) -> None:
    """Kea wrote the header before its update, and the rows after it."""
    address = lease_file_site.ask(number)
    lease_file_site.rewrite_leases("1s/,[^,]*$//")
    assert lease_file_site.ask(number) == address
    later = lease_file_site.ask(number + 1)
    lease_file_site.await_reserved(address, later)
    assert lease_file_site.logged("row_rejected") == []


def test_b16_a_slow_interface_is_served_without_a_person(file_site: Field, number: int) -> None:
    """Its other end is in a network namespace, where the client asks."""
    file_site.run("sh", "-ec", """
        ip link add slow0 type veth peer name slow1
        ip address add 10.88.0.1/24 dev slow0
        ip netns add slow
        ip link set slow1 netns slow
        ip -n slow address add 10.88.0.2/24 dev slow1
        ip -n slow link set slow1 up
    """)  # fmt: skip
    subnet = {"id": 88, "subnet": "10.88.0.0/24", "pools": [{"pool": "10.88.0.10 - 10.88.0.19"}]}
    added = {
        "kea_dhcp4_interfaces": ["eth0", "slow0"],
        "kea_dhcp4_subnets": [SUBNET, subnet],
        "kea_monitor_metrics_listen": "127.0.0.1:19547",
    }
    played = file_site.play("kea_deploy", **{**DEPLOYED, **added})
    assert played.code == 0, played.words[-3000:]
    assert "the interface slow0 is down; Kea serves it later" in played.words
    file_site.run("systemctl", "restart", "kea-dhcp4-server")
    kea = Kea(file_site)
    (told,) = file_site.root_module("kea_info", gather=["server"])["server"]["listening"]["errors"]
    assert "slow0" in told
    file_site.fail("kea_verify", "Kea does not listen on all interfaces .*slow0", **{**DEPLOYED, **added})
    wait(lambda: file_site.metric("listening") == 0, "the metric of an interface that is down")
    file_site.run("ip", "link", "set", "slow0", "up")
    wait(lambda: file_site.ask_in("slow", "10.88.0.1", number), "an address of the slow interface")
    assert file_site.root_module("kea_info", gather=["server"])["server"]["listening"]["errors"] == []
    wait(lambda: file_site.metric("listening") == 1, "the metric of all interfaces")
    assert kea.process() == kea.began
    file_site.deploy(kea_allow_removals=True, kea_dhcp4_interfaces=["eth0"])
    file_site.run("ip", "netns", "delete", "slow")


def test_b17_a_comment_and_a_comma_of_a_person_stop_nothing(file_site: Field, number: int) -> None:
    address = file_site.ask(number)
    file_site.await_reserved(address)
    edit = rf'/{re.escape(address)}/s|"hw-address"|/* rack 7 */ &|'
    file_site.edit("/etc/kea/reservations.d/applied/subnet-1.json", edit)
    later = file_site.ask(number + 1)
    file_site.await_reserved(address, later)


def test_a_configuration_that_kea_wrote_is_told_and_repaired(file_site: Field, number: int) -> None:
    """As Stork or a person has Kea do by config-write: the includes are gone, and what stood in them is copied."""
    address = file_site.ask(number)
    file_site.await_reserved(address)
    Kea(file_site).command("config-write")
    assert mac(number) in file_site.config()
    missing = "does not include the file of subnet 1"
    for command in ("check", "status"):
        wait(lambda: missing in file_site.run("kea-lease-monitor", command, check=False), command)  # noqa: B023
    file_site.deploy()
    assert mac(number) not in file_site.config()
    wait(lambda: missing not in file_site.run("kea-lease-monitor", "check", check=False), "the end of the report")
    later = file_site.ask(number + 1)
    file_site.await_reserved(address, later)


def test_b21_d5_d7_rows_that_are_no_leases_stop_nothing(lease_file_site: Field, number: int) -> None:
    """Blank lines, a context that is no map, an end beyond all times, and garbage: at most 20 lines of the log tell."""
    row = "10.77.16.96,02:bc:00:00:00:%02x,,3600,%s,1,0,0,odd,0,%s"
    rows = ["", "", row % (1, int(time.time()) + 3600, "[1]"), row % (2, 2**63, ""), *["rubbish"] * 90, ""]
    lease_file_site.rewrite_leases(f"$a\\{chr(10)}" + f"\\{chr(10)}".join(rows))
    address = lease_file_site.ask(number)
    lease_file_site.await_reserved(address)
    said = lease_file_site.logged("row_rejected") or lease_file_site.logged("rejected")
    assert 0 < len(said) <= 22
    assert "10.77.16.96" not in lease_file_site.reserved()
    # The next mode reads all rows again.
    lease_file_site.rewrite_leases("/^rubbish/d; /^10.77.16.96,/d")


def test_b15_leases_that_are_not_kept_are_wrong(lease_file_site: Field) -> None:
    found = lease_file_site.config()
    unkept = re.sub(r'("type": "memfile",)', r'\1 "persist": false,', re.sub(r'"persist": true,?', "", found))
    assert unkept != found
    lease_file_site.run("tee", "/etc/kea/kea-dhcp4.conf", stdin=unkept)
    lease_file_site.run("systemctl", "restart", "kea-dhcp4-server")
    try:
        lease_file_site.fail("kea_verify", "persist", **DEPLOYED, **MODES[lease_file_site.mode])
    finally:
        lease_file_site.run("tee", "/etc/kea/kea-dhcp4.conf", stdin=found)
        lease_file_site.run("systemctl", "restart", "kea-dhcp4-server")


def test_b24_d1_d7_rows_of_a_person_stop_nothing(events_site: Field, number: int) -> None:
    """The user's document inserts a lease by hand, without a lifetime; another row never expires, and many are odd."""
    hand, for_ever = next(numbers), next(numbers)
    columns = "INSERT INTO lease4 (address, hwaddr, hostname, subnet_id"
    before = len(events_site.logged("is no lease"))
    events_site.sql(
        f"{columns}) VALUES ('10.77.16.98'::inet - '0.0.0.0', '\\x{mac(hand).replace(':', '')}', 'by-hand', 1);"
        f"{columns}, valid_lifetime, expire, state)"
        f" VALUES ('10.77.16.97'::inet - '0.0.0.0', '\\x{mac(for_ever).replace(':', '')}', '', 1, 3600, 'infinity', 0);"
    )
    address = Kea(events_site).ask(1)[0]["address"]
    wait(lambda: address in events_site.discovered(), "the next lease")
    # Kea cannot read that row either, and it is rejected by name.
    wait(lambda: any("10.77.16.98: " in line for line in events_site.logged("is no lease")), "the row by hand")
    events_site.sql(
        f"{columns}) SELECT '10.77.17.0'::inet - '0.0.0.0' + n, decode(lpad(to_hex(n), 12, '0'), 'hex'), '', 1"
        " FROM generate_series(0, 199) n"
    )
    events_site.await_reserved(events_site.ask(number))
    assert len(events_site.logged("is no lease")) - before <= 42
    assert events_site.run("kea-lease-monitor", "check", check=False).startswith(("healthy", "degraded"))
    events_site.sql("DELETE FROM lease4 WHERE valid_lifetime IS NULL OR expire = 'infinity'")
