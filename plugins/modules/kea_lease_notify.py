#!/usr/bin/python
# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kea_lease_notify
short_description: Write lease events from Kea's tables in PostgreSQL
description:
  - Turns every change of a DHCPv4 lease in Kea's database, and of a DHCPv6 lease on request, into an event that the
    lease monitor reads. A trigger on C(lease4) (C(lease6)) writes one row to C(lease_event) in a schema of its own and
    wakes listeners on the channel C(kea_lease_events).
  - The trigger does not disturb Kea. It catches every error and counts it in the sequence C(lease_event_lost); each
    session of Kea logs a warning about that at most every ten seconds. It does not wait for a session that locks the
    event table. It sends no notification while the notification queue of the server is filling up.
  - Compares all objects with the catalogue, each with its definition, owner and rights, and corrects every difference.
    All statements run in one transaction under O(lock_timeout), so a change is made completely or not at all. If they
    lock both C(lease4) and C(lease6), each may take half of that time.
  - Works with the schemas 13.0 (Kea 2.2) to 34.0 (Kea 3.2), and stays in place when C(kea-admin db-upgrade) runs.
    Tested with PostgreSQL 15 and 13.0, with PostgreSQL 17 and 22.2 and 29.0 as Debian's Kea creates them, and with the
    changes of these tables up to 34.0 made by hand, because Debian has no Kea 3.2 yet.
  - Before the first change, and in check mode too, the module fails if the role lacks a right, a role does not exist or
    the server is a standby. Of two runs in one database the second waits up to a minute for the first to end.
author:
  - The baremetal.kea authors (@baremetal)
extends_documentation_fragment:
  - baremetal.kea.postgres
  - baremetal.kea.postgres.session
  - baremetal.kea.postgres.locks
  - baremetal.kea.attributes
attributes:
  check_mode:
    support: full
    details: Only reads, with the locks of a reader, in a session in which the server refuses changes.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
requirements:
  - PostgreSQL 13 or later
options:
  state:
    description:
      - V(present) creates missing objects and corrects the others. Columns that are missing at the end of the event
        table are added. A table with another definition, or with a foreign index, trigger, rule or policy, is created
        again with the events that it holds, because each of these may refuse an event.
      - V(absent) removes the objects and leaves C(lease4) and C(lease6) as Kea created them. The event schema stays if
        it holds other objects.
    type: str
    choices: [present, absent]
    default: present
  lease6:
    description:
      - Whether changes of DHCPv6 leases are events, too. They are rows of the same table; those of DHCPv4 leave the
        columns C(duid), C(iaid), C(lease_type), C(prefix_len) and C(pref_lifetime) NULL.
      - If not, the objects of this module on C(lease6) are removed.
    type: bool
    default: false
    version_added: 1.1.0
  schema:
    description: Schema of Kea's tables. The trigger function is created there.
    type: str
    default: public
  event_schema:
    description:
      - Schema of the event table and the counter, created by this module. It must not be the one of Kea's tables,
        because C(kea-admin db-init) refuses a schema that is not empty.
    type: str
    default: kea_events
  owner:
    description:
      - Role that owns all created objects. The function runs with its rights.
      - If not set, the owner of C(lease4).
    type: str
  readers:
    description:
      - Roles that read events and prune them. They are granted the rights for that, including C(SELECT) on the lease
        tables; all other roles except the owner lose their rights on the event objects.
      - They must hold C(USAGE) on O(schema), as every role does on C(public). This module does not grant it.
      - With O(state=absent), the roles from which C(SELECT) on the lease tables is revoked. A right that another role
        than the owner of the table granted stays, with a warning, until it is revoked as that role.
    type: list
    elements: str
    default: []
  delivery:
    description:
      - V(events) writes a row for each change. No event is lost while no session listens.
      - V(payload) keeps no table, but sends the keys of the lease as JSON with each notification. Changes while no
        session listens are lost, and commits that notify wait for each other in the whole server. Every role that may
        connect to the database can listen.
    type: str
    choices: [events, payload]
    default: events
  wake_up:
    description:
      - How listeners learn of new rows. Does not apply to O(delivery=payload).
      - V(debounced) lets one transaction at a time notify. A reader that looks again while transactions are in progress
        misses no event.
      - V(each) notifies with each change, which limits the rate of leases of a busy server.
      - V(never) does not notify; readers must poll.
    type: str
    choices: [debounced, each, never]
    default: debounced
  renewals:
    description:
      - Whether a renewal that changes only the time is an event. If not, it costs no more than the comparison.
    type: bool
    default: false
  force:
    description: Whether O(state=absent) or O(delivery=payload) may drop events that are not delivered yet.
    type: bool
    default: false
seealso:
  - module: baremetal.kea.kea_hosts_constraint
"""

EXAMPLES = r"""
- name: Deliver lease events to the monitor
  baremetal.kea.kea_lease_notify:
    login_db: kea
    readers: [kea-lease-monitor]
  become: true
  become_user: postgres

- name: Send plain notifications, for listeners that need no history
  baremetal.kea.kea_lease_notify:
    login_db: kea
    delivery: payload
  become: true
  become_user: postgres

- name: Remove the lease events from the database
  baremetal.kea.kea_lease_notify:
    login_db: kea
    readers: [kea-lease-monitor]
    state: absent
    force: true
  become: true
  become_user: postgres
"""

RETURN = r"""
queries:
  description: The statements that were run in one transaction or, in check mode, would be run.
  returned: success
  type: list
  elements: str
  sample: ['CREATE SCHEMA "kea_events"']
state:
  description:
    - The objects afterwards, null for one that does not exist. C(leases), C(event_schema), C(event_table),
      C(lost_counter), C(function), C(trigger) and C(trigger_update), each with its definition, owner and rights, and
      C(leases6), C(function6), C(trigger6) and C(trigger6_update) for C(lease6).
  returned: success
  type: dict
  sample:
    event_schema: {owner: _kea, rights: {kea-lease-monitor: [USAGE]}}
    trigger: {definition: CREATE TRIGGER ..., enabled: origin}
    trigger_update: null
lost_events:
  description: How many events could not be written since the counter was created.
  returned: success
  type: int
  sample: 0
waiting_events:
  description: How many undelivered events the change would drop.
  returned: failure because of events that are not delivered
  type: int
sqlstate:
  description: PostgreSQL's code of the error.
  returned: failure reported by PostgreSQL
  type: str
statement:
  description: The statement that failed.
  returned: failure of a statement
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._events.ensure import ensure
from ansible_collections.baremetal.kea.plugins.module_utils._events.target import Wanted
from ansible_collections.baremetal.kea.plugins.module_utils._postgres import login, session


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            login.argument_spec(),
            **session.lock_argument_spec(),
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            lease6={"type": "bool", "default": False},
            schema={"type": "str", "default": "public"},
            event_schema={"type": "str", "default": "kea_events"},
            owner={"type": "str"},
            readers={"type": "list", "elements": "str", "default": []},
            delivery={"type": "str", "choices": ["events", "payload"], "default": "events"},
            wake_up={"type": "str", "choices": ["debounced", "each", "never"], "default": "debounced"},
            renewals={"type": "bool", "default": False},
            force={"type": "bool", "default": False},
        ),
        supports_check_mode=True,
    )
    params = module.params
    wanted = Wanted(present=params["state"] == "present", **{key: params[key] for key in Wanted._fields[1:]})
    try:
        with session.connect(params, readonly=module.check_mode) as database:
            result = ensure(database, wanted)
    except KeaError as error:
        module.fail_json(**error.as_result())
    for warning in result.pop("warnings"):
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
