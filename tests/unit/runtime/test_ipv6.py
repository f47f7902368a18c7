# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv6 leases in PostgreSQL, in the schema of Kea 2.2 (an address is a text) and of 2.4 and later (inet)."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import PositionLostError, TemporaryError
from kea_lease_monitor.kea import reservations
from kea_lease_monitor.kea.sql import hosts6
from kea_lease_monitor.lease import LeaseEvent, LeaseState
from kea_lease_monitor.position import EventPosition
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from kea_lease_monitor.sources.events.source import EventsSource
from kea_lease_monitor.sources.events.upkeep import Options
from kea_lease_monitor.sources.polling import Options as PollingOptions
from kea_lease_monitor.sources.polling import PollingSource

from runtime import test_events
from runtime.builders import Time, event
from runtime.contracts import drained
from runtime.world import Kea, grant_rights, install_events

SIX = frozenset({6})
BOTH = frozenset({4, 6})


SCHEMAS = ("varchar", "inet")


def of_schema(kea: Kea, schema: str) -> Kea:
    """Return the database with IPv6 addresses of this type, and the rights of the monitor."""
    if schema == "inet":
        # kea-facts 1.2: what the upgrade to schema 18.0 does.
        for table in ("lease6", "ipv6_reservations"):
            kea.rows(f"ALTER TABLE {table} ALTER COLUMN address TYPE inet USING address::inet")
    install_events(kea.cluster.socket, kea.name, lease6=True)
    grant_rights(kea.cluster.socket, kea.name, dhcp6=True)
    return kea


@pytest.fixture(params=SCHEMAS)
def kea(kea: Kea, request: pytest.FixtureRequest) -> Kea:
    return of_schema(kea, request.param)


def grant(kea: Kea, address: str, client: int, hostname: str = "", **more: Any) -> None:
    """INSERT a lease of an hour, as Kea does."""
    kea.rows(
        "INSERT INTO lease6 (address, duid, valid_lifetime, expire, subnet_id, pref_lifetime, lease_type, iaid,"
        " prefix_len, fqdn_fwd, fqdn_rev, hostname, state, hwaddr, user_context) VALUES"
        " (%s, decode(%s, 'hex'), 3600, now() + make_interval(secs => %s), 1, 1800, %s, %s, 128, false, false, %s,"
        " %s, '', '')",
        *(address, more.get("duid", f"0001{client:04x}"), more.get("left", 3600), more.get("lease_type", 0)),
        *(more.get("iaid", 1), hostname, more.get("state", 0)),
    )


def addresses(events: list[LeaseEvent]) -> list[str]:
    return [event.lease.address for event in events]


def make(link: Callable[[], Any], clock: Clock, families: frozenset[int] = frozenset()) -> EventsSource:
    return EventsSource("default", link(), Options(families=families), {"default": 0}, clock)


def poll(link: Callable[[], Any], clock: Clock, families: frozenset[int] = frozenset()) -> PollingSource:
    return PollingSource(link(), PollingOptions(families=families), clock)


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture(params=[make, poll], ids=["events", "polling"])
def opened(request: pytest.FixtureRequest, link: Callable[[], Any], now: Time) -> Iterator[Callable[..., Any]]:
    """Return a function that opens sources."""
    sources: list[Any] = []

    def act(families: frozenset[int] = frozenset()) -> Any:
        sources.append(request.param(link, now.clock(), families))
        return sources[-1]

    yield act
    for source in sources:
        source.close()


def test_current_leases_of_both_families_come_in_one_order(kea: Kea, opened: Callable[..., Any]) -> None:
    for number in (9, 10, 1):
        kea.lease(f"10.0.0.{number}", f"02:00:00:00:00:{number:02x}")
        grant(kea, f"2001:db8::{number:x}", number)
    grant(kea, "2001:db8::1:0", 16)
    four = [f"10.0.0.{number}" for number in (1, 9, 10)]
    six = ["2001:db8::1", "2001:db8::9", "2001:db8::a", "2001:db8::1:0"]
    for families, expected in ((BOTH, four + six), (frozenset(), four + six), (SIX, six), (frozenset({4}), four)):
        source = opened(families)
        events, position = drained(source, source.start(True))
        assert addresses(events) == expected, families
        kea.rows("UPDATE lease6 SET hostname = hostname || 'x'")
        kea.rows("UPDATE lease4 SET hostname = hostname || 'x'")
        events, position = drained(source, position)
        assert sorted(addresses(events)) == sorted(expected)
        assert {event.kind.value for event in events} == {"changed"}
        assert drained(source, position)[0] == []


