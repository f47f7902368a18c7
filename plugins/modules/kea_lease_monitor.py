#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_lease_monitor
short_description: Install a release of the lease monitor and put it in force
description:
  - Installs the lease monitor as a release that is named after its content, changes the link to the release in force,
    restarts the unit and checks that the daemon is healthy.
  - If it is not healthy in time, the previous release is put in force again and started, and the task fails with the
    last lines of the journal.
  - Nothing is restarted if the requested release is in force and runs.
  - The unit C(kea-lease-monitor.service), its user and its configuration are created by the role
    C(baremetal.kea.kea_lease_monitor).
extends_documentation_fragment:
  - baremetal.kea.attributes
  - baremetal.kea.attributes.host
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
      - With V(present), the release is in force and healthy, and the unit starts with the host.
      - With V(staged), it is installed but not in force, so that a configuration can be tested with it.
      - With V(previous), the release before the last deployed one is in force again, with its configuration and the
        state that it knows. It is refused where its leases came from another source.
      - With V(absent), the unit is stopped and disabled and all releases are removed; its configuration and state stay.
    type: str
    choices: [present, staged, previous, absent]
    default: present
  src:
    description:
      - Directory on the controller with the launcher C(kea_lease_monitor.py), the command C(kea-lease-monitor) and
        the package C(kea_lease_monitor).
      - Required with O(state=present) and O(state=staged).
    type: path
  content:
    description:
      - The content of O(src). The controller fills it in; do not set it.
    type: str
  root:
    description: Directory of the releases.
    type: path
    default: /opt/baremetal
  config:
    description: The configuration of the daemon, also used for the health check.
    type: path
    default: /etc/kea-lease-monitor/config.yml
  files:
    description:
      - Other files that the daemon depends on, such as its unit. They and O(config) are saved when a release is
        healthy, and reverted with it.
    version_added: 1.1.0
    type: list
    elements: path
    default: []
  reservations_directory:
    description:
      - The directory of the reservations that Kea includes. Former releases of the monitor wrote there, too. When a
        release is put in force, the files of the monitor move to the directory that O(config) names.
    version_added: 1.1.0
    type: path
    default: /etc/kea/reservations.d
  restart:
    description: Restart the unit even if the release is in force already, because its configuration or unit changed.
    type: bool
    default: false
  timeout:
    description: Seconds that the daemon has to become healthy.
    type: int
    default: 30
author:
  - The baremetal.kea authors (@baremetal)
seealso:
  - module: baremetal.kea.kea_info
"""

EXAMPLES = r"""
- name: Install the monitor without putting it in force
  baremetal.kea.kea_lease_monitor:
    src: "{{ role_path }}/files"
    state: staged
  register: staged

- name: Test a configuration with the installed release
  ansible.builtin.command:
    cmd: "{{ staged.directory }}/kea-lease-monitor check-config --config /etc/kea-lease-monitor/config.yml"
  changed_when: false

- name: Put the release in force
  baremetal.kea.kea_lease_monitor:
    src: "{{ role_path }}/files"
"""

RETURN = r"""
release:
  description: Name of the release, its version and a hash of its content.
  returned: unless O(state=absent)
  type: str
  sample: 1.0.0-3f2a9c1d77aa
directory:
  description: Directory of the release.
  returned: with O(src)
  type: str
  sample: /opt/baremetal/releases/1.0.0-3f2a9c1d77aa
monitor:
  description: State of the host afterwards.
  returned: always
  type: dict
  contains:
    current:
      description: The release in force.
      type: str
    releases:
      description: All releases.
      type: list
      elements: str
    links:
      description: Links to the program that are correct.
      type: list
      elements: str
    active:
      description: Whether the unit runs.
      type: bool
    enabled:
      description: Whether the unit starts with the host.
      type: bool
journal:
  description: The last lines of the journal.
  returned: when the release was not healthy
  type: list
  elements: str
"""

from typing import Any, Dict, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._monitor.service import Monitor
from ansible_collections.baremetal.kea.plugins.module_utils._host.release import release_name, unpack

State = Dict[str, Any]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "staged", "previous", "absent"], "default": "present"},
            "src": {"type": "path"},
            # Not secret, but tens of kilobytes that do not belong in a log.
            "content": {"type": "str", "no_log": True},
            "root": {"type": "path", "default": "/opt/baremetal"},
            "config": {"type": "path", "default": "/etc/kea-lease-monitor/config.yml"},
            "files": {"type": "list", "elements": "path", "default": []},
            "reservations_directory": {"type": "path", "default": "/etc/kea/reservations.d"},
            "restart": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
        },
        required_if=[("state", "present", ("src", "content")), ("state", "staged", ("src", "content"))],
        supports_check_mode=True,
    )
    monitor = Monitor(module)
    before = monitor.state()
    try:
        changed, after, result = _bring(module, monitor, before)
    except KeaError as error:
        module.fail_json(**error.as_result())
    after = after if module.check_mode else monitor.state()
    module.exit_json(changed=changed, monitor=after, diff={"before": before, "after": after}, **result)


def _bring(module: AnsibleModule, monitor: Monitor, before: State) -> Tuple[bool, State, Dict[str, str]]:
    """Bring the monitor to the state asked for.

    Returns whether that changed anything, the monitor's expected state afterwards, and further return values. Raises
    KeaError.
    """
    state = module.params["state"]
    if state == "absent":
        return monitor.absent(), {"current": None, "releases": [], "links": [], "active": False, "enabled": False}, {}
    if state == "previous":
        changed, name = monitor.previous()
        return changed, dict(before, current=name, active=True), {"release": name}
    files = unpack(module.params["content"])
    name = release_name(files)
    result = {"release": name, "directory": f"{module.params['root']}/releases/{name}"}
    after = dict(before, releases=sorted({*before["releases"], name}))
    if state == "staged":
        return monitor.stage(name, files), after, result
    changed = monitor.present(name, files, module.params["restart"])
    return changed, dict(after, current=name, active=True, enabled=True), result


if __name__ == "__main__":
    main()
