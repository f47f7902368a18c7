# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the clean-up timer on a host: its release, its units, and Kea's own clean-up that it takes over."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .._host import durable
from .._server import lfc_lock
from . import units as lfc_units
from .._host import systemd
from .._config.file import KeaConfigError, update
from .._config.document import Document
from .._server.service import KeaService, KeaServiceError
from .._config.syntax import KeaJsonError
from .interval import (
    Found,
    Kept,
    Mark,
    give_back,
    look,
    take_over,
)
from .proof import Service, TimerError
from .._manifest.document import Manifest
from .._manifest.record import Thing, intend
from .._host.release import Files, Releases

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

PACKAGE = "kea_lfc_cleanup"
COMMAND = "kea-lfc-cleanup"
SERVES_WITHIN = 60.0


INTERVAL_ERRORS = (KeaConfigError, KeaJsonError, KeaServiceError, TimerError)
"""Of a change of Kea's own lfc-interval."""


class Timer:
    """The timer for one server."""

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
        """What is there now, as the module returns and compares it."""
        timer = systemd.find(self._module, self._names["timer"])
        units = {path: _read(path) for path in self._paths()}
        return {
            "release": self._releases.current(),
            "units": {path: text for path, text in units.items() if text is not None},
            "active": bool(timer and timer.active),
            "enabled": bool(timer and timer.enabled),
        }

    def found(self) -> Found:
        """Kea's own clean-up as it was before the timer."""
        return self._kept.read() or self._look()

    def present(self, name: str, files: Files, units: Dict[str, str], takes_over: bool) -> bool:
        """Have it there, proved by one run if it is new. Raises TimerError, with everything as it was."""
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
                    self._releases.install(name, files)
                    self._releases.activate(name)
                if renewed:
                    self._forget_metrics(before["units"], units)
                    self._write(units)
                    self._service.prove()
                if renewed or asleep:
                    self._start()
            except (OSError, TimerError) as error:
                raise TimerError(
                    f"{self._go_back(before, taken_over)}: {error}", getattr(error, "journal", None)
                ) from error
            self._unproved.remove()
            self._releases.prune()
        return renewed or switched or asleep

    def absent(self) -> bool:
        """Have nothing of it, and Kea's own clean-up as it was found. Raises TimerError."""
        before = self.state()
        try:
            if before["units"] and not self._check:
                self._stop()
            changed = self._set_interval(False) or bool(before["units"])
        except INTERVAL_ERRORS:
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
        """A clean-up under way comes to its end first: stopped, it would leave its files to nobody."""
        self._service.systemctl("disable", "--now", "--quiet", self._names["timer"])
        try:
            with lfc_lock.no_cleanup(self._kea.lease_file()):
                self._service.systemctl("stop", self._names["service"])
        except lfc_lock.LockError as error:
            raise TimerError(f"The timer stays: {error}") from error

    def _remember(self) -> None:
        """In the manifest of the host, before anything of it is there."""
        files = [*self._paths(), self._kept.path, self._unproved.path]
        things = [Thing("file", path) for path in files] + [Thing("tree", lfc_units.ROOT)]
        things += [Thing("tree", lfc_units.STATE_DIRECTORY), Thing("unit", self._names["timer"])]
        manifest = Manifest()
        with manifest.locked():
            intend(self._module, manifest, things, settled=False)
            manifest.write()

    def _look(self) -> Found:
        with open(self._module.params["path"], encoding="utf-8", errors="surrogateescape") as file:
            return look(Document(file.read()), self._top)

    def _set_interval(self, taken_over: bool) -> bool:
        """Kea's own clean-up, off or as it was found; Kea is restarted if its configuration changed."""
        found = self._kept.read()
        if (found is None and not taken_over) or not os.path.exists(self._module.params["path"]):
            return False
        now = self._look()
        # What the site says meanwhile is what it will want back.
        if taken_over and not self._check and (found is None or now.seconds):
            self._kept.write(now)

        def edit(document: Document) -> Document:
            return (
                take_over(document, self._top) if found is None or taken_over else give_back(document, self._top, found)
            )

        try:
            before, _after, self.config_result = update(self._module, edit, self._top)
            if self.config_result["changed"] and not self._check:
                self._restart_or_go_back(before)
        except INTERVAL_ERRORS:
            # Should the configuration not be as it was, only this knows how it was.
            if found is None and self._look() == now:
                self._kept.forget()
            raise
        if not taken_over and not self._check:
            self._kept.forget()
        return bool(self.config_result["changed"]) or not taken_over

    def _restart_or_go_back(self, before: Document) -> None:
        try:
            self._kea.run("restart", SERVES_WITHIN)
        except KeaServiceError as error:
            update(self._module, lambda _now: before, self._top)
            said = f"Kea did not serve with another lfc-interval ({error})"
            try:
                self._kea.run("restart", SERVES_WITHIN)
            except KeaServiceError as second:
                raise TimerError(
                    f"{said}, and neither with the former one ({second}): look into its journal"
                ) from error
            raise TimerError(f"{said}; it is as it was before") from error

    def _start(self) -> None:
        """Raises TimerError if systemd does not take the timer."""
        for verb in ("enable", "restart"):
            code, _out, refused = self._service.systemctl(verb, "--quiet", self._names["timer"])
            if code:
                raise TimerError(f"systemctl {verb} {self._names['timer']} failed: {refused.strip()}")

    def _go_back(self, before: Dict[str, Any], taken_over: bool) -> str:
        """Returns how that went, in words."""
        try:
            self._restore(before, taken_over)
        except (OSError, *INTERVAL_ERRORS) as error:
            return f"The timer could not be put back ({error}), run the play again once the cause is mended"
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
        """Whoever watches them must not take the last one for the truth."""
        self._forget_metrics(units, {})
        for name in (f"kea_lfc{self._family}.prom", f"state{self._family}.json"):
            durable.remove(os.path.join(lfc_units.STATE_DIRECTORY, name))

    def _forget_metrics(self, before: Dict[str, str], after: Dict[str, str]) -> None:
        """Those that nobody would renew any more."""
        former = lfc_units.metrics_file(before)
        if former and former != lfc_units.metrics_file(after):
            durable.remove(former)

    def _paths(self) -> List[str]:
        return [os.path.join(lfc_units.DIRECTORY, name) for name in sorted(self._names.values())]

    def _others(self) -> bool:
        """Whether the timer of the other family uses the same release."""
        names = lfc_units.unit_names(10 - self._family)
        return os.path.exists(os.path.join(lfc_units.DIRECTORY, names["service"]))


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
