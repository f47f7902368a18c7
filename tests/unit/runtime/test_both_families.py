# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The discovery files of machines with leases of DHCPv4 and DHCPv6, and of clients that pretend to be one."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from _kea import hwaddr_source
from _kea.lease_csv import header_line
from kea_lease_monitor.commands import forget
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea import changes
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.lease import BY_PERSON, EventKind, LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import leased, names
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options

from runtime.builders import NOW, event, lease
from runtime.contracts import delivered

MAC, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
HOST, APART = "bmc-020000000001", "bmc-duid-00030001020000000001v61"
SPELLED = "00:03:00:01:" + MAC
"""A DUID-LL of MAC."""


def six(number: int = 1, hwaddr: str = MAC, source: int = hwaddr_source.RELAY, **more: Any) -> LeaseEvent:
    """A lease of 2001:db8::NUMBER in subnet 7."""
    values = {"family": 6, "address": f"2001:db8::{number:x}", "subnet_id": 7, "prefix_len": 128, "iaid": 1}
    values.update({"duid": SPELLED, "hwaddr": hwaddr, "hwaddr_source": source})
    return event(1, **{**values, **more})


def over(given: LeaseEvent, ref: str = "retire_after") -> LeaseEvent:
    return given._replace(kind=EventKind.FORGOTTEN, ref=ref)


@pytest.fixture
def sink(tmp_path: Path) -> DiscoverySink:
    return DiscoverySink(Options(str(tmp_path), "bmc_targets", None))


def hosts(directory: Path) -> dict[str, tuple[str, list[str], list[str], str]]:
    """``ansible_host``, the addresses of each family and the name of each host."""
    found: dict[str, tuple[str, list[str], list[str], str]] = {}
    for path in directory.glob("[!.]*.yml"):
        for host, told in yaml.safe_load(path.read_text())["bmc_targets"]["hosts"].items():
            assert host not in found
            addresses = told["kea_ipv4_addresses"], told["kea_ipv6_addresses"]
            found[host] = (told["ansible_host"], *addresses, told["bmc_hostname"])
    return found


def pointers(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.glob(".*"))


@pytest.mark.slow
def test_every_order_of_arrival_makes_the_same_host(tmp_path: Path) -> None:
    given = [event(1), six(1), six(2, iaid=2, cltt=NOW + 5), event(2), six(9, OTHER, duid="00:02:ff")]
    expected = {
        HOST: ("10.0.0.1", ["10.0.0.1"], ["2001:db8::2", "2001:db8::1"], "host-1"),
        "bmc-020000000002": ("10.0.0.2", ["10.0.0.2"], ["2001:db8::9"], "host-2"),
    }
    contents = set()
    for number, order in enumerate(itertools.permutations(given)):
        directory = tmp_path / str(number)
        directory.mkdir()
        writer = DiscoverySink(Options(str(directory), "bmc_targets", None))
        # The first ones singly, the others in one batch.
        for batch in ([each] for each in order[:2]):
            writer.deliver(batch)
        writer.deliver(order[2:])
        assert hosts(directory) == expected, order
        assert writer.deliver(order)[:3] == (0, 0, 5), "again"
        contents.add("".join(path.read_text() for path in sorted(directory.iterdir())))
    assert len(contents) == 1


@pytest.mark.parametrize(("prefer", "address"), [("ipv4", "10.0.0.1"), ("ipv6", "2001:db8::1")])
def test_ansible_host_is_of_the_preferred_family(tmp_path: Path, prefer: str, address: str) -> None:
    options = Options.parse(Section({"directory": str(tmp_path), "prefer": prefer}, ""))
    writer = DiscoverySink(options)
    writer.deliver([six(1, hostname="six"), event(1, hostname="")])
    assert hosts(tmp_path)[HOST][0] == address
    assert hosts(tmp_path)[HOST][3] == "six", "the name that only the other lease has"
    writer.deliver([over(event(1) if prefer == "ipv4" else six(1))])
    assert hosts(tmp_path)[HOST][0] == ({"10.0.0.1", "2001:db8::1"} - {address}).pop()


