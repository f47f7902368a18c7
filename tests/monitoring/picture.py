# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw all panels of the dashboard with what a real Prometheus read of real monitors. Grafana takes no part in it.

Each query of a panel is executed by Prometheus. It fails if one is refused or returns nothing, unless EMPTY has the
reason why.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from metered import INTERVAL, Site

EMPTY: dict[str, str] = {}
"""Why a query returns nothing: by the panel's title and the query's refId, as in C(Title/A)."""
COLUMNS = 24
"""Width of a dashboard, in the unit of gridPos."""
INCHES = 0.72
"""Inches of one unit of width; one unit of height has half of that, as in Grafana about."""
FILLS = {"green": "#56a64b", "orange": "#ff9830", "red": "#e02f44"}
LINES = ("#1f78c1", "#e0752d", "#508642", "#890f02", "#584477", "#b7a200", "#447ebc", "#c15c17", "#6d1f62", "#0a437c")


class Answer(NamedTuple):
    """What Prometheus returned for a query of a panel."""

    target: dict[str, Any]
    series: list[dict[str, Any]]

    def name(self, labels: dict[str, str]) -> str:
        """Return the name of a series in the legend."""
        text = self.target.get("legendFormat", "")
        return re.sub(r"{{ *(\w+) *}}", lambda found: labels.get(found[1], ""), text).strip()


class Span(NamedTuple):
    """The time that is shown, in epoch seconds."""

    begin: float
    end: float


def ask(site: Site, panel: dict[str, Any], span: Span) -> list[Answer]:
    """Return the answers to the queries of a panel. Raise ValueError with the panel's title."""
    answers = []
    for target in panel["targets"]:
        expression = target["expr"].replace("$instance", ".*")
        try:
            if target.get("instant"):
                series = site.prometheus.query("query", query=expression, time=span.end)
            else:
                times = {"start": span.begin, "end": span.end, "step": INTERVAL}
                series = site.prometheus.query("query_range", query=expression, **times)
        except ValueError as error:
            raise ValueError(f"panel {panel['title']!r}: {error}") from error
        answers.append(Answer(target, series))
    return answers


def problems(panel: dict[str, Any], answers: list[Answer]) -> Iterator[str]:
    """Yield what is wrong with the answers to the queries of a panel."""
    for answer in answers:
        key = f"{panel['title']}/{answer.target['refId']}"
        numbers = [float(value) for each in answer.series for _time, value in each.get("values", [each.get("value")])]
        empty = not [number for number in numbers if not math.isnan(number)]
        if empty != (key in EMPTY):
            yield f"{key}: it has data, which EMPTY denies" if not empty else f"{key}: no data"


def shown(value: float, defaults: dict[str, Any]) -> str:
    """Return a value in the unit of a panel, as Grafana writes it about."""
    unit = defaults.get("unit", "short")
    if unit == "percentunit":
        return f"{value * 100:.3g}%"
    if unit == "s":
        steps = ((1, 1e-3, "ms"), (60, 1, "s"), (3600, 60, "min"), (float("inf"), 3600, "h"))
        _limit, size, name = next(step for step in steps if abs(value) < step[0])
        return f"{value / size:.3g} {name}" if value else "0 s"
    return f"{value:.3g}{' ops/s' if unit == 'ops' else ''}"


def fill(value: float, defaults: dict[str, Any]) -> str:
    """Return the colour of a value by the panel's thresholds."""
    steps = defaults["thresholds"]["steps"]
    return FILLS[[step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1]]


def draw_stat(axes: Axes, panel: dict[str, Any], answers: list[Answer], _span: Span) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    axes.set(xticks=[], yticks=[])
    values = [float(each["value"][1]) for answer in answers for each in answer.series]
    if values:
        axes.set_facecolor(fill(values[0], defaults))
    text = ", ".join(shown(value, defaults) for value in values) or "No data"
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=22, color="white")


