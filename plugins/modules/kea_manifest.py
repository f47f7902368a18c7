#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_manifest
short_description: Remember what a host was before a deployment, and go back to it
description:
  - The roles of this collection write down what they find before they change it, in
    C(/var/lib/baremetal-kea/manifest.json), with a copy of each file beside it that only root can read.
  - What was found is written once and never again. What was in force is written anew with each deployment, and is what
    a change that fails goes back to.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
attributes:
  check_mode:
    support: full
    details: Nothing is written. With O(state=restored), RV(plan) says what would be done.
  diff_mode:
    support: full
    details: With O(state=checked), what somebody has changed since the last deployment.
  idempotent:
    support: full
  platform:
    support: full
    platforms: Debian, Ubuntu
options:
  state:
    description:
      - With V(intended), the O(things) are in the manifest, as they are now if they were not there yet; and a
        deployment is under way.
      - With V(made), it came to its end, and what all things of the manifest are now is what it made of them.
      - With V(reverted), the O(things) are as they were before that.
      - With V(checked), nothing is done; it fails where nothing was ever deployed and, unless O(force), where somebody
        changed a thing since.
      - With V(restored), all things of the manifest are as they were found, the last one first, and the manifest is
        empty. Those that a person has changed since are checked as with V(checked).
    type: str
    choices: [intended, made, reverted, checked, restored]
    required: true
  things:
    description:
      - What a deployment is about to change. The way back begins with the last one, units first.
    type: dict
    default: {}
    suboptions:
      package:
        description: Debian packages. They are removed and not purged, with what came for their sake alone.
        type: list
        elements: str
      user:
        description: Users of the system.
        type: list
        elements: str
      role:
        description: Roles of a PostgreSQL of this host, as C(PORT/NAME). They stay unless O(purge) has V(database).
        type: list
        elements: str
      database:
        description: Its databases, in the same way.
        type: list
        elements: str
      leases:
        description: Lease files, with all whose names begin like theirs. They stay unless O(purge) has V(leases).
        type: list
        elements: str
      reservations:
        description: Directories of reservations. They stay unless O(purge) has V(reservations).
        type: list
        elements: str
      file:
        description: Files, links and directories, each directory before what is in it.
        type: list
        elements: str
      tree:
        description: Directories of which all belongs to the collection.
        type: list
        elements: str
      unit:
        description: Units of systemd.
        type: list
        elements: str
  unit:
    description:
      - The unit of systemd that uses the O(things). What a killed deployment left behind is nothing to go back to,
        unless this unit runs with it.
    type: str
  purge:
    description: With O(state=restored), what else shall go. V(database) needs the others as well, since it holds them.
    type: list
    elements: str
    choices: [database, leases, reservations]
    default: []
  force:
    description: Go on although somebody has changed something since the last deployment.
    type: bool
    default: false
  directory:
    description: Where the manifest is.
    type: path
    default: /var/lib/baremetal-kea
"""

EXAMPLES = r"""
- name: Remember the configuration before it is changed
  baremetal.kea.kea_manifest:
    state: intended
    unit: kea-dhcp4-server.service
    things:
      file: [/etc/kea/kea-dhcp4.conf]

- name: Go back to it
  baremetal.kea.kea_manifest:
    state: reverted
    things:
      file: [/etc/kea/kea-dhcp4.conf]
"""

RETURN = r"""
things:
  description: What was written down, put back or removed.
  returned: always
  type: list
  elements: str
  sample: ["file:/etc/kea/kea-dhcp4.conf"]
deployed:
  description: When a deployment came to its end for the last time, in seconds since the epoch; none when it was undone.
  returned: always
  type: int
unfinished:
  description: When a deployment began that did not come to its end; none if the last one did.
  returned: always
  type: int
contents:
  description: Whether more was put back than owners and modes, so that a service has to read it.
  returned: O(state=reverted)
  type: bool
newer:
  description: Those of the O(things) that changed after O(unit) was started.
  returned: O(state=intended)
  type: list
  elements: str
absent:
  description: Those of the O(things) that are not there.
  returned: O(state=intended)
  type: list
  elements: str
  sample: ["file:/etc/kea/kea-dhcp4.conf"]
interrupted:
  description: Whether the last deployment that may have changed one of the O(things) did not come to its end.
  returned: O(state=intended)
  type: bool
entries:
  description: All that is in the manifest, as docs/rollback.md describes it.
  returned: O(state=checked)
  type: list
  elements: dict
releases:
  description: The lease monitor's releases that were healthy, the oldest first.
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: str
differences:
  description: What somebody has changed since the last deployment.
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: dict
plan:
  description: What is done to each thing, in this order.
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: str
  sample: ["file /etc/kea/kea-dhcp4.conf: is put back as it was found"]
remains:
  description: Things that could not become what they were, such as directories with files in them that nobody knows.
  returned: O(state=restored)
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._manifest import tasks
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.document import DIRECTORY, ManifestError
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.entries import DATA, KINDS


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["intended", "made", "reverted", "checked", "restored"],
                "required": True,
            },
            "things": {
                "type": "dict",
                "default": {},
                "options": {kind: {"type": "list", "elements": "str"} for kind in KINDS},
            },
            "unit": {"type": "str"},
            "purge": {
                "type": "list",
                "elements": "str",
                "choices": sorted(set(DATA.values())),
                "default": [],
            },
            "force": {"type": "bool", "default": False},
            "directory": {"type": "path", "default": DIRECTORY},
        },
        supports_check_mode=True,
    )
    try:
        result = tasks.run(module)
    except ManifestError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'The manifest'} cannot be written: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
