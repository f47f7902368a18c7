# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of the plots in docs/sizing.md are those that the documents give."""

from __future__ import annotations

import json
import re

from support.paths import ROOT

PLOTS = json.loads((ROOT / "benchmarks/sizing.json").read_text(encoding="utf-8"))


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_each_plot_is_in_the_page() -> None:
    page = text_of("sizing.md")
    assert [name for name in PLOTS if f"({name}.svg)" not in page or not (ROOT / f"docs/{name}.svg").is_file()] == []


def test_the_pause_is_that_of_the_page() -> None:
    pauses = re.findall(r"([\d.]+) s at ([\d,]+)", text_of("sizing.md").partition("serves no client meanwhile: ")[2])
    said = [[int(count.replace(",", "")), float(seconds)] for seconds, count in pauses]
    assert PLOTS["pause"]["points"] == said[:3]


def test_the_rates_are_those_of_the_herd() -> None:
    rows = re.findall(r"^\| ([\w, ]+) \| \d+ \| (\d+)/s \| (\d+)/s \| (\d+)/s ", text_of("benchmarks.md"), re.MULTILINE)
    given = PLOTS["granted"]
    assert given["groups"] == [mode for mode, *_rates in rows]
    assert list(given["bars"].values()) == [[int(rate) for rate in rates] for rates in list(zip(*rows))[1:]]
