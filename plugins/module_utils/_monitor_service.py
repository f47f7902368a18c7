# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: puts a release of the lease monitor in force, and takes it back if it is not healthy in time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Dict, List

from ansible_collections.baremetal.kea.plugins.module_utils import _systemd
from ansible_collections.baremetal.kea.plugins.module_utils._release import COMMAND, LAUNCHER, Files, Releases

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

UNIT = "kea-lease-monitor.service"
USER = "kea-lease-monitor"
COMMAND_PATH = f"/usr/local/bin/{COMMAND}"
JOURNAL_LINES = 20
# Of release 1.0.0, which makes its state by itself and knows nothing of --yes.
FIRST_SCHEMA = "0001"


class Monitor:
    """The daemon on this host: its releases, its links and its unit."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._check = module.check_mode
        self._config: str = module.params["config"]
        self._timeout: int = module.params["timeout"]
        self._releases = Releases(module.params["root"])
        self._links = {
            os.path.join(module.params["root"], LAUNCHER): f"current/{LAUNCHER}",
            COMMAND_PATH: os.path.join(module.params["root"], "current", COMMAND),
        }

    def state(self) -> Dict[str, Any]:
        """What is there now, as the module returns and compares it."""
        unit = _systemd.find(self._module, UNIT)
        return {
            "current": self._releases.current(),
            "releases": self._releases.names(),
            "links": sorted(path for path, target in self._links.items() if _points_to(path, target)),
            "active": bool(unit and unit.active),
            "enabled": bool(unit and unit.enabled),
        }

    def stage(self, name: str, files: Files) -> bool:
        """Have the release on the disk, not in force. Returns whether it was missing or had been altered."""
        if self._releases.is_whole(name, files):
            return False
        if not self._check:
            self._releases.install(name, files)
        return True

    def present(self, name: str, files: Files, restart: bool) -> bool:
        """Have the release in force, healthy, and started with the host. Returns whether anything changed.

        Ends the module on failure.
        """
        former = self._releases.current()
        altered = self.stage(name, files)
        unit = _systemd.find(self._module, UNIT)
        reads = [self._config, os.path.join(self._releases.root, "current")]
        needed = altered or restart or former != name or not (unit and unit.active) or unit.outdated(reads)
        disabled = not (unit and unit.enabled)
        unlinked = [path for path, target in self._links.items() if not _points_to(path, target)]
        if not self._check:
            if needed:
                self._move_state_or_stay(name, former)
            if former != name:
                self._releases.activate(name)
            for path in unlinked:
                self._releases.link(path, self._links[path])
            if disabled:
                self._systemctl("enable", "--quiet")
            if needed:
                self._restart_or_go_back(name, former)
            self._releases.prune()
        return bool(needed or disabled or unlinked)

    def absent(self) -> bool:
        """Have no release and no link. The configuration, the state and what the daemon wrote stay."""
        links = [path for path, target in self._links.items() if _points_to(path, target)]
        found = bool(links or self._releases.names() or self._releases.current())
        if found and not self._check:
            self._systemctl("disable", "--now", "--quiet")
            for path in links:
                os.remove(path)
            self._releases.remove_all()
        return found

    def _move_state_or_stay(self, name: str, former: str | None) -> None:
        problem = self._move_state(former, name)
        if not problem:
            return
        again = self._restart() if former else "There is no other release"
        outcome = (
            f"Release {former} stays in force" + (f", but: {again}" if again else " and healthy") if former else again
        )
        self._module.fail_json(
            msg=f"Release {name} of the lease monitor cannot have its state: {problem}. {outcome}.",
            monitor=self.state(),
        )

    def _move_state(self, source: str | None, target: str) -> str:
        """Have the schema of the state that a release needs. Returns what is wrong, or nothing.

        The newer one of two releases knows both schemas, so it does that in either direction.
        """
        has, needs = self._releases.schema(source) if source else "", self._releases.schema(target)
        if source and has > needs:
            knows, step = source, ["downgrade", "--yes", "--to", needs]
        elif needs > FIRST_SCHEMA:
            knows, step = target, ["upgrade", "--yes"]
        else:
            return ""
        if source and has != needs:
            self._systemctl("stop")
        command = os.path.join(self._releases.path(knows), COMMAND)
        code, out, err = self._module.run_command([command, "db", *step, "--config", self._config])
        return "" if code == 0 else (err.strip() or out.strip() or f"it ended with {code}").splitlines()[-1]

    def _restart_or_go_back(self, name: str, former: str | None) -> None:
        problem = self._restart()
        if not problem:
            return
        journal = self._journal()
        if former and former != name:
            stuck = self._move_state(name, former)
            self._releases.activate(former)
            again = self._restart() or stuck
            outcome = f"Release {former} is in force again" + (f", but: {again}" if again else " and healthy")
        else:
            outcome = "There is no other release to go back to"
        self._module.fail_json(
            msg=f"Release {name} of the lease monitor is not healthy: {problem}. {outcome}.",
            journal=journal,
            monitor=self.state(),
        )

    def _restart(self) -> str:
        """Restart the unit and wait for its health. Returns what is wrong, or nothing."""
        deadline = time.monotonic() + self._timeout
        self._module.run_command(["systemctl", "daemon-reload"])
        self._systemctl("reset-failed", "--quiet")
        # The unit is Type=notify: this returns when the daemon says that it is ready, or has failed.
        if self._systemctl("restart"):
            return f"{UNIT} did not start"
        while True:
            code, out, err = self._module.run_command(
                ["runuser", "-u", USER, "--", COMMAND_PATH, "check", "--config", self._config]
            )
            if code == 0:
                return ""
            if time.monotonic() > deadline:
                return (out.strip() or err.strip() or f"check ended with {code}").splitlines()[-1]
            time.sleep(0.5)

    def _systemctl(self, *words: str) -> int:
        code: int = self._module.run_command(["systemctl", *words, UNIT])[0]
        return code

    def _journal(self) -> List[str]:
        command = ["journalctl", "--unit", UNIT, "--lines", str(JOURNAL_LINES), "--no-pager", "--output", "cat"]
        lines: List[str] = self._module.run_command(command)[1].splitlines()
        return lines


def _points_to(path: str, target: str) -> bool:
    return os.path.islink(path) and os.readlink(path) == target
