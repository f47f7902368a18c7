#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kea_service
short_description: Start, restart or reload a Kea server, never during an LFC run
description:
  - A Kea that is started or reloaded while C(kea-lfc) works on its lease file has no leases and serves no client. So
    this module holds the lock that the timer of M(baremetal.kea.kea_lfc_timer) also takes, and waits until LFC runs
    that Kea started have finished.
  - It returns once the server serves. If there is a control socket, the server must answer there and have its leases.
  - A server that is half of a pair (C(libdhcp_ha)) is restarted or reloaded only while its partner serves the clients
    of both. The module has the partner take over before, and returns once both are in their normal states. It ends
    a maintenance that a killed play left.
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
    support: partial
    details: With O(state=restarted) and O(state=reloaded) it always restarts or reloads the server.
options:
  path:
    description: The configuration file of the server. Its name also selects the server for DHCPv4 or DHCPv6.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  state:
    description:
      - With V(started), the server runs.
      - With V(restarted), it is also restarted if it runs already.
      - With V(reloaded), a server that runs reads its configuration again (C(config-reload)). The unit's environment
        and certificates of the database need a restart.
      - With V(handed_over), the partner of a server that is half of a pair serves the clients of both, so that
        something else may restart or stop the server, such as an upgrade of its packages. That is so for a standby,
        too, because its partner would wait for it at each lease. V(started) ends that, and waits until both servers are
        in their normal states. Without a pair, and for a server that does not run, it does nothing.
        V(handed_over) was added in version 1.2.0.
    type: str
    choices: [started, restarted, reloaded, handed_over]
    default: started
  enabled:
    description: Whether the server must also start with the host; V(false) leaves that as it is.
    type: bool
    default: true
    version_added: 1.1.0
  timeout:
    description:
      - Seconds from the start of the server until it must serve. Waiting for an LFC run is not included.
      - The module fails earlier if the server ends and systemd has restarted it three times.
    type: int
    default: 60
seealso:
  - module: baremetal.kea.kea_lfc_timer
"""

EXAMPLES = r"""
- name: Restart Kea with its new configuration
  baremetal.kea.kea_service:
    state: restarted
"""

RETURN = r"""
unit:
  description: Name of the unit.
  returned: always
  type: str
  sample: kea-dhcp4-server.service
pair:
  description: What a person should know about the pair; empty without a pair, and if it is in its normal states.
  returned: always
  type: list
  elements: str
  sample: ["the partner does not answer (timed out): no server serves until this one is back"]
  version_added: 1.1.0
"""

from typing import List, Optional, Tuple

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host.systemd import Unit
from ansible_collections.baremetal.kea.plugins.module_utils._server.service import RELOAD, KeaService


VERBS = {"started": None, "restarted": "restart", "reloaded": RELOAD}
"""What each state does with a server that runs."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/kea/kea-dhcp4.conf"},
            "state": {"type": "str", "choices": [*VERBS, "handed_over"], "default": "started"},
            "enabled": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    service = KeaService(module, module.params["path"])
    unit = service.unit()
    try:
        if module.params["state"] == "handed_over":
            changed, said = service.hand_over(not module.check_mode)
        else:
            changed, said = _run(module, service, unit)
    except KeaError as error:
        module.fail_json(**error.as_result())
    for words in said:
        module.warn(words)
    module.exit_json(changed=changed, unit=unit.name if unit else None, pair=said)


def _run(module: AnsibleModule, service: KeaService, unit: Optional[Unit]) -> Tuple[bool, List[str]]:
    """Return whether that changes something, and sentences for a person. Raises KeaError."""
    verb = VERBS[module.params["state"]] if unit and unit.active else "start"
    enables = module.params["enabled"] and not (unit and unit.enabled)
    said: List[str] = []
    if not module.check_mode:
        said = service.run(verb, module.params["timeout"])
        if enables:
            service.enable()
    return verb is not None or enables, said


if __name__ == "__main__":
    main()
