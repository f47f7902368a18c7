# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that befalls the events reaches a client: a real Kea, PostgreSQL and monitor, and real DHCP meanwhile.

In every test each packet of each client is answered (Kea.serve), each lease is stored, Kea stays the same process and
logs no error. Events that are lost are counted where the operator looks, and the monitor makes good for them by itself.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Callable

import pytest
from host import Kea, wait

if TYPE_CHECKING:
    from host import Host

CLIENTS = 40
WAITING = 10_000


def dropped(host: Host, _stack: ExitStack) -> None:
    host.sql("DROP TABLE kea_events.lease_event")


def renamed(host: Host, stack: ExitStack) -> None:
    host.sql("ALTER TABLE kea_events.lease_event RENAME TO elsewhere")
    stack.callback(host.sql, "ALTER TABLE kea_events.elsewhere RENAME TO lease_event")


def locked(host: Host, stack: ExitStack) -> None:
    stack.enter_context(host.session("BEGIN; LOCK TABLE kea_events.lease_event; SELECT 'locked';\n"))


def without_grants(host: Host, _stack: ExitStack) -> None:
    host.sql('REVOKE ALL ON kea_events.lease_event FROM "_kea"')


def without_space(host: Host, stack: ExitStack) -> None:
    """Every row of the event table needs a new page of a file system that has none left."""
    host.script("small_tablespace.sh", check=True)
    host.sql("CREATE TABLESPACE full_disk LOCATION '/var/lib/full'")
    host.sql("ALTER TABLE kea_events.lease_event SET TABLESPACE full_disk; TRUNCATE kea_events.lease_event")
    host.run("sh", "-c", "cat /dev/zero >/var/lib/full/filler 2>/dev/null; test -s /var/lib/full/filler")
    stack.callback(host.run, "umount", "/var/lib/full")
    stack.callback(host.sql, "DROP TABLESPACE full_disk")
    stack.callback(host.sql, "ALTER TABLE kea_events.lease_event SET TABLESPACE pg_default")
    stack.callback(host.run, "rm", "/var/lib/full/filler")


@pytest.mark.parametrize("fault", [dropped, renamed, locked, without_grants, without_space])
def test_the_event_table_is(fault: Callable[[Host, ExitStack], None], host: Host, kea: Kea) -> None:
    before, counted = host.lost(), host.metric("events_lost_total") or 0
    with ExitStack() as stack:
        fault(host, stack)
        answers = kea.serve(CLIENTS)
        assert host.module("kea_info", gather=["database"])["database"]["lost_events"] == before + CLIENTS
        wait(lambda: host.metric("events_lost_total") == counted + CLIENTS, "the metric of lost events")
        # The monitor reads lease4 instead.
        host.await_followers(answers)
    host.module("kea_lease_notify", readers=["kea-lease-monitor"])
    host.await_followers(kea.serve(1))
    assert host.lost() == before + CLIENTS


def test_the_notification_queue_is_full_and_its_listener_stuck(host: Host, kea: Kea) -> None:
    usage = "SELECT pg_notification_queue_usage()"
    before = host.lost()
    with host.session("LISTEN kea_lease_events; BEGIN; SELECT 'stuck';\n"):
        fill_queue(host)
        assert float(host.sql(usage)[0]) > 0.99
        answers = kea.serve(CLIENTS)
        wait(lambda: (host.metric("notify_queue_usage_ratio") or 0) > 0.99, "the metric of the queue")
        # No event is lost, only the wake-up is left out.
        host.await_followers(answers)
    wait(lambda: host.metric("notify_queue_usage_ratio") == 0, "the queue to empty")
    host.await_followers(kea.serve(1))
    assert host.lost() == before


