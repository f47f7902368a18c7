# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands to a running Kea that has loaded the hook host_cmds, and what they tell of it (kea-facts 9)."""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

from _kea import host_commands
from _kea.control import EMPTY, SUCCESS, UNSUPPORTED, Answer

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier.hosts import Host

Ask = Callable[[str, Optional[Mapping[str, Any]]], Answer]
"""Send a command with its arguments, and return the answer. Raises TemporaryError if there is none."""

_PAGE = 200
"""Reservations in one answer. Kea serves no client while it makes the answer."""

_PAUSE = 1.0
"""Seconds of a pause between two commands, at most."""

_ROUNDING = 1.0
"""Seconds by which Kea's own times may be too short: it counts whole ones."""

_SETTLED = 3.0
"""Seconds since the last reload after which it is told from a later one."""

_ATTEMPTS = 10
"""Times that Kea is asked until its last reload was so many seconds ago."""


class Running(NamedTuple):
    """A Kea process, and when it loaded its configuration."""

    pid: int
    at: float
    """When it was asked, by the clock of ``Commands``."""
    reloaded: float
    """Seconds since the last reload, as Kea told then. It counts by the clock of the host, which may be set."""


class Commands:
    """Kea's control channel, with pauses: Kea serves a command before any client, in the thread that serves both.

    A pause lasts as long as the answer before it took. So Kea has half of its time for its clients, at least.
    """

    def __init__(self, ask: Ask, sleep: Callable[[float], None], monotonic: Callable[[], float]) -> None:
        """``monotonic`` returns seconds by a clock that never steps back."""
        self._ask, self._sleep = ask, sleep
        self.monotonic = monotonic
        self._not_before = monotonic()

    def available(self) -> bool:
        """Return whether this Kea takes reservations by command. Raises TemporaryError."""
        return self._send("reservation-update", {}).result != UNSUPPORTED

    def running(self) -> Running:
        """Return which process answers. Raises TemporaryError.

        Waits until its last reload was some seconds ago, because ``still`` could not tell that from a later one.
        """
        for _attempt in range(_ATTEMPTS):
            at = self.monotonic()
            status = self._status()
            if abs(_reloaded(status)) >= _SETTLED:
                return Running(_pid(status), at, _reloaded(status))
            self._sleep(_SETTLED / 4)
        raise TemporaryError("Kea does not tell by status-get that it was loaded some seconds ago")

    def still(self, earlier: Running) -> Optional[Running]:
        """Return the process if it is surely the same and has loaded nothing since; None otherwise.

        Raises TemporaryError.
        """
        at = self.monotonic()
        status = self._status()
        passed = self.monotonic() - earlier.at
        ahead = _reloaded(status) - earlier.reloaded - passed
        same = _pid(status) == earlier.pid and -_SETTLED < ahead <= _ROUNDING
        return Running(earlier.pid, at, _reloaded(status)) if same else None

    def _status(self) -> Mapping[str, Any]:
        return self._send("status-get").arguments

    def reservations(self, subnet: int, take: Callable[[Sequence[Mapping[str, Any]]], None]) -> bool:
        """Give all reservations that Kea has in a subnet to ``take``, page by page. Raises TemporaryError.

        Kea serves its clients between two pages. Return False if it does not know the subnet.
        """
        arguments = {"subnet-id": subnet, "limit": _PAGE, "from": 0, "source-index": 0, **host_commands.MEMORY}
        while True:
            answer = self._send("reservation-get-page", arguments)
            if answer.result == EMPTY:
                return True
            if answer.result != SUCCESS:
                if "is not configured" in answer.text:
                    return False
                raise TemporaryError(f"Kea refused reservation-get-page of subnet {subnet}: {answer.text}")
            take(answer.arguments["hosts"])
            arguments.update(answer.arguments["next"])

    def add(self, host: Host) -> str:
        """Add a reservation. Return why Kea refuses it, empty if it does not. Raises TemporaryError."""
        return _words(self._send("reservation-add", _reservation(host)))

    def update(self, host: Host) -> str:
        """Replace the reservation of a client. As ``add``; a Kea that refuses it has removed the former one."""
        return _words(self._send("reservation-update", _reservation(host)))

    def delete(self, host: Host) -> None:
        """Remove the reservation of a client, if Kea has one. Raises TemporaryError."""
        kind, _space, identifier = host.identifier.partition(" ")
        answer = self._send("reservation-del", host_commands.named(host.subnet, kind, identifier))
        if answer.result not in (SUCCESS, EMPTY):
            raise TemporaryError(f"Kea refused reservation-del of {host.identifier}: {answer.text}")

    def _send(self, command: str, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
        begun = self.monotonic()
        if begun < self._not_before:
            self._sleep(self._not_before - begun)
            begun = self.monotonic()
        answer = self._ask(command, arguments)
        end = self.monotonic()
        self._not_before = end + min(end - begun, _PAUSE)
        return answer


def _reservation(host: Host) -> Mapping[str, Any]:
    return host_commands.reservation(host.subnet, host.value())


def _reloaded(status: Mapping[str, Any]) -> float:
    """Return how many seconds ago Kea loaded its configuration."""
    return float(status.get("reload", 0))


def _pid(status: Mapping[str, Any]) -> int:
    return int(status.get("pid", 0))


def _words(answer: Answer) -> str:
    """Return why Kea refuses a reservation, empty if it does not. Raises TemporaryError if it knows no such command."""
    if answer.result == SUCCESS:
        return ""
    if answer.result == UNSUPPORTED:
        raise TemporaryError(f"Kea takes no reservations by command any longer: {answer.text}")
    return answer.text or f"result {answer.result}"
