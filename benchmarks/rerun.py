# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of kea_deploy.yml: the first on a host that has the packages, and second ones on the deployed host.

A second run leaves the host alone, or asks all questions.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import report
from support import playbook
from support.paths import LAB, ROOT

HOST = "kea-second-run"
MODES = {
    "file": {},
    "database": {"kea_enable_database": True},
    "events": {"kea_enable_database": True, "kea_db_enable_notify": True},
}
GOALS = {"file": 6.0, "database": 10.0, "events": 10.0}
"""Longest second run on a host on which nothing changed, in seconds."""
FIRST = 45.0
"""Longest first deployment, in seconds, without the installation of packages."""
_TASK = re.compile(r"^(\S.*?) -+ ([0-9.]+)s$")
_ASKED = 0.15
"""Shortest task, in seconds, that counts as a question to the host; Ansible does faster ones alone."""


def inventory(mode: str) -> dict[str, Any]:
    """Return an inventory with one network, all defaults, and the settings of docs/second-run.md."""
    subnet = {"id": 1, "subnet": "10.77.0.0/16", "pools": [{"pool": "10.77.16.0 - 10.77.31.255"}]}
    variables = {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": f"-F {ROOT}/.cache/ssh_config",
        "kea_dhcp4_interfaces": ["eth0"],
        "kea_dhcp4_subnets": [subnet],
        **MODES[mode],
    }
    return {"kea_servers": {"hosts": {HOST: {}}, "vars": variables}}


def deploy(hosts: Path, full_run: bool = False) -> tuple[float, dict[str, float]]:
    """Return the seconds of the play and of each task, in order. Ends this program if the play fails.

    The seconds are -1 if anything changed. With ``full_run``, all questions are asked.
    """
    environment = {
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks",
        "PROFILE_TASKS_SORT_ORDER": "none",
        "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all",
    }
    done = playbook.play("kea_deploy", [hosts], {"kea_full_run": full_run}, environment=environment)
    if done.code:
        raise SystemExit(done.output[-5000:])
    recap = done.output.split("TASKS RECAP")[1]
    tasks: dict[str, float] = {}
    for name, seconds in (match.groups() for match in map(_TASK.match, recap.splitlines()) if match):
        tasks[name] = tasks.get(name, 0.0) + float(seconds)
    print(f"{re.findall(r'ok=.*', done.output)[0]}, {sum(tasks.values()):.1f} s", file=sys.stderr)
    return (sum(tasks.values()) if "changed=0" in done.output else -1.0), tasks


def table(mode: str, first: float, alone: list[float], runs: list[tuple[float, dict[str, float]]]) -> None:
    """Print the time of the first run, and the medians of those that leave the host alone and of full ones by task."""
    medians = {name: statistics.median(tasks.get(name, 0.0) for _all, tasks in runs) for name in runs[0][1]}
    asked = {name: seconds for name, seconds in medians.items() if seconds >= _ASKED}
    whole = statistics.median(seconds for seconds, _tasks in runs)
    rows = [report.Row(name.removeprefix("baremetal.kea."), [f"{asked[name]:.2f}"], None) for name in asked]
    rest = sum(medians.values()) - sum(asked.values())
    rows.append(report.Row(f"{len(medians) - len(asked)} others", [f"{rest:.2f}"], None))
    rows.append(report.Row("full run", [f"{whole:.1f}"], None))
    goal = report.Goal(f"below {GOALS[mode]:.0f} s", reached(mode, alone))
    rows.append(report.Row("run that leaves the host alone", [f"{statistics.median(alone):.1f}"], goal))
    goal = report.Goal(f"below {FIRST:.0f} s", first <= FIRST)
    rows.append(report.Row("first deployment, the packages were there", [f"{first:.1f}"], goal))
    report.show(f"Runs of kea_deploy.yml in {mode} mode", ["task", "s", ""], rows)


def reached(mode: str, alone: list[float]) -> bool:
    """Return whether each run changed nothing and took no longer than its goal."""
    return all(0 <= seconds <= GOALS[mode] for seconds in alone)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=list(MODES), default="events")
    parser.add_argument("--suite", default="trixie-kea", help="suite of the host (tests/lab/lab)")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    subprocess.run([LAB / "lab", "up", HOST, options.suite], check=True, stdout=subprocess.DEVNULL)
    try:
        with tempfile.TemporaryDirectory() as directory:
            hosts = Path(directory, "hosts.json")
            hosts.write_text(json.dumps(inventory(options.mode)))
            first = sum(deploy(hosts)[1].values())
            alone = [deploy(hosts)[0] for _run in range(options.runs)]
            runs = [deploy(hosts, full_run=True) for _run in range(options.runs)]
    finally:
        subprocess.run([LAB / "lab", "down", HOST], check=True, stdout=subprocess.DEVNULL)
    table(options.mode, first, alone, runs)
    return 0 if first <= FIRST and reached(options.mode, alone) else 1


if __name__ == "__main__":
    raise SystemExit(main())
