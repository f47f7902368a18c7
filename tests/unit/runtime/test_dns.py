# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to DNS servers, the zones of D2, and what is wrong with the name of a lease."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from _kea import dns, zones
from _kea.named_leases import Named, wrong_in_dns
from support.dns import REFUSED, DnsServer, dns_server

TIMEOUT = 0.2
LEASE = Named("192.0.2.7", "bmc7.lab.example.", True, True)
LEASE6 = Named("2001:db8::7", "bmc7.lab.example.", True, False)


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with dns_server() as one:
        one.records = {
            ("bmc7.lab.example.", dns.A): ["192.0.2.6", "192.0.2.7"],
            ("bmc7.lab.example.", dns.AAAA): ["2001:db8::7"],
            ("7.2.0.192.in-addr.arpa.", dns.PTR): ["BMC7.lab.example."],
            ("9.2.0.192.in-addr.arpa.", dns.PTR): ["bmc_9 (old\\).lab.example."],
            ("lab.example.", dns.SOA): ["ns.lab.example."],
            ("", dns.SOA): ["ns.lab.example."],
        }
        yield one


def endpoint(server: DnsServer) -> dns.Endpoint:
    return dns.Endpoint("127.0.0.1", server.port)


def test_records_of_a_name(server: DnsServer) -> None:
    assert dns.ask(endpoint(server), "BMC7.lab.example", dns.A, TIMEOUT) == ["192.0.2.6", "192.0.2.7"]
    assert dns.ask(endpoint(server), "bmc7.lab.example.", dns.AAAA, TIMEOUT) == ["2001:db8::7"]
    assert dns.ask(endpoint(server), dns.reverse_name("192.0.2.7"), dns.PTR, TIMEOUT) == ["bmc7.lab.example."]
    assert dns.ask(endpoint(server), "Lab.example.", dns.SOA, TIMEOUT) == ["lab.example."]
    assert dns.ask(endpoint(server), ".", dns.SOA, TIMEOUT) == [""]
    assert dns.ask(endpoint(server), "none.lab.example.", dns.A, TIMEOUT) == []


def test_a_name_has_no_escapes_of_a_zone_file(server: DnsServer) -> None:
    (name,) = dns.ask(endpoint(server), dns.reverse_name("192.0.2.9"), dns.PTR, TIMEOUT)
    assert name == "bmc_9 (old\\).lab.example."
    assert dns.is_name(name)
    assert dns.ask(endpoint(server), name, dns.A, TIMEOUT) == []
    assert server.asked[-1] == (name, dns.A)


def test_an_answer_that_is_too_long_comes_by_tcp(server: DnsServer) -> None:
    server.truncates = True
    assert dns.ask(endpoint(server), "bmc7.lab.example.", dns.A, TIMEOUT) == ["192.0.2.6", "192.0.2.7"]


@pytest.mark.parametrize("sent", [b"\0", b"\0\x20\0", b"\0\x0c" + b"\0" * 12])
def test_an_answer_by_tcp_that_is_slow_or_of_another_question_is_none(server: DnsServer, sent: bytes) -> None:
    server.truncates, server.by_tcp = True, sent
    begun = time.monotonic()
    with pytest.raises(dns.DnsError, match=r"no answer|cannot be read"):
        dns.ask(endpoint(server), "bmc7.lab.example.", dns.A, TIMEOUT)
    assert time.monotonic() - begun < 30


def test_a_host_where_no_server_listens_says_so_at_once() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as closed:
        closed.bind(("::1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(dns.DnsError, match="Connection refused"):
        dns.ask(dns.Endpoint("::1", port), "bmc7.lab.example.", dns.A, 60)


def test_a_server_that_refuses_or_is_away_has_no_answer(server: DnsServer) -> None:
    server.code = REFUSED
    with pytest.raises(dns.DnsError, match="REFUSED"):
        dns.ask(endpoint(server), "bmc7.lab.example.", dns.A, TIMEOUT)
    server.silent = True
    with pytest.raises(dns.DnsError, match="no answer"):
        dns.ask(endpoint(server), "bmc7.lab.example.", dns.A, TIMEOUT)
    # A lost packet is sent again.
    assert len(server.asked) == 3


@pytest.mark.parametrize("name", ["a" * 64 + ".example.", "a.b." * 80])
def test_what_is_no_name_is_asked_of_no_server(name: str, server: DnsServer) -> None:
    with pytest.raises(dns.DnsError, match="is no name of DNS"):
        dns.ask(endpoint(server), name, dns.A, TIMEOUT)
    assert server.asked == []


def known(server: DnsServer) -> tuple[list[zones.Zone], list[zones.Zone]]:
    servers = [{"ip-address": "127.0.0.1", "port": server.port}]
    config = {
        "forward-ddns": {"ddns-domains": [{"name": "Lab.example.", "dns-servers": servers}]},
        "reverse-ddns": {"ddns-domains": [{"name": "2.0.192.in-addr.arpa.", "dns-servers": servers}]},
    }
    return zones.zones(config, zones.FORWARD), zones.zones(config, zones.REVERSE)


def test_what_is_wrong_with_a_name(server: DnsServer) -> None:
    forward, reverse = known(server)
    assert wrong_in_dns(LEASE, forward, reverse, TIMEOUT) == ""
    assert wrong_in_dns(LEASE6, forward, reverse, TIMEOUT) == ""
    moved = LEASE._replace(address="192.0.2.8")
    assert wrong_in_dns(moved, forward, reverse, TIMEOUT) == "bmc7.lab.example. is 192.0.2.6, 192.0.2.7, not 192.0.2.8"
    assert wrong_in_dns(moved._replace(forward=False), forward, reverse, TIMEOUT) == (
        "192.0.2.8 is missing, not bmc7.lab.example."
    )
    # D2 changes no name outside its zones.
    assert wrong_in_dns(moved._replace(name="bmc7.other.example.", reverse=False), forward, reverse, TIMEOUT) == ""


def test_a_name_with_addresses_of_the_other_family_only_says_so(server: DnsServer) -> None:
    forward, reverse = known(server)
    six = LEASE._replace(address="2001:db8::99")
    server.records.pop((LEASE.name, dns.AAAA), None)
    assert wrong_in_dns(six, forward, reverse, TIMEOUT) == (
        "bmc7.lab.example. is 192.0.2.6 of the other family, 192.0.2.7 of the other family, not 2001:db8::99"
    )


def test_the_wildcard_of_d2_is_no_zone() -> None:
    """No server has a zone of that name."""
    listed = [{"name": "*", "dns-servers": [{"ip-address": "192.0.2.53"}]}, {"name": "bmc.example.org."}]
    for way in zones.DIRECTIONS:
        assert [one.name for one in zones.zones({way: {"ddns-domains": listed}}, way)] == ["bmc.example.org."]


def test_the_zone_of_a_name_is_the_longest_one() -> None:
    one, two = zones.Zone("example.org.", ()), zones.Zone("bmc.example.org.", ())
    assert zones.zone_of("a.BMC.example.org.", [one, two]) == two
    assert zones.zone_of("a.abmc.example.org.", [one, two]) == one
    assert zones.zone_of("example.net.", [one, two]) is None
