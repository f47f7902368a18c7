# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of lease events. A new one is a file here, a line in SOURCES and a test of its contract."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, NamedTuple

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.database import Link
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources import polling
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.sources.events import source, upkeep
from kea_lease_monitor.sources.memfile import source as memfile


class Surroundings(NamedTuple):
    """What a source may need besides its options."""

    subscription: str
    link: Callable[[], Link]
    """A database session of its own."""
    passed: Dict[str, int]
    """Shared by all subscriptions of this process; see EventsSource."""
    clock: Clock
    families: FrozenSet[int]
    """That the subscription names, if any."""


class SourceType(NamedTuple):
    parse: Callable[[Section], Any]
    build: Callable[[Any, Surroundings], Source]
    shared: bool
    """Whether every host finds the same leases there, so that monitors may take turns."""


def _memfile(options: memfile.Options, around: Surroundings) -> Source:
    return memfile.MemfileSource(options.path, around.clock)


def _events(options: upkeep.Options, around: Surroundings) -> Source:
    own = options._replace(families=around.families)
    return source.EventsSource(around.subscription, around.link(), own, around.passed, around.clock)


def _polling(options: polling.Options, around: Surroundings) -> Source:
    return polling.PollingSource(around.link(), options._replace(families=around.families), around.clock)


SOURCES: Dict[str, SourceType] = {
    "memfile": SourceType(memfile.Options.parse, _memfile, shared=False),
    "events": SourceType(upkeep.Options.parse, _events, shared=True),
    "polling": SourceType(polling.Options.parse, _polling, shared=True),
}
