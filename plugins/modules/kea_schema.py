#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_schema
short_description: Create or upgrade Kea's schema in PostgreSQL or MySQL
description:
  - Runs C(kea-admin) and reads the version back afterwards, because C(kea-admin) reports success after some failures.
  - Requires that the database and this host have the same time zone, because Kea writes the ends of leases as local
    time.
  - Upgrades an older schema only with O(state=upgraded), and never changes a newer one.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
  - baremetal.kea.postgres
attributes:
  check_mode:
    support: full
    details:
      - Predicts a change if C(kea-admin) or C(psql) is not installed yet. Predicts one with a warning if the database
        cannot be reached, because an earlier task in check mode did not create it.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  type:
    description:
      - Kind of database. V(mysql) stands for MariaDB too.
      - For V(mysql), O(login_user) must be given, O(login_unix_socket) is the socket itself, the default of
        O(login_port) is C(3306), and O(ssl_mode) is one of V(disable), V(prefer), V(require) and V(verify-full).
    version_added: 1.1.0
    type: str
    choices: [postgresql, mysql]
    default: postgresql
  state:
    description:
      - V(initialized) creates the schema of the installed Kea in an empty database; an older schema is an error.
      - V(upgraded) also dumps the database and upgrades an older schema. Stop Kea before.
    type: str
    choices: [initialized, upgraded]
    default: initialized
  dump_dir:
    description:
      - Directory on the target for the dump of the database before an upgrade, in the custom format of C(pg_dump) or as
        the statements that C(mysqldump) writes.
      - The dump does not contain the state of the lease monitor (the schema C(kea_lease_monitor)). That belongs to
        another role and does not fit older leases; the monitor rebuilds it from the leases.
      - Without a complete dump there is no upgrade. Required if O(state=upgraded).
    type: path
  while_serving:
    description:
      - Whether to upgrade although a Kea still runs on this host, or still has a session with the database from any
        host under the role that logs in. A Kea whose configuration names no database may run.
    version_added: 1.1.0
    type: bool
    default: false
requirements:
  - C(kea-admin), and C(psql) and C(pg_dump), or C(mysql) and C(mysqldump), on the target
notes:
  - The role that logs in becomes the owner of the tables, so use the role that Kea uses.
  - For V(mysql), C(kea-admin) can give the password to the C(mysql) client only on its command line, where that client
    overwrites it at once.
  - Tells in the journal of the target how far it is. There, C(journalctl --follow | grep kea_schema) shows it.
  - With peer authentication, run the task as the system user of the role, for example with C(become_user=_kea).
seealso:
  - module: baremetal.kea.kea_hosts_constraint
  - module: baremetal.kea.kea_lease_notify
  - module: baremetal.kea.kea_database
"""

EXAMPLES = r"""
- name: Create Kea's schema in the local database
  baremetal.kea.kea_schema:
    login_user: _kea
  become: true
  become_user: _kea

- name: Upgrade the schema for a newly installed Kea, while Kea is stopped
  baremetal.kea.kea_schema:
    state: upgraded
    dump_dir: /var/lib/kea/dumps
    login_host: db.example.org
    login_user: kea
    login_password: "{{ vault_kea_password }}"
"""

RETURN = r"""
schema_version:
  description: Version of the schema afterwards; in check mode the one that it would have, none if that is unknown.
  returned: success
  type: str
  sample: "13.0"
previous_version:
  description: Version of the schema before, none if there was no schema.
  returned: success
  type: str
  sample: "12.0"
dump:
  description: Path of the dump that was written before the upgrade.
  returned: when the schema was upgraded
  type: str
  sample: /var/lib/kea/dumps/kea-kea-12.0-20261121T120000.dump
outdated:
  description: Whether O(state=upgraded) would help, because the schema is older than the installed Kea needs.
  returned: failure
  version_added: 1.1.0
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._postgres.login import login_argument_spec
from ansible_collections.baremetal.kea.plugins.module_utils._schema import mysql, pgsql
from ansible_collections.baremetal.kea.plugins.module_utils._schema.ensure import Upgrade, ensure
from ansible_collections.baremetal.kea.plugins.module_utils._schema.schema import Schema, UnreachableError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **login_argument_spec(),
            "type": {"type": "str", "choices": ["postgresql", "mysql"], "default": "postgresql"},
            "state": {"type": "str", "choices": ["initialized", "upgraded"], "default": "initialized"},
            "dump_dir": {"type": "path"},
            "while_serving": {"type": "bool", "default": False},
        },
        required_if=[("state", "upgraded", ["dump_dir"])],
        supports_check_mode=True,
    )
    params = module.params
    try:
        if params["type"] == "mysql":
            schema = Schema(mysql.Mysql(module, mysql.connection_of(params)))
        else:
            schema = Schema(pgsql.Pgsql(module, pgsql.connection_of(params)))
        upgrade = Upgrade(params["state"] == "upgraded", params["dump_dir"], params["while_serving"])
        result = ensure(module, schema, upgrade)
    except UnreachableError as error:
        if not module.check_mode:
            module.fail_json(**{"outdated": False, **error.as_result()})
        module.warn(f"Predicted without asking the database: {error}")
        result = {"changed": True, "schema_version": None, "previous_version": None}
    except KeaError as error:
        module.fail_json(**{"outdated": False, **error.as_result()})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
