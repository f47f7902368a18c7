# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: read the rules of SELinux for the types of files, and remove those that a deployment added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._host import selinux
from .document import Manifest, State

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def look(_module: AnsibleModule, name: str) -> State:
    """Return the type that a rule gives to the files whose paths match this regular expression."""
    found = selinux.type_of(name)
    return {"state": "present", "type": found} if found else {"state": "absent"}


def put(module: AnsibleModule, _manifest: Manifest, name: str, state: State) -> None:
    """Restore a rule. Raises KeaError."""
    selinux.set_type(module, name, state.get("type"))
