#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_database
short_description: Set a lease, hosts or config database of Kea
description:
  - Sets one database entry in a configuration file of Kea, in the words that the installed Kea understands, and the
    hook library that it needs for it.
  - For a database server, the entry lets Kea serve its clients while the server is away and reconnect by itself, unless
    the options say otherwise.
  - The file is edited, tested and swapped as M(baremetal.kea.kea_config) does it. Keys of the entry that no option
    stands for stay as they are; those of options that are not given go.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.config_file
attributes:
  check_mode:
    support: partial
    details:
      - The configuration is read and edited, but Kea is not asked to test it, because nothing is written.
      - Where Kea is not installed yet and O(kea_version) is not given, predicts for the newest version.
  diff_mode:
    support: full
    details: Values of keys named C(password) or C(secret) are masked.
  idempotent:
    support: full
  platform:
    support: full
    platforms: Debian, Ubuntu
options:
  purpose:
    description:
      - What is kept in the database.
      - There is one V(lease) database. There may be several V(hosts) (reservations) and V(config) databases, told apart
        by O(type), O(name) and, if given, O(host); a new one goes to the end of the list.
    type: str
    choices: [lease, hosts, config]
    required: true
  state:
    description: Whether the entry must be there. A hook library is never removed.
    type: str
    choices: [present, absent]
    default: present
  type:
    description: Kind of database. V(memfile) is Kea's own lease file, for O(purpose=lease) only.
    type: str
    choices: [memfile, mysql, postgresql]
    required: true
  name:
    description: Name of the database, which a database server requires; or path of the lease file.
    type: str
  host:
    description: Host name, address or directory of the Unix socket of the server. Kea's default is C(localhost).
    type: str
  port:
    description: Port of the server.
    type: int
  user:
    description: User of the database.
    type: str
  password:
    description: Password of the user. Not needed with peer authentication.
    type: str
  persist:
    description: Whether leases are written to the lease file. For V(memfile).
    type: bool
  lfc_interval:
    description: Seconds between two clean-ups of the lease file, 0 for none. For V(memfile).
    type: int
  max_row_errors:
    description: How many unreadable rows of the lease file Kea tolerates, 0 for any number. For V(memfile).
    type: int
  on_fail:
    description:
      - What Kea does while a lost database is away, and when the last try to reconnect has failed.
      - The default for a database server is V(serve-retry-continue). For V(memfile), known from Kea 3.0.4 on.
    type: str
    choices: [stop-retry-exit, serve-retry-exit, serve-retry-continue]
  retry_on_startup:
    description:
      - Whether Kea starts without the database and connects later. Known from Kea 2.6 on, and true there by default.
    type: bool
  max_reconnect_tries:
    description: How often Kea tries to reconnect, 1000000 by default for a database server.
    type: int
  reconnect_wait_time:
    description: Milliseconds between two tries, 1000 by default for a database server.
    type: int
  connect_timeout:
    description: Seconds that connecting may take.
    type: int
  read_timeout:
    description: Seconds that reading from the server may take. For V(mysql), known from Kea 2.4 on.
    type: int
  write_timeout:
    description: Seconds that writing to the server may take. For V(mysql), known from Kea 2.4 on.
    type: int
  tcp_user_timeout:
    description:
      - Seconds after which unacknowledged data break the connection. For V(postgresql), known from Kea 2.4 on.
    type: int
  readonly:
    description: Whether Kea only reads. For O(purpose=hosts).
    type: bool
  kea_version:
    description: Version of Kea that will read the file. By default, the installed server is asked.
    type: str
seealso:
  - module: baremetal.kea.kea_config
  - module: baremetal.kea.kea_schema
"""

EXAMPLES = r"""
- name: Keep leases in the lease file
  baremetal.kea.kea_database:
    purpose: lease
    type: memfile
    persist: true
    lfc_interval: 3600
  notify: Restart Kea

- name: Keep reservations in the local PostgreSQL, with peer authentication
  baremetal.kea.kea_database:
    purpose: hosts
    type: postgresql
    name: kea
    host: /var/run/postgresql
    user: _kea
  notify: Restart Kea

