# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: puts a release of the lease monitor in force, and reverts that if it is not healthy in time."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from .._config.servers import INCLUDES, WRITTEN
from .._errors import KeaError
from .._host import systemd
from .._kea import durable
from .history import History
from .names import APPLIERS, FORMER_APPLIER, SHARED, UNIT, USER
from .reservations import ReservationFiles
from .._host.release import COMMAND, LAUNCHER, Files, Releases

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

COMMAND_PATH = f"/usr/local/bin/{COMMAND}"
READING = "has not caught up yet: still reading"
"""In what ``kea-lease-monitor check`` prints while a monitor reads all leases and met no error."""
NOT_IN_FORCE = "unhealthy: the reservations in "
"""What it prints if Kea does not load reservations. Another release would not help, and kea_verify reports it."""
CATCHING_UP = 600
"""Seconds that it may read beyond the time-out of the module."""
SILENT = "gave its last sign of life"
"""In what it prints while the daemon acts upon one batch on a busy host. systemd ends one that hangs (WatchdogSec)."""
BUSY = 90
"""Seconds that this may last beyond the time-out of the module."""
JOURNAL_LINES = 20
SOURCE = re.compile(r"source \w+")
# Of release 1.0.0, which makes its state by itself and knows nothing of --yes.
FIRST_SCHEMA = "0001"


