# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: managed reservations give way to those of the site: Kea refuses two for one client or address in a subnet.

The files belong to Kea's user, so none is opened through a link, and a new one gets its name by a rename.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, List

from .._config.document import Document
from .._config.identity import client
from .._config.subnets import Subnet, subnets_of
from .._config.syntax import Include
from .._errors import KeaError
from .._kea import durable, host_maps, tree
from .subnets import is_applied


def give_way(document: Document, top: str) -> List[str]:
    """Remove from the included files what a reservation of the configuration overrules. Return words for each.

    Raises KeaError.
    """
    words: List[str] = []
    for subnet in subnets_of(document, top):
        listed = subnet.value.get("reservations")
        includes = [one.path for one in listed if isinstance(one, Include)] if isinstance(listed, list) else []
        for path in filter(is_applied, includes if subnet.reservations else []):
            words += _clear(path, subnet)
    return words


def _clear(path: str, subnet: Subnet) -> List[str]:
    try:
        text, found = _read(path)
        maps = host_maps.parse(text)
        lost = [one for one in maps.maps if isinstance(one.value, dict) and _is_overruled(one.value, subnet)]
        if lost:
            kept = [(one.comment, one.text) for one in maps.maps if one not in lost]
            content = host_maps.render(kept, maps.comment) if kept or maps.comment else ""
            owner = (found.st_uid, found.st_gid)
            durable.replace(path, content.encode("utf-8", "surrogateescape"), stat.S_IMODE(found.st_mode), owner)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise KeaError(f"the reservations in {path} cannot give way to those of the site: {error}") from error
    return [f"{one.value.get('ip-address')} in {subnet.name}" for one in lost]


def _read(path: str) -> "tuple[str, os.stat_result]":
    with tree.at(path, follow=False) as spot, open(spot.open(), encoding="utf-8", errors="surrogateescape") as file:
        return file.read(), os.fstat(file.fileno())


def _is_overruled(host: Dict[str, Any], subnet: Subnet) -> bool:
    identifier, address = client(host), host.get("ip-address")
    return any(
        (identifier is not None and client(one) == identifier)
        or (address is not None and one.get("ip-address") == address)
        for one in subnet.reservations
    )
