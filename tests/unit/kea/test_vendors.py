# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a network card."""

from __future__ import annotations

from pathlib import Path

import pytest
from _kea import vendors

LIST = """\
OUI/MA-L                                                    Organization
company_id                                                  Organization

00-22-72   (hex)\t\tAmerican Micro-Fuel Device Corp.
002272     (base 16)\t\tAmerican Micro-Fuel Device Corp.
\t\t\t\t2181 Buchanan Loop

B0-7B-25   (hex)\t\tDell Inc.
06-00-00   (hex)\t\tNobody's
"""


@pytest.mark.parametrize(
    ("hwaddr", "vendor"),
    [
        ("b0:7b:25:01:02:03", "Dell Inc."),
        ("00:22:72:00:00:00", "American Micro-Fuel Device Corp."),
        ("00:22:73:00:00:00", ""),
        ("06:00:00:00:00:01", ""),
        ("01:22:72:00:00:00", ""),
        ("b0:7b:25", ""),
        ("b0:7b:25:01:02:03:04:05", ""),
        ("", ""),
    ],
)
def test_the_vendor_of_a_hardware_address(tmp_path: Path, hwaddr: str, vendor: str) -> None:
    (tmp_path / "oui.txt").write_text(LIST)
    assert vendors.of(hwaddr, str(tmp_path / "oui.txt")) == vendor


def test_without_the_list_no_vendor_is_known(tmp_path: Path) -> None:
    assert vendors.of("b0:7b:25:01:02:03", str(tmp_path / "none")) == ""
