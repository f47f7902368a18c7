# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play that is killed after each changing task in turn is run again and converges.

Each run is killed after the first change that ended no earlier run, so each change is the last of some run. What a
later run has to repeat, such as writing a candidate of a configuration, does not end a run again.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from host import Host, Kea
from states import EVENTS, require_deployed, require_events_mode
from support.paths import LAB
from support.playbook import Played

MODES: dict[str, dict[str, Any]] = {"file": {}, "events": EVENTS}
CLIENTS = ("--first", "9000", "--count", "10", "--retry-after", "20")
MOST = 80


class Killed(Host):
    def play_killed(self, name: str, passed: list[str], **variables: Any) -> Played:
        """Run a playbook, and kill it after the first task that changes something and is not in the list."""
        killer = {"ANSIBLE_CALLBACK_PLUGINS": str(LAB / "callback"), "ANSIBLE_CALLBACKS_ENABLED": "killer"}
        killer["KILLER_PASSED"] = "\n".join(passed)
        return self.play(name, environment=killer, **variables)

    def kill_until_done(self, name: str, **variables: Any) -> list[str]:
        """Run a playbook until it completes. Return the tasks after which it was killed, each as its file and line."""
        tasks: list[str] = []
        for _time in range(MOST):
            played = self.play_killed(name, tasks, **variables)
            if played.code == 0:
                return tasks
            assert played.code == -9, played.output[-3000:]
            [killed] = re.findall(r"(killed after (\S+) .*)", played.output)
            print(killed[0], flush=True)
            tasks.append(killed[1])
        raise AssertionError(f"it does not complete: {tasks}")

    def monitor(self) -> str:
        return self.run("systemctl", "show", "-P", "MainPID", "kea-lease-monitor").strip()

    def left_over(self) -> str:
        """Return temporary files of a change that are still there."""
        return self.run("find", "/etc", "/opt", "/var/lib/kea", "/var/lib/baremetal-kea", "/var/lib/kea-lease-monitor",
                        "-name", "*.candidate.conf", "-o", "-name", "*.new", "-o", "-name", ".*.tmp",
                        "-o", "-name", ".new-*",
                        check=False)  # fmt: skip

    def serves(self) -> list[str]:
        answers = [json.loads(line) for line in self.play_bmcs(*CLIENTS).splitlines()]
        assert len({answer["address"] for answer in answers} - {None}) == 10
        return sorted(answer["address"] for answer in answers)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest) -> Killed:
    options = request.config.option
    return Killed(options.host, options.address, options.bmcs)


@pytest.mark.parametrize("mode", MODES)
def test_a_deployment_that_is_killed_after_each_change_converges(site: Killed, mode: str) -> None:
    tasks = site.kill_until_done("kea_deploy", **MODES[mode])
    assert len(tasks) > 5
    kea, monitor = Kea(site), site.monitor()
    played = site.play("kea_deploy", kea_full_run=True, **MODES[mode])
    assert (played.code, played.changed) == (0, [0]), played.output[-3000:]
    assert (kea.process(), site.monitor(), site.left_over()) == (kea.began, monitor, "")
    assert site.serves() == site.serves()
    assert site.run("kea-lease-monitor", "check").startswith("healthy")


@pytest.mark.parametrize("target", ["polling", "before_deploy"])
def test_a_roll_back_that_is_killed_after_each_change_converges(site: Killed, target: str) -> None:
    if target == "polling":
        require_events_mode(site)
    require_deployed(site)
    before, kea = site.serves(), Kea(site)
    tasks = site.kill_until_done("kea_rollback", **MODES["events"], kea_rollback_to=target)
    assert len(tasks) > 2
    played = site.play("kea_rollback", **MODES["events"], kea_rollback_to=target)
    assert (played.code, set(played.changed)) == (0, {0}), played.output[-3000:]
    assert (kea.process() != "0", site.left_over()) == (True, "")
    if target == "polling":
        assert site.serves() == before
