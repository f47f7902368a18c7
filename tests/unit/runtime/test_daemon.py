# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole program as a process: both sources, signals, restarts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml
from support.host_lists import counting
from support.monitor import Daemon, document
from support.paths import MONITOR, program_path
from support.postgres import Cluster
from support.programs import need
from support.wait import until

from runtime.world import Kea

pytestmark = pytest.mark.slow  # each test starts programs, for seconds

HEADER = (
    "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id\n"
)


def row(number: int, hostname: str = "") -> str:
    return f"10.0.0.{number},02:00:00:00:00:{number:02x},,3600,{int(time.time()) + 3600},1,0,0,{hostname},0,,0\n"


@pytest.fixture
def file_daemon(tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "leases").mkdir()
    (tmp_path / "reservations").mkdir()
    source = {"type": "memfile", "path": str(tmp_path / "leases" / "kea-leases4.csv")}
    sinks = [{"type": "reservation_file", "directory": str(tmp_path / "reservations"), "report": str(tmp_path)}]
    (tmp_path / "leases" / "kea-leases4.csv").write_text(HEADER + row(1, "first"))
    daemon = Daemon(tmp_path, document(tmp_path, source, sinks))
    yield daemon
    daemon.process.kill()
    daemon.process.wait()


@pytest.fixture
def events_daemon(tmp_path: Path, kea: Kea) -> Iterator[Daemon]:
    database = {"host": kea.cluster.socket, "name": kea.name}
    kea.lease("10.0.0.1", "02:00:00:00:00:01", "first")
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "events"}, [{"type": "reservation"}], database=database))
    yield daemon
    daemon.process.kill()
    daemon.process.wait()


def test_file_mode_from_the_row_to_the_reservation(file_daemon: Daemon, tmp_path: Path) -> None:
    file_daemon.said("Caught up with the leases")
    with (tmp_path / "leases" / "kea-leases4.csv").open("a") as leases:
        leases.write(row(2, "second"))
    file_daemon.said("Static reservation created: address=10.0.0.2 hwaddr=02:00:00:00:00:02 subnet=1")
    hosts = counting(tmp_path / "reservations" / "subnet-1.json")
    assert [host["ip-address"] for host in hosts] == ["10.0.0.1", "10.0.0.2"]
    assert (tmp_path / "reservations" / ".apply-requested").exists()
    until((tmp_path / "discovery" / "02-00-00-00-00-02.yml").exists, "the discovery file")


def test_events_mode_from_the_commit_to_the_reservation(events_daemon: Daemon, kea: Kea, tmp_path: Path) -> None:
    events_daemon.said("Listening for database lease events")
    events_daemon.said("Caught up with the leases")
    kea.lease("10.0.0.2", "02:00:00:00:00:02", "second")
    events_daemon.said("Static reservation created: address=10.0.0.2 hwaddr=02:00:00:00:00:02 subnet=1")
    kea.rows("UPDATE lease4 SET hostname = 'renamed' WHERE hostname = 'second'")
    events_daemon.said("Static reservation updated: address=10.0.0.2")
    assert kea.reservations() == [
        ("020000000001", "10.0.0.1", None, 1),
        ("020000000002", "10.0.0.2", None, 1),
    ]
    discovered = tmp_path / "discovery" / "02-00-00-00-00-02.yml"
    until(lambda: 'bmc_hostname: "renamed"' in discovered.read_text(), "the new name in the inventory")


def test_check_delivered_reports_waiting_events(events_daemon: Daemon, kea: Kea) -> None:
    events_daemon.said("Static reservation created: address=10.0.0.1")
    until(lambda: events_daemon.ask("check", "--delivered").returncode == 0, "all events to be delivered")
    events_daemon.stop()
    assert events_daemon.ask("check", "--delivered").returncode == 0
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    waiting = events_daemon.ask("check", "--delivered")
    assert (waiting.returncode, waiting.stdout) == (1, "subscription default has not acted upon 1 events\n")
    kea.rows("ALTER SCHEMA kea_events RENAME TO gone")
    try:
        assert events_daemon.ask("check", "--delivered").returncode == 0, "a table that is gone has no events"
    finally:
        kea.rows("ALTER SCHEMA gone RENAME TO kea_events")
    events_daemon.start()
    until(lambda: events_daemon.ask("check", "--delivered").returncode == 0, "the last one to be delivered")


