# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the root of all errors that end a module; a module catches this one class.

KeaError                  everything that a module reports to a person
    PostgresError         _postgres: adds the SQLSTATE, the statement and the next step for that SQLSTATE
    UnreachableError      _schema: no session with the database; check mode predicts a change then
    KeaJsonError          _config: a configuration that is no valid document, or a part of it that is not in this file
    KeaVersionError       _config: a version of Kea that is unknown or too old; kea_info only warns
    ManifestError         _manifest: a manifest that cannot be read or written
    ProbeError            _verify: a station that the probe did not reach; its traces are removed all the same

A class exists only where a caller distinguishes it. All other code raises KeaError itself.
"""

from __future__ import annotations

from typing import Any, Dict


class KeaError(Exception):
    """What happened, to which object, and what to do next; ``details`` become values of the result."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def as_result(self) -> Dict[str, Any]:
        """Return the arguments of ``fail_json``."""
        return dict(self.details, msg=self.message)
