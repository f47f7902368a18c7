# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of files in docs/security.md says what the collection really leaves."""

from __future__ import annotations

import fnmatch
import os
import re
from functools import cache
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.module_utils._lfc import units
from ansible_collections.baremetal.kea.plugins.module_utils._verify.host import SECRETS, Secret
from support.paths import ROOT

ROW = re.compile(r"^\| `(/[^`]+)`[^|]*\| ([^|]+?) \| ([^|]+?) \| ([^|]*?) ?\|$", re.MULTILINE)


@cache
def table() -> dict[str, tuple[str, str, str]]:
    """Return owner, mode and secret by path."""
    text = (ROOT / "docs" / "security.md").read_text()
    return {path: (owner.strip("`"), mode, secret) for path, owner, mode, secret in ROW.findall(text)}


def files() -> list[dict[str, Any]]:
    """Return what the role kea_lease_monitor creates with its default paths."""
    defaults = yaml.safe_load((ROOT / "roles/kea_lease_monitor/defaults/main.yml").read_text())
    directory = defaults["kea_lease_monitor_discovery_directory"]
    database = {"host": "/run", "port": 5432, "name": "kea", "user": "x", "password": "p", "ssl_mode": ""}
    asked = {
        "source": "memfile",
        "source_options": {},
        "lease_file": "",
        "reservations": "files",
        "subscriptions": [],
        "reservations_directory": "/reservations",
        "site_reservations": [],
        "discovery_directory": directory,
        "state": "sqlite",
        "state_options": {},
        "metrics_listen": "",
        "webhook_secret": "s",
        "writable": [],
        "log_level": "INFO",
        "database": {**database, "trust_anchor": "", "certificate": ""},
    }
    etc = "/etc/kea-lease-monitor"
    paths = {
        "user": "kea-lease-monitor",
        "kea_user": "_kea",
        "config_directory": etc,
        "config_file": f"{etc}/config.yml",
        "password_file": f"{etc}/db-password",
        "webhook_secret_file": f"{etc}/webhook-secret",
        "site_file": f"{etc}/site-reservations.json",
        "state_directory": "/var/lib/kea-lease-monitor",
        "reservations": "/var/lib/kea-reservations",
    }
    texts = {
        "config": "",
        "units": {"/etc/systemd/system/x.service": ""},
        "reservation_units": {},
        "validate": "",
        "site": [],
    }
    return [one for one in filters.monitor_files(asked, paths, texts) if one.get("state") != "absent"]


UNITS = "/etc/systemd/system"


def of_server() -> list[dict[str, Any]]:
    """Return what the role kea_server creates for half of a pair with reservations in files."""
    pair = {"mode": "hot-standby", "this": "a", "user": "kea", "password": "p", "trust_anchor": ""}
    peers = [{"name": name, "url": f"http://192.0.2.{number}:8001/"} for number, name in enumerate("ab", 1)]
    database = {"host": "", "port": 5432, "name": "", "user": "", "password": "", "ssl_mode": ""}
    wanted = {
        "lease_database": "memfile",
        "hosts_database": "none",
        "database": {**database, "trust_anchor": "", "certificate": ""},
        "reservations_directory": "/etc/kea/reservations.d",
        "interfaces": ["eth0"],
        "subnets": [{"id": 1, "subnet": "192.0.2.0/24"}],
        "shared_networks": [],
        "settings": {},
        "exclusive": False,
        "pair": {**pair, "peers": peers, "shared_leases": False},
        "config_group": "",
    }
    names = {"config": "/etc/kea/kea-dhcp4.conf", "candidate": "", "user": "_kea"}
    names["unit_addition"] = f"{UNITS}/kea-dhcp4-server.service.d/baremetal-kea.conf"
    server = {"version": "2.6.0", "outdated": False, "tls_environment": {}}
    config = {"keys": ["subnet4"], "lease_database": {"type": "memfile"}, "hosts_databases": None}
    return filters.server_files(wanted, names, {"server": server, "config": config, "subnets": []}, "unit")


