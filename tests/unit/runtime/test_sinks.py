# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sink: the contract, and what is special to it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
import yaml
from _kea import host_maps
from hypothesis import given
from hypothesis import strategies as st
from kea_lease_monitor import files, metrics
from kea_lease_monitor.batch import Delivery
from kea_lease_monitor.database import Link
from kea_lease_monitor.errors import ConfigurationError, RefusedError, TemporaryError
from kea_lease_monitor.kea import reservations, shares
from kea_lease_monitor.kea.applier import report
from kea_lease_monitor.kea.site import Entry
from kea_lease_monitor.kea.sql import hosts4, managed
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks import names
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options, text
from kea_lease_monitor.sinks.leased import Part
from kea_lease_monitor.sinks.reservations.database import Options as DatabaseOptions
from kea_lease_monitor.sinks.reservations.database import ReservationSink
from kea_lease_monitor.sinks.reservations.file import Options as FileOptions
from kea_lease_monitor.sinks.reservations.file import ReservationFileSink
from support.host_lists import counting

from runtime.builders import event
from runtime.contracts import KeepingContract, ReservationContract, counted
from runtime.world import Kea, settings


class TestReservation(ReservationContract):
    @pytest.fixture
    def sink(self, kea: Kea, link: Callable[[], Link]) -> Iterator[Any]:
        def by_hand(hwaddr: str, address: str) -> None:
            kea.rows(
                "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
                " VALUES (decode(%s, 'hex'), 0, 1, %s::inet - '0.0.0.0')",
                *(hwaddr.replace(":", ""), address),
            )

        def edit(address: str, another: str) -> None:
            kea.rows(
                "UPDATE hosts SET ipv4_address = %s::inet - '0.0.0.0' WHERE ipv4_address = %s::inet - '0.0.0.0'",
                *(another, address),
            )

        sink = ReservationSink(link())
        yield sink, lambda: [row[1] for row in kea.reservations()], by_hand, edit
        sink.close()

    @pytest.fixture
    def naming(self, link: Callable[[], Link]) -> Iterator[ReservationSink]:
        sink = ReservationSink(link(), options=DatabaseOptions(hostname="reserve"))
        yield sink
        sink.close()

    @pytest.fixture
    def rename(self, kea: Kea) -> Callable[[str, str], None]:
        return lambda address, name: kea.rows("UPDATE hosts SET hostname = %s", name) and None

    @pytest.fixture
    def hostname_of(self, kea: Kea) -> Callable[[str], str]:
        return lambda address: {row[1]: row[2] or "" for row in kea.reservations()}[address]

    @pytest.fixture
    def mark_of(self, kea: Kea) -> Callable[[str], Any]:
        statement = "SELECT user_context FROM hosts WHERE ipv4_address = %s::inet - '0.0.0.0'"
        return lambda address: json.loads(kea.rows(statement, address)[0][0])[shares.MARK]

    def test_an_unchanged_reservation_costs_no_write_and_no_sequence_value(self, kea: Kea, sink: Any) -> None:
        sink[0].deliver([event(1), event(2)])
        before = kea.rows("SELECT last_value, (SELECT sum(xmin::text::bigint) FROM hosts) FROM hosts_host_id_seq")
        sink[0].deliver([event(1), event(2)])
        assert (
            kea.rows("SELECT last_value, (SELECT sum(xmin::text::bigint) FROM hosts) FROM hosts_host_id_seq") == before
        )
        sink[0].deliver([event(3, client=1)])
        assert kea.rows("SELECT last_value FROM hosts_host_id_seq")[0][0] == before[0][0], "an update costs none either"

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER TABLE hosts ADD CONSTRAINT hosts_dhcp_identifier_subnet_unique"
            " UNIQUE (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)",
            # As in schema 6.2, and as in a database that was born before 3.2 (kea-facts 1.3).
            "DROP INDEX key_dhcp4_identifier_subnet_id; CREATE UNIQUE INDEX key_dhcp4_identifier_subnet_id ON hosts"
            " (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)"
            " WHERE dhcp4_subnet_id IS NOT NULL AND dhcp4_subnet_id <> 0",
            "CREATE UNIQUE INDEX hosts_dhcp4_identifier_subnet_id ON hosts"
            " (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id) WHERE dhcp4_subnet_id IS NOT NULL",
        ],
        ids=["our constraint", "schema 6.2", "two indexes"],
    )
    def test_it_works_with_any_index_that_keas_schemas_had(self, kea: Kea, sink: Any, statement: str) -> None:
        kea.rows(statement)
        assert sink[0].deliver([event(1)]).created == 1
        assert sink[0].deliver([event(2, client=1)]).updated == 1

    @pytest.mark.parametrize("address", ["10.0.0.1", "10.0.0.5"])
    def test_a_concurrent_writer_is_not_overwritten(self, kea: Kea, sink: Any, address: str) -> None:
        writer, addresses, *_more = sink
        statement = (
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
            " VALUES ('\\x020000000001', 0, 1, %s::inet - '0.0.0.0')"
        )
        delivery = kea.beside(
            lambda other: other.rows(statement, address), lambda: writer.deliver([event(1), event(2)])
        )
        assert delivery.created == 1
        assert addresses() == sorted([address, "10.0.0.2"])
        assert delivery.unchanged + len(delivery.rejected) == 1

    def test_an_edit_during_a_swap_is_kept(self, kea: Kea, sink: Any) -> None:
        writer, addresses, *_more = sink
        writer.deliver([event(1), event(2)])
        statement = "UPDATE hosts SET ipv4_address = ipv4_address + 8 WHERE dhcp_identifier = '\\x020000000001'"
        crossed = [event(1, client=2), event(2, client=1)]
        delivery = kea.beside(lambda other: other.rows(statement), lambda: writer.deliver(crossed))
        assert len(delivery.rejected) == 2
        assert addresses() == ["10.0.0.2", "10.0.0.9"]

    def test_an_address_that_a_third_client_holds_is_not_swapped(self, kea: Kea, sink: Any) -> None:
        """Kea's schema allows two reservations of one address."""
        writer, _addresses, by_hand, _edit = sink
        writer.deliver([event(1), event(2)])
        by_hand("02:ff:ff:ff:ff:ff", "10.0.0.2")
        assert len(writer.deliver([event(1, client=2), event(2, client=1)]).rejected) == 2
        assert counted(writer.deliver([event(1), event(2)])) == Delivery(unchanged=2)

    @pytest.mark.parametrize(
        "detail",
        ["user_context = '{}'", "hostname = 'x'", "dhcp4_next_server = 1", "dhcp6_subnet_id = 1"],
    )
    def test_a_reservation_with_more_than_release_1_0_0_wrote_is_not_adopted(
        self, kea: Kea, sink: Any, detail: str
    ) -> None:
        sink[2]("02:00:00:00:00:01", "10.0.0.1")
        kea.rows(f"UPDATE hosts SET {detail}")
        sink[0].adopt([event(1)])
        assert len(sink[0].deliver([event(7, client=1)]).rejected) == 1

    def test_an_entry_of_kea_reservations_without_an_address_gets_the_leased_one(self, kea: Kea, sink: Any) -> None:
        """B11: kea_reservation_set writes such a row."""
        mark = {"baremetal.kea": {"owners": ["dhcp1"], "hostname": "rack-7"}}
        kea.rows(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, hostname, user_context)"
            " VALUES (decode(%s, 'hex'), 0, 1, 'rack-7', %s)",
            *(event(1).lease.hwaddr.replace(":", ""), json.dumps(mark)),
        )
        assert sink[0].deliver([event(1, hostname="own")]).updated == 1
        ((_hwaddr, address, hostname, _subnet),) = kea.reservations()
        assert (address, hostname) == ("10.0.0.1", "rack-7")
        ((context,),) = kea.rows("SELECT user_context::jsonb FROM hosts")
        assert context["baremetal.kea"] == mark["baremetal.kea"]
        assert context["kea-lease-monitor"]["ip-address"] == "10.0.0.1"

    def test_an_address_is_filled_in_where_a_person_reserved_only_options(self, kea: Kea, sink: Any) -> None:
        kea.rows(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, hostname, user_context)"
            " VALUES ('\\x020000000001', 0, 1, 'mine', '{\"rack\": 7}')"
        )
        assert sink[0].deliver([event(1)]).updated == 1
        assert [row[1:3] for row in kea.reservations()] == [("10.0.0.1", "mine")]
        [(context,)] = kea.rows("SELECT user_context::jsonb FROM hosts")
        assert context == {"rack": 7, "kea-lease-monitor": {"ip-address": "10.0.0.1"}}
        kea.rows("UPDATE hosts SET ipv4_address = NULL")
        (rejection,) = sink[0].deliver([event(2, client=1)]).rejected
        assert "a person reserved no address" in rejection.detail

    def test_a_reservation_to_remove_is_looked_up_and_not_searched_for(self, kea: Kea, sink: Any) -> None:
        kea.rows(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address, user_context)"
            " SELECT decode(lpad(to_hex(n), 12, '0'), 'hex'), 0, 1, n, '{\"kea-lease-monitor\": {}}'"
            " FROM generate_series(1, 20000) AS n"
        )
        with kea.connection.cursor() as cursor:
            named = {"identifiers": ["020000000001", "020000000002"], "subnets": [1, 1]}
            cursor.execute("EXPLAIN " + managed.MANAGED_OF, named)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan on hosts" not in plan, plan

    def test_the_used_share_of_the_sequence_is_a_metric(self, kea: Kea, sink: Any) -> None:
        kea.rows("SELECT setval('hosts_host_id_seq', 2147483647 / 2)")
        sink[0].check()
        assert used() == pytest.approx(0.5)
        kea.rows("SELECT setval('hosts_host_id_seq', 2147483647 / 4)")
        sink[0].deliver([event(1)])
        assert used() == pytest.approx(0.25)

    def test_one_client_may_have_a_reservation_in_each_subnet(self, kea: Kea, sink: Any) -> None:
        assert sink[0].deliver([event(1, subnet_id=1), event(1, subnet_id=2)]).created == 2

    def test_data_that_the_database_refuses_is_refused_for_ever(self, sink: Any) -> None:
        with pytest.raises(RefusedError):
            sink[0].deliver([event(1, client_id="a\x00b")])

    def test_without_the_function_nothing_is_forgotten(self, kea: Kea, sink: Any) -> None:
        sink[0].deliver([event(1)])
        kea.rows("DROP FUNCTION kea_forget_reservations")
        with pytest.raises(TemporaryError, match="kea_forget_reservations"):
            sink[0].made()
        requested = event(1, kind=EventKind.FORGOTTEN)._replace(ref="forget")
        (rejection,) = sink[0].deliver([requested]).rejected
        assert rejection.reason.value == "refused"
        with pytest.raises(TemporaryError, match="kea_forget_reservations"):
            sink[0].deliver([requested._replace(ref="unconfirmed_for")])
        assert sink[1]() == ["10.0.0.1"]

    def test_the_function_removes_managed_reservations_only(
        self, kea: Kea, sink: Any, link: Callable[[], Link]
    ) -> None:
        sink[0].deliver([event(1)])
        sink[2]("02:ff:ff:ff:ff:ff", "10.0.0.8")
        with link().session() as session:
            session.rows("SELECT kea_forget_reservations(array_agg(host_id)) FROM hosts")
            with pytest.raises(TemporaryError, match="permission denied"):
                session.rows("DELETE FROM hosts")
        assert sink[1]() == ["10.0.0.8"]

    @pytest.mark.parametrize(
        "added",
        [
            "UPDATE hosts SET auth_key = 'secret' WHERE host_id = %s",
            "INSERT INTO dhcp4_options (code, host_id, scope_id) VALUES (66, %s, 3)",
            "INSERT INTO dhcp6_options (code, host_id, scope_id) VALUES (59, %s, 3)",
        ],
    )
    def test_what_this_role_cannot_read_makes_a_reservation_edited(self, kea: Kea, sink: Any, added: str) -> None:
        sink[0].deliver([event(1), event(2)])
        ((number,),) = kea.rows("SELECT host_id FROM hosts WHERE dhcp_identifier = '\\x020000000001'")
        kea.rows(added, number)
        delivery = sink[0].deliver([event(1, kind=EventKind.FORGOTTEN), event(2, kind=EventKind.FORGOTTEN)])
        assert [(each.event, each.reason.value) for each in delivery.rejected] == [
            (event(1, kind=EventKind.FORGOTTEN), "edited_by_hand")
        ]
        assert (delivery.removed, delivery.skipped, sink[1]()) == (1, 0, ["10.0.0.1"])

    def test_check_reports_a_missing_grant(self, kea: Kea, sink: Any) -> None:
        kea.rows('REVOKE INSERT (hostname) ON hosts FROM "kea-lease-monitor"')
        with pytest.raises(TemporaryError, match="permission denied for table hosts"):
            sink[0].check()

    def test_the_statement_for_a_batch_uses_indexes(self, kea: Kea) -> None:
        kea.rows(
            "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
            " SELECT decode(lpad(to_hex(n), 12, '0'), 'hex'), 0, 1, n FROM generate_series(1, 20000) AS n"
        )
        kea.rows("ANALYZE hosts")
        with kea.connection.cursor() as cursor:
            cursor.execute("EXPLAIN " + hosts4.RESERVE, reservations.parameters([event(1), event(2)], False))
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Seq Scan on hosts" not in plan, plan

    def test_an_unreachable_server_and_a_bad_password_file_are_temporary_errors(self, kea: Kea, tmp_path: Path) -> None:
        for broken in ({"host": "/nowhere"}, {"password_file": str(tmp_path / "none")}):
            document = {"host": kea.cluster.socket, "name": kea.name, **broken}
            with pytest.raises(TemporaryError):
                ReservationSink(Link(settings(kea).parse(Section(document, "database")))).check()