- name: Keep leases in a remote PostgreSQL
  baremetal.kea.kea_database:
    purpose: lease
    type: postgresql
    name: kea
    host: db.example.org
    user: kea
    password: "{{ vault_kea_password }}"
    connect_timeout: 5
  notify: Restart Kea
"""

RETURN = r"""
path:
  description: The file that was looked at, links resolved.
  returned: always
  type: str
  sample: /etc/kea/kea-dhcp4.conf
kea_version:
  description: The version of Kea that the entry was made for.
  returned: always
  type: str
  sample: 2.6.3
backup_file:
  description: Where the replaced file is kept.
  returned: when a file was replaced and O(backup=true)
  type: str
  sample: /etc/kea/kea-dhcp4.conf.4711.2026-11-21@12:00:00~
"""

import os
import stat

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._kea_config import (
    KeaConfigError,
    config_options,
    installed_version,
    top_of,
    top_of_path,
    update,
)
from ansible_collections.baremetal.kea.plugins.module_utils._kea_database import (
    HOOKS,
    KeaDatabaseError,
    drop_entry,
    entry_of,
    find_hook,
    put_entry,
    put_hook,
)
from ansible_collections.baremetal.kea.plugins.module_utils._kea_json import Document
from ansible_collections.baremetal.kea.plugins.module_utils._kea_versions import (
    Capabilities,
    KeaVersionError,
    capabilities,
    newest,
)


def installed_kea(module: AnsibleModule, top: str) -> Capabilities:
    version = module.params["kea_version"] or installed_version(module, top)
    if version:
        return capabilities(version)
    if module.check_mode:
        return newest()
    raise KeaDatabaseError("Kea is not installed, so its version is not known; install it first, or give kea_version")


def edit(module: AnsibleModule, document: Document, kea: Capabilities) -> Document:
    params, top = module.params, top_of(document)
    entry = entry_of(params, kea)
    if params["state"] == "absent":
        return drop_entry(document, top, params["purpose"], entry)
    document = put_entry(document, top, params["purpose"], entry)
    if params["type"] not in HOOKS or not kea.database_hooks:
        return document
    hook = find_hook(params["type"])
    if hook is None and not module.check_mode:
        raise KeaDatabaseError(f"Kea {kea.version} needs the hook {HOOKS[params['type']]}, which is not installed")
    return put_hook(document, top, params["type"], hook or HOOKS[params["type"]])


def warn_of_readers(module: AnsibleModule, path: str) -> None:
    """The mode of the file is its owner's decision, but a password makes it a risky one."""
    if not module.params["password"] or not os.path.exists(path):
        return
    if os.stat(path).st_mode & stat.S_IROTH and os.stat(os.path.dirname(path)).st_mode & stat.S_IXOTH:
        module.warn(f"{path} holds a password and can be read by every user of this host")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **config_options(),
            "purpose": {"type": "str", "choices": ["lease", "hosts", "config"], "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "type": {"type": "str", "choices": ["memfile", "mysql", "postgresql"], "required": True},
            "name": {"type": "str"},
            "host": {"type": "str"},
            "port": {"type": "int"},
            "user": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "persist": {"type": "bool"},
            "lfc_interval": {"type": "int"},
            "max_row_errors": {"type": "int"},
            "on_fail": {"type": "str", "choices": ["stop-retry-exit", "serve-retry-exit", "serve-retry-continue"]},
            "retry_on_startup": {"type": "bool"},
            "max_reconnect_tries": {"type": "int"},
            "reconnect_wait_time": {"type": "int"},
            "connect_timeout": {"type": "int"},
            "read_timeout": {"type": "int"},
            "write_timeout": {"type": "int"},
            "tcp_user_timeout": {"type": "int"},
            "readonly": {"type": "bool"},
            "kea_version": {"type": "str"},
        },
        supports_check_mode=True,
    )
    top = top_of_path(module.params["path"])
    try:
        kea = installed_kea(module, top)
        _before, _after, result = update(module, lambda document: edit(module, document, kea), top)
    except (KeaConfigError, KeaDatabaseError, KeaVersionError) as error:
        module.fail_json(msg=str(error))
    warn_of_readers(module, result["path"])
    module.exit_json(kea_version=kea.version, **result)


if __name__ == "__main__":
    main()
