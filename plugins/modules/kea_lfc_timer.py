#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_lfc_timer
short_description: Install a timer for LFC runs that reports failures
description:
  - Installs a program and the units C(kea-lfc.service) and C(kea-lfc.timer), C(kea-lfc6) for DHCPv6, that clean up
    Kea's lease file (LFC). C(kea-lfc) exits with success even after a failure. The program checks the resulting files
    instead. A failed LFC run is a failed unit, with a sentence that says what to do.
  - A new or changed timer is proved by one run. If the run fails, all changes are reverted, and the module fails with
    that sentence.
  - Where the timer replaces Kea's own LFC runs, C(lfc-interval) becomes 0 and the server is restarted. The previous
    value is kept on the host, and O(state=absent) reverts to it.
author:
  - The baremetal.kea authors (@baremetal)
version_added: 1.1.0
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
  - baremetal.kea.config_file
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - With V(absent), the timer, its program and its report are removed, and Kea starts its own LFC runs as before.
    type: str
    choices: [present, absent]
    default: present
  src:
    description:
      - Directory on the controller with the command C(kea-lfc-cleanup) and the package C(kea_lfc_cleanup).
      - Required unless O(state=absent).
    type: path
  content:
    description: The content of O(src). The controller fills it in; do not set it.
    type: str
  strategy:
    description:
      - How to run the LFC; docs/lfc.md compares the strategies.
      - V(command) sends Kea the command C(kea-lfc-start), which Kea has since 3.1.2.
      - V(rotate) renames the lease file, makes Kea reload, and runs C(kea-lfc). The reload is a short pause for
        clients. On a pair it is refused, because a reload stops DHCP there.
      - V(finish) leaves the LFC runs to Kea, monitors them, and finishes an interrupted one.
      - V(auto) is V(command) if Kea can do that, else V(finish), or V(rotate) on a Kea whose own C(lfc-interval) is 0.
    type: str
    choices: [auto, command, rotate, finish]
    default: auto
  on_calendar:
    description: Times, as C(OnCalendar=) of systemd.
    type: str
    default: hourly
  interval:
    description: Time between two runs, such as V(6h); replaces O(on_calendar).
    type: str
  randomized_delay:
    description: Longest random delay of each run, so that two servers of a pair do not run the LFC at the same time.
    type: str
    default: 15min
  persistent:
    description: Whether a run that was missed while the host was off is made up for. For O(on_calendar) only.
    type: bool
    default: true
  leases:
    description:
      - Number of leases for the memory limit of the unit, which is 64 MiB plus 1 KiB for each lease.
      - With strategy V(command), C(kea-lfc) is a child of Kea and not limited.
    type: int
    default: 250000
  metrics_directory:
    description:
      - Directory of node_exporter's textfile collector. Without it, the metrics are only in C(/var/lib/kea-lfc).
      - Metrics in a previous directory, or of a removed timer, are removed.
    type: path
seealso:
  - module: baremetal.kea.kea_service
  - module: baremetal.kea.kea_info
"""

EXAMPLES = r"""
- name: Run the LFC each night
  baremetal.kea.kea_lfc_timer:
    src: "{{ role_path }}/files"
    on_calendar: "*-*-* 04:00"
    metrics_directory: /var/lib/prometheus/node-exporter

- name: Remove the timer
  baremetal.kea.kea_lfc_timer:
    state: absent
"""

RETURN = r"""
strategy:
  description: The strategy in force.
  returned: unless O(state=absent)
  type: str
  sample: finish
why:
  description: Why this strategy was chosen.
  returned: unless O(state=absent)
  type: str
  sample: "auto: Kea 2.6.3 has no kea-lfc-start, and starts an LFC run each 3600 s without a pause"
release:
  description: Name of the release, its version and a hash of its content.
  returned: unless O(state=absent)
  type: str
  sample: 1.1.0-3f2a9c1d77aa
timer:
  description: C(release), C(units), C(active) and C(enabled) afterwards.
  returned: always
  type: dict
  contains:
    release:
      description: Name of the release; null without the timer.
      type: str
      sample: 1.1.0-3f2a9c1d77aa
    units:
      description: Text of each unit file, by its path.
      type: dict
      sample: {/etc/systemd/system/kea-lfc.timer: "[Timer]..."}
    active:
      description: Whether the timer is active.
      type: bool
      sample: true
    enabled:
      description: Whether the timer starts with the host.
      type: bool
      sample: true
backup_file:
  description: Where the replaced configuration of Kea is kept.
  returned: when it was replaced and O(backup=true)
  type: str
journal:
  description: The last lines of the journal.
  returned: when the first LFC run did not succeed
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._lfc import deploy as lfc_deploy
from ansible_collections.baremetal.kea.plugins.module_utils._config.file import config_options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **config_options(),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "src": {"type": "path"},
            # Not secret, but kilobytes that do not belong in a log.
            "content": {"type": "str", "no_log": True},
            "strategy": {"type": "str", "choices": ["auto", "command", "rotate", "finish"], "default": "auto"},
            "on_calendar": {"type": "str", "default": "hourly"},
            "interval": {"type": "str"},
            "randomized_delay": {"type": "str", "default": "15min"},
            "persistent": {"type": "bool", "default": True},
            "leases": {"type": "int", "default": 250000},
            "metrics_directory": {"type": "path"},
        },
        required_if=[("state", "present", ("src", "content"))],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**lfc_deploy.deploy(module))
    except KeaError as error:
        module.fail_json(**error.as_result())


if __name__ == "__main__":
    main()