class TestReservationFile(ReservationContract):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Any:
        self.path = tmp_path / "subnet-1.json"

        def by_hand(hwaddr: str, address: str) -> None:
            self.path.write_text(json.dumps({"hw-address": hwaddr.upper(), "ip-address": address}) + ",\n")

        def edit(address: str, another: str) -> None:
            hosts = [
                {**host, "ip-address": another} if host["ip-address"] == address else host for host in self.hosts()
            ]
            self.path.write_text(",\n".join(map(json.dumps, hosts)) + "\n")

        sink = ReservationFileSink(FileOptions(str(tmp_path), str(tmp_path / "report")))
        return sink, lambda: sorted(host["ip-address"] for host in self.hosts()), by_hand, edit

    @pytest.fixture
    def rename(self) -> Callable[[str, str], None]:
        def act(address: str, name: str) -> None:
            (host,) = self.hosts()
            self.path.write_text(json.dumps({**host, "hostname": name}))

        return act

    @pytest.fixture
    def hostname_of(self) -> Callable[[str], str]:
        return lambda address: {host["ip-address"]: host.get("hostname", "") for host in self.hosts()}[address]

    @pytest.fixture
    def naming(self, sink: Any, tmp_path: Path) -> ReservationFileSink:
        return ReservationFileSink(FileOptions(str(tmp_path), str(tmp_path / "report"), hostname="reserve"))

    @pytest.fixture
    def mark_of(self) -> Callable[[str], Any]:
        def mark(address: str) -> Any:
            (context,) = [host["user-context"] for host in self.hosts() if host["ip-address"] == address]
            return context[shares.MARK]

        return mark

    def hosts(self) -> list[dict[str, Any]]:
        return counting(self.path) if self.path.exists() else []

    def test_a_line_for_each_reservation_and_no_comma_after_the_last(self, sink: Any) -> None:
        sink[0].deliver([event(1), event(2)])
        lines = self.path.read_text().splitlines()
        assert [line[-1] for line in lines] == [",", "}"]

    def test_a_change_is_waited_for_and_no_repetition(self, sink: Any, tmp_path: Path) -> None:
        sink[0].deliver([event(1)])
        (tmp_path / ".apply-requested").unlink()
        sink[0].deliver([event(1)])
        assert not (tmp_path / ".apply-requested").exists()

    def test_the_time_of_the_first_change_stays_until_an_apply_has_read_it(self, sink: Any, tmp_path: Path) -> None:
        request, directory = tmp_path / ".apply-requested", tmp_path / "report"
        directory.mkdir()
        sink[0].deliver([event(1)])
        os.utime(request, (1000, 1000))
        sink[0].deliver([event(2)])
        assert request.stat().st_mtime == 1000
        report.write(str(directory), report.Status(read_at=1000.0))
        sink[0].deliver([event(3)])
        assert request.stat().st_mtime > 1000

    def test_a_change_is_recorded_even_if_a_later_subnet_fails(self, sink: Any, tmp_path: Path) -> None:
        (tmp_path / "subnet-2.json").write_text("{ oops\n")
        with pytest.raises(TemporaryError):
            sink[0].deliver([event(1), event(2, subnet_id=2)])
        assert (tmp_path / ".apply-requested").exists()

    def test_a_file_that_a_person_changed_is_read_again(self, sink: Any) -> None:
        sink[0].deliver([event(1)])
        self.path.write_text(self.path.read_text().replace("{", '{"next-server": "10.0.0.9", ', 1))
        sink[0].deliver([event(2, client=1)])
        assert [(host["ip-address"], host["next-server"]) for host in self.hosts()] == [("10.0.0.2", "10.0.0.9")]

    def test_a_broken_file_is_named_and_left_unchanged(self, sink: Any) -> None:
        self.path.write_text("{ oops\n")
        with pytest.raises(TemporaryError, match=r"subnet-1.json: the reservation that begins in line 1"):
            sink[0].deliver([event(1)])
        assert self.path.read_text() == "{ oops\n"

    def test_comments_stay_when_a_reservation_is_forgotten(self, sink: Any) -> None:
        sink[0].deliver([event(1), event(2), event(3)])
        lines = self.path.read_text().splitlines()
        self.path.write_text("\n".join(["# rack 1", lines[0], "# rack 2", lines[1], lines[2], "# end"]) + "\n")
        forgotten = [event(number, kind=EventKind.FORGOTTEN) for number in (1, 3)]
        assert sink[0].deliver(forgotten).removed == 2
        found = host_maps.parse(self.path.read_text())
        assert [(one.comment, one.value["ip-address"]) for one in found.maps] == [("# rack 1\n# rack 2", "10.0.0.2")]
        assert found.comment == "# end"

    def test_clients_and_addresses_in_kea_s_own_configuration_are_left_out(self, tmp_path: Path) -> None:
        site = (
            Entry(1, "hw-address", "02:00:00:00:00:01", "10.0.0.9"),
            Entry(1, "", "", "10.0.0.2"),
            Entry(2, "", "", "10.0.0.3"),
        )
        sink = ReservationFileSink(FileOptions(str(tmp_path), str(tmp_path / "report"), site))
        assert sink.deliver([event(1)]).unchanged == 1
        (rejection,) = sink.deliver([event(2)]).rejected
        assert rejection.reason.value == "address_taken"
        assert sink.deliver([event(3)]).created == 1, "another subnet's reservations do not count"
        assert "02:00:00:00:00:01" not in (tmp_path / "subnet-1.json").read_text()

    def test_a_client_that_the_site_only_names_is_reserved_with_the_name(self, tmp_path: Path) -> None:
        given = Entry(1, "hw-address", "02:00:00:00:00:01", "", "rack-7")
        sink = ReservationFileSink(FileOptions(str(tmp_path), str(tmp_path / "report"), (given,)))
        assert sink.deliver([event(1), event(2)]).created == 2
        text = (tmp_path / "subnet-1.json").read_text()
        assert '"hostname": "rack-7"' in text.splitlines()[0]
        assert "rack-7" not in text.splitlines()[1]

    def test_after_a_failed_write_the_file_is_read_again(self, sink: Any, tmp_path: Path) -> None:
        (tmp_path / ".subnet-1.json.tmp").mkdir()
        with pytest.raises(TemporaryError):
            sink[0].deliver([event(1)])
        (tmp_path / ".subnet-1.json.tmp").rmdir()
        assert sink[0].deliver([event(1)]).created == 1


