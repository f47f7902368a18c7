# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``site_file`` of both sinks: the reservations that stand in Kea's own configuration."""

from __future__ import annotations

from typing import Tuple

from kea_lease_monitor import files
from kea_lease_monitor.errors import MonitorError
from kea_lease_monitor.kea import site
from kea_lease_monitor.section import Section


def read(section: Section) -> Tuple[site.Entry, ...]:
    """Return the entries of the file that the section names; none without one. Raises ConfigurationError.

    The file is a part of the configuration: it is read with it, and a change of it has all leases read again.
    """
    path = section.optional_text("site_file")
    if path is None:
        return ()
    try:
        content = files.read(path)
        return site.parse(b"" if content is None else content)
    except (MonitorError, ValueError) as error:
        raise section.error("site_file", f"{path}: {error}") from error
