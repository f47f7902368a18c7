# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that this program raises on purpose.

MonitorError
+-- ConfigurationError   what a person wrote cannot be used; exit code 2
+-- SchemaError          the state's schema is not ours; says which command mends it; exit code 2
+-- TemporaryError       the outside world refuses for now; tried again for ever, with back-off
+-- RefusedError         these very events will never be accepted; they become dead letters
+-- PositionLostError         the source no longer knows this place; all leases are read anew
"""

from __future__ import annotations


class MonitorError(Exception):
    """The message is one sentence for the operator."""


class ConfigurationError(MonitorError):
    """Names the dotted path of the setting and what is allowed there."""


class SchemaError(MonitorError):
    """Names the version found, the version needed, and the command."""


class TemporaryError(MonitorError):
    """Raised at a fence in place of the library's own error."""


class RefusedError(MonitorError):
    """Raised for data, never for circumstances."""


class PositionLostError(MonitorError):
    """Nothing is lost but time: reading anew repeats effects that are idempotent."""
