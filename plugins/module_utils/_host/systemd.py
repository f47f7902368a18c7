# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the state of a systemd unit, and whether it runs with what is on the disk now."""

from __future__ import annotations

import os
import re
import shlex
import time
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence

from .._errors import KeaError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_PROPERTIES = (
    "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic,MainPID,NRestarts,User"
)


class Unit(NamedTuple):
    """A unit that systemd knows."""

    name: str
    active: bool
    enabled: bool
    since: float
    """When it became active, in seconds since the epoch."""
    needs_daemon_reload: bool
    pid: int = 0
    """Process id of its main process; 0 for none."""
    failed: bool = False
    """Whether it ended and systemd does not restart it."""
    restarts: int = 0
    """How often systemd restarted it since the last start by a person or play, or the last reset-failed."""
    entered: int = 0
    """When it became active, in microseconds of the monotonic clock: unlike ``since``, the same at each look."""
    user: str = ""
    """The user whom it sets, by name or number; empty for root."""

    def shown(self) -> Dict[str, Any]:
        """Return what modules report about the unit."""
        return {"name": self.name, "active": self.active, "enabled": self.enabled}

    def environment(self) -> Dict[str, str]:
        """Return the environment that the running process was started with, whatever its unit says now."""
        try:
            with open(f"/proc/{self.pid}/environ", encoding="utf-8", errors="replace") as file:
                return dict(entry.split("=", 1) for entry in file.read().split("\0") if "=" in entry)
        except OSError:
            return {}

    def outdated(self, paths: Sequence[str]) -> bool:
        """Return whether one of these files, or the unit itself, changed after it started.

        So the next run puts a change in force even if the run that wrote it was killed before the restart.
        """
        return self.active and (self.needs_daemon_reload or bool(self.newer(paths)))

    def newer(self, paths: Sequence[str]) -> List[str]:
        """Return those of the files that changed after it started."""
        return [path for path in paths if os.path.lexists(path) and os.lstat(path).st_mtime > self.since]


def forget(module: AnsibleModule, paths: Sequence[str]) -> None:
    """Reload systemd after unit files were removed, and reset the failures of their units."""
    module.run_command(["systemctl", "daemon-reload"])
    names = [os.path.basename(path) for path in paths if path.endswith((".service", ".timer", ".path"))]
    if names:
        module.run_command(["systemctl", "reset-failed", *names])


def find(module: AnsibleModule, *names: str) -> Optional[Unit]:
    """Return the first of these units that systemd knows; None if it knows none, or without systemd."""
    systemctl = module.get_bin_path("systemctl")
    if systemctl is None:
        return None
    for properties in _shown(module, systemctl, _PROPERTIES, *names):
        if properties.get("LoadState") == "loaded":
            entered = int(properties.get("ActiveEnterTimestampMonotonic") or 0)
            return Unit(
                properties["Id"],
                properties.get("ActiveState") == "active",
                properties.get("UnitFileState") == "enabled",
                time.time() - (time.monotonic() - entered / 1e6),
                properties.get("NeedDaemonReload") == "yes",
                int(properties.get("MainPID") or 0),
                properties.get("ActiveState") == "failed",
                int(properties.get("NRestarts") or 0),
                entered,
                properties.get("User", ""),
            )
    return None


def environment(module: AnsibleModule, name: str) -> Dict[str, str]:
    """Return the environment that a unit sets for its next process, without what it reads from files.

    Raises KeaError.
    """
    code, out, err = module.run_command(["systemctl", "show", "--property=Environment", "--value", name])
    if code:
        raise KeaError(f"systemctl show {name} failed: {err.strip()}")
    return dict(word.split("=", 1) for word in shlex.split(out) if "=" in word)


def find_program(module: AnsibleModule, name: str) -> Optional[Unit]:
    """Return the service that starts the program of this name; None if none or several do.

    Only services that systemd has loaded are looked at: those that run or are enabled.
    """
    systemctl = module.get_bin_path("systemctl")
    if systemctl is None:
        return None
    services = _shown(module, systemctl, "Id,ExecStart", "*.service")
    # ExecStart={ path=/usr/bin/name ; argv[]=/usr/bin/name -c ... ; ... }
    starts = re.compile(rf"path=(\S*/)?{re.escape(name)} ;")
    found = [one["Id"] for one in services if starts.search(one.get("ExecStart", ""))]
    return find(module, *found) if len(found) == 1 else None


def _shown(module: AnsibleModule, systemctl: str, properties: str, *names: str) -> List[Dict[str, str]]:
    """Return these properties of each of the units."""
    code, out, _err = module.run_command([systemctl, "show", f"--property={properties}", *names])
    blocks = out.strip().split("\n\n") if code == 0 else []
    return [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
