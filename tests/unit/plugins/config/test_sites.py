# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging into hand-written configurations and Kea's own examples: nothing else changes, and all of it goes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from site_helpers import EXAMPLES, SITES, Site, install, is_subsequence

pytestmark = [pytest.mark.kea, pytest.mark.slow]

NEW = {
    4: {"id": 4711, "subnet": "198.18.0.0/24", "pools": [{"pool": "198.18.0.10 - 198.18.0.20"}]},
    6: {"id": 4711, "subnet": "2001:db8:4711::/64", "pools": [{"pool": "2001:db8:4711::10 - 2001:db8:4711::20"}]},
}
OPTION = {
    4: {"name": "log-servers", "data": "192.0.2.250"},
    6: {"name": "nis-servers", "data": "2001:db8::250"},
}
"""For the server of each family."""
CLIENT = {"hw-address": "02:00:00:ff:00:01", "hostname": "ours"}


def additions(site: Site) -> dict[str, Any]:
    """Values that add to every subnet and to the top level, and name what is there already."""
    subnets = []
    for one in site.subnets():
        pools = [{"pool": pool.replace(" ", "")} for pool in one.pools]
        named = {"id": one.id} if one.id else {"subnet": one.prefix}
        subnets.append({**named, "min-valid-lifetime": 60, "pools": pools, "reservations": [CLIENT]})
    option = OPTION[site.family]
    options = [] if option["name"] in site.path.read_text("latin-1") else [option]
    return {f"subnet{site.family}": [*subnets, NEW[site.family]], "option-data": options}


@pytest.mark.parametrize("source", [*SITES, *EXAMPLES], ids=lambda source: source.name)
def test_additions_leave_every_byte_and_go_again(source: Path, directory: Path) -> None:
    site = install(source, directory)
    was_accepted = site.accepted()
    assert was_accepted or source in EXAMPLES
    if not was_accepted:  # an example for another build of Kea
        return
    ids = {one.prefix: one.id for one in site.subnets()}
    found, wanted = site.texts(), additions(site)
    preview = site.merge(check=True, merge=wanted)
    assert not preview["failed"], preview
    assert site.texts() == found
    applied = site.merge(merge=wanted)
    assert (applied["failed"], applied["changed"], applied.get("diff")) == (False, True, preview["diff"])
    assert site.accepted()
    for name, text in site.texts().items():
        assert is_subsequence(found[name], text), name
    for subnet in site.subnets():
        assert ids.get(subnet.prefix, 4711) in (subnet.id, None)
        assert subnet.prefix == NEW[site.family]["subnet"] or CLIENT in subnet.reservations
    assert not site.merge(merge=wanted)["changed"]

    # What goes is not known to hold no reservation where the databases of an example do not answer.
    has_databases = b"hosts-database" in b"".join(found.values())
    back = site.merge(allow_removals=has_databases)
    assert not back["failed"], back
    expected = found
    if None in ids.values():  # they keep their ids
        assert {one.prefix for one in site.subnets()} == set(ids)
    else:
        assert site.texts() == expected
    assert not site.merge()["changed"]


@pytest.mark.parametrize("source", SITES, ids=lambda source: source.name)
def test_values_are_replaced_in_their_place_and_found_again(source: Path, directory: Path) -> None:
    site = install(source, directory)
    found = site.texts()
    numbered = [{"id": one.id, "valid-lifetime": 1234} for one in site.subnets() if one.id]
    subnets = f"subnet{site.family}"
    for values in ({"valid-lifetime": 1111, subnets: numbered}, {"valid-lifetime": 2222, "renew-timer": 5}):
        result = site.merge(merge=values)
        assert not result["failed"], result
        assert site.document().get((site.top, "valid-lifetime")) == values["valid-lifetime"]
    assert all("valid-lifetime" not in one.value for one in site.subnets())
    assert not site.merge()["failed"]
    if all(one.id for one in site.subnets()) and "no-ids" not in source.name:
        assert site.texts() == found
