# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which way to clean a lease file up, and why."""

from __future__ import annotations

from typing import NamedTuple

from .._errors import KeaError
from .._config.versions import Capabilities

AUTO, COMMAND, ROTATE, FINISH = "auto", "command", "rotate", "finish"


class StrategyError(KeaError):
    """This Kea, or its configuration, cannot do what was asked for; says why."""


class Choice(NamedTuple):
    """A strategy, and the reason, for the journal and C(kea_info)."""

    strategy: str
    why: str

    @property
    def takes_over(self) -> bool:
        """Whether Kea must not clean up by itself."""
        return self.strategy != FINISH


def choose(asked: str, kea: Capabilities, interval: int) -> Choice:
    """C(interval) is Kea's own lfc-interval as it was found, in seconds. Raises StrategyError."""
    if asked == AUTO:
        return _best(kea, interval)
    if asked == COMMAND and not kea.lfc_start:
        raise StrategyError(
            f"strategy command needs Kea 3.1.2 or later, which has kea-lfc-start; this is {kea.version}"
        )
    if asked == FINISH and interval == 0:
        raise StrategyError(
            "strategy finish needs a Kea that cleans up by itself, but its lfc-interval is 0: set it, or use rotate"
        )
    return Choice(asked, "asked for")


def _best(kea: Capabilities, interval: int) -> Choice:
    """A reload is a pause for clients, so it is never chosen where Kea can do without."""
    if kea.lfc_start:
        return Choice(COMMAND, f"auto: Kea {kea.version} has kea-lfc-start")
    if interval == 0:
        return Choice(ROTATE, f"auto: Kea {kea.version} has no kea-lfc-start, and is told not to clean up by itself")
    return Choice(
        FINISH,
        f"auto: Kea {kea.version} has no kea-lfc-start, and cleans up by itself each {interval} s without a pause",
    )
