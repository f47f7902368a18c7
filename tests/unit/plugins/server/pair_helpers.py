# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real Keas of this machine that are a pair."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.baremetal.kea.plugins.module_utils._host.account import Account
from ansible_collections.baremetal.kea.plugins.module_utils._server.pair import Pair
from ansible_collections.baremetal.kea.plugins.plugin_utils import _pair as plan
from ansible_collections.baremetal.kea.plugins.plugin_utils._login import Files
from support.kea import KeaServer
from support.relay import Relay
from support.wait import until

HOOKS = "/usr/lib/x86_64-linux-gnu/kea/hooks"
HOT, BALANCED = "hot-standby", "load-balancing"
NAMES = ("one", "two")
# A server of the test may not write where Kea keeps its own DUID.
SIX = {
    "subnet6": [{"id": 1, "subnet": "2001:db8::/64", "pools": [{"pool": "2001:db8::10 - 2001:db8::19"}]}],
    "server-id": {"type": "EN", "identifier": "aa", "persist": False},
}


class Setup(NamedTuple):
    """How the two servers reach each other."""

    tls: Sequence[Files] = ()
    """The certificates of both; without any, it is http."""
    password: str = ""
    relayed: bool = False
    """Whether each reaches the other one over a relay."""


PLAIN = Setup()


class Keas:
    """Two real Keas that are a pair of this collection."""

    def __init__(
        self,
        directory: Path,
        mode: str,
        changes: dict[str, Any],
        family: int = 4,
        setup: Setup = PLAIN,
    ) -> None:
        """``changes`` are further keys of the relationship."""
        self.mode = mode
        self.servers = []
        # Of this test process alone: two of these tests may run at once.
        self._first = 2 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        scheme = "https" if setup.tls else "http"
        peers = [
            plan.Peer(name, f"{scheme}://127.0.0.1:{18031 + self._first + number}/")
            for number, name in enumerate(NAMES)
        ]
        self.urls = [peer.url for peer in peers]
        self.relays = [Relay(18031 + self._first + number) for number in range(2 if setup.relayed else 0)]
        for number, peer in enumerate(peers):
            own = directory / peer.name
            own.mkdir()
            server = KeaServer(own, family, config=own / f"kea-dhcp{family}.conf")
            known = [
                other._replace(url=f"http://127.0.0.1:{relay.port}/") if other is not peer else peer
                for other, relay in zip(peers, self.relays)
            ]
            asked = plan.Pair(
                mode, peer.name, known or peers, password=setup.password, trust_anchor="given" if setup.tls else ""
            )
            settings = plan.settings(asked, setup.tls[number] if setup.tls else Files(), HOOKS, family)
            settings["hooks-libraries"][1]["parameters"]["high-availability"][0].update(changes)
            server.configure(
                {
                    **settings,
                    "interfaces-config": {"interfaces": []},
                    "lease-database": {"type": "memfile", "name": str(own / "leases.csv"), "lfc-interval": 0},
                    **(
                        {"subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "pools": pools(mode)}]} if family == 4 else SIX
                    ),
                }
            )
            self.servers.append(server)
            self.launch(number)

    def launch(self, number: int) -> None:
        self.servers[number].launch("-p", str(10070 + self._first + number))

    def stop(self) -> None:
        for one in (*self.servers, *self.relays):
            one.stop()

    def states(self) -> list[str]:
        return [self.state(server) for server in self.servers]

    def state(self, server: KeaServer) -> str:
        found = server.ask("status-get")["arguments"]["high-availability"][0]
        return str(found["ha-servers"]["local"]["state"])

    def await_normal(self) -> None:
        until(lambda: all(one.answers() for one in self.servers), "both answer", 20)
        until(lambda: self.states() == [self.mode] * 2, lambda: f"normal states: {self.states()}", 30)


def pools(mode: str) -> list[dict[str, str]]:
    halves = (("192.0.2.10 - 192.0.2.19", "HA_one"), ("192.0.2.20 - 192.0.2.29", "HA_two"))
    return [{"pool": pool, **({"client-class": name} if mode == BALANCED else {})} for pool, name in halves]


def pair_of(server: KeaServer) -> Pair:
    """Return what restarts and reloads this server."""
    return Pair(str(server.config), Account.own)
