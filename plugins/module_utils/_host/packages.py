# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which packages must be installed or marked, found without apt or dnf, which take seconds."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Facts = Dict[str, Any]

EXTENDED_STATES = "/var/lib/apt/extended_states"
_AUTOMATIC = re.compile(r"^Package: (\S+)\n(?:\S.*\n)*?Auto-Installed: 1$", re.MULTILINE)
_NO_CANDIDATE = re.compile(r"^(\S+):\n  Installed: .*\n  Candidate: \(none\)", re.MULTILINE)
RPM_NAMES = {
    "postgresql-client": "postgresql",
    "python3-prometheus-client": "python3-prometheus_client",
    "python3-yaml": "python3-pyyaml",
}
"""Names of packages that EL calls otherwise than Debian."""
_KNOWN = re.compile(r"^(\S+):$", re.MULTILINE)


def format_of(module: AnsibleModule) -> str:
    """Return the format of the packages of this host: deb or rpm; empty if it has neither."""
    for program, format_ in (("dpkg-query", "deb"), ("rpm", "rpm")):
        if module.get_bin_path(program):
            return format_
    return ""


def packages(module: AnsibleModule, debian_names: Sequence[str]) -> Facts:
    """Return the state of packages, given by their names in Debian, and their ``names`` and ``format`` on this host.

    ``missing`` are those that are not installed, ``automatic`` those marked as such: apt removes an automatic package
    with the one that needed it. ``wanted`` are both. ``unlisted`` are missing packages that the package lists of the
    host do not have, so that the lists must be fetched first.
    """
    format_ = format_of(module)
    names = [RPM_NAMES.get(name, name) if format_ == "rpm" else name for name in debian_names]
    there = installed(module, names)
    marked = automatic()
    missing = [name for name in names if name not in there]
    needless = [name for name in names if name in there and name in marked]
    return {
        "names": names,
        "format": format_,
        "missing": missing,
        "automatic": needless,
        "wanted": missing + needless,
        "unlisted": _unlisted(module, missing),
    }


def untouched(module: AnsibleModule, package: str, path: str) -> bool:
    """Return whether the configuration file is there, unchanged since the package installed it."""
    if format_of(module) == "rpm":
        code, files, _err = module.run_command(["rpm", "--query", "--configfiles", package])
        verify = ["rpm", "--verify", "--nodeps", "--nouser", "--nogroup", "--nomode", "--nomtime", package]
        _code, altered, _err = module.run_command(verify)
        return code == 0 and path in files.split() and os.path.exists(path) and path not in altered.split()
    if not format_of(module):
        return False
    _code, files, _err = module.run_command(["dpkg-query", "--show", "--showformat=${Conffiles}", package])
    code, altered, _err = module.run_command(["dpkg", "--verify", package])
    return code <= 1 and f" {path} " in files and os.path.exists(path) and path not in altered


def installed(module: AnsibleModule, names: Sequence[str]) -> List[str]:
    """Return those of the packages, by their names on this host, that are installed."""
    format_ = format_of(module)
    if not names or not format_:
        return []
    if format_ == "rpm":
        _code, out, _err = module.run_command(["rpm", "--query", "--queryformat", "installed %{NAME}\n", *names])
    else:
        query = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\n", *names]
        _code, out, _err = module.run_command(query)
    return [line.split()[1] for line in out.splitlines() if line.startswith("installed ")]


def _unlisted(module: AnsibleModule, missing: Sequence[str]) -> List[str]:
    """Return the packages without a candidate. dnf fetches its lists by itself."""
    if not missing or module.get_bin_path("apt-cache") is None:
        return []
    _code, out, _err = module.run_command(
        ["apt-cache", "policy", *missing], environ_update={"LC_ALL": "C", "LANGUAGE": "C"}
    )
    without = [*_NO_CANDIDATE.findall(out), *(set(missing) - set(_KNOWN.findall(out)))]
    return [name for name in missing if name in without]


def automatic() -> List[str]:
    """Return the packages that apt installed because others need them."""
    try:
        with open(EXTENDED_STATES, encoding="utf-8") as file:
            found: List[str] = _AUTOMATIC.findall(file.read())
            return found
    except OSError:
        return []
