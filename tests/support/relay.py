# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a server on this machine, which a test can cut, or on which the server's clock is another one."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime

_DATE = re.compile(rb'(?<="date-time": ")[^"]+')


class Relay:
    """Passes on what comes to its port, in threads."""

    def __init__(self, port: int) -> None:
        """``port`` is that of the server."""
        self.ahead = 0
        """Seconds by which the server's clock seems to be ahead, in the answers to ha-heartbeat."""
        self._target = ("127.0.0.1", port)
        self._is_cut = False
        self._open: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self, is_cut: bool = True) -> None:
        """Close what is open, and from then on each new connection."""
        self._is_cut = is_cut
        for one in list(self._open) if is_cut else ():
            # A thread that waits for this socket wakes up.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self.cut()
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._server.accept()
                if self._is_cut:
                    client.close()
                else:
                    threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            self._open |= {client, server}
            back = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            back.start()
            self._pass(client, server)
            back.join()
            self._open -= {client, server}

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                target.sendall(_DATE.sub(self._moved, part))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _moved(self, found: re.Match[bytes]) -> bytes:
        """Return another date of the same length, so that the length of the answer stays as its header tells it."""
        moved = parsedate_to_datetime(found[0].decode()) + timedelta(seconds=self.ahead)
        return format_datetime(moved, usegmt=True).encode()
