# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bad reservation never stops the others, and nothing that the monitor writes becomes configuration as text.

The names of the tests give the field cases: 05, 06, 13, 34, 35, B17 and B3.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Iterator

import pytest
from kea_lease_monitor import files
from kea_lease_monitor.commands import applied
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.applier.hosts import Host as Reservation
from kea_lease_monitor.kea.applier.sift import sift
from kea_lease_monitor.sinks.reservations.file import Options, ReservationFileSink
from support.host_lists import counting
from support.programs import need

from runtime.applying import SITE, Host, host_served, one, settings
from runtime.builders import event


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with host_served(tmp_path, monkeypatch) as host:
        yield host


GOOD = [one(1), one(2), one(3)]
BAD = {
    "the site's client": (one(9).replace("02:00:00:00:00:09", "2:FF:ff:ff:ff:ff"), "already been added"),
    "the site's address": (one(9).replace("10.0.0.9", SITE), "already a reservation for this address"),
    "a client twice": (one(2).replace("10.0.0.2", "10.0.0.9"), "already been added"),
    "an address twice": (one(9).replace("10.0.0.9", "10.0.0.2"), "already a reservation for this address"),
    "outside the subnet": (one(9).replace("10.0.0.9", "11.0.0.9"), "not within the IPv4 subnet"),
    "no hardware address": (one(9).replace("02:00:00:00:00:09", "no"), "is no identifier in hex"),
    "too long": (one(9).replace("02:00:00:00:00:09", ":".join(["02"] * 21)), "1 to 20 octets"),
    "two identifiers": (one(9, **{"client-id": "01:02"}), "one of hw-address"),
    "no address": (one(9).replace("10.0.0.9", "10.1"), "no IPv4 address"),
    "no host": (one(9).replace("10.0.0.9", ".".join("0000")), "must not make reservation"),
    "a number": ("7", "a reservation is a map"),
    "a boot file": (one(9, **{"boot-file-name": "evil.efi"}), "boot-file-name must be set in Kea's own configuration"),
    "half a character": (one(9, hostname="\ud800"), "surrogate"),
    "no JSON": (one(9, **{"user-context": {"x": float("inf")}}), "Out of range"),
}


@pytest.mark.parametrize("place", [0, 3])
@pytest.mark.parametrize("bad", BAD)
def test_a_refused_reservation_is_set_aside_and_the_others_are_in_force(host: Host, bad: str, place: int) -> None:
    text, words = BAD[bad]
    host.include(",\n".join([*GOOD[:place], text, *GOOD[place:]]))
    host.apply()
    first = place == 0 and bad in ("a client twice", "an address twice")
    expected = {"a client twice": ["10.0.0.1", SITE, "10.0.0.3", "10.0.0.9"]}.get(
        bad, ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]
    )
    assert host.known() == (sorted(expected) if first else ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"])
    (reason,) = host.refused().values()
    assert words in reason
    status = report.read(host.places.report)
    assert status
    assert (status.total("written"), status.total("in_force"), status.total("refused")) == (4, 3, 1)
    assert (status.waiting_since, status.error) == (None, "")


@pytest.mark.parametrize("name", ["b\udcff", "ü", "€", "\ufffd", '"', "a\x00\x1f\x7f", "\U0001f600", "x" * 300])
def test_any_name_is_written_as_kea_reads_it_05(host: Host, name: str) -> None:
    host.include(",\n".join([GOOD[0], one(2, hostname=name), GOOD[2]]))
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]
    assert host.refused() == {}


@pytest.mark.parametrize(
    "spelling", ["2:0:0:0:0:7", "020000000007", "0x020000000007", "02-00-00-00-00-07", "2 0 0 0 0 7"]
)
def test_spellings_of_a_client_are_compared_by_bytes_06(host: Host, spelling: str) -> None:
    host.include(json.dumps({"hw-address": spelling, "ip-address": "10.0.0.77"}))
    delivery = host.sink().deliver([event(7), event(8)])
    assert (delivery.created, len(delivery.rejected)) == (1, 1), "a person's reservation stays"
    host.apply()
    assert host.known() == [SITE, "10.0.0.77", "10.0.0.8"]


