# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher kea-lfc-cleanup in a release as it lies on a host."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import _kea.lfc
import kea_lfc_cleanup
import pytest
from kea_lfc_cleanup import cli

PROGRAM = Path(kea_lfc_cleanup.__file__).parent
SHARED = Path(_kea.lfc.__file__).parent


def test_the_launcher_finds_its_packages_through_the_link_to_the_release(tmp_path: Path) -> None:
    release = tmp_path / "releases/1.0.0-0123456789ab"
    shutil.copytree(PROGRAM, release / "lib/kea_lfc_cleanup")
    shutil.copytree(SHARED, release / "lib/_kea")
    shutil.copy(PROGRAM.parent / "kea-lfc-cleanup", release)
    (tmp_path / "current").symlink_to(release)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = ["sh", str(tmp_path / "current/kea-lfc-cleanup"), "--help"]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: kea-lfc-cleanup [-h] --family {4,6}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_root_does_no_lfc_run_where_keas_user_may_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That user could have it wait for a FIFO, or show it another file as report."""
    leases, state = tmp_path / "leases", tmp_path / "state"
    leases.mkdir()
    state.mkdir()
    os.mkfifo(state / "state6.json")
    shutil.chown(leases, "nobody")
    options = {
        "family": "6",
        "strategy": "rotate",
        "lease-file": f"{leases}/kea-leases6.csv",
        "control-socket": "/nowhere",
        "kea-config": "/nowhere",
        "kea-program": "/bin/false",
        "kea-lfc": "/bin/false",
        "state-directory": str(state),
    }
    assert cli.main([word for name, value in options.items() for word in (f"--{name}", value)]) == cli.REFUSED
    assert capsys.readouterr().err == "kea-lfc-cleanup is for Kea's user: systemctl start kea-lfc6.service\n"
    assert list(leases.iterdir()) == []
