# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes back once the variables do not name it any more: as it was found, and never what a person added."""

from __future__ import annotations

import glob
import json
import os
from pathlib import Path
from typing import Any

import pytest
from site_helpers import done, hand_written, refusal

pytestmark = [pytest.mark.kea, pytest.mark.slow]

HOOKS = os.path.dirname(glob.glob("/usr/lib/*/kea/hooks/libdhcp_ha.so")[0])
EMPTY = '"subnet4": [ { "id": 1, "subnet": "10.1.0.0/24", "pools": [ ], "reservations": [ ] } ]'
HOST = '{ "hw-address": "02:00:00:00:00:aa", "hostname": "old" }'


def within(**members: Any) -> dict[str, Any]:
    return {"subnet4": [{"id": 1, **members}]}


def host(spelled: str) -> dict[str, Any]:
    return within(reservations=[{"hw-address": spelled, "hostname": "new"}])


def hook(spelled: str) -> dict[str, Any]:
    return {"hooks-libraries": [{"library": spelled, "parameters": {"x": 2}}]}


@pytest.mark.parametrize(
    ("members", "first", "second"),
    [
        (
            '"option-data": [ { "name": "routers", "data": "10.0.0.1" } ]',
            {"option-data": [{"name": "routers", "data": "10.0.0.9"}]},
            {"option-data": [{"name": "routers", "code": 3, "data": "10.0.0.8"}]},
        ),
        (EMPTY, within(pools=[{"pool": "10.1.0.1-10.1.0.9"}]), within(pools=[{"pool": "10.1.0.1 - 10.1.0.9"}])),
        (EMPTY.replace("[ ] } ]", f"[ {HOST} ] }} ]"), host("02:00:00:00:00:aa"), host("2:0:0:0:0:AA")),
        (
            f'"hooks-libraries": [ {{ "library": "{HOOKS}/libdhcp_lease_cmds.so", "parameters": {{ "x": 1 }} }} ]',
            hook(f"{HOOKS}/libdhcp_lease_cmds.so"),
            hook("libdhcp_lease_cmds.so"),
        ),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_another_spelling_in_the_variables_loses_nothing(
    members: str, first: dict[str, Any], second: dict[str, Any], turned: bool, directory: Path
) -> None:
    site = hand_written(directory, members)
    found = site.document()
    for values in (second, first, second) if turned else (first, second):
        done(site, merge=values)
    done(site)
    assert site.document().get(("Dhcp4",)) == found.get(("Dhcp4",))
    assert json.loads(site.record.read_text())["keys"] == []


def test_a_record_of_an_earlier_release_is_found_under_another_spelling(directory: Path) -> None:
    """It keeps paths as the variables spelled them."""
    site = hand_written(directory, '"option-data": [ { "name": "routers", "data": "10.0.0.1" } ]')
    found = site.texts()
    done(site, merge={"option-data": [{"name": "routers", "data": "10.0.0.9"}]})
    (entry,) = json.loads(site.record.read_text())["keys"]
    assert entry["path"] == ["option-data", {"name": "routers"}, "data"]
    done(site, merge={"option-data": [{"code": 3, "data": "10.0.0.9"}]})
    done(site)
    assert site.texts() == found


BY_HAND = '"next-server": "10.0.0.7"'


@pytest.mark.parametrize(
    ("values", "ours", "message"),
    [
        (
            {"client-classes": [{"name": "ours", "test": "member('KNOWN')"}]},
            '"name": "ours"',
            "client-classes ours with next-server",
        ),
        (host("02:00:00:00:00:bb"), '"hw-address": "02:00:00:00:00:bb"', "02:00:00:00:00:bb with next-server"),
        (
            {"shared-networks": [{"name": "ours", "subnet4": [{"id": 9, "subnet": "10.9.0.0/24"}]}]},
            '"name": "ours"',
            "shared network ours with next-server",
        ),
        (
            {"subnet4": [{"id": 9, "subnet": "10.9.0.0/24"}]},
            '"subnet": "10.9.0.0/24"',
            "10.9.0.0/24 (id 9), a subnet with 0 pools and 0 reservations and next-server, which no run wrote",
        ),
    ],
)
def test_what_a_person_added_to_an_element_of_ours_is_not_removed_silently(
    values: dict[str, Any], ours: str, message: str, directory: Path
) -> None:
    site = hand_written(directory, EMPTY)
    found = site.document()
    done(site, merge=values)
    text = site.path.read_text()
    site.path.write_text(text.replace(ours, f"{ours}, {BY_HAND}"))
    assert not done(site, merge=values)["changed"]
    assert message in (words := refusal(site))
    assert "kea_allow_removals" in words
    site.path.write_text(text.replace(ours, f'{ours}, "option-data": [ ]'))
    done(site)
    assert site.document().get(("Dhcp4",)) == found.get(("Dhcp4",))
    done(site, merge=values)
    site.path.write_text(site.path.read_text().replace(ours, f"{ours}, {BY_HAND}"))
    done(site, allow_removals=True)
    assert site.document().get(("Dhcp4",)) == found.get(("Dhcp4",))


@pytest.mark.parametrize(
    ("text", "other", "message"),
    [
        ("member('KNOWN')", "member('UNKNOWN')", "client-classes ours with test"),
        ('"data": "10.0.0.9"', '"data": "10.0.0.9", "always-send": true', "with always-send"),
        (
            "[ {",
            '[ { "name": "log-servers", "data": "10.0.0.8" }, {',
            "client-classes ours with option-data log-servers",
        ),
    ],
)
def test_what_a_person_changed_in_an_element_of_ours_is_named(
    text: str, other: str, message: str, directory: Path
) -> None:
    site = hand_written(directory, '"valid-lifetime": 600')
    options = [{"name": "routers", "data": "10.0.0.9"}]
    done(site, merge={"client-classes": [{"name": "ours", "test": "member('KNOWN')", "option-data": options}]})
    edited = site.document().text
    at = edited.index("option-data") if text == "[ {" else 0
    site.path.write_text(edited[:at] + edited[at:].replace(text, other, 1))
    assert site.accepted()
    assert message in refusal(site)


def test_a_subnet_goes_with_the_includes_in_it_and_their_files_stay(directory: Path) -> None:
    hosts = '{ "hw-address": "02:00:00:00:00:01", "ip-address": "10.1.0.5" }\n'
    include = '[ <?include "@DIR@/subnets.json"?> ]'
    subnets = f'"subnet4": [ {{ "id": 1, "subnet": "10.1.0.0/24", "reservations": {include} }}, '
    site = hand_written(directory, f'{subnets}{{ "id": 2, "subnet": "10.2.0.0/24" }} ]', subnets=hosts)
    gone = {"subnet4": [{"id": 1, "state": "absent"}]}
    assert "1 reservations" in refusal(site, merge=gone)
    done(site, merge=gone, allow_removals=True)
    assert [one.id for one in site.subnets()] == [2]
    assert (directory / "subnets.json").read_text() == hosts


def test_an_included_part_of_a_value_comes_back_as_an_include(directory: Path) -> None:
    include = '[ "hw-address", <?include "@DIR@/options.json"?> ]'
    members = f'"option-data": [ <?include "@DIR@/loggers.json"?> ], "host-reservation-identifiers": {include}'
    site = hand_written(directory, members, options='"circuit-id"', loggers='{ "code": 3, "data": "10.0.0.1" }\n')
    found = site.texts()
    wanted = {"host-reservation-identifiers": ["hw-address", "duid"]}
    done(site, merge=wanted)
    assert site.document().get(("Dhcp4", "host-reservation-identifiers")) == ["hw-address", "duid"]
    assert "baremetal.kea" not in site.record.read_text()
    assert not done(site, merge=wanted)["changed"]
    done(site)
    assert site.texts() == found
    done(site, merge=wanted)
    record = json.loads(site.record.read_text())
    record["keys"][0]["found"] = '[ "hw-address", /*<baremetal.kea 1>*/"circuit-id"\n/*</baremetal.kea 1>*/ ]'
    site.record.write_text(json.dumps(record))
    done(site)
    identifiers = site.document().get(("Dhcp4", "host-reservation-identifiers"))
    assert identifiers == ["hw-address", "circuit-id"], "as an earlier release wrote the record"


@pytest.mark.parametrize(
    ("members", "values"),
    [
        (EMPTY, within(pools=[{"pool": "10.1.0.1-10.1.0.9"}], reservations=[{"duid": "01:02", "hostname": "a"}])),
        (EMPTY.replace("[ ]", "[]"), within(reservations=[{"duid": "01:02", "hostname": "a"}])),
        ('\n  "option-data": [\n  ]', {"option-data": [{"name": "routers", "data": "10.0.0.1"}]}),
        ('"user-context": { }', {"user-context": {"a": 1}}),
        ('\n  "server-tag": "a#b" ', {"valid-lifetime": 600}),
        ('\n  "server-tag": "a//b", # c\n  "renew-timer": 5 /* d */ ', {"valid-lifetime": 600}),
        ('"renew-timer": 5 , /* x */ ,', {"valid-lifetime": 600}),
        ('"renew-timer": 5 ,, /* x */ , "rebind-timer": 6,,', {"valid-lifetime": 600, "decline-probation-period": 7}),
    ],
)
def test_what_was_added_goes_byte_for_byte(members: str, values: dict[str, Any], directory: Path) -> None:
    site = hand_written(directory, members)
    found = site.texts()
    assert done(site, merge=values)["changed"]
    assert not done(site, merge=values)["changed"]
    done(site)
    assert site.texts() == found


@pytest.mark.parametrize("returns", [True, False])
def test_each_file_keeps_its_line_ends(returns: bool, directory: Path) -> None:
    include, option = '<?include "@DIR@/subnets.json"?>', [{"name": "routers", "data": "10.1.0.1"}]
    members = f'"valid-lifetime": 600,\n  "subnet4": [\n    {{ "id": 1, "subnet": "10.1.0.0/24" }}, {include} ]\n'
    site = hand_written(directory, members, subnets='{\n  "id": 2,\n  "subnet": "10.2.0.0/24"\n}\n')
    other = site.path if returns else directory / "subnets.json"
    other.write_bytes(other.read_bytes().replace(b"\n", b"\r\n"))
    subnets = [{"id": number, "option-data": option, "pools": []} for number in (1, 2)]
    done(site, merge={"renew-timer": 60, "subnet4": subnets})
    for path in (site.path, directory / "subnets.json"):
        text = path.read_bytes()
        assert b"option-data" in text
        assert text.count(b"\r\n") == (text.count(b"\n") if path == other else 0)


def test_a_map_in_place_of_another_value_goes_back_as_a_whole(directory: Path) -> None:
    site = hand_written(directory, '"user-context": { "a": [ 1 ], "b": { "c": 2 } }')
    found = site.texts()
    for one in (1, {"x": 1}, {"x": 2, "y": 3}, {"y": 4}):
        done(site, merge={"user-context": {"a": one, "b": one}})
        assert site.document().get(("Dhcp4", "user-context")) == {"a": one, "b": one}
    done(site)
    assert site.texts() == found


def test_names_of_classes_can_be_set_to_none(directory: Path) -> None:
    named = HOST.replace("}", ', "client-classes": [ "a", "b" ] }')
    site = hand_written(directory, EMPTY.replace("[ ] } ]", f"[ {named} ] }} ]"))
    found = site.texts()
    wanted = within(reservations=[{"hw-address": "02:00:00:00:00:aa", "client-classes": []}])
    done(site, merge=wanted)
    assert site.subnet(1)["reservations"][0]["client-classes"] == []
    assert not done(site, merge=wanted)["changed"]
    done(site)
    assert site.texts() == found
