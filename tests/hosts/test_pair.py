# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pair, and what operators and faults do to it while clients ask: no exchange is lost.

``late`` is printed and not judged: how long a client waits depends on what else this machine does.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest
from changing import Site
from host import Kea, wait
from states import BEFORE_DEPLOY, deployed
from support import playbook
from support.certificates import Authority, Certificate
from support.paths import LAB, ROOT, ansible_environment
from support.programs import ProgramError, run
from support.suites import SUITES
from support.wait import until

MODE = os.environ.get("HA_MODE", "hot-standby")
NAMES = ("kea-pair-one", "kea-pair-two")
NORMAL = {"hot-standby", "load-balancing"}
ASKING = 15
"""Seconds for which clients ask before and after what is done, so that many renew however short it is."""
POOLS = {
    "hot-standby": [{"pool": "10.77.16.0 - 10.77.31.255"}],
    "load-balancing": [
        {"pool": "10.77.16.0 - 10.77.23.255", "client-class": f"HA_{NAMES[0]}"},
        {"pool": "10.77.24.0 - 10.77.31.255", "client-class": f"HA_{NAMES[1]}"},
    ],
}


def state_of(server: Site) -> str:
    """Return the state of a server in its pair, ``away`` if it does not answer."""
    try:
        answer = Kea(server).command("status-get")
        return str(answer["arguments"]["high-availability"][0]["ha-servers"]["local"]["state"])
    except (AssertionError, KeyError, IndexError, ProgramError, ValueError):
        return "away"


class Pair:
    """Both servers, and the host of their clients."""

    def __init__(self, bmcs: str, directory: Path) -> None:
        self.servers = [Site(name, run(str(LAB / "lab"), "ip", name).strip(), bmcs) for name in NAMES]
        self._ssh = ("ssh", "-F", f"{ROOT}/.cache/ssh_config", bmcs)
        for script in ("bmc.py", "pair.py"):
            run(*self._ssh, f"cat >/run/{script}", stdin=(LAB / script).read_text())
        self._authority = Authority(directory, "ca")
        self._issued = 0
        self.variables: dict[str, Any] = {}
        self.issue()

    def issue(self) -> None:
        """Create new certificates for both, which the next deployment brings."""
        self._issued += 1
        made: list[Certificate] = [self._authority.issue(f"{name}-{self._issued}", name, name) for name in NAMES]
        directory = made[0].path.parent
        self.variables = {
            "kea_ha_mode": MODE,
            "kea_ha_trust_anchor": str(self._authority.own.path),
            "kea_ha_cert_file": f"{directory}/{{{{ inventory_hostname }}}}-{self._issued}.pem",
            "kea_ha_key_file": f"{directory}/{{{{ inventory_hostname }}}}-{self._issued}.key",
            "kea_dhcp4_subnets": [{"id": 1, "subnet": "10.77.0.0/16", "pools": POOLS[MODE]}],
        }

    def deploy(self, *options: str, **more: Any) -> int:
        return self.servers[0].succeed("kea_deploy", *options, **{**self.variables, **more})

    def deploy_single(self, number: int) -> None:
        """Deploy one of the hosts as a server of its own, with the same pools."""
        pools = [{"pool": one["pool"]} for one in POOLS[MODE]]
        subnets = [{**self.variables["kea_dhcp4_subnets"][0], "pools": pools}]
        name = self.servers[number].name
        self.servers[number].succeed("kea_deploy", "--limit", name, kea_dhcp4_subnets=subnets)

    def leases(self, number: int) -> dict[str, str]:
        """Return the leases that one server has: the client of each address."""
        answer = Kea(self.servers[number]).command("lease4-get-all", subnets=[1])
        return {lease["ip-address"]: lease["hw-address"] for lease in answer["arguments"]["leases"]}

    def await_same_leases(self) -> None:
        """Until both have the same leases: a client may get one at any moment."""
        until(lambda: self.leases(0) == self.leases(1) != {}, "the same leases on both", pause=0.5)

    def states(self) -> list[str]:
        """Return the state of each server."""
        return [state_of(server) for server in self.servers]

    def await_normal(self) -> None:
        until(lambda: set(self.states()) <= NORMAL, lambda: f"both normal, now {self.states()}", 300, 0.5)

    @contextmanager
    def asked(self, what: str, before: bool = True, after: bool = True, apart: bool = False) -> Iterator[None]:
        """Have clients ask both servers meanwhile; print how late they were served, and allow no lost exchange.

        ``before`` and ``after`` tell whether both are a pair in its normal states then. No two clients may get the
        same address, unless both servers served ``apart`` for a time.
        """
        if before:
            self.await_normal()
        addresses = [server.address for server in self.servers]
        command = shlex.join(["python3", "/run/pair.py", *addresses, "--seconds", "3000"])
        remote = [*self._ssh, f"echo $$ >/run/pair.pid; exec {command}"]
        with subprocess.Popen(remote, stdout=subprocess.PIPE, text=True) as process:
            try:
                time.sleep(ASKING)
                yield
                if after:
                    self.await_normal()
                time.sleep(ASKING)
            finally:
                run(*self._ssh, "kill -TERM $(cat /run/pair.pid)")
                output = process.communicate(timeout=300)[0]
        told = json.loads(output)
        for kind in ("new", "renewed"):
            tally = told[kind]
            print(f"{MODE}, {what}: {kind} {tally['done']}, late {tally['late']}, worst {tally['worst']} s")
            assert tally["done"] > 10, told
            assert tally["lost"] == 0, told
        print(f"{MODE}, {what}: {len(told['doubled'])} addresses went to two clients")
        assert apart or told["doubled"] == [], told


