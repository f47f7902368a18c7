# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the TLS of a deployed Kea and monitor, on their host: each wrong case must be refused for the right reason.

The evidence is PostgreSQL's sessions and log, and the messages of the two programs. Prints one JSON object: for each
case what was seen, and all connections in the log that were not encrypted. The argument is the directory with the
certificates.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

UNIT = "kea-dhcp4-server"
DROP_IN = Path(f"/etc/systemd/system/{UNIT}.service.d/zz-lab.conf")
KEPT = Path("/etc/kea/lab")
KEPT_BY_MONITOR = Path("/etc/kea-lease-monitor/lab")
# Connects with the monitor's own code and configuration, but with other certificate files.
MONITOR = """
import json, sys
from dataclasses import replace
sys.path.insert(0, "/opt/baremetal/current/lib")
from kea_lease_monitor import database, document
from kea_lease_monitor.settings import MonitorSettings
found = MonitorSettings.parse(document.read("/etc/kea-lease-monitor/config.yml")).database
database.Session(replace(found, **json.loads(sys.argv[1])))
"""
OPTIONS = {"PGSSLROOTCERT": "ca_file", "PGSSLCERT": "cert_file", "PGSSLKEY": "key_file"}
PATIENCE = 40.0  # seconds


class Case(NamedTuple):
    """One wrong setting, of Kea (libpq's variables) or of the server, and the message that it must cause."""

    words: str
    environment: dict[str, str]
    server: dict[str, str]


def cases(server: Path) -> dict[str, Case]:
    return {
        "wrong CA": Case("certificate verify failed", {"PGSSLROOTCERT": f"{KEPT}/wrong-ca.pem"}, {}),
        "wrong host name": Case(
            "does not match host name",
            {},
            {"ssl_cert_file": f"{server}/elsewhere.pem", "ssl_key_file": f"{server}/elsewhere.key"},
        ),
        "expired certificate": Case(
            "certificate expired",
            {"PGSSLCERT": f"{KEPT}/expired.pem", "PGSSLKEY": f"{KEPT}/expired.key"},
            {},
        ),
        "expired server": Case(
            "certificate verify failed",
            {},
            {"ssl_cert_file": f"{server}/expired-server.pem", "ssl_key_file": f"{server}/expired-server.key"},
        ),
        "no certificate": Case(
            "connection requires a valid client certificate|certificate required", {"PGSSLCERT": "/nowhere.pem"}, {}
        ),
        "certificate of another": Case(
            "authentication failed for user",
            {"PGSSLCERT": f"{KEPT}/monitor.pem", "PGSSLKEY": f"{KEPT}/monitor.key"},
            {},
        ),
        "server without TLS": Case("server does not support SSL", {}, {"ssl": "off"}),
    }


def run(*command: object) -> str:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def sql(*statements: str) -> str:
    arguments = [word for statement in statements for word in ("-c", statement)]
    return run("runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "kea", *arguments).strip()


def sessions() -> list[list[str]]:
    """Return the sessions of Kea's role: encrypted, protocol, client DN."""
    rows = sql(
        "SELECT ssl, version, client_dn FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) "
        "WHERE usename = '_kea' AND datname = 'kea'"
    )
    return [row.split("|") for row in rows.splitlines()]


def restart(environment: dict[str, str]) -> str:
    """Restart Kea with these variables in its environment. Return the journal's cursor from before."""
    lines = [f"Environment={name}={value}" for name, value in environment.items()]
    DROP_IN.write_text("\n".join(["[Service]", *lines, ""]), encoding="ascii")
    cursor = run("journalctl", "-n", "1", "--show-cursor", "-q").rpartition("-- cursor: ")[2].strip()
    run("systemctl", "daemon-reload")
    # Depending on its version, a Kea that cannot reach its database exits at once or stays; so do not wait for it.
    run("systemctl", "restart", "--no-block", UNIT)
    return cursor


def said(cursor: str) -> str:
    log = run("journalctl", "-u", UNIT, "-o", "cat", "--after-cursor", cursor)
    file = Path("/var/log/kea/kea-dhcp4.log")
    return log + (file.read_text(errors="replace") if file.exists() else "")


def refused(case: Case) -> dict[str, object]:
    """Wait until Kea has logged why it has no database. Return whether Kea and the monitor were both refused."""
    for name, value in case.server.items():
        sql(f"ALTER SYSTEM SET {name} = '{value}'")
    sql("SELECT pg_reload_conf()")
    cursor, words, due = restart(case.environment), "", time.monotonic() + PATIENCE
    while not (found := re.search(case.words, words)) and time.monotonic() < due:
        time.sleep(0.1)
        words = said(cursor)
    seen = sessions()
    monitor = by_monitor(case)
    for name in case.server:
        sql(f"ALTER SYSTEM RESET {name}")
    sql("SELECT pg_reload_conf()")
    return {
        "refused": bool(found) and not seen and bool(re.search(case.words, monitor)),
        "sessions": seen,
        "said": found[0] if found else words[-2000:],
        "monitor said": monitor[-500:],
    }


def by_monitor(case: Case) -> str:
    """Return what the monitor's own code prints when it connects with the same files; empty if it succeeds."""
    others = {"monitor.pem": "kea.pem", "monitor.key": "kea.key"}  # the certificate of the other client
    options = {}
    for variable, path in case.environment.items():
        name = Path(path).name
        options[OPTIONS[variable]] = path.replace(str(KEPT), str(KEPT_BY_MONITOR)).replace(name, others.get(name, name))
    command = ["runuser", "-u", "kea-lease-monitor", "--", "python3", "-c", MONITOR, json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def accepted() -> dict[str, object]:
    """Restart Kea as it was deployed, and return its sessions."""
    restart({})
    due = time.monotonic() + PATIENCE
    while not (seen := sessions()) and time.monotonic() < due:
        time.sleep(0.1)
    return {"sessions": seen}


def unencrypted() -> list[str]:
    """Return the lines of PostgreSQL's log for connections over the network without TLS."""
    log = "".join(path.read_text(errors="replace") for path in Path("/var/log/postgresql").glob("*.log"))
    authorized = re.compile("connection authorized: user=(_kea|kea-lease-monitor)")
    lines = [line for line in log.splitlines() if authorized.search(line)]
    if not lines:
        raise SystemExit("PostgreSQL's log has no connections: set log_connections")
    return [line for line in lines if "SSL enabled" not in line]


def main() -> None:
    source = Path(sys.argv[1])
    server = Path("/etc/postgresql/lab")
    for directory, group in ((KEPT, "_kea"), (server, "postgres"), (KEPT_BY_MONITOR, "kea-lease-monitor")):
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(source, directory)
        directory.chmod(0o750)
        shutil.chown(directory, "root", group)
        for path in directory.iterdir():
            shutil.chown(path, "root", group)
            path.chmod(0o640)
    outcome: dict[str, object] = {name: refused(case) for name, case in cases(server).items()}
    outcome["as deployed"] = {**accepted(), "monitor said": by_monitor(Case("", {}, {}))}
    DROP_IN.unlink()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", UNIT)
    outcome["unencrypted"] = unencrypted()
    json.dump(outcome, sys.stdout)


if __name__ == "__main__":
    main()
