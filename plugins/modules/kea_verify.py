#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_verify
short_description: Check whether a host with Kea and the lease monitor is as it should be
description:
  - Checks Kea and its pair, its database, the lease monitor, the LFC timer, the secret files and the manifest. For
    each it reports what was found, whether that is as it should be, and what to do about it. It changes nothing.
  - The report is shown as a table while the task runs, and also returned as RV(report).
  - Findings do not make the module fail; see RV(verdict). C(playbooks/kea_verify.yml) runs it on all hosts and fails
    after all reports.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  path:
    description: The configuration file of the server.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  leases:
    description: Where Kea's leases should be.
    type: str
    choices: [memfile, postgresql]
    default: memfile
  reservations:
    description: Where reservations should be.
    type: str
    choices: [files, postgresql]
    default: files
  timer:
    description: Whether M(baremetal.kea.kea_lfc_timer) should run the LFC.
    type: bool
    default: true
  tls:
    description: Whether the database must be reached by TLS only.
    type: bool
    default: false
  ddns:
    description:
      - Whether the names of clients should be in DNS. Then C(kea-dhcp-ddns) must run, its DNS servers must answer for
        its zones, and some names of leases are looked up there.
    version_added: 1.2.0
    type: bool
    default: false
  database:
    description:
      - RV(baremetal.kea.kea_info#module:database) of Kea's database, gathered with Kea's own login. Needed if leases
        or reservations should be there.
    type: dict
  monitor_database:
    description: The same, gathered with the monitor's login, which alone sees details of the monitor's sessions.
    type: dict
  probe:
    description: RV(baremetal.kea.kea_probe#module:probe), if a lease was sent through; otherwise C(skipped) says why
      not.
    type: dict
  kea_role:
    description: Kea's role in the database.
    type: str
    default: _kea
  monitor_role:
    description: The monitor's role in the database.
    type: str
    default: kea-lease-monitor
  subnets:
    description: Ids of the subnets in which the lease monitor should reserve addresses; by default all.
    version_added: 1.1.0
    type: list
    elements: int
  host:
    description:
      - Whether to check also what the servers of a host share, that is, the database, the lease monitor, the secret
        files and the manifest.
    version_added: 1.2.0
    type: bool
    default: true
  dhcp6:
    description: Whether changes of DHCPv6 leases in the database must become events, too.
    version_added: 1.2.0
    type: bool
    default: false
seealso:
  - module: baremetal.kea.kea_info
  - module: baremetal.kea.kea_manifest
  - module: baremetal.kea.kea_probe
"""

EXAMPLES = r"""
- name: Check a host that keeps its leases in a file
  baremetal.kea.kea_verify:
  register: kea

- name: Fail if something is wrong
  ansible.builtin.assert:
    that: kea.verdict != 'wrong'
    fail_msg: "{{ kea.report }}"
"""

RETURN = r"""
verdict:
  description: The worst of all findings.
  returned: always
  type: str
  sample: ok
findings:
  description: Results of all checks, worst first.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Subject of the check.
      type: str
      sample: trigger
    verdict:
      description: V(ok), V(warn) for what can wait until the next day, or V(wrong).
      type: str
      sample: wrong
    seen:
      description: What was found.
      type: str
      sample: "disabled: trigger; the monitor reads all leases each minute instead"
    todo:
      description: What to do about it; empty if all is well.
      type: str
      sample: run kea_deploy.yml
report:
  description: The findings as a table, line by line.
  returned: always
  type: list
  elements: str
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._config.servers import family_of, top_of_path
from ansible_collections.baremetal.kea.plugins.module_utils._server import ddns as server_ddns
from ansible_collections.baremetal.kea.plugins.module_utils._verify import report as verify_report
from ansible_collections.baremetal.kea.plugins.module_utils._verify import host
from ansible_collections.baremetal.kea.plugins.module_utils._verify.finding import Expected


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            "leases": {"type": "str", "choices": ["memfile", "postgresql"], "default": "memfile"},
            "reservations": {"type": "str", "choices": ["files", "postgresql"], "default": "files"},
            "timer": {"type": "bool", "default": True},
            "tls": {"type": "bool", "default": False},
            "ddns": {"type": "bool", "default": False},
            "database": {"type": "dict"},
            "monitor_database": {"type": "dict"},
            "probe": {"type": "dict"},
            "kea_role": {"type": "str", "default": "_kea"},
            "monitor_role": {"type": "str", "default": "kea-lease-monitor"},
            "subnets": {"type": "list", "elements": "int"},
            "host": {"type": "bool", "default": True},
            "dhcp6": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    expected = Expected(**{name: params[name] for name in Expected._fields})
    if expected.database and params["database"] is None:
        module.fail_json(msg="database is needed, because leases or reservations should be there")
    facts = dict(host.read(module, params["path"]))
    facts.update({name: params[name] for name in ("database", "monitor_database", "probe")})
    facts["ddns"] = _ddns(module, facts["config"]["control_sockets"]) if params["ddns"] else None
    findings = verify_report.judge(facts, expected)
    module.exit_json(
        changed=False,
        verdict=verify_report.worst(findings),
        findings=[finding._asdict() for finding in findings],
        report=verify_report.report(findings),
    )


def _ddns(module: AnsibleModule, sockets: Any) -> Dict[str, Any]:
    family = family_of(top_of_path(module.params["path"]))
    found: Dict[str, Any] = server_ddns.read(module, sockets, family)
    return found


if __name__ == "__main__":
    main()
