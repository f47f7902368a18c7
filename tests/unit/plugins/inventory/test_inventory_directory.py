# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory from a directory that the lease monitor's own discovery sink wrote."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from _kea.hwaddr_source import DUID, RELAY
from inventory_helpers import HOSTILE, Result, configuration, listed, run
from kea_lease_monitor.sinks.discovery import DiscoverySink, Options
from runtime.builders import event
from support.paths import ROOT

pytestmark = pytest.mark.slow  # each test starts programs, for seconds
HOSTILE_NAMES = [HOSTILE, "{% raw %}", "\x1b[31mred", "../../etc/passwd", 'a": b\n- c', "localhost", "host-9", "host-9"]

RELAYED = '{"ISC": {"relay-agent-info": "0x01037b7b78"}}'
"""A relay may name its port as it likes: ``{{x``."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with one sub-directory for each of two servers, as the playbook makes it."""
    first, second = tmp_path / "files" / "dhcp1", tmp_path / "files" / "dhcp2"
    for path in (first, second):
        path.mkdir(parents=True)
    DiscoverySink(Options(str(first), "bmc_targets", None)).deliver(
        [
            event(number, hostname=name, user_context=RELAYED if number == 1 else "")
            for number, name in enumerate(HOSTILE_NAMES, 1)
        ]
    )
    duid = "00:03:00:01:02:00:00:00:00:01"
    DiscoverySink(Options(str(second), "other", None)).deliver(
        [
            event(20, client=1, hostname="host-1"),
            event(1, family=6, address="2001:db8::1", duid="00:02:ff", hostname="", iaid=1, hwaddr_source=RELAY),
            event(1, family=6, address="2001:db8::2", duid=duid, hostname="", iaid=2, hwaddr_source=DUID),
        ]
    )
    for path in first.iterdir():
        os.utime(path, (1, 1))
    return tmp_path / "files"


def show(tmp_path: Path, **more: Any) -> Result:
    return listed(tmp_path, source="directory", directory="files", **more)


def test_each_client_is_one_host_whatever_it_calls_itself(directory: Path, tmp_path: Path) -> None:
    found = show(tmp_path)
    assert found.errors == ""
    by_duid = "bmc-duid-00030001020000000001"
    assert set(found.hosts) == {
        *("host-1", "raw", "31mred", "etc-passwd", "a-b---c", by_duid),
        *("bmc-020000000006", "bmc-020000000007", "bmc-020000000008"),
    }
    one = found.hosts["host-1"]  # the newest name and address of this client
    assert one["ansible_host"] == "10.0.0.20"
    assert one["kea_ipv4_addresses"] == ["10.0.0.20", "10.0.0.1"]
    assert one["kea_ipv6_addresses"] == ["2001:db8::1"]
    assert found.hosts[by_duid]["kea_ipv6_addresses"] == ["2001:db8::2"]
    names = {variables["bmc_hostname"] for variables in found.hosts.values()}
    assert set(HOSTILE_NAMES[1:]) <= names
    assert "{{x" in [variables["kea_circuit_id"] for variables in found.hosts.values()]
    assert set(found.inventory["bmc_targets"]["hosts"]) == set(found.hosts)
    assert "other" not in found.inventory


def test_a_play_shows_a_hostile_name_and_never_templates_it(tmp_path: Path) -> None:
    """Whichever way a play reads the variable: by its name, through another variable, or as the variable itself."""
    proof = tmp_path / "ran"
    hostile = f"{{{{ lookup('pipe','touch {proof}; id') }}}}"
    (tmp_path / "files").mkdir()
    DiscoverySink(Options(str(tmp_path / "files"), "bmc_targets", None)).deliver([event(1, hostname=hostile)])
    shown = ["{{ bmc_hostname }}", "{{ through_another }}", "{{ hostvars[inventory_hostname].bmc_hostname | upper }}"]
    tasks = [{"ansible.builtin.debug": {"msg": text}} for text in shown]
    tasks.append({"ansible.builtin.debug": {"var": "bmc_hostname"}})
    play = {"hosts": "bmc_targets", "gather_facts": False, "vars": {"through_another": "{{ bmc_hostname }}"}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{**play, "tasks": tasks}]))
    inventory = configuration(tmp_path, source="directory", directory="files")
    done = run("ansible-playbook", "-i", inventory, tmp_path / "play.yml")
    assert done.code == 0, done.output + done.errors
    assert done.output.count(hostile) == 3
    assert done.output.count(hostile.upper()) == 1
    assert not proof.exists()
    assert "uid=" not in done.output


