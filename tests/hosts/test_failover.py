# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL server with the leases is lost while clients ask, and its streaming standby takes its place.

Each test ends with a primary and a standby again, in exchanged roles.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Callable

import pytest
from host import Host, Kea, wait
from support.programs import run
from support.wait import until

SETTINGS = ("pg_hba.conf", "conf.d/baremetal-kea.conf")
WAITING = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
LEASES = "SELECT count(*) FROM lease4"


class Server(Host):
    """One of the two PostgreSQL servers."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "", "")
        version, cluster = self.run("pg_lsclusters", "--no-header").split()[:2]
        self.unit = f"postgresql@{version}-{cluster}"
        self.data = f"/var/lib/postgresql/{version}/{cluster}"
        self.etc = f"/etc/postgresql/{version}/{cluster}"

    def stop(self) -> None:
        self.run("systemctl", "stop", self.unit)

    def unplug(self) -> None:
        """No session ends, no packet is answered."""
        run("podman", "exec", self.name, "ip", "link", "set", "eth0", "down")

    def plug_in(self) -> None:
        """As a site must see to it: who was the primary is none any more when it comes back."""
        run("podman", "exec", self.name, "systemctl", "stop", self.unit)
        run("podman", "exec", self.name, "ip", "link", "set", "eth0", "up")
        wait(lambda: self.run("echo", "there", check=False), "its network")

    def stream_to(self, standby: Server) -> None:
        """Make that one the standby, without which from now on no lease is acknowledged."""
        standby.stop()
        standby.run("rm", "-rf", standby.data)
        backup = ("pg_basebackup", "-h", self.name, "-U", "postgres", "-D", standby.data, "-R", "-c", "fast")
        standby.run("runuser", "-u", "postgres", "--", *backup)
        for name in SETTINGS:
            standby.run("tee", f"{standby.etc}/{name}", stdin=self.run("cat", f"{self.etc}/{name}"))
        standby.run("systemctl", "start", standby.unit)
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()")
        wait(lambda: self.sql(WAITING) == ["1"], "the standby to stream")


class Site(Host):
    """The host of Kea and the monitor; SQL goes to the primary."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.name, host.address, host.bmcs)
        self.primary, self.standby = Server(f"{host.name}-a"), Server(f"{host.name}-b")

    def sql(self, statements: str, user: str = "postgres") -> list[str]:
        return self.primary.sql(statements, user)

    def promote(self) -> None:
        self.primary, self.standby = self.standby, self.primary
        self.sql("SELECT pg_promote()")


@pytest.fixture(scope="module")
def site(host: Host) -> Site:
    site = Site(host)
    site.primary.stream_to(site.standby)
    if "2.2" in site.run("kea-dhcp4", "-v"):
        # It knows no tcp-user-timeout, and so depends on the kernel, which containers may not change by themselves.
        site.run("mount", "-o", "remount,rw", "/proc/sys")
        site.run("sysctl", "-w", "net.ipv4.tcp_retries2=5")
    return site


# There, back, and there again: at the end the standby is the one that all are told to try first.
@pytest.mark.parametrize(
    "lose",
    [
        pytest.param(Server.unplug, id="unplugged"),
        pytest.param(Server.stop, id="stopped"),
        pytest.param(Server.stop, id="stopped again"),
    ],
)
def test_kea_and_the_monitor_go_on_with_the_standby(site: Site, lose: Callable[[Server], None]) -> None:
    kea = Kea(site)
    before = kea.serve(20)
    site.await_followers(before)
    had = int(site.sql(LEASES)[0])
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(kea.ask, 120, "--rate", "20")
        wait(lambda: int(site.sql(LEASES)[0]) > had + 30, "some leases")
        lose(site.primary)
        site.promote()
        promoted = time.monotonic()
        served = [answer for answer in asking.result() if answer["address"]]
    # Fewer than are stored: up to one for each thread of Kea was stored and not yet acknowledged.
    assert len(served) > 10
    until(lambda: kea.ask(1, "--retry-after", "1")[0]["address"], "Kea serves again", 180, 1)
    print(f"Kea served {time.monotonic() - promoted:.1f} s after the promotion")

    # What it acknowledged is theirs, to the last lease before the end; whoever comes now gets something else.
    for lease in [*before, *served]:
        assert kea.renew(lease)["address"] == lease["address"]
    after = kea.serve(20)
    addresses = [lease["address"] for lease in [*before, *served, *after]]
    assert len(set(addresses)) == len(addresses)
    site.await_followers([*before, *served, *after])
    assert kea.process() == kea.began

    site.standby.plug_in()
    site.primary.stream_to(site.standby)
