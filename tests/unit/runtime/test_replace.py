# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``replace``, ``export`` and ``import``: a new board, and new hardware for the server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from kea_lease_monitor.batch import Reason
from kea_lease_monitor.commands import cli
from kea_lease_monitor.kea import transfer
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from support.host_lists import counting
from support.monitor import Daemon, document
from support.wait import until

from runtime.builders import HEADER, event, row
from runtime.test_forget import FIRST, SECOND, documents, world
from runtime.world import Kea

__all__ = ["world"]

NEW = "02:00:00:00:00:99"


def placed(number: int, hwaddr: str = NEW, hostname: str = "bmc-1") -> Any:
    return event(number, kind=EventKind.REPLACED, hwaddr=hwaddr, hostname=hostname)


class FileWorld:
    """The file sink."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "subnet-1.json"
        self.sink = ReservationFileSink(Options(str(tmp_path)))

    def reserved(self) -> dict[str, Any]:
        hosts = counting(self.path)
        return {one["hw-address"]: (one["ip-address"], one.get("hostname"), "user-context" in one) for one in hosts}


class DatabaseWorld:
    """The database sink, with the rights that the monitor has."""

    def __init__(self, kea: Kea, link: Any) -> None:
        self.kea = kea
        self.sink = ReservationSink(link())

    def reserved(self) -> dict[str, Any]:
        rows = self.kea.rows(
            "SELECT encode(dhcp_identifier, 'hex'), host('0.0.0.0'::inet + ipv4_address), hostname, user_context"
            " FROM hosts"
        )
        return {bytes.fromhex(one[0]).hex(":"): (one[1], one[2], bool(one[3])) for one in rows}


@pytest.fixture(params=["file", "database"])
def reservations(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "file":
        return FileWorld(tmp_path)
    return DatabaseWorld(request.getfixturevalue("kea"), request.getfixturevalue("link"))


def test_a_new_board_has_the_address_and_the_name_whatever_it_leases_later(reservations: Any) -> None:
    sink = reservations.sink
    sink.deliver([event(1, hostname="bmc-1"), event(50, hwaddr=NEW)])
    assert sink.deliver([event(1, kind=EventKind.FORGOTTEN)]).removed == 1
    assert sink.deliver([placed(1)]).updated == 1
    assert reservations.reserved() == {NEW: ("10.0.0.1", "bmc-1", False)}
    assert sink.deliver([placed(1)]).unchanged == 1, "the request may come twice"
    # A reading of all leases meets the lease that the new board had before.
    (rejection,) = sink.deliver([event(50, hwaddr=NEW)]).rejected
    assert rejection.reason is Reason.EDITED
    assert sink.deliver([event(1, hwaddr=NEW, hostname="own")]).unchanged == 1
    assert reservations.reserved() == {NEW: ("10.0.0.1", "bmc-1", False)}


def test_a_board_that_was_never_seen(reservations: Any) -> None:
    reservations.sink.deliver([event(1)])
    reservations.sink.deliver([event(1, kind=EventKind.FORGOTTEN)])
    assert reservations.sink.deliver([placed(1, hostname="")]).created == 1
    assert reservations.reserved() == {NEW: ("10.0.0.1", None, False)}


def test_what_cannot_be_replaced_becomes_a_dead_letter(reservations: Any) -> None:
    sink = reservations.sink
    sink.deliver([event(1), event(2)])
    (rejection,) = sink.deliver([placed(1)]).rejected
    assert rejection.reason is Reason.ADDRESS_TAKEN
    sink.deliver([event(1, kind=EventKind.FORGOTTEN), event(2, kind=EventKind.FORGOTTEN)])
    sink.deliver([placed(1)])
    (rejection,) = sink.deliver([placed(2)]).rejected
    assert rejection.reason is Reason.EDITED


def test_a_request_keeps_its_kind() -> None:
    for kind in (EventKind.FORGOTTEN, EventKind.REPLACED):
        found = Replay.parse(Replay(events=(event(1, kind=kind),), forgets=True).argument())
        assert [one.kind for one in found.events] == [kind]
        assert found.forgets


@pytest.mark.slow  # it starts programs, for seconds
def test_the_command_gives_a_new_board_the_address_and_the_name(world: Any, tmp_path: Path) -> None:
    daemon, reserved, _end = world
    answer = daemon.ask("replace", FIRST, NEW, "--dry-run")
    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, "nothing was requested"), answer.stderr
    assert f"10.0.0.1 subnet=1 name=bmc-1 goes from {FIRST} to {NEW}" in answer.stdout
    assert f"10.0.0.1 is leased by {FIRST} still: Kea gives it to the new board after 20" in answer.stdout
    assert (tmp_path / "discovery" / "02-00-00-00-00-01.yml").exists()
    assert daemon.ask("replace", "bmc-1", NEW.replace(":", "-")).returncode == 0
    until(lambda: not (tmp_path / "discovery" / "02-00-00-00-00-01.yml").exists(), daemon.log, 60)
    until(lambda: any(each["kind"] == "replaced" for one in documents(tmp_path) for each in one["events"]), "told", 60)
    until(lambda: sorted(reserved()) == ["10.0.0.1", "10.0.0.2"], daemon.log, 60)
    answer = daemon.ask("replace", "02:00:00:00:00:77", NEW)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "nothing is kept for 02:00:00:00:00:77" in answer.stderr
    assert daemon.ask("replace", SECOND, "zz").returncode == 2
    assert daemon.ask("replace", SECOND, SECOND).returncode == 2
    assert "Traceback" not in daemon.log()


DOCUMENT = {
    "version": 1,
    "reservations": {
        "1": [
            {"hw-address": FIRST, "ip-address": "10.0.0.1", "boot-file-name": "x"},
            {"hw-address": SECOND, "ip-address": "10.0.0.2"},
        ],
        "7": [{"client-id": "01:02", "hostname": "seven"}],
    },
}


def test_what_was_exported_can_be_imported_into_an_empty_directory(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    sink = ReservationFileSink(Options(str(old)))
    sink.deliver([event(1, hostname="bmc-1"), event(2), event(3, subnet_id=7)])
    text = transfer.export(str(old))
    found = transfer.plan(str(new), transfer.load(text))
    assert (found.added, found.unchanged, found.conflicts) == (3, 0, [])
    transfer.write(str(new), found.contents)
    assert (new / ".apply-requested").exists()
    assert transfer.export(str(new)) == text
    assert transfer.plan(str(new), transfer.load(text))[:4] == ({}, 0, 3, [])


def test_an_import_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "subnet-1.json"
    path.write_text('# mine\n{"hw-address": "2:0:0:0:0:2", "ip-address": "10.0.0.9"}\n')
    found = transfer.plan(str(tmp_path), transfer.load(json.dumps(DOCUMENT)))
    assert (found.added, found.unchanged) == (2, 0)
    assert found.conflicts == [f"subnet 1: {SECOND} 10.0.0.2 meets 2:0:0:0:0:2 10.0.0.9"]
    transfer.write(str(tmp_path), found.contents)
    assert path.read_text().startswith('# mine\n{"hw-address": "2:0:0:0:0:2", "ip-address": "10.0.0.9"},\n')
    assert transfer.plan(str(tmp_path), transfer.load(json.dumps(DOCUMENT))).added == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON", "this is no document"),
        ("[]", "this is no document"),
        ('{"version": 2, "reservations": {}}', "version 2 is not known"),
        ('{"version": 1, "reservations": {"1": [{}]}}', "reservation 0 of subnet 1: one of hw-address"),
        ('{"version": 1, "reservations": {"1": [{"duid": "zz"}]}}', "reservation 0 of subnet 1: 'zz' is no identifier"),
        ('{"version": 1, "reservations": {"1": ["x"]}}', "reservation 0 of subnet 1"),
    ],
)
def test_a_bad_document_is_refused(text: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        transfer.load(text)


@pytest.mark.slow  # it starts programs, for seconds
def test_the_commands_export_and_import(tmp_path: Path) -> None:
    leases, directory = tmp_path / "kea-leases4.csv", tmp_path / "reservations"
    directory.mkdir()
    leases.write_text(HEADER + row(1, cltt=int(time.time()), hostname="bmc-1"))
    sinks = [{"type": "reservation_file", "directory": str(directory)}]
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "memfile", "path": str(leases)}, sinks))
    try:
        until((directory / "subnet-1.json").exists, daemon.log, 60)
        backup = tmp_path / "backup.json"
        backup.write_text(daemon.ask("export").stdout)
        assert "10.0.0.1" in backup.read_text()
        answer = daemon.ask("import", str(backup))
        assert (answer.returncode, "stop it first" in answer.stderr) == (1, True), answer.stderr
        assert daemon.ask("import", str(backup), "--dry-run").stdout == "0 would be added, 1 there, 0 left out\n"
        daemon.stop()
        (directory / "subnet-1.json").unlink()
        assert daemon.ask("import", str(backup)).stdout == "1 added, 0 there, 0 left out\n"
        assert json.loads(daemon.ask("export").stdout) == json.loads(backup.read_text())
        assert daemon.ask("import", str(tmp_path / "none")).returncode == 2
    finally:
        daemon.kill()


def test_each_family_is_exported_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where both have reservations in files."""
    clients = {4: {"hw-address": "02:00:00:00:00:01"}, 6: {"duid": "00:03:00:01:02:00:00:00:00:01"}}
    subscriptions = []
    for family, client in clients.items():
        written = tmp_path / f"written{family}"
        written.mkdir()
        (written / "subnet-1.json").write_text(json.dumps(client) + "\n")
        sink = {"type": "reservation_file", "directory": str(written), "report": str(tmp_path)}
        subscriptions.append({"name": f"v{family}", "match": {"families": [family]}, "sinks": [sink]})
    config = tmp_path / "config.yml"
    source = {"type": "memfile", "path": str(tmp_path / "leases.csv"), "path6": str(tmp_path / "leases6.csv")}
    state = {"path": str(tmp_path / "state.sqlite")}
    config.write_text(json.dumps({"source": source, "state": state, "subscriptions": subscriptions}))
    assert cli.main(["export", "--config", str(config)]) == 2
    assert "name one by --family 4 or --family 6" in capsys.readouterr().err
    for family, client in clients.items():
        assert cli.main(["export", "--config", str(config), "--family", str(family)]) == 0
        assert json.loads(capsys.readouterr().out)["reservations"] == {"1": [client]}
