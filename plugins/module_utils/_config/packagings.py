# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the packagings of Kea: names of packages, units, users and paths. No other place knows these names."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from .._errors import KeaError
from .._host import packages as host_packages
from .._host import systemd
from .servers import DDNS, PROGRAMS

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DEB, RPM = "deb", "rpm"


class Packaging(NamedTuple):
    """One packaging."""

    name: str
    """debian, isc or rhel."""
    format: str
    """deb or rpm."""
    packages: Tuple[str, ...]
    """Packages of the DHCPv4 server and its tools; the first one has the server."""
    unit: str
    """Unit of the DHCPv4 server, without its suffix."""
    user: str
    """User that Kea runs as, and name of its group."""
    program: str = "/usr/sbin/kea-dhcp4"
    lease_file: str = "/var/lib/kea/kea-leases4.csv"
    hook_directory: str = "/usr/lib64/kea/hooks"
    """Pattern of the directory of the hooks."""
    profile: str = ""
    """Name of the AppArmor profile of the server; empty for none."""
    selinux: Tuple[str, ...] = ()
    """Packages with which Ansible sets rules of SELinux; empty where the play sets none."""

    def of(self, family: int) -> Packaging:
        """Return the same names for the server of this family: every packaging names the servers alike."""
        return self if family == 4 else self._of_server("dhcp6", "leases6")

    def for_ddns(self) -> Packaging:
        """Return the same names for D2 (kea-dhcp-ddns), which has no leases and no tools."""
        found = self._of_server("dhcp-ddns", "")
        return found._replace(packages=found.packages[:1], lease_file="")

    def _of_server(self, server: str, leases: str) -> Packaging:
        def named(text: str) -> str:
            return text.replace("dhcp4", server).replace("leases4", leases)

        names: Dict[str, Any] = {key: named(value) for key, value in self._asdict().items() if isinstance(value, str)}
        return self._replace(**names, packages=tuple(named(one) for one in self.packages))


_DEB_HOOKS = "/usr/lib/*/kea/hooks"
_RPM_SELINUX = ("policycoreutils-python-utils", "python3-libselinux")
PACKAGINGS = (
    Packaging(
        "debian",
        DEB,
        ("kea-dhcp4-server", "kea-admin"),
        "kea-dhcp4-server",
        "_kea",
        hook_directory=_DEB_HOOKS,
        profile="usr.sbin.kea-dhcp4",
    ),
    Packaging(
        "isc",
        DEB,
        ("isc-kea-dhcp4", "isc-kea-admin", "isc-kea-hooks", "isc-kea-pgsql"),
        "isc-kea-dhcp4-server",
        "_kea",
        hook_directory=_DEB_HOOKS,
    ),
    Packaging("rhel", RPM, ("kea", "kea-hooks"), "kea-dhcp4", "kea", selinux=_RPM_SELINUX),
    Packaging(
        "isc",
        RPM,
        ("isc-kea-dhcp4", "isc-kea-admin", "isc-kea-hooks", "isc-kea-pgsql"),
        "kea-dhcp4",
        "kea",
        selinux=_RPM_SELINUX,
    ),
)
"""Of each format, the system's own packaging comes first."""
NAMES = tuple(sorted({one.name for one in PACKAGINGS}))
SERVERS: Dict[int, Tuple[str, ...]] = {
    family: tuple(sorted({one.of(family).packages[0] for one in PACKAGINGS})) for family in (4, 6)
}
"""The package of the server of each family in each packaging."""
DDNS_SERVERS = tuple(sorted({one.for_ddns().packages[0] for one in PACKAGINGS}))
"""The package of D2 in each packaging."""
USERS = tuple(sorted({one.user for one in PACKAGINGS}))
UNITS: Dict[str, Tuple[str, ...]] = {
    **{
        f"Dhcp{family}": tuple(dict.fromkeys(f"{one.of(family).unit}.service" for one in PACKAGINGS))
        for family in (4, 6)
    },
    DDNS: tuple(dict.fromkeys(f"{one.for_ddns().unit}.service" for one in PACKAGINGS)),
}
"""Names of the units of each server."""
HOOK_DIRECTORIES = (
    *dict.fromkeys(one.hook_directory for one in PACKAGINGS),
    *("/usr/lib/kea/hooks", "/usr/local/lib/kea/hooks"),
)
"""Patterns of the directories of hooks, also of a Kea that a site built."""

_SUFFIX = ".service"
_CHANGEABLE = ("packages", "unit", "user", "program", "lease_file", "hook_directory", "profile")
"""Names that a person may replace. A module finds a unit of another name by the program that it starts."""


def chosen(format_: str, name: str, names: Mapping[str, Any]) -> Packaging:
    """Return the packaging with this name for a format, with the names that a person replaced. Raises KeaError."""
    if not format_:
        raise KeaError("this host has neither dpkg nor rpm, so the names of Kea's packages are not known")
    fitting = [one for one in PACKAGINGS if one.format == format_ and name in ("", one.name)]
    if not fitting:
        known = ", ".join(sorted(one.name for one in PACKAGINGS if one.format == format_))
        raise KeaError(f"kea_packaging: there is no packaging {name} for a host with {format_} packages, only {known}")
    unknown = sorted(set(names) - set(_CHANGEABLE))
    if unknown:
        raise KeaError(f"kea_packaging_names: {', '.join(unknown)} is none of {', '.join(_CHANGEABLE)}")
    values: Dict[str, Any] = {key: tuple(value) if key == "packages" else str(value) for key, value in names.items()}
    if "unit" in values:
        values["unit"] = _stem(values["unit"])
    return fitting[0]._replace(**values)


def detected(module: AnsibleModule, name: str = "", names: Mapping[str, Any] = MappingProxyType({})) -> Packaging:
    """Return the packaging ``name`` of this host; for an empty name the one that is installed, else the system's own.

    One server of Kea is enough to find it. The names are those of the DHCPv4 server. Raises KeaError.
    """
    format_ = host_packages.format_of(module)
    fitting: List[Packaging] = [one for one in PACKAGINGS if one.format == format_]
    if not name and len(fitting) > 1:
        servers = {one.name: [one.of(family).packages[0] for family in (4, 6)] for one in fitting}
        installed = set(
            host_packages.installed(module, [package for several in servers.values() for package in several])
        )
        name = next((one for one, several in servers.items() if installed & set(several)), fitting[0].name)
    return chosen(format_, name, names)


def units_of(top: str, own: str) -> Tuple[str, ...]:
    """Return the names that the unit of a server may have.

    ``own`` is what a person names for the DHCPv4 server; empty for nothing.
    """
    server = PROGRAMS[top][len("kea-") :]
    return (*UNITS[top], *([f"{_stem(own).replace('dhcp4', server)}.service"] if own else []))


def _stem(unit: str) -> str:
    """Return the name of a service without its suffix, which a person may write or leave out."""
    return unit[: -len(_SUFFIX)] if unit.endswith(_SUFFIX) else unit


def unit_of(module: AnsibleModule, top: str) -> Optional[systemd.Unit]:
    """Return the unit of the server with this map at the top of its configuration; None if systemd knows none.

    It has one of UNITS. Only where systemd has none of these, it is a site's own that starts the program of the server:
    a second Kea of the site must not be taken for the one that is stopped for a moment.
    """
    return systemd.find(module, *UNITS[top]) or systemd.find_program(module, PROGRAMS[top])


def user_of(module: AnsibleModule) -> str:
    """Return the option ``kea_user``, or else the user of the packaging of this host. Raises KeaError."""
    return str(module.params.get("kea_user") or detected(module).user)
