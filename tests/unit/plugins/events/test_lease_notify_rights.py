# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kea_lease_notify with ALTER DEFAULT PRIVILEGES that adds unwanted rights or removes those of the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import pytest
from support.catalogue import CATALOGUE
from support.database import KEA, MONITOR

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres

DEFAULTS = {
    "everybody, everything": "GRANT ALL ON {kind} TO PUBLIC",
    "the reader, too much": 'GRANT ALL ON {kind} TO "' + MONITOR + '"',
    "the reader, to grant onwards": 'GRANT {right} ON {kind} TO "' + MONITOR + '" WITH GRANT OPTION',
    "not even the owner": 'REVOKE ALL ON {kind} FROM "' + KEA + '"',
}
KINDS = {"SCHEMAS": "USAGE", "TABLES": "SELECT", "SEQUENCES": "SELECT", "FUNCTIONS": "EXECUTE"}
GONE = {
    "SCHEMAS": "DROP SCHEMA kea_events CASCADE",
    "TABLES": "DROP TABLE kea_events.lease_event",
    "SEQUENCES": "DROP SEQUENCE kea_events.lease_event_lost",
    "FUNCTIONS": "DROP FUNCTION public.kea_lease_notify() CASCADE",
}


@pytest.mark.parametrize("maker", ["postgres", KEA])
@pytest.mark.parametrize("default", DEFAULTS)
def test_default_privileges_do_not_change_created_objects(database: Database, maker: str, default: str) -> None:
    """All objects together, and then each alone, are created with the wanted rights and do not change again."""
    wanted = database.notify()["state"]
    for kind, right in KINDS.items():
        statement = DEFAULTS[default].format(kind=kind, right=right)
        database.execute(f'ALTER DEFAULT PRIVILEGES FOR ROLE "{maker}" {statement}')
    for kind, gone in GONE.items():
        database.execute(gone)
        applied = database.notify(login_user=maker)
        assert applied.get("state") == wanted, (kind, applied)
        again = database.notify(login_user=maker)
        assert not again["changed"], kind


def test_rights_by_default_privileges_are_revoked(database: Database) -> None:
    """A person creates the table, so the module finds it with rights that it should not have."""
    wanted = database.notify()["state"]
    database.execute(
        f'ALTER DEFAULT PRIVILEGES FOR ROLE "{KEA}" GRANT ALL ON TABLES TO PUBLIC',
        f'SET ROLE "{KEA}"; CREATE TABLE kea_events.other (LIKE kea_events.lease_event INCLUDING ALL); '
        "DROP TABLE kea_events.lease_event; ALTER TABLE kea_events.other RENAME TO lease_event; RESET ROLE",
    )
    checked = database.notify(check=True)
    assert "public" in checked["diff"]["before"]
    applied = database.notify()
    assert applied["queries"] == checked["queries"]
    assert applied["state"] == wanted
    assert not database.notify()["changed"]


@pytest.fixture
def auditor(database: Database) -> Iterator[str]:
    """Create a role that may read leases and grant that to others."""
    database.execute("CREATE ROLE auditor", "GRANT SELECT ON lease4 TO auditor WITH GRANT OPTION")
    yield "auditor"
    database.execute("DROP OWNED BY auditor CASCADE", "DROP ROLE auditor")


def test_reader_keeps_the_grant_of_another_role(database: Database, auditor: str) -> None:
    """Only the owner's grant is managed and revoked; the other one stays, with a warning."""
    database.notify()
    database.execute(f'SET ROLE {auditor}; GRANT SELECT ON lease4 TO "{MONITOR}"')
    unchanged = database.notify()
    assert not unchanged["changed"]
    assert unchanged["diff"]["before"] == unchanged["diff"]["after"]
    database.execute("DROP TRIGGER kea_lease_notify_trigger ON lease4")
    assert database.notify()["changed"]

    told = f"{MONITOR} may still read public.lease4: {auditor} granted it that"
    for check in (True, False):
        removed = database.notify(check=check, state="absent")
        assert removed["changed"]
        assert told in str(removed["warnings"])
    again = database.notify(state="absent")
    assert not again["changed"]
    assert told in str(again["warnings"])
    database.execute(f'SET ROLE {auditor}; REVOKE SELECT ON lease4 FROM "{MONITOR}"')
    assert "warnings" not in database.notify(state="absent")


def test_removing_a_reader_that_granted_others_is_refused(database: Database, auditor: str) -> None:
    database.notify(readers=[auditor])
    database.execute(f'SET ROLE {auditor}; GRANT SELECT ON lease4 TO "{MONITOR}"')
    before = database.fetch(CATALOGUE)
    for check in (True, False):
        refused = database.notify(check=check, readers=[auditor], state="absent")
        assert f"{auditor}, which is to lose SELECT on public.lease4, granted it to {MONITOR}" in refused["msg"]
        assert "remove that first" in refused["msg"]
    assert database.fetch(CATALOGUE) == before