def used() -> float | None:
    return metrics.REGISTRY.get_sample_value("kea_lease_monitor_host_id_sequence_used_ratio")


HOSTILE = [
    "{{ lookup('pipe', 'touch /tmp/owned') }}",
    '"\n  evil: true\n#',
    "ünï-✓-\U0001f600",
    "!unsafe x",
    "a\\b'\"\t\x00\x1f\x7f\x85\u2028",
]


class TestDiscovery(KeepingContract):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Any:
        self.directory = tmp_path
        return DiscoverySink(Options(str(tmp_path), "bmc_targets", None)), lambda: sorted(
            host["ansible_host"] for host in self.inventory().values()
        )

    def inventory(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for path in self.directory.glob("[!.]*.yml"):
            found.update(literally(path.read_text())["bmc_targets"]["hosts"])
        return found

    def test_unchanged_content_is_not_written(self, sink: Any) -> None:
        sink[0].deliver([event(1)])
        path = self.directory / "02-00-00-00-00-01.yml"
        before = path.stat()
        sink[0].deliver([event(1)])
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_without_a_hardware_address_the_client_id_names_the_file(self, sink: Any) -> None:
        sink[0].deliver([event(1, hwaddr="", client_id="01:02:03")])
        assert list(self.inventory()) == ["bmc-client-id-010203"]

    def test_a_client_id_or_duid_that_spells_a_hardware_address_takes_no_file(self, sink: Any) -> None:
        mac = "02:00:00:00:00:01"
        six = {"family": 6, "iaid": 1, "prefix_len": 128}
        sink[0].deliver([event(1), event(2, address="2001:db8::2", hwaddr=mac, duid="00:09", **six)])
        spelled = [event(3, hwaddr="", client_id=mac), event(4, address="2001:db8::4", hwaddr="", duid=mac, **six)]
        assert sink[0].deliver(spelled).created == 2
        found = {host: values["ansible_host"] for host, values in self.inventory().items()}
        assert found == {
            "bmc-020000000001": "10.0.0.1",
            "bmc-duid-0009v61": "2001:db8::2",
            "bmc-client-id-020000000001": "10.0.0.3",
            "bmc-duid-020000000001v61": "2001:db8::4",
        }

    def test_a_client_in_two_subnets_has_a_file_for_each(self, sink: Any) -> None:
        for subnets in ((1, 2), (2, 1), (2, 1)):
            sink[0].deliver([event(subnet, client=1, subnet_id=subnet) for subnet in subnets])
            found = {host: values["ansible_host"] for host, values in self.inventory().items()}
            assert found == {"bmc-020000000001": "10.0.0.1", "bmc-020000000001-s2": "10.0.0.2"}
        (self.directory / "02-00-00-00-00-01.yml").unlink()
        assert sink[0].deliver([event(7, client=1, subnet_id=2)]).updated == 1
        assert {host: values["ansible_host"] for host, values in self.inventory().items()} == {
            "bmc-020000000001-s2": "10.0.0.7"
        }

    def test_a_subnet_that_gets_another_number_keeps_its_files(self, sink: Any) -> None:
        sink[0].deliver([event(1)])
        assert sink[0].deliver([event(1, subnet_id=10)]).updated == 1
        assert [values["kea_subnet_id"] for values in self.inventory().values()] == [10]

    @pytest.mark.parametrize("template", [None, "{{ host }} {{ lease.address }}\n"])
    def test_files_of_earlier_releases_are_renamed(
        self, tmp_path: Path, template: str | None, said: Callable[[], str]
    ) -> None:
        given = None
        if template:
            given = tmp_path / "template"
            given.write_text(template)
        sink = DiscoverySink(Options(str(tmp_path), "bmc_targets", str(given) if given else None))
        one = event(1, hwaddr="", client_id="02:00:00:00:00:01")
        earlier = tmp_path / "02-00-00-00-00-01.yml"
        written = sink._render(names.earlier(one.lease), [Part(one.lease, None)])
        earlier.write_bytes(written[: written.index(b"# kea-lease-monitor")])
        assert sink.deliver([one]).created == 1
        assert sorted(path.name for path in tmp_path.glob("*.yml")) == ["client-id-02-00-00-00-00-01.yml"]
        assert "Discovery file renamed" in said()
        sink.deliver([event(2, client=1)])
        assert sink.deliver([one]).unchanged == 1
        assert earlier.exists(), "that of the hardware address stays"

    def test_names_have_no_dot_at_the_end(self, sink: Any) -> None:
        sink[0].deliver([event(1, hostname="bmc.example.org.")])
        assert [values["bmc_hostname"] for values in self.inventory().values()] == ["bmc.example.org"]

    def test_the_longest_client_id_has_a_file_too(self, sink: Any) -> None:
        ids = [":".join(["ff"] * 254 + [last]) for last in ("01", "02")]
        assert (
            sink[0].deliver([event(number, hwaddr="", client_id=each) for number, each in enumerate(ids, 1)]).created
            == 2
        )
        assert sorted(host["bmc_client_id"] for host in self.inventory().values()) == ids

    def test_ansible_reads_the_file_and_evaluates_nothing(self, sink: Any) -> None:
        sink[0].deliver([event(number, hostname=name) for number, name in enumerate(HOSTILE, 1)])
        (self.directory / ".half.yml.tmp").write_text("{ half a fi")
        done = subprocess.run(
            [Path(sys.executable).parent / "ansible-inventory", "-i", str(self.directory), "--list"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"},
        )
        assert done.returncode == 0, done.stderr
        inventory = json.loads(done.stdout)
        assert inventory["bmc_targets"]["hosts"] == [f"bmc-02000000000{number}" for number in range(1, 6)]
        for number, name in enumerate(HOSTILE, 1):
            variables = inventory["_meta"]["hostvars"][f"bmc-02000000000{number}"]
            assert variables["bmc_hostname"] == ({"__ansible_unsafe": name} if "{" in name else name)
            assert variables["kea_subnet_id"] == 1

    def test_the_site_s_template_is_used(self, tmp_path: Path) -> None:
        template = tmp_path / "template"
        template.write_text("{{ lease.address }} {{ group }}\n")
        sink = DiscoverySink(Options(str(tmp_path), "g", str(template)))
        sink.deliver([event(1)])
        assert (tmp_path / "02-00-00-00-00-01.yml").read_text().startswith("10.0.0.1 g\n# kea-lease-monitor: [[")

    def test_a_template_can_read_only_the_lease(self, tmp_path: Path) -> None:
        template = tmp_path / "template"
        template.write_text("{{ lease.__class__.__mro__ }}")
        with pytest.raises(RefusedError, match="template"):
            DiscoverySink(Options(str(tmp_path), "g", str(template))).deliver([event(1)])

    def test_any_exception_of_a_template_refuses_the_event(self, tmp_path: Path) -> None:
        template = tmp_path / "template"
        template.write_text("{{ 1 / (lease.subnet_id - 1) }}")
        with pytest.raises(RefusedError, match="ZeroDivisionError"):
            DiscoverySink(Options(str(tmp_path), "g", str(template))).deliver([event(1)])

    def test_an_invalid_template_is_a_configuration_error(self, tmp_path: Path) -> None:
        (tmp_path / "template").write_text("{% if %}")
        with pytest.raises(ConfigurationError):
            DiscoverySink(Options(str(tmp_path), "g", str(tmp_path / "template")))

    def test_a_full_disk_leaves_no_partial_and_no_temporary_file(self, tmp_path: Path) -> None:
        full = tmp_path / "full"
        full.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(full)], check=True)
        try:
            sink = DiscoverySink(Options(str(full), "g", None))
            assert sink.deliver([event(1)]).created == 1
            with pytest.raises(TemporaryError, match="No space left"):
                sink.deliver([event(number) for number in range(2, 100)])
            assert [path.name for path in full.iterdir()] == ["02-00-00-00-00-01.yml"]
            assert sink.deliver([event(2)]).created == 1
        finally:
            subprocess.run(["umount", str(full)], check=True)

    def test_a_missing_directory_is_a_temporary_error(self, tmp_path: Path) -> None:
        sink = DiscoverySink(Options(str(tmp_path / "none"), "g", None))
        with pytest.raises(TemporaryError, match="is not a directory"):
            sink.check()
        with pytest.raises(TemporaryError):
            sink.deliver([event(1)])


