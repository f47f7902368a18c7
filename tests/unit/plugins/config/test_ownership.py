# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a merge owns, what it gives back, and which removals it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config import reserving
from ansible_collections.baremetal.kea.plugins.module_utils._config.path import parse_path
from ansible_collections.baremetal.kea.plugins.module_utils._config.syntax import Include
from ansible_collections.baremetal.kea.plugins.module_utils._server import served
from site_helpers import Site, done, hand_written, refusal, site_of
from support.modules import run_module

pytestmark = [pytest.mark.kea, pytest.mark.slow]


def test_a_subnet_is_found_by_id_or_prefix_inside_its_shared_network(directory: Path) -> None:
    site = site_of("shared", directory)
    done(site, merge={"subnet4": [{"id": 7, "min-valid-lifetime": 60}, {"subnet": "10.10.1.7/24", "renew-timer": 9}]})
    assert [(one.id, one.network) for one in site.subnets()] == [(7, "hall-a"), (8, "hall-a"), (9, "hall-b")]
    assert (site.subnet(7)["min-valid-lifetime"], site.subnet(8)["renew-timer"]) == (60, 9)
    networks = [{"name": "hall-a", "subnet4": [{"id": 7, "renew-timer": 5}], "renew-timer": 6}]
    done(site, merge={"shared-networks": networks})
    assert (site.subnet(7)["renew-timer"], "min-valid-lifetime" in site.subnet(7)) == (5, False)
    message = refusal(site, merge={"shared-networks": [{"name": "hall-b", "subnet4": [{"id": 7}]}]})
    assert "subnet 7 stands in shared network hall-a" in message


def test_pools_options_and_reservations_are_found_in_other_spellings(directory: Path) -> None:
    site = site_of("shared", directory)
    pools = [{"pool": "10.10.0.100 - 10.10.0.150", "client-class": "ALL"}]
    hosts = [{"hw-address": "01:02:03:0A:0B:0C", "hostname": "named"}]
    options = [{"name": "routers", "data": "10.10.0.254"}]
    done(site, merge={"subnet4": [{"id": 7, "pools": pools, "reservations": hosts, "option-data": options}]})
    assert site.subnet(7)["pools"] == [{"pool": "10.10.0.100-10.10.0.150", "client-class": "ALL"}]
    expected = {"hw-address": "1:2:3:a:b:c", "ip-address": "10.10.0.20", "hostname": "named"}
    assert site.subnet(7)["reservations"] == [expected]
    assert site.subnet(7)["option-data"] == options
    blocks = [{"pool": "10.11.0.0 - 10.11.0.127"}]
    assert not site.merge(merge={"subnet4": [{"id": 9, "pools": blocks}]}, record=None)["changed"]


def test_hooks_are_found_by_their_file_name(directory: Path) -> None:
    site = site_of("-ha", directory)
    found = site.texts()
    hook = {"library": "/elsewhere/libdhcp_lease_cmds.so", "parameters": {}}
    done(site, merge={"hooks-libraries": [hook]})
    libraries = site.document().get(("Dhcp4", "hooks-libraries"))
    assert len(libraries) == 2
    assert libraries[0]["library"].startswith("/usr/lib")
    done(site)
    assert site.texts() == found


def test_the_variables_of_the_field_case_take_nothing_away(directory: Path) -> None:
    """B2: the subnet has routers and a reservation, and the variables name its pool only."""
    site = site_of("shared", directory)
    before = site.subnet(7)
    subnet = {"id": 7, "subnet": "10.10.0.0/24", "pools": [{"pool": "10.10.0.100 - 10.10.0.150"}]}
    assert not done(site, merge={"subnet4": [subnet]})["changed"]
    assert site.subnet(7) == before


def test_what_another_hand_changed_since_stays(directory: Path) -> None:
    site = site_of("one-line", directory)
    done(site, merge={"valid-lifetime": 1000, "renew-timer": 50})
    site.path.write_text(site.path.read_text().replace("1000", "1001"))
    done(site)
    assert site.document().get(("Dhcp4", "valid-lifetime")) == 1001
    assert '"renew-timer"' not in site.path.read_text()


def test_a_killed_run_leaves_a_record_that_the_next_run_can_use(directory: Path) -> None:
    site = site_of("one-line", directory)
    found = site.texts()
    done(site, merge={"valid-lifetime": 1000})
    site.path.write_bytes(found["kea-dhcp4.conf"])  # the record was written, the configuration was not
    assert not done(site)["changed"]
    assert site.texts() == found
    assert not json.loads(site.record.read_text())["keys"]


