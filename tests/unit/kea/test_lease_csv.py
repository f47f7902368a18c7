# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers, rows and escapes of lease files, as Kea writes and reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from _kea import lease_csv
from _kea.lease_csv import Header
from hypothesis import given
from hypothesis import strategies as st
from lfc.world import Server

HEADER4 = lease_csv.header_line(4)
HEADER6 = lease_csv.header_line(6)


@pytest.mark.parametrize("family", [4, 6])
def test_the_first_line_is_the_one_that_kea_writes(tmp_path: Path, family: int) -> None:
    server = Server(tmp_path, family, hook=False)
    server.start()
    server.stop()
    written = Path(server.files.current).read_text().splitlines()[0]
    assert written == lease_csv.header_line(family)
    assert lease_csv.is_header(written.encode())


@pytest.mark.parametrize(
    ("line", "family", "has_pools"),
    [
        (HEADER4, 4, False),
        (f"{HEADER4}\r\n", 4, False),
        (f"{HEADER4},pool_id\n", 4, True),
        (lease_csv.header_line(4, with_pools=True), 4, True),
        (HEADER6, 6, False),
        (lease_csv.header_line(6, with_pools=True), 6, True),
        (",".join(reversed(HEADER4.split(","))), 4, False),
    ],
)
def test_a_header(line: str, family: int, has_pools: bool) -> None:
    header = Header(line)
    assert (header.family, header.has_pools) == (family, has_pools)
    assert line.strip().split(",")[header.column["hostname"]] == "hostname"


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        ("", "address, hwaddr"),
        ("address,client_id", "no column hwaddr, valid_lifetime"),
        (HEADER6.replace("iaid,", ""), "no column iaid"),
        (HEADER4.replace("state", "condition"), "no column state"),
    ],
)
def test_a_line_that_is_no_header(line: str, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        Header(line)


ROW = "10.0.0.1,02:00:00:00:00:ab,,3600,1700003600,1,0,0,bmc,0,,7"
"""A row of Kea 2.4 and later."""


@pytest.mark.parametrize(
    ("columns", "width", "found"),
    [
        (9, 9, ("0", "", "0")),
        (9, 10, ("0", "", "0")),
        (9, 12, ("0", "", "7")),
        (10, 12, ("0", "", "7")),
        (11, 11, ("0", "", "0")),
        (11, 12, ("0", "", "7")),
        (12, 11, ("0", "", "0")),
        (12, 12, ("0", "", "7")),
        (12, 13, ("0", "", "7")),
    ],
)
def test_a_row_may_be_wider_or_lack_the_newest_column(columns: int, width: int, found: tuple[str, ...]) -> None:
    header = Header(",".join(lease_csv.header_line(4, with_pools=True).split(",")[:columns]))
    fields = header.split(",".join([*ROW.split(","), "more"][:width]))
    assert tuple(fields[header.column[name]] for name in ("state", "user_context", "pool_id")) == found
    assert fields[header.column["hostname"]] == "bmc"
    assert header.has_pools == (columns == 12)


@pytest.mark.parametrize(("columns", "width"), [(9, 8), (10, 9), (11, 10), (12, 10)])
def test_a_narrower_row_is_rejected(columns: int, width: int) -> None:
    header = Header(",".join(lease_csv.header_line(4, with_pools=True).split(",")[:columns]))
    with pytest.raises(ValueError, match=f"{width} fields instead of {columns}"):
        header.split(",".join(ROW.split(",")[:width]))


def test_rows_of_dhcpv6_are_completed_too() -> None:
    whole = lease_csv.header_line(6, with_pools=True).split(",")
    for columns in range(12, len(whole) + 1):
        header = Header(",".join(whole[:columns]))
        fields = header.split(",".join(whole))
        assert [fields[header.column[name]] for name in whole] == whole
        narrow = header.split(",".join(whole[: min(columns, 17)]))
        assert len(narrow) == len(header.column)


@pytest.mark.parametrize(
    ("field", "text"),
    [("", ""), ("{}", "{}"), ("{&#x22a&#x22: 1}\r", '{"a": 1}\r'), ('{"a": "&#xc3&#xbc"}', '{"a": "\u00fc"}')],
)
def test_a_user_context(field: str, text: str) -> None:
    assert lease_csv.context(field) == text


@pytest.mark.parametrize(
    "field",
    [
        "[1]",
        "{",
        '"x"',
        "null",
        "{} x",
        " ",
        "\t",
        "# c",
        "{'a': 1}",
        "{a: 1}",
        '{"a": NaN}',
        '{"a" 1}',
        "[" * 100_000,
        "9" * 5000,
    ],
)
def test_what_kea_does_not_take_for_a_user_context(field: str) -> None:
    with pytest.raises(ValueError, match="is no JSON map"):
        lease_csv.context(field)


def test_identifiers() -> None:
    assert [lease_csv.identifier(text) for text in ("", "2:0:AB", "02")] == ["", "02:00:ab", "02"]
    assert lease_csv.hwaddr(":".join(["02"] * 20)) == ":".join(["02"] * 20)
    with pytest.raises(ValueError, match="longer than 20 bytes"):
        lease_csv.hwaddr(":".join(["02"] * 21))
    for text in (":02", "02:", "020", "02-00", "zz"):
        with pytest.raises(ValueError, match="is no identifier"):
            lease_csv.identifier(text)


def test_flags() -> None:
    assert [lease_csv.flag(text) for text in ("0", "1", "01", "-0", "+1")] == [False, True, True, False, True]
    for text in ("", "2", "true", "-1"):
        with pytest.raises(ValueError, match="neither 0 nor 1"):
            lease_csv.flag(text)


@pytest.mark.parametrize(
    "text", ["", "-", "--1", " 1", "1_0", "1.0", "4294967296", "-4294967296", "9" * 5000, "\u0661"]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number up to 4294967295"):
        lease_csv.number(text, 2**32 - 1)


def test_numbers() -> None:
    texts = ("0", "007", "4294967295", "+1", "-1", "-0", "0" * 99 + "1")
    assert [lease_csv.number(text, 2**32 - 1) for text in texts] == [0, 7, 2**32 - 1, 1, 2**32 - 1, 0, 1]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("a&#x2cb", "a,b"),
        ("&#x26#x2c", "&#x2c"),
        ("{&#x22x&#x22}", '{"x"}'),
        ("a&b&#x", "a&b&#x"),
        ("b&#xc3&#xbcro&#x2C", "b\u00fcro,"),
        ("&#xff", "\ufffd"),
    ],
)
def test_escapes(field: str, text: str) -> None:
    assert lease_csv.unescape(field) == text


@given(st.text())
def test_every_text_is_a_field(text: str) -> None:
    field = lease_csv.escape(text)
    assert lease_csv.unescape(field) == text
    assert not {",", "\n", "\r"} & set(field)


@pytest.mark.parametrize(
    ("family", "state", "identifiers", "problem"),
    [
        (4, 0, ("", ""), "neither hwaddr nor client_id"),
        (4, 2, (b"", b""), "neither hwaddr nor client_id"),
        (6, 0, ("",), "no duid"),
        (4, 0, ("", "01:02"), ""),
        (4, 0, ("02:00", ""), ""),
        (4, lease_csv.DECLINED, ("", ""), ""),
        (6, lease_csv.DECLINED, ("",), ""),
    ],
)
def test_only_a_declined_lease_has_no_client(
    family: int, state: int, identifiers: tuple[object, ...], problem: str
) -> None:
    if not problem:
        lease_csv.check_client(family, state, *identifiers)
        return
    with pytest.raises(ValueError, match=problem):
        lease_csv.check_client(family, state, *identifiers)
