# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Markdown table of a benchmark for docs/benchmarks.md, with the machine on which it was measured."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple, Sequence


class Goal(NamedTuple):
    text: str
    reached: bool


class Row(NamedTuple):
    """Row of the table; ``goal`` is None if it has no goal."""

    name: str
    cells: Sequence[str]
    goal: Goal | None


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def machine() -> str:
    """Return number of cores, processor, memory, load and date."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    parts = [
        f"{os.cpu_count()} cores ({model[1].strip() if model else platform.machine()})",
        f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "",
        f"load {os.getloadavg()[2]:.1f} before",
        time.strftime("%Y-%m-%d"),
    ]
    return ", ".join(part for part in parts if part)


def show(title: str, head: Sequence[str], rows: Sequence[Row]) -> None:
    """Print the table. The last column of ``head`` is for the goals."""
    print(f"\n### {title}\n\n{machine()}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        goal = f"{row.goal.text}: {'reached' if row.goal.reached else '**not reached**'}" if row.goal else ""
        print("| " + " | ".join([row.name, *row.cells, goal]) + " |")
    sys.stdout.flush()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
