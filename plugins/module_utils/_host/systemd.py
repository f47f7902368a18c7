# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what systemd says of a unit, and whether it runs with what is on the disk now."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Dict, List, NamedTuple, Optional, Sequence

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic,MainPID,NRestarts"


class Unit(NamedTuple):
    """A unit that systemd knows."""

    name: str
    active: bool
    enabled: bool
    since: float
    """When it became active, in seconds since the epoch."""
    needs_daemon_reload: bool
    pid: int = 0
    """Of its main process; 0 for none."""
    failed: bool = False
    """It ended, and systemd does not start it again."""
    restarts: int = 0
    """How often systemd started it again since somebody did, or said reset-failed."""

    def environment(self) -> Dict[str, str]:
        """That the running process was started with, whatever its unit says now."""
        try:
            with open(f"/proc/{self.pid}/environ", encoding="utf-8", errors="replace") as file:
                return dict(entry.split("=", 1) for entry in file.read().split("\0") if "=" in entry)
        except OSError:
            return {}

    def outdated(self, paths: Sequence[str]) -> bool:
        """Whether one of these files, or the unit itself, changed after it started.

        So a change is put in force by the next run even if the one that made it was killed before the restart.
        """
        return self.active and (self.needs_daemon_reload or bool(self.newer(paths)))

    def newer(self, paths: Sequence[str]) -> List[str]:
        """Those of the files that changed after it started."""
        return [path for path in paths if os.path.lexists(path) and os.lstat(path).st_mtime > self.since]


def forget(module: AnsibleModule, paths: Sequence[str]) -> None:
    """Have systemd see that files are gone, and remember no failure of the units that they were."""
    module.run_command(["systemctl", "daemon-reload"])
    names = [os.path.basename(path) for path in paths if path.endswith((".service", ".timer", ".path"))]
    if names:
        module.run_command(["systemctl", "reset-failed", *names])


def find(module: AnsibleModule, *names: str) -> Optional[Unit]:
    """The first of these units that systemd knows; None without one, or without systemd."""
    systemctl = module.get_bin_path("systemctl")
    if systemctl is None:
        return None
    code, out, _err = module.run_command([systemctl, "show", f"--property={_PROPERTIES}", *names])
    for block in out.strip().split("\n\n") if code == 0 else []:
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if properties.get("LoadState") == "loaded":
            entered = int(properties.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
            return Unit(
                properties["Id"],
                properties.get("ActiveState") == "active",
                properties.get("UnitFileState") == "enabled",
                time.time() - (time.monotonic() - entered),
                properties.get("NeedDaemonReload") == "yes",
                int(properties.get("MainPID") or 0),
                properties.get("ActiveState") == "failed",
                int(properties.get("NRestarts") or 0),
            )
    return None