def test_a_lease_has_all_that_kea_stored(kea: Kea, opened: Callable[..., Any]) -> None:
    source = opened()
    position = drained(source, source.start(True))[1]
    grant(kea, "2001:db8::7", 7, "bmc-7", iaid=-2)
    ((told,), position) = drained(source, position)
    expected = {
        "family": 6, "address": "2001:db8::7", "duid": "00:01:00:07", "iaid": 2**32 - 2, "lease_type": 0,
        "prefix_len": 128, "subnet_id": 1, "hostname": "bmc-7", "hwaddr": "", "client_id": "", "valid_lifetime": 3600,
    }  # fmt: skip
    assert {name: getattr(told.lease, name) for name in expected} == expected
    kea.rows("UPDATE lease6 SET hwaddr = '\\x020000000007', hwaddr_source = 8")
    ((told,), position) = drained(source, position)
    assert (told.lease.hwaddr, told.lease.hwaddr_source) == ("02:00:00:00:00:07", 8)


def test_the_life_of_a_lease(kea: Kea, opened: Callable[..., Any], now: Time) -> None:
    source = opened(SIX)
    position = drained(source, source.start(True))[1]
    grant(kea, "2001:db8::1", 1)
    for statement, kind in (
        ("SELECT 1", "assigned"),
        ("UPDATE lease6 SET expire = expire + interval '1 minute'", "renewed"),
        ("UPDATE lease6 SET duid = '\\x0009'", "assigned"),
        ("UPDATE lease6 SET iaid = 9", "assigned"),
        ("UPDATE lease6 SET state = 1, duid = '\\x000000'", "declined"),
        ("UPDATE lease6 SET state = 2", "reclaimed"),
        ("DELETE FROM lease6", "deleted"),
    ):
        kea.rows(statement)
        now.now += PollingOptions().full_interval if kind == "deleted" else 0
        events, position = drained(source, position)
        # The trigger writes no event for a renewal; a comparison of all leases finds it.
        expected = [] if kind == "renewed" and isinstance(source, EventsSource) else [kind]
        assert [event.kind.value for event in events] == expected, statement


def test_of_several_leases_of_one_association_the_youngest_counts(kea: Kea, link: Callable[[], Any]) -> None:
    """Two associations of one client each have their own."""
    grant(kea, "2001:db8::1", 1, left=3000)
    grant(kea, "2001:db8::2", 1, left=3600)
    grant(kea, "2001:db8::3", 1, left=10, iaid=2)
    grant(kea, "2001:db8:1::", 1, left=10, lease_type=2)
    for number in (4, 5):
        grant(kea, f"2001:db8::{number}", 0, duid="000000", state=1)
    source = make(link, Clock())
    found = addresses(drained(source, source.start(True))[0])
    assert found == ["2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5", "2001:db8:1::"]
    source.close()


def test_unreadable_leases_are_told_and_followed_once_they_are_readable(
    kea: Kea, link: Callable[[], Any], said: Callable[[], str]
) -> None:
    kea.rows('REVOKE ALL ON lease6 FROM "kea-lease-monitor"')
    grant(kea, "2001:db8::1", 1)
    now = Time()
    source = make(link, now.clock())
    events, position = drained(source, source.start(True))
    assert events == []
    now.now += 6
    source.read(position, 10)
    assert said().count("Leases of DHCPv6 have events, and are left out") == 1
    kea.rows('GRANT SELECT ON lease6 TO "kea-lease-monitor"')
    now.now += 6
    with pytest.raises(PositionLostError, match="triggers"):
        source.read(position, 10)
    assert addresses(drained(source, source.start(True))[0]) == ["2001:db8::1"]
    source.close()


