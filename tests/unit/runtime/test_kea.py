# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea/: rows, times, kinds."""

from __future__ import annotations

import pytest
from _kea.lease_csv import header_line
from hypothesis import given, settings
from hypothesis import strategies as st
from kea_lease_monitor.kea import changes, identifiers, reservations
from kea_lease_monitor.kea.reservations import Verdict
from kea_lease_monitor.kea.rows import Header
from kea_lease_monitor.lease import EventKind, LeaseState
from support.host_lists import Hosts

from runtime.builders import HEADER, NOW, lease

FIELDS = b"10.0.0.1,02:00:00:00:00:AB,01:02,3600,1700003600,1,0,0,a&#x2cb,0,{&#x22x&#x22: 1}"


def test_a_row_of_kea_2_2_and_its_escapes() -> None:
    found = Header(HEADER.encode()).parse(FIELDS)
    assert (found.address, found.hwaddr, found.client_id) == ("10.0.0.1", "02:00:00:00:00:ab", "01:02")
    assert (found.hostname, found.user_context, found.cltt, found.expires) == ("a,b", '{"x": 1}', NOW, NOW + 3600)


def test_a_row_of_kea_3_0_has_one_more_column() -> None:
    assert Header(HEADER.rstrip().encode() + b",pool_id").parse(FIELDS + b",7").address == "10.0.0.1"


HEADER6 = header_line(6).encode()
FIELDS6 = b"2001:DB8::0:1,00:01:00:01:AB,3600,1700003600,7,1800,0,4294967295,128,0,0,a&#x2cb,02:00:00:00:00:ab,0,,1,2"


def test_rows_of_dhcpv6() -> None:
    for header, fields in ((HEADER6, FIELDS6), (HEADER6 + b",pool_id", FIELDS6 + b",3")):
        found = Header(header).parse(fields)
        assert (found.family, found.address, found.duid, found.iaid) == (6, "2001:db8::1", "00:01:00:01:ab", 2**32 - 1)
        assert (found.hwaddr, found.hostname, found.subnet_id, found.prefix_len) == ("02:00:00:00:00:ab", "a,b", 7, 128)
    declined = Header(HEADER6).parse(FIELDS6.replace(b"00:01:00:01:AB", b"00:00:00").replace(b",0,,1,2", b",1,,1,2"))
    assert (declined.state, declined.duid) == (LeaseState.DECLINED, "")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"2001:DB8::0:1", b"10.0.0.1", "no IPv6 address"),
        (b"00:01:00:01:AB", b"00:00:00", "no duid"),
        (b"00:01:00:01:AB", b"", "no duid"),
        (b",128,", b",129,", "no number up to 128"),
        (b",0,4294967295", b",3,4294967295", "no number up to 2"),
    ],
)
def test_garbage_of_dhcpv6_is_a_value_error(old: bytes, new: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Header(HEADER6).parse(FIELDS6.replace(old, new))


def test_columns_are_found_by_name() -> None:
    names = HEADER.strip().split(",")
    turned = Header(",".join(reversed(names)).encode())
    assert turned.parse(b",".join(reversed(FIELDS.split(b",")))).hostname == "a,b"


def test_a_file_without_the_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="no column hwaddr"):
        Header(b"address,client_id")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b"10.0.0.1", b"10.0.0", "no IPv4 address"),
        (b"3600,17", b"1e3,17", "no number"),
        (b",0,{", b",0,[1]{", "user context .* is no JSON map"),
        (b",0,0,a", b",0,2,a", "neither 0 nor 1"),
        (b"3600,17", b"4294967296,17", "no number"),
        (b"02:00:00:00:00:AB,01:02", b",", "neither"),
        (b"00:AB", b"00:XY", "no identifier"),
        (b",0,{", b",9,{", "LeaseState"),
        (b",0,{", b",{", "fields"),
    ],
)
def test_garbage_is_a_value_error(old: bytes, new: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Header(HEADER.encode()).parse(FIELDS.replace(old, new))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_lease_or_a_value_error(line: bytes) -> None:
    try:
        Header(HEADER.encode()).parse(line)
    except ValueError:
        return


@given(st.integers(0, 2**32 - 1))
def test_addresses_round_trip(number: int) -> None:
    assert identifiers.number(identifiers.dotted(number)) == number


HELD = lease(1)


@pytest.mark.parametrize(
    ("previous", "now", "kind"),
    [
        (None, HELD, EventKind.ASSIGNED),
        (HELD, HELD._replace(cltt=NOW + 60), EventKind.RENEWED),
        (HELD, HELD._replace(hostname="other"), EventKind.CHANGED),
        (HELD, lease(1, client=2), EventKind.ASSIGNED),
        (HELD, HELD._replace(cltt=NOW + 3601), EventKind.ASSIGNED),
        (HELD._replace(state=LeaseState.RECLAIMED), HELD, EventKind.ASSIGNED),
        (HELD, HELD._replace(state=LeaseState.RECLAIMED), EventKind.RECLAIMED),
        (HELD, HELD._replace(state=LeaseState.DECLINED, hwaddr=""), EventKind.DECLINED),
        (HELD, HELD._replace(state=LeaseState.RELEASED, valid_lifetime=0), EventKind.RELEASED),
    ],
)
def test_kinds_are_the_same_in_both_backends(previous: object, now: object, kind: EventKind) -> None:
    before = changes.trace(previous) if previous else None
    assert changes.of_row(before, now) is kind
    assert changes.of_record("U", before, now) is kind


def test_lifetime_0_deletes_in_a_file_and_releases_in_the_database_of_kea_2_4() -> None:
    gone = HELD._replace(valid_lifetime=0)
    assert changes.of_row(changes.trace(HELD), gone) is EventKind.DELETED
    assert changes.of_record("U", changes.trace(HELD), gone) is EventKind.RELEASED
    assert changes.of_record("D", None, HELD) is EventKind.DELETED


def test_a_lease_that_expired_before_it_was_read_is_expired() -> None:
    assert changes.of_reading(None, HELD, NOW + 3600) is EventKind.EXPIRED
    assert changes.of_reading(None, HELD._replace(expires=None), NOW + 10**9) is EventKind.ASSIGNED


def test_hosts_written_by_a_person_keep_their_text() -> None:
    text = '# mine\n{"hw-address": "02:FF:FF:FF:FF:FF",\n  "ip-address": "10.0.0.9", "boot-file-name": "x"},\n# end\n'
    hosts = Hosts(text.encode())
    assert hosts.reserve(lease(9))[:2] == (Verdict.CONFLICT, "02:ff:ff:ff:ff:ff")
    assert hosts.reserve(lease(1))[:2] == (Verdict.CREATED, "")
    assert hosts.reserve(lease(8, hwaddr="02:ff:ff:ff:ff:ff"))[:2] == (Verdict.EDITED, "10.0.0.9")
    assert hosts.reserve(lease(2, client=1))[:2] == (Verdict.UPDATED, "")
    rendered = hosts.render().decode()
    assert rendered.startswith("# mine\n")
    assert '"boot-file-name": "x"' in rendered
    assert "# end" in rendered
    assert Hosts(rendered.encode()).render().decode() == rendered


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=30))
@settings(deadline=None)
def test_a_host_list_is_the_same_after_it_is_read_again(steps: list[tuple[int, int]]) -> None:
    hosts = Hosts(b"")
    for number, client in steps:
        before = Hosts(hosts.render()).reserve(lease(number, client))
        assert hosts.reserve(lease(number, client)) == before
    assert Hosts(hosts.render()).render() == hosts.render()


