# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More attacks on a deployed host in events mode, which change its deployment and revert that.

Secrets in plays, a play that is killed, an exec sink whose child stays, idle clients of the metrics, and odd clients.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from host import Host, Kea, wait
from states import EVENTS, require_events_mode
from support.paths import LAB
from support.playbook import Played

CONFIG = "/etc/kea/kea-dhcp4.conf"
MONITOR = "/etc/kea-lease-monitor/config.yml"
METRICS = "/etc/systemd/system/kea-lease-monitor.service.d/metrics.conf"
KILLER = {"ANSIBLE_CALLBACK_PLUGINS": str(LAB / "callback"), "ANSIBLE_CALLBACKS_ENABLED": "killer", "KILLER_PASSED": ""}

MARK = "HIDDEN"
SECRETS: dict[str, Any] = {
    "kea_db_password": f"{MARK}-of-kea",
    "kea_db_monitor_password": f"{MARK}-of-the-monitor",
    "kea_monitor_webhook_secret": f"{MARK}-of-the-webhook",
    "kea_dhcp4_settings": {"user-context": {"site-token": f"{MARK}-token", "bmc": {"password": [f"{MARK}-bmc"]}}},
}

STAYS = "/usr/local/bin/hostile-stays"
RAN = "/var/lib/kea-lease-monitor/hostile-ran"
SLEEP = "7777"
CHILD = f"""#!/bin/sh
setsid sh -c 'sleep {SLEEP} & exec sleep {SLEEP}' </dev/null >/dev/null 2>&1 &
(setsid sleep {SLEEP} </dev/null >/dev/null 2>&1 &)
touch {RAN}
"""

IDLE = """
import contextlib, socket, time
held = []
for _ in range(64):
    with contextlib.suppress(OSError):
        held.append(socket.create_connection(("127.0.0.1", 19547), timeout=1))
print("held", len(held), flush=True)
time.sleep(300)
"""


def play(host: Host, name: str = "kea_deploy", *options: str, **variables: Any) -> Played:
    return host.play(name, "--limit", host.name, *options, **{**EVENTS, **variables})


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    options = request.config.option
    return Host(options.host, options.address, options.bmcs)


@pytest.fixture(autouse=True)
def kea(host: Host) -> Iterator[Kea]:
    """Kea serves after each attack, and the monitor is healthy."""
    require_events_mode(host)
    kea = Kea(host)
    yield kea
    assert None not in [answer["address"] for answer in kea.ask(2, "--retry-after", "20")]
    wait(lambda: host.run("kea-lease-monitor", "check", check=False).startswith("healthy"), "a healthy monitor")


@pytest.fixture
def metrics(host: Host) -> Iterator[None]:
    host.run("cp", "-p", MONITOR, "/root/config.yml")
    host.expose_metrics()
    yield
    host.run("sh", "-ec", f"""
        cp -p /root/config.yml {MONITOR}
        rm {METRICS} /root/config.yml
        rmdir --ignore-fail-on-non-empty $(dirname {METRICS})
        systemctl daemon-reload
        systemctl restart kea-lease-monitor
    """)  # fmt: skip


def test_idle_clients_of_the_metrics_delay_no_reservation_d6(host: Host, kea: Kea, metrics: None) -> None:
    unit = "kea-hostile-idle"
    host.run("systemd-run", "--quiet", "--collect", f"--unit={unit}", "--uid=nobody", "/usr/bin/python3", "-c", IDLE)
    try:
        wait(lambda: "held" in host.run("journalctl", "-u", unit, "-o", "cat", "--no-pager"), "the idle connections")
        host.await_followers(kea.ask(1, "--retry-after", "20"))
        assert host.run("systemctl", "is-active", unit, check=False).strip() == "active"
    finally:
        host.run("systemctl", "stop", unit, check=False)


def test_a_client_without_a_hardware_address_is_a_client(host: Host, kea: Kea) -> None:
    """Its header has hlen 0, so only its identifier tells who it is: it has an inventory entry and no reservation."""
    identifier = "ff16161616"
    (answer,) = kea.ask(1, "--no-hwaddr", "--option", f"61:{identifier}", "--hostname", "", "--retry-after", "20")
    assert answer["address"]
    wait(lambda: answer["address"] in host.discovered(), "its inventory entry")
    assert host.sql(f"SELECT 1 FROM hosts WHERE dhcp_identifier = '\\x{identifier}'") == []


def test_no_child_of_an_exec_sink_stays_e11(host: Host, kea: Kea) -> None:
    host.run("sh", "-c", f"cat >{STAYS}; chmod 0755 {STAYS}", stdin=CHILD)
    subscriptions = [
        {"name": "all"},
        {"name": "hostile", "start": "now", "sinks": [{"type": "exec", "command": [STAYS]}]},
    ]
    try:
        played = play(host, kea_monitor_subscriptions=subscriptions)
        assert played.code == 0, played.output[-3000:]
        kea.ask(1, "--retry-after", "20")
        wait(lambda: host.run("sh", "-c", f"ls {RAN} 2>/dev/null || true"), "the command")
        left = ("pgrep", "-f", f"[s]leep {SLEEP}")
        wait(lambda: host.run(*left, check=False) == "", "the end of its children")
        assert kea.process() == kea.began
    finally:
        played = play(host)
        host.run("rm", "-f", STAYS, RAN)
    assert played.code == 0, played.output[-3000:]


def test_a_play_that_is_killed_is_finished_by_the_next_one(host: Host) -> None:
    killed = host.play(
        "kea_deploy", "--limit", host.name, environment=KILLER, **{**EVENTS, "kea_monitor_log_level": "INFO"}
    )
    assert killed.code == -9, killed.output[-3000:]
    played = play(host)
    assert played.code == 0, played.output[-3000:]
    assert play(host).changed == [0]


def test_no_output_and_no_journal_has_a_secret_e9(host: Host) -> None:
    """A deployment and a verification with marked secrets. A pair and D2 are in ``test_secrets_in_plays.py``."""
    began = host.run("date", "+%s").strip()
    try:
        deployed = play(host, "kea_deploy", "-vvv", "--diff", **SECRETS)
        assert deployed.code == 0, deployed.output[-3000:]
        assert all(MARK in host.run("cat", path) for path in (CONFIG, "/etc/kea-lease-monitor/webhook-secret"))
        verified = play(host, "kea_verify", "-vvv", "--diff", **SECRETS)
        assert "PLAY RECAP" in verified.output
        # All fields: command lines and environments, too.
        searched = f"journalctl --all --no-pager -o json --since=@{began} | grep -a {MARK} || true"
        journal = host.run("sh", "-c", searched)
        output = f"{deployed.output}{verified.output}{journal}"
        assert [line for line in output.splitlines() if MARK in line] == []
    finally:
        played = play(host)
    assert played.code == 0, played.output[-3000:]
    assert f"{MARK}-token" not in host.run("cat", CONFIG)