def test_a_subnet_of_the_site_is_removed_only_if_allowed(directory: Path) -> None:
    site = site_of("one-line", directory, {"10.9.0.7": 1, "10.9.0.8": 1, "10.9.1.3": 2})
    absent = {"subnet4": [{"id": 1, "state": "absent"}]}
    message = refusal(site, merge=absent)
    assert "10.9.0.0/24 (id 1)" in message
    assert "1 pools and 1 reservations" in message
    assert "2 live leases" in message
    assert "Kea's configuration was not changed" in message, "packages and files may be new by then"
    done(site, merge=absent, allow_removals=True)
    assert [one.id for one in site.subnets()] == [2]
    assert not site.merge(merge=absent)["changed"]


def test_a_pool_of_ours_goes_unless_it_holds_leases(directory: Path) -> None:
    site = site_of("one-line", directory, {"10.9.1.60": 2})
    for pool in ("10.9.1.10 - 10.9.1.20", "10.9.1.10 - 10.9.1.30"):
        done(site, merge={"subnet4": [{"id": 2, "pools": [{"pool": pool}]}]})
        assert site.subnet(2)["pools"] == [{"pool": pool}]
    done(site, merge={"subnet4": [{"id": 2, "pools": [{"pool": "10.9.1.50 - 10.9.1.99"}]}]})
    message = refusal(site, merge={"subnet4": [{"id": 2, "pools": [{"pool": "10.9.1.70 - 10.9.1.99"}]}]})
    assert "pool 10.9.1.50 - 10.9.1.99, 1 live leases" in message
    done(site, merge={"subnet4": [{"id": 2, "pools": [{"pool": "10.9.1.40 - 10.9.1.99"}]}]})


@pytest.mark.parametrize("may_edit", [False, True])
def test_an_included_file_of_the_variables_goes_with_them(may_edit: bool, directory: Path) -> None:
    """Also where the play found that it may edit the files that Kea includes: the variables name this one whole."""
    site = site_of("one-line", directory)
    before = site.subnet(2)
    included = directory / "rack.json"
    included.write_text('{ "hw-address": "02:00:00:00:00:77", "ip-address": "10.9.1.77" }\n')
    reservations = [{"<?include?>": str(included)}, {"hw-address": "02:00:00:00:00:78", "ip-address": "10.9.1.78"}]
    edited = [str(included)] if may_edit else []
    done(site, merge={"subnet4": [{"id": 2, "reservations": reservations}]}, included=edited)
    assert str(included) in site.path.read_text()
    assert not done(site, merge={"subnet4": [{"id": 2, "reservations": reservations}]}, included=edited)["changed"]
    done(site, merge={}, included=edited)
    assert site.subnet(2) == before
    assert str(included) not in site.path.read_text()


def test_a_subnet_of_ours_with_a_reservation_of_the_site_is_not_ours_to_remove(directory: Path) -> None:
    site = site_of("one-line", directory)
    done(site, merge={"subnet4": [{"id": 30, "subnet": "10.30.0.0/24"}]})
    foreign = '"subnet": "10.30.0.0/24", "reservations": [ { "duid": "01:02:03", "ip-address": "10.30.0.3" } ]'
    site.path.write_text(site.path.read_text().replace('"subnet": "10.30.0.0/24"', foreign))
    assert "10.30.0.0/24 (id 30)" in refusal(site)
    site.path.write_text(site.path.read_text().replace(foreign, '"subnet": "10.30.0.0/24"'))
    done(site)
    assert [one.id for one in site.subnets()] == [1, 2]


def test_managed_reservations_of_what_goes_are_counted(directory: Path) -> None:
    """Their clients may be switched off, and have no live lease."""
    site = site_of("one-line", directory)
    managed = directory / "applied" / "subnet-30.json"
    managed.parent.mkdir()
    managed.write_text('{"hw-address": "02:00:00:00:00:09", "ip-address": "10.30.0.25"}\n')
    subnet = {"id": 30, "subnet": "10.30.0.0/24", "reservations": [{"<?include?>": str(managed)}]}
    done(site, merge={"subnet4": [{**subnet, "pools": [{"pool": "10.30.0.10 - 10.30.0.29"}]}]})
    assert "0 live leases and 1 managed reservations" in refusal(site)
    smaller = {"subnet4": [{**subnet, "pools": [{"pool": "10.30.0.10 - 10.30.0.19"}]}]}
    assert "pool 10.30.0.10 - 10.30.0.29, 0 live leases and 1 managed reservations" in refusal(site, merge=smaller)
    done(site, merge={"subnet4": [{**subnet, "pools": [{"pool": "10.30.0.20 - 10.30.0.29"}]}]})
    done(site, allow_removals=True)


