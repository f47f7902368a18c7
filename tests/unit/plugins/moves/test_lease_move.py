# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_lease_move with a real Kea, which returns its leases, and a real PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kea.plugins.module_utils._moves import (
    journal,
    lease_files,
    lease_table,
    leases,
    unit,
)
from support import control
from support.database import KEA, Database
from support.modules import run_module
from support.programs import need
from support.wait import until

pytestmark = [pytest.mark.kea, pytest.mark.postgres, pytest.mark.slow]

HOOKS = Path("/usr/lib/x86_64-linux-gnu/kea/hooks")
INFINITE = 4294967295
NOW = int(time.time())

# Unit tests run without systemd: these programs have the same commands for a Kea that the test starts.
SYSTEMCTL = """\
#!/bin/sh
cd {directory}
alive() {{ [ -e pid ] && kill -0 "$(cat pid)" 2>/dev/null; }}
case $1 in
show)
    case "$*" in *Environment*) echo "KEA_LOCKFILE_DIR=none PGAPPNAME=as-kea"; exit ;; esac
    alive && state=active || state=inactive
    printf 'Id=kea-dhcp{family}-server.service\\nLoadState=loaded\\nActiveState=%s\\nNeedDaemonReload=no\\n' $state ;;
start)
    alive && exit 0
    echo start >>verbs
    KEA_PIDFILE_DIR={directory} KEA_LOCKFILE_DIR=none setsid {kea} -p 10067 -c {directory}/kea-dhcp{family}.conf \\
        >>log 2>&1 </dev/null &
    echo $! >pid ;;
stop)
    echo stop >>verbs
    alive && kill "$(cat pid)"
    while alive; do sleep 0.02; done ;;
esac
"""
SYSTEMD_RUN = """\
#!/bin/sh
while [ "${1#--}" != "$1" ]; do shift; done
setsid "$@" >/dev/null 2>&1 </dev/null &
"""
JOURNALCTL = "#!/bin/sh\ntail -n 5 {directory}/log\n"


class Host:
    """A host with one Kea and a database that it can use."""

    family, subnet, pool = 4, "192.0.2.0/24", "192.0.2.1 - 192.0.2.200"
    own: ClassVar[dict[str, Any]] = {}

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self.database = database
        self.config = directory / f"kea-dhcp{self.family}.conf"
        self.candidate = directory / f"kea-dhcp{self.family}.candidate.conf"
        self.memfile = {"type": "memfile", "name": str(directory / "leases.csv"), "lfc-interval": 0}
        self.postgresql = {
            "type": "postgresql", "host": database.cluster.directory, "name": database.name, "user": KEA,
        }  # fmt: skip
        self.write(self.config, self.memfile)
        self.systemctl("start")
        self.wait()

    def write(self, path: Path, lease_database: dict[str, Any], **more: Any) -> None:
        settings = {
            "control-socket": {"socket-type": "unix", "socket-name": str(self.directory / "control")},
            "lease-database": lease_database,
            "interfaces-config": {"interfaces": []},
            "hooks-libraries": [{"library": str(HOOKS / "libdhcp_lease_cmds.so")}],
            f"subnet{self.family}": [{"id": 1, "subnet": self.subnet, "pools": [{"pool": self.pool}]}],
            "expired-leases-processing": {"reclaim-timer-wait-time": 0, "flush-reclaimed-timer-wait-time": 0},
            "sanity-checks": {"lease-checks": "none"},
            **self.own,
            **more,
        }
        path.write_text(json.dumps({f"Dhcp{self.family}": settings}))
        path.chmod(0o640)

    def systemctl(self, verb: str) -> None:
        subprocess.run([str(self.directory / "bin" / "systemctl"), verb], check=True)

    def command(self, name: str, **arguments: Any) -> dict[str, Any]:
        return control.ask(str(self.directory / "control"), name, arguments)

    def wait(self) -> None:
        until(self.answers, (self.directory / "log").read_text)

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.command("status-get"))
        return False

    def add(self, number: int, **values: Any) -> None:
        lease = {
            "ip-address": f"192.0.2.{number}", "hw-address": f"02:00:00:00:00:{number:02x}", "subnet-id": 1,
            "client-id": f"01:{number:02x}", "valid-lft": 4000, "expire": NOW + 3000 + number,
            "hostname": f"bmc-{number}", "fqdn-fwd": False, "fqdn-rev": False, **values,
        }  # fmt: skip
        answer = self.command("lease4-add", **{key: value for key, value in lease.items() if value is not None})
        assert answer["result"] == 0, answer

    def leases(self) -> list[dict[str, Any]]:
        """Return every lease that Kea has in memory or in its database."""
        answer = self.command(f"lease{self.family}-get-all", subnets=[1])
        return sorted(answer.get("arguments", {"leases": []})["leases"], key=lambda lease: lease["ip-address"])

    def move(self, lease_database: dict[str, Any], check: bool = False, **more: Any) -> dict[str, Any]:
        self.write(self.candidate, lease_database, **more)
        return self.module(check)

    def module(self, check: bool = False) -> dict[str, Any]:
        options = {
            "path": str(self.config),
            "candidate": str(self.candidate),
            "state_dir": str(self.directory / "state"),
        }
        return run_module("kea_lease_move", check=check, timeout=20, **options)

    def verbs(self) -> str:
        return (self.directory / "verbs").read_text()

    def aside(self) -> list[str]:
        return sorted(path.name.split(".before-")[0] for path in self.directory.glob("leases.csv*.before-*"))


