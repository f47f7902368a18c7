# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as variables: merged into the same configuration they change nothing, an empty one gets the same content."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.kea.plugins.filter import plan as filters
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.identity import has_identities, network, pool_range
from ansible_collections.baremetal.kea.plugins.module_utils._config.importing import Imported, variables_of
from site_helpers import FRAGMENTS, SITES, Site, install
from support.kea import KeaServer, serving
from support.modules import run_module
from support.playbook import play

DATABASES = ("hosts-database", "hosts-databases")


def variables(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = run_module("kea_info", gather=["variables"], path=str(site.path))["variables"]
    assert found["error"] is None
    return found


class Loader(yaml.SafeLoader):
    """Reads a file of variables as Ansible does. Ansible itself, in this process, would take modules for its own."""


class Unsafe(str):
    """Text that Ansible takes for no template."""


Loader.add_constructor("!unsafe", lambda _loader, node: Unsafe(node.value))


def loaded(text: str, **secrets: str) -> Any:
    """Variables of a file, templated."""
    return templated(yaml.load(text, Loader=Loader), secrets)  # noqa: S506


def templated(value: Any, secrets: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: templated(one, secrets) for key, one in value.items()}
    if isinstance(value, list):
        return [templated(one, secrets) for one in value]
    if isinstance(value, Unsafe):
        return str(value)
    if isinstance(value, str) and value.startswith("{{ "):
        return secrets[value[3:-3]]
    return value


def merge_of(values: dict[str, Any], family: int) -> dict[str, Any]:
    """What the role merges for these variables."""
    prefix = f"kea_dhcp{family}"
    named = {f"subnet{family}": f"{prefix}_subnets", "shared-networks": f"{prefix}_shared_networks"}
    merge = dict(values.get(f"{prefix}_settings", {}))
    return {**merge, **{key: values[name] for key, name in named.items() if name in values}}


def content(value: Any, kind: str = "") -> Any:
    """A value in which order of elements, spelling of ranges and empty lists do not count."""
    if isinstance(value, dict):
        made = {key: content(one, key) for key, one in value.items() if one != [] or not has_identities(key)}
        if "pool" in made:
            made["pool"] = pool_range(made["pool"])
        if "subnet" in made:
            made["subnet"] = network(made["subnet"])
        return made
    if isinstance(value, list) and has_identities(kind):
        return sorted((content(one) for one in value), key=repr)
    return value


@pytest.mark.kea
@pytest.mark.parametrize("source", SITES, ids=lambda source: source.name)
def test_each_site_is_reproduced(source: Path, directory: Path) -> None:
    site = install(source, directory)
    found = variables(site)
    values = loaded(filters.variables_file(found, "dhcp1", str(site.path)))
    had_ids = all(one.id for one in site.subnets())
    before, document = site.texts(), site.document()

    wanted = merge_of(values, site.family)
    applied = site.merge(merge=wanted)
    assert not applied["failed"], applied
    assert applied["changed"] is not had_ids
    assert (site.texts() == before) is had_ids
    expected = {key: one for key, one in site.document().get((site.top,)).items() if key not in DATABASES}
    if had_ids:
        assert site.document().text == document.text

    site.record.unlink(missing_ok=True)
    for name in FRAGMENTS:
        (directory / name).unlink(missing_ok=True)
    site.path.write_text(f'{{ "{site.top}": {{}} }}\n')
    made = site.merge(merge=wanted)
    assert not made["failed"], made
    left_out = [note for note in found["notes"] if "hosts-databases" not in note]
    assert left_out == []
    assert content(site.document().get((site.top,))) == content(expected)
    assert site.accepted()
    assert not site.merge(merge=wanted)["changed"]


def served(config: dict[str, Any], family: int, directory: Path) -> Any:
    """What config-get of Kea says of a configuration, without what this machine does not have."""
    top = f"Dhcp{family}"
    absent = (*DATABASES, "control-socket", "hooks-libraries", "loggers")
    own: dict[str, Any] = {
        "lease-database": {"type": "memfile", "persist": False},
        "interfaces-config": {"interfaces": []},
    }
    if family == 6:
        own["server-id"] = {"type": "EN", "enterprise-id": 2495, "identifier": "01", "persist": False}
    server = KeaServer(directory, family)
    server.configure({**{key: one for key, one in config.items() if key not in absent}, **own})
    with serving(server):
        return content(server.ask("config-get")["arguments"][top])


@pytest.mark.kea
@pytest.mark.slow
@pytest.mark.parametrize("source", SITES, ids=lambda source: source.name)
def test_kea_serves_the_same_on_an_empty_host(source: Path, directory: Path, tmp_path: Path) -> None:
    """The content of the file could be equal, and its order or its defaults could still mean something else."""
    site = install(source, directory)
    site.merge(merge={"valid-lifetime": 4000}, record=None)  # Subnets without an id get the one of Kea.
    wanted = merge_of(loaded(filters.variables_file(variables(site), "dhcp1", str(site.path))), site.family)
    found = served(site.document().get((site.top,)), site.family, tmp_path)
    for name in FRAGMENTS:
        (directory / name).unlink(missing_ok=True)
    site.path.write_text(f'{{ "{site.top}": {{}} }}\n')
    made = site.merge(merge=wanted)
    assert not made["failed"], made
    assert served(site.document().get((site.top,)), site.family, tmp_path) == found


def imported(dhcp4: str, **known: int) -> Imported:
    ids = {prefix.replace("_", "."): number for prefix, number in known.items()}
    return variables_of(Document(f'{{ "Dhcp4": {dhcp4} }}'), "Dhcp4", ids, lambda path: "/applied/" in path)


def test_secrets_are_named_and_left_out() -> None:
    found = imported("""{
      "hooks-libraries": [ { "library": "/h/libdhcp_ha.so", "parameters": { "high-availability": [ { "peers": [
        { "name": "a", "url": "http://u:hidden1@192.0.2.1/", "basic-auth-password": "hidden2" },
        { "name": "b", "url": "http://192.0.2.2/", "basic-auth-password": "hidden3" } ] } ] } } ],
      "user-context": { "text": "{{ not a template }}", "token": 12 },
      "control-socket": { "socket-name": "/run/kea/kea4.sock" } }""")
    text = filters.variables_file(found._asdict(), "dhcp1", "/etc/kea/kea-dhcp4.conf")
    assert "hidden" not in text
    assert [one["variable"] for one in found.secrets] == [
        "kea_secret_peers_url",
        "kea_secret_peers_basic_auth_password",
        "kea_secret_peers_basic_auth_password_2",
    ]
    assert all(f"#   {one['variable']}: the value of {one['path']}" in text for one in found.secrets)
    values = loaded(
        text,
        kea_secret_peers_url="http://u:s@192.0.2.1/",
        kea_secret_peers_basic_auth_password="x",
        kea_secret_peers_basic_auth_password_2="y",
    )["kea_dhcp4_settings"]
    peers = values["hooks-libraries"][0]["parameters"]["high-availability"][0]["peers"]
    assert [one["basic-auth-password"] for one in peers] == ["x", "y"]
    assert peers[0]["url"] == "http://u:s@192.0.2.1/"
    assert values["user-context"] == {"text": "{{ not a template }}"}
    assert "user-context/token: a secret that is a number" in found.notes[0]


@pytest.mark.parametrize(
    ("dhcp4", "note"),
    [
        (
            '{ "option-data": [ { "code": 3, "data": "a" }, { "code": 3, "data": "b" } ] }',
            "Dhcp4/option-data/2: option-data 3 stands twice",
        ),
        ('{ "user-context": { "a": "\udce9" } }', "Dhcp4/user-context/a: it has bytes that are no UTF-8"),
        ('{ "client-classes": [ { "name": "\udce9" } ] }', "Dhcp4/client-classes/1"),
        ('{ "user-context": { "a": [ { "b": "\udce9" } ] } }', "Dhcp4/user-context/a"),
        ('{ <?include "/elsewhere"?> }', "Dhcp4: the members in the included file /elsewhere"),
        ('{ "subnet4": <?include "/elsewhere"?> }', "Dhcp4/subnet4: it comes from a file that may not be edited"),
        ('{ "lease-database": { "type": "mysql" } }', "Dhcp4/lease-database: the deployment knows leases in files"),
        ('{ "hosts-databases": [ { "type": "mysql" } ] }', "Dhcp4/hosts-databases/1: no variable adds"),
    ],
)
def test_what_variables_cannot_hold_is_left_out_and_named(dhcp4: str, note: str) -> None:
    found = imported(dhcp4)
    assert any(note in one for one in found.notes), found.notes
    assert "\udce9" not in repr(loaded(filters.variables_file(found._asdict(), "a", "b") or "{}"))


@pytest.mark.parametrize(
    ("element", "key"),
    [
        ('"option-data": [ { "name": "domain-name", "data": "\udce9" }, { "name": "routers", "data": "a" } ]', "data"),
        ('"client-classes": [ { "name": "a", "test": "option[60].text == \'\udce9\'" }, { "name": "b" } ]', "test"),
        ('"subnet4": [ { "id": 1, "client-class": "\udce9" }, { "id": 2 } ]', "client-class"),
        ('"reservations": [ { "duid": "01", "client-classes": [ "\udce9" ] }, { "duid": "02" } ]', "client-classes"),
    ],
)
def test_an_element_without_what_it_needs_is_left_out_as_a_whole(element: str, key: str) -> None:
    found = imported(f"{{ {element} }}")
    settings = found.values.get("kea_dhcp4_settings", {"subnet4": found.values.get("kea_dhcp4_subnets")})
    (kept,) = next(iter(settings.values()))
    assert key not in kept or kept["name"] == "routers"
    (note,) = found.notes
    assert f"/1: it would mean something else without its {key}: it has bytes that are no UTF-8" in note


def test_an_option_for_each_class_is_imported_and_one_that_stands_twice_alone_is_left_out() -> None:
    found = imported("""{ "option-data": [ { "name": "routers", "data": "10.0.0.1", "client-classes": [ "a" ] },
        { "code": 3, "data": "10.0.0.2", "client-classes": [ "b" ] },
        { "name": "ntp-servers", "data": "10.0.0.3" }, { "code": 42, "data": "10.0.0.4" } ] }""")
    options = found.values["kea_dhcp4_settings"]["option-data"]
    assert [one["data"] for one in options] == ["10.0.0.1", "10.0.0.2"]
    assert [one.split(": ")[0] for one in found.notes] == ["Dhcp4/option-data/3", "Dhcp4/option-data/4"]


@pytest.mark.parametrize("listed", ['[ "bmc" ]', '[ "bmc", <?include "/more.json"?> ]'])
def test_names_of_classes_are_a_list_and_no_elements(listed: str) -> None:
    """They guard the pools of Kea 3.0: without them a new server would serve every client."""
    guard = f'"client-classes": {listed}'
    option = f'{{ "name": "routers", "data": "10.0.0.1", {guard} }}'
    host = f'{{ "hw-address": "02:00:00:00:00:01", "option-data": [ {option} ], {guard} }}'
    found = imported(
        f"""{{ "subnet4": [ {{ "id": 1, "subnet": "10.0.0.0/24", {guard}, "evaluate-additional-classes": [ "x" ],
             "pools": [ {{ "pool": "10.0.0.0/28", {guard} }} ], "reservations": [ {host} ] }} ] }}"""
    )
    assert found.notes == []
    (subnet,) = found.values["kea_dhcp4_subnets"]
    expected = ["bmc", {"<?include?>": "/more.json"}] if "include" in listed else ["bmc"]
    assert subnet["evaluate-additional-classes"] == ["x"]
    (client,), (pool,) = subnet["reservations"], subnet["pools"]
    for one in (subnet, pool, client, client["option-data"][0]):
        assert one["client-classes"] == expected


def test_subnets_without_an_id_get_that_of_kea_and_managed_reservations_are_not_imported() -> None:
    found = imported(
        """{ "subnet4": [ { "subnet": "10.0.1.0/24", "reservations": [ <?include "/etc/kea/x/applied/s.json"?>,
             <?include "/site.json"?> ] } ],
             "shared-networks": [ { "name": "a", "subnet4": [ { "subnet": "10.0.2.0/24" } ] } ] }""",
        **{"10_0_1_0/24": 7, "10_0_2_0/24": 9},
    )
    assert found.values["kea_dhcp4_subnets"] == [
        {"subnet": "10.0.1.0/24", "reservations": [{"<?include?>": "/site.json"}], "id": 7}
    ]
    assert found.values["kea_dhcp4_shared_networks"][0]["subnet4"] == [{"subnet": "10.0.2.0/24", "id": 9}]


def test_leases_and_reservations_stay_in_their_database() -> None:
    entry = """{ "type": "postgresql", "name": "kea", "host": "db1", "user": "k", "password": "hidden",
                "trust-anchor": "/x" }"""
    events = imported(f'{{ "lease-database": {entry}, "hosts-databases": [ {entry} ] }}')
    named = {"kea_db_host": "db1", "kea_db_name": "kea", "kea_db_user": "k", "kea_enable_database": True}
    assert events.values == {**named, "kea_db_enable_notify": True}
    assert events.secrets == [{"variable": "kea_db_password", "path": "Dhcp4/lease-database/password"}]
    assert events.notes == ["Dhcp4/lease-database: trust-anchor: set kea_db_trust_anchor and its companions"]
    files = imported(f'{{ "lease-database": {{ "type": "memfile", "lfc-interval": 0 }}, "hosts-database": {entry} }}')
    assert files.values == {
        **named,
        "kea_dhcp4_settings": {"lease-database": {"type": "memfile", "lfc-interval": 0}},
    }


def test_a_dhcpv6_server_has_variables_of_its_own() -> None:
    text = """{ "Dhcp6": { "interfaces-config": { "interfaces": [ "eth0" ] }, "valid-lifetime": 3600,
        "lease-database": { "type": "memfile", "lfc-interval": 0 },
        "hooks-libraries": [ { "library": "/a.so", "parameters": { "password": "hidden" } } ],
        "subnet6": [ { "subnet": "2001:db8:1::/64", "reservations": [ <?include "/applied/subnet-7.json"?>,
                       { "duid": "00:01", "ip-addresses": [ "2001:db8:1::7" ] } ] } ],
        "shared-networks": [ { "name": "a", "subnet6": [ { "id": 2, "subnet": "2001:db8:2::/64" } ] } ] } }"""
    found = variables_of(Document(text), "Dhcp6", {"2001:db8:1::/64": 7}, lambda path: "/applied/" in path)
    (hook,) = found.values["kea_dhcp6_settings"].pop("hooks-libraries")
    assert hook["parameters"] == {"password": {"<?secret?>": found.secrets[0]["variable"]}}
    assert found.secrets[0]["variable"].startswith("kea_secret_dhcp6_")
    own = {"duid": "00:01", "ip-addresses": ["2001:db8:1::7"]}
    assert found.values == {
        "kea_dhcp6_subnets": [{"subnet": "2001:db8:1::/64", "reservations": [own], "id": 7}],
        "kea_dhcp6_shared_networks": [{"name": "a", "subnet6": [{"id": 2, "subnet": "2001:db8:2::/64"}]}],
        "kea_dhcp6_settings": {
            "interfaces-config": {"interfaces": ["eth0"]},
            "valid-lifetime": 3600,
            "lease-database": {"type": "memfile", "lfc-interval": 0},
        },
    }


FILES4 = {"kea_dhcp4_settings": {"a": 1, "lease-database": {"type": "memfile"}}}
FILES6 = {"kea_dhcp6_settings": {"b": 2, "lease-database": {"type": "memfile"}}}
EVENTS = {"kea_enable_database": True, "kea_db_enable_notify": True, "kea_db_name": "kea"}


def look(family: int, values: Any, there: bool = True, error: str | None = None) -> dict[str, Any]:
    config = {"path": f"/kea-dhcp{family}.conf", "untouched": not there}
    read = {"values": values, "secrets": [], "notes": [], "error": error}
    return {"server": {"version": "2.6.0"}, "config": config, "variables": read}


@pytest.mark.parametrize(
    ("looks", "values", "notes"),
    [
        ((look(4, FILES4), look(6, {}, there=False)), FILES4, 0),
        ((look(4, FILES4, there=False), look(6, {}, there=False)), FILES4, 0),
        ((look(4, {}, there=False), look(6, FILES6)), {"kea_families": [6], **FILES6}, 0),
        ((look(4, FILES4), look(6, FILES6)), {"kea_families": [4, 6], **FILES4, **FILES6}, 0),
        ((look(4, EVENTS), look(6, EVENTS)), {"kea_families": [4, 6], **EVENTS}, 0),
        (
            (look(4, EVENTS), look(6, FILES6)),
            {"kea_families": [4, 6], **EVENTS, "kea_dhcp6_settings": {"b": 2}},
            1,
        ),
        ((look(4, FILES4), look(6, EVENTS)), {"kea_families": [4, 6], **FILES4}, 1),
    ],
)
def test_the_servers_of_a_host_share_a_file_and_one_mode(looks: Any, values: dict[str, Any], notes: int) -> None:
    found = filters.imported_variables(looks)
    assert (found["values"], len(found["notes"]), found["error"]) == (values, notes, "")


def test_a_server_that_cannot_be_read_is_named() -> None:
    found = filters.imported_variables([look(4, FILES4), look(6, None, error="/kea-dhcp6.conf: line 1")])
    assert (found["error"], found["path"]) == ("/kea-dhcp6.conf: line 1", "/kea-dhcp4.conf and /kea-dhcp6.conf")


@pytest.mark.slow
def test_the_playbook_writes_a_file_for_each_host(directory: Path, tmp_path: Path) -> None:
    site = install(SITES[0], directory)
    inventory = tmp_path / "hosts.yml"
    host = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"kea_servers": {"hosts": {"dhcp1": host}}}))
    made = tmp_path / "made"
    given = {"kea_import_directory": str(made), "kea__config": str(site.path)}
    played = play("kea_import", [inventory], given)
    assert played.code == 0, played.output
    text = (made / "dhcp1.yml").read_text()
    assert loaded(text)["kea_dhcp4_shared_networks"]
    assert text == filters.variables_file(variables(site), "dhcp1", str(site.path))
    assert play("kea_import", [inventory], given).changed == [0]
    site.path.write_text("{")
    refused = play("kea_import", [inventory], given)
    assert refused.code == 2
    assert "No file was written for dhcp1" in refused.words
    assert (made / "dhcp1.yml").read_text() == text
