# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the history of the monitor's releases, with the files that each one was run with."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional

from .._manifest import entries
from .._manifest.document import Manifest, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

KEPT = 3
"""Entries that are kept, as many as releases are on the disk (release.py)."""


class History:
    """History of releases in the manifest of the host."""

    def __init__(self, module: AnsibleModule, paths: List[str]) -> None:
        self._module = module
        self._paths = paths

    def keep(self, name: str, after: Optional[str] = None) -> None:
        """Add a release that is healthy with the files as they are now.

        ``after`` names the release that was in force before. Entries of later releases are dropped.
        """
        manifest = Manifest()
        with manifest.locked():
            before = [one["release"] for one in manifest.releases]
            files = {path: entries.look(self._module, "file", path, keep=manifest) for path in self._paths}
            kept = {"release": name, "files": files}
            if name in before and (after in (None, name)):
                releases = [kept if one["release"] == name else one for one in manifest.releases]
            else:
                end = before.index(after) + 1 if after in before else len(before)
                releases = [one for one in manifest.releases[:end] if one["release"] != name] + [kept]
            if releases != manifest.releases:
                manifest.releases = releases[-KEPT:]
                manifest.write()

    @staticmethod
    def names() -> List[str]:
        """Return the releases, oldest first. The last one was deployed last, whichever is in force."""
        return [str(one["release"]) for one in Manifest().releases]

    def revert(self, name: str) -> bool:
        """Revert the files to those of a release. Return whether any of them changed."""
        manifest, changed = Manifest(), False
        for path, state in self._files(manifest, name).items():
            if entries.look(self._module, "file", path) != state:
                entries.put(self._module, manifest, "file", path, state)
                changed = True
        return changed

    @contextlib.contextmanager
    def candidate(self, name: str) -> Iterator[str]:
        """Provide the configuration of a release as a temporary file, and return its path."""
        manifest = Manifest()
        state = self._files(manifest, name)[self._paths[0]]
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(self._paths[0])) as file:
            file.write(manifest.copy(state["sha256"]))
            file.flush()
            yield file.name

    def _files(self, manifest: Manifest, name: str) -> Dict[str, State]:
        found: Dict[str, State] = next((one["files"] for one in manifest.releases if one["release"] == name), {})
        return found