def test_text_of_the_monitor_never_becomes_configuration_13(host: Host) -> None:
    host.include('] } ], "hooks-libraries": [ { "library": "/tmp/evil.so" } ], "shared-networks": [ { "name": "z" ')
    host.include(one(2), subnet=2)
    host.apply()
    status = report.read(host.places.report)
    assert status
    assert "is not valid" in status.subnets[1].error
    included = b"".join(path.read_bytes() for path in host.applied.glob("subnet-*"))
    assert b"hooks" not in included
    assert status.subnets[2].error == "Kea's configuration does not include the file of subnet 2", "B3"
    assert (status.subnets[2].written, status.subnets[2].in_force) == (1, 0)


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_only_regular_files_of_the_monitor_are_read(host: Host, kind: str) -> None:
    host.include(GOOD[0])
    host.apply()
    path = host.written / "subnet-1.json"
    path.unlink()
    (host.path / "secret").write_text(one(5))
    {"link": lambda: path.symlink_to("secret"), "fifo": lambda: os.mkfifo(path), "directory": path.mkdir}[kind]()
    host.apply()
    assert host.known() == ["10.0.0.1", SITE]


def test_comments_and_commas_of_a_person_are_read_as_kea_reads_them_b17(host: Host) -> None:
    text = '{ "hw-address": "02:00:00:00:00:01", # board 1, rack {2}\n "ip-address": "10.0.0.1", /* , */ }'
    host.include(f", {text},\n,// more\n{GOOD[1]},")
    assert host.sink().deliver([event(1), event(3)]).created == 1
    assert "# board 1, rack {2}" in (host.written / "subnet-1.json").read_text()
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]


def test_further_keys_that_kea_includes_already_stay(host: Host) -> None:
    text = one(1, **{"next-server": "10.0.0.9"})
    (host.applied / "subnet-1.json").write_text(text)
    host.include(f"{text},\n{GOOD[1]}")
    host.apply()
    assert host.refused() == {}
    assert '"next-server": "10.0.0.9"' in (host.applied / "subnet-1.json").read_text()


def test_an_edit_that_is_refused_takes_no_reservation_away(host: Host) -> None:
    host.include(",\n".join(GOOD))
    host.apply()
    edited = one(2, **{"boot-file-name": "mine.efi"}).replace("02:00", "2:0")
    host.include(",\n".join([GOOD[0], edited, GOOD[2]]))
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]
    assert "boot-file-name must be set" in host.refused()["02:00:00:00:00:02"]
    status = report.read(host.places.report)
    assert status
    assert (status.total("written"), status.total("in_force"), status.total("refused")) == (3, 3, 1)
    host.include(GOOD[0])
    host.apply()
    assert host.known() == ["10.0.0.1", SITE], "what goes from the file goes"


def test_keys_of_a_person_stay_known_while_kea_refuses_their_host(host: Host) -> None:
    text = one(1, **{"next-server": "10.0.0.9"})
    (host.applied / "subnet-1.json").write_text(text)
    host.include(f"{text},\n{GOOD[1]}")
    host.apply()
    config = host.path / "kea.conf"
    former = config.read_text()
    begin = '"reservations": [ '
    config.write_text(former.replace(begin, f"{begin}{json.dumps({'client-id': '01:02', 'ip-address': '10.0.0.1'})}, "))
    host.include(f"{text},\n{GOOD[1]},\n{GOOD[2]}")
    host.apply()
    assert "already a reservation for this address" in host.refused()["02:00:00:00:00:01"]
    config.write_text(former)
    host.apply()
    assert host.refused() == {}
    assert '"next-server": "10.0.0.9"' in (host.applied / "subnet-1.json").read_text()


def test_bytes_of_the_configuration_need_not_be_utf_8(host: Host) -> None:
    config = host.path / "kea.conf"
    config.write_bytes(b"# gr\xfc\xdfe\n" + config.read_bytes())
    host.include(GOOD[0])
    host.apply()
    assert host.known() == ["10.0.0.1", SITE]


def test_includes_within_included_files_are_tested_as_well(host: Host) -> None:
    config, inner = host.path / "kea.conf", host.path / "inner.json"
    include = f'<?include "{host.path}/applied/subnet-1.json"?>'
    inner.write_text(include)
    config.write_text(config.read_text().replace(include, f'<?include "{inner}"?>'))
    host.include(",\n".join([BAD["outside the subnet"][0], *GOOD]))
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]