def test_a_restart_loses_no_event_and_repeats_none(events_daemon: Daemon, kea: Kea) -> None:
    events_daemon.said("Static reservation created: address=10.0.0.1")
    events_daemon.process.kill()
    events_daemon.process.wait()
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    kea.lease("10.0.9.9", "02:00:00:00:00:09", subnet=9)
    events_daemon.start()
    events_daemon.said("Static reservation created: address=10.0.0.2")
    events_daemon.stop()
    assert [row[1] for row in kea.reservations()] == ["10.0.0.1", "10.0.0.2"]
    assert events_daemon.log().count("Static reservation created: address=10.0.0.1 ") == 1


def test_a_server_that_restarts_is_waited_for(events_daemon: Daemon, kea: Kea, cluster: Cluster) -> None:
    events_daemon.said("Caught up with the leases")
    cluster.stop()
    events_daemon.said("Will try again")
    cluster.start()
    kea.connection = kea.connect()
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    events_daemon.said("Works again")
    events_daemon.said("Static reservation created: address=10.0.0.2")
    assert events_daemon.process.poll() is None


def test_a_stop_waits_for_no_statement_and_loses_no_event(events_daemon: Daemon, kea: Kea) -> None:
    events_daemon.said("Caught up with the leases")
    blocker = kea.connect()
    blocker.autocommit = False
    blocker.cursor().execute("LOCK hosts")
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    waits = "SELECT pid FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor' AND wait_event_type = 'Lock'"
    until(lambda: kea.rows(waits), "the reservation waits for the lock")
    began = time.monotonic()
    events_daemon.stop()
    assert time.monotonic() - began < 20
    until(lambda: not kea.rows(waits), "the server ends the abandoned statement")
    blocker.commit()
    blocker.close()
    assert len(kea.reservations()) == 1
    events_daemon.start()
    events_daemon.said("Static reservation created: address=10.0.0.2")


def test_check_and_status_report_the_status(file_daemon: Daemon) -> None:
    file_daemon.said("Caught up with the leases")
    healthy = until(lambda: (done := file_daemon.ask("check")).returncode == 0 and done, "health")
    assert healthy.stdout == "healthy: default\n"
    [line] = json.loads(file_daemon.ask("status", "--json").stdout)
    assert (line["subscription"], line["status"], line["events"]) == ("default", "running", 1)
    assert "default       running" in file_daemon.ask("status").stdout
    file_daemon.stop()
    stopped = file_daemon.ask("check")
    assert (stopped.returncode, stopped.stdout) == (1, "unhealthy: subscription default was stopped\n")


def test_check_names_the_problem_of_a_first_start(tmp_path: Path) -> None:
    database = {"host": str(tmp_path)}
    daemon = Daemon(tmp_path, document(tmp_path, {"type": "events"}, [{"type": "reservation"}], database=database))
    daemon.said("Will try again")
    until(lambda: "No such file" in daemon.ask("check").stdout, "the reason")
    assert daemon.ask("check").returncode == 1
    assert daemon.process.poll() is None
    daemon.stop()


def test_a_missing_lease_file_is_stated(tmp_path: Path) -> None:
    """Kea writes its lease file when it starts, so without one there is nothing to follow, and no lease is reserved."""
    source = {"type": "memfile", "path": str(tmp_path / "kea-leases4.csv")}
    daemon = Daemon(tmp_path, document(tmp_path, source, []))
    daemon.said("The lease file does not exist yet")
    until(lambda: "WARN there is no lease file" in daemon.ask("check").stdout, "the warning")
    [line] = json.loads(daemon.ask("status", "--json").stdout)
    assert (line["status"], "persist: false" in line["detail"]) == ("waiting", True)
    assert "Caught up" not in daemon.log()
    (tmp_path / "kea-leases4.csv").write_text(HEADER + row(1))
    daemon.said("Caught up with the leases")
    until(lambda: daemon.ask("check").stdout == "healthy: default\n", "health")
    (tmp_path / "kea-leases4.csv").unlink()
    until(lambda: "WARN there is no lease file" in daemon.ask("check").stdout, "the warning about a file that went")
    daemon.stop()


def test_a_start_with_a_damaged_state_reads_all_leases(file_daemon: Daemon, tmp_path: Path) -> None:
    file_daemon.said("Caught up with the leases")
    file_daemon.stop()
    (tmp_path / "state.sqlite").write_bytes(b"no database " * 1000)
    failed = file_daemon.ask("check")
    assert (failed.returncode, "file is not a database; start the monitor again" in failed.stderr) == (1, True)
    file_daemon.start()
    file_daemon.said("The state database is damaged and was set aside")
    until(lambda: file_daemon.log().count("Caught up with the leases") == 2, "all leases")
    until(lambda: file_daemon.ask("check").returncode == 0, "health")


