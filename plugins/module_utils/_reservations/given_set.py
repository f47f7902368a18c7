# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations of the variables of one host, in Kea's hosts database."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, Mapping, Sequence

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._postgres.parts import Words
from .._postgres.session import Session
from .._server import config
from .._server.leases import Leases
from . import host_plan
from .given import FieldError, Given, parse
from .host_change import Target, ensure
from .host_plan import Plan
from .host_table import GIVEN, Host

SHOWN = 20
"""Reservations that a message names."""

_LEASED = """
SELECT state FROM {leases}
 WHERE {is_one} AND state IN (0, 1) AND (expire > now() OR valid_lifetime = 4294967295) LIMIT 1
"""
_IS_ONE = {
    4: "address = ANY (ARRAY(SELECT one - '0.0.0.0'::inet FROM unnest(%s::inet[]) AS one))",
    # Up to schema 17.0 the address is text.
    6: "address::inet = ANY (%s::inet[])",
}


def given(values: Sequence[Mapping[str, Any]], family: int) -> List[Given]:
    """Return the reservations of maps with Kea's keys, each with its subnet-id. Raises KeaError."""
    try:
        return [_numbered(number, value, family) for number, value in enumerate(values)]
    except FieldError as error:
        raise KeaError(f"{error}. Nothing was changed") from error


def _numbered(number: int, value: Mapping[str, Any], family: int) -> Given:
    listed = value.get("ip-addresses") if isinstance(value, Mapping) else None
    try:
        if isinstance(listed, list) and len(listed) == 1:
            value = {**{key: one for key, one in value.items() if key != "ip-addresses"}, "ip-address": listed[0]}
        one = parse(value, [])
        if one.family != family:
            raise FieldError("ip-address", f"{one.address or 'none'} is not of the DHCPv{family} server in path")
        return one
    except FieldError as error:
        raise FieldError(f"reservations[{number}]", str(error)) from error


def bring(session: Session, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Have the reservations of a host and no others that it gave earlier. Return the module's result. Raises KeaError.

    What goes while its address is leased is refused without ``allow_removals``.
    """
    family = family_of(top_of_path(params["path"]))
    wanted = given(params["reservations"], family)

    def make(found: Sequence[Host]) -> Plan:
        plan = host_plan.present(wanted, found, params["owner"])
        if plan.former and not params["allow_removals"]:
            _refuse_leased(session, params, plan.former)
        return plan

    result = ensure(session, Target(params["schema"], wanted, family, GIVEN), make)
    return {**result, "reservations": len(wanted)}


def _refuse_leased(session: Session, params: Mapping[str, Any], former: Sequence[Host]) -> None:
    leased = [host for host in former if _is_leased(session, params, host)]
    if leased:
        words = [f"{' '.join(host.addresses)} of {host.text}" for host in leased[:SHOWN]]
        more = [f"and {len(leased) - SHOWN} more"] if len(leased) > SHOWN else []
        raise KeaError(
            f"this would remove reservations whose addresses are leased: {'; '.join(words + more)}. Nothing was "
            "changed. If that is meant, allow it with kea_allow_removals: true (allow_removals)"
        )


def _is_leased(session: Session, params: Mapping[str, Any], host: Host) -> bool:
    """Return whether Kea has leased an address of the host, in its lease file or in the same database."""
    seen, family = config.read(params["path"]), family_of(top_of_path(params["path"]))
    if seen["error"]:
        raise KeaError(
            f"{params['path']} cannot be read: {seen['error']}, so it is not known whether "
            f"{' '.join(host.addresses)} of {host.text} is leased. Nothing was changed"
        )
    found = seen["lease_database"]
    if found and found.get("type", "memfile") != "memfile":
        parts = {"leases": (params["schema"], f"lease{family}"), "is_one": Words(_IS_ONE[family])}
        return bool(session.fetch(_LEASED, [list(host.addresses)], **parts))
    numbers = [int(ipaddress.ip_address(one)) for one in host.addresses]
    return bool(Leases(found, None, family).count(host.subnet, [(one, one) for one in numbers]))
