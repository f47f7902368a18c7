# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log lines of the applier, which is a process of its own."""

from __future__ import annotations

import logging
from typing import Sequence

from kea_lease_monitor.telemetry import log


def applying(step: str) -> None:
    log(logging.INFO, "applying", "Applying reservations", step=step)


def apply_waits(reason: str, seconds: float) -> None:
    log(logging.INFO, "apply_waits", "Waiting before the reload", reason=reason, seconds=f"{seconds:.0f}")


def apply_held(edited: Sequence[str]) -> None:
    message = "Kea's configuration was changed and not reloaded: reservations wait for that, or for the change to go"
    log(logging.WARNING, "apply_held", message, edited=", ".join(edited))


def apply_failed(error: str) -> None:
    log(logging.ERROR, "apply_failed", "Reservations are not in force, will try again", error=error)


def observe_failed(error: str) -> None:
    log(logging.WARNING, "observe_failed", "Kea's statistics are not written down, will try again", error=error)


def observing() -> None:
    log(logging.INFO, "observing", "Kea's statistics are written down again")


def reservation_refused(subnet: int, host: str, address: str, reason: str) -> None:
    fields = {"subnet": subnet, "host": host, "address": address, "reason": reason}
    log(logging.WARNING, "reservation_refused", "Reservation refused and set aside", **fields)