def test_a_reload_applies_a_good_configuration_and_refuses_a_bad_one(file_daemon: Daemon, tmp_path: Path) -> None:
    file_daemon.said("Caught up with the leases")
    good = yaml.safe_load(file_daemon.config.read_text())
    file_daemon.config.write_text("source: 5\n")
    file_daemon.process.send_signal(signal.SIGHUP)
    file_daemon.said("New configuration refused, the old one stays in force: error=line 1: source: a mapping is needed")
    good["subscriptions"][0]["match"]["subnets"] = [1, 2]
    file_daemon.config.write_text(yaml.safe_dump(good))
    file_daemon.process.send_signal(signal.SIGHUP)
    file_daemon.said("Configuration reloaded")
    with (tmp_path / "leases" / "kea-leases4.csv").open("a") as leases:
        leases.write(row(2).replace(",1,0,0,", ",2,0,0,"))
    file_daemon.said("Static reservation created: address=10.0.0.2 hwaddr=02:00:00:00:00:02 subnet=2")
    file_daemon.stop()


def test_the_command_line_of_the_user_s_document(kea: Kea, tmp_path: Path) -> None:
    command = "--use-database-events --db-port 5432 --db-name kea --db-user postgres --db-password -x --subnet-id 1"
    paths = ["--db-host", kea.cluster.socket, "--output-dir", str(tmp_path / "out"), "--state", str(tmp_path / "state")]
    daemon = Daemon.__new__(Daemon)
    daemon._within = ()
    daemon._log = tmp_path / "log"
    daemon.start(*command.split(), *paths, "--subnet-id", "2", "--log-level", "DEBUG")
    daemon.said("Listening for database lease events")
    kea.lease("172.30.19.99", "aa:bb:cc:dd:ee:ff", "test-bmc")
    kea.lease("172.30.19.98", "aa:bb:cc:dd:ee:fe", subnet=2)
    kea.lease("172.30.19.97", "aa:bb:cc:dd:ee:fd", subnet=3)
    daemon.said("Static reservation created: address=172.30.19.99")
    daemon.said("Static reservation created: address=172.30.19.98")
    until((tmp_path / "out" / "aa-bb-cc-dd-ee-ff.yml").exists, "the discovery file")
    daemon.stop()
    assert len(kea.reservations()) == 2


