# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: one finding of the preflight."""

from __future__ import annotations

from typing import NamedTuple

REFUSAL, WARNING = "refusal", "warning"


class Finding(NamedTuple):
    """What was found, and whether the deployment stops for it."""

    verdict: str
    sentence: str


def refusal(sentence: str) -> Finding:
    return Finding(REFUSAL, sentence)


def warning(sentence: str) -> Finding:
    return Finding(WARNING, sentence)
