# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: facts of a host that decide whether a deployment can succeed. They are read only; nothing is judged here."""

from __future__ import annotations

import ctypes
import grp
import os
import re
import shlex
import socket
import struct
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Set

from . import firewall, firewalld, selinux

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Facts = Dict[str, Any]

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
DIRECTORIES = ("/etc", "/opt", "/var/lib")
"""Where a deployment writes."""
MORE_DIRECTORIES = ("/usr", "/var/cache/apt", "/var/lib/postgresql")
"""Where packages write, too. They count if they are file systems of their own."""
NETWORK = "/sys/class/net"
ADDRESSES6 = "/proc/net/if_inet6"
"""Address, index, length of the prefix, scope, flags and name of the interface in each line; missing without IPv6."""
_SCOPE_LINK = "20"
TIMEOUT = 5.0
"""Seconds for one connection to a database server."""
LARGEST_ERROR = 16_000_000
"""Microseconds from which on a clock counts as not synchronised."""
_UP = 0x1  # IFF_UP of if.h
_DHCP_PORTS = (67, 547)
_SOCKET = re.compile(r"^(?P<address>.*?)(?:%(?P<device>[^:\]]+))?\]?:(?P<port>\d+)$")
_PROCESS = re.compile(r'\("([^"]+)",pid=(\d+)')


def read(module: AnsibleModule, connect: Sequence[str], resolve: Sequence[str]) -> Facts:
    """Return the facts of this host. ``connect`` are the database servers to reach, each as ``host:port``.

    ``resolve`` are further names that must resolve. What cannot be found out is None.
    """
    chains, unread = firewall.closed(module)
    return {
        "system": _system(),
        "disks": [_disk(directory) for directory in (*DIRECTORIES, *_own_file_systems())],
        "dhcp_sockets": _dhcp_sockets(module),
        "interfaces": _interfaces(module),
        "time_synchronized": _time(),
        "groups": sorted({one.gr_name for one in grp.getgrall()}),
        "firewall": chains,
        "firewall_unread": unread,
        "firewalld": firewalld.found(module),
        "selinux": selinux.is_enabled(),
        "servers": [_server(one) for one in connect],
        "unresolved": [one for one in dict.fromkeys(resolve) if not _resolves(one)],
    }


def _system() -> Facts:
    """Return the distribution as os-release(5) names it, and whether systemd manages the host."""
    values: Dict[str, str] = {}
    for path in OS_RELEASE:
        try:
            with open(path, encoding="utf-8") as file:
                lines = [line.strip() for line in file]
        except OSError:
            continue
        for line in lines:
            key, equals, value = line.partition("=")
            if equals and not key.startswith("#"):
                values[key] = " ".join(shlex.split(value))
        break
    return {
        "id": values.get("ID", ""),
        "like": values.get("ID_LIKE", "").split(),
        "version": values.get("VERSION_ID", ""),
        "name": values.get("PRETTY_NAME", ""),
        "systemd": os.path.isdir("/run/systemd/system"),
    }


def _own_file_systems() -> List[str]:
    """Return those of ``MORE_DIRECTORIES`` that are not in the file system of a directory that is judged anyway."""
    known = {os.stat(one).st_dev for one in DIRECTORIES if os.path.exists(one)}
    return [one for one in MORE_DIRECTORIES if os.path.exists(one) and os.stat(one).st_dev not in known]


def _disk(directory: str) -> Facts:
    """Return the free space of the file system that a directory is in, or will be in."""
    there = directory
    while not os.path.exists(there):
        there = os.path.dirname(there)
    found = os.statvfs(there)
    return {
        "directory": directory,
        "free": found.f_bavail * found.f_frsize,
        # Some file systems count no inodes.
        "free_inodes": found.f_favail if found.f_files else None,
        "read_only": bool(found.f_flag & os.ST_RDONLY),
    }


def _dhcp_sockets(module: AnsibleModule) -> Optional[List[Facts]]:
    """Return the UDP sockets at the ports of DHCP servers, with the programs that have them."""
    program = module.get_bin_path("ss")
    if program is None:
        return None
    code, out, _err = module.run_command([program, "-H", "-l", "-u", "-n", "-p"])
    found: List[Facts] = []
    if code != 0:
        return None
    for line in out.splitlines():
        columns = line.split(None, 5)
        where = _SOCKET.match(columns[3]) if len(columns) > 4 else None
        if where is None or int(where.group("port")) not in _DHCP_PORTS:
            continue
        for name, pid in _PROCESS.findall(line) or [("", "0")]:
            one = {"port": int(where.group("port")), "address": where.group("address").strip("[]")}
            found.append({**one, "device": where.group("device"), "program": name, "pid": int(pid)})
    return found


def _interfaces(module: AnsibleModule) -> List[Facts]:
    """Return the network interfaces, whether each is up and has its link, and its addresses."""
    linked, addresses = _link_local(), _addresses(module)
    return [
        {
            "name": name,
            **_interface(name),
            "link_local": None if linked is None else name in linked,
            "addresses": None if addresses is None else addresses.get(name, []),
        }
        for name in sorted(os.listdir(NETWORK))
    ]


def _addresses(module: AnsibleModule) -> Optional[Dict[str, List[str]]]:
    """Return the addresses of each interface; None if they cannot be read."""
    program = module.get_bin_path("ip")
    if program is None:
        return None
    _code, out, _err = module.run_command([program, "-oneline", "address", "show"])
    found: Dict[str, List[str]] = {}
    for line in out.splitlines():
        _index, name, _family, address = line.split()[:4]
        found.setdefault(name, []).append(address.split("/")[0])
    return found or None


def _link_local() -> Optional[Set[str]]:
    """Return the interfaces with a link-local IPv6 address; None if that cannot be read."""
    try:
        with open(ADDRESSES6, encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return None
    return {row[5] for row in rows if row[3] == _SCOPE_LINK}


def _interface(name: str) -> Facts:
    try:
        with open(os.path.join(NETWORK, name, "flags"), encoding="ascii") as file:
            is_up = bool(int(file.read(), 16) & _UP)
    except (OSError, ValueError):
        return {"up": None, "link": None}
    try:
        with open(os.path.join(NETWORK, name, "carrier"), encoding="ascii") as file:
            return {"up": is_up, "link": file.read().strip() == "1"}
    except OSError:  # the kernel does not tell of one that is down
        return {"up": is_up, "link": None}


def _time() -> Optional[bool]:
    """Return whether the kernel takes its clock for synchronised, by the rule of systemd-timedated.

    timedatectl would start a service, and wait for it where there is no bus.
    """
    timex = ctypes.create_string_buffer(512)
    try:
        code = ctypes.CDLL(None).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    _modes, _offset, _frequency, largest_error = struct.unpack_from("@illl", timex)
    return None if code < 0 else bool(largest_error < LARGEST_ERROR)


def _server(where: str) -> Facts:
    """Return how far a connection to a server came: ``error`` is empty, or says why it failed."""
    host, _colon, port = where.rpartition(":")
    found: Facts = {"host": host, "port": int(port), "resolved": False, "error": ""}
    try:
        addresses = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        return {**found, "error": error.strerror or str(error)}
    found["resolved"] = True
    for family, kind, protocol, _name, address in addresses:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(TIMEOUT)
            try:
                connection.connect(address)
                return {**found, "error": ""}
            except OSError as error:
                found["error"] = error.strerror or str(error)
    return found


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True
