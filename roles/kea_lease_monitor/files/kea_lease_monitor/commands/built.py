# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sinks of a subscription, for commands that only read what the sinks keep."""

from __future__ import annotations

from typing import Iterator

from kea_lease_monitor.clock import Clock
from kea_lease_monitor.context import Context
from kea_lease_monitor.database import Link
from kea_lease_monitor.settings import Flow, MonitorSettings
from kea_lease_monitor.sinks.base import Sink
from kea_lease_monitor.sinks.registry import SINKS


def sinks(settings: MonitorSettings, flow: Flow) -> Iterator[Sink]:
    """Return the sinks one after another. The caller closes each."""
    name = flow.subscription.name
    context = Context(name, flow.subscription.match.families, lambda: Link(settings.database), Clock(), {name: 0})
    return (SINKS[choice.type].build(choice.options, context) for choice in flow.sinks)
