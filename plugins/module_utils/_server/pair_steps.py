# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what is next before and after a restart or reload of half of a pair, by the states of both servers."""

from __future__ import annotations

import enum
from typing import NamedTuple, Tuple

from .._kea import pairs


class Step(enum.Enum):
    """What is next."""

    ACT = "act"
    ACT_ALONE = "act once the partner counts as absent"
    WAIT = "wait"
    HAND_OVER = "hand over"
    CANCEL_HERE = "cancel the maintenance of the partner"
    CANCEL_THERE = "cancel the maintenance at the partner"
    RESUME = "leave the maintenance that the partner no longer knows"
    DONE = "done"


class Look(NamedTuple):
    """The states of both servers at one moment."""

    here: pairs.Status
    there: str
    """State of the partner as it reports it now; empty if it does not answer."""
    silence: str = ""
    """Why the partner does not answer."""

    @property
    def is_normal(self) -> bool:
        return self.here.state == self.there == self.here.mode

    @property
    def words(self) -> str:
        return f"this server is {self.here.state}, its partner {self.there or f'does not answer ({self.silence})'}"


def before(look: Look, lasting: bool = False) -> Tuple[Step, str]:
    """Return what is next before a restart or reload of this server, and a sentence for a person, or no sentence.

    ``lasting`` says that the server may be away for longer than a moment: its partner waits for it at each lease.
    """
    here, there = look.here, look.there
    if not here.has_partner:
        return Step.ACT, ""
    if pairs.TERMINATED in (here.state, there):
        return Step.ACT, "the pair is terminated: each server serves for itself, and clients of this one wait for it"
    if not there and (not here.in_touch or here.state == pairs.PARTNER_DOWN):
        return Step.ACT_ALONE, f"the partner does not answer ({look.silence}): no server serves until this one is back"
    return _before_with_partner(look, lasting), ""


def _before_with_partner(look: Look, lasting: bool) -> Step:
    here, there = look.here, look.there
    if here.state == pairs.PARTNER_IN_MAINTENANCE and there:
        return Step.CANCEL_HERE
    standby = (here.mode, here.role, there) == (pairs.HOT_STANDBY, pairs.STANDBY, pairs.HOT_STANDBY)
    if there in pairs.SERVES_ALL or here.state == pairs.IN_MAINTENANCE or (standby and not lasting):
        return Step.ACT
    return Step.HAND_OVER if look.is_normal else Step.WAIT


def after(look: Look) -> Step:
    """Return what is next until the pair is normal."""
    here, there = look.here.state, look.there
    if look.is_normal or pairs.TERMINATED in (here, there) or not look.here.has_partner:
        return Step.DONE
    if not there:
        # Kea leaves this state by a command only, also when its partner is dead.
        return Step.RESUME if here == pairs.IN_MAINTENANCE else Step.WAIT
    if here == pairs.PARTNER_IN_MAINTENANCE:
        return Step.CANCEL_HERE
    if here == pairs.IN_MAINTENANCE:
        return Step.CANCEL_THERE if there == pairs.PARTNER_IN_MAINTENANCE else Step.RESUME
    return Step.WAIT
