# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea wrote its loaded configuration over the file with ``config-write``, so defaults stand in it as keys."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

import pytest
from site_helpers import Site, done, hand_written, refusal
from support.kea import KeaServer, serving

pytestmark = [pytest.mark.kea, pytest.mark.slow]

HOOK = glob.glob("/usr/lib/*/kea/hooks/libdhcp_lease_cmds.so")[0]
SUBNET4: dict[str, Any] = {
    "id": 7, "subnet": "10.7.0.0/24", "pools": [{"pool": "10.7.0.10 - 10.7.0.20"}],
    "option-data": [{"code": 3, "data": "10.7.0.1"}],
    "reservations": [{"hw-address": "2:0:0:0:0:1", "ip-address": "10.7.0.5"}, {"client-id": "01:02", "hostname": "h"}],
}  # fmt: skip
OF_A_RACK: dict[str, Any] = {"id": 8, "subnet": "10.8.0.0/24", "valid-lifetime": 600, "comment": "rack 8"}
VALUES4: dict[str, Any] = {
    "option-def": [{"name": "rack", "code": 224, "type": "string"}],
    "option-data": [{"name": "routers", "data": "10.0.0.1,10.0.0.2"}, {"code": 6, "data": "10.0.0.3"},
                    {"name": "rack", "data": "x"}],
    "client-classes": [{"name": "pxe", "test": "member('KNOWN')",
                        "option-data": [{"name": "boot-file-name", "data": "a"}]}],
    "loggers": [{"name": "kea-dhcp4.leases", "severity": "warn"},
                {"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]},
                {"name": "kea-dhcp4.hosts", "severity": "INFO",
                 "output_options": [{"output": "@DIR@/log", "maxver": 3}, {"output": "stderr"}]}],
    "hooks-libraries": [{"library": HOOK}],
    "shared-networks": [{"name": "hall", "renew-timer": 100, "subnet4": [OF_A_RACK]}],
    "subnet4": [SUBNET4],
}  # fmt: skip
VALUES6: dict[str, Any] = {
    "option-data": [{"name": "dns-servers", "data": "2001:db8::1"}],
    "client-classes": [{"name": "pxe"}],
    "loggers": [{"name": "kea-dhcp6.leases", "severity": "WARN"}],
    "shared-networks": [{"name": "hall", "subnet6": [{"id": 8, "subnet": "2001:db8:8::/64"}]}],
    "subnet6": [
        {"id": 7, "subnet": "2001:db8:7::/64", "pools": [{"pool": "2001:db8:7::10 - 2001:db8:7::20"}],
         "pd-pools": [{"prefix": "2001:db8:100::", "prefix-len": 48, "delegated-len": 64}],
         "reservations": [{"duid": "01:02:03", "ip-addresses": ["2001:db8:7::5"]}]},
    ],
}  # fmt: skip


def rewritten(directory: Path, family: int, values: dict[str, Any]) -> Site:
    """A site after a run with these values and Kea's ``config-write``."""
    socket = directory / "socket"
    control = f'"control-socket": {{ "socket-type": "unix", "socket-name": "{socket}" }}'
    identifier = '"server-id": { "type": "EN", "enterprise-id": 9, "identifier": "00", "persist": false }'
    members = f'{control}, "valid-lifetime": 4000, "max-valid-lifetime": 5000{f", {identifier}" * (family == 6)}'
    site = hand_written(directory, members, family=family)
    done(site, merge=json.loads(json.dumps(values).replace("@DIR@", str(directory))))
    with serving(KeaServer(directory, family, site.path, socket)) as kea:
        answer = kea.ask("config-write", filename=str(site.path))
    assert answer["result"] == 0, answer
    assert f'"id": {7}' in site.path.read_text()
    return site


@pytest.mark.parametrize(("family", "values"), [(4, VALUES4), (6, VALUES6)])
def test_what_leaves_the_variables_is_removed_after_config_write(
    family: int, values: dict[str, Any], directory: Path
) -> None:
    site = rewritten(directory, family, values)
    done(site)
    after = site.document().get((site.top,))
    assert {key: after.get(key) for key in values if after.get(key)} == {}


def test_what_a_person_added_after_config_write_is_named(directory: Path) -> None:
    site = rewritten(directory, 4, VALUES4)
    text = site.path.read_text()
    for old, new, member in (
        ('"valid-lifetime": 600', '"valid-lifetime": 601', "valid-lifetime"),
        ('"maxver": 3', '"maxver": 4', "output_options"),
        ('"comment": "rack 8"', '"comment": "rack 9"', "comment"),
        ('"always-send": false', '"always-send": true', "always-send"),
    ):
        assert old in text
        site.path.write_text(text.replace(old, new))
        assert member in refusal(site)
