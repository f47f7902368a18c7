# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts from Kea's reservations and leases. All that reads, joins and names them is in plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kea
short_description: Hosts from the leases and reservations of ISC Kea
description:
  - Reads the clients of Kea from PostgreSQL, from Kea's control channel or from discovery files of the lease monitor.
  - Each client becomes one host. Text from clients, for example their host names, is never a template.
  - The name of the configuration file must end in C(.kea.yml) or C(.kea.yaml).
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.postgres
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: Marks the file as a configuration of this plugin.
    type: str
    required: true
    choices: [baremetal.kea.kea]
  source:
    description:
      - Where the clients come from.
      - V(postgresql) is Kea's database. It needs the C(login_) options.
      - V(control) is the control channel, by HTTP or HTTPS. It needs the C(control_) options.
    type: str
    required: true
    choices: [postgresql, control, directory]
  login_password:
    description: Password of O(login_user). Can be a template or encrypted with Ansible Vault.
    type: str
    default: ''
    env:
      - name: KEA_LOGIN_PASSWORD
  ca_cert:
    description: File on the controller with the certificate authority that must have signed the server's certificate.
    type: path
  ssl_cert:
    description: File on the controller with the client certificate.
    type: path
  ssl_key:
    description: File on the controller with the key of O(ssl_cert).
    type: path
  schema:
    description: Schema of Kea's tables.
    type: str
    default: public
  control_url:
    description:
      - URL of the control channel of DHCPv4, that is, of kea-ctrl-agent or of the HTTP socket of kea-dhcp4 3.0.
      - It must not hold a login. Proxies of the environment are not used.
    type: str
    default: ''
  control_url6:
    description: The same for DHCPv6. With kea-ctrl-agent, it is the same URL.
    type: str
    default: ''
  control_username:
    description: User for HTTP basic authentication. Empty for none.
    type: str
    default: ''
  control_password:
    description: Password of O(control_username). Can be a template or encrypted with Ansible Vault.
    type: str
    default: ''
    env:
      - name: KEA_CONTROL_PASSWORD
  control_timeout:
    description: Seconds to wait for an answer.
    type: int
    default: 30
  control_validate_certs:
    description: Whether to check the certificate of the server.
    type: bool
    default: true
  control_ca_cert:
    description: File with the certificate authority that must have signed the server's certificate.
    type: path
  control_client_cert:
    description: File with the client certificate, if the server asks for one.
    type: path
  control_client_key:
    description: File with the key of O(control_client_cert).
    type: path
  directory:
    description:
      - Directory with discovery files, read together with its sub-directories. A relative path starts at the
        directory of the configuration file.
      - The playbook C(baremetal.kea.kea_inventory) gathers the files of all servers into such a directory.
    type: str
    default: ''
  group:
    description: Group that all hosts of this source are in. Empty for none.
    type: str
    default: bmc_targets
  hostname:
    description:
      - Template of a host's name. It can use all variables of the host that the plugin sets.
      - By default, the name is that of the reservation or of the lease.
      - Either way, the result is reduced to lower-case letters, digits, dots, dashes and underscores. A name that is
        empty, reserved or taken is replaced by one made of the hardware address, for example C(bmc-020000000001).
    type: str
    default: ''
  prefer:
    description: Family of C(ansible_host), for a machine that has leases, or else reservations, of both families.
    type: str
    choices: [ipv4, ipv6]
    default: ipv4
    version_added: 1.2.0
  records:
    description: What to read. For discovery files, V(leases) stands for all.
    type: list
    elements: str
    choices: [leases, reservations]
    default: [leases, reservations]
  subnets:
    description: IDs of the DHCPv4 subnets wanted. All by default; 0 is for reservations outside any subnet.
    type: list
    elements: int
  subnets6:
    description: IDs of the DHCPv6 subnets wanted. All by default.
    type: list
    elements: int
  lease_states:
    description:
      - States of the leases wanted. A client stays if it has a reservation, whatever the state of its lease.
      - Discovery files keep no state, so each counts as V(assigned).
    type: list
    elements: str
    choices: [assigned, expired, declined, reclaimed, released, registered, unknown]
    default: [assigned]
  hwaddr_prefixes:
    description:
      - Beginnings of the hardware addresses wanted, in whole octets, for example V(d0:94:66). All by default.
      - A client of which no hardware address is known matches none.
    type: list
    elements: str
  confirmed:
    description:
      - V(true) leaves out the clients that are not confirmed, V(false) leaves only them. All by default.
      - A client is confirmed if a person reserved an address for it, or if its lease was acknowledged again at least
        half a lifetime after the first time. One of which that is not known counts as confirmed.
    type: bool
    version_added: 1.2.0
requirements:
  - psycopg2 2.8 or later, with O(source=postgresql)
notes:
  - docs/inventory.md explains variables, names, security and speed.
seealso:
  - module: baremetal.kea.kea_lease_monitor
  - module: baremetal.kea.kea_reservation
  - name: The inventory of a site
    description: Variables of a host, names, security and speed.
    link: https://github.com/baremetal/baremetal.kea/blob/main/docs/inventory.md
"""

EXAMPLES = r"""
---
# machines.kea.yml: all clients with a lease or a reservation, from the database
plugin: baremetal.kea.kea
source: postgresql
login_host: db.example.org
login_user: inventory
login_password: "{{ lookup('ansible.builtin.env', 'INVENTORY_PASSWORD') }}"
ssl_mode: verify-full
ca_cert: /etc/ssl/site-ca.pem

