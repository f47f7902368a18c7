# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: names of the lease monitor on a host."""

from __future__ import annotations

UNIT = "kea-lease-monitor.service"
USER = "kea-lease-monitor"
APPLIERS = {4: "kea-reservations.service", 6: "kea-reservations6.service"}
"""Have the server of a family use the reservations that the monitor writes into files."""
FORMER_APPLIER = "kea-reservations.path"
"""Started the service in releases in which that ran once for each change."""
SHARED = {
    "/usr/local/share/bash-completion/completions/kea-lease-monitor": "lib/share/kea-lease-monitor.bash",
    "/usr/local/share/man/man1/kea-lease-monitor.1": "lib/share/kea-lease-monitor.1",
}
"""Links to the completion and the man page of the release in force, and where a release has them."""
