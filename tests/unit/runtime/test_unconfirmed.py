# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile monitor writes without a lease is refused alone, by a reload of a real Kea and by commands."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from kea_lease_monitor.kea import transfer
from kea_lease_monitor.kea.applier import approved, batch, hosts, report
from kea_lease_monitor.kea.applier.confirming import Confirming
from kea_lease_monitor.kea.applier.hosts import Claim, Refusal
from kea_lease_monitor.kea.applier.leased import Leases
from kea_lease_monitor.kea.applier.sift import Sifted
from kea_lease_monitor.lease import EventKind
from support.by_command import WAIT, Site, served
from support.kea import DIRECTORIES
from support.wait import until

from runtime.applying import FOR_EVER, SITE, Host, host_served, one
from runtime.builders import HEADER, event, row
from runtime.test_by_command import World


class Reloaded:
    """A real Kea that is reloaded."""

    def __init__(self, host: Host) -> None:
        self.host, self.program = host, host.later_program()

    def apply(self) -> None:
        self.host.apply_by(self.program)

    def known(self) -> list[str]:
        return self.host.known()


class Commanded:
    """A Kea that takes commands."""

    def __init__(self, world: World) -> None:
        self.world, self.host, self.program = world, world.host, world.program
        world.run()

    def apply(self) -> None:
        self.world.run()

    def known(self) -> list[str]:
        assert self.world.in_files() == [each for each in self.world.kea.addresses() if each != SITE]
        return sorted(self.world.kea.addresses())


@pytest.fixture(params=["reload", "commands"])
def kea(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "reload":
        with host_served(tmp_path, monkeypatch) as host:
            yield Reloaded(host)
        return
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(tmp_path))
    tmp_path.chmod(0o750)
    yield Commanded(World(tmp_path, monkeypatch))


def host_map(client: str, address: str, **more: Any) -> str:
    return json.dumps({"hw-address": client, "ip-address": address, **more})


