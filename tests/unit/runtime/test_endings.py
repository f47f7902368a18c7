# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made for a client goes again: in each source, with the leases that floods and machines leave there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import pytest
from _kea.pairs import Status
from kea_lease_monitor import metrics
from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.endings import clients
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import pools
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.pools import Subnet, Use
from kea_lease_monitor.lease import EventKind, LeaseEvent
from kea_lease_monitor.pipeline import Pipeline
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.discovery import DiscoverySink
from kea_lease_monitor.sinks.discovery import Options as Discovery
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from kea_lease_monitor.sinks.reservations.file import Options as Files
from kea_lease_monitor.sinks.reservations.file import ReservationFileSink
from kea_lease_monitor.sources.events.source import EventsSource
from kea_lease_monitor.sources.events.upkeep import Options as Events
from kea_lease_monitor.sources.memfile.source import MemfileSource
from kea_lease_monitor.sources.polling import Options as Polling
from kea_lease_monitor.sources.polling import PollingSource
from kea_lease_monitor.state.records import LIVING, Client
from kea_lease_monitor.subscriptions import Ending, Match, Subscription
from support.host_lists import counting
from support.kea import DIRECTORIES, KeaServer, serving
from support.wait import until

from runtime.builders import HEADER, NOW, event
from runtime.states import state_in
from runtime.test_pools import LEASE_COMMANDS, gathered

LIFETIME = 600
DAY = 86400
DEFAULT = Ending()


class Told(Sink):
    """A sink as ``exec``: it only hears."""

    name = "told"

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, str]] = []

    def check(self) -> None: ...

    def deliver(self, events: Sequence[LeaseEvent]) -> Delivery:
        found = [(each.lease.hwaddr or each.lease.client_id, each.ref) for each in events]
        self.forgotten += [one for one, each in zip(found, events) if each.kind.value == "forgotten"]
        return Delivery(executed=len(events))

    def close(self) -> None: ...


class World:
    """A monitor whose clock a test moves, and Kea's leases where its source reads them."""

    def __init__(self, tmp_path: Path, ending: Ending = DEFAULT) -> None:
        self.path = tmp_path
        self.now = 0.0
        self.heard: dict[int, float] = {}
        """When the client of each address was acknowledged last."""
        self.told = Told()
        self.figures = str(tmp_path / "pools.json")
        self.ending = ending._replace(figures=(self.figures,))
        (tmp_path / "discovery").mkdir()
        self.start()

    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: NOW + self.now, lambda: 0.5, lambda: 0.0)

    def source(self) -> Any:
        raise NotImplementedError

    def sinks(self) -> list[Any]:
        """The sinks that reserve."""
        raise NotImplementedError

    def start(self) -> None:
        """Start a monitor; the one before was killed, or there was none."""
        self.store = state_in(self.path)
        subscription = Subscription("all", Match(), True, "same", "", self.ending)
        discovery = DiscoverySink(Discovery(str(self.path / "discovery"), "bmc_targets", None))
        sinks = [*self.sinks(), discovery, self.told]
        self.pipeline = Pipeline(subscription, self.source(), sinks, self.store, self.clock())

    def kill(self) -> None:
        """Kill the monitor: what it did not store is lost."""
        self.pipeline._close()
        self.store.close()

    def run(self, seconds: float = 0.0) -> None:
        """Let time pass, and the monitor act upon all that is due."""
        self.now += seconds
        for _step in range(4):
            self.step()

    def step(self) -> None:
        self.now += 10
        for _pump in range(50):
            self.pipeline.pump()
            assert not self.pipeline.health.retry, self.pipeline.health.error
            if self.pipeline.due() > self.now:
                break

    def look(self, total: int, leased: int) -> None:
        """Have the monitor look at figures that stay recent."""
        for _step in range(12):
            self.pool(total, leased)
            self.step()

    def lease(self, number: int, hwaddr: str, client_id: str = "") -> None:
        """Write a lease that is acknowledged now."""
        self.heard[number] = self.now
        self.write(number, hwaddr, client_id)

    def end(self, number: int, hwaddr: str, client_id: str = "") -> None:
        """Write that Kea removed a lease."""
        self.remove(number, hwaddr, client_id)

    def decline(self, number: int) -> None:
        """Write that its client declined a lease: Kea keeps the address back for a lifetime, and no client."""
        raise NotImplementedError

    def write(self, number: int, hwaddr: str, client_id: str) -> None:
        raise NotImplementedError

    def remove(self, number: int, hwaddr: str, client_id: str) -> None:
        raise NotImplementedError

    def report(self) -> None:
        """Report what the monitor wrote, where a file tells that."""

    def reserved(self) -> list[str]:
        raise NotImplementedError

    def inventory(self) -> list[str]:
        return sorted(os.listdir(self.path / "discovery"))

    def confirmed(self, number: int) -> bool:
        [file] = self.path.glob(f"discovery/*{number:02x}.yml")
        return "kea_confirmed: true\n" in file.read_text()

    def pool(self, total: int, leased: int, pair: Status | None = None, listening: bool | None = None) -> None:
        figures = (Subnet(4, 1, Use(total, leased, 0), {0: Use(total, leased, 0)}),)
        pools.write(self.figures, figures, 10.0, pools.Server(pair, listening))
        os.utime(self.figures, (NOW + self.now, NOW + self.now))


