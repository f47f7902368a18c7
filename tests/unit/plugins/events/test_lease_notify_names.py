# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions run with their owner's rights and the caller's search path, so they may look up nothing by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.database import KEA

if TYPE_CHECKING:
    from support.database import Database

pytestmark = pytest.mark.postgres

# A schema with a twin of each operator and function of pg_catalog that a trigger function may mean, for the types that
# it handles. Each acts as its original, except with the rights of the owner: then it raises.
TRAPS = r"""
CREATE SCHEMA hostile;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
CREATE DOMAIN hostile.inet AS integer;
CREATE DOMAIN hostile.float8 AS integer;
DO $do$
DECLARE
    trap CONSTANT text := 'BEGIN IF current_user OPERATOR(pg_catalog.=) ''postgres'' THEN RAISE EXCEPTION '
        '''trapped''; END IF; RETURN %s; END';
    one record;
BEGIN
    FOR one IN SELECT oid, oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
        FROM pg_operator
        WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b'
            AND oprname IN ('=', '<>', '<', '<=', '>', '>=', '+', '-', '||')
            AND (SELECT bool_and(typtype <> 'p') FROM pg_type WHERE oid IN (oprleft, oprright, oprresult))
            AND oprleft::regtype::text || ' ' || oprright::regtype ~ ('^(text|name|inet|bigint|integer|oid|bytea'
                '|double precision|numeric|"char") (text|name|inet|bigint|integer|oid|bytea|double precision|numeric'
                '|"char")$')
    LOOP
        EXECUTE format(
            'CREATE FUNCTION hostile.o%s(l %s, r %s) RETURNS %s LANGUAGE plpgsql AS %L', one.oid, one.l, one.r,
            one.result, format(trap, format('l OPERATOR(pg_catalog.%s) r', one.oprname)));
        EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.o%s, LEFTARG = %s, RIGHTARG = %s)',
            one.oprname, one.oid, one.l, one.r);
    END LOOP;
    FOR one IN SELECT proname, pg_get_function_identity_arguments(oid) AS arguments, prorettype::regtype AS result
        FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace AND provariadic = 0
            AND proname IN ('left', 'host', 'octet_length', 'nextval', 'current_setting', 'set_config', 'date_part',
                'clock_timestamp', 'pg_notify', 'pg_notification_queue_usage', 'pg_try_advisory_xact_lock', 'encode')
    LOOP
        EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', one.proname, one.arguments,
            one.result, format(trap, CASE one.result::text WHEN 'void' THEN '' ELSE 'NULL' END));
    END LOOP;
END
$do$;
CREATE FUNCTION caught(one text) RETURNS bool LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN one = one; END';
"""
UNQUALIFIED = re.compile(r"(?<![.\w])(\w+)\(")
BY_NAME = re.compile(r"\b(DISTINCT FROM|BETWEEN|nullif|LIKE|ANY|ALL|IN \(|CASE (?!WHEN))", re.IGNORECASE)


@pytest.mark.parametrize(
    "options",
    [{"wake_up": "debounced"}, {"wake_up": "each"}, {"delivery": "payload"}],
    ids=["debounced", "each", "payload"],
)
def test_every_name_and_operator_is_qualified(database: Database, options: dict[str, str]) -> None:
    state = database.notify(check=True, lease6=True, **options)["state"]
    for function in ("function", "function6"):
        assert state[function]["settings"] == [], "each costs the lease transaction"
        body = re.sub(r"--.*|'(?:[^']|'')*'|\bUSING MESSAGE =", " ", state[function]["body"])
        assert re.findall(r"::(?!pg_catalog\.)\S+", body) == []
        bare = re.sub(r"OPERATOR\(pg_catalog\.[^)]+\)|::|:=|%ROWTYPE", " ", body)
        assert re.findall(r".*[-=<>+*/~!@#%^&|`?].*", bare) == []
        assert set(UNQUALIFIED.findall(bare)) <= {"coalesce"}
        assert BY_NAME.findall(bare) == []


@pytest.mark.parametrize("delivery", ["events", "payload"])
def test_a_caller_cannot_have_its_own_operators_run_as_the_owner(database: Database, delivery: str) -> None:
    database.notify(owner="postgres", delivery=delivery)
    database.execute(TRAPS)
    with database.session(KEA) as kea:
        kea.execute("SET search_path = hostile, pg_catalog, public")
        with pytest.raises(Exception, match="trapped"):
            kea.execute("SELECT public.caught('x')")
        kea.execute("INSERT INTO public.lease4 (address, subnet_id, state) VALUES (2, 1, 0)")
        kea.execute("UPDATE public.lease4 SET state = 2 WHERE address OPERATOR(pg_catalog.=) 2")
        kea.execute("DELETE FROM public.lease4 WHERE address OPERATOR(pg_catalog.=) 2")
        assert database.lost() == 0
        if delivery == "payload":
            return
        assert database.ops() == "IUD"
        database.execute("DROP TABLE kea_events.lease_event")
        for address in (3, 4):
            kea.execute(f"INSERT INTO public.lease4 (address, subnet_id, state) VALUES ({address}, 1, 0)")
        warnings = [notice for notice in kea.connection.notices if "lost the event" in notice]
    assert database.lost() == 2
    assert len(warnings) == 1, "one in ten seconds"
    assert "does not exist" in warnings[0]
    assert "lost so far: 1" in warnings[0]
