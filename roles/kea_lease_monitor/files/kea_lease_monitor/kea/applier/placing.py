# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring the reservations of one subnet in the running Kea from what it has to what is wanted, one after another."""

from __future__ import annotations

from typing import AbstractSet, Any, Collection, Dict, Iterable, List, Mapping, Optional

from _kea.host_commands import fields
from _kea.identifiers import TYPES, parse, spell

from kea_lease_monitor.kea.applier.commands import Commands
from kea_lease_monitor.kea.applier.hosts import Host, Refusal
from kea_lease_monitor.kea.shares import MARK


class Held:
    """The reservations that Kea has in one subnet, as far as they are managed here."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.hosts: Dict[str, Host] = {}
        self.holders: Dict[str, str] = {}
        """Identifiers by address."""
        for host in hosts:
            self.put(host)

    def put(self, host: Host) -> None:
        """Record that Kea has this reservation in place of the client's former one."""
        self.drop(host.identifier)
        self.hosts[host.identifier] = host
        self.holders.update(dict.fromkeys(host.addresses, host.identifier))

    def has(self, host: Host) -> bool:
        """Return whether Kea has this reservation, or one with which it does the same."""
        present = self.hosts.get(host.identifier)
        return present is not None and present.is_same(host)

    def drop(self, identifier: str) -> None:
        """Record that Kea has no reservation of this client."""
        host = self.hosts.pop(identifier, None)
        for address in host.addresses if host else []:
            if self.holders.get(address) == identifier:
                del self.holders[address]


class Placing:
    """Changes of one subnet. A refused one is set aside, and the others are made all the same.

    A reservation that frees its address for another one is away from Kea for three commands at most, in a chain of
    such ones, and two of them at a time; with several addresses each, for as many more. All others stay.
    """

    def __init__(self, commands: Commands, held: Held) -> None:
        """``held`` is kept as Kea is."""
        self._commands, self._held = commands, held
        self.refused: List[Refusal] = []

    def run(self, changed: Collection[Host], gone: AbstractSet[str]) -> None:
        """Place the changed reservations, and remove those of the identifiers that are gone. Raises TemporaryError."""
        wanted = {host.identifier: host for host in changed}
        for host in changed:
            self._place(host, wanted, gone)
        for identifier in sorted(gone):
            self._delete(identifier)

    def _place(self, host: Host, wanted: Mapping[str, Host], gone: AbstractSet[str]) -> None:
        """Place a reservation, and then each one that had to free an address for one before it."""
        waiting = [host]
        while waiting:
            host = waiting.pop(0)
            former = self._held.hosts.get(host.identifier)
            if self._held.has(host):
                continue
            for address in host.addresses:
                holder = self._held.holders.get(address, host.identifier)
                # An address that its holder keeps is Kea's to refuse.
                if holder in gone or (holder in wanted and address not in wanted[holder].addresses):
                    waiting += [wanted[holder]] if holder in wanted else []
                    self._delete(holder)
            self._put(host, former)

    def _delete(self, identifier: str) -> None:
        if identifier in self._held.hosts:
            self._commands.delete(self._held.hosts[identifier])
            self._held.drop(identifier)

    def _put(self, host: Host, former: Optional[Host]) -> None:
        words = self._commands.update(host) if former else self._commands.add(host)
        if not words:
            self._held.put(host)
            return
        self.refused.append(Refusal(host.subnet, host.identifier, host.address, host.text, words))
        if former:
            # Kea has removed it.
            self._held.drop(host.identifier)
            if not self._commands.add(former):
                self._held.put(former)


def managed(subnet: int, found: Iterable[Mapping[str, Any]], known: Collection[str]) -> List[Host]:
    """Return the managed ones of the reservations that Kea has in a subnet: those with the mark, and the known ones.

    ``known`` are identifiers. Any other reservation is the site's own.
    """
    hosts = [_host(subnet, one) for one in found]
    return [
        host for host in hosts if host and (host.identifier in known or MARK in host.value().get("user-context", {}))
    ]


def _host(subnet: int, found: Mapping[str, Any]) -> Optional[Host]:
    kinds = [kind for kind in TYPES if kind in found]
    if not kinds:
        return None
    identifier = f"{kinds[0]} {spell(parse(str(found[kinds[0]])))}"
    return Host.of(subnet, identifier, fields(found))
