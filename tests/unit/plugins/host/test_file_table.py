# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of files in docs/security.md says what the collection really leaves."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
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


@pytest.mark.parametrize("file", files(), ids=lambda file: file["path"])
def test_each_file_of_the_monitor_is_listed_as_it_is(file: dict[str, Any]) -> None:
    path = file["path"]
    name = f"{path}/" if file.get("state") == "directory" else path
    owner, mode, secret = table().get(name) or table()[f"{path.rpartition('/')[0]}/"]
    assert owner == f"{file['owner']}:{file['group']}"
    assert mode.partition(",")[0] == file["mode"]
    assert bool(secret) == bool(file.get("secret"))


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret.pattern)
def test_each_secret_is_listed_with_a_mode_that_kea_verify_accepts(secret: Secret) -> None:
    above = [secret.pattern, f"{secret.pattern}/", re.sub(r"[^/]*\*.*", "", secret.pattern), "/etc/kea/kea-dhcp4.conf"]
    _owner, mode, _secret = next(table()[name] for name in above if name in table())
    modes = [int(one, 8) for one in re.findall(r"\b0\d{3}\b", mode)]
    assert modes
    assert min(modes) & ~secret.mode == 0, f"{secret.pattern} may have {secret.mode:04o}, and the table has {mode}"
