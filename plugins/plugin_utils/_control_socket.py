# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the unix control socket that a server gets where it has none: health, reloads and statistics need one.

A control socket of the site over HTTP stays as it is. A single ``control-socket`` of another kind has no place beside
it, so it stays alone.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping

from ..module_utils._kea.control import unix_sockets

PATHS = {4: "/run/kea/kea4-ctrl-socket", 6: "/run/kea/kea6-ctrl-socket"}
"""Of the DHCP server of each family."""
SINGLE, SEVERAL = "control-socket", "control-sockets"


def has_unix(sockets: object) -> bool:
    """Return whether one of the control sockets, as kea_info returns them, is a unix socket."""
    return bool(unix_sockets(sockets))


def settings(top: str, path: str, keys: Iterable[str]) -> Dict[str, Any]:
    """Return the values for kea_config by their path that add a unix socket at ``path``.

    ``keys`` are those that the map ``top`` has or gets from the variables.
    """
    known = set(keys)
    if SEVERAL in known:
        return {f"{top}/{SEVERAL}[socket-type=unix]": {"socket-name": path}}
    return {} if SINGLE in known else {f"{top}/{SINGLE}": _unix(path)}


def joined(values: Mapping[str, Any], path: str) -> Dict[str, Any]:
    """Return the variables with a unix socket in their list of sockets, if they have a list without one."""
    listed = values.get(SEVERAL)
    if not isinstance(listed, list) or has_unix(listed):
        return dict(values)
    return {**values, SEVERAL: [*listed, _unix(path)]}


def _unix(path: str) -> Dict[str, Any]:
    return {"socket-type": "unix", "socket-name": path}
