# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_reservation in the configuration and in a running Kea: in both or in none."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any, Callable, Mapping

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._kea import control, locks, reservation_files
from support.host_commands import HostCommands
from support.kea import DIRECTORIES, KeaServer, serving
from support.modules import run_module

pytestmark = pytest.mark.kea

A, B, C = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"
ADDRESS = "198.51.100.7"
MARK = {"kea-lease-monitor": {"ip-address": ADDRESS}}
READING = {"config-get", "reservation-get", "reservation-get-page", "statistic-get-all"}


class Host:
    """A file-mode host whose Kea takes reservations by command, as far as ``commands`` answers so."""

    def __init__(self, directory: Path) -> None:
        self.applied = directory / "reservations.d" / "applied"
        self.applied.mkdir(parents=True)
        for path in (self.applied.parent, self.applied):
            os.chown(path, pwd.getpwnam("_kea").pw_uid, -1)
        self.managed = self.applied / "subnet-2.json"
        self.managed.write_text(json.dumps({"hw-address": B, "ip-address": ADDRESS, "user-context": MARK}) + "\n")
        self.config = directory / "kea-dhcp4.conf"
        self.config.write_text(
            f"""{{ "Dhcp4": {{
  "control-socket": {{ "socket-type": "unix", "socket-name": "{directory}/socket" }},
  "lease-database": {{ "type": "memfile", "persist": false }},
  "subnet4": [ {{ "id": 2, "subnet": "198.51.100.0/24", "reservations": [
    {{ "hw-address": "{C}", "ip-address": "198.51.100.12", "comment": "rack 3", "boot-file-name": "own" }},
    <?include "{self.managed}"?> ] }} ] }} }}"""
        )
        os.chmod(self.config, 0o644)
        self.commands = HostCommands(str(self.managed), "198.51.100.0/24")
        self.commands.subnet = 2

    def module(self, check: bool = False, **options: Any) -> dict[str, Any]:
        options = {"path": str(self.config), "hw_address": A, "backup": True, **options}
        return run_module("kea_reservation", check=check, **options)