def of_ddns() -> list[dict[str, Any]]:
    """Return what the role kea_ddns creates: by its filter, and by its variables."""
    wanted = {"forward_zones": [], "reverse_zones": [], "keys": [{"name": "k.", "secret": "c2VjcmV0"}], "settings": {}}
    names = {"config": "/etc/kea/kea-dhcp-ddns.conf", "record": "", "directory": "/etc/kea/tsig", "user": "_kea"}
    server = {"version": "3.0.3", "capabilities": {"tsig_secret_file": True}}
    variables = yaml.safe_load((ROOT / "roles/kea_ddns/vars/main.yml").read_text())
    text = {
        "{{ kea_ddns__names.user }}": "_kea",
        "{{ kea_ddns__unit_directory }}": f"{UNITS}/kea-dhcp-ddns-server.service.d",
        "{{ kea_ddns__unit_addition }}": f"{UNITS}/kea-dhcp-ddns-server.service.d/baremetal-kea.conf",
    }
    asked = [*variables["kea_ddns__unit_files"], variables["kea_ddns__names_directory"]]
    own = [{key: text.get(value, value) for key, value in one.items()} for one in asked]
    plan = filters.ddns_plan(wanted, names, {"server": server, "config": {"control_sockets": []}}, {})
    return [*plan["files"], *own, *variables["kea_ddns__names_units"]]


def of_tasks() -> list[dict[str, Any]]:
    """Return the files that tasks of the roles kea_server and kea_database write with all their attributes."""
    found: list[dict[str, Any]] = []
    for role in ("kea_server", "kea_database"):
        for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
            pending = yaml.safe_load(path.read_text())
            while pending:
                task = pending.pop()
                pending += [one for key in ("block", "rescue", "always") for one in task.get(key) or []]
                copied = task.get("ansible.builtin.copy") or {}
                listed = (task.get("baremetal.kea.kea_files") or {}).get("files")
                known = [one for one in listed if "mode" in one] if isinstance(listed, list) else []
                found += [{**copied, "path": copied["dest"]}] if "mode" in copied else []
                found += known
    names = {
        "{{ kea_server__profile_addition }}": "/etc/apparmor.d/local/usr.sbin.kea-dhcp4",
        "{{ kea_database__options }}": "/etc/postgresql/17/main/conf.d/baremetal-kea.conf",
        "{{ kea_database__directory }}/conf.d/baremetal-kea-tls.conf": (
            "/etc/postgresql/17/main/conf.d/baremetal-kea-tls.conf"
        ),
        # It becomes the configuration; and the dumps have the user who dumps.
        "{{ kea_server__candidate }}": None,
        "{{ kea_database__dumps }}": None,
    }
    return [{**one, "path": names[one["path"]]} for one in found if names[one["path"]]]


def of_lfc() -> list[dict[str, Any]]:
    """Return the state directory that systemd creates for the LFC program, and its units."""
    settings = units.Settings(4, "_kea", [], "/var/lib/kea", 1, None, units.Schedule("daily", None, "0", True))
    rendered = units.render(settings)
    root = {"owner": "root", "group": "root", "mode": "0644"}
    service = rendered[f"{UNITS}/kea-lfc.service"]
    assert f"StateDirectory={os.path.basename(units.STATE_DIRECTORY)}\n" in service
    assert "User=_kea\n" in service
    state = {"path": units.STATE_DIRECTORY, "owner": "_kea", "group": "_kea", "mode": "0755", "state": "directory"}
    return [state, *({**root, "path": path} for path in rendered)]


def row(path: str, is_directory: bool) -> tuple[str, str, str]:
    """Return the row of a path: its own, one with a pattern that fits, or that of its directory."""
    for name in (f"{path}/" if is_directory else path, f"{os.path.dirname(path)}/"):
        for pattern, found in table().items():
            if fnmatch.fnmatch(name, pattern):
                return found
    raise AssertionError(f"{path} stands not in the table")


def modes(text: str) -> list[str]:
    return re.findall(r"\b[02]\d{3}\b", text)


ALL = [*files(), *of_server(), *of_ddns(), *of_tasks(), *of_lfc()]


@pytest.mark.parametrize("file", ALL, ids=lambda file: file["path"])
def test_each_file_of_a_role_is_listed_as_it_is(file: dict[str, Any]) -> None:
    is_directory = file.get("state") == "directory"
    owner, mode, secret = row(file["path"], is_directory)
    assert f"{file['owner']}:{file['group']}" in owner
    assert file["mode"] in (modes(mode)[:1] if is_directory else modes(mode))
    assert bool(secret) or not file.get("secret")


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret.pattern)
def test_each_secret_is_listed_with_a_mode_that_kea_verify_accepts(secret: Secret) -> None:
    above = [secret.pattern, f"{secret.pattern}/", re.sub(r"[^/]*\*.*", "", secret.pattern), "/etc/kea/kea-dhcp4.conf"]
    _owner, mode, _secret = next(table()[name] for name in above if name in table())
    known = [int(one, 8) for one in re.findall(r"\b0\d{3}\b", mode)]
    assert known
    assert min(known) & ~secret.mode == 0, f"{secret.pattern} may have {secret.mode:04o}, and the table has {mode}"
