# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Debian packages that a deployment installed, and how they go again.

They are removed and not purged: what a purge would delete, such as /var/lib/kea with the leases, stays.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Dict, Set

from .document import Manifest, ManifestError, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_REMOVED = re.compile(r"^(?:Remv|Purg) (\S+)", re.MULTILINE)


def look(module: AnsibleModule, name: str) -> State:
    """Its version; one that was removed and left its configuration counts as absent."""
    version = _installed(module).get(name)
    return {"state": "installed", "version": version} if version else {"state": "absent"}


@functools.lru_cache(maxsize=1)
def _installed(module: AnsibleModule) -> Dict[str, str]:
    """The version of each package; asked once, since one question takes as long as all of them."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package} ${Version}\n"]
    _code, out, _err = module.run_command(query)
    rows = (line.split() for line in out.splitlines())
    return {row[1]: row[2] for row in rows if row[0] == "installed"}


def put(module: AnsibleModule, manifest: Manifest, name: str, state: State) -> None:
    """Removes it together with what was installed for its sake alone. Another version is left: Kea's schema and
    PostgreSQL's data know no way back. Raises ManifestError."""
    if state["state"] != "absent":
        return
    ours = {entry.name for entry in manifest.entries.values() if entry.kind == "package"}
    needless = _simulate(module, "autoremove")
    names = _simulate(module, "remove", "--auto-remove", name) - needless
    others = sorted(_manual(module, names) - ours)
    if others:
        raise ManifestError(f"{name} cannot be removed: {', '.join(others)} would go with it")
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
    """Those of them that somebody asked for."""
    if not names:
        return set()
    _code, out, _err = module.run_command(["apt-mark", "showmanual", *sorted(names)], check_rc=True)
    return set(out.split())
