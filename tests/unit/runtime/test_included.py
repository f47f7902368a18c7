# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kea includes for a subnet: complete at every moment, and a change writes little."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _kea import reservation_files
from kea_lease_monitor import batch_files, files
from kea_lease_monitor.kea.applier import hosts, included
from kea_lease_monitor.kea.applier.hosts import Host
from kea_lease_monitor.kea.applier.included import Included


def one(number: int, name: str = "") -> Host:
    hwaddr = f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"
    fields = {"hw-address": hwaddr, "ip-address": f"10.0.{number >> 8}.{number & 255}", "hostname": name}
    return Host.of(1, f"hw-address {hwaddr}", fields)


def texts(directory: Path) -> list[str]:
    """Return the reservations as Kea reads them at a start."""
    found = json.loads(f"[{reservation_files.text(str(directory / 'subnet-1.json'))}]")
    return [json.dumps(each, ensure_ascii=False) for each in found]


def full(path: str, _content: bytes, _mode: int, **_more: bool) -> None:
    """Do what ``files.replace`` does on a full disk."""
    raise files.TemporaryError(f"{path}: full")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(included, "_LATEST", 4)
    monkeypatch.setattr(included, "_PART", 10)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("count", [0, 1, 4, 5, 10, 11, 37])
def test_what_is_written_is_read(tmp_path: Path, count: int) -> None:
    listed = [one(number) for number in range(count)]
    Included(str(tmp_path), 1).replace(listed, with_parts=True)
    assert texts(tmp_path) == [host.text for host in listed]
    read = Included(str(tmp_path), 1)
    content = read.read()
    assert (content.whole, content.hosts, list(read)) == (hosts.render(listed), listed, listed)


@pytest.mark.usefixtures("small")
def test_any_change_is_in_the_files_and_no_part_is_left_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(included, "_KEPT", 0)
    own, wanted = Included(str(tmp_path), 1), {}
    own.replace([], with_parts=True)
    for step in range(120):
        changes = {}
        for number in (step, step * 7 % 60, step * 5 % 60):
            host = None if number % 3 == step % 3 and step > 40 else one(number, f"n{step}")
            changes[one(number).identifier] = host
            wanted[number] = host
        own.change(changes)
        assert sorted(texts(tmp_path)) == sorted(host.text for host in wanted.values() if host)
        names = {path.name for path in tmp_path.glob("subnet-1.*.json")}
        assert names == set(reservation_files.parts((tmp_path / "subnet-1.json").read_bytes()))
        assert list(Included(str(tmp_path), 1).read().hosts) == list(own)


@pytest.mark.usefixtures("small")
def test_a_change_that_fails_leaves_the_former_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Included(str(tmp_path), 1)
    own.replace([one(number) for number in range(30)], with_parts=True)
    before = texts(tmp_path)

    monkeypatch.setattr(files, "replace", full)
    with pytest.raises(files.TemporaryError, match="full"):
        own.change({one(3).identifier: None, one(25).identifier: one(25, "x"), one(90).identifier: one(90)})
    assert texts(tmp_path) == before
    monkeypatch.undo()
    monkeypatch.setattr(included, "_KEPT", 0)
    again = Included(str(tmp_path), 1)
    again.read()
    again.clear()
    assert texts(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == {
        "subnet-1.json",
        *reservation_files.parts((tmp_path / "subnet-1.json").read_bytes()),
    }


@pytest.mark.usefixtures("small")
def test_whole_new_files_take_no_part_of_the_present_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kea may start, or the disk be full, between the new parts and the file that includes them."""
    own = Included(str(tmp_path), 1)
    own.replace([one(number) for number in range(30)], with_parts=True)
    before = texts(tmp_path)

    for make in (own, Included(str(tmp_path), 1)):
        with monkeypatch.context() as patched:
            patched.setattr(files, "replace", full)
            with pytest.raises(files.TemporaryError, match="full"):
                make.replace([one(number) for number in range(1, 40)], with_parts=True)
        assert texts(tmp_path) == before


@pytest.mark.usefixtures("small")
def test_a_part_stays_while_a_reader_of_the_former_file_may_need_it(tmp_path: Path) -> None:
    own = Included(str(tmp_path), 1)
    own.replace([one(number) for number in range(30)], with_parts=True)
    former = (tmp_path / "subnet-1.json").read_bytes()
    own.change({one(number).identifier: one(number, "x") for number in range(30)})
    assert former != (tmp_path / "subnet-1.json").read_bytes()
    assert all((tmp_path / name).exists() for name in reservation_files.parts(former))


def test_a_new_one_beside_10000_others_writes_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Included(str(tmp_path), 1)
    own.replace([one(number) for number in range(10_000)], with_parts=True)
    written = []
    real = files.replace
    monkeypatch.setattr(
        files,
        "replace",
        lambda path, content, mode, **more: (written.append(len(content)), real(path, content, mode, **more)),
    )
    monkeypatch.setattr(batch_files, "replace_all", lambda contents, _mode: written.extend(map(len, contents.values())))
    own.change({one(10_000).identifier: one(10_000)})
    assert sum(written) < 1000


def test_a_missing_part_is_no_reservation_and_another_program_s_edit_is_noticed(tmp_path: Path) -> None:
    own = Included(str(tmp_path), 1)
    own.replace([one(number) for number in range(3000)], with_parts=True)
    assert own.is_current()
    part = tmp_path / reservation_files.parts((tmp_path / "subnet-1.json").read_bytes())[0]
    part.unlink()
    with pytest.raises(ValueError, match="Expecting value"):
        texts(tmp_path)
    (tmp_path / "subnet-1.json").write_text("")
    assert not own.is_current()


def test_no_link_is_followed_to_a_part(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(one(1).text)
    (tmp_path / "subnet-1.1.json").symlink_to("secret")
    (tmp_path / "subnet-1.json").write_bytes(reservation_files.joined(str(tmp_path), ["subnet-1.1.json"], b""))
    with pytest.raises(OSError, match="subnet-1"):
        reservation_files.whole(str(tmp_path / "subnet-1.json"))