class FileWorld(World):
    def source(self) -> Any:
        self.leases = self.path / "leases.csv"
        if not self.leases.exists():
            self.leases.write_text(HEADER)
            (self.path / "reservations").mkdir()
        return MemfileSource(str(self.leases), self.clock())

    def sinks(self) -> list[Any]:
        return [ReservationFileSink(Files(str(self.path / "reservations"), str(self.path / "report")))]

    def report(self) -> None:
        """Have the applier report what the monitor wrote."""
        (self.path / "report").mkdir(exist_ok=True)
        count = len(self.reserved())
        report.write(str(self.path / "report"), report.Status({1: report.Subnet(count, count, 0, "")}))

    def write(self, number: int, hwaddr: str, client_id: str, valid: int = LIFETIME) -> None:
        expire = int(NOW + self.heard[number]) + valid
        with self.leases.open("a") as file:
            file.write(f"10.0.0.{number},{hwaddr},{client_id},{valid},{expire},1,0,0,,0,\n")
        self.hear()

    def decline(self, number: int) -> None:
        with self.leases.open("a") as file:
            file.write(f"10.0.0.{number},,,{LIFETIME},{int(NOW + self.now) + LIFETIME},1,0,0,,1,\n")

    def remove(self, number: int, hwaddr: str, client_id: str) -> None:
        self.write(number, hwaddr, client_id, 0)

    def hear(self) -> None:
        """Let Kea write something, so that a lease without news counts as ended."""
        os.utime(self.leases, (NOW + self.now, NOW + self.now))

    def reserved(self) -> list[str]:
        path = self.path / "reservations" / "subnet-1.json"
        return sorted(host["ip-address"] for host in counting(path)) if path.exists() else []


class RealWorld(FileWorld):
    """Its clock is the real one, and a real Kea writes the leases."""

    def clock(self) -> Clock:
        return Clock()


class DatabaseWorld(World):
    def __init__(self, tmp_path: Path, kea: Any, link: Any, ending: Ending = DEFAULT) -> None:
        self.kea, self.link = kea, link
        super().__init__(tmp_path, ending)

    def sinks(self) -> list[Any]:
        return [ReservationSink(self.link(), now=lambda: self.now)]

    def write(self, number: int, hwaddr: str, client_id: str) -> None:
        expire = NOW + self.heard[number] + LIFETIME
        self.kea.rows(
            "INSERT INTO lease4 (address, hwaddr, client_id, valid_lifetime, expire, subnet_id, fqdn_fwd, fqdn_rev,"
            " hostname, state, user_context) VALUES (%s::inet - '0.0.0.0', decode(%s, 'hex'), decode(%s, 'hex'), %s,"
            " to_timestamp(%s), 1, false, false, '', 0, '')"
            " ON CONFLICT (address) DO UPDATE SET hwaddr = excluded.hwaddr, client_id = excluded.client_id,"
            " expire = excluded.expire",
            *(f"10.0.0.{number}", hwaddr.replace(":", ""), client_id.replace(":", ""), LIFETIME, expire),
        )

    def decline(self, number: int) -> None:
        self.kea.rows(
            "UPDATE lease4 SET hwaddr = '', client_id = '', hostname = '', state = 1, expire = to_timestamp(%s)"
            " WHERE address = %s::inet - '0.0.0.0'",
            *(NOW + self.now + LIFETIME, f"10.0.0.{number}"),
        )

    def remove(self, number: int, hwaddr: str, client_id: str) -> None:
        self.kea.rows("DELETE FROM lease4 WHERE address = %s::inet - '0.0.0.0'", f"10.0.0.{number}")

    def reserved(self) -> list[str]:
        return sorted(row[1] for row in self.kea.reservations())


class EventsWorld(DatabaseWorld):
    def source(self) -> Any:
        return EventsSource("all", self.link(), Events(), {"all": 0}, self.clock())


