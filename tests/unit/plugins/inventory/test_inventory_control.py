# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory over the control channel of a real kea-dhcp4: by its control agent where installed, and by HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inventory_helpers import HOSTILE, listed
from support.certificates import Authority
from support.http_kea import AGENT, LOGIN, Kea, free_port, http_socket

pytestmark = pytest.mark.slow  # each test starts programs, for seconds
FOREVER = 4294967295
MARK = {"kea-lease-monitor": {"ip-address": "10.0.0.3", "hostname": "db"}}
ROWS = [
    f"10.0.0.1,02:00:00:00:00:01,01:02:00:00:00:00:01,{FOREVER},{FOREVER + 1700000000},1,0,0,web,0,"
    '{"ISC": {"relay-agent-info": "0x0108657468302f312f330206aabbccddeeff"}}',
    f"10.0.0.2,02:00:00:00:00:02,,{FOREVER},{FOREVER + 1700000000},1,0,0,\x1b[31m{HOSTILE.replace(',', '&#x2c')},0,",
]
RESERVATIONS = [
    {"hw-address": "02:00:00:00:00:03", "ip-address": "10.0.0.3", "hostname": "db", "user-context": MARK},
    {"client-id": "01:02:00:00:00:00:01", "ip-address": "10.0.0.9"},
]

NEW = {"kea-lease-monitor": {"ip-address": "10.0.0.2", "made": 1700000000}}
"""Mark of a client that got its lease when it was acknowledged for the last time."""


@pytest.fixture
def kea(tmp_path: Path) -> Iterator[Kea]:
    kea = Kea(tmp_path)
    yield kea
    kea.stop()


def check(hosts: dict[str, dict[str, Any]]) -> None:
    """Assert that these are the hosts of ROWS and RESERVATIONS."""
    assert set(hosts) == {"web", "31m-lookup-pipe-id", "db"}
    assert hosts["web"]["kea_ipv4_addresses"] == ["10.0.0.1", "10.0.0.9"]
    assert hosts["web"]["kea_reserved"]
    assert not hosts["web"]["kea_managed"]
    assert hosts["web"]["kea_lease_expires"] is None
    assert (hosts["web"]["kea_circuit_id"], hosts["web"]["kea_remote_id"]) == ("eth0/1/3", "aa:bb:cc:dd:ee:ff")
    assert hosts["31m-lookup-pipe-id"]["bmc_hostname"].endswith(HOSTILE)
    assert hosts["db"]["kea_managed"]
    assert hosts["db"]["ansible_host"] == "10.0.0.3"


@pytest.mark.kea
def test_kea_by_the_http_socket(kea: Kea, tmp_path: Path) -> None:
    new = {"hw-address": "02:00:00:00:00:02", "ip-address": "10.0.0.2", "user-context": NEW}
    kea.start_with(ROWS, [*RESERVATIONS, new], hook=True)
    with http_socket(kea.answer) as url:
        hosts = listed(tmp_path, source="control", control_url=url).hosts
        check(hosts)
        confirmed = listed(tmp_path, source="control", control_url=url, confirmed=True).hosts
    assert {name: values["kea_confirmed"] for name, values in hosts.items()} == {
        "web": True,
        "db": True,
        "31m-lookup-pipe-id": False,
    }
    assert set(confirmed) == {"web", "db"}


@pytest.mark.kea
@pytest.mark.parametrize("agent", [AGENT] if AGENT else [])
def test_kea_by_the_control_agent(kea: Kea, tmp_path: Path, agent: str) -> None:
    kea.start_with(ROWS, RESERVATIONS, hook=True)
    check(listed(tmp_path, source="control", control_url=kea.start_agent()).hosts)


@pytest.mark.kea
def test_many_leases_come_in_pages(kea: Kea, tmp_path: Path) -> None:
    rows = [
        f"10.0.{n >> 8}.{n & 255},02:00:00:00:{n >> 8:02x}:{n & 255:02x},,{FOREVER},{FOREVER + 1},1,0,0,,0,"
        for n in range(1, 2001)
    ]
    kea.start_with(rows, [], hook=True)
    asked = []

    def answer(request: dict[str, Any]) -> Any:
        asked.append(request["command"])
        return kea.answer(request)

    with http_socket(answer) as url:
        assert len(listed(tmp_path, source="control", control_url=url).hosts) == 2000
    assert asked.count("lease4-get-page") == 3


@pytest.mark.kea
def test_without_the_hook_there_are_reservations_and_a_warning(kea: Kea, tmp_path: Path) -> None:
    kea.start_with(ROWS, RESERVATIONS, hook=False)
    with http_socket(kea.answer) as url:
        found = listed(tmp_path, source="control", control_url=url)
    assert set(found.hosts) == {"db", "bmc-id-01020000000001"}
    assert "Load the hook libdhcp_lease_cmds.so" in found.errors


