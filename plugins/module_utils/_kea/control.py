# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's control channel: one command over a unix socket and its whole answer (kea-facts 6)."""

from __future__ import annotations

import errno
import json
import os
import socket
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional

RUN_DIRECTORY = "/run/kea"
"""Kea's run directory; a bare socket name in a configuration is a socket in it."""

SUCCESS, ERROR, UNSUPPORTED, EMPTY, CONFLICT = range(5)
"""Results of a command (command_interpreter.h). EMPTY: done, with nothing to return. CONFLICT: from Kea 2.3.4 on."""

MOST = 256 * 2**20
"""Bytes that an answer may have. A configuration with 500,000 reservations has half of it."""

_PORTION = 65536


class ControlError(Exception):
    """Kea did not answer: says which command, on which socket and why. An answer that is no success is an Answer."""

    def __init__(self, command: str, path: str, reason: str) -> None:
        super().__init__(f"Kea does not answer {command} on {path} ({reason})")
        self.command = command
        self.path = path
        self.reason = reason


class Answer(NamedTuple):
    """What Kea answered to a command."""

    result: int
    """One of SUCCESS, ERROR, UNSUPPORTED, EMPTY and CONFLICT, or a later version's."""
    text: str
    """Kea's words for people; may be empty."""
    arguments: Mapping[str, Any]
    """What the command returned; empty if that is nothing."""


def send(path: str, command: str, timeout: float, arguments: Optional[Mapping[str, Any]] = None) -> Answer:
    """Send one command to the control socket at ``path``, and return Kea's answer.

    ``timeout`` is in seconds, for all of it: ``config-reload`` of many leases may take minutes, ``status-get`` none.
    Raises ControlError if there is no answer in that time, or one that cannot be read.
    """
    request: Dict[str, Any] = {"command": command}
    if arguments is not None:
        request["arguments"] = arguments
    try:
        # Kea's JSON reads no number of a character beyond U+00FF. A name may hold bytes that are not UTF-8.
        text = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogateescape")
        return parse(_exchange(path, text, timeout))
    except (OSError, ValueError) as error:
        raise ControlError(command, path, str(error)) from error


def socket_path(name: str) -> str:
    """Return the path of a socket as a configuration names it: a bare name is one in Kea's run directory."""
    return os.path.join(RUN_DIRECTORY, name)


def unix_sockets(sockets: object) -> List[str]:
    """Return the paths of the unix sockets among the control sockets of a configuration.

    ``sockets`` is the list ``control-sockets``, or a list of the one map ``control-socket``; anything else has none.
    """
    maps = [one for one in sockets if isinstance(one, dict)] if isinstance(sockets, list) else []
    names = [one["socket-name"] for one in maps if one.get("socket-type") == "unix" and "socket-name" in one]
    return [socket_path(str(name)) for name in names]


def exchange(channel: socket.socket, request: bytes, timeout: float, pause: float) -> bytes:
    """Send a request and return all that comes until the other side closes the connection.

    ``timeout`` is in seconds for all of it, ``pause`` for each part. Raises OSError, also for more than MOST bytes.
    """
    deadline = time.monotonic() + timeout
    parts: List[bytes] = []
    size = 0
    channel.settimeout(min(timeout, pause))
    channel.sendall(request)
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        channel.settimeout(min(left, pause))
        part = channel.recv(_PORTION)
        if not part:
            return b"".join(parts)
        size += len(part)
        if size > MOST:
            raise OSError(errno.EMSGSIZE, f"the answer has more than {MOST} bytes")
        parts.append(part)


def _exchange(path: str, request: bytes, timeout: float) -> bytes:
    """Kea closes the connection once its answer is complete. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(timeout)
        channel.connect(path)
        return exchange(channel, request, timeout, timeout)


def parse(text: bytes) -> Answer:
    """Return the answer; the control agent wraps it in a list. Raises ValueError if it cannot be read."""
    try:
        found = json.loads(text.decode("utf-8", "surrogateescape"))
    except RecursionError as error:
        raise ValueError("the answer is nested too deeply") from error
    answer = found[0] if isinstance(found, list) and found else found
    if not isinstance(answer, dict) or not isinstance(answer.get("result"), int):
        raise ValueError("the answer is no map with a result")
    words, arguments = answer.get("text"), answer.get("arguments")
    return Answer(
        answer["result"], words if isinstance(words, str) else "", arguments if isinstance(arguments, dict) else {}
    )
