# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""B10, B11, B12: the site's own reservations win, by whatever identifier and wherever they stand."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

import pytest
from _kea import relay
from _kea.identifiers import TYPES
from kea_lease_monitor.database import Link
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.site import Entry, Site
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.reservations import database
from kea_lease_monitor.sinks.reservations.database import Options as DatabaseOptions
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from support.host_lists import counting
from support.kea import DIRECTORIES, KeaServer, serving

from runtime.applying import Host
from runtime.builders import event, lease
from runtime.world import Kea

MAC, CLIENT, DUID = "02:00:00:00:00:01", "ff:00:00:00:01:00:01:02", "00:01:02"

OWN = [("hw-address", MAC), ("client-id", CLIENT), ("duid", DUID)]
UNTOLD = ["circuit-id", "flex-id"]


@pytest.mark.parametrize(("kind", "identifier"), OWN)
def test_a_clients_own_reservation_is_found_by_each_identifier_that_a_lease_tells(kind: str, identifier: str) -> None:
    one = lease(1, client_id=CLIENT)
    assert Site([Entry(1, kind, identifier, "10.0.0.9")]).judge(one) == (Verdict.UNCHANGED, "")
    assert Site([Entry(2, kind, identifier, "10.0.0.9")]).judge(one) is None, "of another subnet"
    verdict, detail = Site([Entry(1, kind, identifier, "")]).judge(one) or ("", "")
    assert verdict is Verdict.SITE
    assert f"{kind} {identifier} names no address" in detail


@pytest.mark.parametrize("kind", UNTOLD)
def test_what_a_lease_does_not_tell_is_recognised_by_the_address(kind: str) -> None:
    site = Site([Entry(1, kind, "01:02", "10.0.0.1")])
    assert site.judge(lease(1)) == (Verdict.UNCHANGED, "")
    assert site.judge(lease(2)) is None


@pytest.mark.parametrize("kind", UNTOLD)
def test_where_such_a_reservation_names_no_address_nothing_is_reserved(kind: str) -> None:
    site = Site([Entry(1, kind, "01:02", "")])
    verdict, detail = site.judge(lease(1)) or ("", "")
    assert (verdict, kind in detail) == (Verdict.SITE, True)
    assert site.judge(lease(1, subnet_id=2)) is None


PORT, OTHER_PORT = "65:74:68:30", "65:74:68:31"


def at(port: str) -> str:
    """Return the user context of a lease of which Kea stored the port."""
    return relay.context_of(port)


def test_a_port_that_the_lease_tells_is_compared_by_its_bytes() -> None:
    here, elsewhere = lease(1, user_context=at(PORT)), lease(1, user_context=at(OTHER_PORT))
    site = Site([Entry(1, "circuit-id", PORT, "10.0.0.9")])
    assert site.judge(here) == (Verdict.UNCHANGED, "")
    assert (site.judge(elsewhere), site.judge(lease(1))) == (None, None)
    verdict, detail = Site([Entry(1, "circuit-id", PORT, "")]).judge(here) or ("", "")
    assert (verdict, f"circuit-id {PORT} names no address" in detail) == (Verdict.SITE, True)


def test_a_reservation_of_another_port_hides_no_subnet_and_keeps_its_address() -> None:
    told = lease(1, user_context=at(OTHER_PORT))
    assert Site([Entry(1, "circuit-id", PORT, "")]).judge(told) is None
    assert Site([Entry(1, "circuit-id", PORT, "10.0.0.1")]).judge(told) == (Verdict.CONFLICT, f"circuit-id {PORT}")
    verdict, detail = Site([Entry(1, "circuit-id", PORT, ""), Entry(1, "flex-id", "01", "")]).judge(told) or ("", "")
    assert (verdict, "by flex-id" in detail) == (Verdict.SITE, True)


def test_an_address_of_another_client_is_a_conflict() -> None:
    site = Site([Entry(1, "client-id", "01:02", "10.0.0.1"), Entry(1, "hw-address", "02:00", "10.0.0.2")])
    assert site.judge(lease(1)) == (Verdict.CONFLICT, "client-id 01:02")
    assert site.judge(lease(2)) == (Verdict.CONFLICT, "02:00")


