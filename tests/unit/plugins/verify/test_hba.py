# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of pg_hba.conf that a site has and that admit more than this collection needs."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host import hba
from ansible_collections.baremetal.kea.plugins.module_utils._verify import database
from ansible_collections.baremetal.kea.plugins.module_utils._verify.finding import Expected

ROLES = ["_kea", "kea-lease-monitor"]
OURS = 'local kea _kea,kea-lease-monitor peer\nhost kea _kea,"kea-lease-monitor" 192.0.2.0/24 scram-sha-256\n'
TLS = """# BEGIN baremetal.kea: TLS only
hostssl "kea" "_kea","kea-lease-monitor" 192.0.2.0/24 scram-sha-256 clientcert=verify-full
host "kea" "_kea","kea-lease-monitor" all reject
# END baremetal.kea: TLS only
"""


def loose(text: str, tls: bool = False) -> list[str]:
    return [str(rule) for rule in hba.looser(hba.rules(text), ROLES, tls)]


@pytest.mark.parametrize(
    "line",
    [
        "host all all 0.0.0.0/0 md5",
        "host kea _kea 192.0.2.7/32 trust",
        "hostnossl all +dba samenet password",
        "host sameuser all 192.0.2.0 255.255.255.0 ident map=x",
        'host "kea","other" all ::/0 trust # why',
        "local all all trust",
    ],
)
def test_looser_lines_of_a_site(line: str) -> None:
    found = loose(f"# a comment\n{line}\n{OURS}")
    assert len(found) == 1
    assert found[0].startswith(f"line 2: {line.split(maxsplit=1)[0]} ")


@pytest.mark.parametrize(
    "line",
    [
        "local all postgres peer",
        "local all all peer",
        "host all all 127.0.0.1/32 scram-sha-256",
        "host other all 0.0.0.0/0 trust",
        "host kea backup 0.0.0.0/0 trust",
        "host replication all 0.0.0.0/0 trust",
        "#host all all 0.0.0.0/0 trust",
        "host all all 0.0.0.0/0 reject",
        "include more.conf",
        "nonsense",
    ],
)
def test_lines_that_are_no_looser(line: str) -> None:
    assert loose(f"{line}\n{OURS}") == []


def test_a_line_after_ours_that_decides_for_the_roles_is_of_no_use_to_them() -> None:
    assert loose(OURS + "local all all trust\n") == []
    assert loose(TLS + OURS + "host all all 0.0.0.0/0 trust\n", tls=True) == []
    assert loose("host all all 0.0.0.0/0 trust\n" + TLS + OURS, tls=True) == ["line 1: host all all 0.0.0.0/0 trust"]


def test_without_tls_in_clear_is_loose_where_tls_is_asked_for() -> None:
    text = "host all all 10.0.0.0/8 scram-sha-256\n" + OURS
    assert loose(text) == []
    assert len(loose(text, tls=True)) == 2, "the site's line, and ours of a deployment without TLS"
    assert loose("hostssl all all 10.0.0.0/8 scram-sha-256\n" + TLS, tls=True) == []


def test_a_cluster_of_others_is_left_alone() -> None:
    assert loose("host all all 0.0.0.0/0 trust\n") == []


def test_no_password_of_a_rule_is_shown() -> None:
    rule = "host all all 0.0.0.0/0 ldap ldapbindpasswd=secret"
    assert "secret" not in str(hba.rules(rule)[0])


def test_the_finding() -> None:
    expected = Expected("postgresql", "postgresql", False, False, *ROLES)
    facts = {"hba": {"main": hba.rules("host all all 0.0.0.0/0 trust\n" + OURS), "other": []}}
    (finding,) = database.access(facts, expected)
    assert (finding.name, finding.verdict) == ("pg_hba", "warn")
    assert "line 1: host all all 0.0.0.0/0 trust" in finding.seen
