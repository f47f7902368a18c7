# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile monitor writes without a lease is refused alone, by a reload of a real Kea and by commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import pytest
from kea_lease_monitor.kea.applier import report
from support.kea import DIRECTORIES

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
        host.apply()
        assert host.known() == ["10.0.0.1", "10.0.0.2", SITE]
        assert list(host.report.glob("approved*")) == []


def test_a_damaged_approval_is_named(kea: Any) -> None:
    (kea.host.report / "approved-1-1.json").write_text("{}")
    kea.host.plant(host_map("02:00:00:00:00:01", "10.0.0.250"))
    with pytest.raises(Exception, match=r"approved-1-1\.json is damaged, remove it"):
        kea.apply()


def test_a_monitor_s_own_way_needs_no_approval(kea: Any) -> None:
    kea.host.sink().deliver([event(7)])
    kea.apply()
    assert kea.known() == [SITE, "10.0.0.7"]
