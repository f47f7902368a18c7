#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_info
short_description: Gather facts about Kea, its database and the lease monitor
description:
  - Reads what is on a host and changes nothing. It works before anything is installed; what is missing is null.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: Debian, Ubuntu
options:
  gather:
    description:
      - What to look at. For V(database), a session is opened with the C(login_) options; the others need none of them.
    type: list
    elements: str
    choices: [server, config, database, monitor, lfc, move, packages, clusters]
    default: [server, config, monitor, lfc]
  type:
    description: For V(database), its kind, as M(baremetal.kea.kea_schema) has it; of V(mysql) there is less to tell.
    type: str
    choices: [postgresql, mysql]
    default: postgresql
  path:
    description: The configuration file of the server.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  packages:
    description: For V(packages), their names.
    type: list
    elements: str
    default: []
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
  event_schema:
    description: Schema of the lease events.
    type: str
    default: kea_events
"""

EXAMPLES = r"""
- name: Wait until it serves
  baremetal.kea.kea_info:
    gather: [server]
  register: kea
  until: kea.server.serving
  retries: 20
  delay: 1

- name: Look at its database
  baremetal.kea.kea_info:
    gather: [database]
    login_user: _kea
  become: true
  become_user: _kea
  register: kea
"""

RETURN = r"""
server:
  description: The DHCP server.
  returned: when gathered
  type: dict
  contains:
    version:
      description: Version of Kea.
      type: str
    capabilities:
      description: What this version can do, and C(schema), the version of the database schema that it insists on.
      type: dict
    unit:
      description: C(name), C(active) and C(enabled) of the unit.
      type: dict
    outdated:
      description: Whether the file, or the unit, changed after the server started.
      type: bool
    tls_environment:
      description:
        - How the running server insists on TLS to PostgreSQL where its configuration cannot say so (before Kea 3.1), as
          libpq's variables C(PGSSLMODE), C(PGSSLROOTCERT), C(PGSSLCERT) and C(PGSSLKEY); the others are left out.
      type: dict
    ssl_mode:
      description:
        - What the running server asks for on its way to PostgreSQL over the network, as libpq's C(sslmode); of several
          connections, the weakest. Null without one, and where that cannot be seen.
        - No database server is told whether its certificate was verified; with V(verify-full) no other session exists.
      type: str
    admin:
      description: Path of C(kea-admin).
      type: str
    confined:
      description: Whether AppArmor is at work, and Kea within Debian's profile.
      type: bool
    serving:
      description: Whether the unit is active and, if there is a control socket, says there that all is well.
      type: bool
config:
  description: The configuration file, without passwords.
  returned: when gathered
  type: dict
  contains:
    path:
      description: The file.
      type: str
    error:
      description: Why the rest is missing.
      type: str
    untouched:
      description: Whether it is still the example of Debian's package.
      type: bool
    interfaces:
      description: Interfaces that the server listens on.
      type: list
    socket_type:
      description: How it listens there, V(raw) or V(udp); null for Kea's default, V(raw).
      type: str
    lease_database:
      description: The lease database, null for Kea's default, the lease file.
      type: dict
    hosts_databases:
      description: The databases of reservations.
      type: list
    config_databases:
      description: The databases of configuration.
      type: list
    hooks_libraries:
      description: The hook libraries.
      type: list
    control_sockets:
      description: The control sockets.
      type: list
database:
  description: Kea's database.
  returned: when gathered
  type: dict
  contains:
    error:
      description: Why the rest, or a part of it, is missing.
      type: str
    schema_version:
      description: Version of Kea's schema.
      type: str
    connections:
      description:
        - Every other session with the database as the server sees it; C(role), C(application), C(address) (null for
          the unix socket), C(encrypted), C(protocol), C(cipher), and the client's certificate, C(client_dn) and
          C(client_issuer_dn).
        - A client's certificate is there only if the server has verified it. What the client verified is not seen
          there; RV(server.ssl_mode) and RV(monitor.ssl_mode) tell what it asks for.
        - Of other roles' sessions, a role sees only that they are there, unless it is a superuser or a member of
          C(pg_read_all_stats).
        - Of V(mysql), the server tells of TLS only with C(performance_schema=ON) and to who may read that, and of the
          client's certificate never; what it does not tell is null.
      type: list
      elements: dict
      sample:
        - {role: kea, application: "", address: 192.0.2.7, encrypted: true, protocol: TLSv1.3,
           cipher: TLS_AES_256_GCM_SHA384, client_dn: /CN=kea, client_issuer_dn: /CN=Example CA}
    account_requires:
      description: For V(mysql), what the role that logs in must show, as in C(REQUIRE) of C(CREATE USER).
      type: str
    hosts_constraint:
      description: Definition of the constraint of M(baremetal.kea.kea_hosts_constraint).
      type: str
    lease_notify:
      description:
        - The objects of M(baremetal.kea.kea_lease_notify), null for one that is not there. Events are delivered while
          C(trigger) and C(trigger_update) are there and their C(enabled) is V(origin).
      type: dict
    lost_events:
      description: Events that could not be written since the counter was made. The monitor then reads all leases.
      type: int
    waiting_events:
      description: Rows in the event table, which the monitor prunes when every subscription has passed them.
      type: int
    oldest_event:
      description: Seconds since the oldest of them was written.
      type: float
    newest_event:
      description: Seconds since the newest of them was written.
      type: float
    notification_queue_usage:
      description: How full the notification queue of the server is, from 0 to 1. From 0.5 on, nobody is woken up.
      type: float
