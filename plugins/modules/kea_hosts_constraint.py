#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_hosts_constraint
short_description: Manage the unique constraint on Kea's reservations in PostgreSQL
description:
  - Gives C(hosts) in Kea's database a unique constraint on
    C((dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)), so that one identifier has at most one reservation in a
    subnet and a plain UPSERT can rely on it.
  - Compares the definition, not only the name. A constraint of that name with another definition is replaced in one
    transaction, so that the table always has one of the two.
  - Builds the index with C(CREATE UNIQUE INDEX CONCURRENTLY) and attaches it afterwards, so Kea continues to read and
    write reservations. Building waits up to a minute for older transactions and blocks no other session meanwhile. An
    invalid index of an interrupted run is built again. If duplicates appear during the build, the index is dropped.
  - Marks the index by C(fillfactor=90), which is PostgreSQL's default for it and changes nothing.
  - Requires that C(hosts) is a plain table, as Kea creates it.
  - Never changes Kea's own partial unique indexes.
  - Tested with PostgreSQL 15 and schema 13.0 (Kea 2.2), and with PostgreSQL 17 and 22.2 (Kea 2.6) and 29.0 (Kea 3.0).
    C(hosts) is the same in all schemas from 13.0 to 34.0 (Kea 3.2).
  - Before the first change, and in check mode too, the module fails if the role lacks a right or the server is a
    standby. Of two runs in one database the second waits up to a minute for the first to end.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
  - baremetal.kea.postgres.locks
  - baremetal.kea.attributes
attributes:
  check_mode:
    support: full
    details:
      - Only reads, with the locks of a reader, in a session in which the server refuses changes.
      - Fails because of duplicates as well.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  state:
    description:
      - V(present) creates the constraint if it is missing; the index of an interrupted run becomes the constraint or is
        removed. Nothing is created if another constraint or index guarantees the same, whatever its name, and also with
        columns in descending order or with C(INCLUDE). RV(equivalents) reports it.
      - V(absent) removes the constraint if this module created it, and the index of an interrupted run. This is an
        index with the constraint's name, or that name and C(_new), whose keys are the columns of the constraint in
        plain order, and that has the mark or is invalid.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the constraint, at most 59 bytes.
    type: str
    default: hosts_dhcp_identifier_subnet_unique
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
seealso:
  - module: baremetal.kea.kea_lease_notify
"""

EXAMPLES = r"""
- name: Allow one reservation per identifier and subnet
  baremetal.kea.kea_hosts_constraint:
    login_db: kea
  become: true
  become_user: postgres

- name: Create the constraint on a remote server, as the owner of Kea's tables
  baremetal.kea.kea_hosts_constraint:
    login_host: db.example.com
    login_user: kea
    login_password: "{{ kea_db_password }}"
    login_db: kea
    ssl_mode: verify-full
    ca_cert: /etc/kea/db-ca.pem
"""

RETURN = r"""
queries:
  description: The statements that were run or, in check mode, would be run.
  returned: success
  type: list
  elements: str
  sample:
    - CREATE UNIQUE INDEX CONCURRENTLY "hosts_dhcp_identifier_subnet_unique" ON "public"."hosts" (dhcp_identifier, ...)
definition:
  description: Definition of the constraint of that name afterwards; null if there is none.
  returned: success
  type: str
  sample: UNIQUE (dhcp_identifier, dhcp_identifier_type, dhcp4_subnet_id)
equivalents:
  description: Other constraints and indexes that guarantee the same.
  returned: success
  type: list
  elements: str
partial_indexes:
  description: Unique indexes that cover a part of the rows, as Kea creates them.
  returned: success
  type: list
  elements: str
  sample: [key_dhcp4_identifier_subnet_id, key_dhcp6_identifier_subnet_id]
duplicates:
  description: How many identifiers have more than one reservation in a subnet.
  returned: failure because of duplicates
  type: int
samples:
  description: The first ten, each with C(identifier) in hexadecimal, C(identifier_type), C(subnet_id) and C(host_ids).
  returned: failure because of duplicates
  type: list
  elements: dict
  contains:
    identifier:
      description: The identifier in hexadecimal digits.
      type: str
      sample: 525400a1b2c3
    identifier_type:
      description: Kea's number of the kind of identifier; V(0) is a hardware address.
      type: int
      sample: 0
    subnet_id:
      description: The subnet.
      type: int
      sample: 1
    host_ids:
      description: Keys C(host_id) of the rows.
      type: list
      elements: int
      sample: [17, 42]
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
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login, session
from ansible_collections.baremetal.kea.plugins.module_utils._reservations import constraint


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login.argument_spec(),
            **session.lock_argument_spec(),
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "default": constraint.NAME},
            schema={"type": "str", "default": "public"},
        ),
        supports_check_mode=True,
    )
    params = module.params
    wanted = constraint.Wanted(params["schema"], params["name"], params["state"] == "present")
    try:
        with session.connect(params, readonly=module.check_mode) as database:
            result = constraint.ensure(database, wanted, module.log)
    except KeaError as error:
        module.fail_json(**error.as_result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
