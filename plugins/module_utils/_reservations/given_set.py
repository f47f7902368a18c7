# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations of the variables of one host, in Kea's hosts database."""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, List, Mapping, Sequence

from .._errors import KeaError
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
SELECT DISTINCT host('0.0.0.0'::inet + address) FROM {leases}
 WHERE address = ANY (%s::bigint[]) AND state IN (0, 1) AND (expire > now() OR valid_lifetime = 4294967295)
"""


def given(values: Sequence[Mapping[str, Any]]) -> List[Given]:
    """Return the reservations of maps with Kea's keys, each with its subnet-id. Raises KeaError."""
    try:
        return [_numbered(number, value) for number, value in enumerate(values)]
    except FieldError as error:
        raise KeaError(f"{error}. Nothing was changed") from error


def _numbered(number: int, value: Mapping[str, Any]) -> Given:
    try:
        one = parse(value, [])
        if one.family == 6:
            raise FieldError("ip-address", f"{one.address} is an IPv6 address; use kea_reservation for it")
        return one
    except FieldError as error:
        raise FieldError(f"reservations[{number}]", str(error)) from error


def bring(session: Session, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Have the reservations of a host and no others that it gave earlier. Return the module's result. Raises KeaError.

    What goes while its address is leased is refused without ``allow_removals``.
    """
    wanted = given(params["reservations"])

    def make(found: Sequence[Host]) -> Plan:
        plan = host_plan.present(wanted, found, params["owner"])
        if plan.former and not params["allow_removals"]:
            _refuse_leased(session, params, plan.former)
        return plan

    result = ensure(session, Target(params["schema"], wanted, GIVEN), make)
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
    numbers = [int(ipaddress.IPv4Address(one)) for one in host.addresses]
    seen = config.read(params["path"])
    if seen["error"]:
        raise KeaError(
            f"{params['path']} cannot be read: {seen['error']}, so it is not known whether "
            f"{' '.join(host.addresses)} of {host.text} is leased. Nothing was changed"
        )
    found = seen["lease_database"]
    if found and found.get("type", "memfile") != "memfile":
        return bool(session.fetch(_LEASED, [numbers], leases=(params["schema"], "lease4")))
    return bool(Leases(found, None, 4).count(host.subnet, [(one, one) for one in numbers]))
