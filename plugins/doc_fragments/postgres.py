# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules for PostgreSQL: the connection, and how long to wait for a lock."""

from __future__ import annotations


class ModuleDocFragment:
    # The connection. The names are those of community.postgresql, so that module_defaults work for both.
    DOCUMENTATION = r"""
options:
  login_user:
    description: The role to log in as.
    type: str
    default: postgres
  login_password:
    description: The password of O(login_user). Not needed with peer authentication.
    type: str
    default: ''
  login_host:
    description:
      - Host name or address of the server. Empty for the local Unix socket.
      - Several names separated by commas are a primary and its standbys; the one that accepts changes is used.
    type: str
    default: ''
  login_unix_socket:
    description: Directory of the Unix socket, used while O(login_host) is empty or V(localhost).
    type: str
    default: ''
  login_port:
    description: Port of the server.
    type: int
    default: 5432
  login_db:
    description: Kea's database.
    type: str
    default: kea
  ssl_mode:
    description: How much TLS to require, as libpq's C(sslmode).
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: File on the target with the certificate authority that must have signed the server's certificate.
    type: path
  ssl_cert:
    description: File on the target with the client certificate.
    type: path
  ssl_key:
    description: File on the target with the key of O(ssl_cert).
    type: path
"""

    # For the modules that open a session of their own.
    SESSION = r"""
options:
  connect_params:
    description:
      - Further libpq parameters, for example C(target_session_attrs). They win over the options above.
      - Secrets are refused here, because Ansible shows the value of this option.
    type: dict
    default: {}
  session_role:
    description: Role to switch to (C(SET ROLE)) after logging in. O(login_user) must be a member of it.
    type: str
requirements:
  - psycopg2 2.8 or later on the target (C(python3-psycopg2) on Debian)
notes:
  - With peer authentication, run the task as the system user of the role, for example with C(become_user=postgres).
"""

    LOCKS = r"""
options:
  lock_timeout:
    description:
      - Milliseconds that one attempt may wait for a lock. While a change of the table waits, Kea's statements wait for
        that change, so this is also the longest time that one of them waits.
    type: int
    default: 250
  lock_retries:
    description:
      - How many attempts follow the first one if a lock was not granted, for changes as well as for reading.
        Kea's statements run between two attempts.
    type: int
    default: 20
"""