@pytest.fixture
def host(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
    found = Host(directory)

    def send(path: str, command: str, _timeout: float, arguments: Mapping[str, Any] | None = None) -> control.Answer:
        try:
            answer: control.Answer = found.commands.answer(command, arguments)
        except OSError as error:
            raise control.ControlError(command, path, str(error)) from error
        return answer

    monkeypatch.setattr(control, "send", send)
    return found


def files_of(host: Host) -> dict[Path, tuple[bytes, int, int]]:
    """Return content, owner and mode of each file, without the lock, which stays."""
    found = [path for path in host.config.parent.rglob("*") if path.is_file() and path.name != reservation_files.LOCK]
    return {path: (path.read_bytes(), path.stat().st_uid, path.stat().st_mode) for path in found}


def at(command: str, act: Callable[[], None]) -> Callable[[str], None]:
    """Return what acts when Kea gets a command."""
    return lambda found: act() if found == command else None


def test_the_whole_life(host: Host) -> None:
    wanted = {"ip_address": "198.51.100.8", "hostname": "bmc-8"}
    before = host.config.read_text()
    checked = host.module(check=True, **wanted)
    assert (checked["changed"], checked["in_force"], host.config.read_text()) == (True, True, before), checked
    assert set(host.commands.sent) <= READING
    applied = host.module(**wanted)
    assert (applied["changed"], applied["in_force"]) == (True, True), applied
    assert "msg" not in applied
    assert host.commands.hosts[A] == {"hw-address": A, "ip-address": "198.51.100.8", "hostname": "bmc-8"}
    again = host.module(**wanted)
    assert (again["changed"], again["in_force"]) == (False, True)

    changed = host.module(ip_address="198.51.100.9")
    assert changed["changed"]
    assert host.commands.hosts[A] == {"hw-address": A, "ip-address": "198.51.100.9", "hostname": "bmc-8"}

    gone = {"state": "absent", "subnet_id": 2}
    checked = host.module(check=True, **gone)
    assert (checked["changed"], checked["in_force"], A in host.commands.hosts) == (True, True, True)
    applied = host.module(**gone)
    assert (applied["changed"], applied["in_force"], A in host.commands.hosts) == (True, True, False)
    assert not host.module(**gone)["changed"]
    assert B in host.commands.hosts


def test_a_kea_without_the_reservation_gets_it_in_the_next_run(host: Host) -> None:
    host.module(ip_address="198.51.100.8")
    del host.commands.hosts[A]
    before = files_of(host)
    checked = host.module(check=True, ip_address="198.51.100.8")
    assert (checked["changed"], A in host.commands.hosts) == (True, False)
    applied = host.module(ip_address="198.51.100.8")
    assert (applied["changed"], applied["in_force"], A in host.commands.hosts) == (True, True, True)
    assert applied["diff"]["before"] != applied["diff"]["after"]
    assert "198.51.100.8" in applied["diff"]["after"]
    assert files_of(host) == before
    host.module(state="absent", subnet_id=2)
    host.commands.hosts[A] = {"hw-address": A, "ip-address": "198.51.100.8"}
    applied = host.module(state="absent", subnet_id=2)
    assert (applied["changed"], A in host.commands.hosts) == (True, False)


def test_a_managed_reservation_gives_way_in_both(host: Host) -> None:
    seen: list[str] = []

    def try_lock() -> None:
        with pytest.raises(locks.LockedError), locks.held(str(host.applied / reservation_files.LOCK), 0):
            pass
        seen.append("locked")

    host.commands.before = at("reservation-add", try_lock)
    applied = host.module(ip_address=ADDRESS)
    assert applied["gave_way"] == ["198.51.100.7 in 198.51.100.0/24 (id 2)"], applied
    assert (B in host.commands.hosts, host.commands.hosts[A]["ip-address"]) == (False, ADDRESS)
    assert seen == ["locked"], "the applier waits while commands are sent"
    # A run that was killed before its commands.
    host.commands.hosts = {B: {"hw-address": B, "ip-address": ADDRESS, "user-context": MARK}}
    applied = host.module(ip_address=ADDRESS)
    assert (applied["changed"], applied["gave_way"]) == (True, ["198.51.100.7 in subnet 2"])
    assert list(host.commands.hosts) == [A]


def test_the_managed_reservation_of_the_client_becomes_the_sites(host: Host) -> None:
    assert host.module(hw_address=B, ip_address=ADDRESS)["in_force"]
    assert "user-context" not in host.commands.hosts[B]
    assert not host.module(hw_address=B, ip_address=ADDRESS)["changed"]


def test_one_of_the_monitor_is_left_to_the_monitor(host: Host) -> None:
    applied = host.module(hw_address=B, state="absent", subnet_id=2)
    assert (applied["changed"], B in host.commands.hosts) == (False, True)


@pytest.mark.parametrize("options", [{"ip_address": ADDRESS}, {"hw_address": C, "ip_address": "198.51.100.13"}])
def test_what_kea_refuses_is_in_neither(host: Host, options: dict[str, Any]) -> None:
    host.commands.hosts[C] = {"hw-address": C, "ip-address": "198.51.100.12"}
    before, hosts = files_of(host), {key: dict(one) for key, one in host.commands.hosts.items()}

    def refuse() -> None:
        # Only the new reservation is refused, and the former ones are taken again.
        host.commands.refusal = "" if host.commands.refusal else "no room in the rack"

    host.commands.before = at("reservation-add", refuse)
    if "hw_address" in options:
        host.commands.before = lambda command: setattr(
            host.commands, "refusal", "no room in the rack" if host.commands.sent.count("reservation-add") < 1 else ""
        )
    refused = host.module(**options)
    assert refused["failed"]
    assert "no room in the rack. Nothing was changed" in refused["msg"]
    assert files_of(host) == before
    assert host.commands.hosts == hosts


def test_a_removal_that_kea_refuses_is_in_neither(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two backups of one process within a second would have one name.
    host.module(ip_address="198.51.100.8", backup=False)
    before = files_of(host)
    monkeypatch.setattr(host.commands, "reservation_del", lambda _arguments: control.Answer(control.ERROR, "busy", {}))
    refused = host.module(state="absent", subnet_id=2)
    assert refused["failed"]
    assert refused["msg"].startswith(f"Kea refuses to change the reservation of hw-address {A} in subnet 2: busy.")
    assert (files_of(host), A in host.commands.hosts) == (before, True)


def test_one_in_a_file_of_another_directory_stays(host: Host, tmp_path: Path) -> None:
    other = tmp_path / "others.json"
    other.write_text(json.dumps({"hw-address": A, "ip-address": "198.51.100.8"}))
    host.config.write_text(host.config.read_text().replace("<?include", f'<?include "{other}"?>, <?include', 1))
    host.commands.hosts[A] = json.loads(other.read_text())
    applied = host.module(state="absent", subnet_id=2)
    assert (applied["changed"], applied["in_force"], A in host.commands.hosts) == (False, False, True), applied
    assert "from a file that this module does not edit" in applied["msg"]


def test_the_reservation_of_another_person_in_kea_is_kea_s_to_refuse(host: Host) -> None:
    host.commands.hosts["02:ee"] = {"hw-address": "02:ee", "ip-address": "198.51.100.8"}
    before = files_of(host)
    refused = host.module(ip_address="198.51.100.8")
    assert "There's already a reservation for this address. Nothing was changed" in refused["msg"]
    assert (files_of(host), "02:ee" in host.commands.hosts) == (before, True)


def test_what_a_person_wrote_into_the_reservation_is_sent_with_it(host: Host) -> None:
    assert host.module(hw_address=C, ip_address="198.51.100.13")["in_force"]
    assert host.commands.hosts[C] == {
        "hw-address": C,
        "ip-address": "198.51.100.13",
        "boot-file-name": "own",
        "user-context": {"comment": "rack 3"},
    }


def test_a_kea_that_has_read_the_file_meanwhile_is_right(host: Host) -> None:
    def restart() -> None:
        host.commands.hosts[A] = {"hw-address": A, "ip-address": "198.51.100.8"}

    host.commands.before = at("reservation-add", restart)
    applied = host.module(ip_address="198.51.100.8")
    assert (applied["failed"], applied["changed"], applied.get("in_force")) == (False, True, True), applied


def without_hook(host: Host) -> None:
    host.commands.has_hook = False


def stopped(host: Host) -> None:
    host.commands.serves = False


def other_subnet(host: Host) -> None:
    host.commands.subnet = 1


def stops_meanwhile(host: Host) -> None:
    host.commands.before = at("reservation-add", lambda: setattr(host.commands, "serves", False))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (without_hook, "libdhcp_host_cmds.so is not loaded"),
        (stopped, "Kea does not answer reservation-get-page"),
        (other_subnet, "IPv4 subnet with ID of '2' is not configured"),
        (stops_meanwhile, "Kea does not answer reservation-get on"),
    ],
)
def test_a_kea_that_takes_no_command_gets_it_when_it_is_restarted(
    host: Host, change: Callable[[Host], None], reason: str
) -> None:
    change(host)
    applied = host.module(ip_address="198.51.100.8")
    assert (applied["changed"], applied["in_force"]) == (True, False), applied
    assert reason in applied["msg"]
    assert "Restart Kea" in applied["msg"]
    assert "198.51.100.8" in host.config.read_text()
    again = host.module(ip_address="198.51.100.8")
    assert (again["changed"], again["in_force"]) == (False, False)


