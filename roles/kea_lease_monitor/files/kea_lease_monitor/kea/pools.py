# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and use of pools, from Kea's statistics, and the state of the server: its pair, and whether it listens.

A process that may command Kea calls ``gather``, ``gather_server`` and ``write``. The monitor, which may not, calls
``read``.

Kea 2.2 has statistics of whole subnets only; later versions also of pools, by their ``pool-id``. No statistic tells of
reservations. Only ``statistic-get-all`` is sent: ``config-get`` takes seconds beside 100,000 reservations.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Collection, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from _kea import pairs
from _kea.control import SUCCESS, Answer

from kea_lease_monitor import files
from kea_lease_monitor.errors import MonitorError, TemporaryError
from kea_lease_monitor.kea.applier.report import DEFAULT

Command = Callable[[str, Optional[Mapping[str, Any]]], Answer]
"""Sends a command with its arguments over Kea's control channel, and returns Kea's answer."""

DEFAULT_PATH = f"{DEFAULT.report}/pools.json"
"""Where the figures of one server are: Kea's user may write there in each mode, and the monitor's group may read."""

DEFAULT_PATHS = (DEFAULT_PATH,)

_LATE = 50.0
"""Seconds by which the next figures may be late before the last ones no longer count."""

_MODE = 0o640
"""The monitor reads them: the directory gives each file its group."""

_LARGEST = 16 * 2**20
"""Bytes that are read of the file of figures. Those of a thousand subnets take a hundredth of it."""

_LONGEST_STATE = 40
"""Letters of a state that are read. Kea's longest, communication-recovery, has 22."""

_STATISTIC = re.compile(
    r"subnet\[(?P<subnet>[0-9]{1,10})\]\.(?:pool\[(?P<pool>[0-9]{1,10})\]\.)?"
    r"(?P<what>total|assigned|declined)-(?P<unit>addresses|nas)"
)


class Use(NamedTuple):
    """How many addresses there are, and what became of them."""

    total: Optional[int]
    """None if Kea cannot count them: its answer for a pool of 2**64 addresses is -1."""
    assigned: int
    """Leased ones. Kea counts declined ones and leases outside the pools, too."""
    declined: int


class Subnet(NamedTuple):
    """The figures of one subnet."""

    family: int
    id: int
    use: Use
    pools: Mapping[int, Use]
    """By ``pool-id``; pools without one share the id 0. Empty with Kea 2.2."""


Pair = pairs.Status
"""The pair as one of its servers reports it."""


class Server(NamedTuple):
    """The state of one server of Kea."""

    pair: Optional[Pair] = None
    """None if it is half of none, or does not tell."""
    listening: Optional[bool] = None
    """Whether it listens on each of its interfaces; None if it does not tell."""


_UNTOLD = Server()

Counts = Mapping[Tuple[int, int], int]
"""A number for each subnet, by family and id."""

Figures = Tuple[Subnet, ...]
"""One for each subnet that Kea serves, in the order of families and ids."""


class Reading(NamedTuple):
    """Figures from a file."""

    figures: Figures
    written_at: float
    """Epoch seconds."""
    interval: float
    """Seconds after which the next ones are due."""
    servers: Mapping[int, Server]
    """By family, of each server that has a subnet."""

    def is_recent(self, now: float) -> bool:
        """Return whether the figures count at this time, in epoch seconds."""
        return abs(now - self.written_at) <= self.interval + _LATE

    def leased(self, subnets: Collection[Tuple[int, int]]) -> int:
        """Return how many addresses of these subnets, by family and id, have a lease."""
        return sum(one.use.assigned for one in self.figures if (one.family, one.id) in subnets)


class Room(NamedTuple):
    """How many addresses of a subnet are free for new clients."""

    total: int
    leased: int
    reserved: int
    """For clients without a lease, as far as the monitor knows: these or more."""

    @property
    def free(self) -> int:
        """Return the rest. Leases and reservations outside the pools may make it too small."""
        return max(0, self.total - self.leased - self.reserved)

    @property
    def counts(self) -> Dict[str, int]:
        """Return all four by name."""
        return {**self._asdict(), "free": self.free}

    def is_below(self, percentage: int) -> bool:
        """Return whether less than this percentage of the addresses is free."""
        return self.free * 100 < percentage * self.total


def rooms(figures: Figures, reserved: Counts, made: Counts) -> Dict[Tuple[int, int], Room]:
    """Return the room in each subnet by family and id. One without a pool, or too large for Kea's numbers, has none.

    ``reserved`` are the addresses that are known to be reserved for clients without a lease, and ``made`` all
    reservations of the monitor. Of a lease that ended before the state store was made, only ``made`` tells: as many
    reservations at least have no lease as there are more of them than leases.
    """
    found: Dict[Tuple[int, int], Room] = {}
    for subnet in figures:
        key, use = (subnet.family, subnet.id), subnet.use
        if use.total:
            found[key] = Room(use.total, use.assigned, max(reserved.get(key, 0), made.get(key, 0) - use.assigned))
    return found


def counted(subnet: Subnet, room: Optional[Room]) -> Dict[int, Dict[str, Optional[int]]]:
    """Return the numbers of a subnet's pools by ``pool-id`` and name, as those of a room; None is not known.

    In which of several pools a reserved address is, is not known. Nor is then how many are free.
    """
    reserved = room.reserved if room and len(subnet.pools) == 1 else None
    return {
        number: {
            "total": use.total,
            "leased": use.assigned,
            "reserved": reserved,
            "free": Room(use.total, use.assigned, reserved).free if reserved is not None else None,
        }
        for number, use in subnet.pools.items()
        if use.total is not None
    }


