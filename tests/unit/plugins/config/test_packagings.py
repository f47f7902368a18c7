# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packagings: how one is found on a host, and that no other place names packages, units, users and hooks of Kea."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.module_utils._host import packages as host_packages
from ansible_collections.baremetal.kea.plugins.module_utils._manifest import packages, rollback
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.document import Entry, Manifest
from support.modules import run_module
from support.paths import ROOT

# Print what the real programs print for the packages in $INSTALLED.
LOOP = 'for name in "$@"; do case " $INSTALLED " in *" $name "*) echo "installed $name";; esac; done'
PROGRAMS = {"dpkg-query": f"shift 2; {LOOP}", "rpm": f"shift 3; {LOOP}"}


@pytest.fixture
def bin_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory of programs, empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def find(bin_: Path, program: str, **options: Any) -> dict[str, Any]:
    (bin_ / program).write_text(f"#!/bin/sh\n{PROGRAMS[program]}\n")
    (bin_ / program).chmod(0o755)
    return facts(**options)


def facts(**options: Any) -> dict[str, Any]:
    found: dict[str, Any] = run_module("kea_info", gather=["packaging"], **options)["packaging"]
    return found


@pytest.mark.parametrize(
    ("program", "installed", "names"),
    [
        ("dpkg-query", "", ("debian", "kea-dhcp4-server", "_kea")),
        ("dpkg-query", "kea-dhcp4-server", ("debian", "kea-dhcp4-server", "_kea")),
        ("dpkg-query", "isc-kea-dhcp4 isc-kea-admin", ("isc", "isc-kea-dhcp4-server", "_kea")),
        ("rpm", "", ("rhel", "kea-dhcp4", "kea")),
        ("rpm", "isc-kea-dhcp4", ("isc", "kea-dhcp4", "kea")),
    ],
)
def test_the_packaging_that_is_installed_or_else_that_of_the_system(
    program: str, installed: str, names: tuple[str, str, str], bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTALLED", installed)
    found = find(bin_, program)
    assert (found["error"], found["name"], found["unit"], found["user"]) == (None, *names)
    assert bool(found["selinux"]) == (program == "rpm")
    assert found["missing"] == [one for one in found["packages"] if one not in installed.split()]


@pytest.mark.parametrize(
    ("installed", "names"),
    [
        ("", ("debian", "kea-dhcp6-server", "/usr/sbin/kea-dhcp6", "usr.sbin.kea-dhcp6")),
        ("isc-kea-dhcp6", ("isc", "isc-kea-dhcp6-server", "/usr/sbin/kea-dhcp6", "")),
        ("isc-kea-dhcp4", ("isc", "isc-kea-dhcp6-server", "/usr/sbin/kea-dhcp6", "")),
    ],
)
def test_the_names_of_the_dhcpv6_server(
    installed: str, names: tuple[str, ...], bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTALLED", installed)
    found = find(bin_, "dpkg-query", path="/etc/kea/kea-dhcp6.conf")
    assert tuple(found[name] for name in ("name", "unit", "program", "profile")) == names
    assert found["lease_file"] == "/var/lib/kea/kea-leases6.csv"
    assert "dhcp4" not in " ".join(found["packages"])


def test_a_person_chooses_the_packaging_and_its_names(bin_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTALLED", "")
    names = {"user": "dhcp", "packages": ["isc-kea-dhcp4"], "program": "/opt/kea/sbin/kea-dhcp4", "unit": "x.service"}
    found = find(bin_, "dpkg-query", packaging="isc", packaging_names=names)
    assert (found["name"], found["user"], found["packages"]) == ("isc", "dhcp", ["isc-kea-dhcp4"])
    assert found["unit"] == "x"
    assert "units is none of" in facts(packaging_names={"units": "x"})["error"]
    assert (
        "there is no packaging rhel for a host with deb packages, only debian, isc" in facts(packaging="rhel")["error"]
    )


# Print what systemd 252 prints for the units with a name or with any.
SYSTEMCTL = """#!/bin/sh
case "$*" in
    *'*.service') printf 'Id=cron.service\\nExecStart={ path=/usr/sbin/cron ; argv[]=/usr/sbin/cron -f ; }\\n\\n'
        printf 'Id=site-dhcp.service\\nExecStart={ path=/opt/kea/sbin/kea-dhcp4 ; argv[]=x ; }\\n'
        for one in $MORE; do printf '\\nId=%s\\nExecStart={ path=/usr/sbin/kea-dhcp4 ; argv[]=x ; }\\n' $one; done;;
    *site-dhcp*) printf 'Id=site-dhcp.service\\nLoadState=loaded\\nActiveState=active\\n';;
    *) printf 'Id=kea-dhcp4-server.service\\nLoadState=%s\\nActiveState=%s\\n' $KNOWN;;
esac
"""


@pytest.mark.parametrize(
    ("known", "path", "unit"),
    [
        ("not-found inactive", "kea-dhcp4.conf", "site-dhcp.service"),
        ("loaded inactive", "kea-dhcp4.conf", "kea-dhcp4-server.service"),
        ("loaded active", "kea-dhcp4.conf", "kea-dhcp4-server.service"),
        ("not-found inactive", "kea-dhcp6.conf", None),
        ("loaded inactive", "kea-dhcp6.conf", "kea-dhcp4-server.service"),
    ],
)
def test_a_unit_of_another_name_is_found_by_its_program(
    known: str, path: str, unit: str | None, bin_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bin_ / "systemctl").write_text(SYSTEMCTL)
    (bin_ / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_}:{os.defpath}")
    monkeypatch.setenv("KNOWN", known)
    look = {"gather": ["server"], "path": str(bin_ / path)}
    found = run_module("kea_info", **look)["server"]["unit"]
    assert (found and found["name"]) == unit
    monkeypatch.setenv("MORE", "another.service")
    found = run_module("kea_info", **look)["server"]["unit"]
    assert (found and found["name"]) == (None if unit == "site-dhcp.service" else unit)


def test_the_directory_of_hooks_that_a_person_names(tmp_path: Path) -> None:
    hook = tmp_path / "7" / "libdhcp_ha.so"
    hook.parent.mkdir()
    hook.touch()
    names = {"hook_directory": str(tmp_path / "*")}
    info = run_module("kea_info", gather=["server"], path=str(tmp_path / "kea-dhcp4.conf"), packaging_names=names)
    assert info["server"]["hooks"] == str(hook.parent)


def test_a_host_with_neither_dpkg_nor_rpm(bin_: Path) -> None:
    """B25."""
    info = run_module("kea_info", gather=["packaging", "config", "packages"], path=str(bin_ / "none"), packages=["x"])
    assert "neither dpkg nor rpm" in info["packaging"]["error"]
    assert info["packages"]["missing"] == ["x"]
    assert info["config"]["untouched"] is False


class Rpm:
    """A module on a host with rpm."""

    def get_bin_path(self, name: str) -> str | None:
        return "/usr/bin/rpm" if name == "rpm" else None

    def run_command(self, words: list[str], **_options: Any) -> tuple[int, str, str]:
        self.words = words
        return 0, "installed kea 3.0.1-1.el10\n", ""


def test_packages_of_rpm_are_recorded_and_not_removed() -> None:
    module: Any = Rpm()
    assert packages.look(module, "kea") == {"state": "installed", "version": "3.0.1-1.el10"}
    assert packages.look(module, "kea-hooks") == {"state": "absent"}
    assert module.words[0] == "rpm"
    manifest = Manifest("/nowhere")
    manifest.put(Entry("package", "kea", found={"state": "absent"}, found_at=1, made={"state": "installed"}))
    (step,) = rollback.plan(module, manifest, [])
    assert str(step) == "package kea: stays, because a roll-back removes no packages of this system; remove it by hand"
    assert step.stays


def test_libraries_have_other_names_on_el() -> None:
    module: Any = Rpm()
    found = host_packages.packages(module, ["python3-yaml", "python3-sqlalchemy"])
    assert found["names"] == found["missing"] == ["python3-pyyaml", "python3-sqlalchemy"]
    assert found["format"] == "rpm"


TABLE = "plugins/module_utils/_config/packagings.py"
NAMES = re.compile(
    r"\b(?:isc-kea-|kea-dhcp[46]-server|usr\.sbin\.kea)|/kea/hooks|(?<![\w.])_kea(?=['\"]|$)|/usr/sbin/kea-",
    re.MULTILINE,
)
ALLOWED = {
    # The name of the package that the programs share, and Kea's role in PostgreSQL, which a person chooses.
    ("plugins/module_utils/_host/release.py", "_kea"),
    ("plugins/modules/kea_verify.py", "_kea"),
    ("plugins/filter/login.yml", "_kea"),
    ("playbooks/vars/names.yml", "_kea"),
    ("roles/kea_database/defaults/main.yml", "_kea"),
    ("roles/kea_database/meta/argument_specs.yml", "_kea"),
    ("roles/kea_server/defaults/main.yml", "_kea"),
    ("roles/kea_server/meta/argument_specs.yml", "_kea"),
    # The default of the program, for a person who calls it; the unit names the program.
    ("roles/kea_lease_monitor/files/kea_lease_monitor/commands/apply.py", "/usr/sbin/kea-"),
}


def test_no_other_place_names_them() -> None:
    found = set()
    for folder in ("plugins", "roles", "playbooks"):
        for path in (ROOT / folder).rglob("*"):
            name = os.path.relpath(path, ROOT)
            if path.suffix in (".py", ".yml", ".j2") and name != TABLE:
                text = path.read_text(encoding="utf-8")
                # Documentation of a module may show examples.
                code = text[text.index("def main") :] if name.startswith("plugins/modules/") else text
                found |= {(name, match.group()) for match in NAMES.finditer(code)}
    assert found - ALLOWED == set()
    assert ALLOWED - found == set()


NEEDS_USER = {
    "kea_certificates": "group",
    "kea_config": "kea_user",
    "kea_lease_move": "kea_user",
    "kea_lfc_timer": "kea_user",
}
"""Options that take the user of the packaging; without them the module looks for the packaging that is installed."""


def tasks_of(found: Any) -> Iterator[dict[str, Any]]:
    """Return all tasks of a file, in blocks as well."""
    for one in found if isinstance(found, list) else []:
        yield one
        for inner in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks"):
            yield from tasks_of(one.get(inner))


def test_every_task_gets_the_user_that_a_site_names() -> None:
    files = [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("playbooks/*.yml"), *ROOT.glob("playbooks/tasks/*.yml")]
    calls = [
        (f"{path.relative_to(ROOT)}: {task['name']}", option, task[f"baremetal.kea.{module}"])
        for path in files
        for task in tasks_of(yaml.safe_load(path.read_text()))
        for module, option in NEEDS_USER.items()
        if f"baremetal.kea.{module}" in task
    ]
    assert len(calls) > 10
    assert [name for name, option, given in calls if option not in given and given.get("state") != "absent"] == []
