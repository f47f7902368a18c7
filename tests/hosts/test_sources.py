# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of real clients, wherever the monitor reads them: DHCPv6 by events and in a file, polling, a former release.
One test is of where they go: to a web server on another host.

Each test begins in events mode.
"""

from __future__ import annotations

import itertools
import json
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest
from changing import Site
from host import DISCOVERY, Host, Kea, wait
from receiving import CA_FILE, DistantReceiver, is_signed
from states import TRIGGERS, require_events_mode

CONFIG6 = "/etc/kea/kea-dhcp6.conf"
LEASES6 = "/var/lib/kea/kea-leases6.csv"
IN_DATABASE = {"type": "postgresql", "name": "kea", "host": "/var/run/postgresql", "user": "_kea"}
IN_FILE = {"type": "memfile", "name": LEASES6, "lfc-interval": 0}
TAIL = f"""
systemd-run --quiet --collect --unit six-file --uid kea-lease-monitor --property SupplementaryGroups=_kea \
    kea-lease-monitor run --lease-file {LEASES6} --db-host /var/run/postgresql --db-user kea-lease-monitor \
    --state /var/lib/kea-lease-monitor/six.sqlite --output-dir {DISCOVERY}
"""
"""A monitor of the file beside the one of the events, by the flags of the user's document."""

_firsts = itertools.count(int(time.time()) % 2**23, 100)
"""Clients that no other test plays, nor an earlier run on the same host."""


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Site:
    options = request.config.option
    return Site(options.host, options.address, options.bmcs)


@contextmanager
def serving6(host: Host, lease_database: dict[str, Any], number: int) -> Iterator[None]:
    """With Kea's DHCPv6 server, which keeps its leases there. It knows no reservations, so each has a subnet of its
    own: a client that is offered the address of another client would be a conflict."""
    pool = {"pool": f"2001:db8:{number}::/80"}
    subnet = {"id": number, "subnet": f"2001:db8:{number}::/64", "interface": "eth0", "pools": [pool]}
    settings = {"interfaces-config": {"interfaces": ["eth0"]}, "lease-database": lease_database, "subnet6": [subnet]}
    host.run("sh", "-ec", f"cat >{CONFIG6}; systemctl restart kea-dhcp6-server", stdin=json.dumps({"Dhcp6": settings}))
    wait(lambda: host.run("ss", "-Hlun", "sport = :547"), "the DHCPv6 server")
    yield
    host.run("systemctl", "stop", "kea-dhcp6-server")


def asked6(host: Host, count: int) -> dict[str, str]:
    """So many new BMCs ask: which DUID got which address."""
    said = host.play_bmcs6("--first", str(next(_firsts)), "--count", str(count))
    answers = [json.loads(line) for line in said.splitlines()]
    found = {answer["duid"]: answer["address"] for answer in answers}
    assert len(set(found.values()) - {None}) == count, answers
    return found


def reserved6(host: Host) -> dict[str, str]:
    lines = host.sql("""
        SELECT encode(dhcp_identifier, 'hex'), host(address::inet)
          FROM ipv6_reservations JOIN hosts USING (host_id)
         WHERE dhcp_identifier_type = 1
    """)
    return {bytes.fromhex(duid).hex(":"): address for duid, address in (line.split("|") for line in lines)}


def await_followers6(host: Host, leases: dict[str, str]) -> None:
    wait(lambda: leases.items() <= reserved6(host).items(), "each DHCPv6 reservation")
    wait(lambda: set(leases.values()) <= host.discovered(), "each discovery file")


@pytest.fixture(autouse=True)
def by_events(site: Site) -> None:
    require_events_mode(site)


def test_dhcpv6_by_events(site: Site) -> None:
    with serving6(site, IN_DATABASE, 6):
        leases = asked6(site, 10)
        await_followers6(site, leases)
        assert site.sql("SELECT count(*) FROM kea_events.lease_event WHERE family(address) = 6") == ["10"]


def test_dhcpv6_in_a_lease_file(site: Site) -> None:
    with serving6(site, IN_FILE, 7):
        before = asked6(site, 5)
        site.run("sh", "-ec", TAIL)
        await_followers6(site, before)
        await_followers6(site, asked6(site, 5))
        site.run("systemctl", "stop", "six-file")


def test_reservations_of_release_1_are_taken_over(site: Site) -> None:
    answers = Kea(site).ask(5)
    site.await_followers(answers)
    identifiers = ", ".join(f"'\\x{answer['hwaddr'].replace(':', '')}'" for answer in answers)
    theirs = f"FROM hosts WHERE dhcp_identifier IN ({identifiers})"
    # That release wrote the identifier, the subnet, the address and the name, and nothing else.
    site.sql(f"UPDATE hosts SET user_context = NULL WHERE host_id IN (SELECT host_id {theirs})")
    site.run("kea-lease-monitor", "replay", "all", "--adopt")
    marked = f"SELECT user_context::json -> 'kea-lease-monitor' ->> 'ip-address' {theirs}"
    wait(lambda: set(site.sql(marked)) == {answer["address"] for answer in answers}, "all of them")


def test_a_web_server_on_another_host_is_told_of_a_lease(site: Site, tmp_path: Path) -> None:
    receiver, secret = DistantReceiver(site, tmp_path), "known to both"
    sink = {"type": "webhook", "url": receiver.url, "ca_file": CA_FILE}
    told = {"name": "told", "start": "now", "match": {"kinds": ["assigned"]}, "sinks": [sink]}
    variables = {"kea_monitor_subscriptions": [{"name": "default"}, told], "kea_monitor_webhook_secret": secret}
    receiver.start()
    assert site.succeed("kea_deploy", **variables) > 0
    (lease,) = Kea(site).ask(1)
    wait(lambda: receiver.events(lease["address"]), "the event of the lease")
    (request,) = receiver.requests()
    assert (request["method"], request["path"]) == ("POST", "/leases")
    (event,) = json.loads(request["body"])["events"]
    assert (event["kind"], event["lease"]["hwaddr"]) == ("assigned", lease["hwaddr"])
    assert is_signed(request, secret)
    receiver.stop()
    (lease,) = Kea(site).ask(1)
    site.await_followers([lease])
    refused = "journalctl -u kea-lease-monitor --no-pager -o cat | grep 'Will try again: subscription=told'"
    wait(lambda: receiver.url in site.run("sh", "-c", refused, check=False), "the failed attempt")
    receiver.start()
    wait(lambda: receiver.events(lease["address"]), "the event of the second lease")
    assert is_signed(receiver.requests()[-1], secret)
    assert len(receiver.events(lease["address"])) == 1
    wait(lambda: site.run("kea-lease-monitor", "check", check=False).startswith("healthy"), "a healthy monitor")


def test_polling_where_there_is_no_trigger(site: Site) -> None:
    variables = {"kea_monitor_source": "polling", "kea_monitor_source_options": {"interval": 1}}
    # What takes the trigger away; a deployment leaves it to whoever made it.
    assert site.succeed("kea_rollback", kea_rollback_to="polling", **variables)
    assert site.sql(TRIGGERS) == []
    assert site.succeed("kea_deploy", kea_full_run=True, **variables) == 0
    site.await_followers(Kea(site).ask(10))
    with serving6(site, IN_DATABASE, 6):
        await_followers6(site, asked6(site, 5))
    assert site.run("kea-lease-monitor", "check").startswith("healthy")