@pytest.fixture(scope="module")
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    pair = Pair(request.config.option.bmcs, tmp_path_factory.mktemp("certificates"))
    if not deployed(pair.servers[1]):
        pair.deploy_single(0)
    return pair


def test_a_serving_single_server_becomes_half_of_a_pair(pair: Pair) -> None:
    """The play deploys both at once: an empty server that waits for its partner alone would serve after a minute."""
    with pair.asked("a single server becomes half of a pair", before=False):
        assert pair.deploy() > 0
    pair.await_same_leases()


def test_a_second_deployment_changes_nothing(pair: Pair) -> None:
    pair.servers[0].settled(**pair.variables)


def test_a_changed_setting(pair: Pair) -> None:
    with pair.asked("changed setting"):
        assert pair.deploy(kea_dhcp4_settings={"valid-lifetime": 3000}) > 0
        assert pair.deploy() > 0


def test_new_certificates(pair: Pair) -> None:
    pair.issue()
    with pair.asked("new certificates"):
        assert pair.deploy() > 0


def test_a_run_of_the_lfc_timer(pair: Pair) -> None:
    with pair.asked("LFC"):
        for server in pair.servers:
            server.run("systemctl", "start", "kea-lfc.service")


@pytest.mark.parametrize("number", [0, 1], ids=["first", "second"])
def test_a_restart_by_the_module(pair: Pair, number: int) -> None:
    server = pair.servers[number]
    with pair.asked(f"restart of {server.name}"):
        inventories = [argument for one in server.inventories for argument in ("-i", one)]
        assert playbook.module(server.name, "kea_service", {"state": "restarted"}, inventories)["changed"]


def test_a_play_that_is_killed_in_the_maintenance(pair: Pair) -> None:
    """The partner has the clients of both, and the next play ends the maintenance."""
    with pair.asked("killed play"):
        command = ["ansible-playbook", "playbooks/kea_deploy.yml"]
        for inventory in pair.servers[0].inventories:
            command += ["-i", inventory]
        variables = json.dumps({**pair.variables, "kea_dhcp4_settings": {"valid-lifetime": 2900}})
        command += ["--extra-vars", variables]
        # Ansible refuses to start with the error channel of this test, which does not block.
        none, environment = subprocess.DEVNULL, ansible_environment()
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=none, stdout=none, stderr=none, start_new_session=True
        ) as play:
            wait(lambda: "partner-in-maintenance" in pair.states() or play.poll() is not None, "the maintenance")
            assert play.poll() is None, "the play ended before it could be killed"
            os.killpg(play.pid, signal.SIGKILL)
        pair.deploy(kea_dhcp4_settings={"valid-lifetime": 2900})
        pair.deploy()