def test_a_renewal_writes_no_file(sink: DiscoverySink, tmp_path: Path) -> None:
    given = [event(1, hwaddr=MAC), six()]
    for one in given:
        delivered(sink, [one])
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    later = {"cltt": given[0].lease.cltt + 60, "expires": given[0].lease.cltt + 660, "valid_lifetime": 600}
    renewed = [one._replace(lease=one.lease._replace(**later)) for one in given]
    assert [delivered(sink, [one]).unchanged for one in renewed] == [1, 1]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == written


def test_a_template_that_fails_for_one_client_leaves_the_others_confirmed(tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("{% if confirmed and lease.address == '10.0.0.1' %}{{ 1 / 0 }}{% endif %}# {{ confirmed }}\n")
    sink = DiscoverySink(Options(str(tmp_path), "bmc_targets", str(template)))
    given = [event(1), event(2)]
    sink.deliver(given)
    sink.confirm([each.lease._replace(cltt=each.lease.cltt + each.lease.valid_lifetime) for each in given])
    assert [path.read_text().splitlines()[0] for path in sorted(tmp_path.glob("*.yml"))] == ["# False", "# True"]


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="prefer: one of ipv4, ipv6 is needed, not 'both'"):
        Options.parse(Section({"prefer": "both"}, ""))


@pytest.mark.parametrize("source", [hwaddr_source.UNKNOWN, hwaddr_source.DUID, hwaddr_source.LINK_LOCAL, 16, 32, 64])
@pytest.mark.parametrize("first", [0, 1])
def test_a_hardware_address_that_only_the_client_tells_joins_nothing(
    sink: DiscoverySink, tmp_path: Path, source: int, first: int, said: Any
) -> None:
    """field-cases C4: the attacker's DUID spells the hardware address of a machine."""
    for each in [event(1), six(66, source=source)][:: -1 if first else 1]:
        sink.deliver([each])
    assert hosts(tmp_path) == {
        HOST: ("10.0.0.1", ["10.0.0.1"], [], "host-1"),
        APART: ("2001:db8::42", [], ["2001:db8::42"], "host-1"),
    }
    told = next(tmp_path.glob("duid-*")).read_text()
    assert 'bmc_mac: ""' in told
    assert "A host of its own: no relay and no frame" in told
    assert said().count("DHCPv6 client has a host of its own") == 1


def test_an_attacker_can_neither_remove_nor_rename_what_is_joined(sink: DiscoverySink, tmp_path: Path) -> None:
    sink.deliver([event(1), six(1, duid="00:02:aa")])
    attacker = six(66, source=hwaddr_source.DUID, hostname="evil")
    sink.deliver([attacker])
    sink.deliver([attacker._replace(kind=EventKind.RELEASED), over(attacker)])
    sink.deliver([over(attacker)])
    assert hosts(tmp_path) == {HOST: ("10.0.0.1", ["10.0.0.1"], ["2001:db8::1"], "host-1")}
    assert pointers(tmp_path) == [".duid-00-02-aa-v6-1-s7"]


@pytest.mark.parametrize("ref", ["retire_after", BY_PERSON])
def test_an_ending_removes_only_the_part_of_its_family(sink: DiscoverySink, tmp_path: Path, ref: str) -> None:
    both, second = [event(1), six(1)], six(2, iaid=2)
    for gone, left in (
        (event(1), ("2001:db8::1", [], ["2001:db8::1"], "host-1")),
        (six(1), ("10.0.0.1", ["10.0.0.1"], [], "host-1")),
    ):
        sink.deliver(both)
        assert sink.deliver([over(gone, ref)]).removed == 1
        assert hosts(tmp_path) == {HOST: left}
        assert sink.deliver([over(gone, ref)]).removed == 0
    sink.deliver([*both, second])
    assert sink.deliver([over(second, ref)]).removed == 1
    assert hosts(tmp_path)[HOST][2] == ["2001:db8::1"]
    assert sink.deliver([over(each, ref) for each in both]).removed == 2
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_one_lease_says_nothing_of_the_address_that_the_client_has_now(
    sink: DiscoverySink, tmp_path: Path
) -> None:
    sink.deliver([event(1), six(1)])
    sink.deliver([six(2)])
    assert sink.deliver([over(six(1))]).removed == 0
    assert hosts(tmp_path)[HOST][2] == ["2001:db8::2"]


