#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_reservation_set
short_description: Write the reservations of the variables into Kea's hosts database
version_added: 1.1.0
description:
  - Brings the reservations of one family that one host of the inventory gives to exactly O(reservations), in one
    transaction.
    The role C(kea_database) uses it for the variable C(kea_reservations). For a single reservation, use
    M(baremetal.kea.kea_reservation).
  - Each row is marked in its user context with the hosts that give it. A row goes with the last of them, unless a
    person changed it meanwhile. All other rows stay, except as M(baremetal.kea.kea_reservation) describes for
    reservations of the lease monitor.
  - The mark of a row that a person had written for the same client keeps what the row said. The last host that gives it
    no longer restores that in place of removing the row. A row that already says what is given is not marked.
  - A reservation without an address keeps the address that the lease monitor gave it.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
  - baremetal.kea.postgres.locks
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  reservations:
    description:
      - Reservations with Kea's keys. Each has C(subnet-id), one of C(hw-address), C(client-id) and C(duid), and
        C(ip-address), C(hostname) or both. In DHCPv6 C(ip-addresses) is a list of one address.
    type: list
    elements: dict
    required: true
  owner:
    description: The host of the inventory whose variables give the reservations.
    type: str
    required: true
  allow_removals:
    description: Whether a reservation may go whose address is leased. If not, the module fails with a list of them.
    type: bool
    default: false
  path:
    description:
      - Kea's configuration, which tells where the leases are. With C(dhcp6) in its name, the reservations are those of
        DHCPv6.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
seealso:
  - module: baremetal.kea.kea_reservation
"""

EXAMPLES = r"""
- name: Give two machines their addresses beforehand
  baremetal.kea.kea_reservation_set:
    login_user: _kea
    owner: "{{ inventory_hostname }}"
    reservations:
      - {subnet-id: 1, hw-address: "4c:d9:8f:00:00:07", ip-address: 192.0.2.7, hostname: idrac-7}
      - {subnet-id: 1, client-id: "01:02:03", ip-address: 192.0.2.8}
  become: true
  become_user: _kea
"""

RETURN = r"""
reservations:
  description: How many reservations the host gives.
  returned: success
  type: int
  sample: 2
gave_way:
  description: Reservations of the lease monitor for other clients that were removed, because they had the address.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.7 of hw-address 02:00:00:00:00:09 in subnet 1"]
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
from ansible_collections.baremetal.kea.plugins.module_utils._reservations import given_set


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login.argument_spec(),
            **session.lock_argument_spec(),
            reservations={"type": "list", "elements": "dict", "required": True},
            owner={"type": "str", "required": True},
            allow_removals={"type": "bool", "default": False},
            path={"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            schema={"type": "str", "default": "public"},
        ),
        supports_check_mode=True,
    )
    try:
        with session.connect(module.params, readonly=module.check_mode) as database:
            result = given_set.bring(database, module.params)
    except KeaError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
