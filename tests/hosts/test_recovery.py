# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each value of on-fail and retry-on-startup has Kea do while the database with its leases is away."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Iterator, NamedTuple

import pytest
from host import SCRIPTS, wait
from support import control

if TYPE_CHECKING:
    from host import Host

TRIES, BETWEEN = 40, 500
"""Kea looks for its database so often, with so many milliseconds between."""
CONFIG = "/etc/kea/kea-dhcp4.conf"
_numbers = itertools.count(int(time.time() * 10) % 2**31)


class Heard(NamedTuple):
    """What clients hear from Kea."""

    new: str
    renewing: str


NOTHING = Heard("nothing", "nothing")
REFUSED = Heard("nothing", "refusal")
"""The address is lost to the client that renews."""
SERVED = Heard("address", "address")


class Server:
    """Kea with these settings of its databases, and one client that it serves."""

    def __init__(self, host: Host, database: Database, settings: dict[str, Any]) -> None:
        self.host = host
        bounded = {"max-reconnect-tries": TRIES, "reconnect-wait-time": BETWEEN, **settings}
        program = (SCRIPTS / "configure_databases.py").read_text()
        host.run("python3", "-", CONFIG, json.dumps(database.entry), json.dumps(bounded), stdin=program)
        self.number = next(_numbers)
        self.address = ""

    def start(self) -> None:
        """Until it serves its client."""
        self.host.run("systemctl", "restart", "kea-dhcp4-server")
        self.address = wait(lambda: self._ask(self.number)["address"], "an address")
        self.began = self.process()

    def process(self) -> str:
        return self.host.run("systemctl", "show", "-P", "MainPID", "kea-dhcp4-server").strip()

    def finds_out(self) -> None:
        """By a client's packet it learns that its database is away, and what it says to that very client differs: 2.6
        and 3.0 refused one that renewed at this moment, whatever on-fail is."""
        self.heard()

    def gave_up(self) -> int:
        """How often this Kea has said that it looks for its database no more."""
        log = self.host.run("journalctl", f"_PID={self.began}", "-o", "cat", "--no-pager")
        # LB is what the hooks of 3.0 call it.
        return len(re.findall("(LEASE|LB)_DB_RECONNECT_FAILED", log))

    def heard(self) -> Heard:
        """Return what a new client and a renewing client hear."""
        renewed = self._ask(self.number, "--renew", self.address)
        assert renewed["address"] in (None, self.address)
        return Heard(*(_word(answer) for answer in (self._ask(next(_numbers)), renewed)))

    def _ask(self, number: int, *options: str) -> dict[str, Any]:
        arguments = ("--first", str(number), "--count", "1", "--retry-after", "0.4", *options)
        answer: dict[str, Any] = json.loads(self.host.play_bmcs(*arguments))
        return answer


def _word(answer: dict[str, Any]) -> str:
    return "address" if answer["address"] else "refusal" if answer["refused"] else "nothing"


@pytest.fixture(scope="module", autouse=True)
def as_deployed(host: Host) -> Iterator[None]:
    """Afterwards the host has its own configuration, and a Kea that serves."""
    host.run("cp", "-p", CONFIG, f"{CONFIG}.deployed")
    answer = host.run("python3", "-", "config-get", stdin=Path(control.__file__).read_text())
    host.run("tee", "/run/recovery.json", stdin=answer)
    yield
    host.run("mv", f"{CONFIG}.deployed", CONFIG)
    host.run("systemctl", "restart", "kea-dhcp4-server")


class PostgreSQL:
    """As it was deployed; Kea's unit wants it, so that it would start again with Kea."""

    entry: ClassVar[dict[str, str]] = {}

    def __init__(self, host: Host) -> None:
        self._host = host

    def stop(self) -> None:
        self._host.run("systemctl", "mask", "--runtime", "--now", "postgresql", *self._clusters())

    def start(self) -> None:
        self._host.run("systemctl", "unmask", "--runtime", "postgresql", *self._clusters())
        self._host.run("systemctl", "start", "postgresql")

    def _clusters(self) -> list[str]:
        found = self._host.run("pg_lsclusters", "--no-header").split()
        return [f"postgresql@{found[0]}-{found[1]}"]


class MariaDB:
    """Kea's tables in the other database that it knows."""

    entry: ClassVar[dict[str, str]] = {"type": "mysql", "name": "kea", "user": "kea", "password": "Lab-Secret"}

    def __init__(self, host: Host) -> None:
        self._host = host

    def stop(self) -> None:
        self._host.run("systemctl", "stop", "mariadb")

    def start(self) -> None:
        self._host.run("systemctl", "start", "mariadb")


Database = PostgreSQL | MariaDB


@pytest.fixture(params=[PostgreSQL, MariaDB])
def database(request: pytest.FixtureRequest, host: Host) -> Iterator[Database]:
    made: Database = request.param(host)
    yield made
    made.start()


@pytest.mark.parametrize(
    ("on_fail", "away"),
    [("stop-retry-exit", NOTHING), ("serve-retry-exit", REFUSED), ("serve-retry-continue", REFUSED)],
)
def test_on_fail(host: Host, database: Database, on_fail: str, away: Heard) -> None:
    kea = Server(host, database, {"on-fail": on_fail})
    kea.start()
    assert kea.heard() == SERVED
    database.stop()
    kea.finds_out()
    assert kea.heard() == away
    database.start()
    wait(lambda: kea.heard() == SERVED, "Kea to serve again")
    assert kea.process() == kea.began
    database.stop()
    kea.finds_out()
    if on_fail == "serve-retry-continue":
        wait(lambda: kea.gave_up() > 0, "Kea to give up")
        assert kea.heard() == away
        database.start()
        # It never looks for its database again: why the collection has it try for eleven days.
        assert kea.heard() == away
        assert kea.process() == kea.began
    else:
        wait(lambda: kea.process() != kea.began, "Kea to exit")
        assert kea.heard() == NOTHING
        database.start()
        # Its unit has started it again and again.
        wait(lambda: kea.heard() == SERVED, "Kea to serve again")


@pytest.mark.parametrize("retry", [True, False])
def test_retry_on_startup(host: Host, database: Database, retry: bool) -> None:
    knows = "2.2" not in host.run("kea-dhcp4", "-v")
    kea = Server(host, database, {"on-fail": "stop-retry-exit", **({"retry-on-startup": retry} if knows else {})})
    kea.start()
    database.stop()
    host.run("systemctl", "restart", "kea-dhcp4-server", check=False)
    first = kea.process()
    kea.finds_out()
    assert kea.heard() == NOTHING
    if retry and knows:
        assert kea.process() == first != "0"
    else:
        wait(lambda: kea.process() != first or first == "0", "Kea to exit")
    first = kea.process()
    database.start()
    wait(lambda: kea.heard() == SERVED, "Kea to serve")
    assert not (retry and knows) or kea.process() == first
