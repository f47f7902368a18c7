# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: record in the manifest the state of things before and after a deployment."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Tuple

from . import entries as manifest_entries
from .._host import systemd
from .document import DIRECTORY, Entry, Manifest

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Thing(NamedTuple):
    """What a deployment may change."""

    kind: str
    name: str


class Running(NamedTuple):
    """Whether the unit that uses the things runs with them."""

    active: bool
    newer: List[str]
    """Files that changed after the unit started."""
    reloads: bool
    """Whether the definition of the unit changed after it started."""

    @property
    def settled(self) -> bool:
        """Whether the unit runs with the files as they are now."""
        return self.active and not self.newer and not self.reloads


def running(module: AnsibleModule, unit: str, things: Sequence[Thing]) -> Running:
    """Return what runs with the things. Without a unit, nothing does."""
    found = systemd.find(module, unit) if unit else None
    if found is None or not found.active:
        return Running(False, [], False)
    # Kea reads nothing of what is kept beside the manifest, such as the record of kea_config.
    files = [
        thing.name
        for thing in things
        if thing.kind == "file" and os.path.isfile(thing.name) and not thing.name.startswith(f"{DIRECTORY}/")
    ]
    return Running(True, found.newer(files), found.needs_daemon_reload)


def intend(
    module: AnsibleModule, manifest: Manifest, things: Sequence[Thing], settled: bool
) -> Tuple[List[str], List[str]]:
    """Record the things before a change. Return the keys that are new in the manifest, and those of absent things.

    A failed change is reverted to the current state, unless a killed deployment left it. ``settled`` says that the
    current state is in force, and then it counts in any case. The state found of an existing entry stays.
    """
    new, absent, now = [], [], int(time.time())
    manifest.unfinished = manifest.unfinished or now
    for thing in things:
        entry, there = manifest.find(*thing), manifest_entries.look(module, *thing, keep=manifest)
        if entry is None:
            entry = Entry(*thing, found=there, found_at=now)
            new.append(entry.key)
        if settled or not entry.pending:
            entry = entry._replace(in_force=there, before=entry.before or there)
        manifest.put(entry)
        absent += [entry.key] if there == manifest_entries.ABSENT else []
    return new, absent


def adopt(module: AnsibleModule, manifest: Manifest, things: Sequence[Thing]) -> None:
    """Record the current state of the things as the one that a failure reverts to, during a deployment."""
    for thing in things:
        entry = manifest.find(*thing)
        if entry:
            manifest.put(entry._replace(in_force=manifest_entries.look(module, *thing, keep=manifest)))


def dismiss(module: AnsibleModule, manifest: Manifest) -> None:
    """Forget an unfinished deployment that changed nothing, in memory only.

    A unit that was stopped later does not count as a change.
    """

    def touched(entry: Entry) -> bool:
        now = manifest_entries.look(module, entry.kind, entry.name)
        return entry.before is not None and not manifest_entries.same(now, entry.before)

    pending = [entry for entry in manifest.entries.values() if entry.pending]
    if not pending or any(map(touched, pending)):
        return
    for entry in pending:
        manifest.put(entry._replace(before=None))
        if entry.made is None and entry.before == entry.found:
            manifest.entries.pop(entry.key)
    manifest.unfinished = None
    manifest.exists = bool(manifest.entries or manifest.deployed)


def settle(module: AnsibleModule, manifest: Manifest) -> List[str]:
    """Mark the deployment finished. Return the keys of things that differ from the result of the previous one."""
    changed, now = [], int(time.time())
    for entry in [one._replace(before=None) for one in manifest.entries.values()]:
        # Of a configuration of Kea the content is kept, to tell a person's edit from it (edited.py).
        keep = manifest if entry.is_configuration else None
        made = manifest_entries.look(module, entry.kind, entry.name, keep=keep)
        alike = entry.made is not None and manifest_entries.same(entry.made, made)
        manifest.put(entry if alike else entry._replace(made=made, made_at=now))
        changed += [] if alike else [entry.key]
    manifest.unfinished, manifest.deployed = None, now
    return changed
