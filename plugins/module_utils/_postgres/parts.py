# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the parts that a statement is composed of, quoted by the driver."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple, Tuple, Union

# session.connect reports a missing library before anything is composed.
with contextlib.suppress(ImportError):
    from psycopg2 import sql

if TYPE_CHECKING:
    from psycopg2 import extensions


class Literal(NamedTuple):
    """A value within a statement."""

    value: str


class Words(NamedTuple):
    """A piece of SQL within a statement: only a constant of this collection or what it composed itself."""

    text: str


Part = Union[str, Tuple[str, ...], Literal, Words]
"""A text is an identifier, a tuple is a qualified identifier."""


def compose(cursor: extensions.cursor, template: str, **parts: Part) -> str:
    """Return the template with each ``{name}`` replaced by the part of that name."""
    return sql.SQL(template).format(**{name: _composable(part) for name, part in parts.items()}).as_string(cursor)


def _composable(part: Part) -> sql.Composable:
    if isinstance(part, Literal):
        return sql.Literal(part.value)
    if isinstance(part, Words):
        return sql.SQL(part.text)
    return sql.Identifier(part) if isinstance(part, str) else sql.Identifier(*part)
