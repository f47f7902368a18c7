# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: the documented example, and one clear error for each mistake."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kea_lease_monitor import settings
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources import SOURCES
from kea_lease_monitor.state.place import DEFAULT_PATH
from kea_lease_monitor.subscriptions import Match

from runtime.builders import event

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "monitor.md"

GOOD: dict[str, Any] = {
    "source": {"type": "memfile"},
    "subscriptions": [{"name": "default", "sinks": [{"type": "reservation"}]}],
}


def test_the_documented_examples_are_valid() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        settings.parse(yaml.safe_load(example))


def test_what_is_not_said_has_a_default() -> None:
    found = settings.parse(GOOD)
    assert (found.database.host, found.database.user) == ("/var/run/postgresql", "kea-lease-monitor")
    assert (found.source.options, found.state.path) == ("/var/lib/kea/kea-leases4.csv", DEFAULT_PATH)
    assert (found.log_level, found.metrics) == ("INFO", None)
    assert found.flows[0].subscription.everything


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("oops", 1, r"^oops: unknown; allowed here: database, log_level, metrics, source, state, subscriptions$"),
        ("database.prot", 1, r"^database.prot: unknown"),
        ("database.port", "5432", r"^database.port: a whole number from 1 to 65535 is needed, not '5432'$"),
        ("database.ssl_mode", "on", r"^database.ssl_mode: one of disable, .*verify-full is needed, not 'on'$"),
        ("source.type", "csv", r"^source.type: one of memfile, events is needed, not 'csv'$"),
        ("source.path", "leases.csv", r"^source.path: an absolute path is needed$"),
        ("source", None, r"^source.type: "),
        ("source", [], r"^source: a mapping is needed"),
        ("state.path", 5, r"^state.path: a text is needed, not int 5$"),
        ("log_level", "LOUD", r"^log_level: one of DEBUG"),
        ("metrics.listen", "9547", r"^metrics.listen: an address and a port"),
        ("subscriptions", [], r"^subscriptions: at least one is needed$"),
        ("subscriptions.0.name", "a b", r"^subscriptions\[0\].name: "),
        ("subscriptions.0.start", "then", r"^subscriptions\[0\].start: one of all, now is needed"),
        ("subscriptions.0.sinks", [], r"^subscriptions\[0\].sinks: at least one is needed$"),
        ("subscriptions.0.sinks.0.type", "mail", r"^subscriptions\[0\].sinks\[0\].type: one of reservation, "),
        ("subscriptions.0.sinks.0.x", 1, r"^subscriptions\[0\].sinks\[0\].x: unknown; allowed here: type$"),
        ("subscriptions.0.match", {"subnets": ["1"]}, r"^subscriptions\[0\].match.subnets\[0\]: a whole number"),
        ("subscriptions.0.match", {"subnets": [0]}, r"^subscriptions\[0\].match.subnets: numbers from 1"),
        ("subscriptions.0.match", {"kinds": ["new"]}, r"^subscriptions\[0\].match.kinds: assigned, .* not \['new'\]$"),
        ("subscriptions.0.match", {"hwaddr_prefixes": ["x"]}, r"^subscriptions\[0\].match.hwaddr_prefixes: hex"),
        ("subscriptions.0.match", {"families": [6]}, r"^subscriptions\[0\].match.families: 4 is allowed"),
    ],
)
def test_a_mistake_is_named_with_its_path_and_what_is_allowed(path: str, value: Any, problem: str) -> None:
    document = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place: Any = document
    for key in parents:
        place = place[int(key)] if key.isdigit() else place.setdefault(key, {})
    place[int(last) if last.isdigit() else last] = value
    with pytest.raises(ConfigurationError, match=problem):
        settings.parse(document)


def test_two_subscriptions_may_not_share_a_name() -> None:
    with pytest.raises(ConfigurationError, match="names must differ"):
        settings.parse({**GOOD, "subscriptions": GOOD["subscriptions"] * 2})


OTHERS = st.text(max_size=5).filter(lambda text: text not in SOURCES)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | OTHERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["source", "type", "sinks"]), inner),
    max_leaves=8,
)


@given(VALUES)
def test_whatever_is_written_it_is_refused_with_one_sentence(value: Any) -> None:
    for document in (value, {**GOOD, "subscriptions": value}, {**GOOD, "source": {"type": value}}):
        with pytest.raises(ConfigurationError) as refused:
            settings.parse(document)
        assert "\n" not in str(refused.value)


def test_a_password_is_in_no_representation() -> None:
    found = settings.parse({**GOOD, "database": {"password": "s3cret"}})
    assert "s3cret" not in repr(found)
    assert found.database.secret() == "s3cret"


@pytest.mark.parametrize("password", [12345678, "", 1.5, ["s3cret"]])
def test_a_password_that_is_no_text_is_not_shown(password: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^database.password: a text is needed, in quotes") as refused:
        settings.parse({**GOOD, "database": {"password": password}})
    assert not password or str(password) not in str(refused.value)


def test_a_credential_of_systemd_is_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db-password").write_text("from systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert settings.parse(GOOD).database.secret() == "from systemd"


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"families": [4], "subnets": [1, 2], "hwaddr_prefixes": ["02:00"], "hostname": "HOST-*"}, True),
        ({"subnets": [2]}, False),
        ({"hwaddr_prefixes": ["03", "04"]}, False),
        ({"hostname": "bmc-*"}, False),
        ({"kinds": ["deleted"]}, False),
    ],
)
def test_a_match_is_the_conjunction_of_its_conditions(match: dict[str, Any], holds: bool) -> None:
    assert Match.parse(Section(match, "match"))(event(1, kind=EventKind.ASSIGNED)) is holds