@pytest.mark.kea
def test_login_and_certificates(kea: Kea, tmp_path: Path) -> None:
    kea.start_with(ROWS, RESERVATIONS, hook=True)
    (tmp_path / "tls").mkdir()
    authority = Authority(tmp_path / "tls", "ca")
    certificate = authority.issue("server", host="localhost")
    user, password = LOGIN
    with http_socket(kea.answer, certificate, login=True) as url:
        settings = {"source": "control", "control_url": url, "control_username": user}
        settings["control_ca_cert"] = str(authority.own.path)
        check(listed(tmp_path, **settings, control_password=password).hosts)
        wrong = listed(tmp_path, **settings, control_password="wrong secret")
        assert "HTTP 401: check control_username and control_password" in wrong.errors
        assert "wrong secret" not in wrong.output + wrong.errors
        del settings["control_ca_cert"]
        unknown = listed(tmp_path, **settings, control_password=password)
        assert unknown.code != 0
        assert "check control_ca_cert" in unknown.errors
        assert password not in unknown.output + unknown.errors


def answers(hosts: list[dict[str, Any]]) -> Any:
    """Return what a server answers that has host_cmds, and knows DHCPv6 by the same URL."""

    def answer(request: dict[str, Any]) -> Any:
        command, arguments = request["command"], request.get("arguments", {})
        family = request["service"][0][-1]
        if command == "config-get":
            subnets = [{"id": 1, "reservations": hosts[:1] if family == "4" else []}]
            networks = [{"name": "n", f"subnet{family}": [{"id": 2}]}]
            return [
                {"result": 0, "arguments": {f"Dhcp{family}": {f"subnet{family}": subnets, "shared-networks": networks}}}
            ]
        if command == "reservation-get-page" and family == "4" and arguments["subnet-id"] == 1:
            at = arguments.get("from", 0)
            following = {"from": at + 1, "source-index": 1}
            page = {"count": 1, "hosts": hosts[at : at + 1], "next": following}
            return (
                [{"result": 0, "arguments": page}] if at < len(hosts) else [{"result": 3, "text": "0 host(s) found."}]
            )
        if command == "lease6-get-page":
            lease = {
                "ip-address": "2001:db8::1",
                "duid": "00:02:ff",
                "hw-address": "02:00:00:00:00:01",
                "type": "IA_NA",
            }
            prefix = {"ip-address": "2001:db8:1::", "duid": "00:02:ff", "type": "IA_PD", "prefix-len": 56}
            rest = {"cltt": 1, "valid-lft": FOREVER, "state": 0, "subnet-id": 7, "hostname": ""}
            return [{"result": 0, "arguments": {"leases": [{**lease, **rest}, {**prefix, **rest}]}}]
        return [{"result": 3, "text": "0 found."}]

    return answer


def test_reservations_of_a_database_and_dhcp6(tmp_path: Path) -> None:
    reserved = [{"hw-address": f"02:00:00:00:00:0{n}", "ip-address": f"10.0.0.{n}"} for n in (1, 2, 3)]
    with http_socket(answers(reserved)) as url:
        hosts = listed(tmp_path, source="control", control_url=url, control_url6=url).hosts
    # Kea's answer does not say where it found the hardware address of the DHCPv6 client.
    by_duid = "bmc-duid-0002ff"
    assert set(hosts) == {*(f"bmc-02000000000{n}" for n in (1, 2, 3)), by_duid}
    assert hosts[by_duid]["kea_ipv6_addresses"] == ["2001:db8::1"]
    assert hosts[by_duid]["bmc_mac"] == ""
    assert hosts["bmc-020000000001"]["kea_ipv4_addresses"] == ["10.0.0.1"]


def test_a_refused_page_of_reservations_is_a_warning(tmp_path: Path) -> None:
    plain = answers([{"hw-address": "02:00:00:00:00:01", "ip-address": "10.0.0.1"}])

    def answer(request: dict[str, Any]) -> Any:
        return {"result": 1, "text": "no backend"} if request["command"] == "reservation-get-page" else plain(request)

    with http_socket(answer) as url:
        found = listed(tmp_path, source="control", control_url=url)
    assert set(found.hosts) == {"bmc-020000000001"}
    assert "Kea refuses reservation-get-page: no backend. Reservations may be missing." in found.errors


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([], "what it sends is no answer of Kea"),
        ({"result": 1, "text": "no service"}, "Kea refuses config-get: no service"),
        ({"result": 0, "arguments": {"Dhcp6": {}}}, "control_url leads to a server that is not kea-dhcp4"),
        ({"result": 0, "arguments": {"Dhcp4": {"subnet4": [{}]}}}, "an answer of the server cannot be read"),
    ],
)
def test_an_answer_that_is_not_keas_names_the_option(tmp_path: Path, answer: Any, expected: str) -> None:
    with http_socket(lambda _request: answer) as url:
        failed = listed(tmp_path, source="control", control_url=url)
    assert failed.code != 0
    assert expected in failed.errors
    assert "control_url" in failed.errors
    assert "Traceback" not in failed.errors


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "source=control needs control_url, control_url6 or both"),
        ("ftp://localhost/", "control_url must be a URL"),
        ("http://localhost:99999/", "control_url must be a URL"),
        ("http://me:s3cret@localhost/", "control_url must hold no login"),
    ],
)
def test_a_url_that_cannot_be_used(tmp_path: Path, url: str, expected: str) -> None:
    failed = listed(tmp_path, source="control", control_url=url)
    assert expected in failed.errors
    assert "s3cret" not in failed.errors


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    failed = listed(tmp_path, source="control", control_url=f"http://127.0.0.1:{free_port()}/")
    assert "does not answer config-get: [Errno 111] Connection refused" in failed.errors