@pytest.mark.parametrize("include", [True, False])
def test_a_pool_of_an_earlier_release_is_replaced_by_the_one_that_overlaps_it(include: bool, directory: Path) -> None:
    """That release kept no record, and all that tells its subnets is the include of managed reservations."""
    site = site_of("one-line", directory, {"10.9.0.60": 1})
    if include:
        managed = directory / "applied" / "subnet-1.json"
        managed.parent.mkdir()
        managed.touch()
        text = site.path.read_text()
        site.path.write_text(text.replace('"10.9.0.200"}]', f'"10.9.0.200"}},<?include "{managed}"?>]', 1))

    def wanted(pool: str) -> dict[str, Any]:
        return {"subnet4": [{"id": 1, "pools": [{"pool": pool}]}]}

    if not include:
        assert "overlap" in site.merge(merge=wanted("10.9.0.50 - 10.9.0.120"))["msg"]
        return
    assert "pool 10.9.0.2 - 10.9.0.99, 1 live leases" in refusal(site, merge=wanted("10.9.0.70 - 10.9.0.120"))
    done(site, merge=wanted("10.9.0.50 - 10.9.0.120"))
    assert site.subnet(1)["pools"] == [{"pool": "10.9.0.50 - 10.9.0.120"}]
    assert len(site.subnet(1)["reservations"]) == 2
    assert not site.merge(merge=wanted("10.9.0.50 - 10.9.0.120"))["changed"]


def test_exclusive_names_all_that_it_would_remove(directory: Path) -> None:
    site = site_of("shared", directory)
    wanted = {"subnet4": [{"id": 9}]}
    message = refusal(site, merge=wanted, exclusive=True)
    assert "10.10.0.0/24 (id 7)" in message
    assert "10.10.1.0/24 (id 8)" in message
    done(site, merge=wanted, exclusive=True, allow_removals=True)
    assert [(one.id, one.network) for one in site.subnets()] == [(9, "hall-b")]
    assert not site.merge(merge=wanted, exclusive=True)["changed"]


def test_ids_that_kea_chose_are_written_down_and_never_change_under_leases(directory: Path) -> None:
    """B5."""
    site = site_of("no-ids", directory, {"192.168.10.60": 2})
    message = refusal(site, merge={"subnet4": [{"id": 10, "subnet": "192.168.10.0/24"}]})
    assert "192.168.10.0/24 (id 2), a subnet, whose id becomes 10" in message
    assert "1 live leases" in message
    done(site, merge={"subnet4": [{"subnet": "192.168.20.0/24", "renew-timer": 5}]})
    assert {one.prefix: one.id for one in site.subnets()} == {
        "192.168.30.0/24": 1, "192.168.10.0/24": 2, "192.168.20.0/24": 3,
    }  # fmt: skip