def test_all_reservations_of_a_renumbered_subnet_go_in_one_step_34(host: Host) -> None:
    host.include(",\n".join(GOOD))
    host.apply()
    config = host.path / "kea.conf"
    config.write_text(config.read_text().replace("10.0.0.", "10.0.7.").replace("10.0.7.1 -", "10.0.7.1 -"))
    calls = host.path / "calls"
    wrapper = host.path / "kea"
    wrapper.write_text(f'#!/bin/sh\necho >> "{calls}"\nexec {need("kea-dhcp4")} "$@"\n')
    wrapper.chmod(0o755)
    host.program = str(wrapper)
    host.include(",\n".join([*GOOD, one(9).replace("10.0.0.9", "10.0.7.9")]))
    host.apply()
    assert host.known() == ["10.0.7.200", "10.0.7.9"]
    assert len(host.refused()) == 3
    assert len(calls.read_text()) == 3


def test_a_site_entry_for_the_same_client_or_address_wins_35(host: Host) -> None:
    host.include(",\n".join(GOOD))
    host.apply()
    config = host.path / "kea.conf"
    site = [
        {"hw-address": "2:0:0:0:0:1", "ip-address": "10.0.0.50"},
        {"client-id": "01:02", "ip-address": "10.0.0.2"},
    ]
    begin = '"reservations": [ '
    config.write_text(config.read_text().replace(begin, f"{begin}{json.dumps(site)[1:-1]}, "))
    host.include(",\n".join([*GOOD, one(4)]))
    host.apply()
    assert host.known() == sorted(["10.0.0.2", SITE, "10.0.0.3", "10.0.0.4", "10.0.0.50"])
    assert sorted(host.refused()) == ["02:00:00:00:00:01", "02:00:00:00:00:02"]


def test_what_kea_refused_is_not_tested_again_until_something_makes_room(host: Host) -> None:
    wrong = BAD["an address twice"][0]
    host.include(",\n".join([*GOOD, wrong]))
    host.apply()
    real, host.program = host.program, str(host.path / "counting")
    Path(host.program).write_text(f'#!/bin/sh\necho >> "{host.path}/calls"\nexec {real} "$@"\n')
    Path(host.program).chmod(0o755)
    host.include(",\n".join([*GOOD, one(4), wrong]))
    host.apply()
    assert len((host.path / "calls").read_text()) == 1, "one test, in which Kea accepts all"
    assert list(host.refused()) == ["02:00:00:00:00:09"]
    host.include(",\n".join([GOOD[0], GOOD[2], wrong]))
    host.apply()
    assert host.refused() == {}
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]


def test_without_a_change_kea_is_not_reloaded(host: Host) -> None:
    host.include(GOOD[0])
    host.apply()
    (host.path / "socket").rename(host.path / "moved")
    host.include(",\n".join([GOOD[0], BAD["outside the subnet"][0]]))
    host.apply()
    host.include(",\n".join(GOOD))
    with pytest.raises(TemporaryError, match="control socket"):
        host.apply()
    assert "control socket" in report.problem(host.places, 0.0)
    (host.path / "moved").rename(host.path / "socket")
    host.apply()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]
    assert report.problem(host.places, 0.0) == ""


def test_a_refused_configuration_is_said_to_be_so_and_the_reservations_wait(host: Host) -> None:
    host.include(GOOD[0])
    host.write('"oops": 1,')
    with pytest.raises(TemporaryError, match=r"also without the monitor's reservations: .*kea\.conf.*oops"):
        host.apply()
    assert host.refused() == {}
    assert "oops" in report.problem(host.places, 0.0)
    status = report.read(host.places.report)
    assert status
    assert status.waiting_since is not None
    subprocess.run([need("kea-dhcp4"), "-t", str(host.applied / ".test")], check=False, capture_output=True)
    assert not (host.applied / ".test").exists()


def test_status_check_and_the_metric_tell_written_from_in_force_and_refused(host: Host) -> None:
    host.include(",\n".join([*GOOD, BAD["outside the subnet"][0]]))
    waits = applied.read(settings(host, []), time.time())
    assert (waits.problem, waits.columns["default"]["written"]) == ("", None)
    assert waits.columns["default"]["waiting"] >= 0
    host.include(one(2), subnet=2)
    host.apply()
    found = applied.read(settings(host, []), time.time())
    assert found.problem == ""
    assert "1 reservations are refused, such as hw-address 02:00:00:00:00:09 in subnet 1:" in found.warning
    assert "not within the IPv4 subnet" in found.warning
    lines = [{"subscription": "default", "detail": ""}, {"subscription": "other", "detail": "x"}]
    applied.add(lines, found)
    assert lines[0] == {
        "subscription": "default",
        "written": 5,
        "in_force": 3,
        "refused": 1,
        "waiting": None,
        "left_out": 0,
        "detail": "Kea's configuration does not include the file of subnet 2",
    }
    assert (lines[1]["written"], lines[1]["detail"]) == (None, "x")
    assert applied.read(settings(host, [2]), time.time()).columns["default"]["written"] == 1
    states = ("written", "in_force", "refused")
    assert [report.total([host.places.report], set(), state) for state in states] == [5, 3, 1]


