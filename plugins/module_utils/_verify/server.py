# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges Kea itself, its configuration, secret files, and changes made by hand."""

from __future__ import annotations

import os
from typing import Iterator

from .finding import (
    DEPLOY,
    OK,
    WARN,
    WRONG,
    Expected,
    Facts,
    Finding,
    journal,
    kea_unit,
)


HOST_CACHE = "libdhcp_host_cache.so"
"""Open source since Kea 3.0, premium before."""


def server(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge the unit, the control channel, and whether the server runs with the files on the disk."""
    found = facts["server"]
    unit = found["unit"]
    if unit is None or found["version"] is None:
        yield Finding("kea", WRONG, f"Kea's DHCPv{facts['family']} server is not installed", DEPLOY)
        return
    name = unit["name"]
    if not unit["active"]:
        yield Finding("kea", WRONG, f"{name} does not run: it serves no client", journal(name))
    elif not found["serving"]:
        yield Finding("kea", WRONG, f"{name} runs but does not answer on its control channel", journal(name))
    else:
        yield Finding("kea", OK, f"{name} serves")
    if not unit["enabled"]:
        yield Finding("kea at boot", WRONG, f"{name} does not start with the host", DEPLOY)
    listening = found["listening"]
    if listening and listening["status"] not in ("", "ready"):
        seen = f"Kea does not listen on all interfaces ({listening['status']}): {'; '.join(listening['errors'])}"
        todo = (
            f"bring the interface up (ip link), or take it out of kea_dhcp{facts['family']}_interfaces; {journal(name)}"
        )
        yield Finding("interfaces", WRONG, seen, todo)
    if found["outdated"]:
        seen = "the configuration or the unit was changed after the server started, and is not in force"
        yield Finding("kea in force", WARN, seen, f"if the change is meant: {DEPLOY}, which restarts Kea")


def version(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge whether this collection supports this version of Kea."""
    found, known = facts["server"]["version"], facts["server"]["capabilities"]
    if found is None:
        return
    if known is None:
        yield Finding("version", WRONG, f"this collection does not support Kea {found}", "upgrade Kea")
    elif known["schema"] is None:
        todo = "look for a newer release of baremetal.kea"
        yield Finding("version", WARN, f"Kea {found} is newer than every version that this collection knows", todo)
    else:
        yield Finding("version", OK, f"Kea {found}")


def configuration(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge where Kea keeps leases and reservations, and whether a move of leases was interrupted."""
    config, move = facts["config"], facts["move"]
    if config["error"]:
        yield Finding("configuration", WRONG, f"{config['path']}: {config['error']}", DEPLOY)
        return
    leases = (config["lease_database"] or {}).get("type", "memfile")
    hosts = [entry.get("type") for entry in config["hosts_databases"] or [] if isinstance(entry, dict)]
    reservations = "postgresql" if "postgresql" in hosts else "files"
    seen = f"leases in {leases}, reservations in {reservations}"
    wanted = f"leases in {expected.leases}, reservations in {expected.reservations}"
    if seen == wanted:
        yield Finding("configuration", OK, seen)
    else:
        yield Finding("configuration", WRONG, f"{seen}; the variables say {wanted}", DEPLOY)
    if move["unfinished"] or move["error"]:
        seen = move["error"] or "a move of the leases was interrupted"
        yield Finding("move", WRONG, seen, f"{DEPLOY}: it finishes the move")


def host_cache(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether Kea keeps reservations of a database in memory: nothing tells it that one was removed or moved."""
    libraries = [
        str(one.get("library", "")) for one in facts["config"]["hooks_libraries"] or [] if isinstance(one, dict)
    ]
    if expected.reservations == "postgresql" and any(os.path.basename(one) == HOST_CACHE for one in libraries):
        seen = "Kea's host cache keeps a reservation in force after it was removed or moved in the database"
        todo = f"send cache-remove or cache-clear after that, or do not load {HOST_CACHE} (docs/take-over.md)"
        yield Finding("host cache", WARN, seen, todo)


def lease_file(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether leases in a file reach a file: the lease monitor reads them there."""
    config = facts["config"]
    database = config["lease_database"] or {}
    if expected.leases != "memfile" or config["error"] or database.get("type", "memfile") != "memfile":
        return
    if facts["lease_file"] is None:
        seen = "Kea keeps its leases in memory only (persist: false): a restart loses them, and the monitor sees none"
        yield Finding("leases", WRONG, seen, f"remove persist from lease-database in {config['path']}; restart Kea")
    elif facts["lease_file_age"] is None:
        seen = f"{facts['lease_file']} is missing, although Kea creates it when it starts: the monitor sees no leases"
        yield Finding("leases", WRONG, seen, journal(kea_unit(facts)))


def secrets(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge the files that must be closed to others."""
    open_ones = [one for one in facts["secrets"] if one["problem"]]
    for one in open_ones:
        yield Finding("secrets", WRONG, f"{one['path']} {one['problem']}", one["todo"])
    if not open_ones:
        yield Finding("secrets", OK, f"{len(facts['secrets'])} files are closed to all others")


def drift(facts: Facts, _expected: Expected) -> Iterator[Finding]:
    """Judge what was changed by hand since the last deployment, and whether a deployment is unfinished."""
    manifest = facts["manifest"]
    if manifest["error"]:
        yield Finding("drift", WRONG, manifest["error"], DEPLOY)
        return
    if manifest["unfinished"]:
        yield Finding("drift", WRONG, "a deployment began and did not finish", f"{DEPLOY} again")
        return
    for key in manifest["changed"]:
        todo = f"{DEPLOY} --check --diff: it shows what was changed; without --check it reverts that"
        yield Finding("drift", WRONG, f"{key.replace(':', ' ', 1)} was changed since the deployment", todo)
    if not manifest["changed"]:
        yield Finding("drift", OK, f"{manifest['things']} things are as the deployment made them")
