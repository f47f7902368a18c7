# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client called its kind, as a lease tells it. tests/hosts/test_field.py has it from a real Kea 3.0."""

from __future__ import annotations

import json
from typing import Any

import pytest
from _kea import vendor_class
from hypothesis import given
from hypothesis import strategies as st


def context(told: Any) -> dict[str, Any]:
    return {"ISC": {"binding-variables": {"vendor-class": told}}}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("69:44:52:41:43", "iDRAC"),
        ("00:ff", "00:ff"),
        ("iDRAC", "iDRAC"),
        ("PXEClient:Arch:00007", "PXEClient:Arch:00007"),
        ("\u00e4\n", "c3:a4:0a"),
        ("", ""),
        (5, ""),
        (None, ""),
        ({}, ""),
    ],
)
def test_the_class_is_shown_as_text_if_it_is_one(told: Any, expected: str) -> None:
    assert vendor_class.of_context(context(told)) == vendor_class.of_context(json.dumps(context(told))) == expected


@pytest.mark.parametrize(
    "found", ["", None, "{", "binding-variables", {"ISC": []}, {"ISC": {"binding-variables": "x"}}]
)
def test_anything_else_tells_nothing(found: Any) -> None:
    assert vendor_class.of_context(found) == ""


@given(st.binary(min_size=1, max_size=300))
def test_what_is_shown_is_printable(octets: bytes) -> None:
    shown = vendor_class.of_context(context(octets.hex(":")))
    assert shown.isprintable()
    assert bytes.fromhex(shown.replace(":", "")) == octets if shown == octets.hex(":") else shown.encode() == octets