@pytest.mark.parametrize("number", [0, 1], ids=["first", "second"])
def test_a_server_that_is_killed(pair: Pair, number: int) -> None:
    server = pair.servers[number]
    with pair.asked(f"{server.name} killed"):
        server.run("systemctl", "kill", "--signal=KILL", "kea-dhcp4-server")
        server.run("sh", "-c", "sleep 5; systemctl start kea-dhcp4-server")


def test_a_member_is_replaced_by_new_hardware(pair: Pair) -> None:
    """The new host has the name and the address of the old one, and nothing else.

    The old one died before, so that Kea gave up on it: that takes a minute, and is not what is tested here.
    """
    one, two = pair.servers
    erase = "systemctl stop 'kea-*'; apt-get purge --quiet=2 --yes 'kea-*' >/dev/null; rm -rf {}"
    paths = (
        "/etc/kea* /var/lib/kea* /var/lib/baremetal-kea /opt/baremetal /etc/systemd/system/kea-* /usr/local/bin/kea-*"
    )
    two.run("sh", "-c", f"{erase.format(paths)}; systemctl daemon-reload; userdel kea-lease-monitor")
    assert state_of(two) == "away"
    until(lambda: state_of(one) == "partner-down", "the other one to serve alone", 180, lambda: Kea(one).ask(5))
    with pair.asked("member replaced", before=False):
        assert pair.deploy() > 0
    pair.await_same_leases()


def test_a_pair_becomes_single_and_a_pair_again(pair: Pair) -> None:
    one, two = pair.servers
    with pair.asked("a pair becomes single", after=False):
        inventories = [argument for path in two.inventories for argument in ("-i", path)]
        assert playbook.module(two.name, "kea_service", {"state": "handed_over"}, inventories)["changed"]
        purge = ["leases", "reservations"]
        two.succeed("kea_rollback", "--limit", two.name, kea_rollback_purge=purge, **pair.variables, **BEFORE_DEPLOY)
        pair.deploy_single(0)
    assert Kea(one).command("status-get")["arguments"].get("high-availability") in (None, [])
    with pair.asked("single again a pair", before=False):
        pair.deploy()
    pair.await_same_leases()


def test_a_server_whose_network_is_cut(pair: Pair) -> None:
    """Clients of the other one are served; afterwards both have all leases.

    Kea has no vote: until they find each other both serve, and the one that was cut does not know what the other gave.
    """
    cut, other = pair.servers
    route = run("podman", "exec", cut.name, "ip", "route", "show", "default").split()
    with pair.asked("network cut", apart=True):
        run("podman", "exec", cut.name, "ip", "link", "set", "eth0", "down")
        wait(lambda: state_of(other) == "partner-down", "the other one to serve alone")
        # All clients that waited are served, so only new ones ask while both serve.
        time.sleep(ASKING)
        run("podman", "exec", cut.name, "ip", "link", "set", "eth0", "up")
        run("podman", "exec", cut.name, "ip", "route", "replace", *route)
        wait(lambda: cut.run("echo", "there", check=False), "its network")


def test_an_upgrade_of_the_packages(pair: Pair) -> None:
    """From Debian's own Kea to that of its backports, one server after the other."""
    more = "sed -n 's/ trixie main$/ trixie-backports main/p' /etc/apt/sources.list >/etc/apt/sources.list.d/more.list"
    for server in pair.servers:
        server.run("sh", "-ec", more)
    with pair.asked("upgrade"):
        assert pair.deploy(kea_upgrade=True, kea_package_release="trixie-backports") > 0
    new = SUITES["backports"].kea
    assert [server.run("kea-dhcp4", "-v").startswith(new) for server in pair.servers] == [True, True]
    assert pair.deploy(kea_upgrade=True, kea_package_release="trixie-backports") == 0


def test_each_lease_is_in_the_inventory_of_both(pair: Pair) -> None:
    leases = Kea(pair.servers[0]).ask(20)
    addresses = {lease["address"] for lease in leases if lease["address"]}
    assert addresses
    for server in pair.servers:
        wait(lambda: addresses <= server.discovered(), f"the inventory of {server.name}")  # noqa: B023 - at once
    pair.servers[0].succeed("kea_verify", **pair.variables)


def test_the_pair_is_rolled_back(pair: Pair) -> None:
    pair.servers[0].succeed("kea_rollback", **pair.variables, **BEFORE_DEPLOY)
    assert not any(deployed(server) for server in pair.servers)