def gather(command: Command) -> Figures:
    """Return the present figures. Raises TemporaryError if Kea refuses, and what ``command`` raises."""
    answer = command("statistic-get-all", None)
    if answer.result != SUCCESS:
        raise TemporaryError(f"Kea refused statistic-get-all: {answer.text or f'result {answer.result}'}")
    return _figures(answer.arguments)


def gather_server(command: Command) -> Server:
    """Return the state of the server. Raises what ``command`` does."""
    answer = command("status-get", None)
    told = answer.arguments if answer.result == SUCCESS else {}
    return Server(_told_pair(told), _told_listening(told))


def _told_pair(told: Mapping[str, Any]) -> Optional[Pair]:
    try:
        return pairs.status(told)
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _told_listening(told: Mapping[str, Any]) -> Optional[bool]:
    """Return whether all sockets are open. With ``retrying`` or ``failed``, an interface has none."""
    sockets = told.get("sockets")
    status = sockets.get("status") if isinstance(sockets, dict) else None
    return status == "ready" if isinstance(status, str) else None


def _figures(statistics: Mapping[str, Any]) -> Figures:
    found: Dict[Tuple[int, int], Dict[Optional[int], Dict[str, int]]] = {}
    for name, samples in statistics.items():
        if not (match := _STATISTIC.fullmatch(name)):
            continue
        # A DHCPv6 server counts non-temporary addresses (NAs), but declined ones by the same name as a DHCPv4 server.
        family = 6 if f"subnet[{match['subnet']}].total-nas" in statistics else 4
        pool = int(match["pool"]) if match["pool"] else None
        values = found.setdefault((family, int(match["subnet"])), {}).setdefault(pool, {})
        values[match["what"]] = _newest(name, samples)
    return tuple(_subnet(*key, uses) for key, uses in sorted(found.items()))


def _newest(name: str, samples: Any) -> int:
    """Return the first of a statistic's samples ``[value, time]``: Kea lists the newest first."""
    try:
        return int(samples[0][0])
    except (LookupError, TypeError, ValueError) as error:
        raise TemporaryError(f"Kea's statistic {name} has no number: {str(samples)[:60]}") from error


def _subnet(family: int, number: int, uses: Dict[Optional[int], Dict[str, int]]) -> Subnet:
    pools = {pool: _use(values) for pool, values in uses.items() if pool is not None}
    return Subnet(family, number, _use(uses.get(None, {})), pools)


def _use(values: Mapping[str, int]) -> Use:
    total = values.get("total", -1)
    assigned, declined = (max(0, values.get(name, 0)) for name in ("assigned", "declined"))
    return Use(None if total < 0 else total, assigned, declined)


def write(path: str, figures: Figures, interval: float, server: Server = _UNTOLD) -> None:
    """Write the figures to a file, atomically and durably. The next ones follow after so many seconds.

    Raises TemporaryError.
    """
    listed = [{**subnet._asdict(), "use": subnet.use, "pools": subnet.pools} for subnet in figures]
    told = {"version": 1, "interval": interval, "subnets": listed, **server._asdict()}
    told["pair"] = server.pair._asdict() if server.pair else None
    files.replace(path, json.dumps(told).encode(), _MODE)


def read(paths: Sequence[str]) -> Optional[Reading]:
    """Return the figures of all servers and when the oldest of them were written; None if there are none at all.

    A file that is missing, damaged or of another version has none. It raises nothing: what depends on figures waits for
    the next ones.
    """
    found = [one for one in map(_read, paths) if one]
    if not found:
        return None
    figures = tuple(figure for one in found for figure in one.figures)
    servers = {family: server for one in found for family, server in one.servers.items()}
    return Reading(figures, min(one.written_at for one in found), max(one.interval for one in found), servers)


def _read(path: str) -> Optional[Reading]:
    try:
        found = files.read_stamped(path, _LARGEST)
        if found is None:
            return None
        document = json.loads(found[0])
        figures = _parsed(document)
        return Reading(figures, found[1][2] / 1e9, float(document["interval"]), _servers(document, figures))
    except (MonitorError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _parsed(document: Any) -> Figures:
    if document["version"] != 1:
        raise ValueError("another version")
    found: List[Subnet] = []
    for each in document["subnets"]:
        pools = {int(pool): _checked(use) for pool, use in each["pools"].items()}
        found.append(Subnet(int(each["family"]), int(each["id"]), _checked(each["use"]), pools))
    return tuple(found)


def _servers(document: Mapping[str, Any], figures: Figures) -> Dict[int, Server]:
    """Return the state of a server by the family of its subnets: Kea tells the family with nothing else."""
    listening = document.get("listening")
    if not (listening is None or isinstance(listening, bool)):
        raise ValueError("listening is no boolean")
    return {figures[0].family: Server(_pair(document.get("pair")), listening)} if figures else {}


def _pair(found: Any) -> Optional[Pair]:
    if found is None:
        return None
    mode, role, state, partner_state = (
        str(found[name])[:_LONGEST_STATE] for name in ("mode", "role", "state", "partner_state")
    )
    scopes, unacked = [str(one) for one in found["scopes"]], int(found["unacked"])
    return Pair(mode, role, state, scopes, partner_state, bool(found["in_touch"]), unacked)


def _checked(use: Any) -> Use:
    total, assigned, declined = use
    return Use(None if total is None else int(total), int(assigned), int(declined))