class Monitor:
    """The lease monitor on this host: its releases, its links and its unit."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._check = module.check_mode
        self._config: str = module.params["config"]
        self._timeout: int = module.params["timeout"]
        self._releases = Releases(module.params["root"])
        self._history = History(module, [self._config, *module.params["files"]])
        self._reservations = [
            ReservationFiles(self._config, module.params["reservations_directory"]),
            ReservationFiles(self._config, INCLUDES[6], WRITTEN[6], 6),
        ]
        current = os.path.join(module.params["root"], "current")
        self._links = {
            os.path.join(module.params["root"], LAUNCHER): f"current/{LAUNCHER}",
            COMMAND_PATH: os.path.join(current, COMMAND),
            **{path: os.path.join(current, target) for path, target in SHARED.items()},
        }

    def state(self) -> Dict[str, Any]:
        """Return the current state, as the module returns and compares it."""
        unit = systemd.find(self._module, UNIT)
        return {
            "current": self._releases.current(),
            "releases": self._releases.names(),
            "links": sorted(path for path, target in self._links.items() if _points_to(path, target)),
            "active": bool(unit and unit.active),
            "enabled": bool(unit and unit.enabled),
        }

    def stage(self, name: str, files: Files) -> bool:
        """Install the release without putting it in force. Return whether it was missing or changed."""
        previous, unit = self._releases.current(), systemd.find(self._module, UNIT)
        if not self._check and previous and unit and unit.active and not unit.outdated(self._reads()):
            self._history.keep(previous)
        if self._releases.is_whole(name, files):
            return False
        if not self._check:
            self._releases.install(self._module, name, files)
        return True

    def present(self, name: str, files: Files, restart: bool) -> bool:
        """Put the release in force, healthy and started with the host. Return whether anything changed.

        Raises KeaError if it is not healthy; the previous release is in force again then.
        """
        # Raises before anything is changed if the reservation files cannot be moved.
        misplaced = any(one.misplaced() for one in self._reservations)
        previous = self._releases.current()
        altered = self.stage(name, files)
        unit = systemd.find(self._module, UNIT)
        needed = altered or restart or misplaced or previous != name
        needed = needed or not (unit and unit.active) or unit.outdated(self._reads())
        disabled = not (unit and unit.enabled)
        unlinked = [path for path, target in self._links.items() if not _points_to(path, target)]
        if not self._check:
            if needed:
                self._migrate_or_stay(name, previous)
            if previous != name:
                self._releases.activate(name)
            for path in unlinked:
                os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
                durable.link(path, self._links[path])
            if disabled:
                self._systemctl("enable", "--quiet")
            if needed:
                self._restart_or_revert(name, previous)
            self._history.keep(name, after=previous)
            self._releases.prune(self._history.names())
        return bool(needed or disabled or unlinked)

    def previous(self) -> Tuple[bool, str]:
        """Put the release before the last one in force again, with its configuration.

        Return whether anything changed, and the name of the release. Raises KeaError.
        """
        previous = self._releases.current()
        names = [name for name in self._history.names() if name in self._releases.names()]
        if not previous or len(names) < 2:
            raise KeaError("There is no earlier release of the lease monitor to return to")
        name = names[-2]
        if name == previous:
            return False, name
        self._refuse_other_source(name, previous)
        if not self._check:
            self._history.keep(previous)
            if not self._same_schema(name, previous):
                self._migrate_or_stay(name, previous)
            self._history.revert(name)
            self._releases.activate(name)
            self._restart_or_revert(name, previous)
        return True, name

    def absent(self) -> bool:
        """Remove all releases and links. The configuration, the state store and the daemon's output stay."""
        links = [path for path, target in self._links.items() if _points_to(path, target)]
        found = bool(links or self._releases.names() or self._releases.current())
        if found and not self._check:
            self._systemctl("disable", "--now", "--quiet")
            for path in links:
                os.remove(path)
            self._releases.remove_all()
        return found

    def _migrate_or_stay(self, name: str, previous: Optional[str]) -> None:
        problem = self._migrate(previous, name)
        if not problem:
            return
        if previous:
            # The previous release may refuse the new files, and its applier does not know the flags of the new unit.
            self._history.revert(previous)
        again = self._restart() if previous else "There is no other release"
        outcome = (
            f"Release {previous} stays in force" + (f", but: {again}" if again else " and healthy")
            if previous
            else again
        )
        raise KeaError(
            f"Release {name} of the lease monitor cannot migrate its state store: {problem}. {outcome}.",
            monitor=self.state(),
        )

    def _same_schema(self, one: str, other: str) -> bool:
        """Whether one release can use the state of another as it is. It may refuse the configuration of the other."""
        return bool(self._releases.schema(one) == self._releases.schema(other))

    def _migrate(self, source: Optional[str], target: str) -> str:
        """Migrate the state store to the schema of release ``target``. Return what went wrong, or an empty text.

        The newer of two releases knows both schemas, so it migrates in either direction.
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

    def _reads(self) -> List[str]:
        return [self._config, *self._module.params["files"], os.path.join(self._releases.root, "current")]

    def _refuse_other_source(self, name: str, previous: str) -> None:
        """Raise KeaError if the release would read another source, whose leases are gone."""
        with self._history.candidate(name) as config:
            wanted, refusal = self._source(name, config)
        found, _broken = self._source(previous, self._config)
        if not wanted:
            raise KeaError(f"Release {name} of the lease monitor refuses its previous configuration: {refusal}")
        if found and wanted != found:
            raise KeaError(
                f"Release {name} of the lease monitor was in force with {wanted}, and now Kea's leases come from "
                f"{found}. Nothing was changed. Deploy that mode first, or return to polling"
            )

    def _source(self, name: str, config: str) -> Tuple[str, str]:
        """Return the source of a release with this configuration, or why it refuses the configuration."""
        command = [os.path.join(self._releases.path(name), COMMAND), "check-config", "--config", config]
        _code, out, err = self._module.run_command(command)
        source = SOURCE.search(out)
        return (source.group() if source else "", (err or out).strip())

    def _restart_or_revert(self, name: str, previous: Optional[str]) -> None:
        problem = self._restart()
        if not problem:
            return
        journal = self._journal()
        raise KeaError(
            f"Release {name} of the lease monitor is not healthy: {problem}. {self._revert(name, previous)}.",
            journal=journal,
            monitor=self.state(),
        )

    def _revert(self, name: str, previous: Optional[str]) -> str:
        """Put the previous release in force with its files. Return the result as a sentence."""
        if previous is None:
            self._systemctl("disable", "--now", "--quiet")
            return "There is no previous release; it was stopped"
        stuck = "" if self._same_schema(name, previous) else self._migrate(name, previous)
        altered = self._history.revert(previous)
        if previous == name and not altered:
            return "There is no previous release"
        self._releases.activate(previous)
        again = self._restart() or stuck
        what = f"Release {previous}" if previous != name else "Its previous configuration"
        return f"{what} is in force again" + (f", but: {again}" if again else " and healthy")

    def _restart(self) -> str:
        """Restart the units and wait until the monitor is healthy. Return what is wrong, or an empty text.

        The reservation files follow the configuration.
        """
        try:
            self._move_reservations()
        except KeaError as error:
            return str(error)
        self._module.run_command(["systemctl", "daemon-reload"])
        # First, because the applier of a former release does not understand what this monitor writes.
        self._restart_applier()
        return self._restart_monitor()

    def _move_reservations(self) -> None:
        """Move the reservation files while no process writes or, where they move, uses them. Raises KeaError."""
        if any(one.directory is not None for one in self._reservations):
            self._systemctl("stop")
        if any(one.misplaced() for one in self._reservations):
            self._module.run_command(["systemctl", "stop", FORMER_APPLIER, *APPLIERS.values()])
        for one in self._reservations:
            one.move()

    def _restart_applier(self) -> None:
        """Restart what applies reservations, which in each mode also reads Kea's statistics.

        A former release has a path unit, which starts the service, and with reservations in a database has neither.
        """
        if self._reservations[0].directory is not None and systemd.find(self._module, FORMER_APPLIER):
            self._module.run_command(["systemctl", "stop", *APPLIERS.values()])
            self._module.run_command(["systemctl", "enable", "--now", "--quiet", FORMER_APPLIER])
            return
        for name in APPLIERS.values():
            known = systemd.find(self._module, name)
            self._module.run_command(["systemctl", "restart" if known else "stop", name])

    def _restart_monitor(self) -> str:
        deadline = time.monotonic() + self._timeout
        self._systemctl("reset-failed", "--quiet")
        # The unit is Type=notify: this returns once the daemon is ready or has failed.
        if self._systemctl("restart"):
            return f"{UNIT} did not start"
        while True:
            code, out, err = self._module.run_command(
                ["runuser", "-u", USER, "--", COMMAND_PATH, "check", "--config", self._config],
                # Root's own is closed to this user, and libpq looks for a certificate there.
                environ_update={"HOME": os.path.expanduser(f"~{USER}")},
            )
            if code == 0 or out.startswith(NOT_IN_FORCE):
                return ""
            # The first start of a release may read all leases of a large site. An error ends this at once.
            patience = CATCHING_UP if READING in out else BUSY if SILENT in out else 0
            if time.monotonic() > deadline + patience:
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
