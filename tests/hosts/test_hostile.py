# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on a deployed host (docs/security.md): each attempt by name, with what it got.

Whoever attacks may harm what it owns and nothing else: at the end Kea serves, and root's files are as they were.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from attacking import as_monitor, attempts, got, psql
from host import Host, Kea, wait
from states import EVENTS, in_events_mode, require_events_mode
from support.playbook import Played

CONFIG = "/etc/kea/kea-dhcp4.conf"
SOCKET = "/run/kea/kea4-ctrl-socket"
LEASES = "/var/lib/kea/kea-leases4.csv"
WRITTEN = "/var/lib/kea-reservations/written"
APPLIED = "/etc/kea/reservations.d/applied"
REPORT = "/var/lib/kea-reservations/report/status.json"
MANIFEST = "/var/lib/baremetal-kea/manifest.json"
FILES: dict[str, Any] = {"kea_enable_database": False, "kea_db_enable_notify": False}

OF_ROOT = [
    *("create:/etc/systemd/system/hostile.service", "create:/opt/baremetal/hostile", "replace:/opt/baremetal/current"),
    *(f"read:{MANIFEST}", f"write:{MANIFEST}", "create:/var/lib/baremetal-kea/files/x", "read:/etc/shadow"),
    *("create:/run/baremetal-kea/hostile", "replace:/var/lib/kea-reservations", "sudo:id"),
    *("write:/etc/kea-lease-monitor/config.yml", "create:/etc/kea-lease-monitor/hostile"),
]
"""What belongs to root alone."""
OF_KEA = [
    *(f"write:{CONFIG}", "create:/etc/kea/hostile", f"write:{LEASES}", f"connect:{SOCKET}"),
    *("create:/etc/kea/reservations.d/hostile", f"replace:{APPLIED}", "create:/var/lib/kea/hostile"),
    *("create:/var/lib/kea-reservations/report/hostile", "lock:/var/lib/kea/.kea-leases4.csv.lock"),
]
"""What belongs to Kea's user."""
OF_MONITOR = [
    *("read:/etc/kea-lease-monitor/db-password", "create:/var/lib/kea-lease-monitor/hostile"),
    *("read:/var/lib/kea-lease-monitor/state.sqlite", f"create:{WRITTEN}/hostile", "create:/var/lib/kea/discovery/x"),
]
"""What belongs to the monitor's user."""


def checked(host: Host) -> str:
    """Return what ``kea-lease-monitor check`` says."""
    return host.run("kea-lease-monitor", "check", check=False)


def is_reserved(kea: Kea, address: str) -> bool:
    """Whether a running Kea with host_cmds has a reservation of the address."""
    try:
        found = kea.command("reservation-get-by-address", **{"ip-address": address, "operation-target": "memory"})
    except AssertionError:
        return False
    return bool(found["arguments"])


def play(host: Host, **variables: Any) -> Played:
    return host.play("kea_deploy", "--limit", host.name, **{**EVENTS, **variables})


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    """Return the host as the play leaves it, so that a play changes nothing."""
    options = request.config.option
    return Host(options.host, options.address, options.bmcs)


@pytest.fixture(autouse=True)
def served(host: Host) -> Any:
    """Kea serves as the same process after each attack, and the monitor is healthy."""
    require_events_mode(host)
    kea = Kea(host)
    yield kea
    assert kea.process() == kea.began
    assert None not in [answer["address"] for answer in kea.ask(2, "--retry-after", "20")]


# As a client.


@pytest.mark.parametrize(
    "name", ["\x1b]0;owned\x07", "a" * 250, "../../etc/x", "$(id)", "{{{{ 7*7 }}}}", "'; DROP TABLE x"]
)
def test_a_client_s_name_stays_a_name(host: Host, served: Kea, name: str) -> None:
    answers = served.ask(1, "--hostname", name, "--retry-after", "20")
    host.await_followers(answers)
    said = [host.run("kea-lease-monitor", *words, check=False) for words in (("status",), ("dead-letters", "list"))]
    text = "".join([*said, host.run("journalctl", "-u", "kea-lease-monitor", "-o", "cat", "--no-pager", "-n", "50")])
    assert [character for character in text if ord(character) < 32 and character not in "\n\t"] == []


