# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics: their table in the documents, and the rules and the dashboard that use them."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest
import yaml
from kea_lease_monitor import metrics
from kea_lfc_cleanup.report import FIELDS, Report
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from support.paths import ROOT

MONITORING = ROOT / "extensions/monitoring"
ROW = re.compile(r"^\| `(kea_\w+)` \| (counter|gauge|histogram) \|([\w, ]*)\| .+ \|$", re.MULTILINE)
NAME = re.compile(r"\b(up|kea_(?:lease_monitor|lfc)_\w+)\b")
LABEL = re.compile(r"(\w+)(?:=~|!~|!=|=)\"")
GROUPED = re.compile(r"\b(?:by|without|on|ignoring) \(([^)]*)\)")
PROMETHEUS_OWN = {"instance", "job", "le"}
"""Labels that Prometheus itself adds, and that of a histogram."""


class Metric(NamedTuple):
    type: str
    labels: frozenset[str]


def documented() -> dict[str, Metric]:
    rows = ROW.findall((ROOT / "docs/monitoring.md").read_text(encoding="utf-8"))
    return {name: Metric(kind, frozenset(re.findall(r"\w+", labels))) for name, kind, labels in rows}


def of_the_monitor() -> Iterator[tuple[str, Metric]]:
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase):
            (family,) = each.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            yield name, Metric(family.type, frozenset(each._labelnames))


def of_the_lfc_program(directory: Path) -> Iterator[tuple[str, Metric]]:
    report = Report("finish", "", 3600, str(directory), 4)
    report.values.update(dict.fromkeys(FIELDS, 1), strategy="finish", outcome="finished")
    report.write()
    for family in text_string_to_metric_families((directory / "kea_lfc4.prom").read_text()):
        labels = frozenset(name for sample in family.samples for name in sample.labels)
        yield family.name, Metric(family.type, labels)


@pytest.fixture
def exported(tmp_path: Path) -> dict[str, Metric]:
    return {**dict(of_the_monitor()), **dict(of_the_lfc_program(tmp_path))}


def test_the_table_has_each_metric_with_its_type_and_labels(exported: dict[str, Metric]) -> None:
    assert documented() == exported


def dashboard() -> Any:
    return json.loads((MONITORING / "kea-dashboard.json").read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((MONITORING / "kea.rules.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[str]:
    variable = dashboard()["templating"]["list"][1]["query"]["query"]
    queries = [target["expr"] for panel in panels() for target in panel["targets"]]
    return [*(rule["expr"] for rule in rules()), *queries, variable]


@pytest.mark.parametrize("expression", expressions())
def test_rules_and_dashboard_use_metrics_that_are_exported(expression: str) -> None:
    known = {**documented(), "up": Metric("gauge", frozenset())}
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(expression)}
    assert names
    assert names <= known.keys()
    grouped = {each.strip() for found in GROUPED.findall(expression) for each in found.split(",")}
    labels = {label for name in names for label in known[name].labels}
    assert {*LABEL.findall(expression), *grouped} - PROMETHEUS_OWN <= labels


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_says_what_happened_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert {"summary", "description"} == rule["annotations"].keys()
    shown = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(rule["expr"])} & documented().keys()
    known = [documented()[name].labels for name in names]
    assert shown - PROMETHEUS_OWN <= frozenset().union(*known)


def test_each_alert_is_documented_and_has_both_cases() -> None:
    alerts = [rule["alert"] for rule in rules()]
    cases = yaml.safe_load((MONITORING / "kea.rules.test.yml").read_text(encoding="utf-8"))["tests"]
    raised = [bool(case["promql_expr_test"][0]["exp_samples"]) for case in cases]
    named = [re.findall(r'alertname="(\w+)"', case["promql_expr_test"][0]["expr"])[0] for case in cases]
    assert sorted(zip(named, raised)) == sorted((alert, case) for alert in alerts for case in (False, True))
    text = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    assert [alert for alert in alerts if f"`{alert}`" not in text] == []


def test_each_panel_has_a_place_and_a_query_of_the_chosen_source() -> None:
    found = dashboard()
    ids = [panel["id"] for panel in found["panels"]]
    assert len(set(ids)) == len(ids)
    for one, other in combinations([panel["gridPos"] for panel in found["panels"]], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_a_table_asks_for_a_table_and_no_axis_begins_below_0() -> None:
    """Grafana shows one series of any other answer in a table."""
    formats = {target.get("format") for panel in panels() if panel["type"] == "table" for target in panel["targets"]}
    assert formats == {"table"}
    drawn = [panel["fieldConfig"]["defaults"] for panel in panels() if panel["type"] == "timeseries"]
    assert {defaults.get("min") for defaults in drawn} == {0}