monitor:
  description: The lease monitor.
  returned: when gathered
  type: dict
  contains:
    release:
      description: The release in force.
      type: str
    ssl_mode:
      description: What its configuration asks for, as RV(server.ssl_mode).
      type: str
    unit:
      description: C(name), C(active) and C(enabled) of the unit.
      type: dict
    reservations:
      description: C(name), C(active) and C(enabled) of the unit that makes Kea read new reservations in files.
      type: dict
    user:
      description: C(home) and C(shell) of the user that it runs as.
      type: dict
lfc:
  description: The timer of M(baremetal.kea.kea_lfc_timer) for the server of O(path).
  returned: when gathered
  type: dict
  contains:
    service:
      description: C(name), C(active) and C(enabled) of the service.
      type: dict
    timer:
      description: C(name), C(active) and C(enabled) of the timer.
      type: dict
    last_run:
      description:
        - What the last run wrote down; times are seconds since the epoch. C(outcome) is V(cleaned), V(finished) (what
          another one had begun), V(nothing) (there was nothing to do), V(busy) (others were at work) or V(failed).
        - C(strategy), C(why), C(message), C(finished), C(seconds), C(reload_seconds), C(rows_before), C(rows_after),
          C(rows_discarded), C(bytes_before), C(bytes_after), C(last_success) and C(busy_since).
      type: dict
    traces:
      description: What is there of the timer, or was left of it, as paths; empty when there was never one.
      type: list
      elements: str
move:
  description: What M(baremetal.kea.kea_lease_move) remembers.
  returned: when gathered
  type: dict
  contains:
    unfinished:
      description: C(source), C(target) and C(backup) of a move that was interrupted.
      type: dict
    error:
      description: Why it cannot be read.
      type: str
packages:
  description: What to install of O(packages).
  returned: when gathered
  type: dict
  contains:
    missing:
      description: Those that are not installed.
      type: list
      elements: str
    automatic:
      description: Those that are installed because another package wants them, and go with it.
      type: list
      elements: str
clusters:
  description: PostgreSQL's clusters on this host, with C(version), C(name), C(port) and C(online); null without any
    server of Debian's.
  returned: when gathered
  type: list
  elements: dict
  sample:
    - version: "17"
      name: main
      port: 5432
      online: true
"""

from typing import Any, Callable, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._host import clusters as host_clusters
from ansible_collections.baremetal.kea.plugins.module_utils._host import packages as host_packages
from ansible_collections.baremetal.kea.plugins.module_utils import _info
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import session
from ansible_collections.baremetal.kea.plugins.module_utils._server import state as server_state
from ansible_collections.baremetal.kea.plugins.module_utils._schema.mysql_database import mysql_database


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **session.argument_spec(),
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": ["server", "config", "database", "monitor", "lfc", "move", "packages", "clusters"],
                "default": ["server", "config", "monitor", "lfc"],
            },
            "type": {"type": "str", "choices": ["postgresql", "mysql"], "default": "postgresql"},
            "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "schema": {"type": "str", "default": "public"},
            "event_schema": {"type": "str", "default": "kea_events"},
        },
        supports_check_mode=True,
    )
    params = module.params
    look: Dict[str, Callable[[], Any]] = {
        "server": lambda: server_state.server(module, params["path"]),
        "config": lambda: _info.config_file(module, params["path"]),
        "database": lambda: mysql_database(module) if params["type"] == "mysql" else _info.database(params),
        "monitor": lambda: _info.monitor(module),
        "lfc": lambda: _info.lfc(module, params["path"]),
        "move": _info.move,
        "packages": lambda: host_packages.packages(module, params["packages"]),
        "clusters": lambda: host_clusters.clusters(module),
    }
    module.exit_json(changed=False, **{name: look[name]() for name in params["gather"]})


if __name__ == "__main__":
    main()