HOSTILE = {
    "no lease": (host_map("02:00:00:00:00:09", "10.0.0.250"), "Kea has no lease of 10.0.0.250 for this client"),
    "the lease of another client": (host_map("02:00:00:00:00:09", "10.0.0.8"), "no lease of 10.0.0.8"),
    "an address in another spelling": (host_map("2:0:0:0:0:9", "10.0.0.8"), "no lease of 10.0.0.8"),
    "a client identifier": (json.dumps({"client-id": "01:02", "ip-address": "10.0.0.9"}), "no lease of 10.0.0.9"),
    "a flexible identifier": (json.dumps({"flex-id": "02:00:00:00:00:09", "ip-address": "10.0.0.9"}), "no lease"),
    "a name alone": (json.dumps({"hw-address": "02:00:00:00:00:09", "hostname": "gateway"}), "it has no address"),
    "a mark of the monitor": (
        host_map("02:00:00:00:00:09", "10.0.0.250", **{"user-context": {"kea-lease-monitor": {"made": 1}}}),
        "no lease of 10.0.0.250",
    ),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_reservation_without_a_lease_is_refused_alone(kea: Any, hostile: str) -> None:
    text, words = HOSTILE[hostile]
    kea.host.plant(",\n".join([one(1), text, one(3)]) + "\n")
    kea.apply()
    assert kea.known() == ["10.0.0.1", SITE, "10.0.0.3"]
    (reason,) = kea.host.refused().values()
    assert words in reason
    status = report.read(kea.host.places.report)
    assert status
    assert (status.total("written"), status.total("in_force"), status.total("refused")) == (3, 2, 1)
    assert (status.waiting_since, status.error) == (None, "")


def test_a_lease_in_another_subnet_confirms_nothing(kea: Any) -> None:
    kea.host.leases.write_text(HEADER + row(1, valid=FOR_EVER).replace(",1,0,0,", ",2,0,0,") + row(2, valid=FOR_EVER))
    kea.host.plant(f"{one(1)},\n{one(2)}\n")
    kea.apply()
    assert kea.known() == ["10.0.0.2", SITE]


def test_another_spelling_of_a_client_with_its_lease_is_accepted(kea: Any) -> None:
    kea.host.plant(host_map("2:0:0:0:0:9", "10.0.0.9"))
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.9"]


def test_the_lease_that_comes_later_brings_it_into_force(kea: Any) -> None:
    kea.host.leases.write_text(HEADER + row(1, valid=FOR_EVER))
    kea.host.plant(f"{one(1)},\n{one(2)}\n")
    kea.apply()
    assert kea.known() == ["10.0.0.1", SITE]
    assert not kea.program.confirming.has_news()
    with kea.host.leases.open("a") as file:
        file.write(row(3, valid=FOR_EVER))
    assert not kea.program.confirming.has_news()
    with kea.host.leases.open("a") as file:
        file.write(row(2, valid=FOR_EVER))
    assert kea.program.confirming.has_news()
    kea.apply()
    assert kea.known() == ["10.0.0.1", "10.0.0.2", SITE]
    assert kea.host.refused() == {}
    assert not kea.program.confirming.has_news()


def test_what_kea_includes_stays_without_a_lease_and_may_change_its_name(kea: Any) -> None:
    """So it is in the first run of this release, too."""
    kea.host.include(f"{one(1)},\n{one(2)}\n")
    kea.apply()
    kea.host.leases.write_text(HEADER)
    kea.host.plant(f"{one(1, hostname='new')},\n{one(2)},\n{one(3)}\n")
    kea.apply()
    assert kea.known() == ["10.0.0.1", "10.0.0.2", SITE]
    assert '"hostname": "new"' in (kea.host.applied / "subnet-1.json").read_text()
    assert list(kea.host.refused()) == ["02:00:00:00:00:03"]


def test_a_client_keeps_its_reservation_when_another_address_is_refused(kea: Any) -> None:
    kea.host.plant(f"{one(1)},\n{one(2)}\n")
    kea.apply()
    kea.host.plant(f"{one(1).replace('10.0.0.1', '10.0.0.250')},\n{one(2)}\n")
    kea.apply()
    assert kea.known() == ["10.0.0.1", "10.0.0.2", SITE]
    assert list(kea.host.refused()) == ["02:00:00:00:00:01"]
    kea.host.plant(f"{one(1)},\n{one(2)}\n")
    kea.apply()
    assert (kea.known(), kea.host.refused()) == (["10.0.0.1", "10.0.0.2", SITE], {})


def test_what_a_person_approved_is_accepted_once_and_the_approval_goes(kea: Any) -> None:
    text = host_map("02:00:00:00:00:01", "10.0.0.250")
    kea.host.approve(text)
    kea.apply()
    kea.host.approve(text)  # run again after a kill between the approval and the change
    kea.host.plant(f"{text},\n{host_map('02:00:00:00:00:02', '10.0.0.251')}\n")
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.250"]
    assert list(kea.host.refused()) == ["02:00:00:00:00:02"]
    assert list(kea.host.report.glob("approved*")) == []
    kea.host.plant("")
    kea.apply()
    kea.host.plant(text)
    kea.apply()
    assert kea.known() == [SITE], "it was approved once"


def test_an_approval_that_comes_later_is_noticed(kea: Any) -> None:
    text = host_map("02:00:00:00:00:01", "10.0.0.250")
    kea.host.plant(text)
    kea.apply()
    assert kea.known() == [SITE]
    kea.host.approve(text)
    assert kea.program.confirming.has_news()
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.250"]


def test_an_approval_that_comes_during_an_apply_is_noticed(tmp_path: Path) -> None:
    """An apply reads the approvals again at its end, long after it has judged."""
    leases = tmp_path / "leases.csv"
    leases.write_text(HEADER)
    confirming = Confirming(str(tmp_path), Leases(str(leases), time.sleep, time.monotonic))
    (host,) = hosts.read(1, host_map("02:00:00:00:00:01", "10.0.0.250").encode(), {}).hosts
    assert confirming.refusals([host], lambda _host: None)
    approved.add(str(tmp_path), host.claims)
    confirming.keep([])
    confirming.settle(Sifted([], []))
    assert confirming.take_news()
    assert confirming.refusals([host], lambda _host: None) == []
    assert not confirming.has_news()


def test_where_nothing_is_confirmed_nothing_is_approved_for_later(tmp_path: Path) -> None:
    refused = [
        Refusal(1, "hw-address 02:00:00:00:00:01", "10.0.0.250", host_map("02:00:00:00:00:01", "10.0.0.250"), "no")
    ]
    confirming = Confirming(str(tmp_path), None)
    confirming.keep(refused)
    confirming.settle(Sifted([], refused))
    assert list(tmp_path.glob("approved*")) == []


def test_what_kea_refuses_by_command_is_approved_for_later(kea: Any) -> None:
    number = int(SITE.rpartition(".")[2])
    with kea.host.leases.open("a") as leases:
        leases.write(row(number))
    kea.host.plant(one(number))
    kea.apply()
    assert len(kea.host.refused()) == 1
    assert [path.name for path in kea.host.report.glob("approved*")] == ["approved.json"]


def test_what_kea_refuses_is_accepted_later_though_its_lease_is_gone(tmp_path: Path, monkeypatch: Any) -> None:
    with host_served(tmp_path, monkeypatch) as host:
        host.plant(f"{one(1)},\n{host_map('02:00:00:00:00:02', '10.0.0.2')}\n")
        config = host.path / "kea.conf"
        text = config.read_text()
        config.write_text(text.replace("10.0.0.200", "10.0.0.2"))
        host.apply()
        assert list(host.refused()) == ["02:00:00:00:00:02"]
        assert [path.name for path in host.report.glob("approved*")] == ["approved.json"]
        host.leases.write_text(HEADER)
        config.write_text(text)
        with monkeypatch.context() as killed:
            killed.setattr(batch, "write", lambda *_given, **_more: sys.exit("killed"))
            with pytest.raises(SystemExit):
                host.apply()
        host.apply()
        assert host.known() == ["10.0.0.1", "10.0.0.2", SITE]
        assert list(host.report.glob("approved*")) == []


def test_a_damaged_approval_is_named(kea: Any) -> None:
    (kea.host.report / "approved-1-1.json").write_text("{}")
    kea.host.plant(host_map("02:00:00:00:00:01", "10.0.0.250"))
    with pytest.raises(Exception, match=r"approved-1-1\.json is damaged, remove it"):
        kea.apply()


def test_what_the_monitor_writes_for_a_lease_needs_no_approval(kea: Any) -> None:
    kea.host.sink().deliver([event(7)])
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.7"]


def test_the_new_board_of_replace_needs_its_approval(kea: Any) -> None:
    new = "02:00:00:00:00:fe"
    sink = kea.host.sink()
    sink.deliver([event(7)])
    kea.apply()
    approved.add(kea.host.places.report, [Claim(1, f"hw-address {new}", "10.0.0.7")])
    sink.deliver([event(7, kind=EventKind.FORGOTTEN)])
    kea.apply()
    sink.deliver([event(number, kind=EventKind.REPLACED, hwaddr=new) for number in (7,)])
    sink.deliver([event(8, kind=EventKind.REPLACED, hwaddr="02:00:00:00:00:fd")])
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.7"]
    assert list(kea.host.refused()) == ["02:00:00:00:00:fd"]
    assert list(kea.host.report.glob("approved*")) == []


def test_what_import_adds_is_accepted(kea: Any) -> None:
    hosts = {1: [{"hw-address": "2:0:0:0:0:AB", "ip-address": "10.0.0.250", "hostname": "bmc"}]}
    found = transfer.plan(kea.host.places.written, hosts)
    approved.add(kea.host.places.report, found.claims)
    kea.apply()  # killed here, and run again
    again = transfer.plan(kea.host.places.written, hosts)
    approved.add(kea.host.places.report, again.claims)
    transfer.write(kea.host.places.written, again.contents)
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.250"]
    assert list(kea.host.report.glob("approved*")) == []


@pytest.mark.kea
@pytest.mark.slow  # it needs an image of a host
def test_a_running_kea_3_gets_what_a_lease_confirms_and_nothing_else() -> None:
    with served() as site:
        site.start_applier()
        until(site.is_applied, site.said, WAIT)
        lease = {number: row(number, valid=FOR_EVER) for number in (1, 2, 3)}
        with site.leases.open("a") as file:
            file.write(lease[1] + lease[2])
        other = one(9).replace("10.0.0.9", "10.0.0.2")
        (site.written / "subnet-1.json").write_text(f"{one(1)},\n{other},\n{one(3)}\n")
        refused = site.reported / "refused.json"
        until(lambda: refused.read_text().count("Kea has no lease of") == 2, site.said, WAIT)
        until(lambda: reserved(site) == ["10.0.0.1"], site.said, WAIT)
        with site.leases.open("a") as file:
            file.write(lease[3])
        until(lambda: reserved(site) == ["10.0.0.1", "10.0.0.3"], site.said, WAIT)


def reserved(site: Site) -> list[str]:
    """Return the addresses that the running Kea has reserved."""
    arguments = {"subnet-id": 1, "limit": 100, "from": 0, "source-index": 0, "operation-target": "memory"}
    found = site.server.ask("reservation-get-page", **arguments).get("arguments", {}).get("hosts", [])
    return sorted(each["ip-address"] for each in found)
