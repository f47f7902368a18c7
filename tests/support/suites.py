# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The suites of test hosts, from tests/lab/suites.yml."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from support.paths import LAB


class Suite(NamedTuple):
    """A line of the list; the comments there say what each value is."""

    debian: str
    package_release: str
    kea: str
    schema: str
    postgresql: int
    early: bool = False


def read() -> dict[str, Suite]:
    """Return the suites of released packages by name, from the oldest Kea to the newest."""
    found = yaml.safe_load((LAB / "suites.yml").read_text())
    suites = {name: Suite(**values) for name, values in found.items()}
    return {name: one for name, one in suites.items() if not one.early}


SUITES = read()
OLDEST, *NEWER = SUITES
"""Names of the suite with the oldest Kea, and of all others."""
NEWEST = NEWER[-1]
