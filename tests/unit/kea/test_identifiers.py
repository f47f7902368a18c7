# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spellings of identifiers; what Kea's configuration accepts is asked from Kea itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from _kea import identifiers, program
from hypothesis import given
from hypothesis import strategies as st
from lfc.world import need

SPELLINGS = [
    ("02:00:00:00:00:ab", "02:00:00:00:00:ab"),
    ("02:00:00:00:00:AB", "02:00:00:00:00:ab"),
    ("2:0:0:0:0:ab", "02:00:00:00:00:ab"),
    ("02 00 00 00 00 AB", "02:00:00:00:00:ab"),
    ("0200000000AB", "02:00:00:00:00:ab"),
    ("0x0200000000ab", "02:00:00:00:00:ab"),
    ("200000000ab", "02:00:00:00:00:ab"),
    ("'a:b'", "61:3a:62"),
]
FOR_PEOPLE = [
    ("02-00-00-00-00-AB", "02:00:00:00:00:ab"),
    ("0X0200000000ab", "02:00:00:00:00:ab"),
    (" 02:00:00:00:00:ab\n", "02:00:00:00:00:ab"),
]


def kea_says(tmp_path: Path, *names: str) -> program.Result:
    """Kea's check of a subnet with a reservation for each of these DUIDs."""
    hosts = [{"duid": name, "ip-address": f"10.0.0.{number}"} for number, name in enumerate(names, 1)]
    subnet = {"id": 1, "subnet": "10.0.0.0/24", "reservations": hosts}
    config = {"Dhcp4": {"interfaces-config": {"interfaces": []}, "subnet4": [subnet]}}
    (tmp_path / "kea.conf").write_text(json.dumps(config))
    return program.check(need("kea-dhcp4"), str(tmp_path / "kea.conf"))


@pytest.mark.parametrize(("text", "normal"), SPELLINGS + FOR_PEOPLE)
def test_all_spellings(text: str, normal: str) -> None:
    assert identifiers.spell(identifiers.parse(text)) == normal


@pytest.mark.parametrize(("text", "normal"), SPELLINGS)
def test_kea_takes_them_for_the_same(tmp_path: Path, text: str, normal: str) -> None:
    assert kea_says(tmp_path, text).code == 0
    if text != normal:
        twice = kea_says(tmp_path, text, normal)
        assert twice.code == 1
        assert "already" in twice.last_line


@pytest.mark.parametrize("text", ["", "''", "02::00", "ab:", ":ab", "02:0g", "0x", "02:00 00", "100:00", "hostname"])
def test_what_is_no_identifier(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="is no identifier in hex"):
        identifiers.parse(text)
    assert kea_says(tmp_path, text).code == 1


@pytest.mark.parametrize(("text", "normal"), [("", ""), ("AB", "ab"), ("02:00:AB", "02:00:ab")])
def test_the_spelling_of_lease_files(text: str, normal: str) -> None:
    assert identifiers.normal(text) == normal
    assert identifiers.spell(identifiers.octets(text)) == normal


@pytest.mark.parametrize("text", ["0200", "2:0", "02-00", "02:00:", "XY", "02:00\n"])
def test_what_no_lease_file_has(text: str) -> None:
    for read in (identifiers.normal, identifiers.octets):
        with pytest.raises(ValueError, match="is no identifier in hex"):
            read(text)


@given(st.binary(min_size=1))
def test_there_and_back(value: bytes) -> None:
    text = identifiers.spell(memoryview(value))
    assert identifiers.parse(text) == identifiers.octets(text) == value


def test_types() -> None:
    assert identifiers.TYPES[identifiers.HWADDR_TYPE] == "hw-address"
    assert identifiers.TYPES[identifiers.DUID_TYPE] == "duid"
