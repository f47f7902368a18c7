# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration: the documented example, and one clear error for each mistake."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kea_lease_monitor import document
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.section import Section
from kea_lease_monitor.settings import MonitorSettings
from kea_lease_monitor.sources.registry import SOURCES
from kea_lease_monitor.state.location import DEFAULT_PATH
from kea_lease_monitor.subscriptions import Match
from support.paths import program_path

from runtime.builders import event

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "monitor.md"

KINDS = [kind.value for kind in EventKind]
GOOD: dict[str, Any] = {
    "source": {"type": "memfile"},
    "subscriptions": [{"name": "default", "sinks": [{"type": "reservation"}]}],
}


def test_the_documented_examples_are_valid() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        MonitorSettings.parse(yaml.safe_load(example))


def test_missing_settings_have_defaults() -> None:
    found = MonitorSettings.parse(GOOD)
    assert (found.database.host, found.database.user) == ("/var/run/postgresql", "kea-lease-monitor")
    assert (found.source.options.path, found.state.path) == ("/var/lib/kea/kea-leases4.csv", DEFAULT_PATH)
    assert (found.log_level, found.metrics) == ("INFO", None)
    assert found.flows[0].subscription.everything


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (
            "oops",
            1,
            r"^oops: unknown; allowed here: database, log_level, metrics, pools, source, state, subscriptions$",
        ),
        ("database.prot", 1, r"^database.prot: unknown"),
        ("database.port", "5432", r"^database.port: a whole number from 1 to 65535 is needed, not '5432'$"),
        ("database.ssl_mode", "on", r"^database.ssl_mode: one of disable, .*verify-full is needed, not 'on'$"),
        ("source.type", "csv", r"^source.type: one of memfile, events, polling is needed, not 'csv'$"),
        ("source.path", "leases.csv", r"^source.path: an absolute path is needed$"),
        ("source", None, r"^source.type: "),
        ("source", [], r"^source: a mapping is needed"),
        ("state.path", 5, r"^state.path: a text is needed, not int 5$"),
        ("log_level", "LOUD", r"^log_level: one of DEBUG"),
        ("metrics.listen", "19547", r"^metrics.listen: an address and a port"),
        ("subscriptions", [], r"^subscriptions: at least one is needed$"),
        ("subscriptions.0.name", "a b", r"^subscriptions\[0\].name: "),
        ("subscriptions.0.start", "then", r"^subscriptions\[0\].start: one of all, now is needed"),
        ("subscriptions.0.sinks", [], r"^subscriptions\[0\].sinks: at least one is needed$"),
        ("subscriptions.0.sinks.0.type", "mail", r"^subscriptions\[0\].sinks\[0\].type: one of reservation, "),
        (
            "subscriptions.0.sinks.0.x",
            1,
            r"^subscriptions\[0\].sinks\[0\].x: unknown; allowed here: global_subnets, hostname, prefixes, type$",
        ),
        ("subscriptions.0.match", {"subnets": ["1"]}, r"^subscriptions\[0\].match.subnets\[0\]: a whole number"),
        ("subscriptions.0.match", {"subnets": [0]}, r"^subscriptions\[0\].match.subnets: numbers from 1"),
        ("subscriptions.0.match", {"kinds": ["new"]}, r"^subscriptions\[0\].match.kinds: assigned, .* not \['new'\]$"),
        ("subscriptions.0.match", {"hwaddr_prefixes": ["x"]}, r"^subscriptions\[0\].match.hwaddr_prefixes: hex"),
        ("subscriptions.0.match", {"families": [5]}, r"^subscriptions\[0\].match.families: 4 and 6 are allowed"),
        (
            "subscriptions.0",
            {"name": "x", "match": {"families": [4, 6]}, "sinks": [{"type": "reservation_file"}]},
            r"^subscriptions\[0\].sinks\[0\].type: reservation\w* takes leases of one family",
        ),
    ],
)
def test_an_error_names_the_path_and_the_allowed_values(path: str, value: Any, problem: str) -> None:
    written = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place: Any = written
    for key in parents:
        place = place[int(key)] if key.isdigit() else place.setdefault(key, {})
    place[int(last) if last.isdigit() else last] = value
    with pytest.raises(ConfigurationError, match=problem):
        MonitorSettings.parse(written)


def test_two_subscriptions_may_not_share_a_name() -> None:
    with pytest.raises(ConfigurationError, match="names must differ"):
        MonitorSettings.parse({**GOOD, "subscriptions": GOOD["subscriptions"] * 2})


OTHERS = st.text(max_size=5).filter(lambda text: text not in SOURCES)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | OTHERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["source", "type", "sinks"]), inner),
    max_leaves=8,
)


@given(VALUES)
def test_any_document_is_refused_with_one_sentence(value: Any) -> None:
    for whole in (value, {**GOOD, "subscriptions": value}, {**GOOD, "source": {"type": value}}):
        with pytest.raises(ConfigurationError) as refused:
            MonitorSettings.parse(whole)
        assert "\n" not in str(refused.value)


def test_a_password_is_in_no_representation() -> None:
    found = MonitorSettings.parse({**GOOD, "database": {"password": "s3cret"}})
    assert "s3cret" not in repr(found)
    assert found.database.secret() == "s3cret"


