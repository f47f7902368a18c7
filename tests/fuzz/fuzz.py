# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random inputs for all that the programs read and did not write: no crash, no hang, only the error that is promised.

    python tests/fuzz/fuzz.py [--inputs 1000000] [--seed 1]

Prints inputs per target and second, and how many were accepted; a failure names seed, number and input.
"""

from __future__ import annotations

import argparse
import collections
import copy
import random
import re
import signal
import sys
import time
from typing import Any, Callable

import yaml
from boundaries import BOUNDARIES
from kea_lease_monitor import position
from kea_lease_monitor.errors import ConfigurationError, PositionLostError
from kea_lease_monitor.kea import changes
from kea_lease_monitor.kea.host_list import HostList
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.kea.sql import leases
from kea_lease_monitor.settings import MonitorSettings
from mutation import mutated
from support.paths import ROOT

LATEST = 253402300799
"""The last second of the year 9999."""

HANG = 10
"""Seconds for a thousand inputs, which take a tenth of one."""

HEADERS = [
    b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context",
    b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id",
]
ROWS = [
    b"10.0.0.1,02:00:00:00:00:ab,01:02,3600,1700003600,1,0,0,a&#x2cb,0,{&#x22x&#x22: 1}",
    b"10.0.0.2,,ff:00,4294967295,5994967295,1024,1,1,,0,",
    b"10.0.0.3,,,86400,1700086400,7,0,0,,1,,3",
    b"10.0.0.4,02:00:00:00:00:ab,,0,1700003600,1,0,0,,3,,0",
]
HEADERS.append(
    b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,"
    b"hwaddr,state,user_context,hwtype,hwaddr_source"
)
ROWS.append(b"2001:db8::1,00:01:00:01:ab,3600,1700003600,7,1800,0,4294967295,128,0,0,a,02:00:00:00:00:ab,0,,1,2")
HOSTS = (
    b'# mine\n{"hw-address": "02:ff:ff:ff:ff:ff", "ip-address": "10.0.0.9", "user-context": {"a": [1]}},\n/* x */ {}\n'
)
POSITIONS = [
    b'["file", 1, 2049, 7, 120, 99]',
    b'["file", 2, 2049, 7, 120, 99, 5]',
    b'["file", 3, 2049, 7, 120, 99, 5, 1700000000.5]',
    b'["events", 3, "1/1", 1.5, "1:2:", "3:4:3", 5, 6, null, 0, "1:2:O"]',
    b'["events", 4, "1/1", 1.5, "1:2:", "3:4:3", 5, 6, null, 0, "1:2:O", 1700000000.5]',
    b'["poll", 1, "1/1", 1.5, "1:2:", null, -1, true]',
    b'["poll", 2, "1/1", 1.5, "1:2:", null, -1, true, "46", 1700000000.5]',
]
JUNK: list[Any] = [
    None,
    "",
    "x",
    0,
    -1,
    2**64,
    1.5,
    True,
    [],
    [None],
    {},
    {"a": 1},
    "\x00",
    "a" * 300,
    b"bytes",
    ["x", 1],
]


def documents() -> list[Any]:
    """Every configuration of the manual."""
    text = (ROOT / "docs" / "monitor.md").read_text()
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def csv_row(chance: random.Random) -> bool:
    known = chance.choice(ROWS)
    header = chance.choice([header for header in HEADERS if header.count(b",") <= known.count(b",")])
    row = mutated(chance, known)
    lease = Header(mutated(chance, header) if chance.random() < 0.1 else header).parse(row)
    assert 0 <= lease.cltt <= LATEST
    assert lease.expires is None or 0 <= lease.expires <= LATEST
    assert changes.of_row(None, lease)
    assert changes.of_reading(changes.trace(lease), lease, 1.7e9)
    return True


def number(chance: random.Random) -> int | None:
    return chance.choice((None, 0, 1, -1, chance.randrange(2**32), 2**32 - 1, 2**63 - 1, -(2**63)))


def octets(chance: random.Random) -> bytes | None:
    return chance.choice((None, b"", bytes(chance.randrange(256) for _octet in range(chance.randrange(20)))))


def text(chance: random.Random) -> str | None:
    return chance.choice((None, "", "name", mutated(chance, b'{"a": "b"}').decode("utf-8", "replace")))


def event_row(chance: random.Random) -> bool:
    """Whatever the types of the columns allow."""
    identifiers = [(octets(chance), octets(chance), octets(chance), number(chance), 0, 128) for _row in range(2)]
    times = [(number(chance), number(chance), number(chance), text(chance), number(chance)) for _row in range(2)]
    address = chance.choice((chance.randrange(2**32), number(chance) or 0, "10.0.0.1", "2001:db8::1"))
    begin = (chance.randrange(2**63), 1, 1.7e9, chance.choice("IUDX"), address)
    row = (*begin, *identifiers[0], *times[0], text(chance), 0, *identifiers[1], *times[1])
    lease = leases.event_of(row).lease
    assert lease.address
    assert lease.expires is None or 0 <= lease.expires <= LATEST
    return True


def configuration(chance: random.Random, known: list[Any]) -> bool:
    document = copy.deepcopy(chance.choice(known))
    for _change in range(chance.choice((0, 1, 1, 2, 5))):
        spoil(chance, document)
    return bool(MonitorSettings.parse(document))


def spoil(chance: random.Random, document: Any) -> None:
    """Somewhere in it: another value, no value, one too many."""
    place = document
    while isinstance(place, (dict, list)) and place:
        key = chance.choice(list(place)) if isinstance(place, dict) else chance.randrange(len(place))
        if not isinstance(place[key], (dict, list)) or chance.random() < 0.2:
            if chance.random() < 0.2:
                del place[key]
            elif isinstance(place, dict) and chance.random() < 0.2:
                place[chance.choice((1, None, "x", ("a", 1)))] = chance.choice(JUNK)
            else:
                place[key] = copy.deepcopy(chance.choice(JUNK))
            return
        place = place[key]


def stored_position(chance: random.Random) -> bool:
    found = position.load(mutated(chance, chance.choice(POSITIONS)).decode("utf-8", "replace"))
    return bool(position.dump(found))


def host_list(chance: random.Random) -> bool:
    hosts = HostList(mutated(chance, HOSTS))
    hosts.reserve(Header(HEADERS[0]).parse(ROWS[0]))
    assert HostList(hosts.render()).render() == hosts.render()
    return True


def targets() -> list[tuple[str, int, type[Exception], Callable[[random.Random], bool]]]:
    """Name, weight, the error that is promised, what to do."""
    known = documents()
    return [
        ("lease row", 40, ValueError, csv_row),
        ("event row", 25, ValueError, event_row),
        ("configuration", 20, ConfigurationError, lambda chance: configuration(chance, known)),
        ("position", 10, PositionLostError, stored_position),
        ("reservation file", 5, ValueError, host_list),
        *((one.name, 3, one.promised, one.fuzzer(one.known())) for one in BOUNDARIES),
    ]


def run(inputs: int, seed: int) -> dict[str, list[int]]:
    """Accepted and refused inputs of each target. Raises at the first that does worse."""
    for boundary in BOUNDARIES:
        boundary.begin()
    chance = random.Random(seed)
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    every = targets()
    weights = [weight for _name, weight, _error, _act in every]
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    for index in range(inputs):
        if index % 1000 == 0:
            signal.alarm(HANG)
        ((name, _weight, promised, act),) = chance.choices(every, weights)
        try:
            counts[name][0 if act(chance) else 1] += 1
        except promised:
            counts[name][1] += 1
        except BaseException:
            print(f"{name}: input {index} of seed {seed} does worse than {promised.__name__}", file=sys.stderr)
            raise
    signal.alarm(0)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args()
    begin = time.monotonic()
    counts = run(given.inputs, given.seed)
    for name, (accepted, refused) in counts.items():
        print(f"{name:18} {accepted + refused:9} inputs, {accepted} accepted, {refused} refused")
    print(f"seed {given.seed}, {given.inputs / (time.monotonic() - begin):.0f} inputs a second, no crash, no hang")


if __name__ == "__main__":
    main()
