# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether a host can run what the variables ask for."""

from __future__ import annotations

import re
from typing import Any, Iterator, List, Mapping, Tuple

from ._preflight_finding import Finding, refusal, warning
from ._preflight_firewall import PORTS
from ._preflight_variables import interfaces_of

Values = Mapping[str, Any]
MIB = 2**20
PROGRAMS = "/opt"
"""Where only the programs of a DHCP server lie."""
PACKAGES, CLUSTERS = ("/usr", "/var/cache/apt"), "/var/lib/postgresql"
"""Where packages are put, and where PostgreSQL has its clusters; told by kea_info if they are file systems."""

TRIED = (("debian", "12"), ("debian", "13"))
"""Systems that the tests of this collection run on."""
FAMILIES = {"debian": "deb", "ubuntu": "deb", "rhel": "rpm", "fedora": "rpm", "centos": "rpm"}
NEWEST_TRIED = (3, 0)
"""The newest stable branch of Kea that the tests of this collection run with."""
LEAST_FREE, WARN_FREE = 64 * MIB, 512 * MIB
"""Bytes under which a deployment is refused, and under which a person is warned."""
LEAST_INODES = 1000
KEA = ("kea-dhcp4", "kea-dhcp6")
MOVABLE = ("memfile", "postgresql")
"""Types of lease databases whose leases the play can move."""
_ANY = ("0.0.0.0", "*", "::")  # noqa: S104  # nosec B104  # what others listen on


