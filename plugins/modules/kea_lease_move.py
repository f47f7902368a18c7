#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_lease_move
short_description: Put another configuration of Kea in force and move its leases
description:
  - Moves all leases of one server, DHCPv4 or DHCPv6, from the lease database of the configuration in force to the one
    of a candidate, files or PostgreSQL. Puts the candidate in force and waits until the server serves with it. If it
    does not, the previous configuration is put in force again and served.
  - Rehearses the move while the server still serves. The server is stopped only for the move itself;
    RV(silence) reports for how long.
  - Compares the leases after the move, each with everything that Kea stores of it.
  - May be killed at any moment. The configuration in force always names a lease database that holds all leases, and a
    guard (C(systemd-run)) starts the server again when the module's process has ended. The next run starts the move
    again or finishes it.
  - Deletes nothing in the previous lease database. Files are renamed to C(NAME.before-TIME). Rows stay in their table
    and are recorded in O(state_dir); a later move to that table removes those that have not changed since.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
    details: Reads the leases. If the file O(candidate) does not exist, predicts only whether a move is to be finished.
  diff_mode:
    support: none
  idempotent:
    support: full
    details: The candidate is renamed when it is put in force, so a second run finds none.
options:
  path:
    description: The configuration in force.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  candidate:
    description:
      - The configuration to put in force, in the same directory. Kea must have accepted it (C(kea-dhcp4 -t)).
      - If the file does not exist, the module only finishes a move that was killed after its candidate was in force.
    type: path
    required: true
  kea_user:
    description:
      - The user of the server, which connects to the database and owns the files. The default is the user of the
        installed packages.
    type: str
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
  state_dir:
    description: Directory of the record of this host's moves.
    type: path
    default: /var/lib/baremetal-kea
  timeout:
    description: Seconds that the server may take to serve after it was started.
    type: int
    default: 60
requirements:
  - systemd, C(flock)
  - psycopg2 2.8 or later on the target (C(python3-psycopg2) on Debian), for PostgreSQL
notes:
  - The module connects to PostgreSQL as Kea does, with the address and the credentials of the configuration and the
    C(PG) variables of the server's unit.
  - Tells in the journal of the target how far it is. There, C(journalctl --follow | grep kea_lease_move) shows it.
  - Of several leases of a client identifier in a subnet, only the youngest is moved to PostgreSQL, because Kea accepts
    only one there.
seealso:
  - module: baremetal.kea.kea_database
  - module: baremetal.kea.kea_schema
"""

EXAMPLES = r"""
- name: Copy the configuration in force to a candidate
  ansible.builtin.copy:
    src: /etc/kea/kea-dhcp4.conf
    dest: /etc/kea/kea-dhcp4.candidate.conf
    remote_src: true
    mode: preserve

- name: Set PostgreSQL as lease database of the candidate
  baremetal.kea.kea_database:
    path: /etc/kea/kea-dhcp4.candidate.conf
    purpose: lease
    type: postgresql
    name: kea
    host: /var/run/postgresql
    user: _kea

- name: Move the leases to PostgreSQL
  baremetal.kea.kea_lease_move:
    candidate: /etc/kea/kea-dhcp4.candidate.conf
  register: moved

- name: Show how long this server was silent
  ansible.builtin.debug:
    msg: "{{ moved.leases }} leases moved; this server was silent for {{ moved.silence }} s."
"""

RETURN = r"""
source:
  description: The lease database before the move.
  returned: success
  type: str
  sample: /var/lib/kea/kea-leases4.csv
target:
  description: The lease database afterwards; the same as RV(source) if the file O(candidate) does not exist.
  returned: success
  type: str
  sample: PostgreSQL kea on /var/run/postgresql
leases:
  description: How many leases were moved or, in check mode, would be moved.
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
pair:
  description: What a person should know about the pair of the server; empty without a pair.
  returned: when a configuration was put in force
  type: list
  elements: str
  sample: []
  version_added: 1.1.0
backup_file:
  description: Copy of the previous configuration.
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
            "kea_user": {"type": "str"},
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