def test_the_first_hour_shows_what_the_plugin_prints(tmp_path: Path) -> None:
    """The machine of ``kea_reservations`` has its name; the other one sent none."""
    [shown] = re.findall(
        r"^```text\n(@all:.*?)^```$",
        (ROOT / "docs/first-hour.md").read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    (tmp_path / "files").mkdir()
    DiscoverySink(Options(str(tmp_path / "files"), "bmc_targets", None)).deliver(
        [
            event(1, address="192.0.2.7", hwaddr="4c:d9:8f:00:00:07", hostname="idrac-7"),
            event(2, address="192.0.2.100", hwaddr="d0:94:66:00:00:01", hostname=""),
        ]
    )
    inventory = configuration(tmp_path, source="directory", directory="files")
    assert run("ansible-inventory", "-i", inventory, "--graph").output == shown


def test_files_tell_which_clients_are_confirmed(directory: Path, tmp_path: Path) -> None:
    renewed = event(3).lease
    sink = DiscoverySink(Options(str(directory / "dhcp1"), "bmc_targets", None))
    sink.confirm([renewed._replace(cltt=renewed.cltt + renewed.valid_lifetime // 2)])
    [only] = show(tmp_path, confirmed=True).hosts.values()
    assert (only["ansible_host"], only["kea_confirmed"]) == ("10.0.0.3", True)
    assert len(show(tmp_path, confirmed=False).hosts) == len(show(tmp_path).hosts) - 1


def test_the_group_is_the_configurations(directory: Path, tmp_path: Path) -> None:
    assert "machines" in show(tmp_path, group="machines").inventory
    assert set(show(tmp_path, group="").inventory) <= {"_meta", "all", "ungrouped"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- 1\n", "it is no inventory"),
        ("g: {hosts: [a]}\n", "it has no hosts"),
        ("g: {hosts: {a: }}\n", "a host in it has no variables"),
        ("g: {hosts: {a: {ansible_host: 10.0.0.1}}}\n", "it has none of bmc_mac"),
        ("g: {hosts: {a: {ansible_host: evil.example.org, bmc_mac: '02:00:00:00:00:99'}}}\n", "does not appear to be"),
        ("g: {hosts: {a: {ansible_host: 10.0.0.1, bmc_mac: [}}}\n", "is no discovery file"),
        ("x" * 70000, "it has more than 65536 bytes"),
    ],
)
def test_a_file_that_is_none_is_skipped_or_an_error(
    directory: Path, tmp_path: Path, content: str, expected: str
) -> None:
    (directory / "odd.yml").write_text(content)
    found = show(tmp_path)
    assert expected in found.errors
    assert "odd.yml' is no discovery file" in found.errors
    assert len(found.hosts) == 9
    failed = show(tmp_path, strict=True)
    assert failed.code != 0
    assert expected in failed.errors


def test_a_file_sets_nothing_but_what_the_sink_writes(directory: Path, tmp_path: Path) -> None:
    variables = "ansible_host: 10.0.0.50, bmc_mac: '02:00:00:00:00:50', ansible_connection: local"
    variables += ", x: !!python/object/apply:os.system [id]"
    (directory / "odd.yml").write_text(f"kea_servers: {{hosts: {{dhcp1: {{{variables}}}}}}}\n")
    found = show(tmp_path)
    host = found.hosts["bmc-020000000050"]
    assert "ansible_connection" not in host
    assert "x" not in host
    assert "kea_servers" not in found.inventory


def test_links_and_pipes_are_not_followed(directory: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yml"
    secret.write_text("g: {hosts: {a: {ansible_host: 10.0.0.50, bmc_mac: '02:00:00:00:00:50'}}}\n")
    (directory / "link.yml").symlink_to(secret)
    os.mkfifo(directory / "pipe.yml")
    found = show(tmp_path)
    assert len(found.hosts) == 9
    assert "link.yml' is no discovery file: Too many levels of symbolic links" in found.errors
    assert "So are 1 other files" in found.errors


def test_a_directory_that_is_missing_names_the_option(tmp_path: Path) -> None:
    assert "directory: there is no directory" in show(tmp_path).errors
    assert "source=directory needs the option directory" in listed(tmp_path, source="directory").errors


def two_sources(tmp_path: Path, *machines: dict[str, str]) -> dict[str, int]:
    """Return the hosts of two sources that have a machine of one name each, and from which source each host is."""
    words: list[object] = []
    network = "10.0.0." if any("bmc_client_id" in one for one in machines) else "2001:db8::"
    for number, identifiers in enumerate(machines, 1):
        variables = {"ansible_host": f"{network}{number}", "bmc_hostname": "idrac-1", **identifiers}
        parent = tmp_path / str(number)
        (parent / "files").mkdir(parents=True)
        (parent / "files" / "one.yml").write_text(yaml.safe_dump({"bmc_targets": {"hosts": {"idrac-1": variables}}}))
        words += ["-i", configuration(parent, source="directory", directory="files")]
    hosts = run("ansible-inventory", *words, "--list").hosts
    return {name: int(variables["ansible_host"][-1]) for name, variables in hosts.items()}


@pytest.mark.parametrize(("name", "kind"), [("bmc_duid", "duid"), ("bmc_client_id", "id")])
def test_a_client_takes_no_host_with_an_identifier_like_its_hardware_address(
    name: str, kind: str, tmp_path: Path
) -> None:
    """A client invents its DUID, and the host may have the password of the machine."""
    value = "02:bc:00:00:00:01"
    machine, other = {"bmc_mac": value}, {name: value}
    assert two_sources(tmp_path / "a", machine, other) == {"idrac-1": 1, f"bmc-{kind}-02bc00000001": 2}
    assert two_sources(tmp_path / "b", other, machine) == {"idrac-1": 1, "bmc-02bc00000001": 2}


@pytest.mark.parametrize("name", ["bmc_mac", "bmc_duid", "bmc_client_id"])
def test_a_machine_of_two_sources_is_one_host(name: str, tmp_path: Path) -> None:
    """The last source wins, as in Ansible."""
    assert two_sources(tmp_path, *2 * [{name: "02:bc:00:00:00:01"}]) == {"idrac-1": 2}
