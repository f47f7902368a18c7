# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work of a merge grows with the elements of a list, not with their square."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.merge import merged
from ansible_collections.baremetal.kea.plugins.module_utils._config.record import Record
from ansible_collections.baremetal.kea.plugins.module_utils._config.wanted import Wanted, plain
from ansible_collections.baremetal.kea.plugins.module_utils._kea import identifiers


def test_each_reservation_is_read_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    parse = identifiers.parse

    def counted(text: str) -> bytes:
        read.append(text)
        return parse(text)

    monkeypatch.setattr(identifiers, "parse", counted)
    count = 300
    hosts: list[dict[str, Any]] = [
        {"hw-address": f"02:00:00:00:{at // 256:02x}:{at % 256:02x}", "hostname": f"h{at}"} for at in range(count)
    ]
    found = [{**one, "hostname": "old"} for one in hosts]
    text = json.dumps({"Dhcp4": {"subnet4": [{"id": 1, "subnet": "10.1.0.0/16", "reservations": found}]}})
    wanted = plain({"subnet4": [{"id": 1, "reservations": hosts}]})
    after = merged(Document(text), Wanted("Dhcp4", wanted), Record(None))
    assert after.get(("Dhcp4", "subnet4"))[0]["reservations"] == hosts
    assert len(read) < 50 * count
