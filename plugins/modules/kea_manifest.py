#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_manifest
short_description: Record the state of a host before a deployment, and roll back to it
description:
  - The roles of this collection record what they find before they change it, in
    C(/var/lib/baremetal-kea/manifest.json). A copy of each file lies beside it, readable by root only.
  - The state found is recorded once and never replaced. The previous state is recorded with each deployment; a failed
    change is reverted to it.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
    details: Nothing is written. With O(state=restored), RV(plan) says what would be done.
  diff_mode:
    support: full
    details: With O(state=checked), what a person changed after the last deployment.
  idempotent:
    support: full
options:
  state:
    description:
      - V(intended) starts a deployment and records the current state of those O(things) that the manifest lacks.
      - V(made) marks the deployment finished and records the current state of each entry as its result.
      - V(surveyed) takes anew what was recorded with O(inputs) of the databases of this host, after the deployment of
        another host changed them.
      - V(reverted) reverts the O(things) to their state before the deployment.
      - V(checked) changes nothing. It fails if nothing was ever deployed here, or if a person changed a thing after the
        last deployment and O(force) is not set.
      - V(restored) checks like V(checked). Then it rolls back each thing to the state found, last first, and empties
        the manifest.
    type: str
    choices: [intended, made, surveyed, reverted, checked, restored]
    required: true
  things:
    description:
      - What a deployment is about to change. A roll-back takes them in reverse order, units first.
    type: dict
    default: {}
    suboptions:
      package:
        description: Debian packages. A roll-back removes them without purging, and the packages that only they needed.
        type: list
        elements: str
      port:
        description: Ports that a zone of firewalld admits, as C(ZONE/PORT/PROTOCOL), such as C(public/67/udp).
        version_added: 1.2.0
        type: list
        elements: str
      fcontext:
        description: Rules of SELinux for the types of regular files, each named by its regular expression.
        version_added: 1.2.0
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
        description: Databases of a PostgreSQL of this host, named and kept like roles.
        type: list
        elements: str
      leases:
        description: Lease files, and all files whose names begin with theirs. They stay unless O(purge) has V(leases).
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
      - The unit of systemd that uses the O(things). Files that a killed deployment left count as the previous state
        only if this unit runs with them.
    type: str
  inputs:
    description:
      - With O(state=made), the digest of what the deployment started from (P(baremetal.kea.deployment_inputs#filter)).
        A fingerprint of the host is recorded with it, and a later run sees by both whether anything changed
        (O(baremetal.kea.kea_info#module:gather=changes)). Without it, a later run looks at everything.
    version_added: 1.2.0
    type: str
  purge:
    description:
      - With O(state=restored), the data to remove. V(database) needs the other two as well, since it holds them.
    type: list
    elements: str
    choices: [database, leases, reservations]
    default: []
  force:
    description: Continue although a person changed something after the last deployment.
    type: bool
    default: false
  directory:
    description: Directory of the manifest.
    type: path
    default: /var/lib/baremetal-kea
seealso:
  - module: baremetal.kea.kea_files
  - module: baremetal.kea.kea_lease_monitor
"""

EXAMPLES = r"""
- name: Record Kea's configuration before changing it
  baremetal.kea.kea_manifest:
    state: intended
    unit: kea-dhcp4-server.service
    things:
      file: [/etc/kea/kea-dhcp4.conf]

- name: Revert Kea's configuration
  baremetal.kea.kea_manifest:
    state: reverted
    things:
      file: [/etc/kea/kea-dhcp4.conf]
"""

RETURN = r"""
things:
  description: Keys of the things that were recorded, restored or removed.
  returned: always
  type: list
  elements: str
  sample: ["file:/etc/kea/kea-dhcp4.conf"]
deployed:
  description: When the last deployment finished, in seconds since the epoch; none after a roll-back.
  returned: always
  type: int
unfinished:
  description: When the first unfinished deployment started; none if the last deployment finished.
  returned: always
  type: int
contents:
  description:
    - Whether the content of a thing was restored, not only its owner or mode. A service then has to read it again.
  returned: O(state=reverted)
  type: bool
newer:
  description: Those of the O(things) that changed after O(unit) was started.
  returned: O(state=intended)
  type: list
  elements: str
absent:
  description: Those of the O(things) that do not exist.
  returned: O(state=intended)
  type: list
  elements: str
  sample: ["file:/etc/kea/kea-dhcp4.conf"]
interrupted:
  description: Whether the last deployment that may have changed one of the O(things) did not finish.
  returned: O(state=intended)
  type: bool
entries:
  description: The entries of the manifest, as docs/rollback.md describes them.
  returned: O(state=checked)
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the thing, one of the suboptions of O(things).
      type: str
      sample: file
    name:
      description: Name of the thing.
      type: str
      sample: /etc/kea/kea-dhcp4.conf
    found:
      description: Its state before the first deployment.
      type: dict
      sample: {state: file, uid: 105, gid: 112, mode: "0644"}
    found_at:
      description: When that was recorded, in seconds since the epoch.
      type: int
      sample: 1795245990
    made:
      description: Its state after the last deployment that finished.
      type: dict
      sample: {state: file, uid: 105, gid: 112, mode: "0600"}
    made_at:
      description: When that was recorded.
      type: int
      sample: 1795246000
    in_force:
      description: Its state when it was last healthy.
      type: dict
      sample: {state: file, uid: 105, gid: 112, mode: "0600"}
    before:
      description: Its state before a change that did not finish; null for none.
      type: dict
      sample: {state: file, uid: 105, gid: 112, mode: "0644"}
releases:
  description: The lease monitor's releases that were healthy, the oldest first.
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: str
differences:
  description: What a person changed after the last deployment.
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: dict
  contains:
    key:
      description: Key of the thing.
      type: str
      sample: file:/etc/kea/kea-dhcp4.conf
    made:
      description: Its state after the last deployment that finished.
      type: dict
      sample: {state: file, uid: 105, gid: 112, mode: "0600"}
    now:
      description: Its state now.
      type: dict
      sample: {state: file, uid: 105, gid: 112, mode: "0644"}
plan:
  description: What a roll-back does to each thing of the manifest, in this order.
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the thing, one of the suboptions of O(things).
      type: str
    name:
      description: Name of the thing.
      type: str
    action:
      description: V(remove), V(restore) or V(keep).
      type: str
    why:
      description:
        - V(deployed) for what is removed or restored, because a deployment created or changed it.
        - Of what is kept, V(as_found) and V(not_deployed) leave nothing to do. V(data) is not named in O(purge).
        - V(sudo) may be the only way to become root by now, and V(database) is a package that the kept database needs.
        - V(rpm) is a package of a system on which a roll-back removes none.
      type: str
  sample:
    - {kind: file, name: /etc/kea/kea-dhcp4.conf, action: restore, why: deployed}
plan_lines:
  description: RV(plan) in words, without the things that leave nothing to do.
  version_added: 1.1.0
  returned: O(state=checked) or O(state=restored)
  type: list
  elements: str
  sample: ["file /etc/kea/kea-dhcp4.conf: is put back as it was found"]
remains:
  description: Keys of the things that could not be restored, such as directories with unknown files.
  returned: O(state=restored)
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._manifest import tasks
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.document import DIRECTORY
from ansible_collections.baremetal.kea.plugins.module_utils._manifest.entries import DATA, KINDS


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {
                "type": "str",
                "choices": ["intended", "made", "surveyed", "reverted", "checked", "restored"],
                "required": True,
            },
            "things": {
                "type": "dict",
                "default": {},
                "options": {kind: {"type": "list", "elements": "str"} for kind in KINDS},
            },
            "unit": {"type": "str"},
            # Passwords are among what it is a digest of.
            "inputs": {"type": "str", "no_log": True},
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
    except KeaError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{error.filename or 'The manifest'} cannot be written: {error.strerror}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
