# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which mode the playbooks deploy, and what that means for each role."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

from ..module_utils._config import reserving

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Wanted(NamedTuple):
    """What a person asks the playbooks for."""

    families: List[Any]
    """Families of the servers; empty for those that the variables are about."""
    has_dhcp6: bool
    """Whether a variable of the DHCPv6 server is set."""
    enable_database: bool
    """Reservations are in PostgreSQL."""
    enable_notify: bool
    """Leases are in PostgreSQL as well."""
    polling: bool
    """The monitor reads the leases there without events."""
    database_hosts: List[str]
    """Hosts of the group kea_database."""
    database_host: str
    database_port: int
    enable_lfc_timer: bool
    notify_dhcp6: bool
    """A DHCPv6 server of the site keeps its leases in the database."""
    elsewhere: Mapping[str, List[Any]]
    """The ``families`` and, of DHCPv6, the ``interfaces`` and ``subnets`` of all servers of the deployment."""


class Plan(NamedTuple):
    """Values for the variables of the roles."""

    families: List[Any]
    """Families of the servers, DHCPv4 first."""
    database_is_here: bool
    """Whether PostgreSQL runs on the Kea host itself."""
    database_dhcp6: bool
    """Whether the database has what DHCPv6 needs. That of any server counts: what the deployment of one host creates,
    that of another one must not remove."""
    listen_addresses: str
    connect: List[str]
    """Database servers that must be there before the deployment, each as host:port."""
    events: bool
    polling: bool
    lease_database: str
    hosts_database: str
    monitor_source: str
    reservations: str
    lfc_timer_state: str


def wanted(variables: Mapping[str, Any]) -> Wanted:
    return Wanted(**{name: variables[name] for name in Wanted._fields})


def make(asked: Wanted) -> Plan:
    """Return the plan."""
    local = asked.database_host.startswith("/") or asked.database_host in LOOPBACK
    polling = asked.enable_notify and asked.polling
    events = asked.enable_notify and not asked.polling
    is_foreign = asked.enable_database and not local and not asked.database_hosts
    families = _families(asked)
    return Plan(
        families=families,
        database_is_here=not asked.database_hosts and local,
        database_dhcp6=asked.notify_dhcp6 or 6 in families or _is_named(asked.elsewhere),
        listen_addresses="*" if asked.database_hosts else "",
        connect=[f"{host}:{asked.database_port}" for host in asked.database_host.split(",") if is_foreign],
        events=events,
        polling=polling,
        lease_database="postgresql" if asked.enable_notify else "memfile",
        hosts_database="postgresql" if asked.enable_database else "none",
        monitor_source="polling" if polling else "events" if events else "memfile",
        reservations="database" if asked.enable_database else "files",
        # Leases in PostgreSQL are in no file that needs a clean-up.
        lfc_timer_state="present" if asked.enable_lfc_timer and not asked.enable_notify else "absent",
    )


def _is_named(elsewhere: Mapping[str, List[Any]]) -> bool:
    families = [str(one) for one in elsewhere["families"]]
    return "6" in families or any(named for name, named in elsewhere.items() if name != "families")


def _families(asked: Wanted) -> List[Any]:
    """Return the families in order, numbers that are written as text as numbers. What is none is left as it is."""
    listed = asked.families if isinstance(asked.families, list) else [asked.families]
    named = listed or [4, *([6] if asked.has_dhcp6 else [])]
    known = {str(one): one for one in (4, 6)}
    return sorted({known.get(str(one), one) for one in named}, key=str)


def site_reservations(subnets: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Return the reservations that the variables write into subnets, as kea_info returns those of a server."""
    reserved: List[Dict[str, Any]] = []
    for subnet in subnets:
        listed = subnet.get("reservations")
        present = [one for one in listed if one.get("state") != "absent"] if isinstance(listed, list) else []
        reserved += [{"subnet": subnet["id"], **host} for host in reserving.hosts(present) if "id" in subnet]
    return [one for one in reserved if one["identifier"] or one["address"]]


def given_to_monitor(given: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
    """Return the entries of kea_reservations, with their subnet-id, as the lease monitor takes them.

    One without an address is not in Kea's configuration: the monitor reserves the leased address, with the ``name``.
    """
    found = []
    for one, host in zip(given, reserving.hosts(list(given))):
        named = {} if host["address"] else {"name": host["hostname"]}
        found.append({"subnet": one["subnet-id"], **host, **named})
    return found
