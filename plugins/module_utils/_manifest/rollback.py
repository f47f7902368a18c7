# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: revert one failed change, and roll back all deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Sequence, Tuple

from . import entries as manifest_entries
from .._host import state_text
from .._host.packages import format_of
from .._host import systemd
from .document import Entry, Manifest, ManifestError
from .record import Thing

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


REMOVE, RESTORE, KEEP = "remove", "restore", "keep"

AS_FOUND, NOT_DEPLOYED = "as_found", "not_deployed"
"""Reasons to keep a thing that leave nothing to do; the entry leaves the manifest."""

DATA, SUDO, DATABASE, RPM = "data", "sudo", "database", "rpm"
"""Reasons to keep a deployed thing, and its entry in the manifest."""

DEPLOYED = "deployed"
"""Reason to remove or restore a thing."""

_WORDS = {
    REMOVE: "is removed",
    RESTORE: "is put back as it was found",
    AS_FOUND: "is as it was found",
    NOT_DEPLOYED: "no deployment changed it",
    # Where root has no password, sudo's own prerm script refuses the removal for the same reason.
    SUDO: "stays, because by now it may be the only way to become root",
    DATABASE: "stays, because the database stays",
    RPM: "stays, because a roll-back removes no packages of this system; remove it by hand",
}


class Step(NamedTuple):
    """What a roll-back does to one thing."""

    entry: Entry
    action: str
    """REMOVE, RESTORE or KEEP."""
    why: str

    @property
    def changes(self) -> bool:
        return self.action != KEEP

    @property
    def stays(self) -> bool:
        """Whether a deployed thing stays, so that a later roll-back can still remove it."""
        return self.why in (DATA, SUDO, DATABASE, RPM)

    @property
    def is_done(self) -> bool:
        return self.why in (AS_FOUND, NOT_DEPLOYED)

    def as_result(self) -> Dict[str, str]:
        return {"kind": self.entry.kind, "name": self.entry.name, "action": self.action, "why": self.why}

    def __str__(self) -> str:
        if self.why == DATA:
            words = f"stays, because purge does not name {manifest_entries.DATA[self.entry.kind]}"
        else:
            words = _WORDS[self.why if self.action == KEEP else self.action]
        return f"{self.entry.kind} {self.entry.name}: {words}"


def drift(module: AnsibleModule, manifest: Manifest) -> List[Dict[str, Any]]:
    """Return what a person changed after the last deployment, each with ``key``, ``made`` and ``now``.

    An unfinished deployment left no record of its result, so no difference can be attributed to a person then.
    """
    differences = []
    for entry in manifest.entries.values() if manifest.unfinished is None else []:
        now = manifest_entries.look(module, entry.kind, entry.name)
        if entry.made is not None and not manifest_entries.same(now, entry.made):
            differences.append({"key": entry.key, "made": entry.made, "now": now})
    return differences


def revert(module: AnsibleModule, manifest: Manifest, things: Sequence[Thing]) -> Tuple[List[str], bool]:
    """Revert these things to their state before the change.

    Return the keys of those that differed, and whether the content of one did, not only its owner or mode.
    """
    changed, contents = [], False
    for thing in _in_order_of_revert(manifest, things):
        entry = manifest.find(*thing)
        former, now = entry.in_force if entry else None, manifest_entries.look(module, *thing)
        if former and now != former:
            if not module.check_mode:
                manifest_entries.put(module, manifest, *thing, former)
            changed.append(":".join(thing))
            contents = contents or not manifest_entries.same_content(now, former)
    return changed, contents


def _in_order_of_revert(manifest: Manifest, things: Sequence[Thing]) -> List[Thing]:
    """Return the things to remove, last first so that directories are empty, then those to restore."""
    entries = [(thing, manifest.find(*thing)) for thing in things]
    going = [thing for thing, entry in entries if entry and entry.in_force == manifest_entries.ABSENT]
    return going[::-1] + [thing for thing in things if thing not in going]


def plan(module: AnsibleModule, manifest: Manifest, purge: Sequence[str]) -> List[Step]:
    """Return the steps of a roll-back in their order.

    Raises ManifestError if ``purge`` names the database and not the data in it.
    """
    if "database" in purge and not {"leases", "reservations"} <= set(purge):
        raise ManifestError("the database holds leases and reservations: to drop it, name those as well")
    steps, is_rpm = [], format_of(module) == "rpm"
    for entry in _in_order_of_roll_back(list(manifest.entries.values())):
        now = manifest_entries.look(module, entry.kind, entry.name)
        steps.append(_step(manifest, entry, now == entry.found, purge, is_rpm))
    return steps


def _in_order_of_roll_back(entries: Sequence[Entry]) -> List[Entry]:
    """Return the entries, the last one first, but what has sessions in a database stops before that is dropped.

    A host that was deployed with files and later with a database has the database last in its manifest.
    """
    backwards = list(reversed(entries))
    numbers = [number for number, entry in enumerate(backwards) if entry.kind in ("database", "role")]
    first = min(numbers, default=len(backwards))
    later = [entry for entry in backwards[first:] if _stops(entry)]
    return [*backwards[:first], *later, *(entry for entry in backwards[first:] if entry not in later)]


def _stops(entry: Entry) -> bool:
    """Return whether a roll-back stops a unit that may use a database. The cluster itself is needed to drop one."""
    return entry.kind == "unit" and not entry.name.startswith("postgresql") and not entry.found.get("active", False)


def restore(module: AnsibleModule, manifest: Manifest, steps: Sequence[Step]) -> List[str]:
    """Perform the steps. Return the keys of things that could not be restored, such as directories with unknown files.

    Each finished step leaves the manifest at once, so a killed roll-back can be run again.
    """
    for step in steps:
        entry = step.entry
        if step.changes:
            manifest_entries.put(module, manifest, entry.kind, entry.name, entry.found)
        if step.stays:
            manifest.put(entry._replace(before=None))
        else:
            manifest.entries.pop(entry.key)
            manifest.write()
    back = [step.entry for step in steps if step.changes]
    systemd.forget(module, [entry.name for entry in back if entry.found == manifest_entries.ABSENT])
    return [
        entry.key
        for entry in back
        if not manifest_entries.same(manifest_entries.look(module, entry.kind, entry.name), entry.found)
    ]


def differences(found: Sequence[Dict[str, Any]]) -> Dict[str, str]:
    """Return the differences as a module's ``diff``."""
    made = {one["key"]: one["made"] for one in found}
    diff: Dict[str, str] = state_text.diff(made, {one["key"]: one["now"] for one in found})
    return diff


def _step(manifest: Manifest, entry: Entry, as_found: bool, purge: Sequence[str], is_rpm: bool) -> Step:
    why = AS_FOUND if as_found else "" if entry.ours else NOT_DEPLOYED
    why = why or _why_it_stays(manifest, entry, purge, is_rpm)
    if why:
        return Step(entry, KEEP, why)
    return Step(entry, REMOVE if entry.found["state"] == "absent" else RESTORE, DEPLOYED)


def _why_it_stays(manifest: Manifest, entry: Entry, purge: Sequence[str], is_rpm: bool) -> str:
    word = manifest_entries.DATA.get(entry.kind)
    if word and word not in purge:
        return DATA
    if entry.kind == "package" and is_rpm:
        return RPM
    if (entry.kind, entry.name) == ("package", "sudo"):
        return SUDO
    server = entry.kind == "package" and entry.name.startswith("postgresql")
    if server and "database" not in purge and any(one.kind == "database" for one in manifest.entries.values()):
        return DATABASE
    return ""