def test_leases_that_become_readable_are_read_by_polling_in_the_next_session(kea: Kea, link: Callable[[], Any]) -> None:
    kea.rows('REVOKE ALL ON lease6 FROM "kea-lease-monitor"')
    grant(kea, "2001:db8::1", 1)
    first = poll(link, Clock())
    events, position = drained(first, first.start(True))
    first.close()
    assert events == []
    kea.rows('GRANT SELECT ON lease6 TO "kea-lease-monitor"')
    again = poll(link, Clock())
    with pytest.raises(PositionLostError, match="another family"):
        again.read(position, 10)
    assert addresses(drained(again, again.start(True))[0]) == ["2001:db8::1"]
    again.close()


def test_unreadable_leases_that_the_subscription_names_are_an_error(kea: Kea, opened: Callable[..., Any]) -> None:
    kea.rows('REVOKE ALL ON lease6 FROM "kea-lease-monitor"')
    source = opened(BOTH)
    with pytest.raises(TemporaryError, match="permission denied for table lease6"):
        drained(source, source.start(True))


def test_without_triggers_a_subscription_that_names_them_reads_all_leases_each_minute(
    kea: Kea, link: Callable[[], Any]
) -> None:
    kea.rows("DROP TRIGGER kea_lease_notify_trigger ON lease6; DROP TRIGGER kea_lease_notify_trigger_update ON lease6")
    grant(kea, "2001:db8::1", 1)
    for families, expected in ((frozenset(), []), (SIX, ["2001:db8::1"])):
        now = Time()
        source = make(link, now.clock(), families)
        events, position = drained(source, source.start(True))
        assert addresses(events) == expected
        now.now += 61
        if families:
            with pytest.raises(PositionLostError, match="no trigger"):
                source.read(position, 10)
        else:
            assert source.read(position, 10).caught_up
        source.close()


def test_a_trigger_that_was_off_is_noticed_on_lease6(kea: Kea, link: Callable[[], Any]) -> None:
    now = Time()
    source = make(link, now.clock())
    _events, position = drained(source, source.start(True))
    kea.rows("ALTER TABLE lease6 DISABLE TRIGGER USER")
    grant(kea, "2001:db8::1", 1)
    kea.rows("ALTER TABLE lease6 ENABLE TRIGGER USER")
    now.now += 6
    with pytest.raises(PositionLostError, match="disabled"):
        source.read(position, 10)
    source.close()


def test_half_a_scan_is_continued_in_the_next_session(kea: Kea, link: Callable[[], Any]) -> None:
    for number in range(1, 6):
        grant(kea, f"2001:db8::{number}", number)
    first = make(link, Clock())
    position: Any = first.start(True)
    while not (batch := first.read(position, 2)).events:
        position = batch.position
    first.close()
    assert isinstance(batch.position, EventPosition)
    again = make(link, Clock())
    assert addresses(drained(again, batch.position)[0]) == [f"2001:db8::{number}" for number in (3, 4, 5)]
    again.close()


def six(number: int, client: int = 0, iaid: int = 1, **more: Any) -> LeaseEvent:
    values: dict[str, Any] = {
        "family": 6, "address": f"2001:db8::{number:x}", "duid": f"00:01:00:{client or number:02x}", "iaid": iaid,
        "hwaddr": "", "prefix_len": 128,
    }  # fmt: skip
    return event(number, client, **{**values, **more})


def reserved(kea: Kea) -> list[tuple[str, str]]:
    """Return (DUID, address) of each reservation, in the order of the addresses."""
    found = kea.rows(
        "SELECT encode(dhcp_identifier, 'hex'), split_part(address::text, '/', 1) FROM hosts"
        " JOIN ipv6_reservations USING (host_id) WHERE dhcp6_subnet_id = 1 AND dhcp4_subnet_id IS NULL"
    )
    return sorted(found, key=lambda row: str(row[1]))


@pytest.fixture
def sink(kea: Kea, link: Callable[[], Any]) -> Iterator[ReservationSink]:
    sink = ReservationSink(link())
    yield sink
    sink.close()


def by_hand(kea: Kea, identifier: str, kind: int, address: str = "") -> None:
    [(host,)] = kea.rows(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id)"
        " VALUES (decode(%s, 'hex'), %s, 1) RETURNING host_id",
        *(identifier, kind),
    )
    if address:
        kea.rows("INSERT INTO ipv6_reservations (address, host_id) VALUES (%s, %s)", address, host)


