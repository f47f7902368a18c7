# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which versions of installed packages the package manager of this host would install now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Dict, NamedTuple, Sequence

from . import packages
from .._errors import KeaError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

_POLICY = re.compile(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$", re.MULTILINE)
_NONE = "(none)"
_DNF_HAS_UPDATES = 100
_UPGRADE = re.compile(r"^(\S+?)(?:\.\w+)?\s+(\S+)\s+\S+$", re.MULTILINE)


class Offer(NamedTuple):
    """An installed package."""

    installed: str
    """Its version, as the package manager writes it."""
    offered: str
    """The version that an upgrade installs, which may be the same."""

    @property
    def is_newer(self) -> bool:
        """Return whether an upgrade changes the package."""
        return self.offered != self.installed


def offers(module: AnsibleModule, names: Sequence[str], release: str = "") -> Dict[str, Offer]:
    """Return what an upgrade of those packages would bring that are installed, by their names on this host.

    The package lists are those of the last update. ``release`` is one that packages are to come from, as apt knows it;
    empty means what apt prefers. Raises KeaError if the package manager does not tell.
    """
    return _of_dnf(module, names) if packages.format_of(module) == "rpm" else _of_apt(module, names, release)


def _of_apt(module: AnsibleModule, names: Sequence[str], release: str) -> Dict[str, Offer]:
    if not module.get_bin_path("apt-cache"):
        return {}
    target = ["--target-release", release] if release else []
    code, out, err = module.run_command(["apt-cache", *target, "policy", *names], environ_update={"LC_ALL": "C"})
    if code:
        raise KeaError(f"apt-cache does not tell which versions there are: {err.strip()}")
    found = {name: Offer(installed, offered) for name, installed, offered in _POLICY.findall(out)}
    return {name: one for name, one in found.items() if one.installed != _NONE and name in names}


def _of_dnf(module: AnsibleModule, names: Sequence[str]) -> Dict[str, Offer]:
    query = ["rpm", "--query", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\n", *names]
    _code, out, _err = module.run_command(query)
    lines = [line.split() for line in out.splitlines()]
    present = {line[0]: line[1] for line in lines if len(line) == 2}
    if not present:
        return {}
    code, out, err = module.run_command(["dnf", "--quiet", "check-update", *present])
    if code not in (0, _DNF_HAS_UPDATES):
        raise KeaError(f"dnf does not tell which versions there are: {err.strip()}")
    newer = dict(_UPGRADE.findall(out))
    return {name: Offer(version, newer.get(name, version)) for name, version in present.items()}
