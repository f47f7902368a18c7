#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_reservation_move
short_description: Move Kea's reservations between files and PostgreSQL
description:
  - Moves the reservations of one server, DHCPv4 or DHCPv6, of the files that its configuration includes
    (C(subnet-ID.json)) to the table C(hosts), or back, with everything that a row of that table can hold. Reservations
    of the source replace those of the target. Other reservations of the target stay, except those that an earlier move
    took from there.
  - Fails before any change if the target cannot hold a reservation, and names it. A row of C(hosts) cannot hold
    C(option-data); files cannot hold options of C(hosts) and global reservations.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
  - baremetal.kea.attributes
attributes:
  check_mode:
    support: full
    details: With O(to=database), every reservation in files counts as a change, because the database is not compared.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  to:
    description: Where the reservations are moved to.
    type: str
    choices: [database, files]
    required: true
  family:
    description: Family of the server.
    version_added: 1.2.0
    type: int
    choices: [4, 6]
    default: 4
  directory:
    description:
      - The directory whose subdirectory C(applied) holds the files that Kea includes.
      - With O(to=files), the monitor's next files wait here until M(baremetal.kea.kea_lease_monitor) starts it.
      - The default is C(/etc/kea/reservations.d), and C(/etc/kea/reservations6.d) with O(family=6).
    type: path
  written:
    description:
      - The monitor's own directory of files, which is only read.
      - The default is C(/var/lib/kea-reservations/written), and C(/var/lib/kea-reservations6/written) with
        O(family=6).
    version_added: 1.1.0
    type: path
  subnets:
    description: The subnets that have files. Required if O(to=files).
    type: list
    elements: int
  set_aside:
    description:
      - Whether to move the files to C(.before-TIME) in O(directory) when their reservations are in the database.
      - Set this only after Kea serves with the database.
    type: bool
    default: false
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
seealso:
  - module: baremetal.kea.kea_lease_move
"""

EXAMPLES = r"""
- name: Move reservations to the database
  baremetal.kea.kea_reservation_move:
    to: database
    login_user: _kea
  become: true
  become_user: _kea

- name: Move reservations back to files
  baremetal.kea.kea_reservation_move:
    to: files
    subnets: [1, 2]
    login_user: _kea
  become: true
  become_user: _kea
"""

RETURN = r"""
reservations:
  description: How many reservations the source has.
  returned: success
  type: int
  sample: 412
set_aside:
  description: New paths of the files that were moved away.
  returned: if O(set_aside=true)
  type: list
  elements: str
sqlstate:
  description: PostgreSQL's code of the error.
  returned: failure reported by PostgreSQL
  type: str
statement:
  description: The statement that failed.
  returned: failure of a statement
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._moves import reservations
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login, session


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login.argument_spec(),
            to={"type": "str", "choices": ["database", "files"], "required": True},
            family={"type": "int", "choices": [4, 6], "default": 4},
            directory={"type": "path"},
            written={"type": "path"},
            subnets={"type": "list", "elements": "int"},
            set_aside={"type": "bool", "default": False},
            schema={"type": "str", "default": "public"},
        ),
        required_if=[("to", "files", ["subnets"])],
        supports_check_mode=True,
    )
    move = reservations.to_database if module.params["to"] == "database" else reservations.to_files
    try:
        with session.connect(module.params, readonly=module.check_mode) as database:
            result = move(database, module.params)
    except KeaError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
