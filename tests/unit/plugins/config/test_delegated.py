# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes that a DHCPv6 server delegates: their pools and reservations are guarded like those of addresses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from site_helpers import Site, done, hand_written, refusal

pytestmark = [pytest.mark.kea, pytest.mark.slow]


def delegating(directory: Path, *leases: str) -> Site:
    """A site with a pool of prefixes, and the prefixes that clients of subnet 1 have."""
    expire = int(time.time()) + 3600
    rows = [f"{one},00:01:02,3600,{expire},1,3000,2,7,64,0,0,,,0,,," for one in leases]
    pool = '{ "prefix": "2001:0DB8:8000::", "prefix-len": 48, "delegated-len": 64 }'
    subnet = f'{{ "id": 1, "subnet": "2001:db8:1::/64", "pd-pools": [ {pool} ] }}'
    return hand_written(directory, f'"subnet6": [ {subnet} ]', rows, 6)


def merge(**members: Any) -> dict[str, Any]:
    return {"subnet6": [{"id": 1, **members}]}


def test_a_pool_of_prefixes_of_the_site_is_removed_only_if_allowed(directory: Path) -> None:
    site = delegating(directory, "2001:db8:8000::", "2001:db8:8000:7::")
    gone = merge(**{"pd-pools": [{"prefix": "2001:0DB8:8000::", "prefix-len": 48, "state": "absent"}]})
    assert "pool of prefixes 2001:0DB8:8000::/48, 2 live leases" in refusal(site, merge=gone)
    done(site, merge=gone, allow_removals=True)
    assert site.subnet(1)["pd-pools"] == []


def test_a_pool_of_prefixes_of_ours_goes_unless_it_holds_leases(directory: Path) -> None:
    site = delegating(directory, "2001:db8:9000:7::")
    found = site.texts()
    for number in ("2001:db8:9000::", "2001:db8:a000::"):
        pool = {"prefix": number, "prefix-len": 48, "delegated-len": 64}
        done(site, merge=merge(**{"pd-pools": [pool]}), allow_removals=True)
    done(site)
    assert site.texts() == found
    done(site, merge=merge(**{"pd-pools": [{"prefix": "2001:db8:9000::", "prefix-len": 48, "delegated-len": 64}]}))
    assert "pool of prefixes 2001:db8:9000::/48, 1 live leases" in refusal(site)


def test_prefixes_of_a_subnet_of_ours_are_counted_with_it(directory: Path) -> None:
    """They lie outside the subnet."""
    site = delegating(directory, "2001:db8:9000:7::")
    host = {"duid": "00:01:02", "prefixes": ["2001:db8:9000:7::/64"]}
    done(site, merge=merge(reservations=[host]))
    assert "reservation of 00:01:02" in (message := refusal(site))
    assert "1 live leases" in message
    text = site.path.read_text()
    site.path.write_text(text.replace('"id": 1', '"id": 9').replace("2001:db8:1::/64", "2001:db8:9::/64"))
    site.record.unlink()
    done(site, merge={"subnet6": [{"id": 1, "subnet": "2001:db8:1::/64"}]})
    assert "2001:db8:1::/64 (id 1), a subnet with 0 pools and 0 reservations, 1 live leases" in refusal(site)


def test_a_pool_of_prefixes_is_found_in_another_spelling(directory: Path) -> None:
    site = delegating(directory)
    pool = {"prefix": "2001:db8:8000::", "prefix-len": 48, "delegated-len": 64}
    assert not done(site, merge=merge(**{"pd-pools": [pool]}))["changed"]
    done(site, merge=merge(**{"pd-pools": [{**pool, "delegated-len": 60}]}))
    assert site.subnet(1)["pd-pools"] == [{"prefix": "2001:0DB8:8000::", "prefix-len": 48, "delegated-len": 60}]
