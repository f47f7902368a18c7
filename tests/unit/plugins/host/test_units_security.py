# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How exposed the units are, by systemd-analyze(1). The scenarios ask it about the running monitor, too."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import jinja2
import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._lfc import units
from support.paths import ROOT
from support.programs import need

PLAN = SimpleNamespace(
    in_files=True,
    servers=[{"unit": "kea-dhcp4-server.service"}],
    writable=["/var/lib/x"],
    offline=True,
    has_commands=False,
)
SENDS = SimpleNamespace(**{**vars(PLAN), "offline": False, "has_commands": True})
"""With commands, which may use the network."""
SERVER = {
    "unit": "kea-dhcp4-server.service",
    "config": "/etc/kea/kea-dhcp4.conf",
    "program": "/bin/true",
    "socket": "/run/kea/kea4-ctrl-socket",
    "lease_file": "/var/lib/kea/kea-leases4.csv",
    "leases_elsewhere": False,
    "reservations": "/data",
    "included": "/etc/kea/reservations.d/applied",
}
LFC = units.Settings(4, "_kea", ["/bin/true"], "/var/lib/kea", 100, None, units.Schedule("daily", None, "0", True))


def template(name: str, plan: SimpleNamespace = PLAN) -> str:
    """Render the template of a unit."""
    environment = jinja2.Environment(trim_blocks=True, autoescape=jinja2.select_autoescape(default_for_string=False))
    # As Ansible has them; its own code in this process would hide the warnings of modules from other tests.
    environment.filters.update(dirname=os.path.dirname, ternary=lambda value, yes, no: yes if value else no)
    (path,) = (ROOT / "roles").glob(f"*/templates/{name}.j2")
    text = path.read_text()
    own = {"user": "_kea", "kea_user": "_kea", "command": "/bin/true", "plan": plan, "server": SERVER}
    variables = {f"kea_lease_monitor__{key}": value for key, value in own.items()}
    ddns = {"service": "kea-dhcp-ddns-server", "names": {"user": "_kea"}, "names_options": "--ddns-socket /run/kea/d2"}
    return environment.from_string(text).render(
        **variables, **{f"kea_ddns__{key}": value for key, value in ddns.items()}
    )


@pytest.mark.parametrize(
    "name", ["kea-lease-monitor.service", "kea-reservations.service", "kea-lfc.service", "kea-ddns-names.service"]
)
def test_no_unit_becomes_more_exposed(tmp_path: Path, name: str) -> None:
    """The applier and the LFC program test Kea's configuration as Kea's user, for which Kea looks at interfaces."""
    path = tmp_path / name
    path.write_text(units.render(LFC)[f"/etc/systemd/system/{name}"] if "lfc" in name else template(name))
    rated(path)


def test_the_monitor_with_commands_is_no_more_exposed(tmp_path: Path) -> None:
    path = tmp_path / "kea-lease-monitor.service"
    path.write_text(template(path.name, SENDS))
    assert "\nDelegate=pids\n" in path.read_text()
    rated(path)


def test_only_a_monitor_with_commands_gets_control_groups() -> None:
    assert "Delegate" not in template("kea-lease-monitor.service")


def rated(path: Path) -> None:
    """Raise AssertionError for a unit that is rated worse than 1.3."""
    words = ["security", "--offline=true", "--no-pager", "--threshold=13", str(path)]
    done = subprocess.run([need("systemd-analyze"), *words], capture_output=True, text=True, check=False)
    assert "Overall exposure level" in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout


def test_the_applier_writes_the_use_of_pools_where_it_may_in_each_mode() -> None:
    text = template("kea-reservations.service")
    assert "--pools /data/report/pools.json" in text
    assert "ReadWritePaths=/data/report\n" in text