# As users of the system.


def test_a_stranger_gets_nothing(host: Host) -> None:
    read = [f"read:{CONFIG}", f"read:{LEASES}", "read:/var/lib/kea"]
    process = host.run("systemctl", "show", "-P", "MainPID", "kea-dhcp4-server").strip()
    assert got(attempts(host, "nobody", [*OF_ROOT, *OF_KEA, *OF_MONITOR, *read, f"kill:{process}"])) == []
    for statement in ("SELECT 1", "SELECT pg_advisory_lock(1)"):
        assert "FATAL" in psql(host, "nobody", statement)
        assert "FATAL" in psql(host, "nobody", statement, "_kea")


def test_the_monitor_reaches_neither_kea_nor_root(host: Host) -> None:
    process = host.run("systemctl", "show", "-P", "MainPID", "kea-dhcp4-server").strip()
    unseen = [f"read:{CONFIG}", "create:/run/kea/hostile", f"kill:{process}"]
    assert got(as_monitor(host, [*OF_ROOT, *OF_KEA, *unseen])) == []


def test_kea_s_user_reaches_nothing_of_root(host: Host) -> None:
    assert got(attempts(host, "_kea", [*OF_ROOT, "create:/var/lib/kea/dumps/../../x", *OF_MONITOR])) == []


SECRET = "/root/hostile-target"


@contextmanager
def planted(host: Host, user: str, path: str, kind: str = "link") -> Iterator[None]:
    """Have a user plant a link to a file of root, or a FIFO. Afterwards the file of root must be as it was."""
    host.run("sh", "-c", f"printf secret >{SECRET}; chmod 600 {SECRET}; mv {path} {path}.away 2>/dev/null || true")
    plant = ("ln", "-s", SECRET, path) if kind == "link" else ("mkfifo", path)
    host.run("runuser", "-u", user, "--", *plant)
    try:
        yield
        assert host.run("stat", "-c", "%U:%G %a", SECRET).strip() == "root:root 600"
        assert host.run("cat", SECRET) == "secret"
    finally:
        host.run("sh", "-c", f"rm -f {path} {SECRET}; mv {path}.away {path} 2>/dev/null || true")


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ("_kea", "/var/lib/kea/.kea-leases4.csv.lock"),
        ("_kea", "/var/lib/kea/discovery"),
        ("kea-lease-monitor", "/var/lib/kea-lease-monitor/state.sqlite-journal"),
    ],
)
def test_root_follows_no_link_that_a_user_plants(host: Host, user: str, path: str) -> None:
    with planted(host, user, path):
        print(user, path, "the play says:", play(host).words[-300:])


# As a role of the database.

