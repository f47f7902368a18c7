# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path by which root acts in a roll-back and a deployment: no other user may replace a part of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from host import Host
from states import BEFORE_DEPLOY, EVENTS
from tracing import traced

FILES: dict[str, Any] = {"kea_enable_database": False, "kea_db_enable_notify": False}


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Host:
    options = request.config.option
    return Host(options.host, options.address, options.bmcs)


@pytest.mark.parametrize("mode", [EVENTS, FILES], ids=["events", "file"])
def test_root_acts_by_no_path_that_another_user_may_replace(host: Host, tmp_path: Path, mode: dict[str, Any]) -> None:
    with traced(host, tmp_path):
        for playbook, more in (("kea_rollback", BEFORE_DEPLOY), ("kea_deploy", {})):
            done = host.play(playbook, "--limit", host.name, **{**mode, **more})
            assert done.code == 0, done.output
