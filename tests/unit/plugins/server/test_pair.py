# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts and reloads of half of a pair: the decisions as tables, and two real Keas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host.account import Account
from ansible_collections.baremetal.kea.plugins.module_utils._kea import control, pairs
from ansible_collections.baremetal.kea.plugins.module_utils._server import kea_account, pair_facts, partner, served
from ansible_collections.baremetal.kea.plugins.module_utils._server import pair as server_pair
from ansible_collections.baremetal.kea.plugins.module_utils._server.pair import Pair
from ansible_collections.baremetal.kea.plugins.module_utils._server.pair_steps import Look, Step, after, before
from ansible_collections.baremetal.kea.plugins.module_utils._verify import pair as verify_pair
from ansible_collections.baremetal.kea.plugins.module_utils._verify.finding import Expected, Finding
from ansible_collections.baremetal.kea.plugins.plugin_utils import _pair as plan
from pair_helpers import BALANCED, HOT, Keas, Setup, pair_of
from support.modules import run_module
from support.wait import until


def look(here: str, there: str, mode: str = HOT, role: str = "primary", in_touch: bool = True) -> Look:
    status = pairs.Status(mode, role, here, [], there or "unavailable", in_touch, 0)
    return Look(status, there, "" if there else "timed out")


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (look(HOT, HOT), Step.HAND_OVER),
        (look(BALANCED, BALANCED, BALANCED), Step.HAND_OVER),
        (look(BALANCED, BALANCED, BALANCED, "secondary"), Step.HAND_OVER),
        # A standby serves no client while its partner does.
        (look(HOT, HOT, role="standby"), Step.ACT),
        (look("syncing", HOT, role="standby"), Step.ACT),
        (look("in-maintenance", "partner-in-maintenance"), Step.ACT),
        (look("waiting", "partner-down"), Step.ACT),
        (look("partner-in-maintenance", "in-maintenance"), Step.CANCEL_HERE),
        # Neither may be disturbed while a pair comes back.
        (look("waiting", "waiting"), Step.WAIT),
        (look("ready", "waiting"), Step.WAIT),
        (look("partner-down", "syncing"), Step.WAIT),
        (look(HOT, "ready"), Step.WAIT),
        (look("communication-recovery", BALANCED, BALANCED), Step.WAIT),
        # The partner answers its pair and not this host: it may be alive.
        (look(HOT, ""), Step.WAIT),
        (look("partner-down", "", in_touch=False), Step.ACT_ALONE),
        (look(HOT, "", in_touch=False), Step.ACT_ALONE),
        # Another play is restarting it.
        (look("partner-in-maintenance", "", in_touch=False), Step.ACT_ALONE),
        (look("terminated", "terminated"), Step.ACT),
        (look(HOT, "terminated"), Step.ACT),
        (look("passive-backup", "backup", "passive-backup"), Step.ACT),
        (look("backup", HOT, role="backup"), Step.ACT),
    ],
)
def test_before(seen: Look, step: Step) -> None:
    found, words = before(seen)
    assert found is step
    assert bool(words) == (step is Step.ACT_ALONE or "terminated" in (seen.here.state, seen.there))


def test_a_standby_that_will_be_away_hands_over_too() -> None:
    assert before(look(HOT, HOT, role="standby"), lasting=True)[0] is Step.HAND_OVER
    assert before(look("syncing", HOT, role="standby"), lasting=True)[0] is Step.WAIT


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        (look(HOT, HOT), Step.DONE),
        (look(BALANCED, BALANCED, BALANCED), Step.DONE),
        (look("terminated", "terminated"), Step.DONE),
        (look("in-maintenance", "partner-in-maintenance"), Step.CANCEL_THERE),
        (look("partner-in-maintenance", "in-maintenance"), Step.CANCEL_HERE),
        # The partner was restarted meanwhile, and knows of no maintenance.
        (look("in-maintenance", "waiting"), Step.RESUME),
        # A server that was reloaded takes part again before the maintenance may end.
        (look("waiting", "partner-in-maintenance"), Step.WAIT),
        (look("syncing", "partner-down"), Step.WAIT),
        (look(HOT, ""), Step.WAIT),
        # Kea itself never leaves this state.
        (look("in-maintenance", ""), Step.RESUME),
        (look("backup", "", role="backup"), Step.DONE),
        (look("passive-backup", "", "passive-backup"), Step.DONE),
    ],
)
def test_after(seen: Look, step: Step) -> None:
    assert after(seen) is step