def test_half_of_a_pair_is_never_reloaded_and_what_waits_is_counted_a1(host: Host) -> None:
    host.include(GOOD[0])
    host.apply()
    host.be_half_of_a_pair()

    host.include(",\n".join(GOOD))
    host.running_program().run()
    assert host.known() == ["10.0.0.1", SITE]
    later = time.time() + 36000
    found = applied.read(settings(host, []), later)
    assert found.problem == ""
    assert "2 reservations or more wait for the next planned reload" in found.warning
    assert [found.columns["default"][name] for name in ("written", "in_force", "refused")] == [3, 1, 0]
    assert found.columns["default"]["waiting"] == pytest.approx(36000, abs=60)

    # A play reloads Kea; the service asks for that.
    host.an_hour_passes()
    host.reload()
    assert host.running_program().is_reloaded()
    host.running_program().run()
    assert not host.running_program().is_reloaded()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE, "10.0.0.3"]
    found = applied.read(settings(host, []), later)
    columns = found.columns["default"]
    assert (found.problem, found.warning, columns["in_force"], columns["waiting"]) == ("", "", 3, None)

    # It counts what a play brought into force also when more is written before it looks.
    for count, in_force in ((4, 3), (5, 4)):
        host.include(",\n".join([*GOOD, *map(one, range(4, count + 1))]))
        host.running_program().run()
        columns = applied.read(settings(host, []), later).columns["default"]
        assert [columns[name] for name in ("written", "in_force")] == [count, in_force]
        host.an_hour_passes()
        host.reload()


def test_what_waits_on_a_pair_waits_while_kea_does_not_answer(host: Host) -> None:
    host.be_half_of_a_pair()
    host.include(GOOD[0])
    host.running_program().run()
    assert not host.running_program().is_reloaded()
    (host.path / "socket").rename(host.path / "moved")
    assert not host.running_program().is_reloaded()


def test_a_server_that_is_in_no_pair_any_more_is_reloaded(host: Host) -> None:
    host.be_half_of_a_pair()
    host.include(GOOD[0])
    host.running_program().run()
    assert host.known() == [SITE]
    host.write("")
    host.reload()
    assert host.running_program().is_reloaded()
    host.include(",\n".join(GOOD[:2]))
    host.running_program().run()
    assert host.known() == ["10.0.0.1", "10.0.0.2", SITE]
    found = applied.read(settings(host, []), time.time())
    assert (found.problem, found.warning, found.columns["default"]["in_force"]) == ("", "", 2)


def test_a_failed_apply_is_unhealthy_in_kea_s_words(host: Host) -> None:
    host.include(GOOD[0])
    host.write('"oops": 1,')
    with pytest.raises(TemporaryError):
        host.apply()
    found = applied.read(settings(host, []), time.time())
    assert "oops" in found.problem
    assert "oops" in found.columns["default"]["detail"]


def test_a_report_that_this_user_may_not_read_is_a_warning(host: Host) -> None:
    (host.report / "status.json").mkdir()
    found = applied.read(settings(host, []), time.time())
    assert found.problem == ""
    assert found.columns["default"]["written"] is None
    assert "it is no regular file" in found.warning
    assert math.isnan(report.total([host.places.report], set(), "written"))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"subnets": {"x": {}}}', '{"subnets": {}, "more": 1}', "7"])
