# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of one reservation in a file costs the same beside any number of others (field case C7).

A client that changes its name at each renewal must neither have a file written again nor Kea reloaded.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _kea import durable, host_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import host_file, host_index
from kea_lease_monitor.kea.applier import hosts, report
from kea_lease_monitor.kea.host_file import HostFile
from kea_lease_monitor.kea.host_index import HostIndex
from kea_lease_monitor.lease import EventKind, LeaseEvent
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from support import host_commands
from support.host_lists import Hosts, counting

from runtime.builders import event, lease
from runtime.test_by_command import NOW, World, world

__all__ = ["world"]

SMALL = 512
"""Bytes by which two costs may differ: numbers have more digits."""


def other(number: int) -> str:
    """Return a managed reservation of another client."""
    address = f"10.0.{1 + (number >> 8)}.{number & 255}"
    mark = {"ip-address": address, "made": 1, "name": "other"}
    return json.dumps(
        {
            "hw-address": f"04:00:00:00:{number >> 8:02x}:{number & 255:02x}",
            "ip-address": address,
            "user-context": {"kea-lease-monitor": mark},
        }
    )


class Cost(NamedTuple):
    """What a change costs."""

    read: int
    written: int
    """Bytes, by the kernel's count."""
    parsed: int
    """Characters of reservation files."""


@pytest.fixture(autouse=True)
def _large_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_commands, "_PAGE", 5000)


@pytest.fixture
def cost_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], Cost]:
    parsed: list[int] = []
    real = host_maps._split

    def split(text: str, line: int = 1) -> host_maps.HostMaps:
        parsed.append(len(text))
        return real(text, line)

    monkeypatch.setattr(host_maps, "_split", split)

    def counts() -> list[int]:
        lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        return [int(lines["rchar"]), int(lines["wchar"])]

    def cost(act: Callable[[], Any]) -> Cost:
        parsed.clear()
        before = counts()
        act()
        return Cost(*(now - then for now, then in zip(counts(), before)), sum(parsed))

    return cost


def beside(world: World, count: int) -> ReservationFileSink:
    """Have so many other reservations in force, and that of one client. Return the monitor's sink."""
    config = world.host.path / "kea.conf"
    config.write_text(config.read_text().replace("10.0.0.0/24", "10.0.0.0/8"))
    os.utime(config, (NOW - 7200, NOW - 7200))
    world.kea._network = world.kea._network.supernet(new_prefix=8)
    text = ",\n".join(map(other, range(count))) + "\n"
    for directory in (world.host.applied, world.host.written):
        (directory / "subnet-1.json").write_text(text)
    world.kea.restart()
    world.kea.reloaded -= 3600
    sink = world.host.sink()
    sink.deliver([event(1)])
    world.program.run()
    assert len(world.kea.hosts) == count + 2
    return sink


def approve(world: World, *events: LeaseEvent) -> None:
    """Approve what no lease confirms."""
    hosts = [{"hw-address": one.lease.hwaddr, "ip-address": one.lease.address} for one in events]
    world.host.approve(",\n".join(map(json.dumps, hosts)))


def deliver(world: World, sink: ReservationFileSink, *events: LeaseEvent) -> Delivery:
    """Deliver events whose leases Kea has had."""
    approve(world, *events)
    return sink.deliver(events)


def renamed(number: int = 1, name: str = "renamed") -> LeaseEvent:
    return event(number, kind=EventKind.CHANGED, hostname=name)


@pytest.mark.parametrize("by_command", [True, False])
def test_a_changed_name_costs_the_same_beside_100_and_10000_others_c7(
    world: World, cost_of: Callable[[Callable[[], Any]], Cost], by_command: bool, tmp_path: Path
) -> None:
    costs = []
    for count in (100, 10_000):
        world.kea.has_hook = by_command
        sink = beside(world, count)
        path = world.host.written / "subnet-1.json"
        inode, applied = path.stat().st_ino, (world.host.applied / "subnet-1.json").stat().st_ino
        world.program.report_interval = 0.0
        sink.deliver([renamed(name="first")])
        world.run()
        world.kea.sent.clear()
        monitor = cost_of(partial(sink.deliver, [renamed()]))
        applier = cost_of(world.program.run)
        assert world.kea.sent == (["status-get"] if by_command else [])
        assert path.stat().st_ino == inode, "the file was not written again"
        assert (world.host.applied / "subnet-1.json").stat().st_ino == applied, "nor what Kea includes"
        assert world.status() == (count + 1, count + 1, 0)
        assert report.waiting_since(world.host.places, report.read(world.host.places.report)) is None
        costs.append((monitor, applier))
        world.program = world.started()
    for few, many in zip(*costs):
        assert all(abs(one - another) < SMALL for one, another in zip(few, many)), costs
    assert costs[1][0].written < 4096
    assert costs[1][1].parsed < 1024


