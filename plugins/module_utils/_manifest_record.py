# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: writes into the manifest what is there before a deployment changes it, and what it has become."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, List, NamedTuple, Sequence

from ansible_collections.baremetal.kea.plugins.module_utils import _manifest_things, _systemd
from ansible_collections.baremetal.kea.plugins.module_utils._manifest import Entry, Manifest

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Thing(NamedTuple):
    """What a deployment may change."""

    kind: str
    name: str


def in_force(module: AnsibleModule, unit: str, things: Sequence[Thing]) -> bool:
    """Whether the unit runs, and with these files as they are now."""
    found = _systemd.find(module, unit)
    files = [thing.name for thing in things if thing.kind == "file" and os.path.isfile(thing.name)]
    return bool(found and found.active and not found.outdated(files))


def intend(module: AnsibleModule, manifest: Manifest, things: Sequence[Thing], keep: bool) -> List[str]:
    """Before the change. What is in the manifest already keeps what was found; with C(keep), what it is now is what to
    go back to when the change fails. Returns what was not in the manifest."""
    new, now = [], int(time.time())
    manifest.unfinished = manifest.unfinished or now
    for thing in things:
        entry = manifest.find(*thing)
        if entry is None:
            found = _manifest_things.look(module, *thing, keep=manifest)
            manifest.put(Entry(*thing, found=found, found_at=now, in_force=found if keep else None))
            new.append(":".join(thing))
        elif keep:
            manifest.put(entry._replace(in_force=_manifest_things.look(module, *thing, keep=manifest)))
    return new


def settle(module: AnsibleModule, manifest: Manifest) -> List[str]:
    """The deployment came to its end. Returns what it has made into something else than the one before it."""
    changed, now = [], int(time.time())
    for entry in list(manifest.entries.values()):
        made = _manifest_things.look(module, entry.kind, entry.name)
        if entry.made is None or not _manifest_things.same(entry.made, made):
            manifest.put(entry._replace(made=made, made_at=now))
            changed.append(entry.key)
    manifest.unfinished, manifest.deployed = None, now
    return changed
