# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the variables of the deployment that reproduce a configuration of kea-dhcp4 or kea-dhcp6.

What is merged back into the same configuration changes nothing, and an empty one gets the same content. What variables
cannot hold is left out and named: it stays where it is, and a new host does not get it.
"""

from __future__ import annotations

import collections
import re
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple, Union

from .document import Document
from .identity import CLASSES, NETWORKS, OPAQUE, SUBNETS, alike, has_identities, identity, natural_key, words
from .options import Options
from .secret import is_secret, secrets_in
from .servers import family_of, subnets_key
from .subnets import numbered, subnets_of
from .syntax import INCLUDE_KEY, Include, KeaJsonError, value_of
from .tree import Tree

REFERENCE_KEY = "<?secret?>"
"""Key under which a value stands for a secret: ``{"<?secret?>": "name of its variable"}``."""

_DATABASES = ("lease-database", "hosts-database", "hosts-databases")
_DATABASE_VARIABLES = {"host": "kea_db_host", "port": "kea_db_port", "name": "kea_db_name", "user": "kea_db_user"}
_TLS = ("trust-anchor", "cert-file", "key-file", "ssl-mode")
_ESSENTIAL = frozenset(("data", "test", "template-test", CLASSES, "client-class"))
"""Members without which an element is another one: an option without its value, or a pool that serves every client."""

Path = Tuple[Union[str, int], ...]
Settings = Dict[str, Any]


class Imported(NamedTuple):
    """Variables of the deployment."""

    values: Settings
    """By their names. Includes and secrets are maps with INCLUDE_KEY or REFERENCE_KEY."""
    secrets: List[Dict[str, str]]
    """``variable`` and ``path`` of each secret that a person must set."""
    notes: List[str]
    """What the variables do not reproduce, and why."""


class _LeftOutError(Exception):
    """Variables cannot hold a value; says why."""


def variables_of(document: Document, top: str, known: Mapping[str, int], is_managed: Callable[[str], bool]) -> Imported:
    """Return the variables. ``known`` are the ids that Kea gave to subnets without one, by prefix.

    ``top`` is the map at the top of the document. ``is_managed`` tells which included files hold managed reservations:
    the deployment adds those itself. Raises KeaJsonError.
    """
    tree, key, family = Tree(document, top), subnets_key(family_of(top)), family_of(top)
    writer = _Writer(top, is_managed, tree.options)
    numbers = numbered(subnets_of(document, top), known)
    root = value_of(tree.root)
    for place in tree.places:
        if not place.value.get("id") and isinstance(root.get(key, []), list):
            _number(root, (place.network, key), place.value, numbers.get(str(place.prefix)))
    databases = {key: root.pop(key) for key in _DATABASES if key in root}
    settings = writer.map(root, (top,), False)
    values: Settings = {}
    for name, own in (("subnets", key), ("shared_networks", NETWORKS)):
        listed = settings.pop(own, [])
        if not isinstance(listed, list):
            writer.note((top, own), "it comes from a file that may not be edited")
        elif listed:
            values[f"kea_dhcp{family}_{name}"] = listed
    lease = databases.get("lease-database")
    if isinstance(lease, dict) and lease.get("type") == "memfile":
        settings["lease-database"] = writer.map(lease, (top, "lease-database"), False)
    values.update(_databases(databases, writer))
    if settings:
        values[f"kea_dhcp{family}_settings"] = settings
    return Imported(values, writer.secrets, writer.notes)


def _number(root: Settings, where: Tuple[Any, str], value: Settings, number: Any) -> None:
    """Give the equal subnet below the root its id. ``where`` is its shared network, if any, and the key of the list."""
    shared, key = where
    networks = root.get(NETWORKS, [])
    above = [root] if shared is None else [one for one in networks if isinstance(one, dict) and one["name"] == shared]
    for one in above:
        for subnet in one.get(key, []):
            if subnet == value and number is not None:
                subnet["id"] = number


def _databases(databases: Settings, writer: "_Writer") -> Settings:
    """Return the variables of the mode and of its database: leases and reservations stay where they are."""
    lease = databases.get("lease-database")
    hosts = databases.get("hosts-databases", [databases["hosts-database"]] if "hosts-database" in databases else [])
    hosts = [one for one in hosts if isinstance(one, dict)] if isinstance(hosts, list) else []
    is_lease = isinstance(lease, dict) and lease.get("type") == "postgresql"
    if lease is not None and not is_lease and not (isinstance(lease, dict) and lease.get("type") == "memfile"):
        writer.note((writer.top, "lease-database"), "the deployment knows leases in files and in PostgreSQL only")
    ours = lease if is_lease else next((one for one in hosts if one.get("type") == "postgresql"), None)
    for number, one in enumerate(hosts, 1):
        if one is not ours and not (is_lease and _is_same(one, ours)):
            writer.note((writer.top, "hosts-databases", number), "no variable adds a database of the site")
    if ours is None:
        return {}
    path: Path = (writer.top, "lease-database" if is_lease else "hosts-databases")
    if ours.get("password"):
        writer.secrets.append({"variable": "kea_db_password", "path": "/".join(map(str, path)) + "/password"})
    tls = [key for key in _TLS if key in ours]
    if tls:
        writer.note(path, f"{', '.join(tls)}: set kea_db_trust_anchor and its companions")
    others = sorted(set(ours) - {"type", "password", "on-fail", *_DATABASE_VARIABLES, *tls})
    if others:
        writer.note(path, f"no variable sets {', '.join(others)}")
    found = {name: ours.get(key, "localhost" if key == "host" else "") for key, name in _DATABASE_VARIABLES.items()}
    modes = {"kea_enable_database": True, **({"kea_db_enable_notify": True} if is_lease else {})}
    return {**modes, **{name: value for name, value in found.items() if value != ""}}


def _is_same(one: Settings, other: Any) -> bool:
    defaults = {"host": "localhost", "port": 5432, "name": ""}
    return all(one.get(key, value) == other.get(key, value) for key, value in (("type", ""), *defaults.items()))


class _Writer:
    """Copies values into variables, and collects what they cannot hold."""

    def __init__(self, top: str, is_managed: Callable[[str], bool], options: Options) -> None:
        self.top = top
        self.secrets: List[Dict[str, str]] = []
        self.notes: List[str] = []
        self._is_managed = is_managed
        self._options = options
        # Those of both servers may be in one file.
        self._prefix = "kea_secret_" if family_of(top) == 4 else "kea_secret_dhcp6_"

    def note(self, path: Path, why: str) -> None:
        self.notes.append(f"{'/'.join(map(str, path))}: {why}")

    def map(self, value: Settings, path: Path, is_whole: bool) -> Settings:
        """Return the copy of a map. In a list that is set as a whole, a part that is left out takes all with it."""
        copied: Settings = {}
        for key, member in value.items():
            here = (*path, key)
            try:
                if key == INCLUDE_KEY:
                    paths = ", ".join(one.path for one in member)
                    raise _LeftOutError(f"the members in the included file {paths} cannot be edited")
                made = self._value(member, here, is_whole)
            except _LeftOutError as reason:
                if is_whole:
                    raise
                if key in _ESSENTIAL and isinstance(path[-1], int) and not OPAQUE & set(path):
                    raise _LeftOutError(f"it would mean something else without its {key}: {reason}") from None
                self.note(path if key == INCLUDE_KEY else here, str(reason))
                continue
            if made != [] or not has_identities(key):
                copied[key] = made
        return copied

    def _value(self, value: Any, path: Path, is_whole: bool) -> Any:
        if isinstance(value, Include):
            return {INCLUDE_KEY: value.path}
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and _holds_secret(value, path):
            return self._secret(value, path)
        if isinstance(value, str):
            return _text(value)
        if isinstance(value, dict):
            return self.map(value, path, is_whole)
        if isinstance(value, list):
            return self._list(value, path, is_whole)
        return value

    def _list(self, value: List[Any], path: Path, is_whole: bool) -> List[Any]:
        kind = str(path[-1])
        # Of client-classes, names alone are a list like any other.
        is_named = all(isinstance(one, (dict, Include)) for one in value)
        merges = has_identities(kind) and is_named and not is_whole and not OPAQUE & set(path)
        if not merges:
            return [self._value(one, (*path, at), True) for at, one in enumerate(value, 1)]
        kept = [one for one in value if not (isinstance(one, Include) and self._is_managed(one.path))]
        doubles = _doubles(kind, kept, self._options)
        found: List[Any] = []
        for at, one in enumerate(kept, 1):
            if at in doubles:
                self.note((*path, at), f"{words((kind, identity(kind, one)))} stands twice")
                continue
            try:
                made = self._value(one, (*path, at), False)
            except _LeftOutError as reason:
                self.note((*path, at), str(reason))
                continue
            if isinstance(one, Include) or _is_identified(kind, one, made):
                found.append(made)
            else:
                self.note((*path, at), "what identifies it cannot be in a variable")
        return found

    def _secret(self, value: Any, path: Path) -> Dict[str, str]:
        if not isinstance(value, str):
            raise _LeftOutError("a secret that is a number cannot be in a variable")
        named = [str(step) for step in path if isinstance(step, str)]
        name = re.sub(r"[^a-z0-9]+", "_", self._prefix + "_".join(named[-2:]).lower()).strip("_")
        taken = {one["variable"] for one in self.secrets}
        number = next(at for at in range(1, len(taken) + 2) if _numbered_name(name, at) not in taken)
        self.secrets.append({"variable": _numbered_name(name, number), "path": "/".join(map(str, path))})
        return {REFERENCE_KEY: _numbered_name(name, number)}


def _numbered_name(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"


def _holds_secret(value: Any, path: Path) -> bool:
    keys = [step for step in path if isinstance(step, str)]
    nested: Any = value
    for key in reversed(keys):
        nested = {key: nested}
        if is_secret(key):
            break
    return bool(secrets_in(nested))


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _LeftOutError("it has bytes that are no UTF-8, which a YAML file cannot hold") from None
    return value


def _doubles(kind: str, elements: List[Any], options: Options) -> List[int]:
    """Return the numbers of the options that stand twice. Raises _LeftOutError if other elements do."""
    try:
        identities = [identity(kind, one) for one in elements]
    except KeaJsonError as error:
        raise _LeftOutError(str(error)) from None
    keys = [natural_key(kind, one, options) for one in elements]
    times = collections.Counter(keys)
    found = [at for at, key in enumerate(keys, 1) if key is not None and times[key] > 1]
    if kind in SUBNETS:
        found = [
            at
            for at, one in enumerate(identities, 1)
            if any(alike(kind, one, other, options) for other in elements[: at - 1])
        ]
    if found and kind != "option-data":
        raise _LeftOutError(f"{words((kind, identities[found[-1] - 1]))} stands twice")
    return found


def _is_identified(kind: str, value: Any, copied: Any) -> bool:
    wanted = identity(kind, value)
    return isinstance(copied, dict) and all(copied.get(key) == wanted[key] for key in wanted if key != CLASSES)
