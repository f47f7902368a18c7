#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_database_rights
short_description: Give the lease monitor just the rights that it needs in Kea's database
version_added: 1.1.0
description:
  - Grants the role of the lease monitor the rights on the columns of C(hosts) and C(ipv6_reservations) that its
    statements name, and revokes its rights on the whole tables. A role with UPDATE or DELETE on a whole table may also
    lock it, and Kea would wait.
  - Creates the function C(kea_forget_reservations). It belongs to the owner of C(hosts) and removes only reservations
    that the monitor wrote. The monitor may execute it, and may not delete rows itself.
  - Revokes CONNECT on the database from all roles but those named. A role that may connect can take the advisory locks
    by which monitors agree who acts. Fails if that would shut out another role that has sessions with the database, or
    rights, objects or settings in it, and names the GRANT that lets it stay.
  - All statements run in one transaction. Rights of other roles on these objects stay; M(baremetal.kea.kea_verify)
    reports them.
  - If the role that logs in may not change the rights on the database, these stay, with a warning.
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
    details: Only reads, in a session in which the server refuses changes.
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
      - V(present) grants what is missing and revokes what is too much.
      - V(absent) revokes the monitor's rights on these objects and drops the function. If V(present) revoked CONNECT
        from all roles, they get it back; a comment on the function tells that.
    type: str
    choices: [present, absent]
    default: present
  monitor:
    description: The role of the lease monitor.
    type: str
    default: kea-lease-monitor
  connect:
    description: Further roles that may connect, such as Kea's own. The owner of the database always may.
    type: list
    elements: str
    default: []
  public_connect:
    description:
      - Whether every role of the server may connect to the database. V(true) leaves that as it is, or brings it back if
        this module revoked it.
    type: bool
    default: false
  exclusive:
    description:
      - Whether the monitor's other rights on C(hosts) and C(ipv6_reservations) are revoked. With V(false), the module
        only adds rights there. A monitor of an earlier release, on this host or on another one with the same database,
        still needs its own.
    type: bool
    default: true
  dhcp6:
    description: Whether the monitor may also write DHCPv6 reservations.
    type: bool
    default: false
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
seealso:
  - module: baremetal.kea.kea_lease_notify
"""

EXAMPLES = r"""
- name: Give the lease monitor its rights
  baremetal.kea.kea_database_rights:
    login_db: kea
    connect: [_kea]
  become: true
  become_user: postgres

- name: Take them back
  baremetal.kea.kea_database_rights:
    login_db: kea
    connect: [_kea]
    state: absent
  become: true
  become_user: postgres
"""

RETURN = r"""
queries:
  description: The statements that were run in one transaction or, in check mode, would be run.
  returned: success
  type: list
  elements: str
  sample: ['REVOKE ALL ON DATABASE "kea" FROM PUBLIC CASCADE']
state:
  description:
    - The objects afterwards, null for one that does not exist. C(database), C(hosts), C(ipv6_reservations), their
      sequences, and C(forget) for the function, each with its owner and its rights by role.
  returned: success
  type: dict
  sample:
    database: {owner: _kea, rights: {_kea: [CONNECT, CREATE, TEMPORARY], kea-lease-monitor: [CONNECT]}}
    hosts: {owner: _kea, rights: {kea-lease-monitor: [INSERT, SELECT]}}
    hosts_host_id_seq: {owner: _kea, rights: {kea-lease-monitor: [USAGE]}}
    ipv6_reservations: null
    ipv6_reservations_reservation_id_seq: null
    forget: null
kept:
  description: Whether the monitor has rights that O(exclusive) would revoke.
  returned: success
  type: bool
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
from ansible_collections.baremetal.kea.plugins.module_utils._rights.ensure import ensure
from ansible_collections.baremetal.kea.plugins.module_utils._rights.target import Wanted


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login.argument_spec(),
            **session.lock_argument_spec(),
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            monitor={"type": "str", "default": "kea-lease-monitor"},
            connect={"type": "list", "elements": "str", "default": []},
            public_connect={"type": "bool", "default": False},
            dhcp6={"type": "bool", "default": False},
            exclusive={"type": "bool", "default": True},
            schema={"type": "str", "default": "public"},
        ),
        supports_check_mode=True,
    )
    params = module.params
    wanted = Wanted(present=params["state"] == "present", **{key: params[key] for key in Wanted._fields[1:]})
    try:
        with session.connect(params, readonly=module.check_mode) as database:
            result = ensure(database, wanted)
    except KeaError as error:
        module.fail_json(**error.as_result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
