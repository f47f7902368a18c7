# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the partner of a server, reached at its URL in the way in which the server itself reaches it.

Kea checks that the certificate of a partner was issued by the trust anchor, and not its name (openssl_tls.cc sets no
verification of a host); so does this code. It has the rights of Kea's user meanwhile: that user may write the
configuration, and could name any file of root, and any URL to send it to.
"""

from __future__ import annotations

import base64
import errno
import http.client
import io
import json
import os
import socket
import ssl
import stat
from contextlib import contextmanager, suppress
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, cast
from urllib.parse import SplitResult, urlsplit

from .._errors import KeaError
from .._host.account import Account, acting
from .._host.certificates import Material, certificates_in
from .._kea import control, pairs, tree

TIMEOUT = 5.0
"""Seconds that a partner has for each part of an answer."""
LONGEST = 60.0
"""Seconds that it has for a whole answer."""
MOST_PASSWORD, MOST_PEM = 4096, 4 * 2**20
"""Bytes that a file with a password may have, and one with certificates or a key."""
_TLS = ("trust-anchor", "cert-file", "key-file")


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
    account: Account
    """Kea's. Its configuration tells these paths and the URL, so they are opened with its rights."""
    material: Optional[Material] = None
    """Trust anchor, certificate and key in place of those files; all three."""

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
        parts = urlsplit(self.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        lines = [
            "POST / HTTP/1.1",
            f"Host: {host}:{_port(parts)}",
            "Content-Type: application/json",
            "Connection: close",
            f"Content-Length: {len(text.encode())}",
            *([f"Authorization: {self.authorization}"] if self.authorization else []),
        ]
        request = "\r\n".join([*lines, "", text]).encode()
        with acting(self.account), self._connection(parts) as connection:
            received = control.exchange(connection, request, LONGEST, TIMEOUT)
        response = http.client.HTTPResponse(cast(Any, _Received(received)))
        response.begin()
        body = response.read()
        if response.status != http.client.OK:
            # Such as 403 for a command that restrict-commands forbids, or 401 without the password.
            return control.Answer(control.ERROR, f"HTTP {response.status} {response.reason}", {})
        return control.parse(body)

    def certificate(self) -> str:
        """Return the PEM text of the certificate that the partner shows, whoever issued it. Raises OSError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        parts = urlsplit(self.url)
        where = (parts.hostname or "", _port(parts))
        with acting(self.account), socket.create_connection(where, TIMEOUT) as plain, context.wrap_socket(
            plain
        ) as wrapped:
            return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True) or b"")

    @contextmanager
    def _connection(self, parts: SplitResult) -> Iterator[socket.socket]:
        """Provide the connection. Files are opened before it, so a file that is refused has nothing sent."""
        context = self._context() if parts.scheme == "https" else None
        with socket.create_connection((parts.hostname or "", _port(parts)), TIMEOUT) as plain:
            if context is None:
                yield plain
                return
            with context.wrap_socket(plain) as wrapped:
                yield wrapped

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if self.material:
            _use(context, self.material)
            return context
        _trust(context, self.tls.get("trust-anchor", ""))
        if self.tls.get("cert-file"):
            key_file = self.tls.get("key-file") or self.tls["cert-file"]
            with _opened(self.tls["cert-file"]) as certificate, _opened(key_file) as key:
                # With a password, OpenSSL asks no person for that of a key.
                context.load_cert_chain(certificate, key, password="")  # nosec B106  # no secret: the lack of one
        return context


class _Received:
    """What was received, as http.client reads it from a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return the content as a file."""
        return io.BytesIO(self._content)


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _use(context: ssl.SSLContext, material: Material) -> None:
    """Have the connection use these texts. The key is in no file: OpenSSL reads it from memory by a path."""
    context.load_verify_locations(cadata="".join(certificates_in(material.trust_anchor or "")))
    own = "".join([*certificates_in(material.certificate or ""), material.key or ""])
    with open(os.memfd_create("certificate"), "w", encoding="utf-8") as file:
        file.write(own)
        file.flush()
        path = f"/proc/self/fd/{file.fileno()}"
        context.load_cert_chain(path, password="")  # nosec B106  # no secret: the lack of one


def _trust(context: ssl.SSLContext, anchor: str) -> None:
    """Trust the certificates of a file, or those in the files of a directory. Raises OSError, ValueError."""
    if not anchor:
        raise ValueError("it has no trust-anchor for https")
    if not tree.is_directory(anchor):
        with _opened(anchor) as path:
            context.load_verify_locations(path)
        return
    with tree.at(os.path.join(anchor, "any")) as spot:
        names = spot.names()
    for name in names:
        # Such a directory has other files, too, and links to its certificates.
        with suppress(OSError), _opened(os.path.join(anchor, name)) as path:
            context.load_verify_locations(path)


@contextmanager
def _opened(path: str) -> Iterator[str]:
    """Open a file with TLS material, and provide a path of it that no other process can change. Raises OSError."""
    with tree.at(path) as spot:
        descriptor = spot.open()
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no file", path)
        if found.st_size > MOST_PEM:
            raise OSError(errno.EFBIG, f"it has more than {MOST_PEM} bytes", path)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def find(libraries: object, family: int, account: Account) -> Optional[Partner]:
    """Return the partner that ``hooks-libraries`` names; None if the server has none. Raises KeaError.

    A backup has none, and nor has the primary of backups alone (``passive-backup``): no server takes over from them.
    ``account`` is Kea's. The password is one that it can read.
    """
    try:
        relationship = pairs.hook(libraries)
        if relationship is None:
            return None
        this = relationship["this-server-name"]
        own = [one for one in relationship["peers"] if one["name"] == this]
        if relationship.get("mode") == pairs.PASSIVE_BACKUP or any(one.get("role") == pairs.BACKUP for one in own):
            return None
        others = [one for one in relationship["peers"] if one["name"] != this and one.get("role") != pairs.BACKUP]
        if len(others) != 1:
            raise ValueError(f"{pairs.HOOK} names {len(others)} partners of {this}, and a pair has one")
        peer = others[0]
        tls = {key: str(peer.get(key) or relationship.get(key) or "") for key in _TLS}
        with acting(account):
            authorization = _authorization(peer)
        return Partner(str(peer["name"]), str(peer["url"]), family, authorization, tls, account)
    except (KeyError, TypeError, ValueError) as error:
        raise KeaError(f"the pair in hooks-libraries cannot be read: {error}") from error
    except OSError as error:
        raise KeaError(
            f"{error.filename}, the password for the partner, cannot be read by Kea's user: {error.strerror}"
        ) from error


class Delays(NamedTuple):
    """Times of a pair, in seconds."""

    heartbeat: float
    """Between two heartbeats."""
    response: float
    """After which a server takes over from a partner that does not answer."""


def delays(libraries: object) -> Delays:
    """Return the times of a pair that ``find`` accepts."""
    relationship = pairs.hook(libraries) or {}
    named = (("heartbeat-delay", pairs.HEARTBEAT), ("max-response-delay", pairs.RESPONSE))
    return Delays(*(float(relationship.get(key, default)) / 1000 for key, default in named))


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
    return tree.read(str(path), MOST_PASSWORD).decode("utf-8", "surrogateescape").rstrip("\r\n")
