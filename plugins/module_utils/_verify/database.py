# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judges Kea's database: schema, constraint, trigger, events, and TLS as the database server sees it."""

from __future__ import annotations

from typing import Iterator, List, NamedTuple, Optional

from .._host import hba
from .._postgres.acl import PUBLIC
from .._reservations import constraint
from .._rights import target
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

PRUNED_AFTER = 3600.0 + 600.0
"""Seconds after which the monitor has pruned an event that all subscriptions have passed, plus ten minutes."""
QUEUE_FULL = 0.5
"""Usage of the queue from which on the trigger sends no notifications."""
_TAKES_NONE = ("disable", "allow", "prefer")
"""Modes of libpq that accept a server without TLS."""
_NOTIFY = {4: ("trigger", "trigger_update"), 6: ("trigger6", "trigger6_update")}
_NEEDED = {4: ("function", "event_schema", "event_table", "lost_counter"), 6: ("function6",)}


class _Client(NamedTuple):
    """A program that has sessions with the database."""

    name: str
    sessions: List[Facts]
    ssl_mode: Optional[str]
    """Mode that it was started with; the database server does not know it."""


def database(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether the database answers, its schema, and the constraint on reservations."""
    if not expected.database:
        return
    found = facts["database"]
    if found["error"]:
        yield Finding("database", WRONG, found["error"], "see whether PostgreSQL runs: pg_lsclusters")
        return
    wanted = (facts["server"]["capabilities"] or {}).get("schema")
    version = found["schema_version"]
    if version is None or (wanted and version != wanted):
        seen = f"Kea's schema is {version or 'missing'}, and this Kea requires {wanted}"
        yield Finding("schema", WRONG, seen, f"{DEPLOY} with kea_schema_upgrade: true")
    else:
        yield Finding("schema", OK, f"Kea's schema is {version}")
    if expected.reservations != "postgresql":
        return
    if found["hosts_constraint"] == constraint.DEFINITION:
        yield Finding("constraint", OK, "one reservation for an identifier in a subnet")
    else:
        seen = f"{constraint.NAME} is {found['hosts_constraint'] or 'missing'}"
        yield Finding("constraint", WRONG, seen, DEPLOY)


def rights(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether roles have more rights than they need. Such as a person granted to read with is only shown."""
    found = facts["database"]
    if not expected.database or found["error"] or not found["rights"]:
        return
    more = target.excess(found["rights"], expected.monitor_role, [expected.kea_role])
    everybody = "CONNECT" in more.get("database", {}).get(PUBLIC, [])
    if everybody:
        seen = "every role of the server may connect, and so can keep the monitors from acting"
        yield Finding("connect", WARN, seen, f"{DEPLOY} without kea_db_public_connect: docs/security.md")
    texts = {
        (role, right): f"{role} has {right} on {name}"
        for name, roles in sorted(more.items())
        for role, held in sorted(roles.items())
        for right in held
        if (role, right) != (PUBLIC, "CONNECT")
    }
    risky = [text for (role, right), text in texts.items() if role == expected.monitor_role or not _only_reads(right)]
    if risky:
        seen = f"more than needed: {'; '.join(risky)}"
        yield Finding("rights", WARN, seen, f"{DEPLOY}, and REVOKE what is left then")
    elif texts:
        yield Finding("rights", OK, f"granted by a person: {'; '.join(texts.values())}")
    elif not everybody:
        yield Finding("rights", OK, "only Kea and the monitor have rights, and only those that they need")


def _only_reads(right: str) -> bool:
    return right.split(" ", maxsplit=1)[0] in ("CONNECT", "SELECT", "USAGE")


def access(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge pg_hba.conf of the PostgreSQL of this host; that of another host cannot be read here."""
    if not expected.database:
        return
    roles = [expected.kea_role, expected.monitor_role]
    for name, rules in facts["hba"].items():
        if loose := hba.looser(rules, roles, expected.tls):
            seen = f"pg_hba.conf of {name} admits more than needed: {'; '.join(map(str, loose))}"
            yield Finding(
                "pg_hba", WARN, seen, "narrow or remove these lines: docs/security.md; then reload PostgreSQL"
            )


def trigger(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether each change of a lease becomes an event."""
    found = facts["database"]
    if expected.leases != "postgresql" or found["error"]:
        return
    objects = found["lease_notify"] or {}
    families = (4, 6) if expected.dhcp6 else (4,)
    triggers = [key for family in families for key in _NOTIFY[family]]
    needed = [key for family in families for key in _NEEDED[family]]
    missing = [key for key in (*triggers, *needed) if not objects.get(key)]
    off = [key for key in triggers if objects.get(key) and objects[key]["enabled"] not in ("origin", "always")]
    if missing:
        yield Finding(
            "trigger", WRONG, f"missing: {', '.join(missing)}; changes of leases do not become events", DEPLOY
        )
    if off:
        seen = f"disabled: {', '.join(off)}; the monitor reads all leases each minute instead"
        yield Finding("trigger", WRONG, seen, DEPLOY)
    if not missing and not off:
        yield Finding("trigger", OK, "changes of leases are written as events")


def events(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge whether events are lost or pile up."""
    found = facts["database"]
    if expected.leases != "postgresql" or found["error"] or found["waiting_events"] is None:
        return
    seen = f"{found['waiting_events']} rows in the event table"
    if found["oldest_event"] is not None and found["oldest_event"] > PRUNED_AFTER:
        seen += f", the oldest of {found['oldest_event'] / 3600:.1f} h ago: a subscription does not pass them"
        yield Finding("events", WRONG, seen, "kea-lease-monitor status")
    else:
        yield Finding("events", OK, seen)
    if found["lost_events"]:
        seen = f"{found['lost_events']} events could not be written since the trigger was created"
        todo = "read PostgreSQL's log for kea_lease_notify; the monitor reads all leases then, so none is missed"
        yield Finding("lost events", WARN, seen, todo)
    usage = found["notification_queue_usage"]
    if usage is not None and usage >= QUEUE_FULL:
        seen = f"PostgreSQL's notification queue is {usage:.0%} full: no notifications, reservations come later"
        todo = "end the session that listens and does not read: SELECT * FROM pg_stat_activity ORDER BY xact_start"
        yield Finding("queue", WRONG, seen, todo)


def tls(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """Judge how Kea and the monitor reach the database, by what the database server reports."""
    if not expected.database or facts["database"]["error"]:
        return
    if _runs(facts["server"]):
        kea = _Client("Kea", _sessions(facts, "database", expected.kea_role), facts["server"]["ssl_mode"])
        yield from _sessions_found(kea, expected, journal(kea_unit(facts)))
    if facts["monitor_database"] is None or not _runs(facts["monitor"]):
        return
    # The monitor's role sees its own sessions, but not all that kea_info reads after them.
    if facts["monitor_database"].get("connections") is None:
        seen = f"as {expected.monitor_role}: {facts['monitor_database']['error']}"
        yield Finding("sessions", WRONG, seen, DEPLOY)
        return
    sessions = _sessions(facts, "monitor_database", expected.monitor_role)
    monitor = _Client("the monitor", sessions, facts["monitor"]["ssl_mode"])
    yield from _sessions_found(monitor, expected, journal("kea-lease-monitor"))


def _runs(found: Facts) -> bool:
    """Return whether the unit is active; a stopped one is another finding, and has no sessions."""
    return bool(found["unit"] and found["unit"]["active"])


def _sessions(facts: Facts, login: str, role: str) -> List[Facts]:
    """Return the sessions of a role, read with its own login: PostgreSQL hides details of other roles."""
    return [one for one in facts[login]["connections"] or [] if one["role"] == role]


def _sessions_found(client: _Client, expected: Expected, todo: str) -> Iterator[Finding]:
    far = [one for one in client.sessions if one["address"]]
    clear = [one for one in far if not one["encrypted"]]
    name, count = f"sessions of {client.name}", len(client.sessions)
    ways = sorted({" ".join(filter(None, (one["protocol"], one["cipher"], one["client_dn"]))) for one in far})
    by_tls = f"{count} by {', '.join(ways)}; {client.name} asks for sslmode {client.ssl_mode or 'unknown'}"
    if not count:
        yield Finding(name, WRONG, f"{client.name} has no session with the database", todo)
    elif clear and expected.tls:
        seen = f"{len(clear)} of {count} come over the network without TLS"
        yield Finding(name, WRONG, seen, f"{DEPLOY}; docs/tls.md says how TLS is enforced")
    elif clear:
        seen = f"{len(clear)} come over the network without TLS, which is not required either"
        yield Finding(name, WARN, seen, "set kea_db_trust_anchor: docs/tls.md")
    elif far and expected.tls and client.ssl_mode in _TAKES_NONE:
        yield Finding(name, WRONG, f"{by_tls}, which accepts a server without TLS, too", DEPLOY)
    elif far:
        yield Finding(name, OK, by_tls)
    else:
        yield Finding(name, OK, f"{count} by the unix socket")
