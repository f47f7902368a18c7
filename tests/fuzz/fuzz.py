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
import ipaddress
import random
import re
import signal
import sys
import time
from typing import Any, Callable

import yaml
from _kea import host_maps
from boundaries import BOUNDARIES, EVENT_ROW, LEASE_ROW, ROWS, dumped, judge_event
from kea_lease_monitor import position
from kea_lease_monitor.errors import ConfigurationError, PositionLostError
from kea_lease_monitor.kea import shares
from kea_lease_monitor.kea.applier import hosts as applier
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.settings import MonitorSettings
from known import HEADERS, HOSTS, POSITIONS
from known import ROWS as LEASES
from mutation import JSON_TOKENS, TOKENS, mutated
from support.host_lists import Hosts
from support.paths import ROOT

HANG = 10
"""Seconds of the processor for a thousand inputs, which take a tenth of one."""

FILE_TOKENS = (*TOKENS, *JSON_TOKENS, b",/*replaces*/", b",/*removed*/", b"}\n,")
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
    family = chance.choice((4, 6))
    known = chance.choice(LEASES[family])
    headers = [*HEADERS[family], *(HEADERS[10 - family] if chance.random() < 0.05 else [])]
    header = chance.choice([header for header in headers if header.count(b",") <= known.count(b",")] or headers)
    row = mutated(chance, known)
    header = mutated(chance, header) if chance.random() < 0.1 else header
    # A header is one line: what follows a line feed is its row.
    return LEASE_ROW.accepts(header.replace(b"\n", b"") + b"\n" + row)


def number(chance: random.Random) -> int | None:
    return chance.choice((None, 0, 1, -1, chance.randrange(2**32), 2**32 - 1, 2**63 - 1, -(2**63)))


def number32(chance: random.Random) -> int | None:
    """Return what a column integer may hold."""
    return chance.choice((None, 0, 1, -1, 2**31 - 1, -(2**31)))


def octets(chance: random.Random) -> bytes | None:
    return chance.choice((None, b"", bytes(chance.randrange(256) for _octet in range(chance.randrange(20)))))


def text(chance: random.Random) -> str | None:
    return chance.choice((None, "", "name", mutated(chance, b'{"a": "b"}').decode("utf-8", "replace")))


def small(chance: random.Random) -> int | None:
    """Return what a column smallint may hold."""
    return chance.choice((None, 0, 1, 2, 3, 8, 56, 128, 2**15 - 1, -(2**15)))


def address4(chance: random.Random) -> int | str:
    return chance.choice((chance.randrange(2**32), number(chance) or 0, "10.0.0.1"))


def address6(chance: random.Random) -> str:
    """Return an address as PostgreSQL writes it."""
    return str(ipaddress.IPv6Address(chance.choice((chance.randrange(2**128), 2**32 + 1, 2**128 - 1))))


def event_row(chance: random.Random) -> bool:
    """Whatever the types of the columns allow."""
    family = chance.choice((4, 6))
    delegated = (small(chance), small(chance)) if family == 6 else (0, 0)
    now, old = [(octets(chance), octets(chance), octets(chance), number32(chance)) for _row in range(2)]
    times = [(number(chance), number(chance), number(chance), text(chance), number(chance)) for _row in range(2)]
    address = address6(chance) if family == 6 else address4(chance)
    begin = (chance.randrange(2**63), 1, 1.7e9, chance.choice("IUDX"), address)
    source = (small(chance) or 0) if family == 6 else 0
    row = (*begin, *now, *delegated, *times[0], text(chance), source, *old, 0, 0, *times[1])
    try:
        judge_event(row)
    except ValueError:
        return False
    except BaseException:
        EVENT_ROW.keep(dumped(row))
        raise
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
    """Reserve leases in a file, as the monitor does, and read the file as the applier does."""
    family = chance.choice((4, 6))
    hosts = Hosts(mutated(chance, HOSTS[family], FILE_TOKENS), family=family)
    created = set()
    for row in chance.choices([row for row in LEASES[family] if _is_reserved(row, family)], k=3):
        lease = Header(HEADERS[family][0]).parse(row)
        verdict, _detail, _since = hosts.reserve(lease)
        if verdict in (Verdict.CREATED, Verdict.UPDATED):
            assert shares.address_of(lease) in shares.addresses(hosts.file.of(shares.client(lease)))
            assert hosts.reserve(lease)[0] is Verdict.UNCHANGED
        if verdict is Verdict.CREATED:
            created.add(f"{shares.KEYS[family]} {shares.client(lease)}")
    content = hosts.render()
    assert Hosts(content, family=family).render() == content
    assert created <= {host.identifier for host in applier.read(1, content, {}).hosts}
    counting = host_maps.parse(content.decode("utf-8", "surrogateescape"))
    hosts.file.compact()
    compacted = host_maps.parse(hosts.path.read_bytes().decode("utf-8", "surrogateescape"))
    assert [one.text for one in compacted.maps] == [one.text for one in counting.maps]
    return True


def _is_reserved(row: bytes, family: int) -> bool:
    """Return whether a lease like this is given to the sinks of reservations: its client is known."""
    lease = Header(HEADERS[family][0]).parse(row)
    return bool(shares.client(lease)) and lease.lease_type in shares.LISTS and lease.valid_lifetime > 0


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
    for boundary in (*ROWS, *BOUNDARIES):
        boundary.begin()
    chance = random.Random(seed)
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    every = targets()
    weights = [weight for _name, weight, _error, _act in every]
    signal.signal(signal.SIGPROF, signal.default_int_handler)
    for index in range(inputs):
        if index % 1000 == 0:
            signal.setitimer(signal.ITIMER_PROF, HANG)
        ((name, _weight, promised, act),) = chance.choices(every, weights)
        try:
            counts[name][0 if act(chance) else 1] += 1
        except promised:
            counts[name][1] += 1
        except BaseException:
            print(f"{name}: input {index} of seed {seed} does worse than {promised.__name__}", file=sys.stderr)
            raise
    signal.setitimer(signal.ITIMER_PROF, 0)
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
