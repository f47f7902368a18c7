# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of a Kea 3.0 with the hook host_cmds.

Debian 12's Kea, with which the tests run, has no such hook. What stands here was seen with Kea 3.0.3.
"""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any, Callable, Mapping

from _kea import host_maps, identifiers, reservation_files
from _kea.control import EMPTY, ERROR, SUCCESS, UNSUPPORTED, Answer

SITE = {"hw-address": "02:ff:ff:ff:ff:ff", "ip-address": "10.0.0.200"}
_DEFAULTS = {
    "boot-file-name": "",
    "client-classes": [],
    "hostname": "",
    "next-server": str(ipaddress.IPv4Address(0)),
    "option-data": [],
}
_PAGE = 3
"""Reservations in one answer, so that few reservations need several."""


class HostCommands:
    """A Kea that has read its files when it was started or reloaded last."""

    def __init__(self, included: str, subnet: str = "10.0.0.0/24") -> None:
        self._included, self._network = included, ipaddress.IPv4Network(subnet)
        self.subnet = 1
        self.hosts: dict[str, dict[str, Any]] = {}
        self.sent: list[str] = []
        self.log: list[tuple[str, int]] = []
        """Commands with how many reservations Kea has after each."""
        self.has_hook, self.serves = True, True
        self.refusal = ""
        """Words with which each new reservation is refused."""
        self.pid, self.reloaded = 100, 0.0
        self.before: Callable[[str], None] = lambda _command: None
        self.reload(3600.0)

    def reload(self, ago: float = 0.0) -> None:
        """Read the files."""
        text = reservation_files.text(self._included)
        listed = [SITE, *json.loads(f"[{text}]")]
        self.hosts = {_key(each): each for each in listed}
        self.reloaded = time.monotonic() - ago

    def restart(self) -> None:
        self.pid += 1
        self.reload()

    def addresses(self) -> list[str]:
        listed = [address for each in self.hosts.values() for address in host_maps.addresses_of(each)]
        return sorted(listed, key=ipaddress.IPv4Address)

    def answer(self, command: str, arguments: Mapping[str, Any] | None = None) -> Answer:
        """Answer a command. Raise OSError if Kea does not serve."""
        self.before(command)
        if not self.serves:
            raise ConnectionRefusedError("Connection refused")
        self.sent.append(command)
        if command == "status-get":
            return Answer(SUCCESS, "", {"pid": self.pid, "reload": int(time.monotonic() - self.reloaded)})
        if command == "config-reload":
            self.reload()
            return Answer(SUCCESS, "Configuration successful.", {})
        if not self.has_hook:
            return Answer(UNSUPPORTED, f"'{command}' command not supported.", {})
        if not arguments:
            return Answer(ERROR, "Parameters missing or are not a map.", {})
        assert arguments["operation-target"] == "memory"
        answer: Answer = getattr(self, command.replace("-", "_"))(arguments)
        self.log.append((command, len(self.hosts)))
        return answer

    def reservation_get_page(self, arguments: Mapping[str, Any]) -> Answer:
        if arguments["subnet-id"] != self.subnet:
            return Answer(ERROR, f"IPv4 subnet with ID of '{arguments['subnet-id']}' is not configured", {})
        begin = arguments.get("from", 0)
        found = [self._shown(each) for each in list(self.hosts.values())[begin : begin + _PAGE]]
        following = {"from": begin + len(found), "source-index": 0}
        return Answer(SUCCESS, "", {"hosts": found, "next": following}) if found else Answer(EMPTY, "0 found", {})

    def reservation_get(self, arguments: Mapping[str, Any]) -> Answer:
        if "ip-address" in arguments:
            found = [each for each in self.hosts.values() if arguments["ip-address"] in host_maps.addresses_of(each)]
        else:
            found = [each for each in self.hosts.values() if _key(each) == _named(arguments)]
        if not found or arguments["subnet-id"] != self.subnet:
            return Answer(EMPTY, "Host not found.", {})
        return Answer(SUCCESS, "Host found.", self._shown(found[0]))

    def _shown(self, host: Mapping[str, Any]) -> dict[str, Any]:
        name = host.get("hostname", "").encode("utf-8", "surrogateescape").decode("latin-1")
        return {**_DEFAULTS, **host, "hostname": name, "subnet-id": self.subnet}

    def reservation_add(self, arguments: Mapping[str, Any]) -> Answer:
        host = {key: value for key, value in arguments["reservation"].items() if key != "subnet-id"}
        words = self.refusal
        if "comment" in host:
            words = "unsupported configuration parameter 'comment' (:0:0)"
        elif ipaddress.IPv4Address(host["ip-address"]) not in self._network:
            words = f"specified reservation '{host['ip-address']}' is not matching the IPv4 subnet prefix"
        elif _key(host) in self.hosts:
            words = "failed to add new host: this host has already been added"
        elif host["ip-address"] in self.addresses():
            words = "failed to add new host: There's already a reservation for this address"
        if words:
            return Answer(ERROR, words, {})
        self.hosts[_key(host)] = host
        return Answer(SUCCESS, "Host added.", {})

    def reservation_update(self, arguments: Mapping[str, Any]) -> Answer:
        if self.hosts.pop(_key(arguments["reservation"]), None) is None:
            return Answer(ERROR, "Host not updated (not found).", {})
        # A refused one stays away.
        return self.reservation_add(arguments)

    def reservation_del(self, arguments: Mapping[str, Any]) -> Answer:
        gone = self.hosts.pop(_named(arguments), None)
        return Answer(SUCCESS, "Host deleted.", {}) if gone else Answer(EMPTY, "Host not deleted (not found).", {})


def _key(host: Mapping[str, Any]) -> str:
    """Return the identifier of a reservation; one that is no hardware address has its kind before it."""
    kind = next(each for each in identifiers.TYPES if each in host)
    return _named({"identifier-type": kind, "identifier": host[kind]})


def _named(arguments: Mapping[str, Any]) -> str:
    kind, identifier = str(arguments["identifier-type"]), str(arguments["identifier"])
    return identifier if kind == "hw-address" else f"{kind} {identifier}"
