# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Act on a host as another user, as code in place of the monitor, or as a role of the database; print what that got."""

from __future__ import annotations

import json
from typing import Iterable

from host import SCRIPTS, Host

MONITOR_UNIT = "/etc/systemd/system/kea-lease-monitor.service"
UNIT = "/run/systemd/system/kea-hostile.service"
PYTHON = "/usr/bin/python3"


def script() -> str:
    return (SCRIPTS / "attempts.py").read_text()


def attempts(host: Host, user: str, actions: Iterable[str]) -> dict[str, str]:
    """Try these actions as a user. Return and print what each got."""
    said = host.run("runuser", "-u", user, "--", PYTHON, "-", *actions, stdin=script())
    return told(user, said)


def as_monitor(host: Host, actions: Iterable[str]) -> dict[str, str]:
    """Try these actions as code that runs in place of the monitor: as its user and in its unit."""
    host.run("sh", "-c", "cat >/opt/baremetal/attempts.py && chmod 0644 /opt/baremetal/attempts.py", stdin=script())
    command = " ".join([PYTHON, "/opt/baremetal/attempts.py", *actions])
    drop = "Restart|ExecReload|WatchdogSec|NotifyAccess|StateDirectory|WantedBy|Type"
    host.run("sh", "-ec", f"""
        sed -E '/^({drop})/d; s#^ExecStart=.*#ExecStart={command}#' {MONITOR_UNIT} >{UNIT}
        sed -i 's#^\\[Service\\]#[Service]\\nType=oneshot#' {UNIT}
        systemctl daemon-reload
        systemctl start kea-hostile
    """)  # fmt: skip
    lines = host.run("journalctl", "-u", "kea-hostile", "-o", "cat", "--no-pager", "-n", "20").splitlines()
    return told("the monitor", next(line for line in reversed(lines) if line.startswith("{")))


def told(who: str, said: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(said)
    for action, result in found.items():
        print(f"{who}: {action}: {result}")
    return found


def got(found: dict[str, str]) -> list[str]:
    """Return the actions that were not refused."""
    return [action for action, result in found.items() if not result.startswith("refused")]


def psql(host: Host, user: str, statement: str, role: str = "") -> str:
    """Return what the database says to a user of the system, in its last line."""
    command = ["runuser", "-u", user, "--", "psql", "-XAtq", "-d", "kea", *(["-U", role] if role else [])]
    said = host.run("sh", "-c", '"$@" 2>&1', "sh", *command, "-c", statement, check=False).strip()
    print(f"{role or user}: {statement}: {said}")
    return said