def test_kea_is_not_asked_for_ids_that_are_given(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It serves no client while it answers config-get."""
    asked: list[Any] = []
    monkeypatch.setattr(served, "served", lambda *arguments: asked.append(arguments))
    site = site_of("no-ids", directory)
    merge = {"subnet4": [{"subnet": "192.168.20.0/24", "renew-timer": 5}]}
    ids = {"192.168.30.0/24": 11, "192.168.10.0/24": 12, "192.168.20.0/24": 13}
    given = [{"subnet": prefix, "id": number} for prefix, number in ids.items()]
    assert site.merge(check=True, merge=merge, known_ids=given[:2])["changed"]
    assert len(asked) == 1
    done(site, merge=merge, known_ids=given)
    assert len(asked) == 1
    assert {one.prefix: one.id for one in site.subnets()} == ids


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"subnet4": [{"id": 99}]}, "subnet 99 is new here, so it needs both an id other than 0 and a subnet"),
        ({"subnet4": [{"id": 0, "subnet": "10.8.0.0/24"}]}, "it needs both an id other than 0 and a subnet"),
        ({"subnet4": [{"pools": []}]}, "an element of subnet4 needs id or subnet"),
        ({"subnet4": [{"id": 1}, {"id": 1}]}, "subnet 1 is named twice"),
        ({"subnet4": [{"id": 1, "pools": [{"pool": "nonsense"}]}]}, "'nonsense' is no pool"),
        ({"subnet4": [{"id": 1, "state": "gone"}]}, "state of an element of subnet4 is present or absent"),
        ({"loggers": [{"severity": "WARN"}]}, "an element of loggers needs name"),
        ({"valid-lifetime": "long"}, "Kea refuses the configuration"),
    ],
)
def test_bad_values_are_refused_by_name(values: dict[str, Any], message: str, directory: Path) -> None:
    site = site_of("one-line", directory)
    before = site.texts()
    result = site.merge(merge=values)
    assert result["failed"]
    assert message in result["msg"]
    assert site.texts() == before
    assert not site.record.exists()


def test_what_is_added_stands_in_the_file_in_which_its_map_begins(directory: Path) -> None:
    """The configuration ends with an include. A key that went there would be in force before the rest of a move."""
    site = site_of("includes", directory)
    found = site.texts()
    wanted = {
        "lease-database": {"type": "memfile", "lfc-interval": 0},
        "subnet4": [{"id": 9, "subnet": "10.9.0.0/24", "pools": [{"pool": "10.9.0.5 - 10.9.0.9"}]}],
    }
    done(site, merge=wanted)
    assert {name for name, text in site.texts().items() if text != found[name]} == {site.path.name}
    done(site)
    assert site.texts() == found


def test_an_included_file_is_changed_only_if_it_is_named(directory: Path) -> None:
    site = site_of("includes", directory)
    wanted = {"subnet4": [{"id": 3, "renew-timer": 5}], "option-data": [{"name": "ntp-servers", "data": "192.0.2.9"}]}
    found = site.texts()
    done(site, merge=wanted)
    changed = {name for name, text in site.texts().items() if text != found[name]}
    assert changed == {"subnets.json", "options.json"}
    done(site)
    assert site.texts() == found
    result = site.merge(merge={"loggers": [{"name": "kea-dhcp4", "severity": "INFO"}]}, included=[])
    assert "loggers comes from the included file" in result["msg"]


@pytest.mark.parametrize(
    "host",
    [
        {"hw-address": "2:0:0:0:0:9", "ip-address": "10.9.1.50"},
        {"hw-address": "02:00:00:00:00:77", "ip-address": "10.9.1.9"},
    ],
)
def test_a_managed_reservation_gives_way_to_that_of_the_site(host: dict[str, str], directory: Path) -> None:
    """B10: Kea would refuse two reservations for one client, or for one address."""
    site = site_of("one-line", directory)
    managed = directory / "applied" / "subnet-2.json"
    managed.parent.mkdir()
    other = '{"hw-address": "02:00:00:00:00:0a", "ip-address": "10.9.1.10"}'
    managed.write_text(f'{{"hw-address": "02:00:00:00:00:09", "ip-address": "10.9.1.9"}},\n// kept\n{other}\n')
    include = {"<?include?>": str(managed)}
    done(site, merge={"subnet4": [{"id": 2, "reservations": [include]}]})
    wanted = {"subnet4": [{"id": 2, "reservations": [include, host]}]}
    before = managed.read_text()
    assert site.merge(check=True, merge=wanted)["changed"]
    assert managed.read_text() == before
    assert done(site, merge=wanted)["gave_way"] == ["10.9.1.9 in 10.9.1.0/24 (id 2)"]
    assert managed.read_text() == f"// kept\n{other}\n"


def test_a_managed_reservation_gives_way_to_one_outside_all_subnets(directory: Path) -> None:
    """B12: Kea takes both, and the one in the subnet would hide the other."""
    site = site_of("one-line", directory)
    managed = directory / "applied" / "subnet-2.json"
    managed.parent.mkdir()
    managed.write_text('{"hw-address": "02:00:00:00:00:09", "ip-address": "10.9.1.9"}\n')
    subnets = [{"id": 2, "reservations": [{"<?include?>": str(managed)}]}]
    host = {"hw-address": "2:0:0:0:0:9", "ip-address": "10.9.1.50"}
    wanted = {"subnet4": subnets, "reservations": [host], "reservations-global": False}
    assert "gave_way" not in done(site, merge=wanted), "the subnet does not use it"
    assert done(site, merge={**wanted, "reservations-global": True})["gave_way"] == ["10.9.1.9 in 10.9.1.0/24 (id 2)"]
    assert not managed.read_text()


def written_by_kea(**host: Any) -> dict[str, Any]:
    """A managed reservation as config-write of Kea writes it."""
    none = "0.0.0.0"  # noqa: S104  # what Kea writes for no server
    added = {"boot-file-name": "", "client-classes": [], "hostname": "", "next-server": none, "option-data": []}
    return {**added, "server-hostname": "", "user-context": {"kea-lease-monitor": {"made": 1}}, **host}


def test_copies_that_kea_wrote_return_to_the_included_file(directory: Path) -> None:
    """After config-write the configuration has each managed reservation, and no include. Nothing may be lost."""
    site = site_of("one-line", directory)
    managed = directory / "applied" / "subnet-2.json"
    managed.parent.mkdir()
    lines = [
        f'{{"hw-address": "02:00:00:00:00:0{one}", "ip-address": "10.9.1.{one}", '
        '"user-context": {"kea-lease-monitor": {"made": 1}}}'
        for one in (1, 2, 3)
    ]
    managed.write_text(",\n".join(lines) + "\n")
    wanted = {"subnet4": [{"id": 2, "reservations": [{"<?include?>": str(managed)}], "state": "found"}]}
    done(site, merge=wanted)
    own = {"hw-address": "02:00:00:00:00:aa", "ip-address": "10.9.1.170", "hostname": "site"}
    edited = written_by_kea(**{"hw-address": "02:00:00:00:00:03", "ip-address": "10.9.1.3", "next-server": "10.9.1.9"})
    unknown = written_by_kea(**{"hw-address": "02:00:00:00:00:04", "ip-address": "10.9.1.4"})
    copies = [
        written_by_kea(**{"hw-address": f"02:00:00:00:00:0{one}", "ip-address": f"10.9.1.{one}"}) for one in (1, 2)
    ]
    document = site.document()
    site.path.write_text(
        document.put(parse_path("Dhcp4/subnet4[id=2]/reservations"), [copies[0], own, edited, unknown, copies[1]]).text
    )
    assert site.accepted()
    assert str(managed) not in site.path.read_text()
    assert len(reserving.hosts(site.subnet(2)["reservations"])) == 2, "the site's own, and the edited one"
    preview = site.merge(check=True, merge=wanted)
    result = done(site, merge=wanted)
    assert preview["returned"] == result["returned"] == {"10.9.1.0/24 (id 2)": 2}
    assert result["gave_way"] == ["10.9.1.3 in 10.9.1.0/24 (id 2)"]
    assert site.subnet(2)["reservations"] == [own, edited, unknown, Include(str(managed))]
    assert managed.read_text() == ",\n".join(lines[:2]) + "\n"
    again = site.merge(merge=wanted)
    assert (again["changed"], "returned" in again) == (False, False)


def test_without_an_include_the_copies_stay(directory: Path) -> None:
    """In database mode Kea needs them until a person removes them."""
    site = site_of("one-line", directory)
    copy = written_by_kea(**{"hw-address": "02:00:00:00:00:01", "ip-address": "10.9.1.1"})
    path = parse_path("Dhcp4/subnet4[id=2]/reservations")
    site.path.write_text(site.document().put(path, [copy]).text)
    assert "returned" not in done(site, merge={"subnet4": [{"id": 2, "renew-timer": 7}]})
    assert site.subnet(2)["reservations"] == [copy]


LEASED = {"10.9.1.60": 2}
"""The lease of 02:00:00:00:00:01."""


@pytest.mark.parametrize(
    ("host", "leases", "address"),
    [
        ({"hw-address": "2:0:0:0:0:1", "hostname": "rack7"}, LEASED, "10.9.1.60"),
        ({"hw-address": "020000000001", "hostname": "rack7"}, LEASED, "10.9.1.60"),
        ({"hw-address": "02:00:00:00:00:01", "client-classes": ["x"]}, LEASED, None),
        ({"hw-address": "02:00:00:00:00:02", "hostname": "rack7"}, LEASED, None),
        ({"client-id": "02:00:00:00:00:01", "hostname": "rack7"}, LEASED, None),
        ({"flex-id": "02:00:00:00:00:01", "hostname": "rack7"}, LEASED, None),
        ({"hw-address": "02:00:00:00:00:01", "hostname": "rack7"}, {"10.9.1.60": 1}, None),
        ({"hw-address": "02:00:00:00:00:01", "hostname": "rack7"}, {"10.8.0.1": 2}, None),
        ({"hw-address": "02:00:00:00:00:01", "hostname": "rack7"}, {"10.9.1.60": 2, "10.9.1.61": 2}, None),
        ({"hw-address": "02:00:00:00:00:01", "ip-address": "10.9.1.7"}, LEASED, "10.9.1.7"),
    ],
)
def test_a_reservation_without_an_address_gets_that_of_its_clients_lease(
    host: dict[str, str], leases: dict[str, int], address: str | None, directory: Path
) -> None:
    """B11: from the variables, and again nothing; then by hand, without variables."""
    site = site_of("one-line", directory, leases)
    wanted = {"subnet4": [{"id": 2, "reservations": [host]}]}
    before = site.path.read_bytes()
    preview = site.merge(check=True, merge=wanted, complete_reservations=True)
    assert preview["changed"]
    assert site.path.read_bytes() == before
    result = done(site, merge=wanted, complete_reservations=True)
    added = address is not None and "ip-address" not in host
    assert result.get("completed", []) == ([f"{address} in 10.9.1.0/24 (id 2)"] if added else [])
    expected = {**host, "ip-address": address} if address else host
    assert site.subnet(2)["reservations"] == [expected]
    assert not site.merge(merge=wanted, complete_reservations=True)["changed"]
    by_hand = site_of("one-line", directory, leases)
    text = by_hand.path.read_text().replace('"id":2', f'"reservations":[{json.dumps(host)}],"id":2', 1)
    by_hand.path.write_text(text)
    by_hand.record.unlink()
    assert ("completed" in done(by_hand, complete_reservations=True)) is added
    assert by_hand.subnet(2)["reservations"] == [expected]


def test_where_nothing_is_merged_only_the_address_is_added(directory: Path) -> None:
    """Neither ids of subnets nor a record."""
    site = site_of("no-ids", directory)
    before = site.path.read_bytes()
    assert not done(site, complete_reservations=True)["changed"]
    assert (site.path.read_bytes(), site.record.exists()) == (before, False)


def test_an_address_that_another_reservation_has_is_not_added(directory: Path) -> None:
    site = site_of("one-line", directory, LEASED)
    hosts = [
        {"hw-address": "02:00:00:00:00:01", "hostname": "a"},
        {"hw-address": "02:00:00:00:00:02", "ip-address": "10.9.1.60"},
    ]
    assert "completed" not in done(
        site, merge={"subnet4": [{"id": 2, "reservations": hosts}]}, complete_reservations=True
    )


def test_nineteen_subnets_with_many_reservations_keep_all_of_them(directory: Path) -> None:
    """B2: one of the subnets is in the variables."""
    subnets = []
    for number in range(1, 20):
        hosts = ",\n".join(
            f'        {{ "hw-address": "02:00:00:00:{number:02x}:{host:02x}", "ip-address": "10.{number}.0.{host}" }}'
            for host in range(10, 90)
        )
        subnets.append(f'    {{ "id": {number}, "subnet": "10.{number}.0.0/24", "reservations": [\n{hosts}\n    ] }}')
    path = directory / "kea-dhcp4.conf"
    path.write_text('{ "Dhcp4": { "subnet4": [\n' + ",\n".join(subnets) + "\n] } }\n")
    site, found = Site(path), path.read_bytes()
    done(site, merge={"subnet4": [{"id": 4, "pools": [{"pool": "10.4.0.100 - 10.4.0.199"}], "renew-timer": 60}]})
    assert sum(len(one.reservations) for one in site.subnets()) == 19 * 80
    done(site)
    assert path.read_bytes() == found


def test_a_subnet_of_ours_goes_that_is_only_merged_into_if_it_is_the_site_s(directory: Path) -> None:
    """In file mode, the play names each subnet of the server for the file of its managed reservations."""
    site = site_of("shared", directory)
    new = {"id": 30, "subnet": "10.30.0.0/24", "pools": [{"pool": "10.30.0.10 - 10.30.0.20"}]}
    own = [{"id": 7, "renew-timer": 7, "state": "found"}]
    done(site, merge={"subnet4": [new, *own]})
    assert site.subnet(7)["renew-timer"] == 7
    done(site, merge={"subnet4": [new, *own]})
    assert {one.id for one in site.subnets()} == {7, 8, 9, 30}
    kept = {"id": 30, "subnet": "10.30.0.0/24", "renew-timer": 30, "state": "found"}
    gone = {"id": 31, "subnet": "10.31.0.0/24", "state": "found"}
    checked = site.merge(check=True, merge={"subnet4": [kept, gone, *own]})
    assert (checked["failed"], checked["changed"]) == (False, True)
    done(site, merge={"subnet4": [kept, gone, *own]})
    assert {one.id for one in site.subnets()} == {7, 8, 9}
    assert site.subnet(7)["renew-timer"] == 7
    assert not site.merge(merge={"subnet4": own})["changed"]


def test_a_configuration_that_only_includes_another_is_edited_there(directory: Path) -> None:
    site = hand_written(directory, '"valid-lifetime": 600, "subnet4": [ ]')
    included = directory / "options.json"
    included.write_bytes(site.path.read_bytes())
    site.path.write_text(f'<?include "{included}"?> // all of it\n')
    found = site.texts()
    done(site, merge={"renew-timer": 60})
    assert '"renew-timer": 60' in included.read_text()
    done(site)
    assert site.texts() == found
    message = site.merge(merge={"renew-timer": 60}, included=[])["msg"]
    assert f"the configuration comes from the included file {included}; it must be changed there" in message
    read = run_module("kea_info", gather=["variables"], path=str(site.path))["variables"]
    assert (read["values"]["kea_dhcp4_settings"]["valid-lifetime"], read["error"]) == (600, None)


@pytest.mark.parametrize("wanted", [{"id": 0, "subnet": "10.1.0.0/24"}, {"subnet": "10.1.0.0/24"}])
def test_the_id_0_is_that_of_no_subnet(wanted: dict[str, Any], directory: Path) -> None:
    """With it Kea chooses one. Beside a number that was written down, that could be the same one."""
    networks = '"shared-networks": [ { "name": "a", "subnet4": [ { "subnet": "10.9.0.0/24" } ] } ]'
    site = hand_written(directory, f'"subnet4": [ {{ "id": 0, "subnet": "10.1.0.0/24" }} ], {networks}')
    host = {"hw-address": "02:00:00:00:00:01", "ip-address": "10.1.0.9"}
    done(site, merge={"subnet4": [{**wanted, "reservations": [host]}]})
    numbers = {one.prefix: one.id for one in site.subnets()}
    assert numbers == {"10.9.0.0/24": 1, "10.1.0.0/24": 2}
    record = site.record.read_text()
    assert '"id": 2' in record
    done(site)
    assert [one.reservations for one in site.subnets()] == [[], []]
    site = hand_written(
        directory, f'"subnet4": [ {{ "id": 0, "subnet": "10.1.0.0/24", "renew-timer": 5 }} ], {networks}'
    )
    wrote = "ef2d127de37b942baad06145e54b0c619a1f22327b2ebbcfbec78f5564afe39d"
    path = ["subnet4", {"id": 0}, "renew-timer"]
    site.record.write_text(json.dumps({"version": 1, "keys": [{"path": path, "found": None, "wrote": wrote}]}))
    done(site)
    assert "renew-timer" not in site.path.read_text(), "as an earlier release wrote the record"


def test_a_pool_and_a_prefix_may_have_tabs(directory: Path) -> None:
    pools = r'[ { "pool": "10.1.0.1\t-\t10.1.0.9" }, { "pool": "10.1.1.0\t/\t28" } ]'
    site = hand_written(directory, rf'"subnet4": [ {{ "id": 1, "subnet": "10.1.0.0\t/16", "pools": {pools} }} ]')
    same = [{"pool": "10.1.0.1 - 10.1.0.9"}, {"pool": "10.1.1.0/28"}]
    assert not done(site, merge={"subnet4": [{"subnet": "10.1.0.0/16", "pools": same}]})["changed"]
    read = run_module("kea_info", gather=["variables"], path=str(site.path))["variables"]
    assert (read["error"], read["notes"]) == (None, [])
