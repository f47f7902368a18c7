# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of reservations that a configuration includes."""

from __future__ import annotations

from pathlib import Path

import pytest
from _kea import host_maps, program
from hypothesis import given
from hypothesis import strategies as st
from lfc.world import need

TEXT = """# first
{"hw-address": "02:00:00:00:00:01",
 "ip-address": "10.0.0.1"}, // second
{"hw-address": "02:00:00:00:00:02", "ip-address": "10.0.0.2"}
/* the
end */
"""


def test_a_file_written_by_a_person() -> None:
    found = host_maps.parse(TEXT)
    assert [(one.comment, one.line) for one in found.maps] == [("# first", 2), ("// second", 4)]
    assert [one.value["ip-address"] for one in found.maps] == ["10.0.0.1", "10.0.0.2"]
    assert found.maps[0].text == '{"hw-address": "02:00:00:00:00:01",\n "ip-address": "10.0.0.1"}'
    assert found.comment == "/* the\nend */"


@pytest.mark.parametrize("text", ["", "\n", " ,,\n"])
def test_a_file_without_reservations(text: str) -> None:
    assert host_maps.parse(text) == host_maps.HostMaps([], "")
    assert host_maps.render([]) == "\n"


def test_a_broken_reservation_is_named_by_its_line() -> None:
    with pytest.raises(ValueError, match="the reservation that begins in line 2 is not valid: "):
        host_maps.parse('{"hw-address": "02:00:00:00:00:01"},\n{"hw-address": }\n')


COMMENTS = st.sampled_from(["", "# one", "// one\n# two", "/* one, */"])


@given(st.lists(st.tuples(COMMENTS, st.sampled_from(['{"a": 1}', "{}"]))), COMMENTS)
def test_what_was_written_is_read_again(maps: list[tuple[str, str]], comment: str) -> None:
    found = host_maps.parse(host_maps.render(maps, comment))
    assert [(one.comment, one.text) for one in found.maps] == maps
    assert found.comment == comment


@pytest.mark.parametrize(
    "text", [TEXT, host_maps.render([("# a", '{"hw-address": "02:00:00:00:00:03", "hostname": "c"}')], "// b")]
)
def test_kea_reads_such_a_file(tmp_path: Path, text: str) -> None:
    found = host_maps.parse(text)
    (tmp_path / "hosts.json").write_text(host_maps.render([one[:2] for one in found.maps], found.comment))
    (tmp_path / "kea.conf").write_text(
        f"""{{"Dhcp4": {{"interfaces-config": {{"interfaces": []}}, "subnet4": [{{"id": 1, "subnet": "10.0.0.0/24",
        "reservations": [<?include "{tmp_path}/hosts.json"?>]}}]}}}}"""
    )
    done = program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf"))
    assert done.code == 0, done.output
