# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces of what root does on a host, and what of that is by a path that another user may replace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host import Host, wait
from support.programs import need, run
from support.trace import OPTIONS, Trace, Tree, unsafe

OF_DEBIAN = {"pg_lsclusters", "dpkg"}
"""Programs of Debian that root runs anyway. They read what the user postgres or, since Kea 3.0, _kea may replace."""


def outer(host: Host, process: int) -> int:
    """Return the number that a process of the container has on this machine."""
    init, space = _init(host)
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError, StopIteration):  # a process that ended meanwhile
            numbers = next(line for line in status.read_text().splitlines() if line.startswith("NSpid")).split()
            if int(numbers[-1]) == process and os.readlink(status.parent / "ns/pid") == space:
                return int(numbers[1])
    raise AssertionError(f"no process {process} in {host.name}, whose first process is {init} here")


def _init(host: Host) -> tuple[str, str]:
    """Return the first process of the container, and its name space of processes."""
    init = run("podman", "inspect", "--format", "{{.State.Pid}}", host.name).strip()
    return init, os.readlink(f"/proc/{init}/ns/pid")


@contextmanager
def traced(host: Host, directory: Path) -> Iterator[None]:
    """Trace what sshd of the host starts from now on; root acts by no path that another user may replace.

    The connections to the host are new ones. Raises AssertionError.
    """
    sshd = outer(host, int(host.run("cat", "/run/sshd.pid")))
    log = directory / "trace"
    log.mkdir()
    command = [need("strace"), *OPTIONS, "-o", f"{log}/trace", "-p", str(sshd)]
    before = dict(host.environment)
    host.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = str(directory / "ssh")
    try:
        with subprocess.Popen(command) as strace:
            wait(lambda: "TracerPid:\t0\n" not in Path(f"/proc/{sshd}/status").read_text(), "strace")
            yield
            strace.send_signal(signal.SIGINT)
    finally:
        host.environment = before
    acts = list(Trace(log, sshd).acts())
    assert any(act.path.startswith("/etc/kea/") for act in acts), "the trace shows the deployment"
    found = unsafe(
        (act for act in acts if act.program not in OF_DEBIAN), Tree(f"/proc/{_init(host)[0]}/root").is_of_root
    )
    print(f"{len(acts)} acts of root, {len(found)} unsafe")
    assert not found, found