@pytest.mark.parametrize(
    ("peer", "header"),
    [
        ({}, ""),
        ({"basic-auth-user": "kea", "basic-auth-password": "pass:word"}, "Basic a2VhOnBhc3M6d29yZA=="),
        ({"basic-auth-user": "kea", "basic-auth-password-file": "{password}"}, "Basic a2VhOnBhc3M6d29yZA=="),
        # Kea sends nothing without a user.
        ({"basic-auth-password-file": "{password}"}, ""),
    ],
)
def test_partner_of_a_configuration(tmp_path: Path, peer: dict[str, str], header: str) -> None:
    file = tmp_path / "password"
    file.write_text("pass:word\n")
    peers = [
        {"name": "one", "url": "http://192.0.2.1:8001/", "role": "primary"},
        {"name": "three", "url": "http://192.0.2.3:8001/", "role": "backup"},
        {"name": "two", "url": "https://192.0.2.2:8001/", "role": "standby", "cert-file": "/own.pem"},
    ]
    peers[2].update({key: value.format(password=file) for key, value in peer.items()})
    relationship = {"this-server-name": "one", "mode": HOT, "peers": peers, "trust-anchor": "/ca.pem", "key-file": "/k"}
    found = partner.find(hooks(relationship), 4, Account.own())
    assert found is not None
    assert (found.name, found.url, found.authorization) == ("two", "https://192.0.2.2:8001/", header)
    assert found.tls == {"trust-anchor": "/ca.pem", "cert-file": "/own.pem", "key-file": "/k"}


@pytest.mark.parametrize("libraries", [None, [], [{"library": "/x/libdhcp_lease_cmds.so"}], "odd"])
def test_no_partner(libraries: Any) -> None:
    assert partner.find(libraries, 4, Account.own()) is None


@pytest.mark.parametrize("relationships", [[], [{}], [{"this-server-name": "one", "peers": []}, {}]])
def test_a_pair_that_cannot_be_read_is_an_error(relationships: list[Any]) -> None:
    libraries = [{"library": "/x/libdhcp_ha.so", "parameters": {"high-availability": relationships}}]
    with pytest.raises(KeaError, match="cannot be read"):
        partner.find(libraries, 4, Account.own())


@pytest.mark.parametrize(("mode", "this"), [("passive-backup", "one"), ("passive-backup", "three"), (HOT, "three")])
def test_a_server_from_which_no_other_takes_over_has_no_partner(mode: str, this: str) -> None:
    roles = {"one": "primary", "three": "backup", **({} if mode == "passive-backup" else {"two": "standby"})}
    peers = [{"name": name, "url": "http://192.0.2.1:8001/", "role": role} for name, role in roles.items()]
    assert partner.find(hooks({"this-server-name": this, "mode": mode, "peers": peers}), 4, Account.own()) is None


@pytest.mark.parametrize(
    "answer", [{}, {"high-availability": [5]}, {"high-availability": [{}]}, {"high-availability": [{"ha-servers": []}]}]
)
def test_an_odd_answer_is_that_of_no_pair(answer: dict[str, Any]) -> None:
    assert pairs.status(answer) is None


