# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: writes many rows at once with PostgreSQL's COPY in its text format."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any, Iterable, Sequence

from .session import Session, translated

# The format cannot hold a NUL.
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": ""}


def copy_in(session: Session, statement: str, rows: Iterable[Sequence[Any]]) -> None:
    """Run COPY ... FROM STDIN with these rows. Raises PostgresError."""
    text = "".join("\t".join(map(_field, row)) + "\n" for row in rows)
    with translated(statement):
        session.cursor.copy_expert(statement, StringIO(text))


def _field(value: Any) -> str:
    if value is None:
        return r"\N"
    if isinstance(value, bytes):
        return rf"\\x{value.hex()}"
    return re.sub(r"[\\\t\n\r\0]", lambda found: _ESCAPES[found.group()], str(value))
