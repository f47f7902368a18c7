# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a running Kea read new reservations: tested first, and never during a lease file clean-up (kea-facts 3.4).

Kea's configuration includes the copies in ``applied/``, which only this program writes, and only when Kea has accepted
them. So a Kea that starts at any moment, after a crash or a power cut, starts with reservations that it can read.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from typing import Any, Callable, Dict

from kea_lease_monitor import files, telemetry
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea import lease_files

_ANSWER = 120.0
"""Seconds that Kea may take to load a large configuration and all leases."""

_CLEANUP = 600.0
"""Seconds that a clean-up may take before we give up, for the service manager to try again."""

_ATTEMPTS = 60

APPLIED = "applied"
"""Directory of the copies that Kea includes."""

_TEST_CONFIG = ".test.conf"


@dataclass(frozen=True)
class Apply:
    """Every step may be killed and run again: ``.apply-running`` stays until Kea said yes."""

    program: str
    config: str
    control_socket: str
    lease_file: str
    directory: str
    min_interval: float
    """Seconds between two reloads."""
    sleep: Callable[[float], None]
    now: Callable[[], float]
    """Epoch seconds, as file times are."""

    def run(self) -> None:
        """Raises TemporaryError; what was asked for then is still asked for."""
        requested, running = self._path(".apply-requested"), self._path(".apply-running")
        if not os.path.exists(requested) and not os.path.exists(running):
            return
        self._keep_interval()
        if os.path.exists(requested):
            os.replace(requested, running)
        candidates = self._candidates()
        self._test(candidates)
        for candidate, applied in candidates.items():
            os.replace(candidate, applied)
        files.sync_directory(self._path(APPLIED))
        # Last, because the test may have taken seconds in which a clean-up began.
        self._reload_after_cleanup()
        files.touch(self._path(".last-apply"))
        os.utime(self._path(".last-apply"))
        os.unlink(running)
        telemetry.applying("done")

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def _keep_interval(self) -> None:
        try:
            since = self.now() - os.stat(self._path(".last-apply")).st_mtime
        except FileNotFoundError:
            return
        if 0 <= since < self.min_interval:
            telemetry.apply_waits("the last reload was a moment ago", self.min_interval - since)
            self.sleep(self.min_interval - since)

    def _reload_after_cleanup(self) -> None:
        """Under the lock, so that none begins before the reload is over."""
        waited = 0.0
        while True:
            with lease_files.loading(self.lease_file) as ours:
                reason = lease_files.cleanup_in_progress(self.lease_file) if ours else "others clean up, or restart Kea"
                if not reason:
                    return self._reload()
            if waited >= _CLEANUP:
                raise TemporaryError(f"the lease file clean-up does not end: {reason}")
            if not waited:
                telemetry.apply_waits(reason, _CLEANUP)
            self.sleep(0.5)
            waited += 0.5

    def _candidates(self) -> Dict[str, str]:
        """Copies of the reservation files, and the names that they get when Kea accepts them."""
        found: Dict[str, str] = {}
        for path in sorted(glob.glob(self._path("subnet-*.json"))):
            name = os.path.basename(path)
            candidate = self._path(os.path.join(APPLIED, f".{name}"))
            shutil.copyfile(path, candidate)
            with open(candidate, "rb") as copy:
                os.fsync(copy.fileno())
            found[candidate] = self._path(os.path.join(APPLIED, name))
        return found

    def _test(self, candidates: Dict[str, str]) -> None:
        """Kea's configuration with the candidates in it, and beside them: a confined Kea reads below /etc/kea only."""
        telemetry.applying("test")
        text = (files.read(self.config) or b"").decode("utf-8")
        for candidate, applied in candidates.items():
            text = text.replace(f'"{applied}"', f'"{candidate}"')
        config = self._path(os.path.join(APPLIED, _TEST_CONFIG))
        files.replace(config, text.encode(), 0o600)
        try:
            self._accept(config)
        finally:
            os.unlink(config)

    def _accept(self, config: str) -> None:
        # A test logs to nobody, so it needs no lock file, for which a confined service has no directory.
        environment = {**os.environ, "KEA_LOCKFILE_DIR": "none"}
        tested = subprocess.run(
            [self.program, "-t", config], capture_output=True, text=True, check=False, env=environment
        )
        if tested.returncode:
            lines = (tested.stdout + tested.stderr).strip().splitlines() or ["no message"]
            raise TemporaryError(f"Kea does not accept the new reservations: {lines[-1]}")

    def _reload(self) -> None:
        """If the reload met a clean-up after all, Kea has no leases until another one succeeds: go on at once."""
        telemetry.applying("reload")
        for _attempt in range(_ATTEMPTS):
            answer = command(self.control_socket, "config-reload")
            if answer.get("result") == 0:
                return
            reason = lease_files.cleanup_in_progress(self.lease_file)
            if not reason and "cleanup" not in str(answer.get("text")):
                break
            telemetry.apply_waits(reason or str(answer.get("text")), 1.0)
            self.sleep(1.0)
        raise TemporaryError(f"Kea refused to reload: {answer.get('text', answer)}")


def command(path: str, name: str) -> Any:
    """One command to Kea's control socket; the answer's map. Raises TemporaryError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(_ANSWER)
            channel.connect(path)
            channel.sendall(json.dumps({"command": name}).encode())
            parts = list(iter(lambda: channel.recv(65536), b""))
        answer = json.loads(b"".join(parts))
    except (OSError, ValueError) as error:
        raise TemporaryError(f"Kea's control socket {path}: {error}") from error
    return answer[0] if isinstance(answer, list) else answer
