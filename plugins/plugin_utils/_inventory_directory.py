# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads a directory of discovery files, as the lease monitor's sink ``discovery`` writes them.

The files come from DHCP servers, so they are data. Only the variables of the sink's own template are read: a file
cannot set how Ansible connects, or put its host into a group.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from typing import Callable, Dict, Iterator, List, Mapping

import yaml

from . import _inventory_records as records
from ._inventory_records import InventoryError, Record

LARGEST = 65536
"""Bytes of a discovery file. The sink's own have some hundred."""

_SUFFIXES = (".yml", ".yaml")
_IDENTIFIERS = ("bmc_mac", "bmc_client_id", "bmc_duid")
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read(directory: str, strict: bool, warn: Callable[[str], None]) -> List[Record]:
    """Return the records of all files in a directory and in its sub-directories.

    Links are not followed, and hidden files not read. With ``strict``, a file that cannot be read is an InventoryError;
    else one warning names the first such file.
    """
    if not os.path.isdir(directory):
        raise InventoryError(f"directory: there is no directory {directory}")
    found: List[Record] = []
    problems: List[str] = []
    for path in sorted(_paths(directory)):
        found += _of_file(path, problems)
    if problems:
        text = f"directory: {problems[0]}"
        if strict:
            raise InventoryError(text)
        others = f" So are {len(problems) - 1} other files." if problems[1:] else ""
        warn(f"{text}. It is skipped.{others}")
    return found


def _paths(directory: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise InventoryError(f"directory: {error.filename} cannot be read: {error.strerror}") from error

    for parent, directories, names in os.walk(directory, onerror=fail):
        directories[:] = [name for name in directories if not name.startswith(".")]
        for name in names:
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield os.path.join(parent, name)


def _of_file(path: str, problems: List[str]) -> List[Record]:
    """Return the records of one file. If it cannot be used, add the reason to ``problems`` and return none."""
    try:
        return _parsed(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{path!r} is no discovery file: {_first_line(error)}")
        return []


def _parsed(path: str) -> List[Record]:
    """Return the records of one file. Raises OSError, ValueError or YAMLError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    return [_record(host, int(status.st_mtime)) for host in _hosts(yaml.compose(content.decode("utf-8"), _LOADER))]


def _hosts(document: object) -> Iterator[Mapping[str, str]]:
    """Yield the variables of each host in an inventory. Raises ValueError for anything else.

    Nodes of YAML are enough: no objects are built, whatever tags are in the file, which also takes half of the time.
    """
    for group in _mapping(document, "it is no inventory").values():
        hosts = _mapping(group, "it has no hosts").get("hosts")
        for host in _mapping(hosts, "it has no hosts").values():
            variables = _mapping(host, "a host in it has no variables")
            yield {name: node.value for name, node in variables.items() if isinstance(node, yaml.ScalarNode)}


def _mapping(node: object, problem: str) -> Dict[str, yaml.Node]:
    """Return a map's values by their keys. Raises ValueError with this text for any other node."""
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(problem)
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _record(variables: Mapping[str, str], since: int) -> Record:
    """Return the record of a host. Raises ValueError.

    The time of the file stands in for that of the lease. The sink keeps no state: it writes a file for a new lease.
    """
    address = str(ipaddress.ip_address(str(variables.get("ansible_host"))))
    hwaddr, client_id, duid = (records.identifier(variables.get(name)) for name in _IDENTIFIERS)
    if not (hwaddr or client_id or duid):
        raise ValueError(f"it has none of {', '.join(_IDENTIFIERS)}")
    family = 6 if ":" in address else 4
    return Record(
        records.LEASE,
        family,
        [address],
        int(variables.get("kea_subnet_id") or 0),
        hwaddr=records.certain_hwaddr(hwaddr, duid) if family == 6 else hwaddr,
        client_id=client_id,
        duid=duid,
        hostname=variables.get("bmc_hostname", ""),
        state=records.STATES[0],
        since=since,
        circuit_id=variables.get("kea_circuit_id", ""),
        remote_id=variables.get("kea_remote_id", ""),
        vendor=variables.get("bmc_vendor", ""),
    )


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).splitlines()[0]
