# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: read the state of packages, and remove those that a deployment installed.

They are not purged, because a purge would delete data such as /var/lib/kea with the leases.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Dict, List, Set

from .._host.packages import automatic, format_of
from .document import Manifest, ManifestError, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_REMOVED = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)


def look(module: AnsibleModule, name: str) -> State:
    """Return the version. A removed package whose configuration is left counts as absent."""
    version = _installed(module).get(name)
    return {"state": "installed", "version": version} if version else {"state": "absent"}


def all_of_them(module: AnsibleModule) -> List[Any]:
    """Return the version of each package, and which of them apt installed because others need them."""
    return [_installed(module), automatic()]


@functools.lru_cache(maxsize=1)
def _installed(module: AnsibleModule) -> Dict[str, str]:
    """Return the version of each package. The result is cached: one query takes as long as a query for all."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package} ${Version}\n"]
    if format_of(module) == "rpm":
        query = ["rpm", "--query", "--all", "--queryformat", "installed %{NAME} %{VERSION}-%{RELEASE}\n"]
    _code, out, _err = module.run_command(query)
    rows = (line.split() for line in out.splitlines())
    return {row[1]: row[2] for row in rows if row[0] == "installed"}


def put(module: AnsibleModule, manifest: Manifest, name: str, state: State) -> None:
    """Remove a package that was absent, with the packages that only it needed. Raises ManifestError.

    The version is not restored: Kea's schema and PostgreSQL's data cannot be downgraded.
    """
    if state["state"] != "absent":
        return
    ours = {entry.name for entry in manifest.entries.values() if entry.kind == "package"}
    needless = _simulate(module, "autoremove")
    names = _simulate(module, "remove", "--auto-remove", name) - needless
    others = sorted(_manual(module, names) - ours)
    if others:
        raise ManifestError(f"{name} cannot be removed: {', '.join(others)} would be removed with it")
    _installed.cache_clear()
    code, _out, err = module.run_command([*_APT, "remove", *sorted(names)], environ_update=_QUIET)
    if code:
        raise ManifestError(f"{name} cannot be removed: {err.strip()}")


_APT = ["apt-get", "--assume-yes", "--quiet=2"]
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def _simulate(module: AnsibleModule, *words: str) -> Set[str]:
    _code, out, _err = module.run_command(["apt-get", "--simulate", *words], check_rc=True)
    return set(_REMOVED.findall(out))


def _manual(module: AnsibleModule, names: Set[str]) -> Set[str]:
    """Return the packages that were installed by name and not as a dependency."""
    if not names:
        return set()
    _code, out, _err = module.run_command(["apt-mark", "showmanual", *sorted(names)], check_rc=True)
    return set(out.split())
