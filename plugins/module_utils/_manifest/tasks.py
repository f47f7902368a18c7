# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: perform what the options of ``kea_manifest`` ask for, and return its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List

from . import fingerprint
from . import record
from . import rollback
from . import entries as manifest_entries
from .document import Manifest, ManifestError
from .record import Thing

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SHOWN = 5

Result = Dict[str, Any]


def run(module: AnsibleModule) -> Result:
    """Return the module's result. Raises ManifestError, or OSError if the manifest cannot be written."""
    manifest = Manifest(module.params["directory"])
    if module.check_mode or module.params["state"] == "checked":
        result = _do(module, manifest)
    else:
        with manifest.locked():
            result = _do(module, manifest)
    return {
        "changed": bool(result["things"]),
        "deployed": manifest.deployed,
        "unfinished": manifest.unfinished,
        **result,
    }


def _do(module: AnsibleModule, manifest: Manifest) -> Result:
    states = {
        "intended": _intended,
        "made": _made,
        "surveyed": _surveyed,
        "reverted": _reverted,
        "checked": _checked,
        "restored": _restored,
    }
    return states[module.params["state"]](module, manifest)


def _intended(module: AnsibleModule, manifest: Manifest) -> Result:
    things = _things(module)
    running = record.running(module, module.params["unit"], things)
    entries = [manifest.find(*thing) for thing in things]
    interrupted = any(entry.pending for entry in entries if entry)
    new, absent = record.intend(module, manifest, things, running.settled)
    manifest.fingerprint = None
    if not module.check_mode:
        manifest.write()
    return {"things": new, "absent": absent, "newer": running.newer, "interrupted": interrupted}


def _made(module: AnsibleModule, manifest: Manifest) -> Result:
    changed = record.settle(module, manifest)
    if not module.check_mode:
        fingerprint.take(module, manifest, module.params["inputs"])
        manifest.write()
    return {"things": changed}


def _surveyed(module: AnsibleModule, manifest: Manifest) -> Result:
    if not module.check_mode:
        fingerprint.take_databases(module, manifest)
        manifest.write()
    return {"things": []}


def _reverted(module: AnsibleModule, manifest: Manifest) -> Result:
    things, contents = rollback.revert(module, manifest, _things(module))
    return {"things": things, "contents": contents}


def _checked(module: AnsibleModule, manifest: Manifest) -> Result:
    """Raises ManifestError."""
    record.dismiss(module, manifest)
    if not manifest.exists:
        raise ManifestError(f"nothing was ever deployed here, as far as {manifest.path} knows. Nothing was changed")
    found = rollback.drift(module, manifest)
    if found and not module.params["force"]:
        shown = ", ".join(one["key"] for one in found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        module.fail_json(
            msg=f"{len(found)} of the things that were deployed have been changed since, so nothing was done: {shown}. "
            "Look at the differences. Deploy again, or set force to continue in spite of them",
            differences=found,
            diff=rollback.differences(found),
        )
    steps = rollback.plan(module, manifest, module.params["purge"])
    return {
        "things": [],
        "entries": [entry._asdict() for entry in manifest.entries.values()],
        "releases": [str(one["release"]) for one in manifest.releases],
        "differences": found,
        "diff": rollback.differences(found),
        "plan": [step.as_result() for step in steps],
        "plan_lines": [str(step) for step in steps if not step.is_done],
    }


def _restored(module: AnsibleModule, manifest: Manifest) -> Result:
    """Raises ManifestError."""
    checked = _checked(module, manifest)
    steps = rollback.plan(module, manifest, module.params["purge"])
    remains: List[str] = []
    if not module.check_mode:
        manifest.unfinished = manifest.unfinished or manifest.deployed
        remains = rollback.restore(module, manifest, steps)
        manifest.deployed = manifest.unfinished = manifest.fingerprint = None
        manifest.releases = []
        manifest.write()
    return {**checked, "things": [step.entry.key for step in steps if step.changes], "remains": remains}


def _things(module: AnsibleModule) -> List[Thing]:
    things = module.params["things"]
    return [Thing(kind, name) for kind in manifest_entries.KINDS for name in things.get(kind) or []]
