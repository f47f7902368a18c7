# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources of lease events. A new one is a file here, a line in SOURCES and a test of its contract."""

from __future__ import annotations

from typing import Any, Callable, Dict, FrozenSet, NamedTuple

from kea_lease_monitor.context import Context
from kea_lease_monitor.section import Section
from kea_lease_monitor.sources import polling
from kea_lease_monitor.sources.base import Source
from kea_lease_monitor.sources.events import source, upkeep
from kea_lease_monitor.sources.memfile import source as memfile


class SourceType(NamedTuple):
    """How to parse the options of a source and to build it."""

    parse: Callable[[Section], Any]
    build: Callable[[Any, Context], Source]
    shared: bool
    """Whether every host reads the same leases there, so that several monitors may share the work."""
    problem: Callable[[Any, FrozenSet[int]], str] = lambda _options, _families: ""
    """Return why a subscription that names these families could not read all its leases; empty if it can."""


def _memfile(options: memfile.Options, context: Context) -> Source:
    return memfile.MemfileSource(options.of(context.families), context.clock)


def _events(options: upkeep.Options, context: Context) -> Source:
    own = options._replace(families=context.families)
    return source.EventsSource(context.subscription, context.link(), own, context.passed, context.clock)


def _polling(options: polling.Options, context: Context) -> Source:
    return polling.PollingSource(context.link(), options._replace(families=context.families), context.clock)


SOURCES: Dict[str, SourceType] = {
    "memfile": SourceType(memfile.Options.parse, _memfile, shared=False, problem=memfile.Options.problem),
    "events": SourceType(upkeep.Options.parse, _events, shared=True),
    "polling": SourceType(polling.Options.parse, _polling, shared=True),
}
