# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``forget``: request that what was made for a client be removed. The monitor that acts for a subscription does so."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Callable, List, Protocol, Sequence, Tuple

from kea_lease_monitor.commands import access, built, output
from kea_lease_monitor.commands.entries import Entries
from kea_lease_monitor.commands.present import Present, client
from kea_lease_monitor.endings import clients
from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.lease import BY_PERSON, EventKind, Lease, LeaseEvent
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.settings import Flow, MonitorSettings
from kea_lease_monitor.sinks.base import Forgetting
from kea_lease_monitor.state.records import Client

_REMOVE_LEASE = (
    "the monitor's user may not command Kea: use the module baremetal.kea.kea_reservation with lease: true, or remove "
    "the lease with the command lease4-del or lease6-del first (update-ddns: true removes its name from DNS, too)"
)
_LEASE_HELP = "refused here; to remove the lease, too, use the module baremetal.kea.kea_reservation with lease: true"


class ClientStore(Protocol):
    """What ``read_made`` needs of the state store."""

    def ended_clients(self, subscription: str) -> List[Client]: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)
    parser.add_argument("target", help="hardware address, client identifier, DUID, IP address or host name")
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed, and request nothing")
    parser.add_argument("--lease", action="store_true", help=_LEASE_HELP)


def execute(options: argparse.Namespace) -> int:
    """Store the requests. Return 1 if the client still has a lease. Raises MonitorError."""
    settings = access.read_settings(options)
    present, entries = Present(settings), Entries(settings)
    try:
        return _forget(options, settings, present, entries)
    finally:
        present.close()
        entries.close()


def _forget(options: argparse.Namespace, settings: MonitorSettings, present: Present, entries: Entries) -> int:
    store = access.open_store(settings.state, options.config)
    made = [(flow, read_made(settings, flow, store, entries)) for flow in settings.flows]
    chosen = choose(options.target, [lease for _flow, leases in made for lease in leases])
    if not chosen:
        output.show(f"nothing is kept for {options.target}")
        return 0
    if living := present.of({client(lease) for lease in chosen}):
        reason = _REMOVE_LEASE if options.lease else "it would come back at its next renewal"
        for lease in living:
            output.show(f"{lease.address} of subnet {lease.subnet_id} is leased by this client: {reason}", sys.stderr)
        return 1
    for lease in chosen:
        output.show(f"{lease.address} subnet={lease.subnet_id} client={client(lease)[1]} name={lease.hostname or '-'}")
    if options.dry_run:
        print("nothing was requested")
        return 0
    for flow, leases in made:
        events = [LeaseEvent(EventKind.FORGOTTEN, lease, BY_PERSON, None) for lease in chosen]
        own = {client(lease) for lease in leases}
        wanted = [event for event in events if client(event.lease) in own or flow.subscription.match(event)]
        if wanted:
            argument = Replay(events=tuple(wanted), forgets=True).argument()
            store.add_request(flow.subscription.name, argument, time.time())
    print("this will be removed once the monitor has seen the request")
    return 0


def read_made(settings: MonitorSettings, flow: Flow, store: ClientStore, entries: Entries) -> List[Lease]:
    """Return what the sinks of a subscription made. They only read here.

    Of a subscription whose sinks keep nothing, return the clients whose lease ended.
    """
    found: List[Lease] = []
    keeps = False
    for choice, sink in zip(flow.sinks, built.sinks(settings, flow)):
        if isinstance(sink, Forgetting):
            told = entries.of(choice)
            found += sink.made() if told is None else told
            keeps = True
        sink.close()
    if not keeps:
        return [clients.last_lease(record) for record in store.ended_clients(flow.subscription.name)]
    # Subscriptions of both families may write into one directory.
    families = flow.subscription.match.families
    return [lease for lease in found if not families or lease.family in families]


def choose(target: str, leases: Sequence[Lease]) -> List[Lease]:
    """Return one lease for each client and address that the target names.

    A target in hex is a hardware address if one is known, else a client identifier, else a DUID.
    """
    unique = {(client(lease), lease.address): lease for lease in leases}.values()
    text = target.strip().lower().rstrip(".")
    bare = identifiers.bare(text)
    tests: Tuple[Callable[[Lease], bool], ...] = (
        lambda lease: lease.address == text,
        lambda lease: bool(bare) and identifiers.proven_hwaddr(lease) == bare,
        lambda lease: bool(bare) and lease.client_id == bare,
        lambda lease: bool(bare) and lease.duid == bare,
        lambda lease: lease.hostname.lower().rstrip(".") == text,
    )
    for test in tests:
        if found := [lease for lease in unique if test(lease)]:
            return found
    return []
