# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: sends one lease through Kea and the monitor to its reservation and discovery file, and removes all again."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, NamedTuple, Tuple, Union

from .._config.servers import family_of, top_of_path
from .._kea import identifiers, tree
from .._postgres.session import Session, acting_as, connect
from .._server import config as server_config
from . import dhcp4, dhcp6
from .dhcp import ProbeError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

QUIET = 1.0
"""Seconds without a new trace after which the removal is complete."""

Client = Union[dhcp4.Client, dhcp6.Client]


class Family(NamedTuple):
    """What differs between a probe of DHCPv4 and one of DHCPv6."""

    client: Callable[[str, bytes, bytes], Client]
    leases: str
    """Table of the leases."""
    column: str
    """Column of the client there and in the events."""
    identifier: Callable[[bytes], bytes]
    """Returns what leases, reservations and events have of a client, from its hardware address."""
    names: Callable[[bytes], List[str]]
    """Returns the names that the discovery file of a client may have."""

    @property
    def traces(self) -> Dict[str, Tuple[str, str]]:
        """Return table and column of each trace in the database."""
        return {
            "lease": (self.leases, self.column),
            "reservation": ("hosts", "dhcp_identifier"),
            "event": ("lease_event", self.column),
        }


def _by_hwaddr(hwaddr: bytes) -> List[str]:
    return [hwaddr.hex("-")]


def _by_duid(hwaddr: bytes) -> List[str]:
    """Return the name by hardware address, and the one of a client whose relay Kea does not believe (mac-sources)."""
    return [hwaddr.hex("-"), f"duid-{dhcp6.duid(hwaddr).hex('-')}-v6-{dhcp6.IAID:x}"]


FAMILIES = {
    4: Family(dhcp4.Client, "lease4", "hwaddr", bytes, _by_hwaddr),
    6: Family(dhcp6.Client, "lease6", "duid", dhcp6.duid, _by_duid),
}


