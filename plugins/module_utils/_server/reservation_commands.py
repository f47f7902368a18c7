# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations of one subnet in the running Kea, by its hook library host_cmds (kea-facts 9)."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from .._config.syntax import Include
from .._kea import control, host_commands
from .._kea.control import EMPTY, SUCCESS, UNSUPPORTED

TIMEOUT = 10.0
"""Seconds that Kea has for one command."""

Host = Dict[str, Any]
"""A reservation as a map of Kea's configuration."""


class UnavailableError(Exception):
    """The running Kea takes no reservation by command: says why."""


class Channel:
    """The control channel of a Kea that takes reservations by command. Every method raises UnavailableError.

    A change returns Kea's words if Kea refuses it, and else nothing.
    """

    def __init__(self, path: str, subnet: int) -> None:
        """``path`` is that of the control socket."""
        self._path = path
        self._subnet = subnet

    def refused(self) -> str:
        """Return why Kea does not take reservations of the subnet, such as one that it has not loaded yet."""
        answer = self._send("reservation-get-page", {"subnet-id": self._subnet, "limit": 1, **host_commands.MEMORY})
        return f"Kea refuses reservation-get-page: {words}" if (words := _words(answer)) else ""

    def of_client(self, kind: str, identifier: str) -> Optional[Host]:
        """Return the reservation of a client."""
        return self._found(host_commands.named(self._subnet, kind, identifier))

    def of_address(self, address: str) -> Optional[Host]:
        """Return the reservation that has an address."""
        return self._found({"subnet-id": self._subnet, "ip-address": address, **host_commands.MEMORY})

    def add(self, host: Mapping[str, Any]) -> str:
        """Add a reservation."""
        return _words(self._send("reservation-add", host_commands.reservation(self._subnet, host)))

    def update(self, host: Mapping[str, Any]) -> str:
        """Replace the reservation of a client. A Kea that refuses it has removed the one that it had."""
        return _words(self._send("reservation-update", host_commands.reservation(self._subnet, host)))

    def delete(self, kind: str, identifier: str) -> str:
        """Remove the reservation of a client, if Kea has one."""
        return _words(self._send("reservation-del", host_commands.named(self._subnet, kind, identifier)))

    def _found(self, arguments: Mapping[str, Any]) -> Optional[Host]:
        answer = self._send("reservation-get", arguments)
        if answer.result == EMPTY:
            return None
        if answer.result != SUCCESS:
            raise UnavailableError(f"Kea refuses reservation-get: {answer.text}")
        return host_commands.fields(answer.arguments)

    def _send(self, command: str, arguments: Mapping[str, Any]) -> control.Answer:
        try:
            answer = control.send(self._path, command, TIMEOUT, arguments)
        except control.ControlError as error:
            raise UnavailableError(str(error)) from error
        if answer.result == UNSUPPORTED:
            raise UnavailableError(f"Kea does not know the command {command}, so libdhcp_host_cmds.so is not loaded")
        return answer


def channel(sockets: Any, subnet: int) -> Channel:
    """Return the channel of the running Kea, which takes reservations of this subnet. Raises UnavailableError.

    ``sockets`` are the control sockets of the configuration.
    """
    reason = "Kea's configuration has no unix socket for commands"
    for path in control.unix_sockets(sockets):
        found = Channel(path, subnet)
        try:
            refused = found.refused()
        except UnavailableError as error:
            reason = str(error)
            continue
        if not refused:
            return found
        reason = refused
    raise UnavailableError(reason)


def argument(value: Any) -> Any:
    """Return a map of a configuration as a command takes it. Raises UnavailableError for one with an included file.

    A comment becomes a part of the user context, as Kea's parser of files makes it.
    """
    if isinstance(value, Include):
        raise UnavailableError(f"the reservation includes {value.path}, which no command can send")
    if isinstance(value, list):
        return [argument(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: one if key == "user-context" else argument(one) for key, one in value.items()}
    if "comment" in found:
        context = found.get("user-context")
        comment = {"comment": found.pop("comment")}
        found["user-context"] = {**(context if isinstance(context, dict) else {}), **comment}
    return found


def _words(answer: control.Answer) -> str:
    return "" if answer.result in (SUCCESS, EMPTY) else answer.text or f"result {answer.result}"
