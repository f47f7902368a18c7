# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's equations of time, in files and in PostgreSQL."""

from __future__ import annotations

import pytest
from _kea import lifetime
from _kea.lifetime import INFINITE

NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("expire", "valid", "found"),
    [(NOW + 60, 60, (NOW, NOW + 60)), (NOW + INFINITE, INFINITE, (NOW, None)), (NOW, 0, (NOW, NOW))],
)
def test_rows_of_a_lease_file(expire: int, valid: int, found: tuple[int, int | None]) -> None:
    assert lifetime.of_row(expire, valid) == found
    assert lifetime.expire_of_row(found[0], valid) == expire


@pytest.mark.parametrize(
    ("expire", "valid", "found"),
    [(NOW + 60, 60, (NOW, NOW + 60)), (NOW, INFINITE, (NOW, None)), (NOW, 0, (NOW, NOW))],
)
def test_rows_in_postgresql(expire: int, valid: int, found: tuple[int, int | None]) -> None:
    assert lifetime.of_record(expire, valid) == found
    assert lifetime.expire_of_record(found[0], valid) == expire


def test_an_infinite_lease_never_expires() -> None:
    assert not lifetime.is_over(None, NOW * 10)
    assert lifetime.is_over(NOW, NOW)
    assert not lifetime.is_over(NOW + 1, NOW)


def test_the_expression_names_its_row() -> None:
    assert lifetime.sql_cltt("t") == (
        "(extract(epoch FROM t.expire)::float8 - coalesce(nullif(t.valid_lifetime, 4294967295), 0)::float8)"
    )
