# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: who may reach the database that the role kea_database sets up."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple

Rule = Dict[str, str]


class Wanted(NamedTuple):
    """The variables of the role that concern access."""

    name: str
    """The database."""
    users: List[str]
    """Roles of Kea and of the monitor."""
    clients: List[str]
    """Networks of the clients."""
    server_certificate: str
    client_trust_anchor: str
    tls: bool
    """Whether the roles are to use TLS with a certificate that the site gave its server."""


class Access(NamedTuple):
    """Rules of pg_hba.conf."""

    rules: List[Rule]
    """For community.postgresql.postgresql_pg_hba."""
    tls_rules: str
    """Lines that admit the roles over the network by TLS only."""


def wanted(variables: Mapping[str, Any]) -> Wanted:
    """Return the variables of the role, given without their prefix."""
    return Wanted(**{name: variables[name] for name in Wanted._fields})


def access(asked: Wanted) -> Access:
    """Return the rules. With a certificate of the server, clients are named in the rules for TLS alone."""
    rules = [{"contype": "local", "method": "peer"}]
    if not asked.server_certificate:
        kind = "hostssl" if asked.tls else "host"
        rules += [{"contype": kind, "address": client, "method": "scram-sha-256"} for client in asked.clients]
    return Access(rules, _tls_rules(asked))


def _tls_rules(asked: Wanted) -> str:
    users = ",".join(f'"{user}"' for user in asked.users)
    who = f'"{asked.name}" {users}'
    certificate = " clientcert=verify-full" if asked.client_trust_anchor else ""
    lines = [f"hostssl {who} {client} scram-sha-256{certificate}" for client in asked.clients]
    return "".join(f"{line}\n" for line in [*lines, f"host {who} all reject"])
