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
from typing import Any, Callable, Dict, Iterator, List, Mapping

import yaml

from . import _inventory_records as records
from ._inventory_records import InventoryError, Record

LARGEST = 65536
"""Bytes of a discovery file. The sink's own have some hundred."""

_SUFFIXES = (".yml", ".yaml")
_IDENTIFIERS = ("bmc_mac", "bmc_client_id", "bmc_duid")
_CONFIRMED = {"true": True, "false": False}
_ADDRESSES = {4: "kea_ipv4_addresses", 6: "kea_ipv6_addresses"}
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
    hosts = _hosts(yaml.compose(content.decode("utf-8"), _LOADER))
    return [record for host in hosts for record in _records(host, int(status.st_mtime))]


def _hosts(document: object) -> Iterator[Mapping[str, Any]]:
    """Yield the variables of each host in an inventory: texts, and lists of texts. Raises ValueError for anything else.

    Nodes of YAML are enough: no objects are built, whatever tags are in the file, which also takes half of the time.
    """
    for group in _mapping(document, "it is no inventory").values():
        hosts = _mapping(group, "it has no hosts").get("hosts")
        for host in _mapping(hosts, "it has no hosts").values():
            variables = _mapping(host, "a host in it has no variables")
            yield {name: _value(node) for name, node in variables.items() if not isinstance(node, yaml.MappingNode)}


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [one.value for one in node.value if isinstance(one, yaml.ScalarNode)]
    return node.value


def _mapping(node: object, problem: str) -> Dict[str, yaml.Node]:
    """Return a map's values by their keys. Raises ValueError with this text for any other node."""
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(problem)
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _records(variables: Mapping[str, Any], since: int) -> List[Record]:
    """Return the records of a host, one for each address. Raises ValueError.

    The time of the file stands in for that of the leases. The sink keeps no state: it writes a file for a new lease.
    """
    main = str(ipaddress.ip_address(_text(variables, "ansible_host")))
    hwaddr, client_id, duid = (records.identifier(_text(variables, name)) for name in _IDENTIFIERS)
    if not (hwaddr or client_id or duid):
        raise ValueError(f"it has none of {', '.join(_IDENTIFIERS)}")
    plain = Record(
        records.LEASE,
        0,
        [],
        int(_text(variables, "kea_subnet_id") or 0),
        hwaddr=hwaddr,
        hostname=_text(variables, "bmc_hostname"),
        state=records.STATES[0],
        since=since,
        circuit_id=_text(variables, "kea_circuit_id"),
        remote_id=_text(variables, "kea_remote_id"),
        vendor_class=_text(variables, "kea_vendor_class"),
        vendor=_text(variables, "bmc_vendor"),
        confirmed=_CONFIRMED.get(_text(variables, "kea_confirmed")),
    )
    if not any(isinstance(variables.get(name), list) for name in _ADDRESSES.values()):
        return [_of_family(plain._replace(hwaddr=_of_release_1_1(hwaddr, duid, main)), main, client_id, duid)]
    found: List[Record] = []
    for family, name in _ADDRESSES.items():
        listed = [records.address(one, family) for one in variables.get(name) or ()]
        subnet = int(_text(variables, f"kea_ipv{family}_subnet_id") or plain.subnet_id)
        found += [_of_family(plain._replace(subnet_id=subnet), one, client_id, duid) for one in listed]
    return found


def _of_family(plain: Record, address: str, client_id: str, duid: str) -> Record:
    """Return the record of one address, with the identifier that its family knows."""
    if ":" in address:
        return plain._replace(family=6, addresses=[address], duid=duid)
    return plain._replace(family=4, addresses=[address], client_id=client_id)


def _of_release_1_1(hwaddr: str, duid: str, address: str) -> str:
    """Return the hardware address in a file that names no addresses by family, as far as it is certain."""
    return records.underived_hwaddr(hwaddr, duid) if ":" in address else hwaddr


def _text(variables: Mapping[str, Any], name: str) -> str:
    value = variables.get(name)
    return value if isinstance(value, str) else ""


def _first_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).splitlines()[0]
