# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what the DHCP clients of both families, which request a lease from the Kea on their own host, have alike."""

from __future__ import annotations

import select
import socket
import time
from typing import Callable, Optional, TypeVar

from .._errors import KeaError

_Found = TypeVar("_Found")


class ProbeError(KeaError):
    """The probe failed; says where."""


def unusable(interface: str, error: OSError) -> ProbeError:
    """Return the error for an interface on which no client can ask."""
    return ProbeError(f"the interface {interface} cannot be used: {error.strerror or error}")


def answer(channel: socket.socket, parse: Callable[[bytes], Optional[_Found]], sent: str, timeout: float) -> _Found:
    """Return the first answer that ``parse`` recognizes, within ``timeout`` seconds; it returns None for all else.

    ``sent`` names the message that is to be answered. Raises ProbeError.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([channel], [], [], left)[0]:
            raise ProbeError(f"Kea did not answer a {sent} within {timeout:.0f} s")
        found = parse(channel.recv(4096))
        if found is not None:
            return found
