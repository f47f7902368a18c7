# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: puts another configuration of Kea in force and carries the leases along.

One rule makes it safe to be killed anywhere: the lease database of the configuration in force holds all leases. So the
new one is filled before the configuration is swapped, the old one is never touched before the server has proven to
serve, and whoever starts Kea at any moment starts it with all leases.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Union

from .._kea import durable
from .._server import state as server_state
from .._host import systemd
from .._config.servers import SERVICES, top_of_path
from .._config.document import MISSING, Document
from .._config.syntax import KeaJsonError, secrets_in
from .lease_files import LeaseFiles, Reading
from .lease_journal import Journal, LeaseMoveError
from .lease_sql import end_of
from .lease_table import LeaseTable
from .._manifest.document import Manifest
from .._manifest.record import Thing, adopt

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Place = Union[LeaseFiles, LeaseTable]

GUARD = "baremetal-kea-guard"
LOOK_EVERY = 0.05  # seconds
_MASKED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Move:
    """From the configuration in force to the candidate."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._path = os.path.realpath(module.params["path"])
        self._candidate = module.params["candidate"]
        self._journal = Journal(module.params["state_dir"])
        self._stopped_at: Optional[float] = None
        top = top_of_path(self._path)
        if top != "Dhcp4":
            raise LeaseMoveError(f"{self._path} is of the server for DHCPv6, whose leases cannot be carried")
        unit = systemd.find(module, *SERVICES[top])
        if unit is None:
            raise LeaseMoveError(f"systemd knows no unit for {self._path}")
        self._unit = unit.name
        # What the unit says is for the new configuration; the server that runs has what is for the former one.
        self._running = unit.environment() if unit.active else {}

    def run(self) -> Dict[str, Any]:
        """The module's result. Raises LeaseMoveError; the former configuration is in force and served then."""
        source = self._place(self._path)
        if not os.path.exists(self._candidate):
            return self._finish(source)
        target = self._place(self._candidate)
        if self._module.check_mode:
            return self._result(source, target, source.read(), "")
        if source.key != target.key:
            target.rehearse(source.read().leases, self._journal.residue(target.key))
        with source.alone(), target.alone() if target.key != source.key else contextlib.nullcontext(), self._alone():
            return self._cut_over(source, target)

    def _finish(self, here: Place) -> Dict[str, Any]:
        """What is left to do of a move that was killed behind the swap."""
        unfinished = self._journal.unfinished
        result = {"changed": False, "source": here.name, "target": here.name, "leases": 0}
        if not unfinished or unfinished["target"] != here.key:
            return result
        if not self._module.check_mode:
            with here.alone(), self._alone():
                self._start()
                self._serve()
            self._adopt()
            former = self._place(unfinished["backup"])
            result["set_aside"] = former.set_aside() if former.key == unfinished["source"] else []
            self._journal.close(here.key)
        return {**result, "changed": True}

    def _cut_over(self, source: Place, target: Place) -> Dict[str, Any]:
        backup = self._module.backup_local(self._path)
        self._stopped_at = time.monotonic()
        self._systemctl("stop", self._unit)
        reading = Reading([], 0, False)
        try:
            if source.key != target.key:
                reading = self._carry(source, target, backup)
            self._swap(self._candidate)
        except (LeaseMoveError, OSError) as error:
            self._start()
            raise self._failed(f"{error}. Nothing was changed, and Kea was started again") from error
        try:
            self._start()
            self._serve()
        except LeaseMoveError as error:
            raise self._go_back(str(error), backup, target) from error
        silence = time.monotonic() - self._stopped_at
        self._adopt()
        set_aside = source.set_aside() if source.key != target.key else []
        self._journal.close(target.key)
        return {
            **self._result(source, target, reading, backup),
            "silence": round(silence, 2),
            "set_aside": set_aside,
        }

    def _carry(self, source: Place, target: Place, backup: str) -> Reading:
        source.settle()
        reading = source.read()
        ends = [(lease.address, end_of(lease)) for lease in reading.leases]
        known = self._journal.residue(target.key)
        self._journal.open(source.key, target.key, backup, ends)
        carried = target.take(reading, known)
        return reading._replace(leases=carried)

    def _go_back(self, reason: str, backup: str, target: Place) -> LeaseMoveError:
        said = self._said()
        self._systemctl("stop", self._unit)
        self._module.atomic_move(self._copy(backup), self._path)
        self._start()
        outcome = "The former configuration is in force again"
        try:
            self._serve()
        except LeaseMoveError as error:
            outcome += f", but {error}"
        if isinstance(target, LeaseTable):
            target.withdraw(self._journal.residue(target.key))
        return self._failed(f"Kea did not serve with the new configuration: {reason}. {outcome}. It said: {said}")

    def _failed(self, text: str) -> LeaseMoveError:
        silence = time.monotonic() - (self._stopped_at or time.monotonic())
        return LeaseMoveError(f"{text} (DHCP was silent for {silence:.1f} s).")

    def _result(self, source: Place, target: Place, reading: Reading, backup: str) -> Dict[str, Any]:
        result = {
            "changed": True,
            "source": source.name,
            "target": target.name,
            "leases": len(reading.leases),
            "rejected": reading.rejected,
        }
        return {**result, "backup_file": backup} if backup else result

    def _place(self, path: str) -> Place:
        try:
            with open(path, "rb") as file:
                document = Document(file.read().decode("utf-8", "surrogateescape"))
            entry = document.get((top_of_path(self._path), "lease-database"))
        except (OSError, KeaJsonError) as error:
            raise LeaseMoveError(f"{path}: {error}") from error
        entry = {} if entry is MISSING else entry
        self._module.no_log_values.update(filter(None, secrets_in(entry)))
        kind, user = entry.get("type", "memfile"), self._module.params["kea_user"]
        if kind == "memfile":
            return LeaseFiles(entry, user)
        if kind == "postgresql":
            return LeaseTable(entry, user, self._libpq(path), self._module.params["schema"])
        raise LeaseMoveError(f"leases cannot be carried from or to a lease database of type {kind}")

    def _libpq(self, path: str) -> Dict[str, str]:
        """The variables that Kea has, or will have, with that configuration."""
        if path == self._path and self._running:
            return {name: value for name, value in self._running.items() if name.startswith("PG")}
        if not self._module.check_mode:
            self._systemctl("daemon-reload")
        command = ["systemctl", "show", "--property=Environment", "--value", self._unit]
        _code, out, _err = self._module.run_command(command, check_rc=True)
        words = [word.split("=", 1) for word in shlex.split(out) if word.startswith("PG") and "=" in word]
        return {word[0]: word[1] for word in words}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one move at a time; none that a lost connection ends; and none whose death leaves Kea stopped.

        The guard waits for the lock, which the kernel releases whatever becomes of this process, and starts Kea.
        """
        with self._journal.lock() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LeaseMoveError(f"another move is under way: {self._journal.lock_path} is locked") from error
            flock = self._module.get_bin_path("flock", required=True)
            command = ["systemd-run", "--quiet", "--collect", f"--unit={GUARD}-{os.getpid()}", "--no-block"]
            command += [flock, "--close", self._journal.lock_path, "systemctl", "start", self._unit]
            self._module.run_command(command, check_rc=True)
            before = [signal.signal(number, signal.SIG_IGN) for number in _MASKED]
            try:
                yield
            finally:
                for number, handler in zip(_MASKED, before):
                    signal.signal(number, handler)

    def _start(self) -> None:
        self._systemctl("daemon-reload")
        self._module.run_command(["systemctl", "reset-failed", self._unit])
        self._systemctl("start", self._unit)

    def _serve(self) -> None:
        """Wait until the server answers. Raises LeaseMoveError when it died, or after C(timeout) seconds."""
        deadline = time.monotonic() + self._module.params["timeout"]
        while True:
            server = server_state.server(self._module, self._path)
            if server["serving"]:
                return
            if not server["unit"]["active"]:
                raise LeaseMoveError(f"{self._unit} ended")
            if time.monotonic() > deadline:
                raise LeaseMoveError(f"{self._unit} gave no answer for {self._module.params['timeout']} s")
            time.sleep(LOOK_EVERY)

    def _adopt(self) -> None:
        """From here on, nobody may go back to a configuration with leases of the past."""
        manifest = Manifest(self._module.params["state_dir"])
        directory = os.path.join("/etc/systemd/system", f"{self._unit}.d", "")
        files = [entry for entry in manifest.entries.values() if entry.kind == "file"]
        names = [entry.name for entry in files if entry.name == self._path or entry.name.startswith(directory)]
        if names:
            with manifest.locked():
                adopt(self._module, manifest, [Thing("file", name) for name in names])
                manifest.write()

    def _said(self) -> str:
        command = ["journalctl", "--unit", self._unit, "--lines=15", "--no-pager", "--output=cat"]
        _code, out, _err = self._module.run_command(command)
        return str(out).strip()

    def _swap(self, candidate: str) -> None:
        try:
            os.rename(candidate, self._path)
            durable.sync(os.path.dirname(self._path))
        except OSError as error:
            raise LeaseMoveError(f"{self._path} cannot be written: {error.strerror}") from error

    def _copy(self, backup: str) -> str:
        copy = f"{self._path}.returning"
        self._module.preserved_copy(backup, copy)
        return copy

    def _systemctl(self, *words: str) -> None:
        code, _out, err = self._module.run_command(["systemctl", *words])
        if code:
            raise LeaseMoveError(f"systemctl {' '.join(words)} failed: {err.strip()}")
