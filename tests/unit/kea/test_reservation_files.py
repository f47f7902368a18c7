# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of managed reservations and its parts, as every program of ours reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from _kea import reservation_files

PLAIN = b'{"ip-address": "10.0.0.1"},\n{"ip-address": "10.0.0.2"}\n'


@pytest.mark.parametrize("latest", [b"", b'{"ip-address": "10.0.0.9"}\n'])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_file_with_parts_reads_as_one_file(tmp_path: Path, count: int, latest: bytes) -> None:
    names = [reservation_files.part_name(7, number) for number in range(count)]
    for name in names:
        (tmp_path / name).write_bytes(PLAIN)
    content = reservation_files.joined(str(tmp_path), names, latest)
    path = tmp_path / "subnet-7.json"
    path.write_bytes(content)
    assert (reservation_files.parts(content), reservation_files.latest(content)) == (names, latest)
    pieces = [PLAIN.rstrip(b"\n")] * count + ([latest.rstrip(b"\n")] if latest else [])
    assert reservation_files.whole(str(path)) == (b",\n".join(pieces) + b"\n" if pieces else b"")


def test_what_a_person_includes_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "subnet-7.json"
    path.write_text('<?include "/etc/kea/site.json"?>,\n{"ip-address": "10.0.0.9"}\n')
    assert reservation_files.parts(path.read_bytes()) == []
    assert reservation_files.whole(str(path)) == reservation_files.latest(path.read_bytes()) == path.read_bytes()


@pytest.mark.parametrize("name", ["subnet-7.json", "subnet-7.x.json", ".subnet-7.1.json.tmp", "subnet-7.1.json.bak"])
def test_other_files_are_no_parts(name: str) -> None:
    assert not reservation_files.is_part(name)
    assert reservation_files.is_part("subnet-7.12.json")
