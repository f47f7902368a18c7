#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_reservation
short_description: Give a machine its address and name beforehand, or forget it
version_added: 1.1.0
description:
  - Reserves an address, a name or both for one client in a subnet, in the mode that the host is in. If the
    configuration O(path) names a PostgreSQL database in C(hosts-databases), the reservation is a row of its table
    C(hosts), and in force at once. Otherwise it is a reservation in the configuration itself, wherever the subnet
    stands.
  - A running Kea that has loaded the hook library C(libdhcp_host_cmds.so), which is in the packages of Kea 2.7.7 and
    later, also gets the reservation by command, over the unix socket that the configuration names. So it is in force at
    once, without a reload. If Kea refuses it, the files are as they were, and the module fails with Kea's words.
    Any other Kea reads it when it is restarted or reloaded; RV(in_force) tells.
  - The site decides. A reservation that the lease monitor made for the client becomes the site's, and the monitor does
    not change it any more. One that the monitor made for another client gives way if it has the address. One that a
    person wrote for another client is never touched; then the module fails.
  - The monitor learns of a reservation in the configuration by the next play. Until then, one of its own that gave way
    counts as refused in C(kea-lease-monitor status).
  - With O(state=absent) everything about the client is removed, whoever wrote the reservation. The lease monitor does
    its part by C(kea-lease-monitor forget), if it is installed. Its reservations and inventory entries of the client go
    in every subnet. Without a monitor only the reservation is removed, and leases are not looked at.
  - Run it on the Kea server. To remove a client that the monitor knows, root is needed.
  - A reservation of this module is a person's. A play does not remove it. For reservations that the play keeps, use the
    variable C(kea_reservations).
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
  - baremetal.kea.postgres.locks
  - baremetal.kea.config_file
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
    details: In the configuration, Kea does not test the change, because nothing is written. A running Kea only gets
      commands that change nothing.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: Whether the client has the reservation, or is forgotten.
    type: str
    choices: [present, absent]
    default: present
  hw_address:
    description:
      - Hardware address of the client, in any spelling. Exactly one of O(hw_address), O(client_id) and O(duid) is
        needed.
    type: str
  client_id:
    description: DHCPv4 client identifier of the client, in hex.
    type: str
  duid:
    description: DUID of the client, in hex.
    type: str
  ip_address:
    description:
      - The address. Without it, only a name is reserved, only by O(hw_address) and only in a database, where the lease
        monitor adds the address that the client leases.
    type: str
  hostname:
    description: The name that Kea gives the client. If not set, a name that the reservation has stays.
    type: str
  subnet_id:
    description: The id of the subnet. Needed only if the address does not tell the subnet, or there is none.
    type: int
  lease:
    description:
      - Whether O(state=absent) also removes the client's leases in the subnet, by the commands of Kea's hook library
        C(lease_cmds).
      - Without it, a client whose lease lives is refused, because it would come back at its next renewal.
    type: bool
    default: false
  schema:
    description: Schema of Kea's tables in the database.
    type: str
    default: public
notes:
  - Commands go to the Kea that answers on the control socket of the configuration O(path), also if that is a copy which
    no Kea reads.
  - Run by root over the unix socket without a password, the module logs in as the system user that has the name of
    O(login_user).
seealso:
  - module: baremetal.kea.kea_config
"""

EXAMPLES = r"""
- name: Give a new machine its address and name beforehand
  baremetal.kea.kea_reservation:
    hw_address: 4c:d9:8f:00:00:07
    ip_address: 192.0.2.7
    hostname: idrac-7
  register: reserved

- name: Restart Kea if it does not have the reservation yet
  baremetal.kea.kea_service:
    state: restarted
  when: not reserved.in_force

- name: Forget a machine that was scrapped, and its lease
  baremetal.kea.kea_reservation:
    hw_address: 4c:d9:8f:00:00:07
    subnet_id: 1
    state: absent
    lease: true
"""

RETURN = r"""
kept_in:
  description: Where the host keeps its reservations, V(database) or V(configuration).
  returned: success
  type: str
  sample: database
in_force:
  description:
    - Whether the running Kea has the reservation or, with O(state=absent), none of the client. One that the lease
      monitor made is left to the monitor, and does not count.
    - With V(false), RV(msg) says why. Restart Kea, or have it reload its configuration.
    - In check mode, what it would be.
  returned: success
  type: bool
  sample: true
  version_added: 1.2.0
msg:
  description: Why the reservation is not in force, and what to do.
  version_added: 1.2.0
  returned: with RV(in_force=false)
  type: str
  sample: "what /etc/kea/kea-dhcp4.conf says of hw-address 4c:d9:8f:00:00:07 in subnet 1 is not in force: Kea does not
    know the command reservation-get-page, so libdhcp_host_cmds.so is not loaded. Restart Kea, or have it reload its
    configuration"
gave_way:
  description: Reservations of the lease monitor for other clients that were removed, because they had the address.
  returned: success
  type: list
  elements: str
  sample: ["192.0.2.7 of hw-address 02:00:00:00:00:09 in subnet 1"]
forgotten:
  description: What the lease monitor removed or, in check mode, would remove.
  returned: with O(state=absent)
  type: list
  elements: str
  sample: ["192.0.2.7 subnet=1 client=4c:d9:8f:00:00:07 name=idrac-7"]
leases:
  description: Addresses whose leases were removed or, in check mode, would be removed.
  returned: with O(state=absent)
  type: list
  elements: str
  sample: [192.0.2.7]
path:
  description: The configuration file, links resolved.
  returned: with RV(kept_in=configuration)
  type: str
  sample: /etc/kea/kea-dhcp4.conf
backup_file:
  description: Where the replaced configuration is kept.
  returned: when a file was replaced and O(backup=true)
  type: str
  sample: /etc/kea/kea-dhcp4.conf.4711.2026-11-21@12:00:00~
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
from ansible_collections.baremetal.kea.plugins.module_utils._config.file import config_options
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login, session
from ansible_collections.baremetal.kea.plugins.module_utils._reservations.reservation import Reservation


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login.argument_spec(),
            **session.lock_argument_spec(),
            **config_options(),
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            hw_address={"type": "str"},
            client_id={"type": "str"},
            duid={"type": "str"},
            ip_address={"type": "str"},
            hostname={"type": "str"},
            subnet_id={"type": "int"},
            lease={"type": "bool", "default": False},
            schema={"type": "str", "default": "public"},
        ),
        mutually_exclusive=[("hw_address", "client_id", "duid")],
        required_one_of=[("hw_address", "client_id", "duid")],
        supports_check_mode=True,
    )
    try:
        reservation = Reservation(module)
        result = reservation.present() if module.params["state"] == "present" else reservation.absent()
    except KeaError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
