# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every path by which root acts in a roll-back and a deployment: no other user may replace a part of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from host import Host, wait
from states import BEFORE_DEPLOY, EVENTS
from support.programs import need, run
from support.trace import OPTIONS, Trace, Tree, unsafe

FILES: dict[str, Any] = {"kea_enable_database": False, "kea_db_enable_notify": False}
OF_DEBIAN = {"pg_lsclusters", "dpkg"}
"""Programs of Debian that root runs anyway. They read what the user postgres or, since Kea 3.0, _kea may replace."""


def outer(host: Host, process: int) -> int:
    """Return the number that a process of the container has on this machine."""
    init = run("podman", "inspect", "--format", "{{.State.Pid}}", host.name).strip()
    space = os.readlink(f"/proc/{init}/ns/pid")
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, StopIteration):  # a process that ended meanwhile
            numbers = next(line for line in status.read_text().splitlines() if line.startswith("NSpid")).split()
            if int(numbers[-1]) == process and os.readlink(status.parent / "ns/pid") == space:
                return int(numbers[1])
    raise AssertionError(f"no process {process} in {host.name}")


@contextmanager
def traced(host: Host, directory: Path) -> Iterator[Trace]:
    """Trace what sshd of the host starts from now on."""
    sshd = outer(host, int(host.run("cat", "/run/sshd.pid")))
    command = [need("strace"), *OPTIONS, "-o", f"{directory}/trace", "-p", str(sshd)]
    with subprocess.Popen(command) as strace:
        wait(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{sshd}/status").read_text(), "strace")
        yield Trace(directory, sshd)
        strace.send_signal(signal.SIGINT)


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    options = request.config.option
    host = Host(options.host, options.address, options.bmcs)
    # Connections of their own, which begin while sshd is traced.
    host.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(tmp_path / "ssh")
    return host


@pytest.mark.parametrize("mode", [EVENTS, FILES], ids=["events", "file"])
def test_root_acts_by_no_path_that_another_user_may_replace(host: Host, tmp_path: Path, mode: dict[str, Any]) -> None:
    log = tmp_path / "trace"
    log.mkdir()
    with traced(host, log) as trace:
        for playbook, more in (("kea_rollback", BEFORE_DEPLOY), ("kea_deploy", {})):
            done = host.play(playbook, "--limit", host.name, **{**mode, **more})
            assert done.code == 0, done.output
    init = run("podman", "inspect", "--format", "{{.State.Pid}}", host.name).strip()
    acts = list(trace.acts())
    assert any(act.path.startswith("/etc/kea/") for act in acts), "the trace shows the deployment"
    found = unsafe((act for act in acts if act.program not in OF_DEBIAN), Tree(f"/proc/{init}/root").is_of_root)
    print(f"{len(acts)} acts of root, {len(found)} unsafe")
    assert found == []