def test_a_name_follows_the_lease_of_the_preferred_family(sink: DiscoverySink, tmp_path: Path) -> None:
    sink.deliver([event(1, hostname="one."), six(1, hostname="six")])
    for renamed, name in (
        (event(1, kind=EventKind.CHANGED, hostname="two"), "two"),
        (six(1, kind=EventKind.CHANGED, hostname="seven"), "two"),
        (event(1, kind=EventKind.CHANGED, hostname=""), "seven"),
    ):
        sink.deliver([renamed])
        assert hosts(tmp_path)[HOST][3] == name


def test_a_lease_moves_when_another_machine_has_it(sink: DiscoverySink, tmp_path: Path) -> None:
    """A DUID moves with a disk, and a relay may begin to tell the hardware address, or stop."""
    sink.deliver([event(1), event(2)])
    for hwaddr, source, host in (
        (MAC, hwaddr_source.DUID, APART),
        (MAC, hwaddr_source.RELAY, HOST),
        (OTHER, hwaddr_source.RELAY, "bmc-020000000002"),
        (MAC, hwaddr_source.FRAME, HOST),
        ("", hwaddr_source.UNKNOWN, APART),
    ):
        sink.deliver([six(1, hwaddr, source)])
        found = hosts(tmp_path)
        assert [name for name in found if "2001:db8::1" in found[name][2]] == [host]
        assert len(found) == 2 + (host == APART)
        assert len(pointers(tmp_path)) == (host != APART)
    assert {part.made for part in leased.read(next(tmp_path.glob("duid*")).read_bytes())} == {NOW}


def test_a_reservation_by_duid_is_forgotten_with_its_part_of_the_machine(sink: DiscoverySink, tmp_path: Path) -> None:
    """The reservation tells no hardware address."""
    sink.deliver([event(1), six(1)])
    reserved = lease(1, family=6, address="2001:db8::1", subnet_id=7, hwaddr="", duid=SPELLED, iaid=1)
    (chosen,) = forget.choose(SPELLED, [reserved])
    assert sink.deliver([LeaseEvent(EventKind.FORGOTTEN, chosen, BY_PERSON, None)]).removed == 1
    assert hosts(tmp_path) == {HOST: ("10.0.0.1", ["10.0.0.1"], [], "host-1")}
    assert pointers(tmp_path) == []


def test_a_hardware_address_names_the_leases_of_both_families(sink: DiscoverySink) -> None:
    sink.deliver([event(1), six(1), six(66, source=hwaddr_source.DUID, duid="00:02:bb")])
    assert {each.address for each in forget.choose(MAC, sink.made())} == {"10.0.0.1", "2001:db8::1"}
    assert {each.address for each in forget.choose("10.0.0.1", sink.made())} == {"10.0.0.1"}


def test_a_client_that_invents_duids_does_not_make_the_file_grow(sink: DiscoverySink, tmp_path: Path) -> None:
    sink.deliver([event(1)])
    for number in range(1, 40):
        sink.deliver([six(number, duid=f"00:02:{number:02x}", cltt=NOW + number)])
    addresses = hosts(tmp_path)[HOST][2]
    assert addresses == [f"2001:db8::{number:x}" for number in range(39, 39 - leased.MOST, -1)]
    assert hosts(tmp_path)[HOST][1] == ["10.0.0.1"]
    assert len(pointers(tmp_path)) == 39
    sink.deliver([over(six(number, duid=f"00:02:{number:02x}"), "unconfirmed_for") for number in range(1, 40)])
    assert [path.name for path in tmp_path.iterdir()] == ["02-00-00-00-00-01.yml"]


def test_two_clients_never_have_one_address(sink: DiscoverySink, tmp_path: Path) -> None:
    """The second DUID of a machine got the address of its first one."""
    sink.deliver([six(1, duid="00:02:01"), six(1, duid="00:02:02", cltt=NOW + 9)])
    sink.deliver([six(1, duid="00:02:03", cltt=NOW + 10)])
    assert hosts(tmp_path)[HOST][2] == ["2001:db8::1"]