def fill_queue(host: Host) -> None:
    """Until PostgreSQL refuses: 64 pages of 8 kB where they can be limited (17 and later), else all of its 8 GB."""
    small = int(host.sql("SHOW server_version_num")[0]) >= 170000
    batch = 100 if small else 10_000
    flood = f"SELECT count(pg_notify('flood', repeat('x', 7900) || n)) FROM generate_series(1, {batch}) AS g (n);\n"
    # Reading the usage frees what no listener needs any more.
    script = "SELECT pg_notification_queue_usage();\n" + flood * (1 if small else 110)
    psql = ("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "postgres")
    refused = host.run("sh", "-c", f"{' '.join(psql)} 2>&1 || true", stdin=script)
    assert "too many notifications in the NOTIFY queue" in refused


def test_leases_with_the_longest_and_with_empty_values(host: Host, kea: Kea) -> None:
    before = host.lost()
    label = "h" * 63
    longest = kea.serve(1, "--hostname", f"{label}.{label}.{label}.{'h' * 61}")
    overlong = kea.serve(1, "--hostname", f"{label}.{label}.{label}.{label}")
    nameless = kea.serve(1, "--hostname", "")
    large = {"hostname": "h" * 255, "user-context": {"a": "x" * 65536}, "force-create": True}
    kea.command("lease4-update", **large, **{"ip-address": "10.77.32.1", "hw-address": "02:ff:00:00:00:01"})
    sizes = "SELECT octet_length(hostname), octet_length(user_context) > 65536"
    assert host.sql(f"{sizes} FROM lease4 WHERE address = {int(IPv4Address('10.77.32.1'))}") == ["255|t"]
    [declined] = kea.ask(1, "--decline")
    assert (declined["tries"], declined["refused"]) == (1, 0)
    empty = f"SELECT 1 FROM lease4 WHERE address = {int(IPv4Address(declined['address']))} AND hwaddr = ''"
    wait(lambda: host.sql(empty), "the declined lease")
    columns = "address, hwaddr, client_id, valid_lifetime, expire, subnet_id, fqdn_fwd, fqdn_rev, hostname, state"
    values = f"{int(IPv4Address('10.77.32.2'))}, NULL, NULL, 86400, now() + interval '1 day', 1, NULL, NULL, NULL, 0"
    host.sql(f"INSERT INTO lease4 ({columns}, user_context) VALUES ({values}, NULL)", user="_kea")
    host.await_followers(longest + overlong + nameless)
    wait(lambda: host.sql("SELECT 1 FROM hosts WHERE dhcp_identifier = '\\x02ff00000001'"), "the large lease")
    assert host.lost() == before


def test_the_monitor_is_killed(host: Host, kea: Kea) -> None:
    before = host.lost()
    answers = []
    for _again in range(2):
        wait(lambda: host.metric("events_lost_total") is not None, "the monitor")
        host.run("systemctl", "kill", "--signal=KILL", "kea-lease-monitor")
        answers += kea.serve(CLIENTS)
    host.await_followers(answers)
    assert host.lost() == before


def test_ten_thousand_leases_wait_to_be_read(host: Host, kea: Kea) -> None:
    host.run("systemctl", "stop", "kea-lease-monitor")
    host.sql(
        "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id, hostname, state) "
        "SELECT n, decode(lpad(to_hex(n), 12, '0'), 'hex'), 86400, now() + interval '1 day', 1, '', 0 "
        f"FROM generate_series(173408257, 173408256 + {WAITING}) AS g (n)",
        user="_kea",
    )
    answers = kea.serve(CLIENTS)
    assert host.module("kea_info", gather=["database"])["database"]["waiting_events"] >= WAITING
    host.run("systemctl", "start", "--no-block", "kea-lease-monitor")
    answers += kea.serve(CLIENTS)
    waiting = "SELECT count(*) FROM hosts WHERE ipv4_address BETWEEN 173408257 AND 173418256"
    wait(lambda: int(host.sql(waiting)[0]) == WAITING, "all reservations")
    host.await_followers(answers)


def test_postgresql_is_restarted(host: Host) -> None:
    """Kea cannot answer without its leases, so clients ask again as RFC 2131 has them.

    It says no (DHCPNAK) to those whose request it was handling when it lost the connection, with or without the trigger
    (docs/harmless.md). What is ours to prove is that it has no other reason.
    """
    kea = Kea(host)
    answers: list[dict[str, Any]] = []
    clients = threading.Thread(target=lambda: answers.extend(kea.ask(100, "--rate", "20", "--retry-after", "4")))
    clients.start()
    host.run("systemctl", "stop", "postgresql")
    wait(kea.complaints, "a client whom Kea cannot answer")
    host.run("systemctl", "start", "postgresql")
    clients.join()
    assert len(answers) == 100
    assert [answer for answer in answers if not answer["address"]] == []
    assert {answer["hwaddr"] for answer in answers if answer["refused"]} <= kea.lost_for(answers)
    assert max(answer["tries"] for answer in answers) > 1, "no client asked in the meantime"
    assert kea.stored(answers) == 100
    assert kea.process() == kea.began
    host.await_followers(answers)


def test_a_client_renews_while_postgresql_is_away(host: Host) -> None:
    """It hears nothing and keeps its address; a Kea that goes on serving would take it away.

    Another client finds out that the database is away, because the one that does may be refused if it has an offer.
    """
    kea = Kea(host)
    [lease] = kea.serve(1)
    host.stop_postgresql()
    try:
        [unanswered] = kea.ask(1, "--retry-after", "0.2")
        renewed = kea.renew(lease, 0.2)
    finally:
        host.run("systemctl", "start", "postgresql")
    for answer in (unanswered, renewed):
        assert (answer["address"], answer["tries"], answer["refused"]) == (None, 5, 0)
    wait(lambda: kea.renew(lease, 0.2)["address"] == lease["address"], "Kea to answer again")
    assert kea.process() == kea.began
    host.await_followers(kea.serve(1))
