# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the files that kea_inventory.yml writes on the controller for one server."""

from __future__ import annotations

import posixpath
import re
from typing import Any, Dict, List, Mapping, Sequence

LIST = ".gathered"
"""Name of the file that lists what the playbook wrote: only these files may be removed."""

# A server chooses these names, and the controller writes files of these names.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml\Z")


def make(directory: str, owner: Mapping[str, str], read: Mapping[str, str], listed: str) -> List[Dict[str, Any]]:
    """Return the option ``files`` of kea_files for the directory of one server.

    ``owner`` has the keys ``owner`` and ``group``, ``read`` the content of each file of the server by its name, and
    ``listed`` the content of the list that an earlier run wrote.
    """
    wanted = {name: content for name, content in sorted(read.items()) if _NAME.match(name)}
    gone = [name for name in listed.splitlines() if _NAME.match(name) and name not in wanted]
    return [
        {"path": directory, "state": "directory", "mode": "0755", **owner},
        *({"path": posixpath.join(directory, name), "state": "absent"} for name in gone),
        # The list comes before the files: an interrupted run leaves no file that is not in it.
        _file(directory, LIST, "\n".join(wanted), owner),
        *(_file(directory, name, content, owner) for name, content in wanted.items()),
    ]


def discovery_directories(default: str, subscriptions: Sequence[Mapping[str, Any]]) -> List[str]:
    """Return the directories with discovery files: the default one, and those that subscriptions name."""
    sinks = [sink for subscription in subscriptions for sink in subscription.get("sinks") or []]
    named = [sink["directory"] for sink in sinks if sink.get("type") == "discovery" and sink.get("directory")]
    return list(dict.fromkeys([default, *named]))


def _file(directory: str, name: str, content: str, owner: Mapping[str, str]) -> Dict[str, Any]:
    return {"path": posixpath.join(directory, name), "content": content, "mode": "0644", **owner}
