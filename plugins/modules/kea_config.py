#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_config
short_description: Set values in a Kea DHCP configuration file
description:
  - Sets and removes single values in a configuration file of Kea that may be written by hand. Everything outside the
    given keys stays byte for byte, such as comments, order, indentation and C(<?include?>) directives.
  - The installed Kea tests the new configuration as its own user, and then one rename replaces the file. If Kea refuses
    it, the module fails with Kea's message and changes nothing.
  - Kea does not reload the file; notify a handler for that.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
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
  platform:
    support: full
    platforms: Debian, Ubuntu
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
backup_file:
  description: Where the replaced file is kept.
  returned: when a file was replaced and O(backup=true)
  type: str
  sample: /etc/kea/kea-dhcp4.conf.4711.2026-11-21@12:00:00~
kea_version:
  description: Version of Kea that the entries are written for.
  returned: with O(databases)
  type: str
  sample: 2.6.3
drop_in:
  description: As M(baremetal.kea.kea_database) returns it.
  returned: with O(databases)
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._config.file import (
    Settings,
    config_options,
    update,
)
from ansible_collections.baremetal.kea.plugins.module_utils._config.database_file import Entries, validated
from ansible_collections.baremetal.kea.plugins.module_utils._config.path import format_path
from ansible_collections.baremetal.kea.plugins.module_utils._config.secret import secrets_in
from ansible_collections.baremetal.kea.plugins.module_utils._host.secrets import mask_only


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **config_options(),
            "settings": {"type": "dict", "default": {}, "no_log": True},
            "absent": {"type": "list", "elements": "str", "default": []},
            "databases": {"type": "list", "elements": "dict", "default": [], "no_log": True},
        },
        supports_check_mode=True,
    )
    mask_only(module, secrets_in([module.params["settings"], module.params["databases"]]))
    try:
        settings = Settings(module.params["settings"], module.params["absent"])
        if module.params["databases"]:
            entries = Entries(module, validated(module, module.params["databases"]))
            before, after, result = update(module, lambda found: settings.edit(entries.edit(found)), entries.top)
            result = entries.settle(result)
        else:
            before, after, result = update(module, settings.edit, settings.top)
    except KeaError as error:
        module.fail_json(**error.as_result())
    changed = [format_path(path) for path in settings.differing(before, after)]
    module.exit_json(changed_paths=changed, **result)


if __name__ == "__main__":
    main()
