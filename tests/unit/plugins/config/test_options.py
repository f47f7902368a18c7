# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of DHCP that the site and the variables name differently: by name, by code, or for some classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.merge import merged
from ansible_collections.baremetal.kea.plugins.module_utils._config.options import Options
from ansible_collections.baremetal.kea.plugins.module_utils._config.record import Record
from ansible_collections.baremetal.kea.plugins.module_utils._config.syntax import KeaJsonError
from ansible_collections.baremetal.kea.plugins.module_utils._config.wanted import Wanted, plain
from site_helpers import done, hand_written

pytestmark = pytest.mark.kea

BY_CLASS = """{ "Dhcp4": { "option-data": [ { "name": "routers", "data": "10.0.0.1", "client-classes": [ "a" ] },
  { "name": "routers", "data": "10.0.0.2", "client-classes": [ "b" ] } ] } }"""
TWICE = (
    '{ "Dhcp4": { "option-data": [ { "code": 3, "data": "10.0.0.1" }, { "name": "routers", "data": "10.0.0.2" } ] } }'
)
DEFINED = '"option-def": [ { "name": "rack", "code": 224, "type": "string" } ]'


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_families_have_options_of_their_own(directory: Path) -> None:
    site = hand_written(directory, '"option-data": [ { "code": 24, "data": "example.org" } ]', family=6)
    done(site, merge={"option-data": [{"name": "domain-search", "data": "example.net"}]})
    (option,) = site.document().get(("Dhcp6", "option-data"))
    assert option["data"] == "example.net"


CABLE = "vendor-4491"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "code", "name", "other"),
    [(4, 2, "tftp-servers", 122), (6, 32, "tftp-servers", 2170), (6, 36, "device-id", 2171)],
)
def test_an_option_of_cable_modems_is_known_by_its_name(
    family: int, code: int, name: str, other: int, directory: Path
) -> None:
    data = {4: "10.0.0.1", 6: "0A" if name == "device-id" else "2001:db8::1"}[family]
    found = f'"option-data": [ {{ "name": "{name}", "space": "{CABLE}", "data": "{data}", "always-send": false }} ]'
    site = hand_written(directory, found, family=family)
    beside = {"code": other, "space": CABLE, "data": "0A0B", "csv-format": False}
    done(site, merge={"option-data": [beside, {"code": code, "space": CABLE, "always-send": True}]})
    first, second = site.document().get((site.top, "option-data"))
    assert (first["name"], first["always-send"], second) == (name, True, beside)


def options(text: str, *wanted: dict[str, Any], record: Record | None = None) -> list[Any]:
    """The options after a merge, without Kea: that of this machine knows no classes of an option."""
    values = plain({"option-data": list(wanted)})
    document = merged(Document(text), Wanted("Dhcp4", values), record or Record(None))
    return list(document.get(("Dhcp4", "option-data")))


def test_a_code_that_may_be_an_option_by_name_is_refused() -> None:
    """A later Kea can know more names of a vendor than this collection does."""
    text = (
        f'{{ "Dhcp4": {{ "option-data": [ {{ "name": "new-servers", "space": "{CABLE}", "data": "10.0.0.1" }} ] }} }}'
    )
    with pytest.raises(KeaJsonError, match=f"option-data 7 {CABLE} may be option-data new-servers {CABLE}, which is"):
        options(text, {"code": 7, "space": CABLE, "data": "10.0.0.9"})


def test_options_of_one_code_are_told_apart_by_their_classes() -> None:
    option = {"name": "routers", "client-classes": ["b"], "data": "10.0.0.9"}
    assert [one["data"] for one in options(BY_CLASS, option)] == ["10.0.0.1", "10.0.0.9"]
    assert [one["data"] for one in options(BY_CLASS, {**option, "client-classes": ["c"]})][:2] == [
        "10.0.0.1",
        "10.0.0.2",
    ]
    assert len(options(BY_CLASS, {**option, "client-classes": []})) == 3
    assert [one["data"] for one in options(BY_CLASS, {**option, "state": "absent"})] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BY_CLASS, "option-data 3 is there for some classes only; name them with its client-classes"),
        (TWICE, "option-data 3 stands 2 times; leave one of them, by hand"),
    ],
)
def test_an_option_that_cannot_be_told_from_others_is_refused(text: str, message: str) -> None:
    for state in ({}, {"state": "absent"}):
        with pytest.raises(KeaJsonError, match=message):
            options(text, {"code": 3, "data": "10.0.0.9", **state})


