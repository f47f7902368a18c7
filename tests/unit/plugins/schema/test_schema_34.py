# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both modules on the tables that they change, as the schema of Kea 3.2 (34.0) has them.

No Debian has that Kea, so these statements add the differences by hand (kea-facts 1.2, 1.3, 1.6). A statement changes
nothing if the schema has the difference already. hosts has not changed since 13.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.catalogue import INSERT6
from support.database import KEA

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres

UP_TO_34 = (
    # 15.0 and 17.0
    "ALTER TABLE lease4 ADD COLUMN IF NOT EXISTS relay_id bytea, ADD COLUMN IF NOT EXISTS remote_id bytea",
    "CREATE INDEX IF NOT EXISTS lease4_by_relay_id ON lease4 (relay_id)",
    "ALTER TABLE lease4 ADD COLUMN IF NOT EXISTS pool_id bigint NOT NULL DEFAULT 0",
    "ALTER TABLE lease6 ADD COLUMN IF NOT EXISTS pool_id bigint NOT NULL DEFAULT 0",
    # 18.0; no change if it is inet already
    "ALTER TABLE lease6 ALTER COLUMN address TYPE inet USING address::inet",
    # 23.0 and 29.0
    "INSERT INTO lease_state VALUES (3, 'released'), (4, 'registered') ON CONFLICT DO NOTHING",
    # 31.0 and 32.0
    "CREATE INDEX IF NOT EXISTS lease6_by_hwaddr ON lease6 (hwaddr)",
    "CREATE INDEX IF NOT EXISTS lease4_by_state ON lease4 (state, subnet_id)",
    # 33.0: a function may create leases with an address from a list
    "CREATE TABLE free_lease4 (address bigint PRIMARY KEY); INSERT INTO free_lease4 VALUES (5)",
    "CREATE FUNCTION sflq() RETURNS void LANGUAGE plpgsql AS 'DECLARE free bigint; BEGIN "
    "DELETE FROM free_lease4 RETURNING address INTO free; "
    "INSERT INTO lease4 (address, subnet_id, state) VALUES (free, 1, 0); END'",
    f'GRANT ALL ON free_lease4 TO "{KEA}"',
    # 34.0
    "UPDATE lease6 SET lease_type = 0 WHERE lease_type = 1",
)


@pytest.mark.parametrize("upgraded", ["before", "after"])
def test_both_modules_work_on_schema_34(database: Database, upgraded: str) -> None:
    """The session has cached plans from before the upgrade, as Kea's session has."""
    with database.session(KEA) as kea:
        if upgraded == "before":
            database.execute(*UP_TO_34)
        database.constraint()
        database.notify(lease6=True)
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (1, 1, 0)")
        kea.execute(INSERT6)
        if upgraded == "after":
            database.execute(*UP_TO_34)
        assert not database.constraint()["changed"]
        assert not database.notify(lease6=True)["changed"]
        kea.execute("SELECT public.sflq()")
        kea.execute("UPDATE public.lease4 SET valid_lifetime = 0, state = 3, pool_id = 7, relay_id = '\\x01'")
        kea.execute("UPDATE public.lease6 SET state = 4")
        kea.execute("DELETE FROM public.lease6")
    events = "SELECT string_agg(op || family(address), ' ' ORDER BY xid, id) FROM kea_events.lease_event"
    assert database.value(events) == "I4 I6 I4 U4 U4 U6 D6"
    assert database.lost() == 0
    for module in (database.constraint, lambda **options: database.notify(lease6=True, force=True, **options)):
        assert module(state="absent")["changed"]
