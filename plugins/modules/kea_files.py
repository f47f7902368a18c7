#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_files
short_description: Create, change and remove files and directories on a host, in one round trip
description:
  - Does for a list what the roles of this collection need from C(ansible.builtin.file), C(copy) and C(template). A role
    that checks ten files needs one task instead of fifteen.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
    details: New content is not validated.
  diff_mode:
    support: full
    details: The content of those with C(secret) is not shown.
  idempotent:
    support: full
options:
  files:
    description: Files and directories, processed in this order. The module stops at the first error.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Its path. The parent directory must exist.
          - A link is followed only if root made it in a directory that only root may write. Any other link, a FIFO, a
            device, and a file with a second name in a directory of another user are refused.
        type: path
        required: true
      state:
        description: Whether it is a file, a directory or absent. Only an empty directory is removed.
        type: str
        choices: [file, directory, absent]
        default: file
      content:
        description: Content of the file. Without it, the file must exist and keeps its content.
        type: str
      src:
        description:
          - Path of a file of this host whose content the file gets, in place of O(files[].content). It is not shown.
        version_added: 1.1.0
        type: path
      owner:
        description: Its user. By default the present one, or V(root) for a new file.
        type: str
      group:
        description: Its group. By default the present one, or V(root) for a new file.
        type: str
      mode:
        description: Its mode in octal digits, such as V("0640").
        type: str
      force:
        description: Whether a file that exists gets O(files[].content), too.
        type: bool
        default: true
      secret:
        description: Whether O(files[].content) must not be shown.
        type: bool
        default: false
      validate:
        description: A command that succeeds if the new file, C(%s), is valid. The file gets its name only after that.
        type: str
seealso:
  - module: baremetal.kea.kea_manifest
  - module: ansible.builtin.copy
"""

EXAMPLES = r"""
- name: Create a directory and a secret file in it
  baremetal.kea.kea_files:
    files:
      - path: /etc/kea-lease-monitor
        state: directory
        group: kea-lease-monitor
        mode: "0750"
      - path: /etc/kea-lease-monitor/db-password
        content: "{{ vault_kea_monitor_password }}"
        secret: true
        group: kea-lease-monitor
        mode: "0640"
"""

RETURN = r"""
changed_paths:
  description: Paths that were changed.
  returned: always
  type: list
  elements: str
  sample: [/etc/kea-lease-monitor/db-password]
new_paths:
  description: Paths that were created.
  returned: always
  type: list
  elements: str
  sample: [/etc/kea-lease-monitor/db-password]
"""

from typing import Any, Dict, List

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host.files import bring_about, exists, wanted
from ansible_collections.baremetal.kea.plugins.module_utils._host.secrets import mask_only


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "no_log": True,
                "mutually_exclusive": [("content", "src")],
                "options": {
                    "path": {"type": "path", "required": True},
                    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
                    "content": {"type": "str"},
                    "src": {"type": "path"},
                    "owner": {"type": "str"},
                    "group": {"type": "str"},
                    "mode": {"type": "str"},
                    "force": {"type": "bool", "default": True},
                    "secret": {"type": "bool", "default": False, "no_log": False},
                    "validate": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    mask_only(module, [one["content"] for one in module.params["files"] if one["secret"]])
    diffs: Dict[str, Dict[str, str]] = {}
    new: List[str] = []
    failure: Dict[str, Any] = {}
    try:
        for one in map(wanted, module.params["files"]):
            was_there = exists(one.path)
            diff = bring_about(module, one)
            if diff:
                diffs[one.path] = diff
                new += [] if was_there else [one.path]
    except KeaError as error:
        failure = error.as_result()
    result = {"changed": bool(diffs), "changed_paths": list(diffs), "new_paths": new}
    if failure:
        module.fail_json(**failure, **result)
    module.exit_json(**result, diff=list(diffs.values()))


if __name__ == "__main__":
    main()
