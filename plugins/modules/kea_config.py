#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_config
short_description: Set values in a Kea DHCP configuration file
description:
  - Sets and removes single values in a configuration file of Kea's DHCP servers or of C(kea-dhcp-ddns), that may be
    written by hand. Everything outside the
    given keys stays byte for byte, such as comments, order, indentation and C(<?include?>) directives.
  - The installed Kea tests the new configuration as its own user, and then one rename replaces the file. If Kea refuses
    it, the module fails with Kea's message and changes nothing.
  - Kea does not reload the file; notify a handler for that.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
  - baremetal.kea.config_file
attributes:
  check_mode:
    support: partial
    details:
      - The configuration is read and edited, but Kea does not test it, because nothing is written.
      - It also works where Kea is not installed yet.
  diff_mode:
    support: full
    details: Values of keys named C(password) or C(secret) are masked.
  idempotent:
    support: full
options:
  settings:
    description:
      - Values by path. A path names the keys from the top of the file, separated by slashes, such as
        C(Dhcp4/interfaces-config/interfaces).
      - An element of a list is picked by its members, such as C(Dhcp4/subnet4[id=1]/valid-lifetime); it is added if
        there is none.
      - Missing maps and lists on the way are created. A value that is already equal stays, whatever its spelling.
      - A map or a list is set as a whole, but only the parts that differ are rewritten, so that comments inside stay,
        too. A list that keeps no element loses its comments.
      - 'The value C({"<?include?>": "/path"}) stands for the directive C(<?include "/path"?>), as a value or as an
        element of a list.'
    type: dict
    default: {}
  absent:
    description: Paths to remove, written as in O(settings).
    type: list
    elements: str
    default: []
  databases:
    description:
      - Database entries, each with the options of M(baremetal.kea.kea_database), such as C(purpose) and C(type). They
        are set before O(settings); Kea tests all changes together.
    type: list
    elements: dict
    default: []
    version_added: 1.1.0
  merge:
    description:
      - Values in Kea's own structure below C(Dhcp4), C(Dhcp6) or C(DhcpDdns). They are set after O(settings).
        Only what is named is set; everything else stays byte for byte, also inside a subnet or another element.
      - Subnets are found by C(id), else by C(subnet), wherever they stand, also inside shared networks. Pools are found
        by their range, C(option-data) and C(option-def) by C(code) and C(space), where a C(name) counts as its code,
        and C(option-data) also by C(client-classes), hooks by the file name of C(library), reservations by the bytes of
        their identifier, and shared networks, client classes and loggers by C(name). In C(DhcpDdns), zones
        (C(ddns-domains)) and C(tsig-keys) are found by C(name) and C(dns-servers) by C(ip-address) and C(port). Maps
        are merged key by key. Every other value is set as a whole.
      - An element that is not found is added. With C(state=absent) it is removed, which is refused as O(allow_removals)
        says. A subnet with C(state=found) is merged into only if it is there and no earlier run with this O(record)
        created it; one that a run created counts as not named.
      - Before the first merge, subnets without an C(id) get the one that Kea gave them.
    type: dict
    default: {}
    version_added: 1.1.0
  exclusive:
    description: Whether to remove the subnets and shared networks that O(merge) does not name.
    type: bool
    default: false
    version_added: 1.1.0
  allow_removals:
    description:
      - Whether O(merge) and O(exclusive) may remove what holds live leases or reservations, or what the O(record) does
        not know. If not, the module fails with a list of it, in check mode, too, and changes nothing.
      - The same holds for a subnet whose C(id) or C(subnet) would change while leases or reservations exist under it.
      - Leases are counted in Kea's lease file, or in its C(lease-database) of type C(postgresql). If that does not
        answer or is of another type, Kea's statistics count, and the list says so. They lack the leases that other
        servers wrote into a shared database since this Kea was configured.
      - Reservations are counted in the files that the subnet includes and in the databases of the configuration
        (C(hosts-databases), C(hosts-database)). Those that the O(record) knows do not count, and neither do those of
        M(baremetal.kea.kea_reservation_set) in a database.
      - A database of type C(postgresql) is asked as Kea's account, with the login of the configuration. That needs
        C(psycopg2). If it does not answer, or is of another type, the number is unknown. That counts like
        reservations.
    type: bool
    default: false
    version_added: 1.1.0
  moved_reservations:
    description:
      - Reservations that Kea has in a database once this configuration is in force. To remove the same one from a
        subnet is no removal in the sense of O(allow_removals), if the O(record) knows it.
      - Each has its C(subnet-id), its identifier and its addresses, as in M(baremetal.kea.kea_reservation_set).
    type: list
    elements: dict
    default: []
    version_added: 1.2.0
  known_ids:
    description:
      - Ids of the subnets that have none in the file, as C(gather=subnets) of M(baremetal.kea.kea_info) tells them.
      - If one of these subnets is missing here, Kea is sent C(config-get). It serves no client while it answers.
    type: list
    elements: dict
    default: []
    version_added: 1.2.0
    suboptions:
      subnet:
        description: The subnet's prefix.
        type: str
        required: true
      id:
        description: Its id.
        type: int
        required: true
  complete_reservations:
    description:
      - Whether reservations in subnets that name no address get the one that their client has.
      - Such a reservation keeps no address, and M(baremetal.kea.kea_lease_monitor) cannot add one beside it. The client
        is found by its C(hw-address) or C(client-id) in Kea's lease file, and must have one live lease in the subnet.
        With leases in a database nothing is added.
    type: bool
    default: false
    version_added: 1.1.0
  record:
    description:
      - File that records which keys O(merge) wrote and what stood there before. A key that O(merge) no longer names
        goes back to what was found, unless it was changed since.
      - A database of reservations that O(databases) added is recorded, too. It is removed once O(databases) names
        another one. A database that stood there before stays.
      - Without it, keys that O(merge) no longer names stay.
    type: path
    version_added: 1.1.0
  included:
    description:
      - Included files that may be edited, too. A file that is included more than once is not edited, nor one that
        O(merge) includes.
    type: list
    elements: path
    default: []
    version_added: 1.1.0
