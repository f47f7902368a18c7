#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_info
short_description: Gather facts about Kea, its database and the lease monitor
description:
  - Reads what is on a host and changes nothing. It also works before anything is installed; what is missing is null.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  gather:
    description:
      - What to read. V(database) opens a session with the C(login_) options; the others do not use them.
      - V(subnets) and V(variables) send C(config-get) to Kea, and V(subnets) reads the leases. Kea answers that in the
        thread that serves clients, so do not gather them in a loop. V(pair) sends it to both servers of a pair.
      - V(subnets) also counts the leases and reservations in the databases of Kea's configuration that are
        PostgreSQL's, with the login that stands there, and as Kea's account. That needs C(psycopg2).
    type: list
    elements: str
    choices:
      - server
      - config
      - subnets
      - pair
      - reservations
      - variables
      - database
      - monitor
      - lfc
      - move
      - packages
      - packaging
      - upgrade
      - preflight
      - changes
      - clusters
    default: [server, config, monitor, lfc]
  type:
    description: Kind of the V(database), as in M(baremetal.kea.kea_schema); V(mysql) reports less.
    version_added: 1.1.0
    type: str
    choices: [postgresql, mysql]
    default: postgresql
  path:
    description: The configuration file of the server.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  packages:
    description: For V(packages), their names in Debian.
    version_added: 1.1.0
    type: list
    elements: str
    default: []
  packaging:
    description:
      - For V(packaging) and V(upgrade), the packaging to use; by default the one that is installed, or else the
        system's own.
    version_added: 1.1.0
    type: str
    choices: [debian, isc, rhel]
  packaging_names:
    description:
      - For V(packaging), V(upgrade) and V(server), names that replace those of the packaging, by the keys C(packages),
        C(unit), C(user), C(program), C(lease_file), C(hook_directory) and C(profile).
    version_added: 1.1.0
    type: dict
    default: {}
  release:
    description: For V(upgrade), the release that packages come from, as apt knows it; empty for what apt prefers.
    version_added: 1.2.0
    type: str
    default: ""
  connect:
    description: For V(preflight), the database servers to connect to, each as C(host:port).
    version_added: 1.1.0
    type: list
    elements: str
    default: []
  resolve:
    description:
      - For V(preflight), names that must resolve. Those of C(hosts-databases) in the configuration are added.
    version_added: 1.2.0
    type: list
    elements: str
    default: []
  inputs:
    description:
      - For V(changes), the digest of what a deployment would start from (P(baremetal.kea.deployment_inputs#filter)).
    version_added: 1.2.0
    type: str
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
- name: Wait until Kea serves
  baremetal.kea.kea_info:
    gather: [server]
  register: kea
  until: kea.server.serving
  retries: 20
  delay: 1

- name: Read Kea's database
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
      description: Capabilities of this version, and C(schema), the version of the database schema that it requires.
      type: dict
      sample: {version: 2.6.3, schema: "22.2", retry_on_startup: true, database_hooks: false, lfc_start: false}
    unit:
      description: C(name), C(active) and C(enabled) of the unit.
      type: dict
      sample:
        name: kea-dhcp4-server.service
        active: true
        enabled: true
    listening:
      description:
        - Whether the server listens on its interfaces, as its command C(status-get) tells. C(status) is V(ready),
          V(retrying) or V(failed), and C(errors) names the interfaces. Null if Kea does not answer.
      version_added: 1.1.0
      type: dict
      sample:
        status: ready
        errors: []
    pair_state:
      description: State of the server in its pair. Null without a pair, and if Kea does not answer.
      type: str
      sample: hot-standby
      version_added: 1.2.0
    outdated:
      description: Whether the file, or the unit, changed after the server started.
      type: bool
    changed_files:
      description: The configuration and the files that it includes, as far as they changed after the server started.
      version_added: 1.2.0
      type: list
      elements: str
    edited_files:
      description:
        - Those of C(changed_files) that a person edited after the last deployment and that the running server has not
          read, so that a restart would bring the edit into force. Only what is certain is listed. A file of which the
          last deployment left no record is not, nor one with other reservations only.
      type: list
      elements: str
      version_added: 1.2.0
    tls_environment:
      description:
        - TLS settings of the running server for PostgreSQL that its configuration cannot contain (before Kea 3.1), as
          libpq's variables C(PGSSLMODE), C(PGSSLROOTCERT), C(PGSSLCERT) and C(PGSSLKEY); other variables are left out.
      version_added: 1.1.0
      type: dict
      sample: {PGSSLMODE: verify-full, PGSSLROOTCERT: /etc/kea/tls/ca.pem}
    ssl_mode:
      description:
        - TLS mode of the running server for PostgreSQL over the network, as libpq's C(sslmode); the weakest of several
          connections. Null without such a connection, or if it cannot be read.
        - A database server does not learn whether its certificate was verified; with V(verify-full) every session has
          verified it.
      version_added: 1.1.0
      type: str
    hooks:
      description: Directory of Kea's hooks; null if they are not installed.
      version_added: 1.1.0
      type: str
    reservation_hook:
      description: Path of the installed hook C(libdhcp_host_cmds.so); null without it, or if this Kea cannot load it.
      version_added: 1.2.0
      type: str
    admin:
      description: Path of C(kea-admin).
      version_added: 1.1.0
      type: str
    confined:
      description: Whether AppArmor is active, so that Debian's profile confines Kea.
      version_added: 1.1.0
      type: bool
    serving:
      description: Whether the unit is active and, if there is a control socket, the server answers there with success.
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
      description: Whether it is still the example from Debian's package.
      version_added: 1.1.0
      type: bool
    interfaces:
      description: Interfaces that the server listens on.
      type: list
      elements: str
      sample: [eth0]
    socket_type:
      description: Type of its sockets, V(raw) or V(udp); null for Kea's default, V(raw).
      version_added: 1.1.0
      type: str
    lease_database:
      description: The lease database, null for Kea's default, the lease file.
      type: dict
      sample: {type: postgresql, host: /var/run/postgresql, name: kea, user: _kea}
    hosts_databases:
      description: The databases of reservations.
      type: list
      elements: dict
      sample:
        - {type: postgresql, host: /var/run/postgresql, name: kea, user: _kea}
    config_databases:
      description: The databases of configuration.
      type: list
      elements: dict
      sample: []
    hooks_libraries:
      description: The hook libraries.
      type: list
      elements: dict
      sample:
        - {library: /usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_lease_cmds.so}
    loggers:
      description: The loggers.
      version_added: 1.2.0
      type: list
      elements: dict
      sample:
        - {name: kea-dhcp4, severity: INFO}
    control_sockets:
      description: The control sockets.
      type: list
      elements: dict
      sample:
        - {socket-type: unix, socket-name: /run/kea/kea4-ctrl-socket}
    dhcp_ddns:
      description: The map C(dhcp-ddns), which says whether the server sends names to D2.
      version_added: 1.2.0
      type: dict
      sample: {enable-updates: true}
    recorded:
      description: Whether a deployment recorded the file in the manifest; null if the manifest cannot be read.
      version_added: 1.2.0
      type: bool
    directory:
      description: Owner and mode of its directory; null if there is none.
      version_added: 1.2.0
      type: dict
      sample: {owner: _kea, mode: "0750"}
    interfaces_config:
      description: The map C(interfaces-config).
      version_added: 1.1.0
      type: dict
      sample: {interfaces: [eth0]}
    keys:
      description: Keys of the map at the top.
      version_added: 1.1.0
      type: list
      elements: str
    included:
      description: Files that it includes and that are below its directory, except those with managed reservations.
      version_added: 1.1.0
      type: list
      elements: str
subnets:
  description:
    - Every subnet that Kea serves or that its files define. A subnet without a file comes from a configuration backend,
      or from a file that cannot be read.
  returned: when gathered
  version_added: 1.1.0
  type: list
  elements: dict
  contains:
    id:
      description: Its id; where the files have none, the one that Kea gave it.
      type: int
    has_id:
      description: Whether the files name the id.
      type: bool
    subnet:
      description: Its prefix.
      type: str
    shared_network:
      description: Name of its shared network.
      type: str
    pools:
      description: The ranges of its pools.
      type: list
      elements: str
    pool_classes:
      description: The client classes of each pool, by its range.
      type: dict
      sample: {192.0.2.100 - 192.0.2.199: [bmc]}
    pd_pools:
      version_added: 1.2.0
      description:
        - The pools of prefixes that a DHCPv6 server delegates, with C(prefix) and C(delegated_len). Empty for DHCPv4.
      type: list
      elements: dict
      sample:
        - {prefix: "2001:db8:100::/40", delegated_len: 56}
    relay:
      description: Addresses of its relays; those of its shared network if it has none of its own.
      type: list
      elements: str
    reservation_settings:
      description:
        - Its own settings that decide about reservations, such as C(reservations-global), C(reservation-mode) and
          C(store-extended-info).
      type: dict
      sample: {reservations-out-of-pool: true}
    reservation_scopes:
      description:
        - All settings that decide about its reservations, the nearest place first. Each has C(place), such as
          C(shared network hall-a), and C(settings).
      type: list
      elements: dict
      sample:
        - {place: shared network hall-a, settings: {reservations-global: false}}
    reservation_obstacle:
      description:
        - The setting, and its place, under which reservations of the lease monitor do nothing in this subnet; empty if
          there is none.
      type: str
      sample: "reservations-out-of-pool: true in Dhcp4"
    uses_global_reservations:
      description: Whether it uses the reservations outside all subnets (C(reservations-global)).
      type: bool
    site_reservations:
      description:
        - The reservations that the site wrote into this subnet and, if the subnet uses them, outside all subnets. Each
          has C(kind), such as V(hw-address), C(identifier) in hexadecimal digits, C(address) and C(hostname); what it
          does not name is empty. Managed reservations and those in databases are not among them.
      type: list
      elements: dict
      sample:
        - {kind: hw-address, identifier: 525400a1b2c3, address: 192.0.2.7, hostname: bmc-7}
    reservations:
      description:
        - Number of its reservations in the configuration, in the files that it includes and in the databases of Kea's
          configuration. Null if that is not known, such as with a database of type C(mysql).
      type: int
    managed_reservations:
      description: Number of its managed reservations in files that it includes; null if one cannot be read.
      type: int
      version_added: 1.2.0
    database_reservations:
      description:
        - Its reservations in the databases of Kea's configuration, which are among RV(subnets[].reservations).
          C(managed) are those with the mark of the lease monitor, C(given) those of the variable C(kea_reservations),
          and C(others) the site's. Null if one of the databases does not tell.
      type: dict
      version_added: 1.2.0
      sample: {managed: 12, given: 1, others: 3}
    reservation_files:
      description: Files with reservations that it includes and that are not edited.
      type: list
      elements: str
    leases:
      description: Number of its live leases; null if that is not known.
      type: int
    leases_source:
      description:
        - Where that number comes from. V(file) and V(database) are all leases of Kea's lease database.
        - V(statistics) are Kea's own, where its leases are in a database that does not answer or is not of type
          C(postgresql), or in memory only. They lack the leases that other servers wrote into a shared database since
          this Kea was configured.
        - Null if the number is not known.
      type: str
      sample: file
      version_added: 1.2.0
    file:
      description: The file that defines it.
      type: str
    line:
      description: The line in that file.
      type: int
    editable:
      description: Whether M(baremetal.kea.kea_config) may add reservations to it.
      type: bool
    left_out:
      description:
        - Whether it cannot include the files of the lease monitor. Then it has managed reservations in a database only.
      type: bool
      version_added: 1.2.0
    served:
      description: Whether the running Kea serves it with this id; null if Kea does not answer.
      type: bool
pair:
  description:
    - The pair (C(libdhcp_ha)) of which the server is half; null if it is in none. Of a server that does not answer, the
      configuration file and the partner tell.
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    mode:
      description: Mode of the pair.
      type: str
      sample: hot-standby
    role:
      description: Role of this server.
      type: str
      sample: primary
    state:
      description: State of this server; null if it does not answer.
      type: str
      sample: hot-standby
    scopes:
      description: Names of the servers whose clients it serves.
      type: list
      elements: str
    in_touch:
      description: Whether the partner answered its last heartbeat.
      type: bool
    unacked:
      description: Clients that the partner left without an answer while the servers cannot reach each other.
      type: int
    partner:
      description: Name of the partner.
      type: str
    url:
      description: URL of the partner.
      type: str
    partner_state:
      description: State that the partner reports; null if it does not answer.
      type: str
    partner_scopes:
      description: Names of the servers whose clients the partner serves.
      type: list
      elements: str
    clock_difference:
      description: Seconds by which the partner's clock is ahead. The pair ends (V(terminated)) beyond 60.
      type: float
    subnets_differ:
      description: A phrase for each subnet in which the servers differ; null if the partner does not tell.
      type: list
      elements: str
    error:
      description: Why the partner does not answer.
      type: str
reservations:
  description:
    - The reservations that the site wrote into Kea's configuration, and into the databases of reservations that Kea
      reads. Kea is not asked for them.
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    site:
      description: As C(site_reservations) in RV(subnets), each with its C(subnet).
      type: list
      elements: dict
      sample:
        - {subnet: 1, kind: hw-address, identifier: 525400a1b2c3, address: 192.0.2.7, hostname: bmc-7}
    databases:
      description: The databases of reservations in the configuration, in Kea's order, read with Kea's access.
      version_added: 1.2.0
      type: list
      elements: dict
      contains:
        type:
          description: Kind of the database. Only PostgreSQL is read.
          type: str
          sample: postgresql
        name:
          description: Its name.
          type: str
          sample: dhcp
        host:
          description: Its host, or the directory of its unix socket.
          type: str
          sample: db.site.example
        port:
          description: Its port; 0 if the configuration names none.
          type: int
          sample: 5432
        reservations:
          description:
            - Those that the lease monitor did not make; null if they are not known. The subnet 0 stands for all subnets
              that use reservations outside of subnets. The address of one is empty where it has none, or none that
              is an address.
          type: list
          elements: dict
          sample:
            - {subnet: 1, kind: hw-address, identifier: "52:54:00:a1:b2:c3", address: 192.0.2.7}
        error:
          description: Why they are not known, or which of them cannot be used.
          type: str
          sample: only PostgreSQL is asked
    global_subnets:
      description: Ids of the subnets that use the reservations outside all subnets.
      type: list
      elements: int
    defined_subnets:
      description: Ids of the subnets that the files define.
      type: list
      elements: int
      version_added: 1.2.0
    left_out_subnets:
      description: Ids of those that are left out, see C(left_out) in RV(subnets).
      type: list
      elements: int
      version_added: 1.2.0
variables:
  description: The configuration file of the server as variables of the playbook C(kea_deploy.yml), without secrets.
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    values:
      description:
        - The variables by name. A map with the key C(<?include?>) stands for an include that cannot be edited, one with
          the key C(<?secret?>) for a secret that is to be read from the variable with that name.
      type: dict
      sample: {kea_dhcp4_interfaces: [eth0], kea_dhcp4_settings: {valid-lifetime: 3600}}
    secrets:
      description: The C(variable) and the C(path) of each secret, which a person sets.
      type: list
      elements: dict
      contains:
        variable:
          description: The variable that a person sets.
          type: str
          sample: kea_db_password
        path:
          description: Place of the secret in the configuration.
          type: str
          sample: Dhcp4/lease-database/password
    notes:
      description: What the variables do not reproduce, and why.
      type: list
      elements: str
    error:
      description: Why the rest is missing.
      type: str
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
        - Every other session with the database as the server reports it; C(role), C(application), C(address) (null for
          the unix socket), C(encrypted), C(protocol), C(cipher), and the client's certificate, C(client_dn) and
          C(client_issuer_dn).
        - A client's certificate is shown only if the server has verified it. The server does not know what the client
          verified; see RV(server.ssl_mode) and RV(monitor.ssl_mode).
        - A role sees no details of other roles' sessions, unless it is a superuser or a member of
          C(pg_read_all_stats).
        - A V(mysql) server reports TLS only with C(performance_schema=ON) and to roles that may read that schema, and
          never the client's certificate; unknown values are null.
      version_added: 1.1.0
      type: list
      elements: dict
      sample:
        - {role: kea, application: "", address: 192.0.2.7, encrypted: true, protocol: TLSv1.3,
           cipher: TLS_AES_256_GCM_SHA384, client_dn: /CN=kea, client_issuer_dn: /CN=Example CA}
    account_requires:
      description: For V(mysql), what the role that logs in must provide, as in C(REQUIRE) of C(CREATE USER).
      version_added: 1.1.0
      type: str
    hosts_constraint:
      description: Definition of the constraint of M(baremetal.kea.kea_hosts_constraint).
      type: str
    rights:
      description: The objects of M(baremetal.kea.kea_database_rights), each with its owner and its rights by role.
      version_added: 1.1.0
      type: dict
      sample:
        hosts: {owner: _kea, rights: {kea-lease-monitor: [INSERT, SELECT]}}
        forget: null
    lease_notify:
      description:
        - The objects of M(baremetal.kea.kea_lease_notify), null for a missing one. Events are delivered while
          C(trigger) and C(trigger_update) exist and their C(enabled) is V(origin).
      type: dict
      sample:
        trigger: {definition: CREATE TRIGGER ..., enabled: origin}
        event_schema: {owner: _kea, rights: {kea-lease-monitor: [USAGE]}}
    lost_events:
      description: Events that could not be written since the counter was created. The monitor then reads all leases.
      type: int
    waiting_events:
      description: Rows in the event table; the monitor prunes them once every subscription has passed them.
      type: int
    oldest_event:
      description: Seconds since the oldest of them was written.
      version_added: 1.1.0
      type: float
    newest_event:
      description: Seconds since the newest of them was written.
      version_added: 1.1.0
      type: float
    notification_queue_usage:
      description: How full the notification queue of the server is, from 0 to 1. From 0.5 on, no notifications are
        sent.
      version_added: 1.1.0
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
      description: TLS mode in its configuration, as RV(server.ssl_mode).
      version_added: 1.1.0
      type: str
    told_of_databases:
      description:
        - What the last deployment told it of reservations in databases of the site, each with the C(database) that had
          it. While a database does not answer, this stays what the monitor knows of it.
      version_added: 1.2.0
      type: list
      elements: dict
      sample:
        - {subnet: 1, kind: hw-address, identifier: "52:54:00:a1:b2:c3", address: 192.0.2.7, name: "",
           database: postgresql dhcp at db.site.example}
    unit:
      description: C(name), C(active) and C(enabled) of the unit.
      type: dict
      sample:
        name: kea-lease-monitor.service
        active: true
        enabled: true
    reservations:
      description: C(name), C(active) and C(enabled) of the service that has Kea use reservations in files.
      version_added: 1.1.0
      type: dict
      sample:
        name: kea-reservations.service
        active: true
        enabled: true
    former_applier:
      description: The same of the unit that started that service in former releases.
      version_added: 1.1.0
      type: dict
      sample:
        name: kea-reservations.path
        active: false
        enabled: false
    user:
      description: C(home) and C(shell) of the user that it runs as.
      version_added: 1.1.0
      type: dict
      sample: {home: /var/lib/kea-lease-monitor, shell: /usr/sbin/nologin}
lfc:
  description: The timer of M(baremetal.kea.kea_lfc_timer) for the server of O(path).
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    service:
      description: C(name), C(active) and C(enabled) of the service.
      type: dict
      sample:
        name: kea-lfc.service
        active: false
        enabled: false
    timer:
      description: C(name), C(active) and C(enabled) of the timer.
      type: dict
      sample:
        name: kea-lfc.timer
        active: true
        enabled: true
    last_run:
      description:
        - Report of the last run; times are seconds since the epoch. C(outcome) is V(cleaned), V(finished) (a run that
          was interrupted), V(nothing) (nothing to do), V(busy) (another process worked on the file) or V(failed).
        - C(strategy), C(why), C(message), C(finished), C(seconds), C(reload_seconds), C(rows_before), C(rows_after),
          C(rows_discarded), C(bytes_before), C(bytes_after), C(last_success) and C(busy_since).
      type: dict
      sample: {outcome: cleaned, strategy: finish, finished: 1795246000.5, rows_before: 1200, rows_after: 300}
    traces:
      description: Paths that belong to the timer, or that it left; empty if there was never one.
      type: list
      elements: str
move:
  description: What M(baremetal.kea.kea_lease_move) recorded.
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    unfinished:
      description: C(source), C(target) and C(backup) of a move that was interrupted.
      type: dict
      sample:
        source: memfile /var/lib/kea/kea-leases4.csv
        target: postgresql kea at /var/run/postgresql
        backup: /etc/kea/kea-dhcp4.conf.4711.2026-11-21@12:00:00~
    error:
      description: Why it cannot be read.
      type: str
packages:
  description: State of O(packages).
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    names:
      description: Their names on this host; EL has other ones for some.
      version_added: 1.1.0
      type: list
      elements: str
    format:
      description: V(deb) or V(rpm).
      version_added: 1.1.0
      type: str
    wanted:
      description: Packages to install or to mark, that is, the missing and the automatic ones.
      version_added: 1.1.0
      type: list
      elements: str
    missing:
      description: Packages that are not installed.
      type: list
      elements: str
    automatic:
      description: Packages that are installed only because another package needs them, and are removed with it.
      type: list
      elements: str
    unlisted:
      description: Missing packages that the package lists of the host do not have; the lists must be fetched first.
      version_added: 1.1.0
      type: list
      elements: str
packaging:
  description: The names of Kea on this host.
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    name:
      description: V(debian), V(isc) or V(rhel).
      type: str
    format:
      description: V(deb) or V(rpm).
      type: str
    packages:
      description: Packages of the server that reads O(path), and its tools.
      type: list
      elements: str
    unit:
      description: Unit of that server, without its suffix.
      type: str
    user:
      description: User that Kea runs as, and name of its group.
      type: str
    program:
      description: Program of that server.
      type: str
    lease_file:
      description: Lease file of that server.
      type: str
    hook_directory:
      description: Pattern of the directory of the hooks.
      type: str
    profile:
      description: Name of the AppArmor profile of that server; empty for none.
      type: str
    selinux:
      version_added: 1.2.0
      description: Packages with which Ansible sets rules of SELinux; empty where the play sets none.
      type: list
      elements: str
    missing:
      description: As RV(packages.missing), for its C(packages); so are C(automatic), C(unlisted) and C(wanted).
      type: list
      elements: str
    error:
      description: Why the rest is missing.
      type: str
upgrade:
  description: What an upgrade of the packages of the server of O(path) would bring, by the present package lists.
  returned: when gathered
  version_added: 1.2.0
  type: dict
  contains:
    newer:
      description: Installed packages of which there is another version.
      type: list
      elements: str
    installed:
      description: Version of the server that is installed; null if none is.
      type: str
    offered:
      description: Version of the server that an upgrade installs.
      type: str
      sample: 3.0.3
    needs_schema:
      description: Whether that version needs another schema of the PostgreSQL database that the server uses.
      type: bool
    error:
      description: Why the rest is not known.
      type: str
preflight:
  description: Facts that decide whether a deployment can succeed. What cannot be found out is null.
  returned: when gathered
  version_added: 1.1.0
  type: dict
  contains:
    system:
      description: C(id), C(like), C(version) and C(name) as in os-release(5), and whether C(systemd) manages the host.
      type: dict
      sample: {id: debian, like: [], version: "13", name: Debian GNU/Linux 13 (trixie), systemd: true}
    disks:
      description: C(free) bytes, C(free_inodes) and C(read_only) of the file systems of each C(directory) written to.
      type: list
      elements: dict
      sample:
        - {directory: /var/lib/kea, free: 8589934592, free_inodes: 1000000, read_only: false}
    dhcp_sockets:
      description: UDP sockets at the ports 67 and 547, with C(address), C(device), C(program) and C(pid).
      type: list
      elements: dict
      sample:
        - {port: 67, address: 192.0.2.1, device: eth0, program: kea-dhcp4, pid: 4711}
    interfaces:
      description:
        - Each network interface with C(name), whether it is C(up), and whether it has its C(link) and a C(link_local)
          IPv6 address; and its C(addresses) (since 1.2.0).
      type: list
      elements: dict
      sample:
        - {name: eth0, up: true, link: true, link_local: true, addresses: [192.0.2.1, "fe80::1"]}
    time_synchronized:
      description: Whether the clock is synchronised.
      type: bool
    groups:
      description: The groups of the host.
      type: list
      elements: str
    firewall:
      description:
        - Each C(chain) of nftables that drops incoming packets which no rule accepts, and the ports that its rules
          accept, with C(protocol), C(first) and C(last). Null where rules are not simple.
      type: list
      elements: dict
      sample:
        - {chain: inet filter input, accepted: [{protocol: udp, first: 67, last: 67}]}
    firewall_unread:
      version_added: 1.2.0
      description: Why rules of the firewall could not be judged; empty if there is nothing to tell.
      type: str
      sample: nftables, chain inet filter input, has a rule with a jump, a set or a map
    firewalld:
      version_added: 1.2.0
      description:
        - The C(zones) of firewalld, and the ports that any of them has C(admitted), with C(protocol), C(first) and
          C(last); null where its rules cannot be read. Null where it does not run.
      type: dict
      sample: {zones: [public, trusted], admitted: [{protocol: tcp, first: 22, last: 22}]}
    selinux:
      version_added: 1.2.0
      description: Whether SELinux is enabled.
      type: bool
    servers:
      description: Whether each of O(connect) was C(resolved), and the C(error) of the connection, empty for none.
      type: list
      elements: dict
      sample:
        - {host: db1.example.org, port: 5432, resolved: true, error: ""}
    unresolved:
      version_added: 1.2.0
      description: Those of O(resolve), and of the hosts of C(hosts-databases), that do not resolve.
      type: list
      elements: str
changes:
  description:
    - What changed on the host since its last deployment, as far as a deployment looks at it. That a server is restarted
      counts, and so does each change of a package or of an account of the system.
  returned: when gathered
  version_added: 1.2.0
  type: dict
  contains:
    deployed:
      description: When the last deployment finished, in seconds since the epoch; null before the first.
      type: int
      sample: 1795246000
    known:
      description: Whether that is known. It is not before a deployment, and after one that did not finish.
      type: bool
    same_inputs:
      description: Whether the deployment started from the same O(inputs).
      type: bool
    changed:
      description: What changed, as keys of the manifest (M(baremetal.kea.kea_manifest)) and similar ones.
      type: list
      elements: str
      sample: ["file:/etc/kea/kea-dhcp4.conf", "packages:all"]
    databases:
      description: The databases of this host in which definitions, roles or rights changed.
      type: list
      elements: str
      sample: ["database:5432/kea"]
    error:
      description: Why it is not known.
      type: str
clusters:
  description: PostgreSQL's clusters on this host, with C(version), C(name), C(port) and C(online); null if
    postgresql-common is not installed.
  returned: when gathered
  version_added: 1.1.0
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

from ansible_collections.baremetal.kea.plugins.module_utils._config import packagings
from ansible_collections.baremetal.kea.plugins.module_utils._host import clusters as host_clusters
from ansible_collections.baremetal.kea.plugins.module_utils._host import packages as host_packages
from ansible_collections.baremetal.kea.plugins.module_utils import _info
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login
from ansible_collections.baremetal.kea.plugins.module_utils._server import kea_account, pair_facts as server_pair
from ansible_collections.baremetal.kea.plugins.module_utils._server import served as server_served
from ansible_collections.baremetal.kea.plugins.module_utils._server import subnets as server_subnets
from ansible_collections.baremetal.kea.plugins.module_utils._server import variables as server_variables
from ansible_collections.baremetal.kea.plugins.module_utils._server.databases import Databases
from ansible_collections.baremetal.kea.plugins.module_utils._schema.mysql_database import mysql_database


_GATHERED = (
    *("server", "config", "subnets", "pair", "reservations", "variables", "database", "monitor", "lfc", "move"),
    *("packages", "packaging", "upgrade", "preflight", "changes", "clusters"),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **login.argument_spec(),
            "gather": {
                "type": "list",
                "elements": "str",
                "choices": list(_GATHERED),
                "default": ["server", "config", "monitor", "lfc"],
            },
            "type": {"type": "str", "choices": ["postgresql", "mysql"], "default": "postgresql"},
            "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            "packages": {"type": "list", "elements": "str", "default": []},
            "packaging": {"type": "str", "choices": list(packagings.NAMES)},
            "packaging_names": {"type": "dict", "default": {}},
            "release": {"type": "str", "default": ""},
            "connect": {"type": "list", "elements": "str", "default": []},
            "resolve": {"type": "list", "elements": "str", "default": []},
            # Passwords are among what it is a digest of.
            "inputs": {"type": "str", "no_log": True},
            "schema": {"type": "str", "default": "public"},
            "event_schema": {"type": "str", "default": "kea_events"},
        },
        supports_check_mode=True,
    )
    params = module.params
    once, databases = server_served.Once(params["path"]), Databases(module, params["path"])
    look: Dict[str, Callable[[], Any]] = {
        "server": lambda: _info.server(module, params["path"], params["packaging_names"].get("hook_directory", "")),
        "config": lambda: _info.config_file(module, params["path"]),
        "subnets": lambda: server_subnets.subnets(params["path"], once, databases),
        "pair": lambda: server_pair.pair(params["path"], kea_account.of(module, params["path"]), once),
        "reservations": lambda: server_subnets.site_reservations(
            params["path"], Databases(module, params["path"]).hosts
        ),
        "variables": lambda: server_variables.variables(params["path"], once),
        "database": lambda: mysql_database(module) if params["type"] == "mysql" else _info.database(params),
        "monitor": lambda: _info.monitor(module, params["path"]),
        "lfc": lambda: _info.lfc(module, params["path"]),
        "move": lambda: _info.move(params["path"]),
        "packages": lambda: host_packages.packages(module, params["packages"]),
        "packaging": lambda: _info.packaging(
            module, params["path"], params["packaging"] or "", params["packaging_names"]
        ),
        "upgrade": lambda: _info.upgrade(module, params),
        "preflight": lambda: _info.preflight(module, params),
        "changes": lambda: _info.changes(module, params["inputs"]),
        "clusters": lambda: host_clusters.clusters(module),
    }
    module.exit_json(changed=False, **{name: look[name]() for name in params["gather"]})


if __name__ == "__main__":
    main()
