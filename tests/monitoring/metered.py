# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real monitors and a real Prometheus that reads them, on the loopback interface.

One monitor follows events in PostgreSQL. The others follow the lease files of three Kea servers, each of which has a
reservations service: a pair, and one alone that has LFC runs. Leases arrive all the time. On the way, some things
happen that an operator looks for in a dashboard.
"""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Iterator

import yaml
from kea_lfc_cleanup.cli import BUSY, DONE
from support.database import MONITOR, Database, kea_cluster
from support.http_kea import free_port
from support.kea import KeaServer
from support.monitor import PROGRAM, Daemon
from support.paths import program_environment
from support.programs import need
from support.wait import until

INTERVAL = 1
"""Seconds between two reads of Prometheus."""
PACE = 0.5
"""Seconds between two leases at each server."""
TAKEN = 40
"""Number of a client whose address a person has reserved for another: its event becomes a dead letter."""
PAIR, ALONE = ("one", "two"), "alone"
WAIT = 600.0
"""Seconds that the start of a program may take on a busy machine."""


def address(number: int) -> str:
    return f"10.0.0.{number}"


def mac(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


def hooks(name: str, pair: dict[str, int]) -> list[dict[str, Any]]:
    """Return the hooks of a server."""
    directory = next(Path("/usr/lib").glob("*/kea/hooks"))
    leases = {"library": f"{directory}/libdhcp_lease_cmds.so"}
    peers = [
        {"name": each, "url": f"http://127.0.0.1:{port}/", "role": role}
        for (each, port), role in zip(pair.items(), ("primary", "standby"))
    ]
    threads = {"enable-multi-threading": True, "http-dedicated-listener": True}
    relationship = {
        "this-server-name": name,
        "mode": "hot-standby",
        "peers": peers,
        "multi-threading": threads,
        "heartbeat-delay": 1000,
        "max-response-delay": 4000,
        "max-unacked-clients": 0,
    }
    both = {"library": f"{directory}/libdhcp_ha.so", "parameters": {"high-availability": [relationship]}}
    return [leases, both] if pair else [leases]


class Server:
    """A Kea server in file mode, with its reservations service and LFC."""

    def __init__(self, directory: Path, pair: dict[str, int]) -> None:
        """``pair`` has the ports of both servers of its pair by their names; empty if it is alone."""
        self.kea = KeaServer(directory)
        self.leases = directory / "kea-leases4.csv"
        self.report, self.written, self.included = (directory / each for each in ("report", "written", "included"))
        for each in (self.report, self.written, self.included):
            each.mkdir()
        (self.included / "subnet-1.json").write_text("")
        subnet = {"id": 1, "subnet": "10.0.0.0/24", "pools": [{"pool": "10.0.0.1 - 10.0.0.250"}]}
        self.kea.configure(
            {
                "interfaces-config": {"interfaces": []},
                "lease-database": {"type": "memfile", "name": str(self.leases), "lfc-interval": 0},
                "multi-threading": {"enable-multi-threading": True, "thread-pool-size": 1},
                "hooks-libraries": hooks(directory.name, pair),
                "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": "stderr"}]}],
                "subnet4": [{**subnet, "reservations": ["INCLUDED"]}],
            }
        )
        text = self.kea.config.read_text()
        self.kea.config.write_text(text.replace('"INCLUDED"', f'<?include "{self.included}/subnet-1.json"?>'))
        self.directory = directory

    def start(self) -> None:
        """Start Kea, and wait until it answers."""
        self.kea.launch("-p", str(10067))
        until(self.kea.answers, lambda: f"Kea's answer: {self.kea.log.read_text()}", WAIT)

    def sink(self) -> dict[str, str]:
        return {"type": "reservation_file", "directory": str(self.written), "report": str(self.report)}

    def lease(self, number: int) -> None:
        """Add the lease of a client, or renew it."""
        given = {"ip-address": address(number), "hw-address": mac(number), "subnet-id": 1, "valid-lft": 3600}
        answer = self.kea.ask("lease4-update", **given, **{"force-create": True})
        assert answer["result"] == 0, answer

    def run_lfc(self) -> None:
        """Run the LFC program, as its timer does; again while the reservations service reloads Kea."""
        words = {
            "family": "4",
            "strategy": "rotate",
            "lease-file": self.leases,
            "control-socket": self.kea.socket,
            "kea-config": self.kea.config,
            "kea-program": need("kea-dhcp4"),
            "kea-lfc": need("kea-lfc"),
            "state-directory": self.directory,
        }
        command = [sys.executable, "-m", "kea_lfc_cleanup", *(f"--{name}={value}" for name, value in words.items())]

        def is_done() -> bool:
            done = subprocess.run(command, check=False, env=program_environment(), capture_output=True, text=True)
            assert done.returncode in (DONE, BUSY), done.stdout + done.stderr
            return done.returncode == DONE

        until(is_done, "an LFC run", WAIT, 1)

    @contextmanager
    def applying(self) -> Iterator[None]:
        """Run the reservations service."""
        words = {
            "directory": self.written,
            "report": self.report,
            "pools": self.report / "pools.json",
            "included": self.included,
            "kea-config": self.kea.config,
            "kea-program": need("kea-dhcp4"),
            "control-socket": self.kea.socket,
            "lease-file": self.leases,
            "min-interval": 20,
        }
        command = [sys.executable, str(PROGRAM), "apply-reservations", "--follow"]
        command += [f"--{name}={value}" for name, value in words.items()]
        environment = {**self.kea.environment(), **program_environment()}
        with (self.directory / "applier.log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


@contextmanager
def page(path: Path) -> Iterator[str]:
    """Serve what a file has at the moment, as node_exporter's textfile collector does. Yield the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = path.read_bytes() if path.exists() else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Prometheus:
    """A Prometheus server, and its HTTP API."""

    def __init__(self, directory: Path, monitors: dict[str, str], textfiles: dict[str, str]) -> None:
        """Both give the address that is read for each name of an instance."""
        self._address = f"127.0.0.1:{free_port()}"
        jobs = {"kea-lease-monitor": monitors, "node": textfiles}
        scraped = [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [target], "labels": {"instance": name}} for name, target in targets.items()
                ],
            }
            for job, targets in jobs.items()
        ]
        config = {"global": {"scrape_interval": f"{INTERVAL}s"}, "scrape_configs": scraped}
        self._config = directory / "prometheus.yml"
        self._config.write_text(yaml.safe_dump(config))
        self._data, self._log = directory / "data", directory / "prometheus.log"

    @contextmanager
    def running(self) -> Iterator[None]:
        words = [f"--config.file={self._config}", f"--storage.tsdb.path={self._data}"]
        command = [need("prometheus"), *words, f"--web.listen-address={self._address}"]
        with self._log.open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            until(self._ready, lambda: f"Prometheus: {self._log.read_text()}", WAIT, 0.2)
            yield
        finally:
            process.terminate()
            process.wait()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def query(self, kind: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the series of an answer; ``kind`` is ``query`` or ``query_range``. Raise ValueError with its error."""
        url = f"http://{self._address}/api/v1/{kind}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return found
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error


def watched(stack: ExitStack, directory: Path, document: dict[str, Any]) -> tuple[Daemon, str]:
    """Start a monitor, and return it and where it serves its metrics."""
    where = f"127.0.0.1:{free_port()}"
    directory.mkdir()
    (directory / "discovery").mkdir()
    found = {"type": "discovery", "directory": str(directory / "discovery")}
    subscription = {"name": "default", "sinks": [*document.pop("sinks"), found], "low_water": 0, "unconfirmed_for": 5}
    state = {"path": str(directory / "state.sqlite")}
    monitor = Daemon(
        directory, {"metrics": {"listen": where}, "state": state, "subscriptions": [subscription], **document}
    )
    stack.callback(monitor.kill)
    monitor.said("Caught up", WAIT)
    return monitor, where


class Site:
    """All of it, running."""

    def __init__(self, stack: ExitStack, directory: Path) -> None:
        self._database: Database = stack.enter_context(stack.enter_context(kea_cluster("")).database())
        self._database.constraint()
        self._database.notify()
        self._database.rights(monitor=MONITOR)
        ports = {name: free_port() for name in PAIR}
        self._servers: dict[str, Server] = {}
        monitors: dict[str, str] = {}
        for name in (*PAIR, ALONE):
            (directory / name).mkdir()
            server = Server(directory / name, ports if name in PAIR else {})
            stack.callback(server.kea.stop)
            server.start()
            stack.enter_context(server.applying())
            document = {
                "source": {"type": "memfile", "path": str(server.leases)},
                "pools": {"path": str(server.report / "pools.json")},
                "sinks": [server.sink()],
            }
            monitors[f"kea-{name}"] = watched(stack, directory / f"monitor-{name}", document)[1]
            self._servers[name] = server
        login = {"host": self._database.cluster.socket, "name": self._database.name, "user": MONITOR}
        document = {"source": {"type": "events"}, "database": login, "sinks": [{"type": "reservation"}]}
        monitors["kea-sql"] = watched(stack, directory / "monitor-sql", document)[1]
        self._database.host("0200000000ff", 1, 0x0A000000 + TAKEN)
        textfiles = {f"kea-{ALONE}": stack.enter_context(page(directory / ALONE / "kea_lfc4.prom"))}
        self.prometheus = Prometheus(directory, monitors, textfiles)
        stack.enter_context(self.prometheus.running())

    def live(self, seconds: float) -> None:
        """Let clients come for so long, and some things go wrong on the way."""
        begin = time.monotonic()
        accidents = [(0.3, self._cut), (0.45, self._lfc), (0.6, self._part), (0.8, self._lfc)]
        number = 0
        while (passed := (time.monotonic() - begin) / seconds) < 1:
            number += 1
            self._client(1 + number % 200)
            if accidents and passed > accidents[0][0]:
                accidents.pop(0)[1]()
            time.sleep(PACE)

    def _client(self, number: int) -> None:
        for server in self._servers.values():
            if server.kea.runs():
                server.lease(number)
        hardware = bytes.fromhex(mac(number).replace(":", ""))
        where = 0x0A000000 + number
        if not self._database.value(f"SELECT count(*) FROM lease4 WHERE address = {where}"):
            life = 1 if number % 10 == 0 else 3600
            expire = time.strftime("%Y-%m-%d %H:%M:%S+00", time.gmtime(time.time() + life))
            self._database.lease(where, hwaddr=hardware, hostname=f"bmc-{number}", valid_lifetime=life, expire=expire)
        # As Kea does it: the lease of a client that is gone is reclaimed and removed.
        self._database.execute("DELETE FROM lease4 WHERE expire < now()")

    def _cut(self) -> None:
        """End the sessions of the monitor, as a restart of PostgreSQL does."""
        self._database.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{MONITOR}'")

    def _lfc(self) -> None:
        self._servers[ALONE].run_lfc()

    def _part(self) -> None:
        """Stop the second server of the pair."""
        self._servers[PAIR[1]].kea.stop()
