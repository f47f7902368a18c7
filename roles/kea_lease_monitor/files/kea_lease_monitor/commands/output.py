# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Output of the commands: JSON for programs, tables for people."""

from __future__ import annotations

import json
import sys
from typing import Any, Dict, Optional, Sequence, TextIO

from kea_lease_monitor.printable import printable

_AGES = ("since", "beat", "bookmark", "waiting")


def show(line: str, file: Optional[TextIO] = None) -> None:
    """Print one line, whatever a client put into it."""
    print(printable(line), file=file or sys.stdout)


def as_json(lines: Sequence[Dict[str, Any]]) -> str:
    """Return the lines as a JSON list."""
    return json.dumps(list(lines))


def as_table(lines: Sequence[Dict[str, Any]], columns: Sequence[str]) -> str:
    """Return the lines as a table. Empty columns are left out."""
    shown = [name for name in columns if any(line[name] not in (None, "") for line in lines)] or list(columns)
    rows = [tuple(name.replace("_", " ").upper() for name in shown)]
    rows += [tuple(_cell(name, line[name]) for name in shown) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(shown))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _cell(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    return age(float(str(value))) if name in _AGES else printable(str(value).splitlines()[-1])


def age(seconds: float) -> str:
    """Return a duration for people, with about two digits."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
