#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_probe
short_description: Send one lease through Kea, its database and the lease monitor, and remove its traces
description:
  - Requests an address from the Kea of this host by real DHCP, as a client of a relay, and waits until the monitor has
    created a reservation and a discovery file for the lease. Then the lease is released, and all traces are removed.
  - Packets of DHCPv4 leave Kea's interface with its own hardware address as their destination, so no other host accepts
    them, and a switch drops them. Packets of DHCPv6 go to the interface's own link-local address and do not leave the
    host.
  - For reservations in PostgreSQL only. Removing a reservation from a file needs another reload of Kea, too much for a
    test. With leases in a file, the released one stays there until the next LFC run.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Each run sends a lease.
options:
  hwaddr:
    description:
      - Hardware address of the client. A DHCPv6 client has a DUID that is made of it (DUID-LL).
      - The module refuses it if it already has a lease, a reservation or a discovery file.
    type: str
    default: 02:4b:45:41:00:01
  subnet:
    description: The subnet to request an address from, of the family of O(path).
    type: str
    required: true
  interface:
    description: Interface for the probe. By default, the first one that Kea listens on.
    type: str
  discovery:
    description: Directory of the discovery files.
    type: path
    default: /var/lib/kea/discovery
  timeout:
    description: Longest time in seconds for each station.
    type: int
    default: 10
  path:
    description:
      - The configuration file of the server.
      - Its name tells the family, as V(/etc/kea/kea-dhcp6.conf) does. The DHCPv6 server is probed since 1.2.0.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
  event_schema:
    description: Schema of the lease events.
    type: str
    default: kea_events
seealso:
  - module: baremetal.kea.kea_verify
"""

EXAMPLES = r"""
- name: Send a lease through Kea and the monitor
  baremetal.kea.kea_probe:
    subnet: 192.0.2.0/24
    login_unix_socket: /var/run/postgresql
    login_user: _kea

- name: Send a lease through the DHCPv6 server
  baremetal.kea.kea_probe:
    path: /etc/kea/kea-dhcp6.conf
    subnet: 2001:db8:1::/64
    login_unix_socket: /var/run/postgresql
    login_user: _kea
"""

RETURN = r"""
probe:
  description: How far the lease came.
  returned: always
  type: dict
  contains:
    error:
      description: Why it did not get farther; empty on success.
      type: str
    address:
      description: The address that Kea assigned.
      type: str
    seconds:
      description: Seconds until the C(lease), the C(reservation) and the C(discovery file) existed.
      type: dict
      sample: {lease: 0.01, reservation: 0.02, discovery: 0.02}
    removed:
      description: The traces that were removed.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._verify.probe import Probe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **login.argument_spec(),
            "hwaddr": {"type": "str", "default": "02:4b:45:41:00:01"},
            "subnet": {"type": "str", "required": True},
            "interface": {"type": "str"},
            "discovery": {"type": "path", "default": "/var/lib/kea/discovery"},
            "timeout": {"type": "int", "default": 10},
            "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            "schema": {"type": "str", "default": "public"},
            "event_schema": {"type": "str", "default": "kea_events"},
        },
    )
    try:
        found = Probe(module).run()
    except KeaError as error:
        found = {"error": error.as_result()["msg"], "address": None, "seconds": {}, "removed": []}
    module.exit_json(changed=False, probe=found)


if __name__ == "__main__":
    main()