@pytest.mark.parametrize("by_command", [True, False])
def test_a_start_after_a_change_of_name_sends_kea_nothing_c7(world: World, by_command: bool) -> None:
    world.kea.has_hook = by_command
    sink = beside(world, 10)
    sink.deliver([renamed()])
    world.program = world.started()
    world.run()
    assert "config-reload" not in world.kea.sent
    assert {command for command, _held in world.kea.log} <= {"reservation-get-page"}
    assert world.status() == (11, 11, 0)


@pytest.mark.parametrize("by_command", [True, False])
def test_another_address_and_the_end_of_a_client_are_in_force_c7(world: World, by_command: bool) -> None:
    world.kea.has_hook = by_command
    sink = beside(world, 10)
    assert deliver(world, sink, event(7, client=1, kind=EventKind.CHANGED)).updated == 1
    world.program.min_interval = 0
    world.run()
    assert world.kea.hosts["02:00:00:00:00:01"]["ip-address"] == "10.0.0.7"
    assert world.kea.sent.count("config-reload") == (not by_command)
    assert sink.deliver([event(7, client=1, kind=EventKind.FORGOTTEN)]).removed == 1
    assert deliver(world, sink, event(8, client=1)).created == 1
    assert deliver(world, sink, event(9, client=2)).created == 1
    assert sink.deliver([event(9, client=2, kind=EventKind.FORGOTTEN)]).removed == 1
    world.run()
    assert world.kea.hosts["02:00:00:00:00:01"]["ip-address"] == "10.0.0.8"
    assert "02:00:00:00:00:02" not in world.kea.hosts
    assert world.status() == (11, 11, 0)
    assert world.in_files().count("10.0.0.8") == 1


def test_what_kea_takes_by_command_needs_no_test_of_all_c7(world: World) -> None:
    sink = beside(world, 10)
    for number in (2, 3):
        sink.deliver([event(number)])
    deliver(world, sink, event(5, client=2, kind=EventKind.CHANGED))
    sink.deliver([event(3, kind=EventKind.FORGOTTEN)])
    assert world.run(), "otherwise all reservations are tested"
    assert world.kea.sent.count("reservation-add") == 1, "what came and went is not sent"
    deliver(world, sink, event(3), event(6, client=2, kind=EventKind.CHANGED))
    sink.deliver([event(1, kind=EventKind.FORGOTTEN)])
    assert world.run()
    assert world.kea.sent == ["reservation-add", "reservation-update", "reservation-del", "status-get"]


def test_a_change_makes_room_for_a_refused_one_c7(world: World) -> None:
    sink = beside(world, 3)
    world.append({"hw-address": "02:00:00:00:00:02", "ip-address": "10.0.0.1"})
    assert world.run()
    assert world.status() == (5, 4, 1)
    sink.deliver([event(1, kind=EventKind.FORGOTTEN)])
    assert world.run()
    assert world.kea.sent == ["reservation-del", "reservation-add", "status-get"]
    assert world.status() == (4, 4, 0)


def test_an_edit_before_the_end_is_found_where_kea_is_reloaded_c7(world: World) -> None:
    world.kea.has_hook = False
    sink = beside(world, 100)
    world.program.min_interval = 0
    path = world.host.written / "subnet-1.json"
    sink.deliver([renamed()])
    world.run()
    assert not world.program.is_reloaded()
    path.write_text(path.read_text().replace('"ip-address": "10.0.1.0"', '"ip-address": "10.0.9.9"', 1))
    sink.deliver([renamed(name="again")])
    world.run()
    assert world.kea.sent == [], "only the end of the file was read"
    assert world.program.is_reloaded(), "the service looks each 10 seconds"
    world.host.approve(other(0).replace("10.0.1.0", "10.0.9.9"))
    world.run()
    assert world.kea.hosts["04:00:00:00:00:00"]["ip-address"] == "10.0.9.9"


