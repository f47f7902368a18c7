# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration as frozen values. Each source and sink parses its own options."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from kea_lease_monitor.database_settings import DatabaseSettings
from kea_lease_monitor.kea.applier.report import Places
from kea_lease_monitor.kea.pools import DEFAULT_PATHS as DEFAULT_POOLS
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.registry import SINKS
from kea_lease_monitor.sinks.reservations.file import ReservationFileSink
from kea_lease_monitor.sources.registry import SOURCES
from kea_lease_monitor.state.location import StateLocation
from kea_lease_monitor.subscriptions import Ending, Match, Subscription

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_LISTEN = re.compile(r"(?P<host>[^:\s]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class Choice:
    """A registered type of source or sink, and the options that it parsed."""

    type: str
    options: Any


@dataclass(frozen=True)
class Flow:
    """A subscription and its sinks, in the order of the configuration."""

    subscription: Subscription
    sinks: Tuple[Choice, ...]

    @property
    def family(self) -> int:
        """The family of its reservations in files, which are of one family."""
        return min(self.subscription.match.families or {4})

    def reservation_places(self) -> List[Places]:
        """Return where this subscription writes reservations into files."""
        return [sink.options.places for sink in self._in_files()]

    def left_out(self) -> List[Tuple[int, int]]:
        """Return the subnets of this subscription, by family and id, that no reservation in a file reaches."""
        match = self.subscription.match
        numbers = {number for sink in self._in_files() for number in sink.options.left_out}
        return sorted((self.family, number) for number in numbers if match.has_subnet(self.family, number))

    def _in_files(self) -> List[Choice]:
        return [sink for sink in self.sinks if sink.type == ReservationFileSink.name]


@dataclass(frozen=True)
class MonitorSettings:
    """The whole configuration."""

    database: DatabaseSettings
    source: Choice
    state: StateLocation
    log_level: str
    metrics: Optional[Tuple[str, int]]
    flows: Tuple[Flow, ...]
    pools: Tuple[str, ...] = DEFAULT_POOLS
    """Paths of the figures of pools, one for each server of Kea; see kea.pools."""

    def reservation_places(self, family: Optional[int] = None) -> List[Places]:
        """Return where reservations are written into files: all of them, or those of one family."""
        flows = [flow for flow in self.flows if family in (None, flow.family)]
        return sorted({places for flow in flows for places in flow.reservation_places()})

    def reservation_reports(self) -> List[str]:
        """Return the directories of the applier's reports."""
        return sorted({places.report for flow in self.flows for places in flow.reservation_places()})

    @classmethod
    def parse(cls, document: Any) -> MonitorSettings:
        """Raises ConfigurationError, which names the line, if there is one, and the dotted path."""
        section = Section(document, "")
        pools = _pools(section.section("pools"))
        leases = DatabaseSettings.parse(section.section("database"))
        settings = cls(
            database=leases,
            source=_choice(section.section("source"), SOURCES),
            state=StateLocation.parse(section.section("state"), leases),
            log_level=section.choice("log_level", LOG_LEVELS, "INFO"),
            metrics=_metrics(section.section("metrics")),
            flows=tuple(_flow(item, pools) for item in section.sections("subscriptions")),
            pools=pools,
        )
        section.done()
        if settings.state.shared and not SOURCES[settings.source.type].shared:
            problem = (
                f"postgresql is for leases that every host finds in the same place, not for {settings.source.type}"
            )
            raise section.error("state", f"type: {problem}")
        _check_names(section, [flow.subscription.name for flow in settings.flows])
        for index, flow in enumerate(settings.flows):
            families = flow.subscription.match.families
            if problem := SOURCES[settings.source.type].problem(settings.source.options, families):
                raise section.error("subscriptions", f"match.families: {problem}", index)
        return settings


def _check_names(section: Section, names: List[str]) -> None:
    if not names:
        raise section.error("subscriptions", "at least one is needed")
    for index, name in enumerate(names):
        if name in names[:index]:
            raise section.error("subscriptions", f"names must differ, not {names}", index)


def _choice(section: Section, registry: Any) -> Choice:
    name = section.choice("type", tuple(registry))
    return Choice(name, registry[name].parse(section))


def _pools(section: Section) -> Tuple[str, ...]:
    named = {"path": section.text("path", DEFAULT_POOLS[0]), "path6": section.optional_text("path6") or ""}
    section.done()
    for name, path in named.items():
        if path and not os.path.isabs(path):
            raise section.error(name, "an absolute path is needed")
    return tuple(filter(None, named.values()))


def _metrics(section: Section) -> Optional[Tuple[str, int]]:
    listen = section.optional_text("listen")
    section.done()
    if listen is None:
        return None
    found = _LISTEN.fullmatch(listen)
    if not found or not 0 < int(found["port"]) < 65536:
        raise section.error("listen", f"an address and a port, like 127.0.0.1:19547, are needed, not {listen!r}")
    return found["host"].strip("[]"), int(found["port"])


def _flow(section: Section, pools: Tuple[str, ...]) -> Flow:
    name = section.text("name")
    if not _NAME.fullmatch(name):
        raise section.error("name", f"letters, digits, _, . and - are needed, not {name!r}")
    everything = section.choice("start", ("all", "now"), "all") == "all"
    match = Match.parse(section.section("match"))
    sinks: List[Choice] = [_choice(item, SINKS) for item in section.sections("sinks")]
    if not sinks:
        raise section.error("sinks", "at least one is needed")
    for index, sink in enumerate(sinks):
        if SINKS[sink.type].one_family and len(match.families) > 1:
            problem = f"{sink.type} takes leases of one family; make a subscription for each of match.families"
            raise section.error(f"sinks[{index}].type", problem)
    ending = Ending.parse(section, pools)
    section.done()
    description = f"{match} -> {', '.join(sink.type for sink in sinks)}"
    return Flow(Subscription(name, match, everything, _digest(match, sinks), description, ending), tuple(sinks))


def _digest(match: Match, sinks: List[Choice]) -> str:
    """Return a text that differs when the match or the sinks differ. A change between releases reads all leases once.

    The representation of the match is not used: sets of words have another order in each process.
    """
    return hashlib.sha256(f"{match} {sinks!r}".encode()).hexdigest()[:16]
