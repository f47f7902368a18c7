#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_lease_move
short_description: Put another configuration of Kea in force and carry its leases along
description:
  - Carries all DHCPv4 leases from the lease database of the configuration in force to the one of a candidate, files or
    PostgreSQL, puts the candidate in force, and waits until the server serves with it. If it does not, the former
    configuration is put back and served.
  - Everything is rehearsed while the server still serves. It is stopped only for the carrying itself; for how long, is
    returned.
  - The leases are compared after they were carried, each with all that Kea keeps of it.
  - May be killed at any moment. At each moment the configuration in force names a lease database that holds all leases,
    and a guard (C(systemd-run)) starts the server again as soon as the module's process is gone. The next run begins
    anew, or finishes what is left.
  - What was left is not deleted. Files are renamed to C(NAME.before-TIME); rows stay in their table, are remembered in
    O(state_dir) and, unless somebody changed them meanwhile, taken away when leases come back to it.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
attributes:
  check_mode:
    support: full
    details: Reads the leases. Without O(candidate), a move to an unknown place is predicted.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: The candidate is gone when it is in force.
  platform:
    support: full
    platforms: Debian, Ubuntu
options:
  path:
    description: The configuration in force.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  candidate:
    description:
      - The configuration to put in force, in the same directory. Kea must have accepted it (C(kea-dhcp4 -t)).
      - Without it, only an earlier move is finished that was killed after its candidate was in force.
    type: path
    required: true
  kea_user:
    description: The user of the server, who opens the connection to the database and owns the files.
    type: str
    default: _kea
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
  state_dir:
    description: Directory for what the host has to remember of its moves.
    type: path
    default: /var/lib/baremetal-kea
  timeout:
    description: Seconds that the server may take to serve once it was started.
    type: int
    default: 60
requirements:
  - systemd, C(flock)
  - psycopg2 2.8 or later on the target (C(python3-psycopg2) on Debian), for PostgreSQL
notes:
  - The connection to PostgreSQL is the one that Kea makes, with the address and the credentials of the configuration
    and the C(PG) variables of the server's unit.
  - A lease of a client identifier that has a younger one in the same subnet stays behind; Kea accepts only one in
    PostgreSQL.
seealso:
  - module: baremetal.kea.kea_database
  - module: baremetal.kea.kea_schema
"""

EXAMPLES = r"""
- name: Begin with the configuration in force
  ansible.builtin.copy:
    src: /etc/kea/kea-dhcp4.conf
    dest: /etc/kea/kea-dhcp4.candidate.conf
    remote_src: true
    mode: preserve

- name: Have leases in PostgreSQL
  baremetal.kea.kea_database:
    path: /etc/kea/kea-dhcp4.candidate.conf
    purpose: lease
    type: postgresql
    name: kea
    host: /var/run/postgresql
    user: _kea

- name: Carry them there
  baremetal.kea.kea_lease_move:
    candidate: /etc/kea/kea-dhcp4.candidate.conf
  register: moved

- name: Say what it cost
  ansible.builtin.debug:
    msg: "{{ moved.leases }} leases moved; DHCP was silent for {{ moved.silence }} s."
"""

RETURN = r"""
source:
  description: Where the leases were.
  returned: success
  type: str
  sample: /var/lib/kea/kea-leases4.csv
target:
  description: Where they are, or the same as RV(source) when that is not known yet.
  returned: success
  type: str
  sample: PostgreSQL kea on /var/run/postgresql
leases:
  description: How many were carried or, in check mode, would be.
  returned: success
  type: int
  sample: 10000
rejected:
  description: Rows of lease files that Kea cannot read either.
  returned: when leases were read
  type: int
  sample: 0
silence:
  description: Seconds from stopping the server to its first answer with the new configuration.
  returned: when the server was stopped
  type: float
  sample: 1.37
set_aside:
  description: Files that were renamed after the move.
  returned: when a configuration was put in force
  type: list
  elements: str
  sample: [/var/lib/kea/kea-leases4.csv.before-20261121T120000]
backup_file:
  description: Copy of the configuration before.
  returned: when a configuration was put in force
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._moves.journal import DIRECTORY
from ansible_collections.baremetal.kea.plugins.module_utils._moves.leases import Move


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            "candidate": {"type": "path", "required": True},
            "kea_user": {"type": "str", "default": "_kea"},
            "schema": {"type": "str", "default": "public"},
            "state_dir": {"type": "path", "default": DIRECTORY},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = Move(module).run()
    except KeaError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