@pytest.mark.parametrize("password", [12345678, "", 1.5, ["s3cret"]])
def test_a_password_that_is_no_text_is_not_shown(password: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^database.password: a text is needed, in quotes") as refused:
        MonitorSettings.parse({**GOOD, "database": {"password": password}})
    assert not password or str(password) not in str(refused.value)


def test_a_credential_of_systemd_is_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db-password").write_text("from systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert MonitorSettings.parse(GOOD).database.secret() == "from systemd"


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"families": [4], "subnets": [1, 2], "hwaddr_prefixes": ["02:00"], "hostname": "HOST-*"}, True),
        ({"subnets": [2]}, False),
        ({"hwaddr_prefixes": ["03", "04"]}, False),
        ({"hostname": "bmc-*"}, False),
        ({"hostname": "host-1."}, True),
        ({"kinds": ["deleted"]}, False),
    ],
)
def test_a_match_is_the_conjunction_of_its_conditions(match: dict[str, Any], holds: bool) -> None:
    assert Match.parse(Section(match, "match"))(event(1, kind=EventKind.ASSIGNED)) is holds


WRITTEN = """\
source:
  type: memfile
subscriptions:
  - name: one
    match:
      kinds:
        - assigned
        - 7
    sinks:
      - type: reservation
  - name: two
    sinks:
      - {type: discovery, mode: 7}
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("", "", r"^line 8: subscriptions\[0\].match.kinds\[1\]: a text is needed, not int 7$"),
        ("- 7", "- new", r"^line 6: subscriptions\[0\].match.kinds: assigned, "),
        ("        - 7\n", "", r"^line 12: subscriptions\[1\].sinks\[0\].mode: unknown"),
        ("type: memfile", "tpye: memfile", r"^line 1: source.type: one of memfile, .* is needed, not None$"),
        ("name: two", "name: 2", r"^line 10: subscriptions\[1\].name: a text is needed"),
        ("name: two", "name: one", r"^line 10: subscriptions\[1\]: names must differ, not \['one', 'one'\]$"),
        ("name: two", "name: [", r"is not YAML: line 1[0-9]: "),
        ("name: two", "name: two\n    name: three", r"is not YAML: line 11: 'name' is written twice$"),
        ("name: two", "[1]: two", r"is not YAML: line 10: a key must be a plain word$"),
        ("source:", "state: {type: postgresql}\nsource:", r"^line 1: state: type: postgresql is for leases that every"),
        ("source:", "state: {type: postgresql, schema: public}\nsource:", r"^line 1: state.schema: lower-case"),
        ("source:", "state: {type: postgresql, max_chunk_size: 0}\nsource:", r"^line 1: state.max_chunk_size: a whole"),
        (
            "source:",
            "state: {type: postgresql, database: {ssl_mode: on}}\nsource:",
            r"^line 1: state.database.ssl_mode",
        ),
    ],
)
def test_an_error_in_a_file_names_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "config.yml"
    text = WRITTEN.replace(old, new, 1)
    path.write_text(
        text if old in ("", "        - 7\n", "- 7") else text.replace("        - 7\n", "").replace(", mode: 7", "")
    )
    with pytest.raises(ConfigurationError, match=problem):
        MonitorSettings.parse(document.read(str(path)))


def test_a_state_in_postgresql_defaults_to_the_database_of_the_leases() -> None:
    events = {**GOOD, "source": {"type": "events"}, "database": {"host": "a", "ca_file": "/ca"}}
    found = MonitorSettings.parse({**events, "state": {"type": "postgresql"}}).state
    assert found.database == MonitorSettings.parse(events).database
    assert (found.schema, found.max_chunk_size) == ("kea_lease_monitor", 500)
    elsewhere = {"type": "postgresql", "database": {"host": "b", "ssl_mode": "verify-full", "ca_file": "/x"}}
    found = MonitorSettings.parse({**events, "state": {**elsewhere, "max_chunk_size": 7}}).state
    assert found.database is not None
    assert (found.database.host, found.database.ssl_mode, found.database.ca_file) == ("b", "verify-full", "/x")
    assert found.max_chunk_size == 7


def test_the_same_configuration_always_has_the_same_effects() -> None:
    """Sets of words have another order in each process; a change would read all leases at each restart."""
    given = {**GOOD, "subscriptions": [{**GOOD["subscriptions"][0], "match": {"kinds": list(KINDS)}}]}
    code = (
        "from kea_lease_monitor.settings import MonitorSettings;"
        f"print(MonitorSettings.parse({given!r}).flows[0].subscription.effects)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": program_path()},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in range(3)
    }
    assert len(told) == 1


def test_a_subscription_says_when_what_it_made_goes() -> None:
    given: dict[str, Any] = {"name": "all", "sinks": [{"type": "discovery"}]}
    plain = MonitorSettings.parse({"source": {"type": "memfile"}, "subscriptions": [given]})
    ending = plain.flows[0].subscription.ending
    assert ending == (604800, 20, 0, ("/var/lib/kea-reservations/report/pools.json",))
    keys = {"unconfirmed_for": 60, "low_water": 0, "retire_after": 86400}
    settings = {
        "source": {"type": "memfile"},
        "pools": {"path": "/run/pools.json"},
        "subscriptions": [{**given, **keys}],
    }
    changed = MonitorSettings.parse(settings).flows[0].subscription
    assert changed.ending == (60, 0, 86400, ("/run/pools.json",))
    assert changed.effects == plain.flows[0].subscription.effects, "it needs no reading of all leases"
    for key, value in (("unconfirmed_for", -1), ("low_water", 101), ("retire_after", "never")):
        with pytest.raises(ConfigurationError, match=rf"subscriptions\[0\]\.{key}: a whole number from 0"):
            MonitorSettings.parse({"source": {"type": "memfile"}, "subscriptions": [{**given, key: value}]})
    with pytest.raises(ConfigurationError, match=r"pools\.path: an absolute path is needed"):
        MonitorSettings.parse({**settings, "pools": {"path": "pools.json"}})