class PollingWorld(DatabaseWorld):
    def source(self) -> Any:
        return PollingSource(self.link(), Polling(interval=1, full_interval=60), self.clock())

    def run(self, seconds: float = 0.0) -> None:
        """It also notices what is deleted."""
        super().run(seconds)
        super().run(30)


@pytest.fixture(params=["memfile", "events", "polling"])
def world(request: pytest.FixtureRequest, tmp_path: Path, kea: Any, link: Any) -> Iterator[World]:
    if request.param == "memfile":
        made: World = FileWorld(tmp_path)
    else:
        made = {"events": EventsWorld, "polling": PollingWorld}[request.param](tmp_path, kea, link)
    yield made
    made.kill()


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def flood(world: World, numbers: range) -> None:
    for number in numbers:
        world.lease(number, mac(number))


def test_a_flood_that_fills_a_pool_is_gone_one_lifetime_later(world: World) -> None:
    world.lease(1, mac(1))
    world.run(LIFETIME / 2)
    world.lease(1, mac(1))
    world.run()
    flood(world, range(2, 51))
    world.run()
    assert len(world.reserved()) == len(world.inventory()) == 50
    world.pool(50, 50)
    world.run(10)
    assert len(world.reserved()) == 50, "their leases live"
    world.now += LIFETIME
    for number in range(1, 51):
        world.end(number, mac(number))
    world.run()
    world.pool(50, 0)
    world.run(10)
    assert world.reserved() == ["10.0.0.1"]
    assert world.inventory() == ["02-00-00-00-00-01.yml"]
    assert sorted(world.told.forgotten) == [(mac(number), "low_water") for number in range(2, 51)]


def test_a_decline_storm_that_fills_a_pool_is_gone_one_lifetime_later(world: World) -> None:
    """C8: each client declines what it gets. Kea keeps the address back, and no longer knows whose it was."""
    for number in (1, 2):
        world.lease(number, mac(number))
    world.run(LIFETIME / 2)
    for number in (1, 2):
        world.lease(number, mac(number))
    world.run()
    for start in (3, 30):
        numbers = range(start, min(start + 27, 51))
        flood(world, numbers)
        world.run() if start == 3 else None
        for number in numbers:
            world.decline(number)
    world.look(50, 50)
    world.now += LIFETIME
    for number in range(3, 51):
        world.end(number, "")
    for number in (1, 2):
        world.lease(number, mac(number))
    world.look(50, 2)
    assert world.reserved() == ["10.0.0.1", "10.0.0.2"]
    assert world.inventory() == ["02-00-00-00-00-01.yml", "02-00-00-00-00-02.yml"]
    labels = {"family": "4", "subnet": "1", "state": "free"}
    assert metrics.REGISTRY.get_sample_value("kea_lease_monitor_subnet_addresses", labels) == 48


def test_what_was_reserved_before_the_state_store_was_made_is_not_free(world: World) -> None:
    """C1: after an upgrade or a lost store, nothing tells of the leases that had ended."""
    for number in range(1, 41):
        world.lease(number, mac(number))
    world.run(LIFETIME / 2)
    for number in range(1, 41):
        world.lease(number, mac(number))
    world.run()
    for number in range(1, 41):
        world.end(number, mac(number))
    world.run()
    world.kill()
    (world.path / "state.sqlite").unlink()
    world.report()
    world.start()
    world.look(50, 0)
    assert world.store.reserved() == {}
    labels = {"family": "4", "subnet": "1"}
    names = {"kea_lease_monitor_subnet_addresses": {}, "kea_lease_monitor_pool_addresses": {"pool": "0"}}
    for name, more in names.items():
        found = {
            state: metrics.REGISTRY.get_sample_value(name, {**labels, **more, "state": state})
            for state in ("total", "leased", "reserved", "free")
        }
        assert found == {"total": 50, "leased": 0, "reserved": 40, "free": 10}
    flood(world, range(41, 43))
    world.run()
    world.report()
    world.look(50, 2)
    assert world.store.shortages("all").keys() == {(4, 1)}, "8 of 50 addresses are free for new clients"
    for number in (41, 42):
        world.end(number, mac(number))
    world.look(50, 0)
    world.run()
    assert len(world.reserved()) == 40, "the flood is gone"


def test_a_client_that_answers_twice_within_a_second_goes_after_its_time(world: World) -> None:
    world.lease(7, mac(7))
    world.run()
    world.heard[7] = 1
    world.write(7, mac(7), "")
    world.run()
    world.end(7, mac(7))
    world.run()
    assert world.reserved() == ["10.0.0.7"]
    world.run(7 * DAY - 400)
    assert world.reserved() == ["10.0.0.7"], "its time is not over"
    world.run(400)
    assert (world.reserved(), world.inventory()) == ([], [])
    assert world.told.forgotten == [(mac(7), "unconfirmed_for")]


