# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Boundaries at which bytes of another user are read: what one of them promises for any bytes at all.

The folder ``corpus`` has the known inputs of each, and those at which a fault was found; a run begins with all of them.
"""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from _kea import control
from _kea.identifiers import TYPES
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.secret import without_secrets
from ansible_collections.baremetal.kea.plugins.module_utils._config.syntax import KeaJsonError, value_of
from kea_lease_monitor.kea import changes, identifiers
from kea_lease_monitor.kea.applier import hosts
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.sinks import names
from mutation import JSON_TOKENS, mutated

CORPUS = Path(__file__).parent / "corpus"

LATEST = 253402300799
"""The last second of the year 9999."""

LONGEST_NAME = 255 - len("-s4294967295.yml")
"""What a file system allows, without the suffix of a subnet and of the file."""

ADDRESSES = ("ip-address", "ip-addresses", "prefixes")
"""Keys of a reservation: of DHCPv4, and both lists of DHCPv6."""


class Boundary(NamedTuple):
    """One of them."""

    name: str
    """Its folder in the corpus."""
    promised: type[Exception]
    read: Callable[[bytes], None]
    """Read the bytes. Raises ``promised``, or AssertionError for a result that harms."""

    def known(self) -> list[bytes]:
        """Return the inputs of the corpus."""
        return [path.read_bytes() for path in sorted((CORPUS / self.name).iterdir())]

    def begin(self) -> None:
        """Read the whole corpus."""
        for content in self.known():
            self.accepts(content)

    def fuzzer(self, known: list[bytes]) -> Callable[[random.Random], bool]:
        """Return the target of a fuzzer: it reads a changed input, which joins the corpus if a fault is found."""
        return lambda chance: self.accepts(mutated(chance, chance.choice(known), JSON_TOKENS))

    def accepts(self, content: bytes) -> bool:
        """Return whether the bytes are accepted. One that does worse is kept in the corpus."""
        try:
            self.read(content)
        except self.promised:
            return False
        except BaseException:
            self.keep(content)
            raise
        return True

    def keep(self, content: bytes) -> None:
        """Add an input at which a fault was found to the corpus."""
        (CORPUS / self.name / f"{hashlib.sha256(content).hexdigest()[:12]}.bin").write_bytes(content)


def reservations(content: bytes) -> None:
    """Read a file of the monitor as the applier does. What is written for Kea has the values that were judged."""
    parsed = hosts.read(1, content, {})
    rendered = hosts.render(parsed.hosts)
    again = hosts.read(1, rendered, {})
    assert again.refused == []
    assert [host.text for host in again.hosts] == [host.text for host in parsed.hosts]
    for host in parsed.hosts:
        assert "\n" not in host.text
        fields = json.loads(host.text)
        assert fields.keys() <= {*TYPES, *ADDRESSES, "hostname", "user-context"}
        assert len(host.addresses) == sum(len(fields[key]) for key in ADDRESSES[1:] if key in fields) + (
            ADDRESSES[0] in fields
        )
        assert host.is_plain() in (True, False)
    hosts.included(1, content)


def answer(content: bytes) -> None:
    """Read an answer of Kea's control channel."""
    found = control.parse(content)
    assert isinstance(found.result, int)
    assert isinstance(found.text, str)
    assert isinstance(found.arguments, Mapping)


def configuration(content: bytes) -> None:
    """Read, mask and edit the text of a configuration."""
    document = Document(content.decode("utf-8", "surrogateescape"))
    value: Any = value_of(document.root)
    without_secrets(value)
    for server in ("Dhcp4", "Dhcp6"):
        if isinstance(value, dict) and isinstance(value.get(server), dict):
            path = (server, "valid-lifetime")
            edited = document.put(path, 7)
            assert Document(edited.text).get(path) == 7
            assert edited.put(path, 7).text == edited.text


def is_lease(lease: Lease) -> None:
    """Raise AssertionError for values that sources and sinks do not expect."""
    assert 0 <= lease.cltt <= LATEST
    assert lease.expires is None or 0 <= lease.expires <= LATEST
    assert identifiers.of_ordinal(identifiers.ordinal(lease.address)) == lease.address
    assert lease.family == (6 if ":" in lease.address else 4)
    assert 0 <= lease.iaid < 2**32
    assert isinstance(identifiers.client(lease), tuple)
    name = names.of(lease).file
    assert "/" not in name
    assert len(name) <= LONGEST_NAME


def lease_row(content: bytes) -> None:
    """Read a row of a lease file, after its header in a line of its own."""
    header, _feed, row = content.partition(b"\n")
    lease = Header(header).parse(row)
    is_lease(lease)
    assert changes.of_row(None, lease)
    assert changes.of_reading(changes.trace(lease), lease, 1.7e9)


def event_row(content: bytes) -> None:
    """Read a row of the event table, as ``dumped`` writes it."""
    judge_event(tuple(bytes.fromhex(one["hex"]) if isinstance(one, dict) else one for one in json.loads(content)))


def dumped(row: Sequence[object]) -> bytes:
    """Return a row of the event table as JSON."""
    return json.dumps([{"hex": one.hex()} if isinstance(one, bytes) else one for one in row]).encode()


def judge_event(row: tuple[Any, ...]) -> None:
    """Read a row of the event table, whose values have the types of its columns."""
    lease = leases.event_of(row).lease
    assert lease.address
    assert lease.family == (6 if ":" in str(row[4]) else 4)
    assert lease.expires is None or 0 <= lease.expires <= LATEST
    assert 0 <= lease.iaid < 2**32


LEASE_ROW = Boundary("lease-row", ValueError, lease_row)
EVENT_ROW = Boundary("event-row", ValueError, event_row)
ROWS = (LEASE_ROW, EVENT_ROW)
"""Their fuzzers make rows of their own."""
BOUNDARIES = (
    Boundary("reservations", ValueError, reservations),
    Boundary("answer", ValueError, answer),
    Boundary("kea-configuration", KeaJsonError, configuration),
)
