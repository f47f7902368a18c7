# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: who made a network card, by the first three octets of its hardware address.

The list is that of Debian's package ieee-data. Without it no vendor is known.
"""

from __future__ import annotations

import functools
import re
from typing import Dict

PATH = "/usr/share/ieee-data/oui.txt"

_LINE = re.compile(rb"^([0-9A-F]{2})-([0-9A-F]{2})-([0-9A-F]{2}) +\(hex\)[ \t]+([^\r\n]+)", re.MULTILINE)
_LOCAL_OR_GROUP = 0x03
"""Bits of the first octet. An address with one of them was not given by a vendor."""


def of(hwaddr: str, path: str = PATH) -> str:
    """Return the vendor of a hardware address in Kea's spelling; empty if it is not known."""
    prefix = hwaddr[:8].lower()
    if len(prefix) < 8 or len(hwaddr) != 17 or int(prefix[:2], 16) & _LOCAL_OR_GROUP:
        return ""
    return _table(path).get(prefix, "")


@functools.lru_cache(maxsize=None)
def _table(path: str) -> Dict[str, str]:
    """Return the vendors by prefix. The list is read once: it changes with the package."""
    try:
        with open(path, "rb") as file:
            found = _LINE.findall(file.read())
    except OSError:
        return {}
    return {
        b":".join(octets).decode("ascii").lower(): name.decode("utf-8", "replace").strip() for *octets, name in found
    }
