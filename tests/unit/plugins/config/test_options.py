# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of DHCP that the site and the variables name differently: by name, by code, or for some classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from site_helpers import done, hand_written, refusal

pytestmark = [pytest.mark.kea, pytest.mark.slow]

DEFINED = '"option-def": [ { "name": "rack", "code": 224, "type": "string" } ]'


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ('"option-data": [ { "name": "routers", "data": "10.0.0.1" } ]', {"code": 3}),
        ('"option-data": [ { "code": 3, "data": "10.0.0.1" } ]', {"name": "routers", "space": "dhcp4"}),
        (f'{DEFINED}, "option-data": [ {{ "name": "rack", "data": "10.0.0.1" }} ]', {"code": 224}),
        ('"option-data": [ { "code": 252, "data": "ff", "csv-format": false } ]', {"code": 252, "name": "proxy"}),
    ],
)
def test_an_option_is_found_by_its_name_or_its_code(members: str, wanted: dict[str, Any], directory: Path) -> None:
    site = hand_written(directory, members)
    found = site.texts()
    new = [{"name": "proxy", "code": 252, "type": "string"}] if wanted.get("name") == "proxy" else []
    values = {"option-data": [{**wanted, "data": "10.0.0.9", "csv-format": True}], "option-def": new}
    done(site, merge=values if new else {"option-data": values["option-data"]})
    (option,) = site.document().get(("Dhcp4", "option-data"))
    assert option["data"] == "10.0.0.9"
    done(site)
    assert site.texts() == found


def test_the_families_have_options_of_their_own(directory: Path) -> None:
    site = hand_written(directory, '"option-data": [ { "code": 24, "data": "example.org" } ]', family=6)
    done(site, merge={"option-data": [{"name": "domain-search", "data": "example.net"}]})
    (option,) = site.document().get(("Dhcp6", "option-data"))
    assert option["data"] == "example.net"


def test_a_code_that_may_be_an_option_by_name_is_refused(directory: Path) -> None:
    """Kea knows the names of one vendor, and this collection does not."""
    site = hand_written(
        directory, '"option-data": [ { "name": "tftp-servers", "space": "vendor-4491", "data": "10.0.0.1" } ]'
    )
    option = {"code": 2, "space": "vendor-4491", "data": "10.0.0.9"}
    message = refusal(site, merge={"option-data": [option]})
    assert "option-data 2 vendor-4491 may be option-data tftp-servers vendor-4491, which is there" in message
