# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: chooses the LFC strategy for a version and a configuration of Kea."""

from __future__ import annotations

from typing import NamedTuple

from .._errors import KeaError
from .._config.versions import Capabilities

AUTO, COMMAND, ROTATE, FINISH = "auto", "command", "rotate", "finish"


class Choice(NamedTuple):
    """A strategy, and the reason for the journal and ``kea_info``."""

    strategy: str
    why: str

    @property
    def takes_over(self) -> bool:
        """Return whether the timer replaces Kea's own LFC runs, so that Kea must start none."""
        return self.strategy != FINISH


def choose(asked: str, kea: Capabilities, interval: int, pair: bool = False) -> Choice:
    """Return the strategy for this Kea.

    ``asked`` is the option ``strategy``. ``interval`` is the lfc-interval before the timer, in seconds. ``pair`` tells
    whether the server is half of a pair. Raises KeaError for a strategy that this Kea cannot follow.
    """
    if pair and (asked == ROTATE or (asked == AUTO and not kea.lfc_start and interval == 0)):
        raise KeaError(
            "strategy rotate reloads Kea, which stops DHCP on a pair: use finish, with an lfc-interval above 0 in the "
            "lease-database of Kea's configuration"
        )
    if asked == AUTO:
        return _best(kea, interval)
    if asked == COMMAND and not kea.lfc_start:
        raise KeaError(f"strategy command needs Kea 3.1.2 or later, which has kea-lfc-start; this is {kea.version}")
    if asked == FINISH and interval == 0:
        raise KeaError(
            "strategy finish needs a Kea that starts LFC runs itself, but its lfc-interval is 0: set it, or use rotate"
        )
    return Choice(asked, "asked for")


def _best(kea: Capabilities, interval: int) -> Choice:
    """Prefer a strategy without a reload, which is a pause for clients."""
    if kea.lfc_start:
        return Choice(COMMAND, f"auto: Kea {kea.version} has kea-lfc-start")
    if interval == 0:
        return Choice(ROTATE, f"auto: Kea {kea.version} has no kea-lfc-start, and its lfc-interval is 0")
    return Choice(
        FINISH,
        f"auto: Kea {kea.version} has no kea-lfc-start, and starts an LFC run each {interval} s without a pause",
    )
