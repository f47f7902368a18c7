# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the partner of a server, reached at its URL in the way in which the server itself reaches it.

Kea checks that the certificate of a partner was issued by the trust anchor, and not its name; so does this code.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
from typing import Any, Dict, Mapping, NamedTuple, Optional
from urllib.parse import urlsplit

from .._errors import KeaError
from .._kea import control, pairs

TIMEOUT = 5.0
"""Seconds that a partner has for an answer."""
_TLS = ("trust-anchor", "cert-file", "key-file")
_BACKUP = "backup"


class Partner(NamedTuple):
    """The other server of a pair, with the secrets for it: never to be shown."""

    name: str
    """Its name in the configuration."""
    url: str
    family: int
    authorization: str
    """Value of the HTTP header; empty without basic authentication."""
    tls: Mapping[str, str]
    """Paths of ``trust-anchor``, ``cert-file`` and ``key-file``, for https."""

    def send(self, command: str, arguments: Optional[Mapping[str, Any]] = None) -> control.Answer:
        """Send one command and return the answer, which is an error where HTTP refuses. Raises control.ControlError."""
        request: Dict[str, Any] = {"command": command, "service": [f"dhcp{self.family}"]}
        if arguments is not None:
            request["arguments"] = arguments
        try:
            return self._post(json.dumps(request))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise control.ControlError(command, self.url, str(error) or type(error).__name__) from error

    def _post(self, text: str) -> control.Answer:
        connection = self._connection()
        headers = {"Content-Type": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        try:
            connection.request("POST", "/", text, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != http.client.OK:
            # Such as 403 for a command that restrict-commands forbids, or 401 without the password.
            return control.Answer(control.ERROR, f"HTTP {response.status} {response.reason}", {})
        return control.parse(body)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme != "https":
            return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        anchor = self.tls.get("trust-anchor", "")
        context.load_verify_locations(**{"capath" if os.path.isdir(anchor) else "cafile": anchor})
        if self.tls.get("cert-file"):
            context.load_cert_chain(self.tls["cert-file"], self.tls.get("key-file"))
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=TIMEOUT, context=context)


def find(libraries: object, family: int) -> Optional[Partner]:
    """Return the partner that ``hooks-libraries`` names; None if the server is in no pair. Raises KeaError."""
    try:
        relationship = pairs.hook(libraries)
        if relationship is None:
            return None
        this = relationship["this-server-name"]
        others = [one for one in relationship["peers"] if one["name"] != this and one.get("role") != _BACKUP]
        if len(others) != 1:
            raise ValueError(f"{pairs.HOOK} names {len(others)} partners of {this}, and a pair has one")
        peer = others[0]
        tls = {key: str(peer.get(key) or relationship.get(key) or "") for key in _TLS}
        return Partner(str(peer["name"]), str(peer["url"]), family, _authorization(peer), tls)
    except (KeyError, TypeError, ValueError) as error:
        raise KeaError(f"the pair in hooks-libraries cannot be read: {error}") from error
    except OSError as error:
        raise KeaError(f"{error.filename}, the password for the partner, cannot be read: {error.strerror}") from error


def heartbeat(libraries: object) -> float:
    """Return the seconds between two heartbeats of a pair that ``find`` accepts."""
    relationship = pairs.hook(libraries) or {}
    return float(relationship.get("heartbeat-delay", pairs.HEARTBEAT)) / 1000


def _authorization(peer: Mapping[str, Any]) -> str:
    user, password = str(peer.get("basic-auth-user") or ""), _password(peer)
    if not user:
        return ""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode("ascii")


def _password(peer: Mapping[str, Any]) -> str:
    """Return the password. A colon in its file is part of it, as in the configuration (tried with 2.2, 2.6 and 3.0)."""
    path = peer.get("basic-auth-password-file")
    if path is None:
        return str(peer.get("basic-auth-password", ""))
    with open(str(path), encoding="utf-8", errors="surrogateescape") as file:
        return file.read().rstrip("\r\n")
