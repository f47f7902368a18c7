# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what lets a Kea 3.0 with reservations in files take them by command: a hook, and two loggers.

At INFO Kea writes three lines for each command, one with the whole reservation and one with it again.
"""

from __future__ import annotations

from typing import List, Mapping

from ..module_utils._config.servers import PROGRAMS, top_of
from ._pair import name_of
from ._server_input import Found, Settings

LOGGERS = ("commands", "host-cmds-hooks")
"""Below the logger of the server."""
_OUTPUTS = ("output-options", "output_options")
_INFO, _WARN = "INFO", "WARN"


def settings(now: Found, site: Settings, family: int) -> Settings:
    """Return the hook, unless the same library is loaded from another path, and the loggers.

    ``site`` are the settings of the variables, and ``family`` is that of the server. A logger that the site set up
    otherwise stays as it is.
    """
    hook = now.reservation_hook
    named = [*site.get("hooks-libraries", []), *(one for one in now.hooks_libraries if one.get("library") != hook)]
    if not hook:
        return {}
    known = {str(one.get("name")): one for one in [*now.loggers, *site.get("loggers", [])]}
    found: Settings = {"loggers": _quiet(known, PROGRAMS[top_of(family)])}
    if hook.rpartition("/")[2] not in map(name_of, named):
        found["hooks-libraries"] = [{"library": hook}]
    return found


def _quiet(known: Mapping[str, Settings], server: str) -> List[Settings]:
    """Return the loggers, which write where the server's own does; a logger without an output would write nowhere."""
    root = known.get(server, {})
    outputs = {key: root[key] for key in _OUTPUTS if root.get(key)} or {"output-options": [{"output": "stdout"}]}
    if root.get("severity", _INFO) != _INFO:
        return []
    names = [f"{server}.{name}" for name in LOGGERS]
    free = [name for name in names if known.get(name, {}).get("severity", _WARN) == _WARN]
    return [{"name": name, "severity": _WARN, **outputs} for name in free]


def joined(own: Settings, site: Settings) -> Settings:
    """Return the settings of the site with these: its own hooks and loggers stay."""
    names = {str(one.get("name")) for one in site.get("loggers", [])}
    loggers = [one for one in own.get("loggers", []) if one["name"] not in names]
    return {
        **site,
        **(
            {"hooks-libraries": [*site.get("hooks-libraries", []), *own["hooks-libraries"]]}
            if "hooks-libraries" in own
            else {}
        ),
        **({"loggers": [*site.get("loggers", []), *loggers]} if loggers else {}),
    }
