# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reasons why an LFC run ends without success."""

from __future__ import annotations


class LfcError(Exception):
    """The LFC run failed. The message is one sentence that says what happened and what to do."""


class BusyError(Exception):
    """Another LFC run or a play is at work, so nothing was done; the service manager starts the unit again."""
