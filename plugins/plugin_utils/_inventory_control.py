# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads leases and reservations over Kea's control channel, from its control agent or from Kea 3's own socket.

Leases need Kea's hook lease_cmds, reservations in a database need host_cmds. Those in the configuration need none.
"""

from __future__ import annotations

import json
import urllib.parse
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional

from ansible.module_utils.urls import open_url

from ..module_utils._kea import control, hwaddr_source, identifiers, lifetime, relay, vendor_class
from . import _inventory_records as records
from ._inventory_records import InventoryError, Record

PAGE = 1000
"""Leases or reservations in one answer. Kea serves no client while it composes one, so pages are small."""

_PREFIX = "IA_PD"
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError)
"""Errors while an answer is taken apart that is not Kea's."""

Warn = Callable[[str], None]


class Channel:
    """Control channel of one DHCP server."""

    def __init__(self, option: str, family: int, params: Mapping[str, Any]) -> None:
        """``option`` names the URL among ``params``, the plugin's options. Raises InventoryError."""
        self.option, self.family = option, family
        self._url, self._params = params[option], params
        try:
            parts = urllib.parse.urlsplit(self._url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            valid = False
        # Not quoted in the message: a URL that is refused may hold a password.
        if not valid:
            raise InventoryError(f"{option} must be a URL such as http://192.0.2.1:8000/")
        if parts.username or parts.password:
            raise InventoryError(f"{option} must hold no login: use control_username and control_password")

    def send(self, command: str, arguments: Optional[Mapping[str, Any]] = None) -> control.Answer:
        """Send one command, and return Kea's answer, which may be a refusal. Raises InventoryError."""
        request: Dict[str, Any] = {"command": command, "service": [f"dhcp{self.family}"]}
        if arguments is not None:
            request["arguments"] = arguments
        try:
            content = self._post(json.dumps(request))
        except Exception as error:  # open_url raises errors of several libraries.
            raise self._failure(command, _reason(error)) from error
        try:
            found = json.loads(content)
            # The control agent wraps the answer in a list.
            answer = found[0] if isinstance(found, list) else found
            return control.Answer(int(answer["result"]), str(answer.get("text", "")), answer.get("arguments") or {})
        except _MALFORMED as error:
            raise self._failure(command, "what it sends is no answer of Kea") from error

    def _post(self, body: str) -> bytes:
        params = self._params
        with open_url(
            self._url,
            method="POST",
            data=body,
            headers={"Content-Type": "application/json"},
            url_username=params["control_username"] or None,
            url_password=params["control_password"] or None,
            force_basic_auth=bool(params["control_username"]),
            timeout=params["control_timeout"],
            validate_certs=params["control_validate_certs"],
            ca_path=params["control_ca_cert"],
            client_cert=params["control_client_cert"],
            client_key=params["control_client_key"],
            # The login is for Kea only: neither a proxy of the environment nor another URL gets it.
            use_proxy=False,
            follow_redirects="none",
        ) as response:
            content: bytes = response.read()
            return content

    def _failure(self, command: str, reason: str) -> InventoryError:
        return InventoryError(f"{self.option}: {self._url} does not answer {command}: {reason}")

    def need(self, command: str, arguments: Optional[Mapping[str, Any]] = None) -> control.Answer:
        """Send a command of which ``unsupported`` and ``empty`` are good answers. Raises InventoryError."""
        answer = self.send(command, arguments)
        if answer.result not in (control.SUCCESS, control.UNSUPPORTED, control.EMPTY):
            raise InventoryError(f"{self.option}: Kea refuses {command}: {answer.text or answer.result}")
        return answer


def read(params: Mapping[str, Any], warn: Warn) -> List[Record]:
    """Return all leases and reservations of the servers at ``control_url`` and ``control_url6``. Raises KeaError."""
    options = [("control_url", 4), ("control_url6", 6)]
    channels = [Channel(option, family, params) for option, family in options if params[option]]
    if not channels:
        raise InventoryError("source=control needs control_url, control_url6 or both")
    return [record for channel in channels for record in _of_server(channel, warn)]


def _of_server(channel: Channel, warn: Warn) -> List[Record]:
    try:
        return [*_reservations(channel, warn), *_leases(channel, warn)]
    except _MALFORMED as error:
        raise InventoryError(f"{channel.option}: an answer of the server cannot be read: {error!r}") from error


def _reservations(channel: Channel, warn: Warn) -> Iterator[Record]:
    answer = channel.need("config-get")
    if answer.result != control.SUCCESS:
        raise InventoryError(f"{channel.option}: Kea refuses config-get: {answer.text}")
    configuration = answer.arguments.get(f"Dhcp{channel.family}")
    if not isinstance(configuration, Mapping):
        raise InventoryError(f"{channel.option} leads to a server that is not kea-dhcp{channel.family}")
    # The configuration holds passwords; only its subnets and reservations are looked at.
    subnets = {0: configuration, **{int(subnet["id"]): subnet for subnet in _subnets(configuration, channel.family)}}
    # A reservation in the configuration is in the answer to reservation-get-page as well.
    found: Dict[object, Record] = {}
    for subnet_id, host in [
        *((subnet_id, host) for subnet_id, subnet in subnets.items() for host in subnet.get("reservations", [])),
        *_host_pages(channel, subnets, warn),
    ]:
        record = _reservation(channel.family, subnet_id, host)
        if record is not None:
            found[(subnet_id, record.hwaddr, record.client_id, record.duid, record.other_id)] = record
    yield from found.values()


def _subnets(configuration: Mapping[str, Any], family: int) -> Iterator[Mapping[str, Any]]:
    key = f"subnet{family}"
    yield from configuration.get(key, [])
    for network in configuration.get("shared-networks", []):
        yield from network.get(key, [])


def _host_pages(channel: Channel, subnets: Mapping[int, Any], warn: Warn) -> Iterator[Any]:
    """Yield (subnet, reservation) of the databases; none if Kea does not know the command."""
    for subnet_id in subnets:
        following: Mapping[str, Any] = {}
        while True:
            answer = channel.send("reservation-get-page", {"subnet-id": subnet_id, "limit": PAGE, **following})
            if answer.result == control.UNSUPPORTED:
                return
            if answer.result not in (control.SUCCESS, control.EMPTY):
                # A server whose reservations are all in its configuration may refuse this, and the rest is of use.
                warn(f"{channel.option}: Kea refuses reservation-get-page: {answer.text}. Reservations may be missing.")
                return
            for host in answer.arguments.get("hosts", []):
                yield subnet_id, host
            previous, following = following, answer.arguments.get("next") or {}
            if answer.result == control.EMPTY or not following or following == previous:
                break


def _reservation(family: int, subnet_id: int, host: Mapping[str, Any]) -> Optional[Record]:
    """Return the record of Kea's reservation map; None if its identifier or address is not to be understood."""
    try:
        kind = next(key for key in identifiers.TYPES if host.get(key))
        value = identifiers.spell(identifiers.parse(str(host[kind])))
        given = [host["ip-address"]] if family == 4 and host.get("ip-address") else []
        given = given if family == 4 else host.get("ip-addresses", [])
        addresses = [records.address(one, family) for one in given]
    except (StopIteration, ValueError):
        return None
    plain = Record(records.RESERVATION, family, addresses, subnet_id, hostname=str(host.get("hostname") or ""))
    return records.reservation(plain, kind, value, host.get("user-context"))


def _leases(channel: Channel, warn: Warn) -> Iterator[Record]:
    command = f"lease{channel.family}-get-page"
    start = "start"
    while True:
        answer = channel.need(command, {"from": start, "limit": PAGE})
        if answer.result == control.UNSUPPORTED:
            warn(
                f"{channel.option}: Kea does not know {command}, so the inventory has reservations only. "
                "Load the hook libdhcp_lease_cmds.so to have the leases, too."
            )
            return
        page = answer.arguments.get("leases", [])
        for lease in page:
            if lease.get("type") != _PREFIX:
                yield _lease(channel.family, lease)
        if len(page) < PAGE or page[-1]["ip-address"] == start:
            return
        start = page[-1]["ip-address"]


def _lease(family: int, lease: Mapping[str, Any]) -> Record:
    duid = records.identifier(lease.get("duid"))
    valid, since = int(lease.get("valid-lft", 0)), int(lease.get("cltt", 0))
    told = relay.of_context(lease.get("user-context"))
    hwaddr = records.identifier(lease.get("hw-address"))
    return Record(
        records.LEASE,
        family,
        [records.address(lease["ip-address"], family)],
        int(lease.get("subnet-id", 0)),
        hwaddr=hwaddr if family == 4 else records.certain_hwaddr(hwaddr, hwaddr_source.UNKNOWN),
        client_id=records.identifier(lease.get("client-id")),
        duid=duid,
        hostname=str(lease.get("hostname") or ""),
        state=records.state_name(int(lease.get("state", 0))),
        since=since,
        expires=None if valid == lifetime.INFINITE else since + valid,
        lifetime=valid,
        circuit_id=told.circuit_id,
        remote_id=told.remote_id,
        vendor_class=vendor_class.of_context(lease.get("user-context")),
    )


def _reason(error: Exception) -> str:
    """Return what to do about an error of the connection. No request is quoted: it holds the login."""
    code = getattr(error, "code", None)
    if code in (401, 403):
        return f"HTTP {code}: check control_username and control_password"
    if isinstance(code, int):
        return f"HTTP {code}"
    text = str(getattr(error, "reason", "") or error)
    if "certificate" in text.lower():
        return f"{text}: check control_ca_cert, control_client_cert and the name in the URL"
    return text
