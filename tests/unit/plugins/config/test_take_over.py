# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of a host, the plan of the role and the module together, with the real server of Kea."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.module_utils._config import tls_files
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from site_helpers import SITES, Site, install, is_subsequence
from support.modules import run_module

pytestmark = [pytest.mark.kea, pytest.mark.slow]

EXAMPLE = Path("/etc/kea/kea-dhcp4.conf")
NAMES = {"config": "/kea.conf", "candidate": "/candidate.conf", "unit_addition": "/unit.d/kea.conf", "user": "_kea"}


def deploy(
    site: Site, untouched: bool = False, mode: str = "file", check: bool = False, **variables: Any
) -> dict[str, Any]:
    """What the role does with the configuration of a host: look, plan, files, configuration."""
    seen = run_module("kea_info", path=str(site.path), gather=["server", "config", "subnets"])
    seen["config"]["untouched"] = untouched
    asked = {
        "family": site.family,
        "lease_database": "memfile",
        "hosts_database": "none" if mode == "file" else "postgresql",
        "database": {"host": "/run/postgresql", "port": 5432, "name": "kea", "user": "_kea", "password": "",
                     "ssl_mode": "", "trust_anchor": "", "certificate": ""},
        "config_group": "",
        "reservations_directory": str(site.directory / "reservations.d"),
        "interfaces": [], "subnets": [], "shared_networks": [], "settings": {}, "exclusive": False, **variables,
    }  # fmt: skip
    plan = filters.server_plan(asked, NAMES, seen, {})
    applied = site.directory / "reservations.d" / "applied"
    applied.mkdir(parents=True, exist_ok=True)
    for path in [applied.parent, applied]:
        os.chown(path, pwd.getpwnam("_kea").pw_uid, -1)
    for number in plan["subnet_ids"] if mode == "file" else []:
        (applied / f"subnet-{number}.json").touch()
    options = {name: plan[name] for name in ("settings", "absent", "databases", "merge", "included")}
    result = run_module("kea_config", check, path=str(site.path), record=str(site.record), backup=False, **options)
    assert not result["failed"], result
    return {**plan, **result}


def files(site: Site) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in site.directory.iterdir() if one.is_file() and one != site.record}


@pytest.mark.parametrize("source", SITES, ids=lambda source: source.name)
def test_nothing_but_the_group_adds_only_what_the_mode_needs(source: Path, directory: Path) -> None:
    """B1, B3: and the way to a database and back leaves no trace."""
    site = install(source, directory)
    found, subnets = files(site), site.subnets()
    deploy(site)
    assert site.accepted()
    for name, text in files(site).items():
        assert is_subsequence(found[name], text), name
    seen = run_module("kea_info", path=str(site.path), gather=["subnets"])["subnets"]
    assert len(seen) == len(subnets)
    for one in seen:
        assert one["reservation_files"] == [f"{directory}/reservations.d/applied/subnet-{one['id']}.json"]
    after = [
        {key: value for key, value in one.value.items() if key not in ("id", "reservations")} for one in site.subnets()
    ]
    assert after == [
        {key: value for key, value in one.value.items() if key not in ("id", "reservations")} for one in subnets
    ]
    assert not deploy(site)["changed"]


def test_reservations_leave_the_files_with_the_mode(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """B27: the site's own database of reservations stays first."""
    monkeypatch.setattr(tls_files, "UNITS", str(directory))
    site = install(next(one for one in SITES if "databases" in one.name), directory)
    found = site.document().get(("Dhcp4", "hosts-databases"))
    deploy(site)
    assert "reservations.d" in site.path.read_text()
    assert site.document().get(("Dhcp4", "hosts-databases")) == found
    deploy(site, mode="database")
    assert "reservations.d" not in site.path.read_text()
    hosts = site.document().get(("Dhcp4", "hosts-databases"))
    assert (hosts[:-1], hosts[-1]["host"]) == (found, "/run/postgresql")
    again = deploy(site, mode="database")
    assert not again["changed"], again["diff"]
    deploy(site)
    assert site.document().get(("Dhcp4", "hosts-databases")) == found


def test_a_control_socket_over_http_stays_beside_a_unix_socket(directory: Path) -> None:
    """With the keys of Kea 3.0, which an earlier Kea refuses. So it only edits."""
    http = '{ "socket-type": "http",  "socket-address": "127.0.0.1", "socket-port": 8000 }'
    source = directory / "http.conf"
    source.write_text(f'{{"Dhcp4": {{ "control-sockets": [\n  {http} // of Stork\n], "subnet4": [] }}}}\n')
    site = install(source, directory)
    before = site.path.read_text()
    after = deploy(site, check=True)["diff"]["after"]
    assert http in after
    assert is_subsequence(before.encode(), after.encode())
    sockets = Document(after).get(("Dhcp4", "control-sockets"))
    assert sockets[1:] == [{"socket-type": "unix", "socket-name": "/run/kea/kea4-ctrl-socket"}]


def test_nothing_of_debians_example_is_served(directory: Path) -> None:
    """B7."""
    source = directory / "example.conf"
    shutil.copy(EXAMPLE, source)
    site = install(source, directory)
    subnet = {"id": 1, "subnet": "198.51.100.0/24", "pools": [{"pool": "198.51.100.10 - 198.51.100.20"}]}
    wanted = {"interfaces": ["lo"], "subnets": [subnet], "settings": {"valid-lifetime": 86400}}
    deploy(site, untouched=True, **wanted)
    assert site.accepted()
    config = site.document().get(("Dhcp4",))
    assert sorted(config) == [
        "calculate-tee-times", "control-socket", "expired-leases-processing", "interfaces-config", "lease-database",
        "loggers", "subnet4", "valid-lifetime",
    ]  # fmt: skip
    assert [one.prefix for one in site.subnets()] == ["198.51.100.0/24"]
    assert len(site.subnet(1)["reservations"]) == 1
    assert config["interfaces-config"] == {
        "interfaces": ["lo"], "service-sockets-max-retries": 100000, "service-sockets-retry-wait-time": 5000,
    }  # fmt: skip
    assert not deploy(site, **wanted)["changed"]


def test_a_key_that_leaves_the_variables_gives_way_to_what_was_found(directory: Path) -> None:
    """B6."""
    site = install(next(one for one in SITES if "-ha" in one.name), directory)
    deploy(site)
    found = site.path.read_bytes()
    hook = str(next(Path("/usr/lib").glob("*/kea/hooks/libdhcp_stat_cmds.so")))
    settings = {"hooks-libraries": [{"library": hook}], "multi-threading": {"thread-pool-size": 8}, "valid-lifetime": 5}
    deploy(site, settings=settings)
    assert site.accepted()
    assert site.document().get(("Dhcp4", "multi-threading")) == {"enable-multi-threading": True, "thread-pool-size": 8}
    deploy(site)
    assert site.path.read_bytes() == found
