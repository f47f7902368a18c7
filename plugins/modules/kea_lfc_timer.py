#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_lfc_timer
short_description: A timer that cleans Kea's lease file up and tells the truth about it
description:
  - Installs a small program and the units C(kea-lfc.service) and C(kea-lfc.timer), C(kea-lfc6) for DHCPv6, that clean
    up the file in which Kea keeps its leases. C(kea-lfc) ends with success whatever happened; the program believes its
    files only, and a failed clean-up is a failed unit with one sentence that says what to do.
  - A new or changed timer is proved by one run. If that does not succeed, everything is as it was before, and the
    module fails with that sentence.
  - Where the strategy takes Kea's own clean-up over, C(lfc-interval) becomes 0 and the server is restarted; what was
    found is kept on the host, and restored by O(state=absent).
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.config_file
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: Debian, Ubuntu
options:
  state:
    description:
      - With V(absent), the timer, its program and its report are removed, and Kea cleans up by itself as before.
    type: str
    choices: [present, absent]
    default: present
  src:
    description:
      - Directory on the controller with the command C(kea-lfc-cleanup) and the package C(kea_lfc_cleanup).
      - Required unless O(state=absent).
    type: path
  content:
    description: The content of O(src). It is filled in on the controller; leave it alone.
    type: str
  strategy:
    description:
      - How to clean up; docs/lfc.md tells what each costs.
      - V(command) asks Kea for C(kea-lfc-start), which it knows from 3.1.2 on.
      - V(rotate) renames the lease file, has Kea reload, and runs C(kea-lfc). The reload is a short pause for clients.
      - V(finish) leaves the clean-up to Kea, watches it, and finishes what was interrupted.
      - V(auto) is V(command) if Kea can do that, else V(finish), or V(rotate) on a Kea whose own C(lfc-interval) is 0.
    type: str
    choices: [auto, command, rotate, finish]
    default: auto
  on_calendar:
    description: When, as C(OnCalendar=) of systemd.
    type: str
    default: hourly
  interval:
    description: So long after the last one, such as V(6h), in place of O(on_calendar).
    type: str
  randomized_delay:
    description: Up to so much later each time, so that two servers of a pair do not clean up at once.
    type: str
    default: 15min
  persistent:
    description: Whether a clean-up that was missed while the host was off is made up for. For O(on_calendar) only.
    type: bool
    default: true
  leases:
    description:
      - How many leases the memory limit of the unit must be enough for; the limit is 64 MiB and 1 KiB for each.
      - With strategy V(command), C(kea-lfc) is a child of Kea and not limited.
    type: int
    default: 250000
  metrics_directory:
    description:
      - Where node_exporter's textfile collector reads. Without it, the metrics are only in C(/var/lib/kea-lfc).
      - Those in a former directory, or of a removed timer, are removed.
    type: path
seealso:
  - module: baremetal.kea.kea_service
  - module: baremetal.kea.kea_info
"""

EXAMPLES = r"""
- name: Clean the lease file up each night
  baremetal.kea.kea_lfc_timer:
    src: "{{ role_path }}/files"
    on_calendar: "*-*-* 04:00"
    metrics_directory: /var/lib/prometheus/node-exporter

- name: Leave it to Kea again
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
  description: Why this one.
  returned: unless O(state=absent)
  type: str
  sample: "auto: Kea 2.6.3 has no kea-lfc-start, and cleans up by itself each 3600 s without a pause"
release:
  description: Name of the release, its version and a hash of its content.
  returned: unless O(state=absent)
  type: str
  sample: 1.1.0-3f2a9c1d77aa
timer:
  description: C(release), C(units), C(active) and C(enabled) afterwards.
  returned: always
  type: dict
backup_file:
  description: Where the replaced configuration of Kea is kept.
  returned: when it was replaced and O(backup=true)
  type: str
journal:
  description: The last lines of the journal.
  returned: when the first clean-up did not succeed
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
            # Not secret, but kilobytes that nobody wants in a log.
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