def test_an_earlier_record_of_an_option_for_a_class_keeps_its_meaning(tmp_path: Path) -> None:
    """That release did not look at classes."""
    path = tmp_path / "record.json"
    option = {"name": "routers", "data": "10.0.0.1", "client-classes": ["a"]}
    record = Record(str(path))
    merged(Document('{ "Dhcp4": { } }'), Wanted("Dhcp4", plain({"option-data": [option]})), record)
    record.write()
    earlier = json.loads(path.read_text())
    for entry in earlier["keys"]:
        entry["path"][1:2] = [{"name": "routers"}] if len(entry["path"]) > 1 else []
    path.write_text(json.dumps(earlier))
    for _run in range(2):
        record = Record(str(path))
        text = json.dumps({"Dhcp4": {"option-data": [option]}})
        assert options(text, option, record=record) == [option]
        record.write()
    record = Record(str(path))
    assert merged(Document(text), Wanted("Dhcp4", {}), record).get(("Dhcp4",)) == {}


class Runs:
    """Runs of one site, each with the record that the previous one wrote."""

    def __init__(self, record: Path, text: str) -> None:
        self.record = record
        self.text = text

    def run(self, **values: list[dict[str, Any]]) -> Any:
        """Merge these values, and return the members of Dhcp4."""
        record = Record(str(self.record))
        wanted = {key.replace("_", "-"): one for key, one in values.items()}
        self.text = merged(Document(self.text), Wanted("Dhcp4", plain(wanted)), record).text
        record.write()
        return Document(self.text).get(("Dhcp4",))


def test_an_option_of_ours_gets_classes_and_loses_them(tmp_path: Path) -> None:
    routers = {"name": "routers", "data": "10.0.0.1"}
    of_a_class = {**routers, "client-classes": ["a"]}
    runs = Runs(tmp_path / "record.json", '{ "Dhcp4": { } }')
    for one in (routers, of_a_class, routers):
        assert runs.run(option_data=[one]) == {"option-data": [one]}
    runs.run(option_data=[of_a_class])
    assert runs.run(option_data=[{"name": "routers", "state": "absent"}]).get("option-data", []) == []


def test_an_option_of_ours_for_a_class_does_not_hide_that_of_the_site(tmp_path: Path) -> None:
    ours = {"name": "routers", "data": "10.0.0.9", "client-classes": ["c"]}
    runs = Runs(tmp_path / "record.json", BY_CLASS)
    runs.run(option_data=[ours])
    with pytest.raises(KeaJsonError, match="is there for some classes only"):
        runs.run(option_data=[{"name": "routers", "data": "10.0.0.9"}])


def defined(name: str) -> dict[str, Any]:
    """The definition of an option of the code 222, and the option by its name."""
    return {
        "option_def": [{"name": name, "code": 222, "type": "string"}],
        "option_data": [{"name": name, "data": "y"}],
    }


@pytest.mark.parametrize("then", [{"option_data": [{"code": 222, "data": "y"}]}, defined("bar")])
def test_an_option_goes_as_a_whole_after_its_definition(then: dict[str, Any], tmp_path: Path) -> None:
    """An earlier run knew it by the name that the definition gave it."""
    runs = Runs(tmp_path / "record.json", '{ "Dhcp4": { "valid-lifetime": 600 } }')
    runs.run(**defined("foo"))
    for _run in range(2):
        assert runs.run(**then) == {"valid-lifetime": 600, **{key.replace("_", "-"): one for key, one in then.items()}}
    assert runs.run() == {"valid-lifetime": 600}


def test_an_element_that_stays_keeps_what_identifies_it(tmp_path: Path) -> None:
    """The record of an earlier release has the element under a name that no definition has any more."""
    runs = Runs(tmp_path / "record.json", '{ "Dhcp4": { } }')
    runs.run(option_data=[{"code": 222, "data": "y"}])
    record = json.loads(runs.record.read_text())
    element = next(one for one in record["keys"] if one["path"] == ["option-data", {"code": 222}])
    element["path"][1] = {"name": "foo"}
    runs.record.write_text(json.dumps(record))
    assert runs.run() == {"option-data": [{"code": 222}]}


def test_a_record_of_dhcp6_takes_no_name_for_a_code_of_dhcp4(tmp_path: Path) -> None:
    """32 is the code of these servers in DHCPv6, and 2 in DHCPv4."""
    named, other = {"name": "tftp-servers", "space": CABLE}, {"code": 2, "space": CABLE}
    path = tmp_path / "record.json"
    keys = [{"path": ["option-data", one], "found": None, "wrote": None} for one in (named, other)]
    path.write_text(json.dumps({"version": 1, "keys": keys}))
    record = Record(str(path))
    record.resolve(Options("Dhcp6"))
    assert [entry.path for entry in record.entries()] == [("option-data", named), ("option-data", other)]