def test_a_client_keeps_the_leased_address_and_gets_the_name_that_the_site_gives() -> None:
    """B11: a site's entry with a name and no address."""
    first = lease(1, hostname="own").hwaddr
    hosts = Hosts(b"")
    hosts.reserve(lease(1, hostname="own"))
    named = Hosts(hosts.render(), given={first: "rack-7"})
    assert named.reserve(lease(1, hostname="own"))[:2] == (Verdict.UPDATED, "")
    assert named.reserve(lease(1, hostname="rack-7"))[:2] == (Verdict.UNCHANGED, "")
    (host,) = named.hosts()
    assert (host["ip-address"], host["hostname"]) == ("10.0.0.1", "rack-7")
    assert reservations.is_unchanged(host)
    assert named.reserve(lease(2, client=1, hostname="rack-7"))[:2] == (Verdict.UPDATED, "")
    assert [(host["ip-address"], host["hostname"]) for host in named.hosts()] == [("10.0.0.2", "rack-7")]
    without = Hosts(named.render())
    assert without.reserve(lease(2, client=1, hostname="rack-7"))[:2] == (Verdict.UPDATED, "")
    assert without.reserve(lease(2, client=1, hostname="own"))[:2] == (Verdict.UPDATED, "")
    (host,) = without.hosts()
    assert "hostname" not in host
    assert reservations.is_unchanged(host)


def test_a_new_client_has_the_given_name_at_once() -> None:
    new = lease(1)
    hosts = Hosts(b"", given={new.hwaddr: "rack-7"})
    assert hosts.reserve(new)[:2] == (Verdict.CREATED, "")
    assert hosts.hosts()[0]["hostname"] == "rack-7"


def test_a_name_of_a_person_stays_beside_a_given_one() -> None:
    text = '{"hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1", "hostname": "person"}\n'
    hosts = Hosts(text.encode(), given={"02:00:00:00:00:01": "rack-7"})
    assert hosts.reserve(lease(1))[:2] == (Verdict.UNCHANGED, "")


def test_a_broken_file_names_the_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        Hosts(b'{"hw-address": "02:00:00:00:00:01"},\n{"hw-address": }\n')
