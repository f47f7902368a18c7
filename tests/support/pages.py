# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a page of docs/ has a reader write and run."""

from __future__ import annotations

import re
from typing import NamedTuple

from support.paths import ROOT

_BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Step(NamedTuple):
    """A file to write, or a command to run; the other one is empty."""

    file: str
    command: str
    text: str
    """Content of the file."""


def steps(page: str) -> list[Step]:
    """Return the steps of a page, in order. The first line of a file is a comment with its name."""
    found = []
    for kind, text in _BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if kind == "yaml":
            found.append(Step(text.partition("\n")[0].removeprefix("# "), "", text))
        else:
            found += [Step("", line.removeprefix("$ "), "") for line in text.splitlines()]
    return found