def system(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the distribution. Nothing else is certain on one that this collection does not know."""
    if not found:
        yield refusal(f"this host could not be inspected: {asked['unread'] or 'kea_info failed'}")
        return
    seen = found["preflight"]["system"]
    name = seen["name"] or "this system"
    known = [FAMILIES[one] for one in (seen["id"], *seen["like"]) if one in FAMILIES]
    if not known:
        yield refusal(f"{name} is not supported: this collection knows Debian, Ubuntu and systems of Red Hat's family")
        return
    if not seen["systemd"]:
        yield refusal("systemd does not manage this host; the units of Kea and of the monitor need it")
    if known[0] == "rpm" and asked["enable_database"] and (asked["is_database"] or asked["database_is_here"]):
        yield refusal(
            f"{name}: the play sets up PostgreSQL on Debian and Ubuntu only; set kea_db_host to an existing server"
        )
    version = seen["version"].split(".")[0] if seen["id"] == "debian" else seen["version"]
    if (seen["id"], version) not in TRIED:
        yield warning(f"{name}: this collection was tried on Debian 12 and 13 only; try it on a test host first")


def packaging(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge whether the packages are known, and whether another packaging of Kea is there already."""
    seen = found.get("packaging")
    if not asked["is_server"] or not seen:
        return
    if seen["error"]:
        yield refusal(seen["error"])
        return
    is_foreign = bool(set(seen["packages"][:1]) & set(seen["missing"]))
    if is_foreign and (found.get("server") or {}).get("version") is not None:
        yield refusal(
            f"Kea is installed, but not from the package {seen['packages'][0]} of the packaging {seen['name']}; set "
            f"kea_packaging or kea_packaging_names to what is installed"
        )
    unit = (found.get("server") or {}).get("unit")
    if unit and unit["name"] != f"{seen['unit']}.service":
        yield refusal(
            f"Kea is the unit {unit['name']}, and not {seen['unit']}.service of the packaging {seen['name']}; set unit "
            f"in kea_packaging_names"
        )
    if seen["unlisted"]:
        yield warning(
            f"the package lists of this host do not have {', '.join(seen['unlisted'])}; the deployment fetches the "
            f"lists first, and fails if no repository has them then"
        )
    if seen["name"] != "debian":
        yield warning(f"the packaging {seen['name']} was not tried on its own system; try it on a test host first")


def kea_version(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the version of an installed Kea."""
    version = (found.get("server") or {}).get("version")
    numbers = re.match(r"(\d+)\.(\d+)", version or "")
    if not asked["is_server"] or numbers is None:
        return
    if found["server"]["capabilities"] is None:
        yield refusal(f"this collection does not support Kea {version}; upgrade Kea")
    elif (int(numbers.group(1)), int(numbers.group(2))) > NEWEST_TRIED:
        yield warning(
            f"Kea {version} is newer than the versions that this collection was tried with (2.2, 2.6 and 3.0): its "
            f"options and its schema are known, no server of it was run"
        )


def databases(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the databases of Kea that are the site's: leases that cannot move, reservations that the monitor misses."""
    config = found.get("config") or {}
    if not asked["is_server"] or config.get("untouched"):
        return
    leases = config.get("lease_database") or {}
    if leases.get("type", MOVABLE[0]) not in MOVABLE:
        yield refusal(
            f"Kea's leases are in {leases['type']}, which the play cannot move, so there are no lease events, no "
            f"inventory and no managed reservations on this server. The modules work there: kea_config, "
            f"kea_reservation, kea_database, kea_schema, kea_info and kea_verify, which reports the place of the "
            f"leases as WRONG; see Limits in docs/take-over.md"
        )
    yield from _taken_away(asked, config)
    for one in config.get("hosts_databases") or []:
        if not _is_wanted(asked, one):
            kind, name, host = one.get("type"), one.get("name"), one.get("host", "localhost")
            yield warning(
                f"hosts-databases: the monitor knows the reservations in {name} at {host} as they are when its host is "
                f"deployed; after a change there, deploy again"
                if kind == "postgresql"
                else f"hosts-databases: the monitor does not read the reservations in {name} ({kind}) at {host}; one "
                f"there may be for a client or an address that the monitor reserves, too"
            )


def _taken_away(asked: Values, config: Values) -> Iterator[Finding]:
    """Judge whether a first deployment would take Kea away from a database of the site: that is never unasked."""
    if config.get("recorded") is not False:
        return
    leases = config.get("lease_database") or {}
    if leases.get("type") == "postgresql" and not (asked["enable_notify"] and _is_wanted(asked, leases)):
        name, host = leases.get("name"), leases.get("host", "localhost")
        yield refusal(
            f"Kea's leases are in the PostgreSQL database {name} at {host}, and no deployment put them there; with "
            f"these variables they would leave it. Deploy with kea_enable_database: true, kea_db_enable_notify: true, "
            f"kea_db_name: {name} and kea_db_host: {host}. To move them nevertheless, deploy so first, and after that "
            f"with the variables of another mode"
        )
    for one in config.get("hosts_databases") or []:
        if not asked["enable_database"] and _is_wanted(asked, one):
            name, host = one.get("name"), one.get("host", "localhost")
            yield refusal(
                f"hosts-databases: Kea looks for reservations in {name} at {host}, and no deployment put that there; "
                f"with these variables Kea would leave that database, because kea_db_name and kea_db_host name it. Set "
                f"kea_db_name to another name, or kea_enable_database: true to use it"
            )


def _is_wanted(asked: Values, entry: Values) -> bool:
    """Return whether a database of Kea is the one that the variables name."""
    hosts = set(str(entry.get("host", "localhost")).split(","))
    named = (entry.get("type"), entry.get("name"), str(entry.get("port", 5432)))
    wanted = ("postgresql", asked["database_name"], str(asked["database_port"]))
    return named == wanted and bool(hosts & set(asked["database_host"].split(",")))


def changed_files(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge what a restart brings into force beside the variables: it need not be what the person of the edit wants."""
    server = found.get("server") or {}
    changed, edited = server.get("changed_files") or [], server.get("edited_files") or []
    if not asked["is_server"]:
        return
    if edited and not asked["allow_edits"]:
        yield refusal(
            f"{', '.join(edited)} was edited since the last deployment, and Kea has not read that; this run would "
            f"bring it into force. Reload Kea yourself, revert the edit, or allow it with kea_allow_pending_edits: true"
        )
    elif changed:
        yield warning(
            f"{', '.join(changed)} was changed after Kea started; unless Kea was reloaded since, this run brings that "
            f"into force: it restarts Kea"
        )


def disks(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the free space where the deployment writes."""
    for one in (found.get("preflight") or {}).get("disks", []):
        directory, free = one["directory"], one["free"]
        if not _is_written(directory, asked, found):
            continue
        if one["read_only"]:
            yield refusal(f"{directory} is on a file system that is mounted read-only")
        elif free < LEAST_FREE:
            yield refusal(f"{directory} has {free // MIB} MiB free; at least {LEAST_FREE // MIB} MiB are needed")
        elif one["free_inodes"] is not None and one["free_inodes"] < LEAST_INODES:
            yield refusal(f"{directory} has {one['free_inodes']} free inodes; at least {LEAST_INODES} are needed")
        elif free < WARN_FREE:
            what = "the packages" if directory in PACKAGES else "a dump or a copy of the leases"
            yield warning(f"{directory} has {free // MIB} MiB free; {what} may not fit")


def _is_written(directory: str, asked: Values, found: Values) -> bool:
    """Return whether the deployment writes to a directory. A host without a deployment lacks packages, as a rule."""
    if directory in PACKAGES:
        is_new = not (found.get("changes") or {}).get("deployed")
        lacks = is_new or (found.get("packaging") or {}).get("missing")
        return bool(lacks and (asked["is_server"] or asked["enable_database"]))
    if directory == CLUSTERS:
        has_cluster = asked["is_database"] or (asked["is_server"] and asked["database_is_here"])
        return bool(asked["enable_database"] and has_cluster)
    return bool(asked["is_server"] or (directory != PROGRAMS and asked["enable_database"]))


def ports(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge whether another DHCP server has the ports. On a host where Kea serves, it did not keep Kea from it."""
    serves = bool((found.get("server") or {}).get("serving"))
    own = PORTS[asked["family"]]
    wanted = [own, *([PORTS[6]] if _has_foreign_dhcp6(asked) else [])] if asked["is_server"] else []
    named = [one.split("/")[0] for one in interfaces_of(asked, found)]
    told: List[Tuple[str, int]] = []
    for one in (found.get("preflight") or {}).get("dhcp_sockets") or []:
        program, port, device = one["program"] or "another program", one["port"], one["device"]
        if one["program"] in KEA or port not in wanted or (program, port) in told:
            continue
        told.append((program, port))
        # For "*", Kea logs the interface that it cannot open, and serves the others.
        elsewhere = device is not None and device not in named
        if device is None and one["address"] not in _ANY:
            yield warning(f"{program} listens on {one['address']}, port {port}; Kea must not serve that address")
        elif elsewhere:
            yield warning(f"{program} has port {port} on {device}: Kea cannot serve there, and is not told to")
        elif serves or port != own:
            yield warning(f"{program} has port {port}, too; two DHCP servers may answer the same clients")
        else:
            yield refusal(f"{program} (process {one['pid']}) has port {port}, so Kea cannot serve; stop and disable it")


def servers(_asked: Values, found: Values) -> Iterator[Finding]:
    """Judge whether the database servers can be reached. Of several, one is enough."""
    seen = (found.get("preflight") or {}).get("servers", [])
    reached = [one for one in seen if not one["error"]]
    for one in seen:
        where = f"kea_db_host: {one['host']}"
        if one["error"] and not one["resolved"]:
            sentence = f"{where} does not resolve on this host ({one['error']})"
        elif one["error"]:
            sentence = f"{where} does not answer at port {one['port']} ({one['error']})"
        else:
            continue
        yield warning(sentence) if reached else refusal(sentence)


def names(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge whether the webhooks of the subscriptions and the hosts of the site's hosts-databases resolve."""
    if asked["is_server"]:
        for name in (found.get("preflight") or {}).get("unresolved", []):
            yield warning(f"{name} does not resolve on this host; a webhook or hosts-databases name it")


def unread(asked: Values, found: Values) -> Iterator[Finding]:
    """Tell what could not be looked at, so that silence means that nothing was found."""
    seen = found.get("preflight")
    if not seen:
        return
    if asked["is_server"] and seen["dhcp_sockets"] is None:
        yield warning(
            "could not be judged: whether another DHCP server has the port; ss is missing or fails (package iproute2)"
        )
    reason = seen.get("firewall_unread")
    if reason and (asked["is_server"] or asked["enable_database"]):
        yield warning(f"could not be judged: whether the firewall drops what this host receives; {reason}")


def clock(_asked: Values, found: Values) -> Iterator[Finding]:
    """Judge the clock: leases, certificates and pairs depend on it."""
    if found and found["preflight"]["time_synchronized"] is False:
        yield warning(
            "the clock is not synchronised; leases end by it, and the two servers of a pair must agree: install chrony "
            "or start systemd-timesyncd"
        )


def groups(asked: Values, found: Values) -> Iterator[Finding]:
    """Judge whether the group exists that may read the configuration."""
    group = asked["config_group"]
    if asked["is_server"] and found and group and group not in found["preflight"]["groups"]:
        yield refusal(f"kea_config_group: there is no group {group} on this host; install what brings it first")


def _has_foreign_dhcp6(asked: Values) -> bool:
    """Return whether a DHCPv6 server of the site keeps its leases in Kea's database."""
    return bool(asked["dhcp6"] and 6 not in asked["families"])