def test_systemd_is_notified(file_daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file_daemon.said("Caught up with the leases")
    file_daemon.stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        file_daemon.start()
        told = [manager.recv(1000).decode() for _round in range(6)]
        assert "READY=1" in told
        assert "WATCHDOG=1\nSTATUS=default: running" in told
        assert told.count("WATCHDOG=1\nSTATUS=default: running") >= 3, "the loop has a pulse"
        file_daemon.stop()
        while told[-1] != "STOPPING=1":
            told.append(manager.recv(1000).decode())


def test_systemd_gets_signs_of_life_while_a_database_is_waited_for(
    events_daemon: Daemon, kea: Kea, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events_daemon.said("Caught up with the leases")
    events_daemon.stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")
        events_daemon.start()
        manager.settimeout(10)
        while b"default: running" not in manager.recv(1000):
            pass
        manager.settimeout(2)
        due = time.monotonic() + 30
        backends = "SELECT pid FROM pg_stat_activity WHERE application_name = 'kea-lease-monitor'"
        stopped = [pid for (pid,) in until(lambda: kea.rows(backends), "its sessions")]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            while "no answer within" not in events_daemon.log():
                assert manager.recv(1000), "no sign of life for two seconds"
                assert time.monotonic() < due, "nothing is waited for"
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        events_daemon.stop()


def test_a_reload_is_notified_with_the_monotonic_time(
    file_daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_daemon.said("Caught up with the leases")
    file_daemon.stop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        file_daemon.start()
        while manager.recv(1000) != b"READY=1":
            pass
        before = time.monotonic() * 1e6
        file_daemon.process.send_signal(signal.SIGHUP)
        told = ""
        while not told.startswith("RELOADING=1\nMONOTONIC_USEC="):
            told = manager.recv(1000).decode()
        assert before <= int(told.rsplit("=", 1)[1]) <= time.monotonic() * 1e6
        while manager.recv(1000) != b"READY=1":
            pass
        file_daemon.stop()


def test_the_replay_and_dead_letters_commands(events_daemon: Daemon, kea: Kea, tmp_path: Path) -> None:
    events_daemon.said("Static reservation created: address=10.0.0.1")
    kea.rows(
        "INSERT INTO hosts (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id, ipv4_address)"
        " VALUES ('\\x0a0000000009', 0, 1, '10.0.0.2'::inet - '0.0.0.0'::inet)"
    )
    kea.lease("10.0.0.2", "02:00:00:00:00:02")
    events_daemon.said("Event not acted upon")
    [letter] = until(lambda: json.loads(events_daemon.ask("dead-letters", "list", "--json").stdout), "the letter")
    assert (letter["sink"], letter["reason"], letter["address"]) == ("reservation", "address_taken", "10.0.0.2")
    assert "address_taken" in events_daemon.ask("dead-letters", "list").stdout
    assert events_daemon.ask("dead-letters", "retry").returncode == 2
    assert events_daemon.ask("dead-letters", "drop", "99").returncode == 2
    kea.rows("DELETE FROM hosts WHERE dhcp_identifier = '\\x0a0000000009'")
    assert events_daemon.ask("dead-letters", "retry", str(letter["id"])).returncode == 0
    events_daemon.said("Static reservation created: address=10.0.0.2")
    until(lambda: events_daemon.ask("dead-letters", "list", "--json").stdout == "[]\n", "it is none any more")
    assert events_daemon.ask("replay", "none").returncode == 2
    assert events_daemon.ask("replay", "default", "--since", "yesterday").returncode == 2
    kea.rows("DELETE FROM hosts")
    assert events_daemon.ask("replay", "default").returncode == 0
    until(lambda: len(kea.reservations()) == 2, "all leases have their reservations again")


def test_a_removed_subscription_stays_visible(file_daemon: Daemon, tmp_path: Path) -> None:
    file_daemon.said("Caught up with the leases")
    written = yaml.safe_load(file_daemon.config.read_text())
    [default] = written["subscriptions"]
    for names in (["default", "second"], ["second"]):
        subscriptions = [{**default, "name": name} for name in names]
        file_daemon.config.write_text(yaml.safe_dump({**written, "subscriptions": subscriptions}))
        done = file_daemon.log().count("Configuration reloaded")
        file_daemon.process.send_signal(signal.SIGHUP)
        until(lambda done=done: file_daemon.log().count("Configuration reloaded") > done, "the reload")
        until(lambda: file_daemon.ask("check").returncode == 0, "health")
    lines = {line["subscription"]: line for line in json.loads(file_daemon.ask("status", "--json").stdout)}
    assert (lines["default"]["status"], lines["second"]["status"]) == ("removed", "running")
    assert lines["second"]["what"] == "subnets 1 -> reservation_file, discovery"
    assert lines["default"]["position"].startswith('["file"')
    file_daemon.stop()


def test_an_added_subscription_begins_as_configured(file_daemon: Daemon, tmp_path: Path) -> None:
    """Also when it is killed before anything happened: what comes while it is away is since its beginning."""
    file_daemon.said("Caught up with the leases")
    written = yaml.safe_load(file_daemon.config.read_text())
    for start in ("all", "now"):
        (tmp_path / start).mkdir()
        sinks = [{"type": "discovery", "directory": str(tmp_path / start)}]
        written["subscriptions"].append({"name": start, "start": start, "sinks": sinks})
    file_daemon.config.write_text(yaml.safe_dump(written))
    file_daemon.process.send_signal(signal.SIGHUP)

    def begun() -> bool:
        lines = json.loads(file_daemon.ask("status", "--json").stdout)
        return len(lines) == 3 and all(line["position"] for line in lines)

    until(begun, "each has its place")
    file_daemon.process.kill()
    file_daemon.process.wait()
    with (tmp_path / "leases" / "kea-leases4.csv").open("a") as leases:
        leases.write(row(2, "second"))
    file_daemon.start()
    for start, expected in (("all", ["01", "02"]), ("now", ["02"])):
        until((tmp_path / start / "02-00-00-00-00-02.yml").exists, f"the lease that {start} missed")
        assert sorted(path.stem[-2:] for path in (tmp_path / start).glob("*.yml")) == expected


def test_the_memory_of_a_monitor_that_creates_no_schema(events_daemon: Daemon) -> None:
    """The first start makes the tables and imports Alembic for it; every later one does not."""
    events_daemon.said("Caught up with the leases")
    events_daemon.stop()
    events_daemon.start()
    until(lambda: events_daemon.log().count("Caught up with the leases") == 2, "the second start")
    status = Path(f"/proc/{events_daemon.process.pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 60 * 1024
    code = "import sys, kea_lease_monitor.commands.cli; print([name for name in sys.modules if name[:7] == 'alembic'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": program_path()}, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_memory_is_bounded_while_a_sink_is_stuck(events_daemon: Daemon, kea: Kea) -> None:
    """And all is made good afterwards, though no event told of these leases: the trigger was off."""
    events_daemon.said("Caught up with the leases")
    before = most_memory(events_daemon)
    blocker = kea.connect()
    blocker.autocommit = False
    blocker.cursor().execute("LOCK hosts")
    kea.rows("ALTER TABLE lease4 DISABLE TRIGGER USER")
    kea.rows(
        "INSERT INTO lease4 (address, hwaddr, valid_lifetime, expire, subnet_id, hostname, state)"
        " SELECT 167772160 + n, decode(lpad(to_hex(n), 12, '0'), 'hex'), 3600, now() + interval '1 hour', 1,"
        " repeat('x', 200), 0 FROM generate_series(2, 20001) AS n"
    )
    kea.rows("ALTER TABLE lease4 ENABLE TRIGGER USER")
    events_daemon.said("Will try again", 60)
    blocker.rollback()
    blocker.close()
    until(lambda: kea.rows("SELECT count(*) FROM hosts") == [(20001,)], "every lease has its reservation", 120)
    assert most_memory(events_daemon) - before < 12 * 1024, "a batch, not the backlog"


def most_memory(daemon: Daemon) -> int:
    """KiB, since its start."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def test_metrics_are_served_when_asked_for(file_daemon: Daemon) -> None:
    file_daemon.said("Caught up with the leases")
    file_daemon.stop()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = yaml.safe_load(file_daemon.config.read_text())
    file_daemon.config.write_text(yaml.safe_dump({**settings, "metrics": {"listen": f"127.0.0.1:{port}"}}))
    file_daemon.start()
    until(lambda: file_daemon.log().count("Caught up with the leases") == 2, "the second start")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    assert 'kea_lease_monitor_caught_up{subscription="default"} 1.0' in text
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
        assert answer.read() == b"healthy\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--config", "/none"], "/none cannot be read: No such file or directory"),
        (["check-config", "--config", "/none"], "/none cannot be read"),
        (["--subnet-id", "0"], "match.subnets: numbers from 1 to 4294967294 are needed, not [0]"),
        (
            ["--state", "/run/state", "--output-dir", "/dev/null/out"],
            "--output-dir /dev/null/out cannot be made: Not a directory",
        ),
        (["--lease-file", "x.csv"], "source.path: an absolute path is needed"),
        (["--config", "/none", "--subnet-id", "1"], "--config says all; not allowed beside it: subnet_id"),
        (["--db-port", "0", "--db-host", "x"], "database.port: a whole number from 1 to 65535 is needed, not 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments: list[str], problem: str) -> None:
    command = [sys.executable, str(MONITOR / "kea_lease_monitor.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("kea-lease-monitor: error: ")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_db_command(tmp_path: Path) -> None:
    state = str(tmp_path / "state.sqlite")

    def db(*arguments: str, path: str = state) -> Any:
        command = [sys.executable, str(MONITOR / "kea_lease_monitor.py"), "db", *arguments, "--state", path]
        return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    assert db("version").stdout == "schema none, this program needs 0003\n"
    assert not Path(state).exists()
    assert db("init").stdout == "schema 0003, this program needs 0003\n"
    planned = db("downgrade", "--dry-run", "0001")
    assert planned.stdout.splitlines()[:2] == [
        f"The state {state} has schema 0003.",
        "  downgrade 0003: Which clients have something that may go, and which subnets ran short of addresses.",
    ]
    alone = db("downgrade", "--to", "0001")
    assert (alone.returncode, alone.stderr) == (
        2,
        "kea-lease-monitor: error: nothing was changed: standard input is no terminal to confirm on; use --yes\n",
    )
    told = json.loads(db("version", "--json").stdout)
    assert (told["schema"], told["needed"], told["problem"]) == ("0003", "0003", None)
    assert db("downgrade", "--yes", "0001").stdout.endswith("schema 0001, this program needs 0003\n")
    told = json.loads(db("version", "--json").stdout)
    assert told["problem"].endswith("run: kea-lease-monitor db upgrade --yes")
    assert json.loads(db("downgrade", "--yes", "--json").stdout)["schema"] is None
    refused = db("downgrade", "--yes")
    assert (refused.returncode, refused.stderr) == (
        2,
        "kea-lease-monitor: error: the state database is empty already\n",
    )
    assert db("upgrade", "--yes").returncode == 0
    assert "There is nothing to do." in db("upgrade").stdout
    for path, problem in ((state, "file is not a database"), (f"{state}/none/x", "")):
        (tmp_path / "state.sqlite").write_text("no database " * 100)
        done = db("init", path=path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert problem in done.stderr


@pytest.mark.parametrize("name", ["kea-dhcp4", "kea-lfc", "initdb"])
def test_the_programs_that_these_tests_need_are_there(name: str) -> None:
    assert need(name)
