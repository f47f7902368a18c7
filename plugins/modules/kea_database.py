#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_database
short_description: Set a lease, hosts or config database of Kea
description:
  - Sets one database entry in a configuration file of Kea, with the keys that the installed Kea knows, and adds the
    hook library that it needs.
  - For a database server, the entry lets Kea serve its clients while the server is away and reconnect by itself, unless
    the options say otherwise.
  - The file is edited, tested and replaced as by M(baremetal.kea.kea_config). Keys of the entry that have no option
    stay; keys of options that are not given are removed.
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
      - Where Kea is not installed yet and O(kea_version) is not given, predicts for the newest version.
  diff_mode:
    support: full
    details: Values of keys named C(password) or C(secret) are masked.
  idempotent:
    support: full
options:
  purpose:
    description:
      - What Kea keeps in the database.
      - There is one V(lease) database. There may be several V(hosts) (reservations) and V(config) databases. They
        are identified by O(type), O(name) and, if given, O(host). A new one is added at the end of the list.
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
    description:
      - Host name, address or directory of the Unix socket of the server. Kea's default is C(localhost).
      - For V(postgresql) also several of them with commas between, a primary and its standbys. Kea goes to the one that
        may be written to; a drop-in of systemd makes the client library skip the standbys.
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
    description: Seconds between two LFC runs, 0 for none. For V(memfile).
    type: int
  max_row_errors:
    description: How many unreadable rows of the lease file Kea tolerates, 0 for any number. For V(memfile).
    type: int
  on_fail:
    description:
      - What Kea does while its database is lost, and after the last attempt to reconnect has failed.
      - The default for a database server is V(stop-retry-exit) with O(purpose=lease). Kea sends no answers while it is
        lost, so that clients keep their addresses. A Kea that serves without its leases refuses clients that renew
        (DHCPNAK).
      - With any other O(purpose) it is V(serve-retry-continue). If the leases are in the same server, set
        V(stop-retry-exit) there, too.
      - For V(memfile), known from Kea 3.0.4 on.
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
    description: Seconds that connecting may take, to each of several hosts 3 by default.
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
      - With several hosts it is 5 by default.
    type: int
  readonly:
    description: Whether Kea only reads. For O(purpose=hosts).
    type: bool
  exclusive:
    description:
      - Whether other databases of the same O(purpose) and O(type) are removed, so that no old entry stays when O(host)
        or O(name) changes. The first of them becomes this one and keeps its position.
      - With O(state=absent), all of this O(type) are removed.
    version_added: 1.1.0
    type: bool
    default: false
  trust_anchor:
    description:
      - File with the certificates of the authorities that the server must have its certificate from; for V(mysql)
        also a directory.
      - Kea before 3.1 passes no TLS option on to PostgreSQL. There, this option and the next three except
        O(cipher_list) become the environment of Kea's unit, in a drop-in of systemd, and hold for all its connections
        to PostgreSQL over the network. An entry without TLS options leaves the drop-in as long as another such
        database uses it; O(ssl_mode=prefer) alone, which is the library's own default, takes it away.
      - For V(mysql), Kea encrypts and requests no verification. With this option the host in its configuration becomes
        C(host=NAME;ssl-verify-server-cert=1), which has MariaDB's client library verify the certificate and the name,
        and refuse a server without TLS. Refused where that library is not installed.
      - All files are checked before anything is changed, as by M(baremetal.kea.kea_certificates).
    version_added: 1.1.0
    type: path
  cert_file:
    description: File with Kea's certificate. Needs O(key_file).
    version_added: 1.1.0
    type: path
  key_file:
    description: File with its key. PostgreSQL's library wants mode C(0600), or C(0640) if it belongs to root.
    version_added: 1.1.0
    type: path
  cipher_list:
    description: Ciphers that Kea may use, as OpenSSL writes them. For V(mysql).
    version_added: 1.1.0
    type: str
  ssl_mode:
    description:
      - TLS mode, as libpq's C(sslmode). For V(postgresql).
      - With O(trust_anchor) it is V(verify-full) by default, with only a certificate V(require). Kea's own default
        would not look at the server's name.
    version_added: 1.1.0
    type: str
    choices: [disable, prefer, require, verify-ca, verify-full]
  kea_version:
    description: Version of Kea that will read the file. By default, that of the installed server.
    type: str
notes:
  - A changed drop-in takes effect after C(daemon_reload) of systemd and a restart of Kea.
seealso:
  - module: baremetal.kea.kea_certificates
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
  description: The configuration file, links resolved.
  returned: always
  type: str
  sample: /etc/kea/kea-dhcp4.conf
kea_version:
  description: Version of Kea that the entry is written for.
  returned: always
  type: str
  sample: 2.6.3
drop_in:
  description:
    - The drop-in with Kea's TLS environment for PostgreSQL; C(path), and its text C(before) and C(after), empty for
      none.
  returned: always
  version_added: 1.1.0
  type: dict
  sample:
    path: /etc/systemd/system/kea-dhcp4-server.service.d/baremetal-kea-tls.conf
    before: ""
    after: "[Service]\nEnvironment=PGSSLMODE=verify-full\nEnvironment=PGSSLROOTCERT=/etc/kea/tls/ca.pem\n"
backup_file:
  description: Where the replaced file is kept.
  returned: when a file was replaced and O(backup=true)
  type: str
  sample: /etc/kea/kea-dhcp4.conf.4711.2026-11-21@12:00:00~
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._config.file import config_options
from ansible_collections.baremetal.kea.plugins.module_utils._config.database_file import apply, entry_options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **config_options(),
            **entry_options(),
            "kea_version": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = apply(module)
    except KeaError as error:
        module.fail_json(**error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