def test_each_further_subnet_has_a_host_of_its_own(sink: DiscoverySink, tmp_path: Path) -> None:
    sink.deliver([event(1), six(1), event(2, client=1, subnet_id=2), six(2, subnet_id=8)])
    found = {host: values[:3] for host, values in hosts(tmp_path).items()}
    assert found == {
        HOST: ("10.0.0.1", ["10.0.0.1"], ["2001:db8::1"]),
        f"{HOST}-s2": ("10.0.0.2", ["10.0.0.2"], []),
        f"{HOST}-s8": ("2001:db8::2", [], ["2001:db8::2"]),
    }


def test_delegated_prefixes_and_temporary_addresses_are_no_hosts(sink: DiscoverySink, tmp_path: Path) -> None:
    assert sink.deliver([six(1, lease_type=2, prefix_len=56), six(2, lease_type=1)]).skipped == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "template", [None, "{{ host }} {{ lease.address }}\n", "a: {ansible_host: {{ lease.address }}}\n"]
)
@pytest.mark.parametrize("source", [hwaddr_source.RELAY, hwaddr_source.DUID])
def test_a_file_of_release_1_1_is_renamed(tmp_path: Path, template: str | None, source: int) -> None:
    given = tmp_path / "template"
    given.write_text(template or "")
    writer = DiscoverySink(Options(str(tmp_path), "bmc_targets", str(given) if template else None))
    former = names.earlier(six(1).lease)
    assert former.file == "02-00-00-00-00-01-v6-1"
    text = template or (
        "bmc_targets:\n  hosts:\n    bmc-020000000001v61:\n      ansible_host: \"2001:db8::1\"\n"
        f"      bmc_mac: \"{MAC}\"\n      bmc_client_id: \"\"\n      bmc_duid: \"{SPELLED}\"\n"
        "      bmc_hostname: \"a\"\n      kea_subnet_id: 7\n      kea_made_at: 1600000000\n"
    )  # fmt: skip
    text = text.replace("{{ host }}", "bmc-020000000001v61").replace("{{ lease.address }}", "2001:db8::1")
    (tmp_path / f"{former.file}.yml").write_text(text)
    (kept,) = writer.deliver([six(1, source=source)]).kept
    assert kept.made == (None if template else 1600000000), "what an earlier release made is not new"
    name = "02-00-00-00-00-01" if source == hwaddr_source.RELAY else "duid-00-03-00-01-02-00-00-00-00-01-v6-1"
    assert [path.stem for path in tmp_path.glob("*.yml")] == [name]


def test_what_release_1_1_wrote_of_an_ended_lease_is_joined(sink: DiscoverySink, tmp_path: Path) -> None:
    (tmp_path / "02-00-00-00-00-01.yml").write_text(
        f'bmc_targets:\n  hosts:\n    {HOST}:\n      ansible_host: "10.0.0.1"\n      bmc_mac: "{MAC}"\n'
        '      bmc_client_id: ""\n      bmc_hostname: "one"\n      kea_subnet_id: 1\n'
    )
    sink.deliver([six(1)])
    assert hosts(tmp_path) == {HOST: ("10.0.0.1", ["10.0.0.1"], ["2001:db8::1"], "one")}


@pytest.mark.parametrize(("field", "source"), [("8", 8), ("2", 2), ("", 0), ("x", 0), ("-1", 0)])
def test_a_lease_file_tells_where_kea_found_the_hardware_address(field: str, source: int) -> None:
    head = header_line(6).encode()
    line = f"2001:db8::1,{SPELLED},3600,{NOW},7,1800,0,1,128,0,0,,{MAC},0,,1,{field}".encode()
    assert Header(head).parse(line).hwaddr_source == source
    older = Header(head[: head.index(b",hwtype")])
    assert older.parse(line[: line.rindex(b",1,")]).hwaddr_source == 0


def test_a_hardware_address_that_becomes_proven_is_a_change() -> None:
    before, after = six(1, source=hwaddr_source.DUID).lease, six(1).lease
    assert changes.of_row(changes.trace(before), after) is EventKind.CHANGED
    assert changes.of_row(changes.trace(after), after) is EventKind.RENEWED
