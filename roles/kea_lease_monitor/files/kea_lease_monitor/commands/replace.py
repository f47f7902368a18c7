# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``replace``: request that a new board gets the address and the name of another one. The monitor does so."""

from __future__ import annotations

import argparse
import sys
import time
from typing import List, NamedTuple

from kea_lease_monitor.commands import access
from kea_lease_monitor.commands.approving import Approving
from kea_lease_monitor.commands.entries import Entries
from kea_lease_monitor.commands.forget import choose, read_made
from kea_lease_monitor.commands.present import Present, client
from kea_lease_monitor.errors import ConfigurationError
from kea_lease_monitor.kea import identifiers
from kea_lease_monitor.kea.applier.hosts import HWADDR, Claim
from kea_lease_monitor.lease import BY_PERSON, EventKind, Lease, LeaseEvent
from kea_lease_monitor.replay import Replay
from kea_lease_monitor.settings import Flow, MonitorSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)
    parser.add_argument("old", help="hardware address, IP address or host name of the board that is gone")
    parser.add_argument("new", help="hardware address of the new board")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and request nothing")


def execute(options: argparse.Namespace) -> int:
    """Store the requests. Return 1 if nothing is kept for the old board. Raises MonitorError."""
    hwaddr = identifiers.bare(options.new.strip())
    if not hwaddr:
        raise ConfigurationError(f"NEW: {options.new[:60]!r} is no hardware address")
    settings = access.read_settings(options)
    children = _Children(Present(settings), Approving(settings), Entries(settings))
    try:
        return _replace(options, settings, children, hwaddr)
    finally:
        for child in children:
            child.close()


class _Children(NamedTuple):
    """What acts as another user, while this process is the monitor's user."""

    present: Present
    approving: Approving
    entries: Entries


def _replace(options: argparse.Namespace, settings: MonitorSettings, children: _Children, hwaddr: str) -> int:
    store = access.open_store(settings.state, options.config)
    made = [(flow, read_made(settings, flow, store, children.entries)) for flow in settings.flows]
    found = choose(options.old, [lease for _flow, leases in made for lease in leases])
    chosen = [lease for lease in found if lease.family == 4 and lease.hwaddr]
    if not chosen:
        print(f"nothing is kept for {options.old} that a board with a hardware address could get", file=sys.stderr)
        return 1
    if any(lease.hwaddr == hwaddr for lease in chosen):
        raise ConfigurationError(f"NEW: {hwaddr} is the old board itself")
    _print(chosen, hwaddr, children.present)
    if options.dry_run:
        print("nothing was requested")
        return 0
    wanted = [(flow, _olds(flow, leases, chosen)) for flow, leases in made]
    for report in settings.reservation_reports():
        own = [olds for flow, olds in wanted if report in {places.report for places in flow.reservation_places()}]
        claims = {Claim(lease.subnet_id, f"{HWADDR} {hwaddr}", lease.address) for olds in own for lease in olds}
        children.approving.approve(report, claims)
    for flow, olds in wanted:
        news = [LeaseEvent(EventKind.REPLACED, _of_new(lease, hwaddr), "replace", None) for lease in olds]
        for events in ([_forgotten(lease) for lease in olds], news):
            if events:
                argument = Replay(events=tuple(events), forgets=True).argument()
                store.add_request(flow.subscription.name, argument, time.time())
    print("this will be done once the monitor has seen the request; what it cannot do becomes a dead letter")
    return 0


def _olds(flow: Flow, leases: List[Lease], chosen: List[Lease]) -> List[Lease]:
    """Return which of the chosen leases a subscription made something for, or would."""
    clients = {client(lease) for lease in leases}
    return [lease for lease in chosen if client(lease) in clients or flow.subscription.match(_forgotten(lease))]


def _print(chosen: List[Lease], hwaddr: str, present: Present) -> None:
    for lease in chosen:
        name = lease.hostname or "-"
        print(f"{lease.address} subnet={lease.subnet_id} name={name} goes from {lease.hwaddr} to {hwaddr}")
    for lease in present.of({client(lease) for lease in chosen}):
        ends = "never" if lease.expires is None else time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(lease.expires))
        print(f"{lease.address} is leased by {lease.hwaddr} still: Kea gives it to the new board after {ends}")


def _forgotten(lease: Lease) -> LeaseEvent:
    return LeaseEvent(EventKind.FORGOTTEN, lease, BY_PERSON, None)


def _of_new(lease: Lease, hwaddr: str) -> Lease:
    """Return the lease as the new board is to have it."""
    return lease._replace(hwaddr=hwaddr, client_id="")