FORBIDDEN = [
    *("LOCK TABLE hosts", "UPDATE hosts SET dhcp4_boot_file_name = 'evil'", "UPDATE hosts SET dhcp_identifier = ''"),
    *("DELETE FROM hosts", "SELECT auth_key FROM hosts", "UPDATE lease4 SET hostname = 'x'", "DELETE FROM lease4"),
    *("TRUNCATE kea_events.lease_event", "CREATE TABLE public.mine (x int)", "DROP TRIGGER kea_lease_notify ON lease4"),
    *("ALTER TABLE hosts DISABLE TRIGGER ALL", "COPY hosts TO PROGRAM 'id'", "CREATE ROLE mine SUPERUSER"),
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_monitor_s_role_may_not(host: Host, statement: str) -> None:
    assert "ERROR" in psql(host, "kea-lease-monitor", statement)


def test_a_role_that_may_only_connect_reads_and_locks_no_table(host: Host) -> None:
    """A person has let it in; without that, PostgreSQL refuses the connection."""
    host.sql("CREATE ROLE nobody LOGIN")
    try:
        assert "permission denied for database" in psql(host, "nobody", "SELECT 1")
        host.sql("GRANT CONNECT ON DATABASE kea TO nobody")
        tables = ("lease4", "hosts", "kea_events.lease_event")
        for statement in (*FORBIDDEN, *(f"SELECT * FROM {name}" for name in tables), "LOCK TABLE lease4"):
            assert "ERROR" in psql(host, "nobody", statement)
    finally:
        host.sql("REVOKE ALL ON DATABASE kea FROM nobody; DROP ROLE nobody")


# As root, by mistake.


def test_our_commands_run_nothing_of_the_directory_that_root_stands_in(host: Host) -> None:
    names = ("json", "yaml", "sqlite3", "kea_lease_monitor", "_kea", "sitecustomize")
    host.run("sh", "-ec", f"""
        rm -rf /tmp/hostile; mkdir -m 0777 /tmp/hostile; cd /tmp/hostile
        for name in {' '.join(names)}; do echo 'open("/tmp/hostile/ran", "w")' >$name.py; done
        for words in check status 'dead-letters list' 'check-config'; do kea-lease-monitor $words || true; done
    """)  # fmt: skip
    assert host.run("ls", "/tmp/hostile").split() == sorted(f"{name}.py" for name in names)
    host.run("rm", "-r", "/tmp/hostile")


def test_two_plays_at_once_end_as_one(host: Host) -> None:
    played: list[Played] = []
    threads = [threading.Thread(target=lambda: played.append(play(host))) for _time in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.code for one in played] == [0, 0], [one.output[-2000:] for one in played]
    assert play(host).changed == [0]


@pytest.mark.parametrize("words", ["replay all", "forget 10.77.16.1", "export", "check", "db upgrade"])
def test_an_interrupted_command_harms_nothing(host: Host, words: str) -> None:
    for seconds in ("0.05", "0.2", "0.5"):
        host.run("sh", "-c", f"timeout --signal INT {seconds} kea-lease-monitor {words} >/dev/null 2>&1", check=False)
    wait(lambda: checked(host).startswith("healthy"), "a healthy monitor")


# With reservations in files, which Kea includes. This changes the mode, and so comes last.


@pytest.fixture
def in_files(host: Host) -> Any:
    if in_events_mode(host):
        played = play(host, **FILES)
        assert played.code == 0, played.output[-3000:]
    return host


TEXTS = {
    "configuration": '] } ], "hooks-libraries": [ { "library": "/tmp/evil.so" } ], "shared-networks": [ { "subnet4": [',
    "a boot file": '{"hw-address": "02:00:00:00:00:09", "ip-address": "10.77.16.9", "boot-file-name": "evil.efi"}',
    "no text": "\x00\x01\x02",
    "another subnet's address": '{"hw-address": "02:00:00:00:00:09", "ip-address": "192.0.2.9"}',
}


class TestFiles:
    """What the monitor's user writes for Kea."""

    @pytest.fixture(autouse=True)
    def served(self) -> None:
        """The move to files restarts Kea, so the other check is left out."""

    @pytest.mark.parametrize("kind", [*TEXTS, "link", "fifo"])
    def test_kea_includes_no_text_of_the_monitor(self, in_files: Host, kind: str) -> None:
        kea, path = Kea(in_files), f"{WRITTEN}/subnet-1.json"
        user = ("runuser", "-u", "kea-lease-monitor", "--")
        in_files.run("systemctl", "stop", "kea-lease-monitor")
        in_files.run("sh", "-c", f"mv {path} {path}.away 2>/dev/null || true")
        try:
            if kind in TEXTS:
                in_files.run(*user, "sh", "-c", f"cat >{path}", stdin=TEXTS[kind])
            else:
                in_files.run(*user, *(("mkfifo", path) if kind == "fifo" else ("ln", "-s", CONFIG, path)))
            in_files.run("rm", "-f", REPORT)
            in_files.run("systemctl", "restart", "kea-reservations")
            wait(lambda: "subnets" in in_files.run("cat", REPORT, check=False), "the report")
            print(kind, in_files.run("cat", REPORT))
            included = in_files.run("sh", "-c", f"cat {APPLIED}/*.json")
            assert [word for word in ("hooks", "evil", "192.0.2.9", "secret") if word in included] == []
            assert "evil" not in json.dumps(kea.command("config-get"))
            assert kea.process() == kea.began
        finally:
            in_files.run("sh", "-c", f"rm -f {path}; mv {path}.away {path} 2>/dev/null || true")
            in_files.run("systemctl", "start", "kea-lease-monitor")
            in_files.run("systemctl", "restart", "kea-reservations")

    def test_root_follows_no_link_and_waits_for_no_fifo(self, in_files: Host) -> None:
        path = f"{APPLIED}/subnet-1.json"
        in_files.run("systemctl", "stop", "kea-reservations")
        for kind in ("link", "fifo"):
            with planted(in_files, "_kea", path, kind):
                print(path, kind, "the play says:", play(in_files, **FILES).words[-300:])
        played = play(in_files, **FILES)
        assert played.code == 0, played.output[-3000:]

    def test_a_reservation_without_a_lease_is_refused(self, in_files: Host) -> None:
        kea, path = Kea(in_files), f"{WRITTEN}/subnet-1.json"
        lease = kea.ask(1, "--retry-after", "20")[0]
        included = ("sh", "-c", f"cat {APPLIED}/*.json")
        wait(lambda: lease["address"] in in_files.run(*included), "the reservation of a lease")
        planted = [
            {"hw-address": "02:66:00:00:00:01", "ip-address": "10.77.31.9"},
            {"hw-address": "2:66:0:0:0:2", "ip-address": lease["address"]},
        ]
        code = f"import sys; open({path!r}, 'ab').write(sys.stdin.buffer.read())"
        user = ("runuser", "-u", "kea-lease-monitor", "--")
        in_files.run("systemctl", "stop", "kea-lease-monitor")
        in_files.run("cp", "-p", path, "/root/written.json")
        try:
            text = "".join(f",{json.dumps(one)}\n" for one in planted)
            in_files.run(*user, "python3", "-c", code, stdin=text)
            refused = "/var/lib/kea-reservations/report/refused.json"
            wait(lambda: in_files.run("cat", refused).count("Kea has no lease of") == len(planted), "the refusals")
            print("without a lease:", in_files.run("cat", refused))
            assert "02:66" not in in_files.run(*included)
            assert lease["address"] in in_files.run(*included)
            assert got(as_monitor(in_files, ["create:/var/lib/kea-reservations/report/approved-1-1.json"])) == []
        finally:
            in_files.run("cp", "-p", "/root/written.json", path)
            in_files.run("systemctl", "start", "kea-lease-monitor")

    def test_the_monitor_reaches_no_file_that_kea_includes(self, in_files: Host) -> None:
        inside = [f"write:{APPLIED}/subnet-1.json", f"create:{APPLIED}/x", f"replace:{WRITTEN}"]
        assert got(as_monitor(in_files, [*OF_ROOT, *OF_KEA, *inside])) == []

    def test_a_process_that_calls_itself_kea_lfc_delays_nothing_e5(self, in_files: Host) -> None:
        pid_file = f"{LEASES}.pid"
        called = f"exec -a kea-lfc cat - -p {pid_file}"
        in_files.run("sh", "-c", f"(sleep 900 | runuser -u nobody -- bash -c '{called}') >/dev/null 2>&1 &")
        try:
            played = play(in_files, **FILES)
            assert (played.code, played.changed) == (0, [0]), played.output[-3000:]
            assert in_files.run("systemctl", "start", "kea-lfc", check=True) == ""
        finally:
            in_files.run("pkill", "-u", "nobody", "-x", "cat", check=False)

    def test_a_person_s_edit_stays_out_of_force_e10(self, in_files: Host) -> None:
        """A reservation that needs a reload waits for the person. Kea 3.0 needs none: it takes it by command."""
        kea = Kea(in_files)
        loaded = "reservation-get-by-address" in kea.command("list-commands")["arguments"]
        in_files.run("sh", "-c", f"cp -p {CONFIG} /root/before.conf; printf '\\n// edited\\n' >>{CONFIG}")
        before = kea.command("status-get")["arguments"]["reload"]
        try:
            address = kea.ask(1, "--retry-after", "20")[0]["address"]
            if loaded:
                wait(lambda: is_reserved(kea, address), "the reservation by command")
            else:
                waiting = f"{CONFIG} was changed after Kea read it"
                wait(lambda: waiting in checked(in_files), "the reservation that waits")
            assert kea.command("status-get")["arguments"]["reload"] >= before, "Kea read the edit"
        finally:
            in_files.run("cp", "-p", "/root/before.conf", CONFIG)
        wait(lambda: "was changed" not in checked(in_files), "the reservation in force")