def test_a_damaged_report_is_named(tmp_path: Path, text: str) -> None:
    for name in ("status.json", "refused.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(TemporaryError, match=r"status\.json is damaged, remove it"):
        report.read(str(tmp_path))
    with pytest.raises(TemporaryError, match=r"refused\.json is damaged, remove it"):
        report.read_refused(str(tmp_path))


def test_an_apply_that_never_runs_is_reported(tmp_path: Path) -> None:
    places = report.Places(str(tmp_path), str(tmp_path / "report"))
    (tmp_path / "report").mkdir()
    assert report.problem(places, time.time() + 1e6) == ""
    ReservationFileSink(Options(*places)).deliver([event(1)])
    since = (tmp_path / ".apply-requested").stat().st_mtime
    os.utime(tmp_path / "subnet-1.json", (since + 3000, since + 3000))
    assert report.problem(places, since + 60) == ""
    assert "wait for 3600 seconds: see kea-reservations.service" in report.problem(places, since + 3600)


@pytest.mark.parametrize("bad", [{0}, {999}, {0, 1, 2}, {10, 500, 998}])
def test_a_reservation_that_kea_does_not_name_costs_a_test_for_each_halving(bad: set[int]) -> None:
    hosts = [Reservation(1, f"hw-address {number}", "", f"{number}") for number in range(1000)]
    calls: list[int] = []

    def refuses(some: Any) -> str:
        calls.append(len(some))
        return "no" if any(int(each.text) in bad for each in some) else ""

    sifted = sift(hosts, refuses, lambda _refused: None)
    assert {int(refusal.text) for refusal in sifted.refused} == bad
    assert len(sifted.accepted) == 1000 - len(bad)
    assert len(calls) <= 2 + 11 * len(bad)


def test_a_new_reservation_writes_the_same_beside_100_and_10000_others_c8(tmp_path: Path) -> None:
    costs = []
    for others in (100, 10_000):
        directory = tmp_path / str(others)
        directory.mkdir()
        path = directory / "subnet-1.json"
        hosts = (
            {
                "hw-address": f"04:00:00:00:{number >> 8:02x}:{number & 255:02x}",
                "ip-address": f"10.1.{number >> 8}.{number & 255}",
            }
            for number in range(others)
        )
        path.write_text(",\n".join(map(json.dumps, hosts)) + "\n")
        sink = ReservationFileSink(Options(str(directory), str(directory)))
        before, inode = path.stat().st_size, path.stat().st_ino
        assert sink.deliver([event(1), event(2)]).created == 2
        assert sink.deliver([event(3)]).created == 1
        costs.append(path.stat().st_size - before)
        assert path.stat().st_ino == inode, "the file was not written again"
        assert len(json.loads(f"[{path.read_text()}]")) == others + 3
    assert costs[0] == costs[1]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_a_crash_tore_is_left_out_and_written_again(host: Host, cut: int) -> None:
    sink = host.sink()
    sink.deliver([event(1)])
    sink.deliver([event(2)])
    path = host.written / "subnet-1.json"
    path.write_bytes(path.read_bytes()[:-cut])
    host.apply()
    assert "10.0.0.1" in host.known()
    assert host.sink().deliver([event(2), event(3)]).created >= 1
    assert [each["ip-address"] for each in json.loads(f"[{path.read_text()}]")] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_an_edit_between_reading_and_appending_is_kept(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = host.sink()
    sink.deliver([event(1)])
    path, real = host.written / "subnet-1.json", files.append

    def edited(name: str, content: bytes, stamp: Any) -> files.Stamp:
        path.write_text(f"{one(7)}\n")
        return real(name, content, stamp)

    monkeypatch.setattr(files, "append", edited)
    with pytest.raises(TemporaryError, match="changed by another program"):
        sink.deliver([event(2)])
    monkeypatch.undo()
    assert sink.deliver([event(2)]).created == 1
    assert [each["ip-address"] for each in json.loads(f"[{path.read_text()}]")] == ["10.0.0.7", "10.0.0.2"]


@pytest.mark.parametrize("tail", ["# a comment", "# a comment\n", ",\n", "", " \n"])
def test_a_file_that_a_person_ended_otherwise_is_added_to(tmp_path: Path, tail: str) -> None:
    path = tmp_path / "subnet-1.json"
    path.write_text(f"{one(7)}{tail}")
    sink = ReservationFileSink(Options(str(tmp_path), str(tmp_path)))
    assert sink.deliver([event(1)]).created == 1
    assert sink.deliver([event(2)]).created == 1
    assert ("# a comment" in path.read_text()) is ("#" in tail)
    assert [each["ip-address"] for each in counting(path)] == ["10.0.0.7", "10.0.0.1", "10.0.0.2"]


def test_a_torn_line_hides_no_broken_line_before_it(tmp_path: Path) -> None:
    path = tmp_path / "subnet-1.json"
    path.write_text(f"{one(7)}\n,{{oops\n,{one(8)[:-5]}")
    with pytest.raises(TemporaryError, match="line 2"):
        ReservationFileSink(Options(str(tmp_path), str(tmp_path))).deliver([event(1)])
