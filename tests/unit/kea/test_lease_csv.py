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


def test_rows_have_the_width_of_the_header() -> None:
    header = Header(HEADER4)
    row = "10.0.0.1,02:00:00:00:00:ab,,3600,1700003600,1,0,0,bmc,0,"
    assert header.split(f"{row}\r\n")[header.column["hostname"]] == "bmc"
    for other in ("", f"{row},", row[:-1]):
        with pytest.raises(ValueError, match="fields instead of 11"):
            header.split(other)


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1_0", "1.0", "4294967296", "9" * 5000, "\u0661"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number up to 4294967295"):
        lease_csv.number(text, 2**32 - 1)


def test_numbers() -> None:
    assert [lease_csv.number(text, 2**32 - 1) for text in ("0", "007", "4294967295")] == [0, 7, 2**32 - 1]


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