def test_a_machine_that_renewed_stays(world: World) -> None:
    world.lease(7, mac(7))
    world.run(LIFETIME / 2)
    assert not world.confirmed(7)
    world.lease(7, mac(7))
    world.run(LIFETIME)
    assert world.confirmed(7)
    world.end(7, mac(7))
    world.run()
    world.run(365 * DAY)
    assert (world.reserved(), world.told.forgotten) == (["10.0.0.7"], [])


@pytest.mark.parametrize("kind", [EventKind.RENEWED, EventKind.DELETED])
def test_a_renewal_or_else_the_end_of_its_lease_confirms_a_client(kind: EventKind) -> None:
    """Events tell of no renewal. Kea clears the name of a lease that it reclaims."""
    lease = event(7, hostname="idrac-7", valid_lifetime=LIFETIME).lease
    place = ("all", clients.name_of(lease), lease.family, lease.subnet_id, lease.address)
    record = Client(*place, LIVING, 0.0, lease.cltt, LIFETIME, True, clients.dumped(lease))
    for passed, confirms in ((LIFETIME // 2 - 1, False), (LIFETIME // 2, True)):
        last = lease._replace(cltt=lease.cltt + passed)
        found = clients.confirming(LeaseEvent(kind, last._replace(hostname=""), "", None), record)
        assert (found is not None) is confirms
        assert found is None or found.cltt == last.cltt
    assert clients.confirming(LeaseEvent(kind, last._replace(address="10.0.0.8"), "", None), record) is None


@pytest.mark.parametrize("reason", ["unconfirmed_for", "address_taken", "low_water", "retire_after"])
def test_the_counters_of_forgotten_clients_begin_at_0(tmp_path: Path, reason: str) -> None:
    metrics.ENDED.clear()
    FileWorld(tmp_path).kill()
    labels = {"subscription": "all", "reason": reason}
    assert metrics.REGISTRY.get_sample_value("kea_lease_monitor_forgotten_total", labels) == 0


def test_a_confirmation_that_cannot_be_written_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = FileWorld(tmp_path)
    world.lease(7, mac(7))
    world.run(LIFETIME / 2)
    world.lease(7, mac(7))
    with monkeypatch.context() as patched:
        patched.setattr(DiscoverySink, "confirm", fail)
        world.now += 10
        world.pipeline.pump()
        assert world.pipeline.health.retry
    world.now += 60
    world.pipeline.pump()
    world.run()
    assert world.confirmed(7)
    world.kill()


def test_a_machine_that_gives_its_lease_back_at_once_and_returns_has_its_address(world: World) -> None:
    world.lease(7, mac(7))
    world.run()
    world.end(7, mac(7))
    world.run(6 * DAY)
    assert world.reserved() == ["10.0.0.7"], "for a week it finds its address"
    world.lease(7, mac(7))
    world.run(2 * DAY)
    assert world.reserved() == ["10.0.0.7"], "the deadline of the first lease does not count any more"
    world.end(7, mac(7))
    world.run()
    world.run(30 * DAY)
    assert world.reserved() == ["10.0.0.7"], "it was acknowledged again, so it is confirmed"


def test_one_address_has_one_unconfirmed_entry(world: World) -> None:
    """A client without a hardware address takes a new client identifier each time, and releases at once."""
    for number in range(1, 30):
        world.lease(9, "", f"01:02:{number:02x}")
        world.end(9, "", f"01:02:{number:02x}") if number % 3 else None
        if number % 4 == 0:
            world.run()
    world.run()
    assert len(world.inventory()) == 1
    assert world.told.forgotten
    assert {reason for _client, reason in world.told.forgotten} == {"address_taken"}


def test_the_next_client_of_an_address_gets_the_reservation(world: World) -> None:
    world.lease(9, mac(1))
    world.run()
    world.end(9, mac(1))
    world.run()
    world.lease(9, mac(2))
    world.run()
    assert world.inventory() == ["02-00-00-00-00-02.yml"]
    assert (world.reserved(), world.told.forgotten) == (["10.0.0.9"], [(mac(1), "address_taken")])
    assert world.store.dead_letters() == []


def test_what_an_earlier_release_made_stays(world: World) -> None:
    world.lease(7, mac(7))
    world.run()
    world.kill()
    entry = world.path / "discovery" / "02-00-00-00-00-07.yml"
    # No release before 1.2.0 wrote the comment with the leases, either.
    former = [line for line in entry.read_text().splitlines(True) if "made" not in line and "# kea-lease" not in line]
    entry.write_text("".join(former))
    for path in (world.path / "reservations").glob("subnet-*") if isinstance(world, FileWorld) else ():
        path.write_text(path.read_text().replace(f', "made": {NOW}', ""))
    (world.path / "state.sqlite").unlink()
    world.start()
    world.run()
    world.end(7, mac(7))
    world.run()
    world.run(365 * DAY)
    assert (world.reserved(), world.told.forgotten) == (["10.0.0.7"], [])


def told_address(world: World, number: int) -> str:
    """Return the address that a client's inventory file tells; empty if there is no file."""
    path = world.path / "discovery" / f"{mac(number).replace(':', '-')}.yml"
    text = path.read_text() if path.exists() else ""
    return next((line.split('"')[1] for line in text.splitlines() if "ansible_host" in line), "")


@pytest.mark.parametrize("killed", [False, True])
def test_the_system_gets_what_the_firmware_had_when_the_lease_of_the_firmware_ends(world: World, killed: bool) -> None:
    """PXE got the first lease; the renewals of the second one do not let the monitor forget it, nor does a restart."""
    world.lease(7, mac(7), "01:01")
    world.run()
    world.lease(8, mac(7), "01:02")
    world.run(LIFETIME / 3)
    assert world.reserved() == ["10.0.0.7"]
    if killed:
        world.kill()
        world.start()
        world.run()
    world.lease(8, mac(7), "01:02")
    world.run()
    world.end(7, mac(7), "01:01")
    world.run()
    assert (world.reserved(), told_address(world, 7)) == (["10.0.0.8"], "10.0.0.8")
    assert world.told.forgotten == []


@pytest.mark.slow
def test_a_client_that_lives_at_another_address_is_not_forgotten(tmp_path: Path) -> None:
    """Kea stopped to reclaim leases, so the end of the first one was never told, and the second one was confirmed."""
    world = FileWorld(tmp_path, Ending(unconfirmed_for=3 * LIFETIME))
    world.lease(7, mac(7), "01:01")
    world.run()
    world.lease(8, mac(7), "01:02")
    for _time in range(12):
        world.run(LIFETIME / 2)
        world.lease(8, mac(7), "01:02")
        world.run()
    assert (len(world.reserved()), len(world.inventory()), world.told.forgotten) == (1, 1, [])
    world.kill()


@pytest.mark.slow
def test_the_end_of_a_second_lease_retires_nothing_of_the_first(world: World) -> None:
    world.ending = world.ending._replace(retire_after=LIFETIME)
    world.kill()
    world.start()
    world.lease(7, mac(7), "01:01")
    world.run(LIFETIME / 2)
    world.lease(7, mac(7), "01:01")
    world.lease(8, mac(7), "01:02")
    world.run()
    world.end(8, mac(7), "01:02")
    world.run()
    assert world.store.reserved() == {}, "nothing is reserved at the second address"
    for _time in range(4):
        world.run(LIFETIME / 4)
        world.lease(7, mac(7), "01:01")
        world.run()
    assert (world.reserved(), told_address(world, 7)) == (["10.0.0.7"], "10.0.0.7")
    world.end(7, mac(7), "01:01")
    world.run()
    assert world.store.reserved() == {(4, 1): 1}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before the end", "after the end", "when it is due"])
def test_a_monitor_that_is_killed_forgets_no_deadline(world: World, moment: str) -> None:
    world.lease(7, mac(7))
    world.run()
    if moment == "before the end":
        world.kill()
        world.start()
    world.end(7, mac(7))
    world.run()
    if moment == "after the end":
        world.kill()
        world.start()
    if moment == "when it is due":
        world.run(7 * DAY - 400)
        problem, world.told.deliver = world.told.deliver, fail  # type: ignore[method-assign,assignment]
        world.now += 400
        for _pump in range(20):
            world.now += 10
            world.pipeline.pump()
        assert world.reserved() == [], "the first sinks have acted, the last one fails"
        world.kill()
        world.told.deliver = problem  # type: ignore[method-assign]
        world.start()
    world.run(LIFETIME)
    world.run(7 * DAY)
    assert (world.reserved(), world.inventory()) == ([], [])
    assert world.told.forgotten == [(mac(7), "unconfirmed_for")]


def fail(events: Sequence[LeaseEvent]) -> Delivery:
    raise TemporaryError("not now")


def test_a_lost_state_store_makes_no_living_client_confirmed(world: World) -> None:
    world.lease(7, mac(7))
    world.run()
    world.kill()
    (world.path / "state.sqlite").unlink()
    world.start()
    world.run()
    world.end(7, mac(7))
    world.run()
    world.run(8 * DAY)
    assert world.reserved() == []


def test_a_reservation_that_a_person_edited_stays(tmp_path: Path) -> None:
    world = FileWorld(tmp_path)
    world.lease(7, mac(7))
    world.run()
    path = tmp_path / "reservations" / "subnet-1.json"
    path.write_text(path.read_text().replace('"ip-address": "10.0.0.7", "user', '"ip-address": "10.0.0.8", "user'))
    world.end(7, mac(7))
    world.run()
    world.run(8 * DAY)
    assert world.reserved() == ["10.0.0.8"]
    assert [each.reason for each in world.store.dead_letters()] == ["edited_by_hand"]
    world.kill()


@pytest.mark.parametrize("kind", ["declined", "silent", "taken"])
def test_a_lease_that_ends_without_a_word_about_its_client_ends_all_the_same(tmp_path: Path, kind: str) -> None:
    world = FileWorld(tmp_path)
    world.lease(7, "", "01:02:03")
    world.run()
    if kind == "declined":
        with world.leases.open("a") as file:
            file.write(f"10.0.0.7,,,86400,{int(NOW + world.now) + 86400},1,0,0,,1,\n")
    if kind == "taken":
        world.lease(7, "", "01:02:04")
        world.run()
        assert world.inventory() == ["client-id-01-02-04.yml"]
    world.run(2 * LIFETIME)
    tell(world)
    world.run(8 * DAY)
    assert world.inventory() == []
    world.kill()


@pytest.mark.parametrize("kind", ["removed", "no longer written"])
def test_a_lease_file_without_news_ends_no_lease(tmp_path: Path, kind: str) -> None:
    """Kea keeps its leases elsewhere by now, or is not running."""
    world = FileWorld(tmp_path, Ending(unconfirmed_for=DAY))
    world.lease(7, mac(7))
    world.run()
    if kind == "removed":
        world.leases.unlink()
    world.run(2 * DAY)
    world.run(2 * DAY)
    assert world.reserved() == ["10.0.0.7"]
    if kind != "removed":
        tell(world)
        world.run(2 * DAY)
        assert world.reserved() == []
    world.kill()


def test_nothing_is_removed_while_the_lease_file_is_missing(tmp_path: Path) -> None:
    world = FileWorld(tmp_path)
    world.lease(7, mac(7))
    world.run()
    world.end(7, mac(7))
    world.run()
    world.leases.unlink()
    world.run(8 * DAY)
    assert world.reserved() == ["10.0.0.7"], "it may live where this monitor does not read"
    world.kill()


def tell(world: World) -> None:
    """Have Kea write about another client, and the monitor read that."""
    world.heard[99] = world.now
    world.end(99, mac(99))
    world.run()


def test_confirmed_clients_are_retired_only_if_the_site_wants_that(world: World) -> None:
    world.ending = world.ending._replace(retire_after=30 * DAY)
    world.kill()
    world.start()
    for number in (7, 8):
        world.lease(number, mac(number))
    world.run(LIFETIME / 2)
    for number in (7, 8):
        world.lease(number, mac(number))
    world.run()
    world.end(7, mac(7))
    world.run()
    world.run(29 * DAY)
    assert world.reserved() == ["10.0.0.7", "10.0.0.8"]
    world.run(2 * DAY)
    assert (world.reserved(), world.told.forgotten) == (["10.0.0.8"], [(mac(7), "retire_after")])
    assert world.inventory() == ["02-00-00-00-00-08.yml"], "no end of its lease was told"


class ExecWorld(FileWorld):
    """A subscription whose only sink is a command."""

    kinds: frozenset[EventKind] = frozenset()

    def start(self) -> None:
        self.store = state_in(self.path)
        subscription = Subscription("all", Match(kinds=self.kinds), True, "same", "", self.ending)
        self.pipeline = Pipeline(subscription, self.source(), [self.told], self.store, self.clock())

    def confirm(self, number: int) -> None:
        """Have a client renew its lease after half its lifetime, and lose it then."""
        self.lease(number, mac(number))
        self.run(LIFETIME / 2)
        self.lease(number, mac(number))
        self.run()
        self.end(number, mac(number))
        self.run()


def test_a_command_alone_is_told_who_is_retired_and_who_never_renewed(tmp_path: Path) -> None:
    world = ExecWorld(tmp_path, Ending(retire_after=30 * DAY))
    world.run()
    world.lease(66, mac(66))
    world.run()
    world.end(66, mac(66))
    world.confirm(7)
    world.kill()
    world.start()
    world.run(6 * DAY)
    assert world.told.forgotten == []
    world.run(2 * DAY)
    assert world.told.forgotten == [(mac(66), "unconfirmed_for")]
    world.run(20 * DAY)
    assert world.told.forgotten[1:] == []
    world.run(3 * DAY)
    assert world.told.forgotten[1:] == [(mac(7), "retire_after")]
    world.kill()


def test_a_command_alone_is_told_of_no_machine_that_returns_or_was_there_before(tmp_path: Path) -> None:
    world = ExecWorld(tmp_path)
    world.lease(8, mac(8))
    world.run()
    world.end(8, mac(8))
    world.confirm(7)
    world.lease(7, mac(7))
    world.run()
    world.end(7, mac(7))
    world.run(99 * DAY)
    assert world.told.forgotten == []
    assert {record.client for record in world.store.ended_clients("all")} == {f"4/1/{mac(7)}/0", f"4/1/{mac(8)}/0"}
    world.kill()


class PolledExecWorld(PollingWorld):
    """The same with leases in PostgreSQL that are polled."""

    kinds = ExecWorld.kinds
    start = ExecWorld.start


def test_a_command_alone_is_told_of_no_client_that_polling_only_seems_to_meet(
    tmp_path: Path, kea: Any, link: Any
) -> None:
    """A monitor that polls begins without knowing any lease, so that a renewal looks like a new client."""
    world = PolledExecWorld(tmp_path, kea, link)
    world.lease(7, mac(7))
    world.run(LIFETIME / 2)
    world.kill()
    world.start()
    world.lease(7, mac(7))
    world.run()
    world.end(7, mac(7))
    world.run(99 * DAY)
    assert world.told.forgotten == []
    world.lease(8, mac(8))
    world.run()
    world.end(8, mac(8))
    world.run(120)
    world.run(8 * DAY)
    assert world.told.forgotten == [(mac(8), "unconfirmed_for")]
    world.kill()


def test_a_command_alone_is_told_whose_address_another_client_got(tmp_path: Path) -> None:
    world = ExecWorld(tmp_path)
    world.run()
    for number in (1, 2):
        world.lease(9, mac(number))
        world.run(2 * LIFETIME)
    assert world.told.forgotten == [(mac(1), "address_taken")]
    world.kill()


def test_a_command_that_names_other_kinds_is_told_of_no_ending(tmp_path: Path) -> None:
    class Named(ExecWorld):
        kinds = frozenset({EventKind.ASSIGNED})

    world = Named(tmp_path)
    world.run()
    world.lease(66, mac(66))
    world.confirm(7)
    world.run(99 * DAY)
    assert world.told.forgotten == []
    assert world.store.ended_clients("all") == []
    world.kill()


def test_a_flood_that_releases_at_once_fills_no_pool(tmp_path: Path) -> None:
    """Each address is free by Kea's count, and reserved for a client that never comes back."""
    world = FileWorld(tmp_path)
    world.pool(20, 0)
    for number in range(1, 19):
        world.lease(number, mac(number))
        world.end(number, mac(number))
    world.run()
    world.pool(20, 0)
    world.run(10)
    world.run(10)
    assert world.reserved() == []
    value = metrics.REGISTRY.get_sample_value
    labels = {"family": "4", "subnet": "1"}
    world.pool(20, 5)
    world.run(10)
    found = {
        state: value("kea_lease_monitor_subnet_addresses", {**labels, "state": state})
        for state in ("total", "leased", "reserved", "free")
    }
    assert found == {"total": 20, "leased": 5, "reserved": 0, "free": 15}
    assert value("kea_lease_monitor_pool_addresses", {**labels, "pool": "0", "state": "free"}) == 15
    world.kill()


def test_metrics_tell_the_state_of_a_pair_while_it_is_known(tmp_path: Path) -> None:
    world = FileWorld(tmp_path)
    value = metrics.REGISTRY.get_sample_value

    def seen(state: str) -> list[float | None]:
        labels = {"family": "4", "role": "standby", "state": state}
        names = ("kea_lease_monitor_pair_in_touch", "kea_lease_monitor_pair_unacked_clients")
        return [value("kea_lease_monitor_pair_state", labels), *(value(name, {"family": "4"}) for name in names)]

    world.pool(20, 0, Status("hot-standby", "standby", "hot-standby", [], "hot-standby", True, 0))
    world.run()
    assert seen("hot-standby") == [1, 1, 0]
    world.pool(20, 0, Status("hot-standby", "standby", "partner-down", ["one"], "unavailable", False, 3))
    world.run(10)
    assert seen("partner-down") == [1, 0, 3]
    assert seen("hot-standby")[0] is None
    world.run(DAY)
    assert seen("partner-down") == [None, None, None]
    world.kill()


def test_a_metric_tells_whether_kea_listens_while_it_is_known(tmp_path: Path) -> None:
    """B16."""
    world = FileWorld(tmp_path)

    def listening() -> float | None:
        return metrics.REGISTRY.get_sample_value("kea_lease_monitor_listening", {"family": "4"})

    for told, expected in ((True, 1), (False, 0), (None, None), (False, 0)):
        world.pool(20, 0, listening=told)
        world.run(10)
        assert listening() == expected
    world.run(DAY)
    assert listening() is None
    world.kill()


def test_after_a_shortage_the_week_counts_again(tmp_path: Path) -> None:
    world = FileWorld(tmp_path)
    world.lease(1, mac(1))
    world.run()
    world.pool(10, 9)
    world.run()
    assert world.store.shortages("all").keys() == {(4, 1)}
    world.kill()
    world.start()
    world.run()
    assert world.store.shortages("all").keys() == {(4, 1)}, "a restart forgets no shortage"
    world.run(LIFETIME + 60)
    world.pool(10, 9)
    world.hear()
    world.run()
    for _time in range(2):
        world.run(LIFETIME)
        world.pool(10, 1)
        world.run()
    assert world.store.shortages("all") == {}
    world.lease(3, mac(3))
    world.run()
    world.end(3, mac(3))
    world.run()
    world.run(DAY)
    assert world.reserved() == ["10.0.0.3"]
    world.kill()


def test_many_short_subnets_are_read_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kea_lease_monitor.endings.endings._AT_ONCE", 5)
    world = FileWorld(tmp_path)
    asked: list[tuple[int, int]] = []
    """Subnet and limit of each read."""
    read = world.store.unconfirmed_of

    def noted(name: str, subnet: tuple[int, int], limit: int) -> Any:
        asked.append((subnet[1], limit))
        return read(name, subnet, limit)

    monkeypatch.setattr(world.store, "unconfirmed_of", noted)
    for number in range(1, 13):
        world.lease(number, mac(number))
    world.run()
    for number in range(1, 13):
        world.end(number, mac(number))
    monkeypatch.setattr(type(world.pipeline._endings._shortages), "current", {(4, 1): 1e12, (4, 2): 1e12})
    world.run()
    assert world.reserved() == []
    assert {(1, 5), (2, 3)} <= set(asked), "of the second subnet only what is left of the limit"
    world.kill()


@pytest.mark.slow
@pytest.mark.kea
def test_a_flood_of_leases_of_a_real_kea_is_gone_after_their_lifetime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kea counts its pool, and reclaims the leases; the clock is the real one."""
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    server = KeaServer(tmp_path)
    server.configure(
        {
            "interfaces-config": {"interfaces": []},
            "lease-database": {"type": "memfile", "name": str(tmp_path / "leases.csv"), "lfc-interval": 0},
            "hooks-libraries": [LEASE_COMMANDS],
            "expired-leases-processing": {"reclaim-timer-wait-time": 1},
            "subnet4": [{"id": 1, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.1-10.0.0.20"}]}],
        }
    )
    world = RealWorld(tmp_path)

    def grant(number: int, lifetime: int) -> None:
        lease = {"ip-address": f"10.0.0.{number}", "hw-address": mac(number), "subnet-id": 1, "valid-lft": lifetime}
        assert server.ask("lease4-add", **lease)["result"] == 0

    def acts(done: Callable[[], bool]) -> Callable[[], bool]:
        def act() -> bool:
            pools.write(world.figures, gathered(server), 10.0)
            world.pipeline.pump()
            assert not world.pipeline.health.error
            return done()

        return act

    with serving(server):
        grant(1, 3600)
        for number in range(2, 21):
            grant(number, 8)
        until(acts(lambda: len(world.reserved()) == len(world.inventory()) == 20), "all are reserved", 60)
        until(acts(lambda: bool(world.store.shortages("all"))), "the shortage is noticed", 60)
        until(acts(lambda: world.reserved() == ["10.0.0.1"]), lambda: str(world.reserved()), 120)
    assert world.inventory() == ["02-00-00-00-00-01.yml"]
    assert sorted(world.told.forgotten) == [(mac(number), "low_water") for number in range(2, 21)]
    world.kill()
