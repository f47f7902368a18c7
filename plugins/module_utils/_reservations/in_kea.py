# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: brings a reservation of the configuration into the running Kea, or out of it, without a reload."""

from __future__ import annotations

import ipaddress
from typing import Any, Collection, Dict, List, Mapping, Optional, Tuple

from .._config.identity import client
from .._errors import KeaError
from .._kea import host_maps, identifiers
from .._server.reservation_commands import Channel, Host, UnavailableError
from .given import Given


class InKea:
    """The reservation of one client in the running Kea."""

    def __init__(self, channel: Channel, given: Given, wanted: Optional[Host]) -> None:
        """Read what Kea has. ``wanted`` is the reservation, None if there is to be none. Raises UnavailableError."""
        self._channel, self._given, self._wanted = channel, given, wanted
        self._key = given.kind, identifiers.spell(given.identifier)
        self.former = channel.of_client(*self._key)
        self.gave_way: List[Host] = []
        """Managed reservations that were removed from Kea."""

    @property
    def is_right(self) -> bool:
        """Whether Kea had it as wanted already."""
        return agrees(self.former, self._wanted)

    def run(self, lost: Collection[Mapping[str, Any]]) -> None:
        """Send the commands. Raises KeaError with Kea's words if it refuses one; then Kea has what it had.

        ``lost`` are managed reservations that gave way in the files. Raises UnavailableError if Kea does not answer
        any more. Then it gets what is missing when it is started, from the files.
        """
        try:
            words = self._bring({client(one) for one in lost})
        except UnavailableError:
            if not self._is_there():
                raise
            return
        # A Kea that was restarted or reloaded meanwhile has read the file.
        if words and not self._is_there():
            missing = self._revert()
            raise KeaError(
                f"Kea refuses to change the reservation of {self._given.text}: {words}. Nothing was changed"
                + (f", but the running Kea has no reservation of {missing} until it is reloaded" if missing else "")
            )

    def _is_there(self) -> bool:
        return agrees(self._channel.of_client(*self._key), self._wanted)

    def _bring(self, lost: Collection[Any]) -> str:
        """Return Kea's words if it refuses a command, and else nothing. Raises UnavailableError."""
        if self._wanted is None:
            return self._channel.delete(*self._key)
        for address in host_maps.addresses_of(self._wanted):
            holder = self._channel.of_address(address)
            if holder is None or client(holder) == client(self._wanted):
                continue
            # Any other one is Kea's to refuse.
            if is_managed(holder) or client(holder) in lost:
                words = self._channel.delete(*_key(holder))
                if words:
                    return words
                self.gave_way.append(holder)
        if self.former and not self._channel.update(self._wanted):
            return ""
        # Kea has removed the one that it refused to update; or it had none any more.
        return self._channel.add(self._wanted)

    def _revert(self) -> str:
        """Give Kea what it had. Return the names of the clients whose reservations it does not have, if any."""
        missing = [one for one in [*self.gave_way, *([self.former] if self.former else [])] if not self._restored(one)]
        return ", ".join(" ".join(_key(one)) for one in missing)

    def _restored(self, host: Host) -> bool:
        try:
            return self._channel.of_client(*_key(host)) is not None or not self._channel.add(host)
        except UnavailableError:
            return False


def is_managed(host: Mapping[str, Any]) -> bool:
    """Return whether a reservation has the mark of the lease monitor."""
    context = host.get("user-context")
    return isinstance(context, dict) and host_maps.MARK in context


def agrees(found: Optional[Mapping[str, Any]], wanted: Optional[Mapping[str, Any]]) -> bool:
    """Return whether Kea has a reservation as the module writes it. What else a person wrote into it is not compared.

    If none is wanted, one of the lease monitor is left to the monitor.
    """
    if found is None or wanted is None:
        return found is wanted or (found is not None and is_managed(found))
    return _essence(found) == _essence(wanted)


def shown(host: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the part of a reservation that a diff may show."""
    keys = (*identifiers.TYPES, "ip-address", "ip-addresses", "hostname")
    return {key: host[key] for key in keys if key in host} if host else {}


def _essence(host: Mapping[str, Any]) -> Tuple[Any, ...]:
    addresses = sorted(map(_address, host_maps.addresses_of(host)))
    return addresses, sorted(host_maps.prefixes_of(host)), host.get("hostname", ""), is_managed(host)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return text


def _key(host: Mapping[str, Any]) -> Tuple[str, str]:
    kind = next(one for one in identifiers.TYPES if one in host)
    return kind, str(host[kind])
