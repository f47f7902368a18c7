# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: writes into the manifest what is there before a deployment changes it, and what it has become."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, List, NamedTuple, Sequence, Tuple

from . import entries as manifest_entries
from .._host import systemd
from .document import Entry, Manifest

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Thing(NamedTuple):
    """What a deployment may change."""

    kind: str
    name: str


class Running(NamedTuple):
    """How the unit that uses the things stands to them."""

    active: bool
    newer: List[str]
    """Files among them that changed after it started."""
    reloads: bool
    """Whether its own definition did."""

    @property
    def settled(self) -> bool:
        """It runs with these files as they are now."""
        return self.active and not self.newer and not self.reloads


def running(module: AnsibleModule, unit: str, things: Sequence[Thing]) -> Running:
    """Nothing is known, and nothing runs, without a unit."""
    found = systemd.find(module, unit) if unit else None
    if found is None or not found.active:
        return Running(False, [], False)
    files = [thing.name for thing in things if thing.kind == "file" and os.path.isfile(thing.name)]
    return Running(True, found.newer(files), found.needs_daemon_reload)


def intend(
    module: AnsibleModule, manifest: Manifest, things: Sequence[Thing], settled: bool
) -> Tuple[List[str], List[str]]:
    """Before the change. What is in the manifest already keeps what was found.

    What a thing is now is what to go back to when the change fails, unless that is the work of a deployment that was
    killed; C(settled) says that it is in force, and so worth going back to all the same. Returns what is new in the
    manifest, and what is not on the host.
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
    """What they are now is what a failure goes back to, in the midst of a deployment."""
    for thing in things:
        entry = manifest.find(*thing)
        if entry:
            manifest.put(entry._replace(in_force=manifest_entries.look(module, *thing, keep=manifest)))


def dismiss(module: AnsibleModule, manifest: Manifest) -> None:
    """A deployment that changed nothing was none, be it that it was refused or killed; not written down. That somebody
    stopped a unit since is no change of its."""

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
    """The deployment came to its end. Returns what it has made into something else than the one before it."""
    changed, now = [], int(time.time())
    for entry in [one._replace(before=None) for one in manifest.entries.values()]:
        made = manifest_entries.look(module, entry.kind, entry.name)
        alike = entry.made is not None and manifest_entries.same(entry.made, made)
        manifest.put(entry if alike else entry._replace(made=made, made_at=now))
        changed += [] if alike else [entry.key]
    manifest.unfinished, manifest.deployed = None, now
    return changed
