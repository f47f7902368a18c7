# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a deployment read and made on a host, as digests by which a later run sees whether anything changed.

A run asks a host some 25 questions, and most runs change nothing. The fingerprint is taken when a deployment finishes.
As long as it and the variables are the same, all questions would have the same answers, so they need not be asked. It
holds more than the questions look at. That costs a needless run at times, after an update of any package for example;
what it did not hold would never be mended.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

from .._host import systemd
from .._kea import tree
from .._server.config import included
from . import catalogue
from . import entries as manifest_entries
from . import packages
from .document import Entry, Fingerprint, Manifest

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

Parts = Dict[str, str]
"""Digests by the key of what they are of: an entry of the manifest, an included file, the accounts or the packages of
the system. What cannot be read has an empty text, which counts as changed."""

DATABASE = "database"
"""Kind of the entries whose digests are of what is in a database."""
UNKNOWN: Dict[str, Any] = {"deployed": None, "known": False, "same_inputs": False, "changed": [], "databases": []}
_ACCOUNTS = ("/etc/passwd", "/etc/group")
_OF_PROGRAMS = ("/etc/", "/opt/")
"""Beginnings of the trees that only deployments change. Others hold data of running programs."""
_BOOT = "/proc/sys/kernel/random/boot_id"


def take(module: AnsibleModule, manifest: Manifest, inputs: Optional[str]) -> None:
    """Keep the fingerprint of the host in the manifest; none without ``inputs``. Raises ManifestError."""
    manifest.fingerprint = Fingerprint(inputs, read(module, manifest)) if inputs else None


def take_databases(module: AnsibleModule, manifest: Manifest) -> None:
    """Take anew the part of the fingerprint that the deployment of other hosts changes: the databases."""
    if manifest.fingerprint:
        listed = [entry for entry in manifest.entries.values() if entry.kind == DATABASE]
        parts = {entry.key: _of_entry(module, entry) for entry in listed}
        manifest.fingerprint = manifest.fingerprint._replace(parts={**manifest.fingerprint.parts, **parts})


def read(module: AnsibleModule, manifest: Manifest) -> Parts:
    """Return the fingerprint of the host. Raises ManifestError if a thing cannot be read."""
    parts = {entry.key: _of_entry(module, entry) for entry in manifest.entries.values()}
    for path in sorted({path for entry in manifest.entries.values() for path in _included(entry)}):
        parts[f"included file:{path}"] = _digest(manifest_entries.look(module, "file", path))
    for path in _ACCOUNTS:
        parts[f"accounts:{path}"] = _digest(manifest_entries.look(module, "file", path))
    return {**parts, "packages:all": _digest(packages.all_of_them(module))}


def _included(entry: Entry) -> List[str]:
    """Return what the entry includes, if it is a configuration of Kea."""
    return included(entry.name) if entry.is_configuration else []


def changes(module: AnsibleModule, manifest: Manifest, inputs: Optional[str]) -> Dict[str, Any]:
    """Return what ``kea_info`` reports about the host since its last deployment. Raises ManifestError.

    ``inputs`` is the digest of what the deployment would start from; None if it is not known.
    """
    known = manifest.fingerprint
    if known is None or manifest.unfinished:
        return {**UNKNOWN, "deployed": manifest.deployed}
    now, then = read(module, manifest), known.parts
    differ = sorted(key for key in {*now, *then} if not now.get(key) or now.get(key) != then.get(key))
    databases = [key for key in differ if key.startswith(f"{DATABASE}:")]
    return {
        "deployed": manifest.deployed,
        "known": True,
        "same_inputs": bool(inputs) and inputs == known.inputs,
        "changed": [key for key in differ if key not in databases],
        "databases": databases,
    }


def _digest(state: Any) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _of_entry(module: AnsibleModule, entry: Entry) -> str:
    """Return the digest of a thing, with what its entry in the manifest leaves out."""
    state: List[Any] = [manifest_entries.look(module, entry.kind, entry.name)]
    if state[0] == manifest_entries.ABSENT:
        return _digest(state)
    if entry.kind == DATABASE:
        definitions = catalogue.read(module, entry.name)
        return _digest([*state, definitions]) if definitions else ""
    if entry.kind == "unit":
        unit = systemd.find(module, entry.name)
        state += [unit.needs_daemon_reload, unit.entered, tree.text(_BOOT)] if unit else []
    if entry.kind in ("tree", "reservations"):
        state.append(manifest_entries.look(module, "file", entry.name))
        is_data = entry.kind == "reservations" or not entry.name.startswith(_OF_PROGRAMS)
        try:
            state += [] if is_data else _below(entry.name)
        except OSError:
            return ""
    return _digest(state)


def _below(name: str) -> Iterator[List[Any]]:
    """Yield path, owner, mode and digest of all that is in a directory, by descriptors. Raises OSError.

    Only root may change the directory, but Kea's user may give its place in /etc/kea to another one.
    """
    with tree.at(os.path.join(name, "any name in it")) as spot:
        for one in map(spot.beside, spot.names()):
            found = one.stat()
            if found is None:
                continue
            state = [one.path, found.st_uid, found.st_gid, stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode)]
            if stat.S_ISLNK(found.st_mode):
                state.append(os.readlink(one.name, dir_fd=one.directory))
            elif stat.S_ISREG(found.st_mode):
                state.append(hashlib.sha256(one.read()).hexdigest())
            yield state
            if stat.S_ISDIR(found.st_mode):
                yield from _below(one.path)