class Unsafe(yaml.SafeLoader):
    """Reads the tag as Ansible does."""


def test_discovery_files_of_a_batch_are_durable_before_the_sink_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each content before any name, and the directory once. docs/monitor.md says what a crash can lose."""
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_sync(descriptor: int) -> None:
        done.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        fsync(descriptor)

    def note_rename(source: Any, target: Any, **more: Any) -> None:
        done.append(f"{os.path.basename(target)} named")
        replace(source, target, **more)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_rename)
    DiscoverySink(Options(str(tmp_path), "g", None)).deliver([event(number) for number in range(1, 21)])
    names = sorted(path.name for path in tmp_path.glob("*.yml"))
    assert len(names) == 20
    assert sorted(done[:20]) == sorted(f".{name}.tmp" for name in names)
    assert sorted(done[20:40]) == sorted(f"{name} named" for name in names)
    assert done[40:] == [tmp_path.name]


def literally(text: str) -> Any:
    return Unsafe(text).get_single_data()


Unsafe.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


@given(st.text())
def test_any_text_stays_one_string(sent: str) -> None:
    assert literally(f"key: {text(sent)}\nafter: 1\n") == {"key": sent, "after": 1}


def test_only_texts_that_could_be_templates_are_unsafe() -> None:
    assert text("bmc-7.example.org") == '"bmc-7.example.org"'
    assert text("{{ 1 }}") == '!unsafe "{{ 1 }}"'


def test_a_name_that_is_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="too long"):
        files.replace(str(tmp_path / ("x" * 300)), b"", 0o644)
    with pytest.raises(RefusedError, match="too long"):
        files.read(str(tmp_path / ("x" * 300)))


def test_no_client_can_name_another_file() -> None:
    mac, digest = "02:00:00:00:00:01", hashlib.sha256("-".join(["ff"] * 100).encode()).hexdigest()
    spelled = ":".join(digest[at : at + 2] for at in range(0, 64, 2))
    six = {"family": 6, "address": "2001:db8::1", "prefix_len": 128, "hwaddr": ""}
    leases = [
        event(1).lease,
        event(1, hwaddr="", client_id=mac).lease,
        event(1, hwaddr="", client_id=":".join(["ff"] * 100)).lease,
        event(1, hwaddr="", client_id=spelled).lease,
        event(1, **{**six, "hwaddr": mac, "duid": f"{mac}:07"}).lease,
        event(1, **six, duid=mac).lease,
        event(1, **six, duid=f"{mac}:06:01").lease,
        event(1, **six, duid=mac, iaid=0x61).lease,
    ]
    found = [names.of(each) for each in leases]
    assert (found[0].file, found[0].host) == ("02-00-00-00-00-01", "bmc-020000000001")
    assert (found[1].file, found[1].host) == ("client-id-02-00-00-00-00-01", "bmc-client-id-020000000001")
    assert len({each.file for each in found}) == len({each.host for each in found}) == len(leases)