seealso:
  - module: baremetal.kea.kea_database
  - module: baremetal.kea.kea_reservation
"""

EXAMPLES = r"""
- name: Listen on the management network
  baremetal.kea.kea_config:
    settings:
      Dhcp4/interfaces-config:
        interfaces: [eth1]
      Dhcp4/valid-lifetime: 3600
      Dhcp4/subnet4[id=1]:
        subnet: 192.0.2.0/24
        pools:
          - pool: 192.0.2.100 - 192.0.2.200
        reservations:
          - <?include?>: /etc/kea/reservations.d/subnet-1.json
    absent:
      - Dhcp4/renew-timer
  notify: Reload Kea

- name: Lengthen the leases of a subnet that a person wrote, wherever it stands, and add a pool to it
  baremetal.kea.kea_config:
    merge:
      subnet4:
        - id: 7
          valid-lifetime: 86400
          pools:
            - pool: 198.51.100.100 - 198.51.100.199
    record: /var/lib/baremetal-kea/keys-dhcp4.json
  notify: Reload Kea
"""

RETURN = r"""
path:
  description: The configuration file, links resolved.
  returned: always
  type: str
  sample: /etc/kea/kea-dhcp4.conf
changed_paths:
  description: The given paths whose values changed.
  returned: always
  type: list
  elements: str
  sample: [Dhcp4/valid-lifetime]
gave_way:
  description:
    - Managed reservations that were removed from the files of the directory C(applied), because O(merge) or the
      configuration has a reservation for the same client or address.
  returned: when there are any
  version_added: 1.1.0
  type: list
  elements: str
  sample: [192.0.2.7 in 192.0.2.0/24 (id 1)]
returned:
  description:
    - How many copies of managed reservations were removed from each subnet with O(merge). Kea writes them into its
      configuration when it is told C(config-write), in place of the file in a directory C(applied) that it includes.
    - A copy whose client that file does not have stays, and so does one to which a person added something.
  returned: when there are any
  version_added: 1.2.0
  type: dict
  sample:
    192.0.2.0/24 (id 1): 12
