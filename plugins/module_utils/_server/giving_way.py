# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: managed reservations give way to those of the site: Kea refuses two for one client or address in a subnet.

The files belong to Kea's user, so none is opened through a link, and a new one gets its name by a rename.
"""

from __future__ import annotations

import os
import stat
from typing import Any, Dict, List, NamedTuple, Tuple

from .._config import reserving
from .._config.document import Document
from .._config.identity import client
from .._config.subnets import Subnet, subnets_of
from .._config.syntax import Include, value_of
from .._config.tree import Tree
from .._errors import KeaError
from .._kea import durable, host_maps, reservation_files
from .config import is_applied


class Former(NamedTuple):
    """A file as it was before reservations in it gave way."""

    path: str
    content: bytes
    mode: int
    owner: Tuple[int, int]

    def restore(self) -> None:
        """Write the file as it was: the configuration was not changed. Raises KeaError."""
        try:
            durable.replace(self.path, self.content, self.mode, self.owner)
        except OSError as error:
            raise KeaError(f"{self.path} cannot be written: {error.strerror}") from error


class GaveWay(NamedTuple):
    """What gave way in one file."""

    words: List[str]
    former: Former


def give_way(document: Document, top: str) -> List[GaveWay]:
    """Remove from the included files what a reservation of the configuration overrules. Raises KeaError."""
    changed: List[GaveWay] = []
    for subnet in _with_global_hosts(document, top):
        listed = subnet.value.get("reservations")
        includes = [one.path for one in listed if isinstance(one, Include)] if isinstance(listed, list) else []
        for path in filter(is_applied, includes if subnet.reservations else []):
            changed += _clear(path, subnet)
    return changed


def _with_global_hosts(document: Document, top: str) -> List[Subnet]:
    """Return the subnets, each also with the reservations outside all subnets if it uses them."""
    whole = value_of(Tree(document, top).root)
    inherited, listed = reserving.inherited(whole, top), whole.get("reservations")
    everywhere = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []

    def uses(one: Subnet) -> bool:
        return reserving.uses_global([reserving.subnet_scope(one.name, one.value), *inherited[one.network]])

    found = subnets_of(document, top)
    return [one._replace(reservations=one.reservations + everywhere) if uses(one) else one for one in found]


def _clear(path: str, subnet: Subnet) -> List[GaveWay]:
    try:
        # A file with parts becomes one without them: the applier removes parts that it finds unused.
        text, found = reservation_files.text(path), os.lstat(path)
        maps = host_maps.parse(text)
        lost = [one for one in maps.maps if isinstance(one.value, dict) and _is_overruled(one.value, subnet)]
        former = Former(
            path, text.encode("utf-8", "surrogateescape"), stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
        )
        if lost:
            kept = [(one.comment, one.text) for one in maps.maps if one not in lost]
            content = host_maps.render(kept, maps.comment) if kept or maps.comment else ""
            durable.replace(path, content.encode("utf-8", "surrogateescape"), former.mode, former.owner)
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise KeaError(f"the reservations in {path} cannot give way to those of the site: {error}") from error
    words = [f"{', '.join(host_maps.addresses_of(one.value)) or 'no address'} in {subnet.name}" for one in lost]
    return [GaveWay(words, former)] if words else []


def _is_overruled(host: Dict[str, Any], subnet: Subnet) -> bool:
    identifier, addresses = client(host), set(host_maps.addresses_of(host))
    return any(
        (identifier is not None and client(one) == identifier) or addresses & set(host_maps.addresses_of(one))
        for one in subnet.reservations
    )