class Probe:
    """A probe from a hardware address that no real client has."""

    def __init__(self, module: AnsibleModule) -> None:
        """Raises ProbeError if the options or Kea's configuration do not allow a probe."""
        self._params = module.params
        number = family_of(top_of_path(self._params["path"]))
        self._family = FAMILIES[number]
        try:
            self._hwaddr = identifiers.parse(self._params["hwaddr"])
            network = ipaddress.ip_network(self._params["subnet"])
        except ValueError as error:
            raise ProbeError(str(error)) from error
        if network.version != number:
            raise ProbeError(f"{network} is no subnet of the DHCPv{number} server of {self._params['path']}")
        self._link = network.network_address.packed
        names = self._family.names(self._hwaddr)
        self._files = [f"{name}.yml" for name in names]
        self._pointers = tuple(f".{name}-s" for name in names)
        config = server_config.read(self._params["path"])
        if config["socket_type"] == "udp":
            raise ProbeError("Kea uses dhcp-socket-type udp, so a probe from its own host does not reach it")
        self._in_database = (config["lease_database"] or {}).get("type") == "postgresql"
        self._interface = self._params["interface"] or _interface(config["interfaces"])

    def run(self) -> Dict[str, Any]:
        """Send the probe; return the seconds to each station and what was removed.

        ``error`` says why it did not reach all stations. Raises KeaError if it could not be sent.
        """
        found: Dict[str, Any] = {"error": "", "seconds": {}, "removed": [], "address": None}
        with self._session() as session:
            self._refuse_taken(session)
            client = self._family.client(self._interface, self._hwaddr, self._link)
            try:
                self._send_through(session, client, found)
            except ProbeError as error:
                found["error"] = str(error)
            finally:
                if found["address"]:
                    client.release(ipaddress.ip_address(found["address"]).packed)
                found["removed"] = self._remove(session)
        return found

    def _send_through(self, session: Session, client: Client, found: Dict[str, Any]) -> None:
        timeout = self._params["timeout"]
        began = time.monotonic()
        found["address"] = str(ipaddress.ip_address(client.lease(timeout)))
        found["seconds"]["lease"] = round(time.monotonic() - began, 3)
        stations: Dict[str, Callable[[], bool]] = {
            "reservation": lambda: self._count(session, "reservation") > 0,
            "discovery file": self._has_file,
        }
        for name, reached in stations.items():
            while not reached():
                if time.monotonic() - began > timeout:
                    raise ProbeError(f"the lease {found['address']} has no {name} after {timeout:.0f} s")
                time.sleep(0.02)
            found["seconds"][name] = round(time.monotonic() - began, 3)

    def _has_file(self) -> bool:
        """Return whether the monitor wrote the discovery file."""
        with self._directory() as directory:
            return any(tree.status(os.path.join(directory, name), follow=False) for name in self._files)

    def _refuse_taken(self, session: Session) -> None:
        taken = [name for name in self._tables() if name != "event" and self._count(session, name)]
        if taken or self._has_file():
            hwaddr = identifiers.spell(self._hwaddr)
            raise ProbeError(f"{hwaddr} has a {(taken or ['discovery file'])[0]} already; choose another hwaddr")

    def _remove(self, session: Session) -> List[str]:
        """Remove the traces until no new ones appear: the monitor may still process the last event."""
        removed: List[str] = []
        deadline = time.monotonic() + self._params["timeout"]
        while True:
            gone = self._remove_once(session)
            removed += [name for name in gone if name not in removed]
            if not gone or time.monotonic() > deadline:
                return removed
            time.sleep(QUIET)

    def _remove_once(self, session: Session) -> List[str]:
        gone = []
        for name in self._tables():
            if self._count(session, name):
                self._query(session, "DELETE FROM {table} WHERE {column} = %s RETURNING 1", name)
                gone.append(name)
        return [*gone, "discovery file"] if self._remove_files() else gone

    def _remove_files(self) -> bool:
        """Remove the discovery file, and the hidden one by which the monitor finds that of a DHCPv6 client.

        Return whether there was one.
        """
        with self._directory() as path:
            return self._removed_from(path)

    def _removed_from(self, path: str) -> bool:
        missing = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with missing, tree.at(os.path.join(path, self._files[0]), follow=False) as spot:
            own = [name for name in spot.names() if name in self._files or name.startswith(self._pointers)]
            for name in own:
                spot.beside(name).unlink()
            if own:
                spot.sync()
            return bool(own)
        return False

    @contextlib.contextmanager
    def _directory(self) -> Iterator[str]:
        """Provide the directory of the discovery files. It is the monitor's: no link is followed."""
        try:
            yield self._params["discovery"]
        except OSError as error:
            raise ProbeError(f"{error.filename or self._params['discovery']}: {error.strerror}") from error

    def _tables(self) -> List[str]:
        return ["lease", "reservation", "event"] if self._in_database else ["reservation"]

    def _count(self, session: Session, name: str) -> int:
        return int(self._query(session, "SELECT count(*) FROM {table} WHERE {column} = %s", name)[0][0])

    def _query(self, session: Session, template: str, name: str) -> Any:
        table, column = self._family.traces[name]
        schema = self._params["event_schema" if name == "event" else "schema"]
        return session.fetch(template, (self._family.identifier(self._hwaddr),), table=(schema, table), column=column)

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        """Open a session; over the unix socket as the user of the role, for peer authentication."""
        with contextlib.ExitStack() as stack:
            if self._params["login_unix_socket"]:
                with contextlib.suppress(KeyError):
                    stack.enter_context(acting_as(pwd.getpwnam(self._params["login_user"])))
            connection = connect(self._params)
            session = connection.__enter__()
            stack.close()
            # Kea's own triggers find their functions by the search path.
            session.run("SET search_path = {schema}", schema=self._params["schema"])
            try:
                yield session
            finally:
                connection.__exit__(None, None, None)


def _interface(names: Any) -> str:
    """Return the first interface that Kea listens on, without its address. Raises ProbeError."""
    if not names or names[0] == "*":
        raise ProbeError(
            "Kea listens on all interfaces; choose one for the probe: interface (kea_verify_probe_interface, or"
            " kea_verify_probe_interface6 for DHCPv6)"
        )
    return str(names[0]).split("/", 1)[0]