class Host6(Host):
    """The same with a DHCPv6 server."""

    family, subnet, pool = 6, "2001:db8::/64", "2001:db8::1 - 2001:db8::ffff"
    # The server of the test may not write where Kea keeps its own DUID.
    own: ClassVar[dict[str, Any]] = {"server-id": {"type": "LL", "identifier": "020000000001", "persist": False}}

    def add(self, number: int, **values: Any) -> None:
        lease = {
            "ip-address": f"2001:db8::{number}", "duid": f"00:01:{number:02x}", "iaid": number, "subnet-id": 1,
            "valid-lft": 4000, "preferred-lft": 2000, "expire": NOW + 3000 + number, "hostname": f"bmc-{number}",
            "type": "IA_NA", "fqdn-fwd": False, "fqdn-rev": False, **values,
        }  # fmt: skip
        answer = self.command("lease6-add", **{key: value for key, value in lease.items() if value is not None})
        assert answer["result"] == 0, answer


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory of Kea's user, which may enter those above it, too."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, pwd.getpwnam("_kea").pw_uid, -1)
        yield Path(name)


@pytest.fixture
def host(directory: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    yield from running(Host, directory, database, monkeypatch)


@pytest.fixture
def host6(directory: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    yield from running(Host6, directory, database, monkeypatch)


def running(kind: type[Host], directory: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    programs = directory / "bin"
    programs.mkdir()
    texts = {"systemctl": SYSTEMCTL, "systemd-run": SYSTEMD_RUN, "journalctl": JOURNALCTL}
    for name, text in texts.items():
        filled = text
        if name != "systemd-run":
            filled = text.format(directory=directory, kea=need(f"kea-dhcp{kind.family}"), family=kind.family)
        (programs / name).write_text(filled)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    host = kind(directory, database)
    yield host
    host.systemctl("stop")


def fill(host: Host) -> None:
    host.add(1)
    host.add(2, hostname="a,b&c#x.example", **{"user-context": {"note": "1, 2 & 'three' \\ \"four\""}})
    host.add(3, **{"valid-lft": INFINITE, "expire": None})
    host.add(4, **{"client-id": None})
    host.add(5, expire=NOW - 5000)
    host.add(6, state=2, expire=NOW - 50)
    host.add(7, state=1, expire=NOW + 86400, **{"fqdn-fwd": True, "fqdn-rev": True})
    host.add(8, hostname="")


def test_there_and_back(host: Host) -> None:
    fill(host)
    before = host.leases()
    assert len(before) == 8

    check = host.move(host.postgresql, check=True)
    assert (check["failed"], check["changed"], check["leases"], check["rejected"]) == (False, True, 8, 0), check
    assert host.verbs() == "start\n"

    there = host.move(host.postgresql)
    assert (there["failed"], there["changed"], there["leases"], there["rejected"]) == (False, True, 8, 0), there
    assert 0 < there["silence"] < 10
    assert host.leases() == before
    assert host.database.value("SELECT count(*) FROM lease4") == 8
    # Kea counts what is assigned or declined.
    assert host.database.fetch("SELECT state, leases FROM lease4_stat ORDER BY state") == [(0, 6), (1, 1)]
    assert host.aside() == ["leases.csv"]
    assert not (host.directory / "leases.csv").exists()

    again = host.module()
    assert not again["changed"]
    assert "silence" not in again

    # Kea can change a moved lease only if it reads its end correctly (kea-facts 2).
    renewed = host.command("lease4-update", **{**_given(before[0]), "expire": NOW + 9000})
    assert renewed["result"] == 0, renewed
    before = host.leases()
    back = host.move(host.memfile)
    assert (back["failed"], back["leases"]) == (False, 8), back
    assert host.leases() == before
    host.systemctl("stop")
    host.systemctl("start")
    host.wait()
    assert host.leases() == before
    assert (host.directory / "leases.csv").stat().st_mode & 0o777 == 0o640


def test_the_journal_tells_how_far_a_move_is(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _module, text, **_more: lines.append(text))
    monkeypatch.setattr(lease_table, "PORTION", 5)
    fill(host)
    assert not host.move(host.postgresql)["failed"]
    target = f"PostgreSQL {host.database.name} on {host.database.cluster.directory}"
    copied = [f"5 of 8 leases copied to {target}", f"8 of 8 leases copied to {target}"]
    assert [line for line in lines if line.startswith("Invoked")] == lines[:-9]
    assert lines[-9:-1] == [
        f"rehearsing the move of 8 leases to {target}; Kea serves",
        *copied,
        "Kea is stopped",
        f"8 leases read from {host.directory}/leases.csv",
        *copied,
        f"8 of 8 leases are in {target} and were compared",
    ]
    assert re.fullmatch(r"Kea serves again, after \d+\.\d s", lines[-1])


def _given(lease: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in lease.items() if key not in {"cltt", "state"}}


def test_deleted_leases_do_not_come_back(host: Host) -> None:
    fill(host)
    assert host.move(host.postgresql)["changed"]
    assert host.move(host.memfile)["changed"]
    for address in ("192.0.2.1", "192.0.2.3"):
        assert host.command("lease4-del", **{"ip-address": address})["result"] == 0
    left = host.leases()
    assert len(left) == 6
    assert host.move(host.postgresql)["changed"]
    assert host.leases() == left
    assert host.database.value("SELECT sum(leases) FROM lease4_stat") == 5


def test_files_of_an_lfc_run_are_read_in_load_order(host: Host) -> None:
    fill(host)
    host.systemctl("stop")
    current = host.directory / "leases.csv"
    header, *rows = current.read_text().splitlines(keepends=True)
    Path(f"{current}.2").write_text(header + rows[0] + rows[1])
    Path(f"{current}.1").write_text(header + rows[1].replace("a&#x2cb", "renamed") + rows[2] + "rubbish\n")
    deleted = rows[0].split(",")
    deleted[3] = "0"
    current.write_text(header + ",".join(deleted) + rows[3] + rows[4])
    host.systemctl("start")
    host.wait()
    before = host.leases()
    assert [lease["ip-address"][-1] for lease in before] == ["2", "3", "4", "5"]
    moved = host.move(host.postgresql)
    assert (moved["failed"], moved["leases"], moved["rejected"]) == (False, 4, 1), moved
    assert host.leases() == before
    assert host.aside() == ["leases.csv", "leases.csv.1", "leases.csv.2"]


def test_rows_of_another_width_than_the_header_are_moved(host: Host) -> None:
    """An older header, rows appended by a newer Kea, and blank lines: Kea loads all of them, and none may be lost."""
    fill(host)
    host.systemctl("stop")
    current = host.directory / "leases.csv"
    header, *rows = current.read_text().splitlines(keepends=True)
    older = ",".join(header.split(",")[:10]) + "\n"
    narrow = [",".join(row.split(",")[:10]) + "\n" for row in rows[:2]]
    current.write_text("\n".join([older, *narrow, *rows[2:]]))
    host.systemctl("start")
    host.wait()
    before = host.leases()
    assert len(before) == len(rows)
    moved = host.move(host.postgresql)
    assert (moved["failed"], moved["leases"], moved["rejected"]) == (False, len(rows), 0), moved
    assert host.leases() == before


def test_only_the_youngest_lease_of_a_client_is_moved(host: Host) -> None:
    host.add(1)
    host.add(2, **{"client-id": "01:01", "expire": NOW + 3500})
    host.database.lease(int.from_bytes(socket.inet_aton("192.0.2.9"), "big"), client_id=b"\1\1", expire="2020-01-01")
    host.database.lease(int.from_bytes(socket.inet_aton("192.0.2.8"), "big"), client_id=b"\7\7", expire="2030-01-01")
    moved = host.move(host.postgresql)
    assert moved["leases"] == 1, moved
    assert [lease["ip-address"] for lease in host.leases()] == ["192.0.2.2", "192.0.2.8"]


def test_younger_lease_in_the_database_stays(host: Host) -> None:
    host.add(1)
    host.add(2)
    for number in (1, 2):
        address = int.from_bytes(socket.inet_aton(f"192.0.2.{number}"), "big")
        host.database.lease(
            address, hostname="there", expire=f"20{number}9-01-01 00:00:00+00", client_id=b"\5%d" % number
        )
    assert host.move(host.postgresql)["leases"] == 2
    assert [lease["hostname"] for lease in host.leases()] == ["bmc-1", "there"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'", "another time zone"),
        ("DROP TABLE lease4 CASCADE", "Kea's schema first"),
        ('REVOKE ALL ON lease4 FROM "_kea"; ALTER TABLE lease4 OWNER TO postgres', "42501"),
    ],
)
def test_errors_are_found_while_kea_serves(host: Host, statement: str, message: str) -> None:
    fill(host)
    host.database.execute(statement.format(name=host.database.name))
    failed = host.move(host.postgresql)
    assert message in failed["msg"], failed
    assert host.verbs() == "start\n"
    assert json.loads(host.config.read_text())["Dhcp4"]["lease-database"] == host.memfile


@pytest.mark.parametrize("valid", [3600, 4294967295], ids=["finite", "infinite"])
def test_times_before_1970_stop_no_move(host: Host, valid: int) -> None:
    """D5: in a lease file, 2**63 is a moment so early that no database knows it."""
    fill(host)
    before = len(host.leases())
    rows = [f"192.0.2.20{one},02:00:00:00:01:0{one},,{valid},{2**63 * one},1,0,0,,0," for one in (0, 1)]
    with (host.directory / "leases.csv").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)
    moved = host.move(host.postgresql)
    assert (moved["failed"], moved["leases"]) == (False, before + 2), moved


def test_lease_that_ends_after_2038_is_refused(host: Host) -> None:
    host.add(1, expire=2**31 + 10)
    failed = host.move(host.postgresql)
    assert "192.0.2.1 ends after 2038-01-19" in failed["msg"]
    assert host.verbs() == "start\n"


def test_candidate_that_kea_does_not_serve_is_reverted(host: Host) -> None:
    fill(host)
    before = host.leases()
    broken = {"library": "/nowhere/libdhcp_nothing.so"}
    failed = host.move(host.postgresql, **{"hooks-libraries": [broken]})
    assert failed["failed"]
    assert "The previous configuration is in force again" in failed["msg"], failed
    assert "/nowhere/libdhcp_nothing.so" in failed["msg"]
    host.wait()
    assert host.leases() == before
    assert host.database.value("SELECT count(*) FROM lease4") == 0
    assert host.aside() == []

    assert host.move(host.postgresql)["changed"]
    assert host.leases() == before


# Functions before which the process is killed, by the last step that was done.
STEPS: dict[str, tuple[Any, str]] = {
    "stopped": (leases.Move, "_transfer"),
    "read": (lease_table.LeaseTable, "take"),
    "loaded": (leases.Move, "_swap"),
    "swapped": (unit.KeaUnit, "start"),
    "served": (lease_files.LeaseFiles, "set_aside"),
    "set aside": (journal.Journal, "close"),
}


@pytest.mark.parametrize("step", STEPS)
def test_move_killed_at_any_step_can_be_repeated(host: Host, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(host)
    before = host.leases()
    host.write(host.candidate, host.postgresql)
    _killed(host, *STEPS[step], monkeypatch)
    # The guard starts Kea, which has all leases.
    host.wait()
    assert host.leases() == before
    # Leases change, whichever database they are in now.
    host.add(20)
    assert host.command("lease4-del", **{"ip-address": "192.0.2.3"})["result"] == 0
    before = host.leases()

    swapped = not host.candidate.exists()
    again = host.module() if swapped else host.move(host.postgresql)
    assert again["changed"], again
    assert host.leases() == before
    assert host.database.value("SELECT count(*) FROM lease4") == 8
    assert host.aside() == ["leases.csv"]
    assert not host.module()["changed"]


def _killed(host: Host, owner: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the module in a process of its own that is killed when it would call that function."""
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(owner, name, lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL))
        try:
            host.module()
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_second_move_at_the_same_time_is_refused(host: Host) -> None:
    host.add(1)
    state = host.directory / "state"
    state.mkdir()
    lock = state / "lease-move.lock"
    with subprocess.Popen([need("flock"), lock, "cat"], stdin=subprocess.PIPE) as holder:
        while subprocess.run([need("flock"), "-n", lock, "true"], check=False).returncode == 0:
            pass
        failed = host.move(host.postgresql)
        assert holder.stdin is not None
        holder.stdin.close()
    assert "another move is running" in failed["msg"], failed
    assert host.verbs() == "start\n"


def test_a_lease_database_in_an_included_file_is_refused(host: Host) -> None:
    """An edit of that file is in force at once, so the leases would stay where they are."""
    host.add(1)
    included = host.directory / "database.json"
    included.write_text('"lease-database": ' + json.dumps(host.postgresql))
    host.write(host.candidate, {})
    text = host.candidate.read_text().replace('"lease-database": {}', f'<?include "{included}"?>')
    host.candidate.write_text(text)
    refused = host.module()
    assert refused["failed"]
    assert "lease-database of" in refused["msg"]
    assert "stands in a file that it includes" in refused["msg"]
    assert host.verbs() == "start\n"
    assert len(host.leases()) == 1


def test_leases_in_memory_only_are_refused(host: Host) -> None:
    host.write(host.config, {"type": "memfile", "persist": False})
    assert "persist: false" in host.move(host.postgresql)["msg"]


def test_leases_of_dhcpv6_move_there_and_back(host6: Host) -> None:
    """Addresses, temporary ones, prefixes; what is declined, infinite or of a client with several leases."""
    host6.add(1, **{"hw-address": "02:00:00:00:00:01"})
    host6.add(2, hostname="a,b&c#x.example", **{"user-context": {"note": "1, 2 & 'three' \\ \"four\""}})
    host6.add(3, **{"valid-lft": INFINITE, "expire": None})
    host6.add(4, iaid=2**32 - 3, type="IA_TA")
    host6.add(5, **{"ip-address": "2001:db8:1::", "prefix-len": 56, "type": "IA_PD"})
    host6.add(6, duid="00:01:01", iaid=1)
    host6.add(7, state=1, expire=NOW + 86400, **{"fqdn-fwd": True, "fqdn-rev": True})
    host6.add(8, expire=NOW - 5000)
    before = host6.leases()
    assert len(before) == 8
    host6.database.execute(
        "INSERT INTO lease6 (address, duid, valid_lifetime, expire, subnet_id, pref_lifetime, lease_type, iaid,"
        " prefix_len, hostname, state, fqdn_fwd, fqdn_rev, hwaddr, hwtype, hwaddr_source, user_context)"
        " VALUES ('2001:db8::2', '\\x000901', 10, '2030-01-01', 1, 5, 0, 1, 128, 'there', 0, false, false,"
        " '', 0, 0, '')"
    )
    there = host6.move(host6.postgresql)
    assert (there["failed"], there["changed"], there["leases"], there["rejected"]) == (False, True, 8, 0), there
    assert [one["hostname"] for one in host6.leases() if one["ip-address"] == "2001:db8::2"] == ["there"]
    others = [one for one in before if one["ip-address"] != "2001:db8::2"]
    assert [one for one in host6.leases() if one["ip-address"] != "2001:db8::2"] == others
    assert (host6.aside(), host6.module()["changed"]) == (["leases.csv"], False)
    deleted = {"ip-address": "2001:db8::3"}
    assert host6.command("lease6-del", **deleted)["result"] == 0
    left = host6.leases()
    back = host6.move(host6.memfile)
    assert (back["failed"], back["leases"]) == (False, 7), back
    assert host6.leases() == left
    host6.systemctl("stop")
    host6.systemctl("start")
    host6.wait()
    assert host6.leases() == left
    assert host6.command("lease6-del", **{"ip-address": "2001:db8::1"})["result"] == 0
    assert host6.move(host6.postgresql)["leases"] == 6
    assert [one["ip-address"] for one in host6.leases()] == [
        one["ip-address"] for one in left if one["ip-address"] != "2001:db8::1"
    ], "the rows that were left there are of no use"


def test_other_kind_of_database_is_refused(host: Host) -> None:
    assert "type mysql" in host.move({"type": "mysql", "name": "kea"})["msg"]


def test_same_lease_database_moves_no_leases(host: Host) -> None:
    fill(host)
    before = host.leases()
    moved = host.move(host.memfile, **{"valid-lifetime": 1234})
    assert (moved["failed"], moved["changed"], moved["leases"], moved["set_aside"]) == (False, True, 0, []), moved
    assert host.leases() == before
    assert host.command("config-get")["arguments"]["Dhcp4"]["valid-lifetime"] == 1234
