# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: puts another configuration of Kea in force and moves the leases to its lease database.

One rule makes it safe to kill a move at any moment: the lease database of the configuration in force holds all leases.
So the new database is filled before the configuration is replaced, and the old one is not changed before the server
serves. Whenever Kea is started, it has all leases.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .._config.document import MISSING, Document
from .._config.packagings import user_of
from .._config.secret import secrets_in
from .._config.servers import family_of, top_of_path
from .._config.swap import copy, keep
from .._config.syntax import KeaJsonError
from .._errors import KeaError
from .._kea import durable, tree
from .._manifest.document import Manifest
from .._manifest.record import Thing, adopt
from .._server import config, kea_account
from .._server.pair import Pair
from .journal import Journal
from .lease_files import LeaseFiles
from .lease_sql import end_of
from .lease_table import LeaseTable
from .store import Context, LeaseStore, Reading
from .unit import KeaUnit

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Move:
    """The move from the configuration in force to the candidate."""

    def __init__(self, module: AnsibleModule) -> None:
        """Read the journal and find Kea's unit. Raises KeaError."""
        self._module = module
        self._path = os.path.realpath(module.params["path"])
        self._candidate: str = module.params["candidate"]
        self._family = family_of(top_of_path(self._path))
        self._journal = Journal(module.params["state_dir"], self._family)
        self._unit = KeaUnit(module, self._path)
        self._stopped_at: Optional[float] = None

    def run(self) -> Dict[str, Any]:
        """Move the leases and return the module's result.

        Raises KeaError; the previous configuration is then in force and served.
        """
        source = self._store(self._path)
        if not os.path.exists(self._candidate):
            return self._finish(source)
        target = self._store(self._candidate)
        if self._module.check_mode:
            return self._result(source, target, source.read(), "")
        moves = source.key != target.key
        if moves:
            leases = source.read().leases
            self._module.log(f"rehearsing the move of {len(leases)} leases to {target.name}; Kea serves")
            target.rehearse(leases, self._journal.residue(target.key))
        pair = Pair(self._path, kea_account.of(self._module, self._path))
        # The partner does not serve all clients while an LFC run is waited for. Kea may start another one meanwhile.
        with source.alone():
            pass
        # The partner of a standby takes over, too: each lease would wait for it.
        said = pair.hand_over(lasting=True)
        with source.alone(), target.alone() if moves else contextlib.nullcontext(), self._unit.guarded(self._journal):
            result = self._cut_over(source, target)
        return {**result, "pair": said + self._settled(pair)}

    def _settled(self, pair: Pair) -> List[str]:
        """Wait until the pair is normal. The move is over, so a pair that does not become normal is no failure."""
        try:
            return pair.settle(wait=True)
        except KeaError as error:
            return [str(error)]

    def _finish(self, here: LeaseStore) -> Dict[str, Any]:
        """Finish a move that was killed after its candidate was in force."""
        unfinished = self._journal.unfinished
        result = {"changed": False, "source": here.name, "target": here.name, "leases": 0}
        if not unfinished or unfinished["target"] != here.key:
            return result
        if not self._module.check_mode:
            with here.alone(), self._unit.guarded(self._journal):
                self._unit.start()
                self._unit.wait_until_serving()
            self._adopt()
            previous = self._store(unfinished["backup"])
            result["set_aside"] = previous.set_aside() if previous.key == unfinished["source"] else []
            self._journal.close(here.key)
        return {**result, "changed": True}

    def _cut_over(self, source: LeaseStore, target: LeaseStore) -> Dict[str, Any]:
        backup = keep(self._path) or ""
        self._stopped_at = time.monotonic()
        self._unit.stop()
        self._module.log("Kea is stopped")
        reading = Reading([], 0, False)
        try:
            if source.key != target.key:
                reading = self._transfer(source, target, backup)
            self._swap(self._candidate)
        except (KeaError, OSError) as error:
            self._unit.start()
            raise self._failed(f"{error}. Nothing was changed, and Kea was started again") from error
        try:
            self._unit.start()
            self._unit.wait_until_serving()
        except KeaError as error:
            raise self._revert(str(error), backup, target) from error
        silence = time.monotonic() - self._stopped_at
        self._module.log(f"Kea serves again, after {silence:.1f} s")
        self._adopt()
        set_aside = source.set_aside() if source.key != target.key else []
        self._journal.close(target.key)
        return {
            **self._result(source, target, reading, backup),
            "silence": round(silence, 2),
            "set_aside": set_aside,
        }

    def _transfer(self, source: LeaseStore, target: LeaseStore, backup: str) -> Reading:
        source.settle()
        reading = source.read()
        ends = [(lease.address, end_of(lease)) for lease in reading.leases]
        known = self._journal.residue(target.key)
        self._journal.open(source.key, target.key, backup, ends)
        self._module.log(f"{len(ends)} leases read from {source.name}")
        moved = target.take(reading, known)
        self._module.log(f"{len(moved)} of {len(ends)} leases are in {target.name} and were compared")
        return reading._replace(leases=moved)

    def _revert(self, reason: str, backup: str, target: LeaseStore) -> KeaError:
        """Put the previous configuration in force, and return the error that says so."""
        log = self._unit.log()
        self._unit.stop()
        copy(backup, self._path)
        self._unit.start()
        outcome = "The previous configuration is in force again"
        try:
            self._unit.wait_until_serving()
        except KeaError as error:
            outcome += f", but {error}"
        target.withdraw(self._journal.residue(target.key))
        return self._failed(f"Kea did not serve with the new configuration: {reason}. {outcome}. Its log: {log}")

    def _failed(self, text: str) -> KeaError:
        silence = time.monotonic() - (self._stopped_at or time.monotonic())
        return KeaError(f"{text} (this server was silent for {silence:.1f} s).")

    def _result(self, source: LeaseStore, target: LeaseStore, reading: Reading, backup: str) -> Dict[str, Any]:
        result = {
            "changed": True,
            "source": source.name,
            "target": target.name,
            "leases": len(reading.leases),
            "rejected": reading.rejected,
        }
        return {**result, "backup_file": backup} if backup else result

    def _store(self, path: str) -> LeaseStore:
        """Return the lease database of the configuration at ``path``. Raises KeaError."""
        try:
            document = Document(tree.read(path).decode("utf-8", "surrogateescape"))
            entry = document.get((top_of_path(self._path), "lease-database"))
        except (OSError, KeaJsonError) as error:
            raise KeaError(f"{path}: {error}") from error
        if entry is MISSING and config.read(path)["lease_database"] is not None:
            # An edit of it would be in force at once, and not together with the leases.
            raise KeaError(
                f"lease-database of {path} stands in a file that it includes, so the leases cannot move with it: write "
                "lease-database into the configuration itself. Nothing was changed"
            )
        entry = {} if entry is MISSING else entry
        self._module.no_log_values.update(filter(None, secrets_in(entry)))
        kind, user = entry.get("type", "memfile"), user_of(self._module)
        if kind == "memfile":
            return LeaseFiles(entry, user, self._family)
        if kind == "postgresql":
            context = Context(self._module.params["schema"], self._family, self._module.log)
            return LeaseTable(entry, user, self._unit.libpq(path), context)
        raise KeaError(f"leases cannot be moved from or to a lease database of type {kind}")

    def _adopt(self) -> None:
        """Tell the manifest that a failure must not revert to the previous configuration: its leases are outdated."""
        manifest = Manifest(self._module.params["state_dir"])
        # The configuration with what it includes, what is known of it, and the additions to the unit.
        directory = os.path.join("/etc/systemd/system", f"{self._unit.name}.d", "")
        own = (
            os.path.join(os.path.dirname(self._path), ""),
            os.path.join(self._module.params["state_dir"], ""),
            directory,
        )
        files = [entry for entry in manifest.entries.values() if entry.kind == "file"]
        names = [entry.name for entry in files if entry.name.startswith(own)]
        if names:
            with manifest.locked():
                adopt(self._module, manifest, [Thing("file", name) for name in names])
                manifest.write()

    def _swap(self, candidate: str) -> None:
        """Put the candidate in force. Raises KeaError."""
        try:
            durable.rename(candidate, self._path)
        except OSError as error:
            raise KeaError(f"{self._path} cannot be written: {error.strerror}") from error
