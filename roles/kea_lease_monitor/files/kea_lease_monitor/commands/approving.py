# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approvals of the reservations that root asks for: Kea uses them without a lease.

A child writes them as Kea's user. The monitor's user, whom these commands become, may not.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Collection

from kea_lease_monitor.commands import owner
from kea_lease_monitor.errors import MonitorError
from kea_lease_monitor.kea.applier import approved
from kea_lease_monitor.kea.applier.hosts import Claim
from kea_lease_monitor.settings import MonitorSettings

_CHILD = "from kea_lease_monitor.commands import approving; approving.answer()"


class Approving:
    """Approves reservations in files. It must be made before this process becomes another user."""

    def __init__(self, settings: MonitorSettings) -> None:
        """Raises TemporaryError."""
        reports = filter(os.path.isdir, settings.reservation_reports() if os.geteuid() == 0 else [])
        self._children = {report: owner.started(os.path.join(report, "approved"), _CHILD) for report in reports}

    def approve(self, report: str, claims: Collection[Claim]) -> None:
        """Approve these claims, once for each directory of a report. Raises TemporaryError.

        It does nothing where there is no such directory, so no applier. Only root may.
        """
        child = self._children.pop(report, None)
        if child and claims:
            owner.asked(child, json.dumps({"report": report, "claims": list(claims)}))
        elif claims and os.path.isdir(report):
            print("run this as root: Kea uses only those of the reservations that it has a lease of", file=sys.stderr)

    def close(self) -> None:
        """End the children that were asked nothing."""
        owner.end(self._children.values())


def answer() -> None:
    """Approve what standard input asks for."""
    asked = owner.request()
    if asked is None:
        return
    try:
        approved.add(asked["report"], [Claim(*claim) for claim in asked["claims"]])
    except MonitorError as error:
        sys.exit(str(error))