def test_created_then_unchanged_then_moved(kea: Kea, sink: ReservationSink) -> None:
    assert sink.deliver([six(1), six(2), event(3)]).created == 3
    before = kea.rows("SELECT host_id, xmin FROM hosts ORDER BY 1"), kea.rows("SELECT xmin FROM ipv6_reservations")
    used = "SELECT h.last_value, r.last_value FROM hosts_host_id_seq h, ipv6_reservations_reservation_id_seq r"
    numbers = kea.rows(used)
    for _time in range(2):
        assert sink.deliver([six(1), six(2), event(3)]).unchanged == 3
    assert before == (
        kea.rows("SELECT host_id, xmin FROM hosts ORDER BY 1"),
        kea.rows("SELECT xmin FROM ipv6_reservations"),
    )
    assert sink.deliver([six(9, client=1)]).updated == 1
    assert kea.rows(used) == numbers, "neither costs a number"
    assert reserved(kea) == [("00010002", "2001:db8::2"), ("00010001", "2001:db8::9")]
    assert next(row[:2] for row in kea.reservations()) == ("020000000003", "10.0.0.3")


def test_each_association_of_a_client_keeps_its_address(kea: Kea, sink: ReservationSink) -> None:
    batch = [six(1, 1, iaid=1), six(2, 1, iaid=2), six(3, 1, iaid=3)]
    delivery = sink.deliver(batch)
    assert (delivery.created, delivery.updated) == (1, 2)
    assert sink.deliver([six(7, 1, iaid=2)]).updated == 1
    assert [address for _duid, address in reserved(kea)] == ["2001:db8::1", "2001:db8::3", "2001:db8::7"]
    assert sink.deliver([six(7, 1, iaid=2), six(1, 1, iaid=1)]).unchanged == 2
    assert kea.rows("SELECT count(*) FROM hosts") == [(1,)]


def test_temporary_addresses_and_prefixes_are_skipped(kea: Kea, sink: ReservationSink) -> None:
    events = [
        six(1, lease_type=2, prefix_len=56), six(2, lease_type=1), six(3, state=LeaseState.REGISTERED),
        six(4, duid=""),
    ]  # fmt: skip
    assert sink.deliver(events).skipped == 4
    assert reserved(kea) == []


def test_an_address_of_another_client_is_a_conflict_until_that_one_moves(
    kea: Kea, sink: ReservationSink, said: Callable[[], str]
) -> None:
    sink.deliver([six(1, client=1)])
    (rejection,) = sink.deliver([six(1, client=2)]).rejected
    assert (rejection.reason.value, rejection.detail) == ("address_taken", "the address is reserved for 00010001")
    assert sink.deliver([six(5, client=1)]).updated == 1
    assert reserved(kea) == [("00010002", "2001:db8::1"), ("00010001", "2001:db8::5")]
    assert "[conflict_over]" in said()
    assert sink.deliver([six(1, client=2, subnet_id=2)]).created == 1, "in another subnet it is another address"


def test_a_reservation_by_hardware_address_is_left_unchanged(kea: Kea, sink: ReservationSink) -> None:
    by_hand(kea, "020000000001", 0, "2001:db8::1")
    assert sink.deliver([six(1, hwaddr="02:00:00:00:00:01")]).unchanged == 1
    assert len(sink.deliver([six(1, hwaddr="02:00:00:00:00:02")]).rejected) == 1
    assert len(reserved(kea)) == 1


def test_reservations_that_a_person_wrote_or_edited_are_never_overwritten(kea: Kea, sink: ReservationSink) -> None:
    by_hand(kea, "00010001", 1, "2001:db8::9")
    (rejection,) = sink.deliver([six(1)]).rejected
    assert "a person reserved 2001:db8::9" in rejection.detail
    assert sink.deliver([six(9, client=1)]).unchanged == 1
    sink.deliver([six(2)])
    kea.rows("UPDATE ipv6_reservations SET address = '2001:db8::7' WHERE address = '2001:db8::2'")
    assert sink.deliver([six(2)]).unchanged == 1, "the lease that we had acted upon"
    assert len(sink.deliver([six(3, client=2)]).rejected) == 1
    assert sink.deliver([six(7, client=2)]).unchanged == 1, "Kea gave the client what the person wanted"
    assert [address for _duid, address in reserved(kea)] == ["2001:db8::7", "2001:db8::9"]