def test_where_changes_wait_for_a_play_a_name_waits_for_nothing_c7(world: World) -> None:
    world.kea.has_hook = False
    sink = beside(world, 10)
    config = world.host.path / "kea.conf"
    config.write_text(f"{config.read_text()}\n# edited\n")
    sink.deliver([event(2)])
    world.program.min_interval = 0
    world.program.run()
    held = report.read(world.host.places.report)
    assert held
    assert held.is_held
    sink.deliver([renamed()])
    world.run()
    assert world.kea.sent == []
    found = report.read(world.host.places.report)
    assert found
    assert (found.held(), found.waiting_since) == (held.held(), held.waiting_since)
    assert found.subnets[1].source == report.source(str(world.host.written / "subnet-1.json"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_appliers_that_are_killed_have_the_same_in_the_end_c7(world: World, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    sink = beside(world, 3)
    for _round in range(60):
        number, client = chance.randrange(1, 9), chance.randrange(1, 9)
        kind = chance.choice([EventKind.ASSIGNED, EventKind.CHANGED, EventKind.CHANGED, EventKind.FORGOTTEN])
        deliver(world, sink, event(number, client, kind, hostname=f"name-{chance.randrange(3)}"))
        if chance.random() < 0.1:
            sink._current(1).file.compact()
        if chance.random() < 0.3:
            left = chance.randrange(6)

            def kill(_command: str) -> None:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KilledError

            world.kea.before = kill
        try:
            world.run()
        except KilledError:
            world.program = world.started()
        world.kea.before = lambda _command: None
    world.run()
    wanted = {host["hw-address"]: host["ip-address"] for host in counting(world.host.written / "subnet-1.json")}
    assert {mac: host["ip-address"] for mac, host in world.kea.hosts.items() if not mac.startswith("02:ff")} == wanted
    assert sorted(world.in_files()) == sorted(wanted.values())


class KilledError(BaseException):
    """Stands for the end of the process: nothing is cleaned up."""


def files_of(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith(("subnet", ".subnet")))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files compacted early."""
    monkeypatch.setattr(host_file, "_FEW", 5)


@pytest.mark.usefixtures("few")
def test_a_file_is_compacted_once_most_of_it_does_not_count_c7(tmp_path: Path) -> None:
    path = tmp_path / "subnet-1.json"
    path.write_text("# rack 1\n" + ",\n".join(map(other, range(3))) + "\n# end\n")
    sink = ReservationFileSink(Options(str(tmp_path), str(tmp_path)))
    largest = 0
    for number in range(100):
        sink.deliver([renamed(name=f"name-{number}")])
        largest = max(largest, len(path.read_text().splitlines()))
    assert largest <= 3 + 1 + 2 + 5 + 1, "reservations, comments, and what does not count"
    found = host_maps.parse(path.read_text())
    assert [one.value["ip-address"] for one in found.maps] == ["10.0.1.0", "10.0.1.1", "10.0.1.2", "10.0.0.1"]
    assert (found.maps[0].comment, found.maps[3].comment, found.comment) == ("# rack 1", "# end", "")
    assert found.maps[3].value["user-context"]["kea-lease-monitor"]["name"] == "name-99"
    assert sink.deliver([event(kind=EventKind.FORGOTTEN)]).removed == 1
    for _round in range(20):
        sink.deliver([event(1, client=2)])
        sink.deliver([event(1, client=2, kind=EventKind.FORGOTTEN)])
    assert [host["hw-address"][:2] for host in counting(path)] == ["04", "04", "04"]
    assert len(path.read_text().splitlines()) <= 3 + 2 + 5 + 2


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("step", range(6))
@pytest.mark.parametrize("error", [KilledError, OSError])
def test_a_crash_at_any_step_of_a_compaction_loses_nothing_c7(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, error: type[BaseException]
) -> None:
    path = tmp_path / "subnet-1.json"
    path.write_text("# rack 1\n" + ",\n".join(map(other, range(3))) + "\n")
    options = Options(str(tmp_path), str(tmp_path))
    left = step

    def fails(*_arguments: object, **_more: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise error("no space")

    real = {name: getattr(host, name) for host, name in ((host_maps, "pieces"), (durable, "_write"))}

    def pieces(*arguments: Any) -> Iterator[str]:
        for piece in real["pieces"](*arguments):
            fails()
            yield piece

    def write(*arguments: Any) -> None:
        fails()
        real["_write"](*arguments)
        fails()

    sink = ReservationFileSink(options)
    sink.deliver([renamed(name="name")])
    told = ""
    with monkeypatch.context() as patch, suppress(KilledError, TemporaryError):
        patch.setattr(host_maps, "pieces", pieces)
        patch.setattr(durable, "_write", write)
        for number in range(10):
            told = f"name-{number}"
            sink.deliver([renamed(name=told)])
    assert told
    before = counting(path)
    assert before[3]["user-context"]["kea-lease-monitor"]["name"] == told, "what was appended is there"
    assert len(before) == 4
    if error is OSError:
        assert files_of(tmp_path) == ["subnet-1.json"], "a full disk does not stay full"
    assert list(report.written(str(tmp_path))) == [1]
    again = ReservationFileSink(options)
    assert again.deliver([renamed(name=told)]).unchanged == 1
    for number in range(20):
        again.deliver([renamed(name=f"later-{number}")])
    assert counting(path)[3]["user-context"]["kea-lease-monitor"]["name"] == "later-19"
    assert path.read_text().startswith("# rack 1\n")
    assert files_of(tmp_path) == ["subnet-1.json"]


def test_a_full_index_is_made_again_c7(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = ReservationFileSink(Options(str(tmp_path), str(tmp_path)))
    sink.deliver([event(1), event(2)])

    def full(*_arguments: object) -> None:
        sink._index.close()
        raise TemporaryError("the index of reservations fails: database or disk is full")

    monkeypatch.setattr(host_index.HostIndex, "take", full)
    with pytest.raises(TemporaryError, match="disk is full"):
        sink.deliver([renamed()])
    monkeypatch.undo()
    assert sink.deliver([renamed()]).unchanged == 1, "it was written before"
    delivery = sink.deliver([event(2), event(3)])
    assert (delivery.unchanged, delivery.created) == (1, 1)
    assert [host["ip-address"] for host in counting(tmp_path / "subnet-1.json")] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_an_edit_during_a_compaction_is_kept_c7(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = Hosts()
    hosts.reserve(lease(1))
    hosts.render()
    hosts.file.refresh()
    real = host_maps.pieces

    def edited(*arguments: Any) -> Iterator[str]:
        hosts.path.write_bytes(b"# mine\n")
        yield from real(*arguments)

    monkeypatch.setattr(host_maps, "pieces", edited)
    with pytest.raises(TemporaryError, match="changed by another program"):
        hosts.file.compact()
    assert files_of(hosts.path.parent) == ["subnet-1.json"]
    assert hosts.path.read_bytes() == b"# mine\n"


def test_another_program_s_file_is_not_compacted_away_c7() -> None:
    hosts = Hosts()
    hosts.reserve(lease(1))
    content = hosts.render()
    hosts.file.refresh()
    hosts.path.write_bytes(content + b",{}\n")
    with pytest.raises(TemporaryError, match="changed by another program"):
        hosts.file.compact()
    assert hosts.path.read_bytes().endswith(b",{}\n")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "rename", "forget", "write", "again", "compact", "comment"]),
        st.integers(1, 5),
        st.integers(1, 5),
    ),
    max_size=40,
)


@given(STEPS)
@settings(deadline=None)
def test_any_changes_leave_what_they_say_c7(steps: list[tuple[str, int, int]]) -> None:
    hosts = Hosts(b"# first\n" + other(1).encode() + b"\n")
    comments = ["# first"]
    wanted: dict[str, str] = {"04:00:00:00:00:01": "10.0.1.1"}
    for step, number, client in steps:
        if step in ("reserve", "rename"):
            found = lease(number, client, hostname=f"name-{client if step == 'rename' else number}")
            hosts.reserve(found)
        elif step == "forget":
            hosts.file.remove(lease(client).hwaddr)
        elif step == "compact":
            hosts.file.write()
            hosts.file.compact()
        else:
            content = hosts.render()
            if step == "comment":
                comments.append(f"// {len(comments)}")
                hosts.path.write_bytes(content + f"{comments[-1]}\n".encode())
            if step != "write":
                hosts = _read_again(hosts)
        present = {client: hosts.file.of(f"02:00:00:00:00:0{client}") for client in range(1, 6)}
        wanted = {
            "04:00:00:00:00:01": "10.0.1.1",
            **{host["hw-address"]: host["ip-address"] for host in present.values() if host},
        }
    content = hosts.render()
    whole = host_maps.parse(content.decode())
    assert {one.value["hw-address"]: one.value["ip-address"] for one in whole.maps} == wanted
    assert len(wanted) == len(whole.maps) == len(set(wanted.values()))
    assert list(hosts.file.every()) == [one.value for one in whole.maps]
    read = hosts_of_applier(content)
    assert read == wanted
    text = "\n".join([*(one.comment for one in whole.maps), whole.comment])
    assert [line for line in text.splitlines() if line] == comments
    hosts.file.compact()
    compacted = hosts.path.read_bytes()
    assert b"/*" not in compacted
    assert [one.text for one in host_maps.parse(compacted.decode()).maps] == [one.text for one in whole.maps]


def _read_again(hosts: Hosts) -> Hosts:
    return Hosts(hosts.path.read_bytes())


def hosts_of_applier(content: bytes) -> dict[str, str]:
    return {host.value()["hw-address"]: host.address for host in hosts.read(1, content, {}).hosts}


def test_a_million_changes_of_one_client_would_take_no_memory_c7(tmp_path: Path) -> None:
    index = HostIndex()
    file = HostFile(str(tmp_path / "subnet-1.json"), "hw-address", index)
    for number in range(3000):
        file.refresh()
        file.put("02:00:00:00:00:01", {"hw-address": "02:00:00:00:00:01", "hostname": f"{number}"})
        file.write()
    assert len((tmp_path / "subnet-1.json").read_bytes()) < 2 * 1000 * 100
    rows = [len(index._tables.rows(f"SELECT 1 FROM {table}")) for table in ("client", "superseded")]
    assert rows[0] == 1
    assert rows[1] <= 1001