completed:
  description: Addresses that reservations got with O(complete_reservations), each with its subnet.
  returned: when there are any
  version_added: 1.1.0
  type: list
  elements: str
  sample: [192.0.2.7 in 192.0.2.0/24 (id 1)]
backup_file:
  description: Where the replaced file is kept.
  returned: when a file was replaced and O(backup=true)
  type: str
  sample: /etc/kea/kea-dhcp4.conf.4711.2026-11-21@12:00:00~
kea_version:
  description: Version of Kea that the entries are written for.
  returned: with O(databases)
  version_added: 1.1.0
  type: str
  sample: 2.6.3
drop_in:
  description: As M(baremetal.kea.kea_database) returns it.
  returned: with O(databases)
  version_added: 1.1.0
  type: dict
  sample:
    path: /etc/systemd/system/kea-dhcp4-server.service.d/baremetal-kea-tls.conf
"""

from typing import Any, Dict, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._config.file import (
    Settings,
    alone,
    config_options,
    update_alone,
)
from ansible_collections.baremetal.kea.plugins.module_utils._config.database_file import Entries, validated
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.path import format_path
from ansible_collections.baremetal.kea.plugins.module_utils._config.secret import secrets_in
from ansible_collections.baremetal.kea.plugins.module_utils._config.servers import top_of_path
from ansible_collections.baremetal.kea.plugins.module_utils._host.secrets import mask_only
from ansible_collections.baremetal.kea.plugins.module_utils._server.databases import Databases
from ansible_collections.baremetal.kea.plugins.module_utils._server.merging import Merging


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **config_options(),
            "settings": {"type": "dict", "default": {}, "no_log": True},
            "absent": {"type": "list", "elements": "str", "default": []},
            "databases": {"type": "list", "elements": "dict", "default": [], "no_log": True},
            "merge": {"type": "dict", "default": {}, "no_log": True},
            "exclusive": {"type": "bool", "default": False},
            "allow_removals": {"type": "bool", "default": False},
            "moved_reservations": {"type": "list", "elements": "dict", "default": []},
            "complete_reservations": {"type": "bool", "default": False},
            "known_ids": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"subnet": {"type": "str", "required": True}, "id": {"type": "int", "required": True}},
            },
            "record": {"type": "path"},
            "included": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    params = module.params
    mask_only(module, secrets_in([params["settings"], params["databases"], params["merge"]]))
    try:
        settings = Settings(params["settings"], params["absent"])
        entries = Entries(module, validated(module, params["databases"])) if params["databases"] else None
        before, after, result = _update(module, settings, entries)
    except KeaError as error:
        module.fail_json(**error.as_result())
    changed = [format_path(path) for path in settings.differing(before, after)]
    module.exit_json(changed_paths=changed, **result)


def _update(
    module: AnsibleModule, settings: Settings, entries: Optional[Entries]
) -> Tuple[Document, Document, Dict[str, Any]]:
    merges = module.params["merge"] or module.params["record"]
    top = entries.top if entries else top_of_path(module.params["path"]) if merges else settings.top
    with alone(module):
        return _update_alone(module, settings, entries, top)


def _update_alone(
    module: AnsibleModule, settings: Settings, entries: Optional[Entries], top: str
) -> Tuple[Document, Document, Dict[str, Any]]:
    """Update the file with its lock held, and with it the record of what is ours."""
    asked = Databases(module, module.params["path"])
    merging = Merging(module.params, top, not module.check_mode, asked, entries.hosts() if entries else [])

    def edit(document: Document) -> Document:
        rest = merging.without_former(document)
        edited = entries.edit(rest) if entries else rest
        merging.note_new(rest, edited)
        return merging.edit(settings.edit(edited))

    try:
        before, after, result = update_alone(module, edit, top, merging.editable(module.params["included"]))
    except KeaError:
        merging.revert()
        raise
    merging.settle()
    if merging.completed:
        result["completed"] = merging.completed
    if merging.returned:
        result["returned"] = merging.returned
    if merging.gave_way:
        result["gave_way"] = merging.gave_way
    return before, after, entries.settle(result) if entries else result


if __name__ == "__main__":
    main()