class Scripted:
    """A pair whose states a test sets, and a clock that only waiting moves on."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, here: str, there: str) -> None:
        path.write_text(json.dumps({"Dhcp4": {"control-socket": {"socket-type": "unix", "socket-name": "/socket"}}}))
        self.here, self.there = here, there
        self.told: list[str] = []
        self.now = 0.0
        self.events: list[tuple[float, Any]] = []
        self.refused = 0
        """How many commands find no listener."""
        self.lost: set[str] = set()
        """Commands that are acted upon and whose answers are lost."""
        self.pair = Pair(str(path), Account.own, self._sleep, lambda: self.now)
        monkeypatch.setattr(partner, "find", lambda *_arguments: self)
        monkeypatch.setattr(partner, "delays", lambda _libraries: partner.Delays(1.0, 60.0))
        monkeypatch.setattr(control, "send", lambda _path, command, *_more: self._local(command))

    name = "two"

    def at(self, moment: float, here: str, there: str) -> None:
        """Have the states change at this second."""
        self.events.append((moment, (here, there)))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment, states in list(self.events):
            if self.now >= moment:
                self.here, self.there = states
                self.events.remove((moment, states))

    def _local(self, command: str) -> control.Answer:
        if command == "ha-maintenance-notify":
            self.told.append(f"here {command}")
            self.here = HOT
        if command != "status-get":
            return control.Answer(control.SUCCESS, "", {})
        local = {"role": "primary", "state": self.here, "scopes": []}
        remote = {"last-state": self.there or "unavailable", "communication-interrupted": not self.there}
        servers = {"local": local, "remote": remote}
        return control.Answer(control.SUCCESS, "", {"high-availability": [{"ha-mode": HOT, "ha-servers": servers}]})

    def send(self, command: str, _arguments: Any = None) -> control.Answer:
        """Answer as the partner does."""
        if not self.there:
            raise control.ControlError(command, "two", "refused")
        if command == "ha-heartbeat":
            return control.Answer(control.SUCCESS, "", {"state": self.there})
        if self.refused:
            self.refused -= 1
            raise control.ControlError(command, "two", "refused")
        self.told.append(command)
        if command == "ha-maintenance-start":
            self.here, self.there = "in-maintenance", "partner-in-maintenance"
        else:
            self.here = self.there = HOT
        if command in self.lost:
            raise control.ControlError(command, "two", "timed out")
        return control.Answer(control.SUCCESS, "", {})


def test_a_partner_that_a_play_restarts_is_not_taken_for_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "partner-down", "")
    scripted.at(10, "partner-down", "syncing")
    scripted.at(12, HOT, HOT)
    assert scripted.pair.hand_over() == []
    assert (scripted.told, scripted.here) == (["ha-maintenance-start"], "in-maintenance")
    assert scripted.now >= 12


def test_a_command_that_did_not_arrive_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, HOT, HOT)
    scripted.refused = 1
    assert scripted.pair.hand_over() == []
    assert (scripted.told, scripted.here) == (["ha-maintenance-start"], "in-maintenance")
    assert server_pair.AGAIN < scripted.now < server_pair.AGAIN + 2


def test_a_survivor_that_serves_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "partner-down", "")
    (words,) = scripted.pair.settle(wait=False)
    assert "this server is partner-down" in words
    assert scripted.now < 3


def test_a_dead_partner_is_said_once_that_is_certain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "partner-down", "")
    (words,) = scripted.pair.hand_over()
    assert "no server serves until this one is back" in words
    assert server_pair.AWAY < scripted.now < server_pair.AWAY + 2


def test_a_maintenance_without_a_partner_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "in-maintenance", "")
    (ended, words) = scripted.pair.settle(wait=False)
    assert (ended, scripted.told) == ("the maintenance was ended", ["here ha-maintenance-notify"])
    assert "its partner does not answer" in words
    assert scripted.now > server_pair.AWAY


@pytest.mark.parametrize("command", ["ha-maintenance-start", "ha-maintenance-cancel"])
def test_the_states_tell_where_an_answer_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, HOT, HOT)
    scripted.lost.add(command)
    assert scripted.pair.hand_over() == []
    assert scripted.told == ["ha-maintenance-start"]
    scripted.pair.settle(wait=True)
    assert (scripted.here, scripted.there, scripted.told[1:]) == (HOT, HOT, ["ha-maintenance-cancel"])


def test_a_restarted_survivor_is_waited_for_until_it_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "waiting", "")
    scripted.at(60, "partner-down", "")
    (words,) = scripted.pair.settle(wait=True)
    assert "this server is partner-down" in words
    assert scripted.now >= 60
    # A run that did not restart it does not wait so long.
    again = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "waiting", "")
    (words,) = again.pair.settle(wait=False)
    assert "this server is waiting" in words
    assert again.now < 30


def test_the_maintenance_of_another_play_is_given_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = Scripted(tmp_path / "kea-dhcp4.conf", monkeypatch, "partner-in-maintenance", "in-maintenance")
    scripted.at(50, "partner-down", "")
    scripted.at(65, HOT, HOT)
    assert scripted.pair.hand_over() == []
    assert scripted.told == ["ha-maintenance-start"]
    assert scripted.now >= 65


def hooks(relationship: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"library": "/x/libdhcp_ha.so", "parameters": {"high-availability": [relationship]}}]


@pytest.fixture
def keas(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keas]:
    password = tmp_path / "password"
    password.write_text("a secret")
    monkeypatch.setattr(plan, "password_file", lambda _family: str(password))
    mode, changes, *more = request.param
    family, setup = (*more, *(4, Setup(password="a secret"))[len(more) :])
    found = Keas(tmp_path, mode, changes, family, setup)
    try:
        found.await_normal()
        yield found
    finally:
        found.stop()


real = [pytest.mark.kea, pytest.mark.slow]


@pytest.mark.parametrize(
    "keas",
    [
        *(pytest.param((mode, {}), id=mode, marks=real) for mode in (HOT, BALANCED)),
        pytest.param((HOT, {}, 6), id="dhcp6", marks=real),
    ],
    indirect=True,
)
def test_a_reload_happens_while_the_partner_serves_all(keas: Keas) -> None:
    one, two = keas.servers
    pair = pair_of(one)
    assert pair.hand_over() == []
    assert keas.states() == ["in-maintenance", "partner-in-maintenance"]
    assert one.ask("config-reload")["result"] == 0
    assert keas.state(two) == "partner-in-maintenance"
    assert pair.settle(wait=True) == ["the maintenance was ended"]
    assert keas.states() == [keas.mode] * 2


@pytest.mark.parametrize("keas", [pytest.param((HOT, {}), id=HOT, marks=real)], indirect=True)
def test_what_a_killed_play_leaves_is_finished_by_the_next_one(keas: Keas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_pair, "GRACE", 1.0)
    one, two = keas.servers
    pair_of(one).hand_over()
    # Killed here. The next play may meet either server first, and has nothing to change.
    assert pair_of(two).settle(wait=False) == ["the maintenance was ended"]
    assert keas.states() == [HOT] * 2
    pair_of(one).hand_over()
    assert pair_of(one).settle(wait=False) == ["the maintenance was ended"]
    # A standby needs no maintenance: its partner serves all clients.
    assert pair_of(two).hand_over() == []
    assert keas.states() == [HOT] * 2


@pytest.mark.parametrize("keas", [pytest.param((HOT, {}), id=HOT, marks=real)], indirect=True)
def test_something_else_may_restart_a_server_whose_partner_serves_all(keas: Keas) -> None:
    """As an upgrade of its packages does."""
    for number, server in enumerate(keas.servers):
        pair_of(server).hand_over(lasting=True)
        server.stop()
        # Also the partner of a standby, which would wait for it at each lease. It may notice the absence.
        assert keas.state(keas.servers[1 - number]) in ("partner-in-maintenance", "partner-down")
        keas.launch(number)
        until(server.answers, "the new process")
        pair_of(server).settle(wait=False)
        assert keas.states() == [HOT] * 2


@pytest.mark.parametrize("keas", [pytest.param((HOT, {}), id=HOT, marks=real)], indirect=True)
def test_facts_of_a_pair_a3(keas: Keas, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = keas.servers
    found = pair_facts.pair(str(one.config), Account.own, served.Once(str(one.config)))
    assert found is not None
    assert (found["mode"], found["role"], found["state"], found["scopes"]) == (HOT, "primary", HOT, ["one"])
    assert (found["partner"], found["partner_state"], found["partner_scopes"]) == ("two", HOT, [])
    assert (found["subnets_differ"], found["unacked"], found["error"]) == ([], 0, None)
    assert abs(found["clock_difference"]) < 2
    assert "a secret" not in str(found)
    config = json.loads(two.config.read_text())
    config["Dhcp4"]["subnet4"][0]["pools"].pop()
    config["Dhcp4"]["subnet4"].append({"id": 2, "subnet": "198.51.100.0/24"})
    two.config.write_text(json.dumps(config))
    assert two.ask("config-reload")["result"] == 0
    found = pair_facts.pair(str(one.config), Account.own, served.Once(str(one.config)))
    assert found is not None
    phrases = ["192.0.2.0/24 (id 1) with other pools", "198.51.100.0/24 (id 2) at the partner only"]
    assert found["subnets_differ"] == phrases
    asked: list[str] = []

    def running(sockets: Any, top: str) -> Any:
        asked.append(top)
        return send(sockets, top)

    send = served.running
    monkeypatch.setattr(served, "running", running)
    # Kea's own user may not enter the directory of this test.
    monkeypatch.setattr(kea_account, "of", lambda _module, _path: Account.own)
    verified = run_module("kea_verify", path=str(one.config))
    assert any(word in str(verified["findings"]) for word in phrases)
    assert asked == ["Dhcp4"], "Kea answers in the thread that serves clients"
    two.stop()
    found = pair_facts.pair(str(one.config), Account.own, served.Once(str(one.config)))
    assert found is not None
    assert "refused" in found["error"]


# Kea gives up on its partner after seconds, and not only once clients go unanswered.
HASTY = {"max-response-delay": 3000, "max-ack-delay": 1000, "max-unacked-clients": 0}


@pytest.mark.parametrize(
    "keas", [pytest.param((HOT, HASTY, 4, Setup(relayed=True)), id="relayed", marks=real)], indirect=True
)
def test_each_server_names_the_states_of_both_in_one_line(keas: Keas) -> None:
    """Where both are cut from each other, where one is killed, and where the clock of one is 90 s off."""

    def told(number: int) -> list[Finding]:
        path = str(keas.servers[number].config)
        found = pair_facts.pair(path, Account.own, served.Once(path))
        return list(verify_pair.pair({"pair": found}, cast(Expected, None)))

    def line(number: int) -> str:
        (found,) = [one for one in told(number) if one.name == "pair"]
        assert found.verdict == "wrong"
        return found.seen

    def become(*states: str) -> None:
        until(lambda: keas.states() == list(states), lambda: f"{states}: {keas.states()}", 60, 0.2)

    everything = "is partner-down and serves the clients of one"
    for relay in keas.relays:
        relay.cut()
    become("partner-down", "partner-down")
    assert line(0).startswith(f"{HOT}: this server (primary) {everything}; its partner two does not answer: ")
    assert line(1).startswith(f"{HOT}: this server (standby) {everything}; its partner one does not answer: ")
    assert all("both may serve the same clients" in one.todo for number in (0, 1) for one in told(number)[:1])
    for relay in keas.relays:
        relay.cut(False)
    keas.await_normal()

    one, two = keas.servers
    assert two.process
    two.process.kill()
    two.stop()
    until(lambda: keas.state(one) == "partner-down", "the survivor serves alone", 60, 0.2)
    assert line(0).startswith(f"{HOT}: this server (primary) {everything}; its partner two does not answer: ")
    assert line(1) == f"{HOT}: this server (standby) does not answer; one {everything}"
    one.stop()
    assert line(1).startswith(f"{HOT}: this server (standby) does not answer; its partner one does not answer: ")
    for number in (0, 1):
        keas.launch(number)
    keas.await_normal()

    for relay, ahead in zip(keas.relays, (-90, 90)):
        relay.ahead = ahead
    become("terminated", "terminated")
    words = ("is terminated and serves the clients of one", "is terminated and serves no client")
    for number, other, sign in ((0, "two", "+"), (1, "one", "-")):
        assert line(number).endswith(f"{words[number]}; {other} {words[1 - number]}")
        clocks = [finding for finding in told(number) if finding.name == "pair clocks"]
        assert [finding.verdict for finding in clocks] == ["wrong"]
        assert f"the clock of {other} is {sign}" in clocks[0].seen


@pytest.mark.parametrize("keas", [pytest.param((HOT, {}), id=HOT, marks=real)], indirect=True)
def test_a_server_in_maintenance_whose_partner_dies_serves_again(keas: Keas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_pair, "AWAY", 3.0)
    one, two = keas.servers
    pair_of(one).hand_over()
    two.stop()
    (ended, _words) = pair_of(one).settle(wait=False)
    assert ended == "the maintenance was ended"
    assert keas.state(one) == HOT


@pytest.mark.parametrize("keas", [pytest.param((HOT, {}), id=HOT, marks=real)], indirect=True)
def test_the_survivor_is_restarted_and_says_so(keas: Keas, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_pair, "AWAY", 3.0)
    one, two = keas.servers
    two.stop()
    until(lambda: not pairs.status(one.ask("status-get")["arguments"]).in_touch, "the loss is noticed", 20)
    (words,) = pair_of(one).hand_over()
    assert "the partner does not answer" in words
    assert "no server serves" in words
    assert len(pair_of(one).settle(wait=True)) == 1


@pytest.mark.parametrize(
    "keas", [pytest.param((HOT, {"restrict-commands": True}), id="restricted", marks=real)], indirect=True
)
def test_a_partner_that_refuses_the_command_is_named(keas: Keas) -> None:
    one, _two = keas.servers
    with pytest.raises(KeaError, match=r"partner two refuses ha-maintenance-start.*restrict-commands"):
        pair_of(one).hand_over()
    assert keas.states() == [HOT] * 2


def test_a_server_that_does_not_answer_is_not_held_up(tmp_path: Path) -> None:
    config = tmp_path / "kea-dhcp4.conf"
    config.write_text(json.dumps({"Dhcp4": {"control-socket": {"socket-type": "unix", "socket-name": "/nowhere"}}}))
    assert Pair(str(config), Account.own).hand_over() == []
    assert Pair(str(config), Account.own).settle(wait=True) == []
