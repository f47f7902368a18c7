# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of the reservation of a lease in the monitor's file of a subnet."""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping, Optional, Sequence, Tuple

from kea_lease_monitor.kea.host_file import HostFile
from kea_lease_monitor.kea.reservations import (
    Verdict,
    adopted,
    given_name,
    host_object,
    is_name_due,
    is_unchanged,
    judge,
    made,
)
from kea_lease_monitor.kea.shares import address_of, client, joined, left, share
from kea_lease_monitor.lease import Lease


class HostList:
    """The reservations of one file. A change is durable after ``file.write``. The methods raise TemporaryError."""

    def __init__(self, file: HostFile, names: bool = False, given: Mapping[str, str] = MappingProxyType({})) -> None:
        """``names`` says that reservations also have the names of the clients.

        ``given`` maps the hwaddr of a client to the name that the site gives it.
        """
        self.file = file
        self._given = given
        self._names = names

    def know(self, leases: Sequence[Lease]) -> None:
        """Look up at once what the other methods need for these leases."""
        self.file.know(map(client, leases), map(address_of, leases))

    def reserve(self, lease: Lease) -> Tuple[Verdict, str, Optional[int]]:
        """Reserve the address of a lease for its client, if that is possible.

        Return what was done, the detail (who holds the address of a CONFLICT, what a person reserved if EDITED), and
        when the reservation was made (see batch.Kept).
        """
        host = self.file.of(client(lease))
        holder = self.file.holder(address_of(lease)) or client(lease)
        present = share(host, lease)
        verdict = judge(present, lease, self._names) if host else Verdict.CREATED
        if verdict in (Verdict.EDITED, Verdict.SECOND):
            return verdict, str(present.get("ip-address", "no address")), None
        since = made(present) if host else lease.cltt
        if verdict is Verdict.UNCHANGED and is_name_due(present, self._given.get(lease.hwaddr, "")):
            verdict = Verdict.UPDATED if present.get("ip-address") == address_of(lease) else verdict
        # Kea looks up a DHCPv6 client by its hardware address first, and finds what a person reserved by that.
        if verdict is Verdict.UNCHANGED or (lease.family == 6 and holder == lease.hwaddr):
            return Verdict.UNCHANGED, "", since
        if holder != client(lease):
            return Verdict.CONFLICT, holder, None
        self._put(lease)
        return verdict, "", since

    def place(self, lease: Lease) -> Tuple[Verdict, str]:
        """Reserve the address and the name of a DHCPv4 lease for its client as a person would: without the mark.

        A managed reservation of the client is replaced. Return as ``reserve`` does.
        """
        wanted = {"hw-address": lease.hwaddr, "ip-address": lease.address}
        wanted.update({"hostname": lease.hostname} if lease.hostname else {})
        present = self.file.of(lease.hwaddr)
        holder = self.file.holder(lease.address) or lease.hwaddr
        if present == wanted:
            return Verdict.UNCHANGED, ""
        if present and not is_unchanged(present):
            return Verdict.EDITED, str(present.get("ip-address") or "no address")
        if holder != lease.hwaddr:
            return Verdict.CONFLICT, holder
        self.file.put(lease.hwaddr, wanted)
        return Verdict.UPDATED if present else Verdict.CREATED, ""

    def exchange(self, leases: Sequence[Lease]) -> bool:
        """Give each client the address of its lease, if these managed reservations hold just these addresses.

        Return whether that was done; all of them change or none.
        """
        hosts = [share(self.file.of(client(lease)), lease) for lease in leases]
        if {host.get("ip-address") for host in hosts} != set(map(address_of, leases)):
            return False
        if any(judge(host, lease, self._names) is not Verdict.UPDATED for host, lease in zip(hosts, leases)):
            return False
        for lease in leases:
            self._put(lease)
        return True

    def adopt(self, lease: Lease) -> bool:
        """Mark the lease's reservation as managed if release 1.0.0 would have written it so. Return whether it did."""
        host = adopted(self.file.of(lease.hwaddr), lease)
        if host:
            self.file.put(lease.hwaddr, host)
        return bool(host)

    def _put(self, lease: Lease) -> None:
        present = self.file.of(client(lease))
        before = share(present, lease)
        host = joined(present, before, host_object(lease, before, self._names), lease)
        name = self._given.get(lease.hwaddr, "")
        self.file.put(client(lease), given_name(host, name) if is_name_due(host, name) else host)

    def release(self, lease: Lease) -> None:
        """Drop the address of a lease from its client's managed reservation, which goes with its last one."""
        self.file.put(client(lease), left(self.file.of(client(lease)), lease))