def draw_timeseries(axes: Axes, panel: dict[str, Any], answers: list[Answer], span: Span) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    lines = [(answer.name(each["metric"]), each["values"]) for answer in answers for each in answer.series]
    for number, (name, values) in enumerate(lines):
        times = [moment - span.begin for moment, _value in values]
        heights = [float(value) for _time, value in values]
        colour = LINES[number % len(LINES)]
        # Drawn over the frame: many lines are at 0.
        axes.plot(times, heights, label=name, color=colour, lw=1.2, clip_on=False, zorder=3)
    axes.set(xlim=(0, span.end - span.begin))
    low, high = axes.get_ylim()
    axes.set_ylim(defaults.get("min", low), defaults.get("max", high))
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:.0f} s")
    axes.yaxis.set_major_formatter(lambda value, _place: shown(value, defaults))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3, linewidth=0.5)
    if lines:
        place = {"loc": "upper center", "bbox_to_anchor": (0.45, -0.1), "ncols": 4, "columnspacing": 1}
        axes.legend(fontsize=5.5, frameon=False, handlelength=1.2, **place)
    else:
        axes.text(0.5, 0.5, "No data", transform=axes.transAxes, ha="center", va="center", color="grey")


def table(panel: dict[str, Any], answers: list[Answer]) -> list[list[str]]:
    """Return the rows of a table, the first of which has the names of the columns."""
    (answer,) = answers
    if answer.target.get("format") != "table":
        # Grafana shows one series of those, and its name is that of the column.
        return [["Time", str(each["metric"])] for each in answer.series[:1]]
    names = ["Time", *sorted({label for each in answer.series for label in each["metric"]}), "Value"]
    rows = [{**each["metric"], "Time": "...", "Value": each["value"][1]} for each in answer.series]
    for step in panel.get("transformations", []):
        options = step["options"]
        names = [name for name in names if not options["excludeByName"].get(name)]
        names.sort(key=lambda name: options["indexByName"].get(name, len(names)))
        heads = [options["renameByName"].get(name, name) for name in names]
    return [heads if panel.get("transformations") else names, *([row.get(name, "") for name in names] for row in rows)]


def draw_table(axes: Axes, panel: dict[str, Any], answers: list[Answer], _span: Span) -> None:
    axes.set(xticks=[], yticks=[])
    rows = table(panel, answers)
    height = 0.09 * len(rows)
    drawn = axes.table(cellText=rows, cellLoc="left", edges="horizontal", bbox=(0.01, 0.99 - height, 0.98, height))
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)


DRAW = {"stat": draw_stat, "timeseries": draw_timeseries, "table": draw_table}


def place(figure: Any, panel: dict[str, Any], height: int) -> Axes:
    """Return axes at the panel's place, below a line for its title."""
    at, legend = panel["gridPos"], 1.5 if panel["type"] == "timeseries" else 0.2
    left, right = 1.1 if panel["type"] == "timeseries" else 0.15, 0.15
    bottom = height - at["y"] - at["h"] + legend
    box = (at["x"] + left, bottom, at["w"] - left - right, at["h"] - legend - 0.9)
    axes: Axes = figure.add_axes((box[0] / COLUMNS, box[1] / height, box[2] / COLUMNS, box[3] / height))
    axes.set_title(panel["title"], fontsize=9, loc="left", pad=4)
    return axes


def draw(path: Path, dashboard: dict[str, Any], answers: dict[int, list[Answer]], span: Span) -> None:
    """Write a picture of all panels."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    figure = plt.figure(figsize=(COLUMNS * INCHES, height * INCHES / 2))
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        if panel["type"] == "row":
            text = f"▾ {panel['title']}"
            figure.text((at["x"] + 0.15) / COLUMNS, 1 - (at["y"] + 0.8) / height, text, fontsize=11, weight="bold")
        else:
            DRAW[panel["type"]](place(figure, panel, height), panel, answers[panel["id"]], span)
    figure.savefig(path, dpi=80)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150, help="for how long the monitors are read")
    parser.add_argument("dashboard", type=Path)
    parser.add_argument("picture", type=Path)
    given = parser.parse_args()
    dashboard = json.loads(given.dashboard.read_text(encoding="utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        site = Site(stack, directory)
        begin = time.time()
        site.live(given.seconds)
        span = Span(begin, time.time())
        answers = {panel["id"]: ask(site, panel, span) for panel in panels}
    draw(given.picture, dashboard, answers, span)
    found = [problem for panel in panels for problem in problems(panel, answers[panel["id"]])]
    print("\n".join(found) or f"{given.picture}: each query of {len(panels)} panels has data")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
