# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the ways back: after a change that failed, and from all that was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Sequence, Tuple

from . import entries as manifest_entries
from .._host import state_text
from .._host import systemd
from .document import Entry, Manifest, ManifestError
from .record import Thing

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Step(NamedTuple):
    """What going back does to one thing."""

    entry: Entry
    done: str
    """Why there is nothing to do; empty when there is."""
    stays: str
    """Why it stays all the same, and in the manifest; empty when it does not."""

    @property
    def moves(self) -> bool:
        return not self.done and not self.stays

    def __str__(self) -> str:
        verb = "is removed" if self.entry.found["state"] == "absent" else "is put back as it was found"
        return f"{self.entry.kind} {self.entry.name}: {self.done or self.stays or verb}"


def drift(module: AnsibleModule, manifest: Manifest) -> List[Dict[str, Any]]:
    """What a person has changed since the last deployment, each with C(key), C(made) and C(now). Nothing is known of
    what an unfinished one changed, so that counts as its own."""
    differences = []
    for entry in manifest.entries.values() if manifest.unfinished is None else []:
        now = manifest_entries.look(module, entry.kind, entry.name)
        if entry.made is not None and not manifest_entries.same(now, entry.made):
            differences.append({"key": entry.key, "made": entry.made, "now": now})
    return differences


def revert(module: AnsibleModule, manifest: Manifest, things: Sequence[Thing]) -> Tuple[List[str], bool]:
    """Put back what was in force before the change. Returns what was something else, and whether more than its owner
    and mode was."""
    changed, contents = [], False
    for thing in _in_order_of_return(manifest, things):
        entry = manifest.find(*thing)
        former, now = entry.in_force if entry else None, manifest_entries.look(module, *thing)
        if former and now != former:
            if not module.check_mode:
                manifest_entries.put(module, manifest, *thing, former)
            changed.append(":".join(thing))
            contents = contents or not manifest_entries.same_content(now, former)
    return changed, contents


def _in_order_of_return(manifest: Manifest, things: Sequence[Thing]) -> List[Thing]:
    """What goes, the last one first, so that a directory is empty; then what comes, as it is in the manifest."""
    entries = [(thing, manifest.find(*thing)) for thing in things]
    going = [thing for thing, entry in entries if entry and entry.in_force == manifest_entries.ABSENT]
    return going[::-1] + [thing for thing in things if thing not in going]


def plan(module: AnsibleModule, manifest: Manifest, purge: Sequence[str]) -> List[Step]:
    """What there is to do, in the order in which it is to be done. Raises ManifestError for what would lose data that
    nobody named."""
    if "database" in purge and not {"leases", "reservations"} <= set(purge):
        raise ManifestError("the database holds leases and reservations: to drop it, name those as well")
    steps = []
    for entry in reversed(list(manifest.entries.values())):
        now = manifest_entries.look(module, entry.kind, entry.name)
        done = "is as it was found" if now == entry.found else "" if entry.ours else "no deployment changed it"
        steps.append(Step(entry, done, "" if done else _why_it_stays(manifest, entry, purge)))
    return steps


def restore(module: AnsibleModule, manifest: Manifest, steps: Sequence[Step]) -> List[str]:
    """Does it. What was done is out of the manifest at once, so that this can be killed and run again. Returns what is
    not as it was found, such as directories with things in them that nobody knows."""
    for step in steps:
        entry = step.entry
        if step.moves:
            manifest_entries.put(module, manifest, entry.kind, entry.name, entry.found)
        if step.stays:
            manifest.put(entry._replace(before=None))
        else:
            manifest.entries.pop(entry.key)
            manifest.write()
    back = [step.entry for step in steps if step.moves]
    systemd.forget(module, [entry.name for entry in back if entry.found == manifest_entries.ABSENT])
    return [
        entry.key
        for entry in back
        if not manifest_entries.same(manifest_entries.look(module, entry.kind, entry.name), entry.found)
    ]


def differences(found: Sequence[Dict[str, Any]]) -> Dict[str, str]:
    """For a module's C(diff)."""
    made = {one["key"]: one["made"] for one in found}
    diff: Dict[str, str] = state_text.diff(made, {one["key"]: one["now"] for one in found})
    return diff


def _why_it_stays(manifest: Manifest, entry: Entry, purge: Sequence[str]) -> str:
    word = manifest_entries.DATA.get(entry.kind)
    if word and word not in purge:
        return f"stays, because nobody asked for {word} to go"
    if (entry.kind, entry.name) == ("package", "sudo"):
        # Where root has no password, its own prerm refuses for the same reason.
        return "stays, because by now it may be how somebody becomes root"
    server = entry.kind == "package" and entry.name.startswith("postgresql")
    if server and "database" not in purge and any(one.kind == "database" for one in manifest.entries.values()):
        return "stays, because the database does"
    return ""