class World(NamedTuple):
    """Both sinks, seen alike."""

    make: Callable[..., Any]
    """A sink with these entries of the site."""
    addresses: Callable[[], list[str]]


@pytest.fixture(params=["file", "database"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "file":
        path = tmp_path / "subnet-1.json"

        def addresses() -> list[str]:
            return sorted(one["ip-address"] for one in counting(path)) if path.exists() else []

        yield World(lambda *site: ReservationFileSink(Options(str(tmp_path), site=site)), addresses)
        return
    kea, link = request.getfixturevalue("kea"), request.getfixturevalue("link")
    yield World(
        lambda *site: ReservationSink(link(), options=DatabaseOptions(site=site)),
        lambda: [row[1] for row in kea.reservations()],
    )


def test_each_word_of_the_site_becomes_the_outcome_of_its_event(world: World) -> None:
    site = [
        Entry(1, "hw-address", "02:00:00:00:00:01", "10.0.0.99"),
        Entry(1, "hw-address", "02:00:00:00:00:02", ""),
        Entry(1, "duid", "01:02", "10.0.0.3"),
        Entry(1, "flex-id", "01:02", "10.0.0.4"),
    ]
    sink = world.make(*site)
    delivery = sink.deliver([event(number) for number in range(1, 6)])
    assert world.addresses() == ["10.0.0.5"]
    assert (delivery.unchanged, delivery.created) == (2, 1)
    assert sorted(one.reason.value for one in delivery.rejected) == ["address_taken", "site_reservation"]
    assert sink.deliver([event(6, client=5)]).updated == 1
    assert world.addresses() == ["10.0.0.6"], "a retry of the conflict writes nothing either"
    sink.close()


@pytest.mark.parametrize(("kind", "identifier"), OWN)
def test_a_managed_reservation_for_a_client_of_the_site_goes_at_the_start(
    world: World, kind: str, identifier: str
) -> None:
    first = world.make()
    first.deliver([event(1, client_id=CLIENT), event(2)])
    first.close()
    sink = world.make(Entry(1, kind, identifier, "10.0.0.50"))
    sink.check()
    assert world.addresses() == ["10.0.0.2"]
    assert sink.deliver([event(1, client_id=CLIENT)]).unchanged == 1
    assert world.addresses() == ["10.0.0.2"]
    sink.close()


def test_a_managed_reservation_goes_at_the_start_that_would_hide_one_of_its_port(world: World) -> None:
    """Kea looks up the hardware address first. The mark tells the port, also of a client without a lease."""
    first = world.make()
    first.deliver([event(1, user_context=at(PORT)), event(2, user_context=at(OTHER_PORT)), event(3)])
    first.close()
    sink = world.make(Entry(1, "circuit-id", PORT, "10.0.0.50"))
    sink.check()
    assert world.addresses() == ["10.0.0.2", "10.0.0.3"]
    sink.close()


def test_a_managed_reservation_without_a_port_goes_once_the_lease_tells_it(world: World) -> None:
    """It was made before Kea stored extended info."""
    first = world.make()
    first.deliver([event(1), event(2)])
    first.close()
    sink = world.make(Entry(1, "circuit-id", PORT, "10.0.0.50"))
    sink.check()
    delivery = sink.deliver([event(1, user_context=at(PORT)), event(2, user_context=at(OTHER_PORT)), event(3)])
    assert (delivery.unchanged, delivery.created) == (2, 1)
    assert world.addresses() == ["10.0.0.2", "10.0.0.3"]
    sink.close()


def test_the_mark_follows_a_client_to_another_port(world: World) -> None:
    first = world.make()
    assert first.deliver([event(1, user_context=at(PORT))]).created == 1
    assert first.deliver([event(1, user_context=at(OTHER_PORT))]).updated == 1
    assert first.deliver([event(1, user_context=at(OTHER_PORT))]).unchanged == 1
    first.close()
    sink = world.make(Entry(1, "circuit-id", PORT, "10.0.0.50"))
    sink.check()
    assert world.addresses() == ["10.0.0.1"]
    sink.close()


def test_reservations_of_before_extended_info_are_not_all_written_for_their_ports(world: World) -> None:
    sink = world.make()
    sink.deliver([event(1), event(2)])
    told = [event(number, user_context=at(PORT)) for number in (1, 2)]
    assert sink.deliver(told).unchanged == 2
    sink.close()


def test_a_port_of_any_length_is_no_obstacle(world: World) -> None:
    """A client may send the option itself."""
    sink = world.make()
    delivery = sink.deliver([event(1, user_context=at(":".join(["00"] * 255))), event(2, user_context=at("00"))])
    assert (delivery.created, world.addresses()) == (2, ["10.0.0.1", "10.0.0.2"])
    sink.close()


def test_a_managed_reservation_of_an_address_of_the_site_goes_at_the_start(world: World) -> None:
    first = world.make()
    first.deliver([event(1), event(2)])
    first.close()
    sink = world.make(Entry(1, "hw-address", "02:00:00:00:00:77", "10.0.0.1"))
    sink.check()
    assert world.addresses() == ["10.0.0.2"]
    sink.close()


def test_managed_reservations_stay_beside_one_that_a_lease_cannot_tell(world: World) -> None:
    """Their clients keep their addresses; only new clients get none."""
    first = world.make()
    first.deliver([event(1)])
    first.close()
    sink = world.make(Entry(1, "flex-id", "01:02", ""))
    sink.check()
    (rejection,) = sink.deliver([event(2)]).rejected
    assert (rejection.reason.value, world.addresses()) == ("site_reservation", ["10.0.0.1"])
    sink.close()


@pytest.mark.kea
def test_after_the_play_nothing_is_refused_and_kea_has_the_sites_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B10 in file mode, with the real Kea: the client's own reservation, and one of another client's address."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    host = Host(tmp_path)
    server = KeaServer(tmp_path, config=tmp_path / "kea.conf", socket=tmp_path / "socket")
    with serving(server):
        sink = host.sink()
        sink.deliver([event(1), event(2), event(3)])
        host.apply()
        assert host.known() == ["10.0.0.1", "10.0.0.2", "10.0.0.200", "10.0.0.3"]
        # The play adds both to the configuration and clears the copy that Kea includes; the monitor starts again.
        more = [("02:00:00:00:00:01", "10.0.0.50"), ("02:00:00:00:00:77", "10.0.0.2")]
        text = "".join(f'{{"hw-address": "{hwaddr}", "ip-address": "{address}"}}, ' for hwaddr, address in more)
        config = tmp_path / "kea.conf"
        config.write_text(config.read_text().replace('"reservations": [ ', f'"reservations": [ {text}'))
        site = tuple(Entry(1, "hw-address", hwaddr, address) for hwaddr, address in more)
        ReservationFileSink(Options(*host.places, site=site)).check()
        host.apply()
        assert host.known() == ["10.0.0.2", "10.0.0.200", "10.0.0.3", "10.0.0.50"]
        assert host.refused() == {}


def by_hand(kea: Kea, kind: str, identifier: str, subnet: int, address: str = "") -> None:
    kea.rows(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
        " VALUES (decode(%s, 'hex'), %s, %s, nullif(%s, '')::inet - '0.0.0.0')",
        *(identifier.replace(":", ""), TYPES.index(kind), subnet, address),
    )


@pytest.mark.postgres
class TestHosts:
    """The site's reservations in the table hosts itself."""

    @pytest.mark.parametrize(("kind", "identifier"), OWN[1:])
    def test_by_other_identifiers(self, kea: Kea, link: Callable[[], Link], kind: str, identifier: str) -> None:
        by_hand(kea, kind, identifier, 1, "10.0.0.50")
        sink = ReservationSink(link())
        assert sink.deliver([event(1, client_id=CLIENT)]).unchanged == 1
        assert len(kea.reservations()) == 1
        sink.close()

    @pytest.mark.parametrize("kind", UNTOLD)
    def test_by_identifiers_that_a_lease_does_not_tell(self, kea: Kea, link: Callable[[], Link], kind: str) -> None:
        by_hand(kea, kind, "01:02", 1)
        by_hand(kea, kind, "01:03", 2, "10.0.0.3")
        sink = ReservationSink(link())
        delivery = sink.deliver([event(1), event(3, subnet_id=2), event(4, subnet_id=2)])
        assert (delivery.created, delivery.unchanged) == (1, 1)
        assert [one.reason.value for one in delivery.rejected] == ["site_reservation"]
        sink.close()

    def test_of_subnet_0_where_kea_uses_them(self, kea: Kea, link: Callable[[], Link]) -> None:
        by_hand(kea, "hw-address", MAC, 0, "10.0.0.50")
        sink = ReservationSink(link(), options=DatabaseOptions(global_subnets=frozenset({1})))
        delivery = sink.deliver([event(1), event(1, subnet_id=2)])
        assert (delivery.unchanged, delivery.created) == (1, 1)
        sink.close()

    def test_added_while_the_monitor_runs(self, kea: Kea, link: Callable[[], Link]) -> None:
        now = 0.0
        sink = ReservationSink(link(), now=lambda: now)
        sink.check()
        by_hand(kea, "client-id", CLIENT, 1, "10.0.0.50")
        (rejection,) = sink.deliver([event(50, client=1, client_id=CLIENT)]).rejected
        assert rejection.reason.value == "address_taken", "docs/day-to-day.md says so"
        now = 61.0
        assert sink.deliver([event(50, client=1, client_id=CLIENT)]).unchanged == 1
        assert sink.deliver([event(1, client_id=CLIENT)]).unchanged == 1
        sink.close()

    @pytest.mark.parametrize(
        ("kind", "identifier", "address"),
        [
            ("client-id", CLIENT, "10.0.0.50"),
            ("circuit-id", PORT, "10.0.0.50"),
            ("hw-address", "02:00:00:00:00:77", "10.0.0.1"),
        ],
    )
    def test_managed_ones_give_way_to_those_added_while_the_monitor_runs(
        self, kea: Kea, link: Callable[[], Link], kind: str, identifier: str, address: str
    ) -> None:
        """Kea looks up the hardware address first: the managed one would hide the site's one until a restart."""
        now = 0.0
        sink = ReservationSink(link(), now=lambda: now)
        sink.check()
        sink.deliver([event(1, client_id=CLIENT, user_context=at(PORT)), event(2)])
        by_hand(kea, kind, identifier, 1, address)
        now = 61.0
        sink.deliver([event(3)])
        assert sorted(row[1] for row in kea.reservations()) == sorted([address, "10.0.0.2", "10.0.0.3"])
        sink.close()

    def test_managed_ones_are_read_only_after_a_change_of_the_site_s(
        self, kea: Kea, link: Callable[[], Link], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now, asked = 0.0, []
        monkeypatch.setattr(database, "give_way", lambda session, site: asked.append(now))
        sink = ReservationSink(link(), now=lambda: now)
        sink.check()
        by_hand(kea, "client-id", CLIENT, 1, "10.0.0.50")
        for now in (61.0, 122.0, 183.0):
            sink.deliver([event(int(now))])
        assert asked == [0.0, 61.0]
        sink.close()


@pytest.mark.parametrize("options", [Options, DatabaseOptions])
def test_the_file_with_the_reservations_is_a_part_of_the_configuration(options: Any, tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text('[{"subnet": 1, "kind": "duid", "identifier": "01", "address": "10.0.0.1"}, {"subnet": 2}]')
    found = options.parse(Section({"site_file": str(path)}, "sink"))
    assert found.site == (Entry(1, "duid", "01", "10.0.0.1"), Entry(2, "", "", ""))
    assert options.parse(Section({}, "sink")).site == ()


@pytest.mark.parametrize(
    "text", [None, "", "{", "{}", "[1]", "[{}]", '[{"subnet": "1"}]', '[{"subnet": 1, "kind": 1}]']
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "site.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"sink\.site_file: .*site\.json: "):
        Options.parse(Section({"site_file": str(path)}, "sink"))