# Or the BMCs of one vendor in two subnets, over the control channel, in a group for each subnet:
# plugin: baremetal.kea.kea
# source: control
# control_url: https://dhcp1.example.org:8000/
# control_username: inventory
# control_ca_cert: /etc/ssl/site-ca.pem # the password is in the environment: KEA_CONTROL_PASSWORD
# subnets: [1, 2]
# hwaddr_prefixes: ["d0:94:66"]
# hostname: "idrac-{{ bmc_mac | replace(':', '') }}"
# keyed_groups:
#   - prefix: subnet
#     key: kea_subnet_id | string
# compose:
#   redfish_url: "'https://' ~ ansible_host"
# groups:
#   reserved: kea_reserved

# Or the files that the playbook kea_inventory gathered:
# plugin: baremetal.kea.kea
# source: directory
# directory: kea_inventory
"""

import os
import time
from typing import Any, Dict, List

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.group import to_safe_group_name
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_clients as clients
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_names as names
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_records as records
from ansible_collections.baremetal.kea.plugins.plugin_utils import _inventory_sources as sources
from ansible_collections.baremetal.kea.plugins.plugin_utils._inventory_trust import untrusted

FILE_NAMES = (".kea.yml", ".kea.yaml")
FAMILIES = {"ipv4": 4, "ipv6": 6}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads the records, has the helpers join them into clients, and adds these to the inventory."""

    NAME = "baremetal.kea.kea"

    @staticmethod
    def _sanitize_group_name(name: str) -> str:
        """Return a valid name of a group, whatever a site allows in others: a client may have chosen it."""
        return str(to_safe_group_name(name, force=True, silent=True))

    def verify_file(self, path: str) -> bool:
        """Return whether a file is a configuration of this plugin."""
        return super().verify_file(path) and path.endswith(FILE_NAMES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add the hosts of the source that C(path) describes. Raises AnsibleParserError."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            self._add(self._clients(self._records(path, cache)))
        except KeaError as error:
            raise AnsibleParserError(f"{path}: {error.as_result()['msg']}") from error

    def _records(self, path: str, cache: bool) -> List[records.Record]:
        """Return all records. They come from the cache if it has them and C(cache) allows its use."""
        params = self._params(path)
        if not params["cache"]:
            return sources.read(params, self.display.warning)
        key = f"{self.get_cache_key(path)}_{sources.cache_key(params)}"
        if cache and key in self._cache:
            return records.restored(self._cache[key])
        found = sources.read(params, self.display.warning)
        self._cache[key] = records.stored(found)
        return found

    def _params(self, path: str) -> Dict[str, Any]:
        """Return the options, with templates and relative paths resolved."""
        params = dict(self.get_options())
        for name in ("login_password", "control_password"):
            params[name] = self._resolved(path, name, params[name])
        if params["directory"]:
            given = os.path.expanduser(os.path.expandvars(params["directory"]))
            params["directory"] = os.path.join(os.path.dirname(os.path.abspath(path)), given)
        return params

    def _resolved(self, path: str, name: str, value: str) -> str:
        try:
            return str(self.templar.template(value))
        except AnsibleError:
            # The cause is left out: it quotes the option, which may hold the password itself.
            raise AnsibleParserError(f"{path}: the template in {name} fails") from None

    def _clients(self, found: List[records.Record]) -> List[clients.Client]:
        """Return the clients that the filters leave."""
        prefixes = self.get_option("hwaddr_prefixes")
        filters = clients.Filters(
            kinds=self.get_option("records"),
            subnets=self.get_option("subnets"),
            subnets6=self.get_option("subnets6"),
            states=self.get_option("lease_states"),
            prefixes=None if prefixes is None else clients.prefixes("hwaddr_prefixes", prefixes),
            confirmed=self.get_option("confirmed"),
        )
        return clients.filtered(clients.grouped(found), filters, time.time())

    def _add(self, wanted: List[clients.Client]) -> None:
        group = self.get_option("group") or None
        if group:
            group = self.inventory.add_group(self._sanitize_group_name(group))
        now = time.time()
        family = FAMILIES[self.get_option("prefer")]
        variables = [untrusted(clients.variables(client, now, family)) for client in wanted]
        wishes = [self._wish(client, values) for client, values in zip(wanted, variables)]
        for name, values in zip(names.assigned(wishes, self._is_taken), variables):
            host = self.inventory.add_host(name, group)
            # Not inventory.set_variable: that marks where each value is from, which takes as long as all the rest.
            added = self.inventory.hosts[host]
            for variable, value in values.items():
                added.set_variable(variable, value)
            self._construct(host, values)

    def _wish(self, client: clients.Client, variables: Dict[str, Any]) -> names.Wish:
        """Return the name that a client is to have: by the template, if there is one and it succeeds."""
        template = self.get_option("hostname")
        if not template:
            return names.Wish(client, *clients.hostname(client))
        self.templar.available_variables = variables
        try:
            return names.Wish(client, str(self.templar.template(template)), False)
        except AnsibleError as error:
            if self.get_option("strict"):
                raise AnsibleParserError(f"hostname fails for {names.derived(client)}: {error}") from error
            return names.Wish(client, "", False)

    def _is_taken(self, name: str, client: clients.Client) -> bool:
        """Return whether another source has a group, or a host of another machine, of this name."""
        host = self.inventory.hosts.get(name)
        is_other = host is not None and clients.key_in(host.vars) != client.key
        return is_other or name in self.inventory.groups

    def _construct(self, host: str, variables: Dict[str, Any]) -> None:
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict)
