# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots of what was measured. Only this file needs matplotlib (requirements.txt).

bench-monitor plots its latencies. As a program, ``plot.py DIRECTORY`` draws the plots of sizing.json into a directory.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any, Mapping, Sequence

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

COLOURS = ("#999999", "#d95f02", "#7570b3", "#1b9e77")
GOALS = ((0.50, 5.0), (0.99, 20.0))
"""Goals: share of the leases, and within how many milliseconds."""
POINTS = 200
"""Points of a line; few, because the picture is part of the documentation."""


def latencies(path: str, measured: Mapping[int, Mapping[str, Sequence[float]]]) -> None:
    """Plot, for each rate and variant, which share of the leases was done within what time."""
    figure, axes = plt.subplots(1, len(measured), figsize=(5.2 * len(measured), 3.8), sharey=True, squeeze=False)
    for axis, (rate, variants) in zip(axes[0], measured.items(), strict=True):
        for colour, (name, values) in zip(COLOURS, variants.items(), strict=True):
            ordered = sorted(values)
            shares = [(index + 1) / POINTS for index in range(POINTS)]
            ordered = [ordered[math.ceil(share * len(ordered)) - 1] for share in shares]
            axis.step(ordered, shares, where="post", label=name, color=colour, linewidth=1.6)
        for share, limit in GOALS:
            axis.plot([limit], [share], "x", color="black", label="goals" if share == GOALS[0][0] else None)
        axis.set(xscale="log", xlabel="milliseconds from the lease's commit", title=f"{rate} leases/s", ylim=(0, 1.02))
        axis.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _place: f"{value:g}"))
        axis.grid(alpha=0.3, which="both", linewidth=0.5)
    axes[0][0].set_ylabel("share of the leases")
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="lower center", ncols=5, fontsize=8, frameon=False)
    _save(figure, path)


def points(path: str, given: Mapping[str, Any]) -> None:
    """Plot measured points, each with its figure."""
    figure, axes = plt.subplots(figsize=(5.2, 3.4))
    axes.plot(*zip(*given["points"]), "o-", color=COLOURS[3], linewidth=1.6)
    for across, up in given["points"]:
        axes.annotate(f"{up:.2f}", (across, up), (-5, 4), textcoords="offset points", ha="right", fontsize=8)
    axes.margins(0.12)
    axes.set(xlabel=given["x"], ylabel=given["y"], title=given["title"])
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    _finish(figure, axes, path)


def bars(path: str, given: Mapping[str, Any]) -> None:
    """Plot a bar of each kind for each group, with its figure."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    width = 0.8 / len(given["bars"])
    for number, (colour, (name, heights)) in enumerate(zip(COLOURS, given["bars"].items())):
        places = [group + (number - (len(given["bars"]) - 1) / 2) * width for group in range(len(heights))]
        drawn = axes.bar(places, heights, width, label=name, color=colour)
        axes.bar_label(drawn, fmt="{:,.0f}", fontsize=7, padding=2)
    axes.margins(y=0.12)
    axes.set_xticks(range(len(given["groups"])), given["groups"])
    axes.set(ylabel=given["y"], title=given["title"])
    axes.yaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    _finish(figure, axes, path)


def _finish(figure: Any, axes: Any, path: str) -> None:
    axes.grid(alpha=0.3, axis="y", linewidth=0.5)
    figure.tight_layout()
    _save(figure, path)


def _save(figure: Any, path: str) -> None:
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main(directory: str) -> None:
    """Draw each plot of sizing.json into a file of its name."""
    # Otherwise each run gives the parts of a picture other names.
    matplotlib.rcParams["svg.hashsalt"] = "sizing"
    for name, given in json.loads(Path(__file__).with_name("sizing.json").read_text(encoding="utf-8")).items():
        path = str(Path(directory, f"{name}.svg"))
        (bars if "bars" in given else points)(path, given)
        print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
