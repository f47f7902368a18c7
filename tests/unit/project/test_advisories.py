# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make advisories``: which advisories count, and that a source that tells nothing fails it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import advisories
import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.module_utils._config import packagings
from ansible_collections.baremetal.kea.plugins.plugin_utils._monitor_plan import PACKAGES_OF_SINKS
from support.paths import ROOT
from support.suites import SUITES


def variables(role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text())
    return found


def test_all_packages_of_debian_that_roles_install_are_known() -> None:
    debian = packagings.PACKAGINGS[0]
    wanted = {"postgresql", *debian.packages, *debian.of(6).packages, *debian.for_ddns().packages}
    wanted |= {*variables("kea_database")["kea_database__packages"]}
    wanted |= {*variables("kea_lease_monitor")["kea_lease_monitor__usual_packages"]}
    wanted |= {name for names in PACKAGES_OF_SINKS.values() for name in names}
    assert wanted == set(advisories.SOURCES)


def state(**values: Any) -> dict[str, Any]:
    return {
        "description": "harm",
        "releases": {"bookworm": {"status": "open", "urgency": "not yet assigned", **values}},
    }


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ({}, True),
        ({"urgency": "high"}, True),
        ({"urgency": "unimportant"}, False),
        ({"nodsa": "Minor issue"}, False),
        ({"status": "resolved"}, False),
    ],
)
def test_which_advisories_count(values: dict[str, Any], counts: bool) -> None:
    found = advisories.unsolved({"isc-kea": {"CVE-1": state(**values)}, "another": {"CVE-2": state()}})
    assert found == (["isc-kea in bookworm: CVE-1: harm"] if counts else [])


def test_the_server_of_postgresql_is_looked_up_in_the_release_that_has_it() -> None:
    assert {(f"postgresql-{suite.postgresql}", suite.debian) for suite in SUITES.values()} <= set(advisories.wanted())


def test_all_requirements_files_are_audited() -> None:
    assert {"requirements-dev.txt", "extensions/eda/requirements.txt"} <= set(advisories.requirements())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"other": {}}'])
def test_what_is_not_the_tracker_fails(tmp_path: Path, content: str) -> None:
    (tmp_path / "json").write_text(content)
    with pytest.raises(advisories.UnreachableError, match="no package was checked"):
        advisories.read_tracker(f"file://{tmp_path}/json")


def test_a_source_that_cannot_be_reached_fails_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advisories, "TRACKER", f"file://{tmp_path}/nothing")
    monkeypatch.setattr(sys, "argv", ["advisories.py", "/bin/true"])
    with pytest.raises(SystemExit, match=r"(?s)security tracker cannot be read.*FAILED"):
        advisories.main()


def test_what_pip_audit_refuses_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "json").write_text(json.dumps({"isc-kea": {}}))
    monkeypatch.setattr(advisories, "TRACKER", f"file://{tmp_path}/json")
    for program, passes in (("/bin/true", True), ("/bin/false", False)):
        monkeypatch.setattr(sys, "argv", ["advisories.py", program])
        if passes:
            advisories.main()
            assert "No advisory is open" in capsys.readouterr().out
        else:
            with pytest.raises(SystemExit, match=r"(?s)requirements-dev.txt.*FAILED"):
                advisories.main()


def test_a_package_without_advisories_at_the_index_is_no_success(tmp_path: Path) -> None:
    """pip-audit itself passes it, but for this word."""
    seen = tmp_path / "seen"
    program = tmp_path / "pip-audit"
    program.write_text(f'#!/bin/sh\necho "$@" >{seen}\n')
    program.chmod(0o755)
    assert advisories.audited(str(program), "x.txt") == ""
    assert "--strict" in seen.read_text().split()


def test_it_is_part_of_the_public_ci_and_of_no_target_without_a_network() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert any("make advisories" in step.get("run", "") for step in workflow["jobs"]["advisories"]["steps"])
    parts = re.findall(r"^(?:test: |APART := )([^#\n]*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(parts) == 2
    assert "advisories" not in " ".join(parts).split()
    assert subprocess.run(["git", "check-ignore", ".cache/advisories"], cwd=ROOT, check=False).returncode == 0
