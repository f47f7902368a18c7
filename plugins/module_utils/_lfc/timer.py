# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the LFC timer on a host: its release, its units, and Kea's lfc-interval that it replaces."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .._config.document import Document
from .._config.file import update
from .._errors import KeaError
from .._host import systemd
from .._host.release import Files, Releases
from .._kea import durable, tree
from .._manifest.document import Manifest
from .._manifest.record import Thing, intend
from .._server.service import KeaService
from . import units as lfc_units
from .interval import (
    Found,
    Kept,
    Mark,
    give_back,
    look,
    take_over,
)
from .proof import Service

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PACKAGE = "kea_lfc_cleanup"
COMMAND = "kea-lfc-cleanup"
SERVES_WITHIN = 60.0
"""Seconds that Kea has to serve after a restart."""


class Timer:
    """The LFC timer of one server."""

    def __init__(self, module: AnsibleModule, family: int) -> None:
        self._module = module
        self._check = module.check_mode
        self._family = family
        self._top = f"Dhcp{family}"
        self._kea = KeaService(module, module.params["path"])
        self._names = lfc_units.unit_names(family)
        self._service = Service(module, self._names["service"])
        self._releases = Releases(lfc_units.ROOT)
        self._kept = Kept(family)
        self._unproved = Mark(family)
        self.config_result: Dict[str, Any] = {}

    def state(self) -> Dict[str, Any]:
        """Return the current state, as the module returns and compares it."""
        timer = systemd.find(self._module, self._names["timer"])
        units = {path: _read(path) for path in self._paths()}
        return {
            "release": self._releases.current(),
            "units": {path: text for path, text in units.items() if text is not None},
            "active": bool(timer and timer.active),
            "enabled": bool(timer and timer.enabled),
        }

    def found(self) -> Found:
        """Return Kea's lfc-interval before the timer was installed."""
        return self._kept.read() or self._look()

    def present(self, name: str, files: Files, units: Dict[str, str], takes_over: bool) -> bool:
        """Install the timer; a new or changed one is proved by one run. Return whether anything changed.

        ``takes_over`` sets Kea's lfc-interval to 0. Raises KeaError, after all changes were reverted.
        """
        before, taken_over = self.state(), self._kept.read() is not None
        if not self._check:
            self._remember()
        stale = not self._releases.is_whole(name, files) or before["release"] != name
        renewed = stale or before["units"] != units or self._unproved.exists()
        asleep = not (before["active"] and before["enabled"])
        if renewed and not self._check:
            self._unproved.put()
        switched = self._set_interval(takes_over)
        if not self._check:
            try:
                if stale:
                    self._releases.install(self._module, name, files)
                    self._releases.activate(name)
                if renewed:
                    self._forget_metrics(before["units"], units)
                    self._write(units)
                    self._service.prove()
                if renewed or asleep:
                    self._start()
            except (OSError, KeaError) as error:
                details = error.details if isinstance(error, KeaError) else {}
                raise KeaError(f"{self._revert(before, taken_over)}: {error}", **details) from error
            self._unproved.remove()
            self._releases.prune()
        return renewed or switched or asleep

    def absent(self) -> bool:
        """Remove the timer, and revert Kea's lfc-interval. Return whether anything changed. Raises KeaError."""
        before = self.state()
        try:
            if before["units"] and not self._check:
                self._stop()
            changed = self._set_interval(False) or bool(before["units"])
        except KeaError:
            if before["active"] and not self._check:
                self._start()
            raise
        if changed and not self._check:
            self._remove_reports(before["units"])
            self._unproved.remove()
            self._write({})
            self._service.systemctl("reset-failed", "--quiet", self._names["service"])
        if not before["release"] or self._others():
            return changed
        if not self._check:
            self._releases.remove_all()
            shutil.rmtree(lfc_units.ROOT, ignore_errors=True)
            shutil.rmtree(lfc_units.STATE_DIRECTORY, ignore_errors=True)
        return True

    def _stop(self) -> None:
        """Stop the timer once an LFC run that is under way has finished: a stopped run would leave unfinished files."""
        self._service.systemctl("disable", "--now", "--quiet", self._names["timer"])
        try:
            with self._kea.without_lfc():
                self._service.systemctl("stop", self._names["service"])
        except KeaError as error:
            raise KeaError(f"The timer was not removed: {error}") from error

    def _remember(self) -> None:
        """Add what the timer consists of to the manifest of the host, before any of it is created."""
        files = [*self._paths(), self._kept.path, self._unproved.path]
        things = [Thing("file", path) for path in files] + [Thing("tree", lfc_units.ROOT)]
        things += [Thing("tree", lfc_units.STATE_DIRECTORY), Thing("unit", self._names["timer"])]
        manifest = Manifest()
        with manifest.locked():
            intend(self._module, manifest, things, settled=False)
            manifest.write()

    def _look(self) -> Found:
        text = tree.read(self._module.params["path"]).decode("utf-8", "surrogateescape")
        return look(Document(text), self._top)

    def _set_interval(self, taken_over: bool) -> bool:
        """Set Kea's lfc-interval to 0 or revert it, and restart Kea if that changed its configuration.

        Return whether anything changed. Raises KeaError, after the configuration was reverted.
        """
        found = self._kept.read()
        if (found is None and not taken_over) or not os.path.exists(self._module.params["path"]):
            return False
        now = self._look()
        # If the site has set another lfc-interval since, that is the one to revert to.
        if taken_over and not self._check and (found is None or now.seconds):
            self._kept.write(now)

        def edit(document: Document) -> Document:
            return (
                take_over(document, self._top) if found is None or taken_over else give_back(document, self._top, found)
            )

        try:
            before, _after, self.config_result = update(self._module, edit, self._top)
            if self.config_result["changed"] and not self._check:
                self._restart_or_revert(before)
        except KeaError:
            # If the configuration could not be reverted, only this file has the previous lfc-interval.
            if found is None and self._look() == now:
                self._kept.forget()
            raise
        if not taken_over and not self._check:
            self._kept.forget()
        return bool(self.config_result["changed"]) or not taken_over

    def _restart_or_revert(self, before: Document) -> None:
        """Restart Kea; revert the configuration if Kea does not serve with it. Raises KeaError."""
        try:
            self._kea.run("restart", SERVES_WITHIN)
        except KeaError as error:
            update(self._module, lambda _now: before, self._top)
            said = f"Kea did not serve with another lfc-interval ({error})"
            try:
                self._kea.run("restart", SERVES_WITHIN)
            except KeaError as second:
                raise KeaError(
                    f"{said}, and not with the previous one either ({second}): look into its journal"
                ) from error
            raise KeaError(f"{said}; the previous one is in force again") from error

    def _start(self) -> None:
        """Enable and start the timer. Raises KeaError if systemd refuses it."""
        for verb in ("enable", "restart"):
            code, _out, refused = self._service.systemctl(verb, "--quiet", self._names["timer"])
            if code:
                raise KeaError(f"systemctl {verb} {self._names['timer']} failed: {refused.strip()}")

    def _revert(self, before: Dict[str, Any], taken_over: bool) -> str:
        """Revert all changes; return the result as a sentence."""
        try:
            self._restore(before, taken_over)
        except (OSError, KeaError) as error:
            return f"The change of the timer could not be reverted ({error}): repair the cause, then run the play again"
        return "The timer is as it was before"

    def _restore(self, before: Dict[str, Any], taken_over: bool) -> None:
        if not before["enabled"]:
            now = [] if before["active"] else ["--now"]
            self._service.systemctl("disable", *now, "--quiet", self._names["timer"])
        self._write(before["units"])
        self._service.systemctl("reset-failed", "--quiet", self._names["service"])
        if before["release"]:
            self._releases.activate(before["release"])
        else:
            self._releases.remove_all()
        self._set_interval(taken_over)
        if before["active"]:
            self._service.systemctl("restart", self._names["timer"])
        self._unproved.remove()

    def _write(self, units: Dict[str, str]) -> None:
        for path in self._paths():
            if path in units:
                durable.replace(path, units[path].encode(), 0o644)
            else:
                durable.remove(path)
        self._service.systemctl("daemon-reload")

    def _remove_reports(self, units: Dict[str, str]) -> None:
        """Remove the reports of the last run: monitoring must not take them for current ones."""
        self._forget_metrics(units, {})
        for name in (f"kea_lfc{self._family}.prom", f"state{self._family}.json"):
            durable.remove(os.path.join(lfc_units.STATE_DIRECTORY, name))

    def _forget_metrics(self, before: Dict[str, str], after: Dict[str, str]) -> None:
        """Remove metrics that the new units would not update any more."""
        previous = lfc_units.metrics_file(before)
        if previous and previous != lfc_units.metrics_file(after):
            durable.remove(previous)

    def _paths(self) -> List[str]:
        return [os.path.join(lfc_units.DIRECTORY, name) for name in sorted(self._names.values())]

    def _others(self) -> bool:
        """Return whether the timer of the other family uses the same releases."""
        names = lfc_units.unit_names(10 - self._family)
        return os.path.exists(os.path.join(lfc_units.DIRECTORY, names["service"]))


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
