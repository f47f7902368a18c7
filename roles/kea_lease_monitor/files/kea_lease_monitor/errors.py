# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exceptions that this program raises.

MonitorError
+-- ConfigurationError   the configuration or a flag cannot be used; exit code 2
+-- SchemaError          the state has another schema; the message names the command to run; exit code 2
+-- DamagedError         the state file is damaged; the monitor ends, and sets the file aside at its next start
+-- TemporaryError       something outside the program fails for now; retried for ever, with back-off
+-- RefusedError         these events will never be accepted; they become dead letters
+-- PositionLostError    the source no longer knows this position; all leases are read again
"""

from __future__ import annotations


class MonitorError(Exception):
    """Base class. The message is one sentence for the operator."""

    wait = 0
    """Seconds before the next attempt, at least."""


class ConfigurationError(MonitorError):
    """Names the dotted path of the setting and what is allowed there."""


class SchemaError(MonitorError):
    """Names the version found, the version needed, and the command."""


class DamagedError(MonitorError):
    """Names the file, what SQLite found, and what helps."""


class TemporaryError(MonitorError):
    """Raised in place of a library's own error by the module that imports the library."""

    def __init__(self, message: str, wait: int = 0) -> None:
        """``wait`` is for a server that says when to come again."""
        super().__init__(message)
        self.wait = wait


class RefusedError(MonitorError):
    """Raised for data, never for circumstances."""


class PositionLostError(MonitorError):
    """Only time is lost: reading all leases again repeats effects that are idempotent."""
