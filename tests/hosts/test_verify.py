# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/kea_verify.yml on a deployed host: all is well; then one thing after another is broken, found and named."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import pytest
from host import DISCOVERY, Host, wait

CONFIG, KEPT = "/etc/kea/kea-dhcp4.conf", "/root/kea-dhcp4.conf.kept"
SECONDS = 60.0
"""Enough on a machine that does much else."""
SIX = {f"DHCPv6 {name}" for name in ("kea", "version", "configuration", "pools")}
DROP_IN = "/run/systemd/system/kea-lfc.service.d/broken.conf"


class Broken(NamedTuple):
    """How a person breaks it and mends it, in the shell of the host, and what must be found."""

    breaks: str
    mends: str
    wrong: set[str]


COMMON = {
    "kea": Broken("systemctl stop kea-dhcp4-server", "systemctl start kea-dhcp4-server", {"kea"}),
    "monitor": Broken("systemctl stop kea-lease-monitor", "systemctl start kea-lease-monitor", {"monitor"}),
    "secret": Broken(
        "chmod 0644 /etc/kea-lease-monitor/config.yml", "chmod 0640 /etc/kea-lease-monitor/config.yml",
        {"secrets", "drift"},
    ),
    "configuration": Broken(
        f"cp -p {CONFIG} {KEPT}; echo '// by hand' >>{CONFIG}", f"cp -p {KEPT} {CONFIG}; rm {KEPT}", {"drift"}
    ),
}  # fmt: skip
IN_DATABASE = {
    "trigger": Broken(
        "runuser -u _kea -- psql -qd kea -c 'ALTER TABLE lease4 DISABLE TRIGGER kea_lease_notify_trigger'",
        "runuser -u _kea -- psql -qd kea -c 'ALTER TABLE lease4 ENABLE TRIGGER kea_lease_notify_trigger'",
        {"trigger"},
    ),
}
IN_FILES = {
    "timer": Broken(
        f"mkdir -p $(dirname {DROP_IN}); printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{DROP_IN};"
        "systemctl daemon-reload; ! systemctl start kea-lfc.service",
        f"rm {DROP_IN}; systemctl daemon-reload; systemctl start kea-lfc.service",
        {"timer"},
    ),
    "reservations": Broken(
        "systemctl stop kea-reservations.service", "systemctl start kea-reservations.service", {"reservations"}
    ),
}


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    options = request.config.option
    return Host(options.host, options.address, options.bmcs)


class Verified(NamedTuple):
    """How kea_verify.yml ended, and its verdict on each subject."""

    code: int
    output: str
    verdicts: dict[str, str]


def verify(host: Host, report: Path, **variables: Any) -> Verified:
    """The exit code, what was printed, and the verdict on each thing."""
    played = host.play("kea_verify", "--limit", host.name, kea_verify_file=str(report), **variables)
    findings = json.loads(report.read_text())[host.name]["findings"]
    verdicts = {one["name"]: one["verdict"] for one in reversed(findings)}
    return Verified(played.code, played.output, verdicts)


@pytest.fixture(scope="module")
def well(host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """Names of all subjects. Each must be well before the tests and after them, when all was broken and repaired."""
    report = tmp_path_factory.mktemp("well") / "report.json"
    code, said, before = verify(host, report)
    assert (code, set(before.values())) == (0, {"ok"}), said
    yield set(before)
    code, said, after = verify(host, report)
    assert (code, after) == (0, before), said


def test_what_was_looked_at(host: Host, well: set[str]) -> None:
    everywhere = {"kea", "version", "configuration", "pools", "monitor", "subscription all", "secrets", "drift"}
    of_the_mode = {
        # Its host has both servers.
        "events": {"schema", "constraint", "trigger", "events", "sessions of Kea", "rights", *SIX},
        "file": {"timer", "reservations"},
    }
    assert well == everywhere | of_the_mode[host.name.split("-")[1]]


def test_it_changes_nothing_and_takes_seconds(host: Host, well: set[str], tmp_path: Path) -> None:
    before, began = host.script("changeable.sh", check=True), time.monotonic()
    _code, said, _verdicts = verify(host, tmp_path / "report.json")
    assert time.monotonic() - began < SECONDS
    assert host.script("changeable.sh", check=True) == before
    assert "changed=0" in said


def test_a_lease_is_sent_through_and_leaves_no_trace(host: Host, well: set[str], tmp_path: Path) -> None:
    if "trigger" not in well:
        code, said, verdicts = verify(host, tmp_path / "report.json", kea_verify_probe=True)
        assert (code, verdicts["probe"]) == (0, "warn"), said
        assert "no lease was sent through: without a database" in said
        return
    code, said, verdicts = verify(host, tmp_path / "report.json", kea_verify_probe=True)
    assert (code, verdicts["probe"]) == (0, "ok"), said
    hwaddr = r"'\x024b45410001'"
    traces = [("lease4", "hwaddr"), ("hosts", "dhcp_identifier"), ("kea_events.lease_event", "hwaddr")]
    counts = [f"SELECT count(*) FROM {table} WHERE {column} = {hwaddr};" for table, column in traces]
    assert host.sql("\n".join(counts)) == ["0", "0", "0"]
    assert "02-4b-45-41-00-01" not in host.run("ls", DISCOVERY)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What can be broken depends on the way that the host runs."""
    if "broken" in metafunc.fixturenames:
        mode = metafunc.config.option.host.split("-")[1]
        ways = {**COMMON, **(IN_DATABASE if mode == "events" else IN_FILES)}
        metafunc.parametrize("broken", ways.values(), ids=ways)


def test_what_is_broken_is_named(host: Host, well: set[str], tmp_path: Path, broken: Broken) -> None:
    host.run("bash", "-ec", broken.breaks)
    code, said, verdicts = verify(host, tmp_path / "report.json")
    host.run("bash", "-ec", broken.mends)
    wait(lambda: host.run("kea-lease-monitor", "check", check=False).startswith("healthy"), "a healthy monitor")
    assert {one for one, verdict in verdicts.items() if verdict == "wrong"} == broken.wrong, said
    assert code != 0
    assert "WRONG  " in said
