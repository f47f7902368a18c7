# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reservations of files that a database cannot hold, or that are none: what is refused, and by which name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._moves import reservation


def parsed(family: int, **keys: Any) -> dict[str, Any]:
    identifier = {"hw-address": "02:00:00:00:00:01"} if family == 4 else {"duid": "00:01"}
    text = "\n" + json.dumps({**identifier, **{key.replace("_", "-"): value for key, value in keys.items()}})
    (found,) = reservation.parse(text, 1, family)
    return found.to_map()


@pytest.mark.parametrize(
    ("family", "keys", "words"),
    [
        (6, {"ip_addresses": "2001:db8::1"}, 'ip-addresses of a reservation must be a list, not "2001:db8::1"'),
        (6, {"ip_addresses": None}, "ip-addresses of a reservation must be a list, not null"),
        (6, {"ip_addresses": [1]}, "ip-addresses of a reservation: 1 is no address"),
        (6, {"prefixes": "2001:db8::/56"}, "prefixes of a reservation must be a list"),
        (6, {"prefixes": ["2001:db8::"]}, "prefixes of a reservation: '2001:db8::' is no prefix with its length"),
        (6, {"prefixes": ["2001:db8:1::/56"], "excluded_prefixes": ["2001:db8:1:1::/64"]}, "has excluded-prefixes"),
        (6, {"user_context": "x"}, 'user-context of a reservation must be a map, not "x"'),
        (4, {"client_classes": "gold"}, 'client-classes of a reservation must be a list, not "gold"'),
        (4, {"ip_address": 7}, "ip-address of a reservation: 7 is no address"),
    ],
)
def test_what_is_no_reservation_is_refused_with_its_line_and_key(family: int, keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r"^line 2: ") as caught:
        parsed(family, **keys)
    assert words in str(caught.value)


@pytest.mark.parametrize("family", [4, 6])
def test_empty_values_mean_nothing(family: int) -> None:
    empty: dict[str, Any] = {"option_data": [], "client_classes": [], "hostname": "", "user_context": {}}
    six = {"ip_addresses": [], "prefixes": [], "excluded_prefixes": []} if family == 6 else {}
    assert list(parsed(family, **empty, **six)) == ["hw-address" if family == 4 else "duid"]
