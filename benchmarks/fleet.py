# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_deploy.yml on many hosts of which none, and then one, needs a change. All of them are on this machine."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import report
from support import playbook
from support.paths import LAB, ROOT
from support.programs import run

GOAL = 60.0
"""Seconds for a run on twenty hosts of which none needs a change."""
DRIFT = "echo '#' >>/etc/kea-lease-monitor/config.yml"


def inventory(names: list[str]) -> dict[str, Any]:
    """Return an inventory of servers in file mode, each with a network of its own."""
    hosts = {
        name: {
            "kea_dhcp4_subnets": [{"id": 1, "subnet": f"10.{100 + number}.0.0/16", "pools": [{"pool": pool(number)}]}]
        }
        for number, name in enumerate(names)
    }
    variables = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": f"-F {ROOT}/.cache/ssh_config",
        "kea_dhcp4_interfaces": ["eth0"],
    }
    return {"kea_servers": {"hosts": hosts, "vars": variables}}


def pool(number: int) -> str:
    return f"10.{100 + number}.16.0 - 10.{100 + number}.31.255"


def deploy(hosts: Path, forks: int, **variables: Any) -> tuple[float, list[int]]:
    """Return the seconds of a run, and how many tasks changed each host. Ends this program if it fails."""
    began = time.monotonic()
    done = playbook.play("kea_deploy", [hosts], variables, ["--forks", str(forks)])
    if done.code:
        raise SystemExit(done.output[-5000:])
    return time.monotonic() - began, done.changed


def measure(hosts: Path, names: list[str], forks: int) -> dict[str, tuple[float, int]]:
    """Return for each kind of run its seconds, and how many hosts it changed."""
    found = {}
    deploy(hosts, forks, kea_serial="20%")
    for what, before in (("none needs a change", ""), ("one needs a change", DRIFT), ("none again", "")):
        if before:
            run("ssh", "-F", f"{ROOT}/.cache/ssh_config", names[-1], before)
        seconds, changed = deploy(hosts, forks)
        found[what] = seconds, sum(1 for one in changed if one)
    return found


def fleet(number: int, suite: str, forks: int) -> bool:
    """Measure and show a fleet of so many hosts. Return whether it reaches the goals."""
    names = [f"kea-fleet-{one}" for one in range(number)]
    try:
        for name in names:
            subprocess.run([LAB / "lab", "up", name, suite], check=True, stdout=subprocess.DEVNULL)
        with tempfile.TemporaryDirectory() as directory:
            hosts = Path(directory, "hosts.json")
            hosts.write_text(json.dumps(inventory(names)))
            found = measure(hosts, names, forks)
    finally:
        subprocess.run([LAB / "lab", "down", *names], check=True, stdout=subprocess.DEVNULL)
    goal = GOAL * number / 20
    rows = [
        report.Row(what, [f"{seconds:.1f}", str(changed)], report.Goal(f"below {goal:.0f} s", seconds <= goal))
        for what, (seconds, changed) in found.items()
    ]
    report.show(f"kea_deploy.yml on {number} hosts", ["hosts", "s", "changed", ""], rows)
    in_time = all(seconds <= goal for seconds, _changed in found.values())
    return in_time and [changed for _seconds, changed in found.values()] == [0, 1, 0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="20", help="how many, or several numbers as 5,10,20 for the growth")
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("--suite", default="trixie-kea", help="suite of the hosts (tests/lab/lab)")
    options = parser.parse_args()
    reached = [fleet(int(number), options.suite, options.forks) for number in options.hosts.split(",")]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
