# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: options that hold secrets among much else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def mask_only(module: AnsibleModule, secrets: Iterable[Optional[str]]) -> None:
    """What the result is cleared of, in the place of all values of options with C(no_log).

    Such an option as a whole needs C(no_log), or Ansible writes it to the system log before the module runs (C(no_log)
    of the module itself is overruled by the task's). But then every word in it would be masked in the result.
    """
    module.no_log_values.clear()
    module.no_log_values.update(filter(None, secrets))
