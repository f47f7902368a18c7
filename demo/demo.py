# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Demo on a real Debian host: run kea_deploy.yml, request leases as 300 BMCs, and show reservations and inventory."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from support import control
from support.paths import LAB, ROOT
from support.programs import ProgramError, run
from support.suites import NEWEST, SUITES
from support.wait import until

WORK = ROOT / ".cache" / "demo"
HOST, BMCS = "kea-demo", "kea-demo-bmcs"
COUNT, RATE, NAMELESS = 300, 100, 40
DISCOVERY = "/var/lib/kea/discovery"
WAIT = 30
"""Seconds to wait for the monitor or for Kea."""
MODES: dict[str, dict[str, Any]] = {
    "file": {"kea_reservations_interval": 2},
    "database": {"kea_enable_database": True},
    "events": {"kea_enable_database": True, "kea_db_enable_notify": True},
}


class DemoError(Exception):
    """Failure of a step that the demo shows."""


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m", flush=True)


def lab(*words: str) -> str:
    """Call tests/lab/lab, whose progress goes to the terminal. Return what it prints."""
    done = subprocess.run([LAB / "lab", *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise DemoError(f"tests/lab/lab {' '.join(words)} exited with {done.returncode}")
    return done.stdout


def on_host(*command: str, stdin: str | None = None, check: bool = True) -> str:
    return run("podman", "exec", "--interactive", HOST, *command, stdin=stdin, check=check)


def bmcs(server: str, *options: str) -> list[dict[str, Any]]:
    """Request leases as BMCs, which run on a host of their own. Return their answers."""
    script = (LAB / "bmc.py").read_text()
    lines = run("podman", "exec", "--interactive", BMCS, "python3", "-", server, *options, stdin=script, check=False)
    return [json.loads(line) for line in lines.splitlines()]


def inventory(mode: str, suite: str) -> Path:
    """Write the inventory that the demo deploys with; an operator would write the same."""
    variables = {
        "ansible_user": "root",
        "ansible_ssh_common_args": f"-F {ROOT}/.cache/ssh_config",
        "kea_package_release": SUITES[suite].package_release,
        "kea_dhcp4_interfaces": ["eth0"],
        "kea_dhcp4_subnets": [{"id": 1, "subnet": "10.77.0.0/16", "pools": [{"pool": "10.77.16.0 - 10.77.31.255"}]}],
        # Only for the measurement: PostgreSQL records when each row was committed.
        "kea_db_settings": {"track_commit_timestamp": "on"},
        **MODES[mode],
    }
    path = WORK / "inventory.json"
    path.write_text(json.dumps({"kea_servers": {"hosts": {HOST: variables}}, "kea_database": {}}, indent=2))
    return path


def deploy(inventory_path: Path) -> float:
    start = time.monotonic()
    command = ["ansible-playbook", "playbooks/kea_deploy.yml", "-i", str(inventory_path)]
    log = WORK / "deploy.log"
    print("$", " ".join(command[:2]), f"-i {inventory_path.relative_to(ROOT)}   (output: {log.relative_to(ROOT)})")
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as play:
        for line in play.stdout or ():
            output.write(line)
            if b"TASK [" in line:
                print(".", end="", flush=True)
    print()
    if play.returncode:
        raise DemoError(f"the play failed:\n{log.read_text()[-3000:]}")
    return time.monotonic() - start


def sql(query: str) -> list[list[str]]:
    """Run a query in the host's database as its administrator, and return the rows."""
    lines = on_host("runuser", "-u", "postgres", "--", "psql", "-XAt", "-F", "\t", "kea", stdin=query).splitlines()
    return [line.split("\t") for line in lines]


def kea(command: str, **arguments: Any) -> dict[str, Any]:
    """Send a command over Kea's control channel, and return the answer."""
    script = Path(control.__file__).read_text()
    answer: dict[str, Any] = json.loads(on_host("python3", "-", command, json.dumps(arguments), stdin=script))
    return answer


class Site:
    """The host as its operator sees it; each mode keeps leases and reservations in other places."""

    LEASES = "/var/lib/kea/kea-leases4.csv"
    RESERVATIONS = "/var/lib/kea-reservations/written/subnet-1.json"
    LEASE_COUNT = "SELECT count(*) FROM lease4 WHERE state = 0 AND valid_lifetime > 0"
    # PostgreSQL's own commit times of both rows, which neither Kea nor the monitor can influence.
    DELAYS = """SELECT extract(epoch FROM pg_xact_commit_timestamp(hosts.xmin) - pg_xact_commit_timestamp(lease4.xmin))
        FROM lease4 JOIN hosts ON (ipv4_address, dhcp4_subnet_id) = (address, subnet_id)"""
    COMMITS = "SELECT '0.0.0.0'::inet + ipv4_address, extract(epoch FROM pg_xact_commit_timestamp(xmin)) FROM hosts"

    def __init__(self, mode: str) -> None:
        self.leases_in_database = mode == "events"
        self.hosts_in_database = mode != "file"

    def leases(self) -> set[str]:
        """Return the addresses in use."""
        if self.leases_in_database:
            query = "SELECT '0.0.0.0'::inet + address FROM lease4 WHERE state = 0 AND valid_lifetime > 0"
            return {row[0] for row in sql(query)}
        latest = {}
        for row in on_host("cat", self.LEASES).splitlines()[1:]:
            columns = row.split(",")
            latest[columns[0]] = columns[3] != "0" and columns[9] == "0"
        return {address for address, active in latest.items() if active}

    def reservations(self) -> int:
        if self.hosts_in_database:
            return int(sql("SELECT count(*) FROM hosts")[0][0])
        exported = json.loads(on_host("kea-lease-monitor", "export"))["reservations"]
        return sum(map(len, exported.values()))

    def journal(self, phrase: str) -> int:
        """Count a phrase in the monitor's journal."""
        return on_host("journalctl", "--unit", "kea-lease-monitor", "--output", "cat").count(phrase)

    def discovered(self) -> int:
        return len(on_host("find", DISCOVERY, "-name", "[!.]*", "-type", "f").splitlines())

    def probe(self) -> subprocess.Popen[str]:
        """Start the probe, which watches the host's files while leases are granted."""
        command = ["podman", "exec", "--interactive", HOST, "python3", "-", "10.77.", self.LEASES, self.RESERVATIONS]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if process.stdin:
            process.stdin.write((LAB / "probe.py").read_text())
            process.stdin.close()
            process.stdin = None
        return process

    def delays(self, probe: subprocess.Popen[str]) -> list[float]:
        """Stop the probe and return the seconds from each lease to its reservation, sorted."""
        on_host("sh", "-c", "kill $(cat /run/probe.pid)")
        seen = json.loads(probe.communicate(timeout=10)[0])
        if self.leases_in_database:
            return sorted(float(row[0]) for row in sql(self.DELAYS))
        if self.hosts_in_database:
            reserved = {address: float(moment) for address, moment in sql(self.COMMITS)}
        else:
            reserved = seen[self.RESERVATIONS]
        leased = seen[self.LEASES]
        return sorted(moment - leased[address] for address, moment in reserved.items() if address in leased)


def percentile(values: list[float], share: float) -> str:
    return f"{values[min(len(values) - 1, int(share * len(values)))] * 1000:.1f} ms" if values else "none"


def show(rows: list[tuple[str, object]]) -> None:
    width = max(len(row[0]) for row in rows)
    print()
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")


def show_inventory() -> None:
    """Fetch the discovery directory and show what Ansible reads from it."""
    fetched = WORK / "discovery"
    run("rm", "-rf", fetched)
    run("podman", "cp", f"{HOST}:{DISCOVERY}", fetched)
    listed = json.loads(run("ansible-inventory", "-i", fetched, "--list"))
    hosts = listed["bmc_targets"]["hosts"]
    print(f"$ ansible-inventory -i {fetched.relative_to(ROOT)} --list")
    print(f"  group bmc_targets has {len(hosts)} hosts; the first one:")
    print(json.dumps({hosts[0]: listed["_meta"]["hostvars"][hosts[0]]}, indent=2))


def prove(site: Site, server: str) -> None:
    """Show that a BMC whose lease is gone gets its reserved address again, although new BMCs asked before it."""
    (before,) = bmcs(server, "--first", "7", "--release")
    until(lambda: site.hosts_in_database or not pending(), "Kea to read the reservations", 2 * WAIT, 0.2)
    kea("leases-reclaim", remove=True)
    until(lambda: before["address"] not in site.leases(), "the lease to be gone", WAIT, 0.2)
    print(f"  {before['hwaddr']} had {before['address']} and released it: its lease is gone.")
    others = bmcs(server, "--first", "9001", "--count", "20", "--hostname", "newcomer-{number}")
    if before["address"] in {other["address"] for other in others}:
        raise DemoError(f"{before['address']} is reserved, but a new BMC got it")
    print("  20 new BMCs asked for addresses, and none got that one.")
    (after,) = bmcs(server, "--first", "7")
    print(f"  {after['hwaddr']} asked again and got {after['address']}.")
    if after["address"] != before["address"]:
        raise DemoError(f"{after['hwaddr']} got another address than the reserved {before['address']}")


def pending() -> bool:
    lines = json.loads(on_host("kea-lease-monitor", "status", "--json"))
    return any(line["waiting"] is not None for line in lines)


def demonstrate(mode: str, suite: str) -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    lab("down", HOST, BMCS)
    say(f"Start a fresh Debian ({suite}) with systemd, and another host for the BMCs")
    server = lab("up", HOST, suite).strip()
    lab("up", BMCS, suite)
    inventory_path = inventory(mode, suite)

    say(f"Deploy in mode {mode}")
    print(f"  deployed in {deploy(inventory_path):.0f} s")
    print(f"  again, with nothing to change, in {deploy(inventory_path):.0f} s")
    print(f"  Kea's version: {on_host('kea-dhcp4', '-v').strip()}")

    say(f"{COUNT} BMCs ask for an address, {RATE} each second")
    site = Site(mode)
    probe = site.probe()
    rate = ("--rate", str(RATE))
    # Some BMCs have no hostname yet; they get one later.
    answers = bmcs(server, "--count", str(NAMELESS), "--hostname", "", *rate)
    answers += bmcs(server, "--first", str(NAMELESS + 1), "--count", str(COUNT - NAMELESS), *rate)
    acknowledged = sum(answer["address"] is not None for answer in answers)
    until(lambda: site.reservations() == acknowledged, "every lease to be reserved", WAIT, 0.2)
    until(lambda: site.discovered() == acknowledged, "every lease to be discovered", WAIT, 0.2)
    delays = site.delays(probe)
    named = bmcs(server, "--count", str(NAMELESS))
    updated = "Static reservation updated"
    until(lambda: site.journal(updated) >= len(named), "the named ones to be updated", WAIT, 0.2)
    show(
        [
            ("leases granted", f"{acknowledged} of {COUNT} asked; {len(site.leases())} in Kea's lease database"),
            ("reservations created", site.journal("Static reservation created")),
            ("reservations updated", f"{site.journal(updated)} ({NAMELESS} BMCs had no hostname at first)"),
            ("reservations present", site.reservations()),
            ("discovery files", site.discovered()),
            ("lease to reservation, p50", percentile(delays, 0.50)),
            ("lease to reservation, p99", f"{percentile(delays, 0.99)} (of {len(delays)})"),
        ]
    )
    if acknowledged != COUNT or len(delays) != COUNT:
        raise DemoError(
            f"of {COUNT} BMCs {acknowledged} got an address, and {len(delays)} a reservation that was timed"
        )

    say("Show the inventory that the monitor wrote")
    show_inventory()
    say("Show that a BMC whose lease is gone gets its address again")
    prove(site, server)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=sorted(MODES), default="events")
    parser.add_argument("--suite", choices=list(SUITES), default=NEWEST)
    options = parser.parse_args()
    start = time.monotonic()
    try:
        demonstrate(options.mode, options.suite)
    except (DemoError, ProgramError, AssertionError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        say("The host still runs")
        print(f"  enter it    podman exec -it {HOST} bash     (try: kea-lease-monitor status; systemctl status)")
        print("  remove it   make demo-clean")
    print(f"  the demo took {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
