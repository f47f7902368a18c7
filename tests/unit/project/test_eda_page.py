# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebook, its variables in docs/eda.md, and the fields of an event in docs/monitor.md, compared with the code."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest
import yaml
from jinja2 import StrictUndefined
from jinja2.nativetypes import NativeEnvironment
from kea_lease_monitor.kea.machine import Machine
from kea_lease_monitor.lease import EventKind, Lease, LeaseEvent, LeaseState
from kea_lease_monitor.sinks import message
from support.paths import ROOT

EDA = ROOT / "extensions/eda"
ROW = re.compile(r"^\| ((?:`kea_eda_\w+`(?:, )?)+) \| (\S+) \|", re.MULTILINE)
FIELD = re.compile(r"^\| `([a-z_.]+)` \| ((?:text|number)(?: or null)?) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def plugin() -> dict[str, Any]:
    return runpy.run_path(str(EDA / "plugins/event_source/lease_events.py"))


@pytest.fixture(scope="module")
def options(plugin: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(plugin["DOCUMENTATION"])["options"]
    return found


def arguments(**variables: object) -> dict[str, Any]:
    """Return the arguments of the event source, as ansible-rulebook makes them of variables."""
    [rulebook] = yaml.safe_load((EDA / "rulebooks/new_bmc_events.yml").read_text(encoding="utf-8"))
    [(_name, texts)] = rulebook["sources"][0].items()
    environment = NativeEnvironment(undefined=StrictUndefined)
    return {key: environment.from_string(text).render(variables) for key, text in texts.items()}


def test_the_rulebook_has_each_option_with_the_default_of_the_event_source(
    plugin: dict[str, Any], options: dict[str, dict[str, Any]]
) -> None:
    required = {"bookmark": "/var/lib/eda/bookmark", "login_user": "eda"}
    found = arguments(**{f"kea_eda_{name}": value for name, value in required.items()})
    assert found == {name: required.get(name, option.get("default")) for name, option in options.items()}
    plugin["Reader"].of(found).close()


def test_the_rulebook_passes_each_variable_to_the_option_of_its_name(options: dict[str, dict[str, Any]]) -> None:
    assert arguments(**{f"kea_eda_{name}": f"a-{name}" for name in options}) == {name: f"a-{name}" for name in options}


def test_the_page_has_each_variable_with_its_default(options: dict[str, dict[str, Any]]) -> None:
    rows = ROW.findall((ROOT / "docs/eda.md").read_text(encoding="utf-8"))
    documented = {name: default.strip("`*") for names, default in rows for name in re.findall(r"kea_eda_(\w+)", names)}
    assert documented == {
        name: "required" if option.get("required") else str(option.get("default", "none"))
        for name, option in options.items()
    }


def test_the_page_of_the_monitor_has_each_field_of_an_event_with_its_type() -> None:
    lease = Lease(4, "192.0.2.1", 1, "", "", "", 0, 0, None, LeaseState.DEFAULT, "")
    shown: dict[str, Any] = {}
    for name, value in message.item(LeaseEvent(EventKind.ASSIGNED, lease, "x", None)).items():
        shown.update(
            {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
        )
    types = {str: "text", type(None): "number or null"}
    documented = dict(FIELD.findall((ROOT / "docs/monitor.md").read_text(encoding="utf-8")))
    assert documented == {name: types.get(type(value), "number") for name, value in shown.items()}
    assert set(documented) >= {f"machine.{name}" for name in Machine._fields}
