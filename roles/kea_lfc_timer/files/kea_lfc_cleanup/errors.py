# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can end a clean-up early."""

from __future__ import annotations


class CleanupError(Exception):
    """The clean-up failed; one sentence that says what happened and what to do."""


class BusyError(Exception):
    """Somebody else is at work, so nothing was done; the service manager tries again in a minute."""
