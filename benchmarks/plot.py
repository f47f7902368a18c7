# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plot of the distribution of latencies. Only this file needs matplotlib (requirements.txt)."""

from __future__ import annotations

import math
from typing import Mapping, Sequence

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
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)
