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


ONE, TWO, THREE = (f'{{"hw-address": "02:00:00:00:00:0{number}", "ip-address": "10.0.0.{number}"}}' for number in "123")
NEW = '{"hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.9"}'
GONE = '{"hw-address": "02:00:00:00:00:02"}'
BEFORE = f"# rack 1\n{ONE},\n// rack 2\n{TWO}\n"


def texts(content: str) -> list[str]:
    return [one.text for one in host_maps.parse(content).maps]


def test_a_map_takes_the_place_of_the_one_that_it_replaces() -> None:
    found = host_maps.parse(BEFORE + host_maps.line(THREE) + host_maps.line(NEW, host_maps.REPLACES))
    assert [(one.comment, one.text, one.line) for one in found.maps] == [
        ("# rack 1", NEW, 6),
        ("// rack 2", TWO, 4),
        ("", THREE, 5),
    ]


def test_a_removed_map_leaves_its_comment_and_may_come_again() -> None:
    content = f"{BEFORE}# end\n" + host_maps.line(GONE, host_maps.REMOVED)
    found = host_maps.parse(content)
    assert ([one.text for one in found.maps], found.comment) == ([ONE], "// rack 2\n# end")
    again = host_maps.parse(content + host_maps.line(TWO))
    assert [(one.comment, one.text) for one in again.maps] == [("# rack 1", ONE), ("// rack 2\n# end", TWO)]


def test_identifiers_are_compared_by_bytes_and_with_their_kind() -> None:
    person = '{"hw-address": "2:0:0:0:0:1", "ip-address": "10.0.0.1"}'
    other = '{"client-id": "020000000001", "ip-address": "10.0.0.5"}'
    changed = host_maps.line(NEW, host_maps.REPLACES)
    assert texts(f"{person},\n{other}\n{changed}") == [NEW, other]
    assert texts(f"{other}\n{changed}") == [other, NEW], "one that replaces nothing counts as well"
    assert texts(f"{other}\n" + host_maps.line(GONE, host_maps.REMOVED)) == [other]


def test_of_two_maps_of_a_client_the_last_one_is_meant() -> None:
    """A person wrote both. Kea refuses the second one, and the applier says so."""
    twice = f"{ONE},\n{ONE.replace('.1', '.7')}\n"
    assert len(texts(twice)) == 2
    assert texts(twice + host_maps.line(NEW, host_maps.REPLACES)) == [ONE, NEW]
    assert texts(twice + host_maps.line('{"hw-address": "02:00:00:00:00:01"}', host_maps.REMOVED)) == [ONE]


@pytest.mark.parametrize(
    "line",
    [
        host_maps.line(THREE),
        host_maps.line(NEW, host_maps.REPLACES),
        host_maps.line(GONE, host_maps.REMOVED),
        host_maps.line(GONE, host_maps.REMOVED) + host_maps.line(NEW, host_maps.REPLACES),
    ],
)
def test_half_a_line_is_never_read_as_whole(line: str) -> None:
    whole = ["", *(line[: end + 1] for end in range(len(line)) if line[end] == "\n")]
    allowed = [texts(BEFORE + some) for some in whole]
    for cut in range(len(line)):
        assert texts(BEFORE + line[:cut]) in allowed, line[:cut]
        torn = list(host_maps.Stream((BEFORE + line[:cut]).encode().splitlines(keepends=True)))
        assert list(host_maps.latest((one, one.text) for one in torn).values()) in allowed


@pytest.mark.parametrize("text", ["{oops\n{}", ",{}, {", ",/*replaces*/{}, {", "/*x*/ {", ",/*other*/{", ",/x"])
def test_what_a_person_broke_is_no_half_line(text: str) -> None:
    with pytest.raises(ValueError, match="is not valid"):
        host_maps.parse(text)


def test_a_compacted_file_has_what_counts_and_no_more() -> None:
    content = (BEFORE + host_maps.line(NEW, host_maps.REPLACES) + host_maps.line(GONE, host_maps.REMOVED)).encode()
    assert host_maps.compacted(content) == f"# rack 1\n{NEW}\n// rack 2\n".encode()
    assert host_maps.compacted(BEFORE.encode()) == BEFORE.encode()
    assert host_maps.compacted(b"") == b""


SPELLED = st.sampled_from(
    [ONE, NEW, THREE, "{ # a board\n }", '{"hostname": "\u00fc\U0001f600"}', "[1,\n2]", "/*replaces*/{}"]
)


@given(st.lists(st.tuples(COMMENTS, SPELLED), max_size=12), COMMENTS, st.integers(1, 200))
def test_a_file_read_in_groups_is_the_same_as_read_whole(maps: list[tuple[str, str]], comment: str, group: int) -> None:
    text = host_maps.render(maps, comment)
    content = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host_maps, "_GROUP", group)
        stream = host_maps.Stream(content.splitlines(keepends=True))
        found = list(stream)
    whole = host_maps._split(text)
    assert [one._replace(at=0) for one in found] == [one._replace(at=0) for one in whole.maps]
    assert stream.comment == whole.comment
    for one in found:
        assert content[one.at :].startswith(one.text.encode())


def test_a_broken_map_is_named_by_its_line_in_a_group_too() -> None:
    content = (f"{ONE},\n" * 3000 + "{oops}\n").encode()
    with pytest.raises(ValueError, match="begins in line 3001 is not valid"):
        list(host_maps.Stream(content.splitlines(keepends=True)))


def test_a_mark_at_the_end_of_a_file_changes_no_map_that_is_added_later() -> None:
    """Found by the fuzzer: the reservation that followed counted as removed."""
    text = host_maps.line('{"hw-address": "02:00:00:00:00:01"}') + "/*removed*/\n"
    found = host_maps.parse(text + host_maps.line('{"hw-address": "02:00:00:00:00:02"}'))
    assert [one.value["hw-address"][-1] for one in found.maps] == ["1", "2"]
