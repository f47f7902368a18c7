# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the capabilities of each version of Kea; no other code compares versions.

Read in Kea's source at every tag: the grammar (dhcp4_parser.yy), PGSQL_SCHEMA_VERSION_* (pgsql_connection.h) and the
ChangeLog. Development releases (odd minor numbers) stand here because a fix reaches an older stable branch later than
the development branch, so "since" is a set of ranges and not one number.
"""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Tuple

from .._errors import KeaError

Version = Tuple[int, int, int]

OLDEST = (2, 2, 0)
NEWEST = (3, 3, 0)


class KeaVersionError(KeaError):
    """The text is not a version of Kea, or one that is too old for this collection."""


class Capabilities(NamedTuple):
    """Capabilities of one version of Kea; ``kea_info`` returns the field names, so they are public."""

    version: str
    schema: Optional[str]
    """PostgreSQL schema that this Kea requires, major and minor; None if it is newer than this table."""
    retry_on_startup: bool
    """`retry-on-startup` in a database entry."""
    socket_timeouts: bool
    """`tcp-user-timeout` (PostgreSQL), `read-timeout` and `write-timeout` (MySQL)."""
    memfile_on_fail: bool
    """`on-fail` for a lease file that cannot be written (#4220)."""
    database_hooks: bool
    """The database backends are hooks (libdhcp_pgsql.so, libdhcp_mysql.so) that must be loaded."""
    refuses_default_passwords: bool
    """A password from Kea's documentation is a configuration error (default_credentials.cc)."""
    postgresql_tls_keys: bool
    """`trust-anchor`, `cert-file`, `key-file` and `ssl-mode` reach PostgreSQL's client library (#3927)."""
    control_sockets: bool
    """`control-sockets`, a list, instead of the single `control-socket`."""
    restricted_paths: bool
    """Sockets, lease files, hooks and logs are accepted in their own directories only (CVE-2025-32801)."""
    lfc_start: bool
    """The command `kea-lfc-start`."""
    reservation_commands: bool
    """The hook libdhcp_host_cmds.so is open source, so that packages have it."""
    ddns_conflict_modes: bool
    """`ddns-conflict-resolution-mode` instead of the switch `ddns-use-conflict-resolution`."""
    tsig_secret_file: bool
    """`secret-file` of a TSIG key instead of its `secret`."""


_ALWAYS_LATER: Version = (10**6, 0, 0)

# For each capability the ranges of versions that have it: (first with it, first without it again).
_SINCE: Dict[str, Tuple[Tuple[Version, Version], ...]] = {
    "retry_on_startup": (((2, 5, 5), _ALWAYS_LATER),),
    "socket_timeouts": (((2, 2, 1), (2, 3, 0)), ((2, 3, 4), _ALWAYS_LATER)),
    "memfile_on_fail": (((3, 0, 4), (3, 1, 0)), ((3, 1, 5), _ALWAYS_LATER)),
    "database_hooks": (((2, 7, 4), _ALWAYS_LATER),),
    "refuses_default_passwords": (((2, 7, 6), _ALWAYS_LATER),),
    "postgresql_tls_keys": (((3, 1, 0), _ALWAYS_LATER),),
    "control_sockets": (((2, 7, 2), _ALWAYS_LATER),),
    "restricted_paths": (((2, 4, 2), (2, 5, 0)), ((2, 6, 3), (2, 7, 0)), ((2, 7, 9), _ALWAYS_LATER)),
    "lfc_start": (((3, 1, 2), _ALWAYS_LATER),),
    "reservation_commands": (((2, 7, 7), _ALWAYS_LATER),),
    "ddns_conflict_modes": (((2, 5, 0), _ALWAYS_LATER),),
    "tsig_secret_file": (((2, 5, 8), _ALWAYS_LATER),),
}

# First version with each schema. The server wants exactly its own, so even 22.0, 22.1 and 22.2 exclude one another.
_SCHEMAS: Tuple[Tuple[Version, str], ...] = (
    ((2, 2, 0), "13.0"),
    ((2, 3, 6), "14.0"),
    ((2, 3, 7), "16.0"),
    ((2, 3, 8), "17.0"),
    ((2, 4, 0), "18.0"),
    ((2, 5, 0), "19.0"),
    ((2, 5, 5), "20.0"),
    ((2, 5, 8), "21.0"),
    ((2, 6, 0), "22.0"),
    ((2, 6, 1), "22.1"),
    ((2, 6, 2), "22.2"),
    ((2, 7, 0), "23.0"),
    ((2, 7, 1), "24.0"),
    ((2, 7, 3), "25.0"),
    ((2, 7, 4), "26.0"),
    ((2, 7, 5), "27.0"),
    ((2, 7, 6), "28.0"),
    ((2, 7, 7), "29.0"),
    ((3, 1, 0), "30.0"),
    ((3, 1, 1), "31.0"),
    ((3, 1, 5), "32.0"),
    ((3, 1, 8), "33.0"),
    ((3, 1, 9), "34.0"),
)


def parse_version(text: str) -> Version:
    """Parse the version at the start of ``text``, such as the output of ``kea-dhcp4 -v`` (``3.0.3-git ...``).

    Raises KeaVersionError if there is none, or if it is older than 2.2.0.
    """
    found = re.match(r"\s*(\d+)\.(\d+)\.(\d+)", text)
    if not found:
        raise KeaVersionError(f"{text.strip()!r} is not a version of Kea such as 2.6.3")
    version = (int(found.group(1)), int(found.group(2)), int(found.group(3)))
    if version < OLDEST:
        raise KeaVersionError(f"Kea {found.group().strip()} is older than 2.2.0, the oldest version supported")
    return version


def capabilities(text: str) -> Capabilities:
    """Return the capabilities of a version; a newer one than in the table has those of the newest, except ``schema``.

    Raises KeaVersionError as ``parse_version`` does.
    """
    version = parse_version(text)
    has = {name: any(first <= version < end for first, end in ranges) for name, ranges in _SINCE.items()}
    schema = None if version > NEWEST else [name for first, name in _SCHEMAS if first <= version][-1]
    return Capabilities(version="{0}.{1}.{2}".format(*version), schema=schema, **has)


def newest() -> Capabilities:
    """Return the capabilities of the newest version in the table."""
    return capabilities("{0}.{1}.{2}".format(*NEWEST))


def is_older_schema(found: str, expected: str) -> bool:
    """Return whether schema ``found`` (major.minor) is older than ``expected``, so that an upgrade is possible."""
    return _schema_key(found) < _schema_key(expected)


def _schema_key(schema: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in schema.split("."))
