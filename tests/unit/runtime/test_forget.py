# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``forget``: what was made for a client goes, while a monitor runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from support.host_lists import counting
from support.monitor import Daemon, document
from support.wait import until

from runtime.builders import HEADER, row
from runtime.world import Kea

FIRST, SECOND = "02:00:00:00:00:01", "02:00:00:00:00:02"

pytestmark = pytest.mark.slow  # each test starts programs, for seconds


def told(tmp_path: Path) -> dict[str, Any]:
    """Return a subscription whose command keeps what it is told."""
    command = tmp_path / "command"
    command.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told\necho >> {tmp_path}/told\n")
    command.chmod(0o755)
    return {"name": "told", "sinks": [{"type": "exec", "command": [str(command)]}]}


def documents(tmp_path: Path) -> list[Any]:
    return [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]


@pytest.fixture(params=["file", "events"])
def world(request: pytest.FixtureRequest, tmp_path: Path, kea: Kea) -> Iterator[Any]:
    """Yield a monitor, its reserved addresses, and a function that ends the first lease."""
    leases = tmp_path / "kea-leases4.csv"
    (tmp_path / "reservations").mkdir()
    if request.param == "file":
        now = int(time.time())
        leases.write_text(HEADER + row(1, cltt=now, hostname="bmc-1") + row(2, cltt=now))
        settings = document(
            tmp_path,
            {"type": "memfile", "path": str(leases)},
            [{"type": "reservation_file", "directory": str(tmp_path / "reservations"), "report": str(tmp_path)}],
        )

        def end() -> None:
            with leases.open("a") as file:
                file.write(row(1, cltt=now, valid=0, hostname="bmc-1"))

        def reserved() -> list[str]:
            return [host["ip-address"] for host in counting(tmp_path / "reservations" / "subnet-1.json")]

    else:
        kea.lease("10.0.0.1", FIRST, "bmc-1")
        kea.lease("10.0.0.2", SECOND)
        database = {"host": kea.cluster.socket, "name": kea.name}
        settings = document(tmp_path, {"type": "events"}, [{"type": "reservation"}], database=database)

        def end() -> None:
            kea.rows("DELETE FROM lease4 WHERE hostname = 'bmc-1'")

        def reserved() -> list[str]:
            return [row[1] for row in kea.reservations()]

    settings["subscriptions"].append(told(tmp_path))
    daemon = Daemon(tmp_path, settings)
    until(lambda: daemon.log().count("Caught up with the leases") == 2, daemon.log)
    yield daemon, reserved, end
    daemon.process.kill()
    daemon.process.wait()


@pytest.mark.parametrize("target", ["02-00-00-00-00-01", "10.0.0.1", "BMC-1."])
def test_a_client_is_forgotten_once_its_lease_has_ended(world: Any, tmp_path: Path, target: str) -> None:
    daemon, reserved, end = world
    entry = tmp_path / "discovery" / "02-00-00-00-00-01.yml"
    for flags in ((), ("--lease",)):
        answer = daemon.ask("forget", target, *flags)
        assert answer.returncode == 1, answer.stderr
        assert "10.0.0.1 of subnet 1 is leased by this client" in answer.stderr
        assert ("lease4-del" if flags else "at its next renewal") in answer.stderr
    end()
    answer = daemon.ask("forget", target, "--dry-run")
    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, "nothing was requested"), answer.stderr
    assert f"10.0.0.1 subnet=1 client={FIRST} name=bmc-1" in answer.stdout
    time.sleep(0.2)
    assert entry.exists()
    answer = daemon.ask("forget", target)
    assert answer.returncode == 0, answer.stderr
    until(lambda: not entry.exists() and reserved() == ["10.0.0.2"], daemon.log)
    until(lambda: any(each["kind"] == "forgotten" for one in documents(tmp_path) for each in one["events"]), "told")
    (lease,) = [each["lease"] for one in documents(tmp_path) for each in one["events"] if each["kind"] == "forgotten"]
    assert (lease["address"], lease["hwaddr"], lease["hostname"]) == ("10.0.0.1", FIRST, "bmc-1")
    assert (tmp_path / "discovery" / "02-00-00-00-00-02.yml").exists()
    answer = daemon.ask("forget", target)
    assert (answer.returncode, answer.stdout) == (0, f"nothing is kept for {target}\n")
    assert "Traceback" not in daemon.log()


def test_a_request_is_done_by_the_next_monitor(world: Any, tmp_path: Path) -> None:
    daemon, reserved, end = world
    end()
    daemon.kill()
    assert daemon.ask("forget", FIRST).returncode == 0
    assert daemon.ask("forget", FIRST).returncode == 0, "twice does no harm"
    daemon.start()
    until(lambda: reserved() == ["10.0.0.2"], daemon.log)
    until(lambda: not (tmp_path / "discovery" / "02-00-00-00-00-01.yml").exists(), daemon.log)


def test_without_a_hardware_address_the_inventory_entry_goes(tmp_path: Path, said: Callable[[], str]) -> None:
    leases = tmp_path / "kea-leases4.csv"
    now = int(time.time())
    leases.write_text(HEADER + f"10.0.0.3,,01:02:03,3600,{now + 3600},1,0,0,,0,\n")
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "memfile", "path": str(leases)}, []))
    try:
        entry = tmp_path / "discovery" / "client-id-01-02-03.yml"
        until(entry.exists, daemon.log)
        assert daemon.ask("forget", "01:02:03").returncode == 1
        with leases.open("a") as file:
            file.write(f"10.0.0.3,,01:02:03,0,{now},1,0,0,,0,\n")
        assert daemon.ask("forget", "01:02:03").returncode == 0
        until(lambda: not entry.exists(), daemon.log)
    finally:
        daemon.kill()
