# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether anything changed on a host since its last deployment, so that a run must look at everything.

A run that finds nothing changed leaves the host alone: each of its questions would have the answer of the last time.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Sequence

from jinja2 import UndefinedError

from ..module_utils._kea import pairs

COLLECTION = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODE = ("galaxy.yml", "MANIFEST.json", "playbooks", "plugins", "roles")
"""What of the collection decides about a deployment."""
SHOWN = 5
"""Changed things that a message names."""
_SALT = b"baremetal.kea"
_COST = 2**12
"""Of scrypt: 10 ms. Passwords are among the variables, and the digest is kept on the host, readable by root only."""

Values = Mapping[str, Any]


def inputs(variables: Values, plan: Values) -> str:
    """Return the digest of what a deployment starts from: these variables, its plan and the files of the collection.

    A variable that cannot be read has its own value: the preflight tells what is wrong with it.
    """
    values = {name: _value(variables, name) for name in sorted(variables)}
    text = json.dumps([values, _plain(plan), _code()], sort_keys=True, default=str)
    return hashlib.scrypt(text.encode(), salt=_SALT, n=_COST, r=8, p=1, dklen=32).hex()


class Wanted(NamedTuple):
    """What a run is to do on a host."""

    is_server: bool
    families: Sequence[int]
    enable_database: bool
    database_is_here: bool
    full_run: bool
    """Whether a person wants everything to be looked at."""
    upgrade: bool
    """Whether newer packages are to be installed."""
    remote_certificates: bool
    """Whether certificates are files of the host that a site writes. A digest of the variables does not have them."""


def wanted(values: Values) -> Wanted:
    """Return the fields of these variables."""
    return Wanted(**{name: values[name] for name in Wanted._fields})


def reasons(asked: Wanted, looks: Sequence[Values], database_looks: Sequence[Values]) -> List[str]:
    """Return why a run must look at everything on a host; empty if nothing changed since its last deployment.

    ``looks`` are the results of kea_info for the servers of both families, the first with C(changes), and
    ``database_looks`` those of the hosts of the group kea_database.
    """
    return [
        *(["kea_full_run asks for it"] if asked.full_run else []),
        *(["kea_upgrade asks for newer packages"] if asked.upgrade else []),
        *(["its certificates are files of the host, which may have changed"] if asked.remote_certificates else []),
        *_of_host(looks[0]),
        *(_of_servers(asked, looks) if asked.is_server else ()),
        *(_of_databases(asked, looks[0], database_looks) if asked.is_server and asked.enable_database else ()),
    ]


def _of_host(look: Values) -> Iterator[str]:
    found = look.get("changes")
    if not found:
        yield "the host could not be inspected"
    elif found["error"]:
        yield found["error"]
    elif found["deployed"] is None:
        yield "it was never deployed"
    elif not found["known"]:
        yield "no deployment finished since the last one began"
    else:
        if not found["same_inputs"]:
            yield "the variables or the collection changed"
        if found["changed"]:
            yield f"changed: {_listed(found['changed'])}"


def _of_servers(asked: Wanted, looks: Sequence[Values]) -> Iterator[str]:
    for family, look in zip((4, 6), looks):
        server = look.get("server") or {}
        if family in asked.families and not server.get("serving"):
            yield f"kea-dhcp{family} does not serve"
        elif family in asked.families and server.get("outdated"):
            yield f"kea-dhcp{family} has not read all of its files"
        elif family in asked.families and server.get("pair_state") in pairs.MAINTENANCE:
            yield f"kea-dhcp{family} is {server['pair_state']}, which the deployment ends"
        elif family in asked.families and _reads_others(asked, look):
            yield f"kea-dhcp{family} has a database of reservations of the site, which may have changed"


def _reads_others(asked: Wanted, look: Values) -> bool:
    """Return whether the monitor must be told what a PostgreSQL of the site has: it reads its own one only."""
    listed = (look.get("config") or {}).get("hosts_databases") or []
    return len([one for one in listed if one.get("type") == "postgresql"]) > int(asked.enable_database)


def _of_databases(asked: Wanted, look: Values, database_looks: Sequence[Values]) -> Iterator[str]:
    """The objects in the database are made by the deployment of its servers, wherever it is."""
    if not asked.database_is_here and not database_looks:
        yield "its database server is not in the inventory, so what is in it must be looked at"
    for one in [look] if asked.database_is_here else database_looks:
        found = one.get("changes") or {}
        if not found.get("known"):
            yield "what is in the database is not known"
        elif found["databases"]:
            yield f"changed: {_listed(found['databases'])}"


def _listed(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def _value(variables: Values, name: str) -> Any:
    try:
        return _plain(variables[name])
    except UndefinedError:
        return {"undefined": name}


def _plain(value: Any) -> Any:
    """Return a value whose variables have all been read."""
    return json.loads(json.dumps(value, sort_keys=True, default=str))


def _code() -> Dict[str, str]:
    """Return the digest of each file of the collection."""
    return {path: _digest(path) for name in CODE for path in _files(os.path.join(COLLECTION, name))}


def _files(path: str) -> List[str]:
    if os.path.isfile(path):
        return [path]
    found = [os.path.join(directory, name) for directory, _names, names in os.walk(path) for name in names]
    return sorted(one for one in found if not one.endswith(".pyc"))


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