def test_the_real_kea_2_2_knows_no_such_command(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
    for name in DIRECTORIES:
        monkeypatch.setenv(name, str(directory))
    server = KeaServer(directory)
    server.config = directory / "kea-dhcp4.conf"
    leases = {"type": "memfile", "persist": False}
    subnets = [{"id": 1, "subnet": "192.0.2.0/24"}]
    server.configure({"interfaces-config": {"interfaces": []}, "lease-database": leases, "subnet4": subnets})
    wanted = {"path": str(server.config), "kea_user": "root", "hw_address": A, "backup": False}
    with serving(server):
        applied = run_module("kea_reservation", ip_address="192.0.2.7", **wanted)
        assert (applied["changed"], applied["in_force"]) == (True, False), applied
        assert "Kea does not know the command reservation-get-page" in applied["msg"]
        again = run_module("kea_reservation", ip_address="192.0.2.7", **wanted)
        assert (again["changed"], again["in_force"]) == (False, False)
        assert server.ask("config-reload")["result"] == 0
        again = run_module("kea_reservation", ip_address="192.0.2.7", **wanted)
        assert (again["changed"], again["in_force"]) == (False, True)
        assert "msg" not in again
        gone = run_module("kea_reservation", subnet_id=1, state="absent", **wanted)
        assert (gone["changed"], gone["in_force"]) == (True, False)
        assert server.ask("config-reload")["result"] == 0
        assert run_module("kea_reservation", subnet_id=1, state="absent", **wanted)["in_force"]