def test_an_address_is_filled_in_where_a_person_reserved_only_options(kea: Kea, sink: ReservationSink) -> None:
    by_hand(kea, "00010001", 1)
    kea.rows("UPDATE hosts SET hostname = 'mine', user_context = '{\"rack\": 7}'")
    assert sink.deliver([six(1)]).updated == 1
    [(name, context)] = kea.rows("SELECT hostname, user_context::jsonb FROM hosts")
    assert (name, context["rack"]) == ("mine", 7)
    assert context["kea-lease-monitor"] == {"ip-addresses": {"1": "2001:db8::1"}}


def test_an_address_that_a_person_added_stays(kea: Kea, sink: ReservationSink) -> None:
    sink.deliver([six(1)])
    kea.rows("INSERT INTO ipv6_reservations (address, host_id) SELECT '2001:db8::77', host_id FROM hosts")
    assert sink.deliver([six(2, client=1)]).updated == 1
    assert [address for _duid, address in reserved(kea)] == ["2001:db8::2", "2001:db8::77"]


def test_a_name_follows_the_lease_unless_a_person_changed_it(kea: Kea, sink: ReservationSink) -> None:
    sink.deliver([six(1)])
    assert sink.deliver([six(1, hostname="other")]).updated == 1
    kea.rows("UPDATE hosts SET hostname = 'by-hand'")
    assert sink.deliver([six(1, hostname="third")]).unchanged == 1
    assert sink.deliver([six(2, client=1, hostname="third")]).updated == 1
    assert kea.rows("SELECT hostname FROM hosts") == [("by-hand",)]


@pytest.mark.parametrize("number", [1, 5])
def test_a_concurrent_writer_is_not_overwritten(kea: Kea, sink: ReservationSink, number: int) -> None:
    delivery = kea.beside(
        lambda other: by_hand(other, "00010001", 1, f"2001:db8::{number}"), lambda: sink.deliver([six(1), six(2)])
    )
    assert (delivery.created, delivery.unchanged + len(delivery.rejected)) == (1, 1)
    assert [address for _duid, address in reserved(kea)] == sorted({f"2001:db8::{number}", "2001:db8::2"})


def test_without_the_grants_they_are_skipped_unless_the_subscription_names_them(
    kea: Kea, link: Callable[[], Any]
) -> None:
    kea.rows('REVOKE INSERT ON ipv6_reservations FROM "kea-lease-monitor"')
    quiet, named = ReservationSink(link()), ReservationSink(link(), SIX)
    quiet.check()
    assert quiet.deliver([six(1), event(2)])[:4] == (1, 0, 0, 1)
    with pytest.raises(TemporaryError, match="permission denied for table ipv6_reservations"):
        named.check()
    quiet.close()
    named.close()


def test_a_concurrent_schema_upgrade_costs_one_more_attempt(kea: Kea, sink: ReservationSink) -> None:
    sink.deliver([six(1)])
    [(kind, _may)] = kea.rows(hosts6.CAPABLE)
    other = "inet" if kind != "inet" else "varchar(39)"
    kea.rows(
        f"ALTER TABLE ipv6_reservations ALTER COLUMN address TYPE {other}"
        f" USING split_part(address::text, '/', 1)::{other}"
    )
    with pytest.raises(TemporaryError):
        sink.deliver([six(2)])
    assert sink.deliver([six(2), six(1)])[:3] == (1, 0, 1)


def test_the_statement_and_a_scan_use_indexes(kea: Kea) -> None:
    kea.rows(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp6_subnet_id)"
        " SELECT decode(lpad(to_hex(n), 8, '0'), 'hex'), 1, 1 FROM generate_series(1, 20000) AS n"
    )
    [(kind, _may)] = kea.rows(hosts6.CAPABLE)
    kea.rows(
        "INSERT INTO ipv6_reservations (address, host_id)"
        f" SELECT host('2001:db8::'::inet + host_id)::{kind}, host_id FROM hosts"
    )
    kea.rows("ANALYZE hosts; ANALYZE ipv6_reservations")
    with kea.connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + hosts6.reserve(kind), reservations.parameters6([six(1), six(2)], False))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on hosts" not in plan, plan
    assert "Seq Scan on ipv6_reservations" not in plan, plan


class TestEvents6(test_events.TestEvents):
    """All tests of DHCPv4, with DHCPv6 event objects as well."""
