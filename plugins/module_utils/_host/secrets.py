# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: options that contain secrets and other values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterable, Optional

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def mask_only(module: AnsibleModule, secrets: Iterable[Optional[str]]) -> None:
    """Mask only these secrets in the result, instead of all values of options with ``no_log``.

    The whole option needs ``no_log``, or Ansible writes it to the system log before the module runs (``no_log`` of the
    task overrides the module's). But then Ansible would mask every word of it in the result.
    """
    module.no_log_values.clear()
    module.no_log_values.update(filter(None, secrets))
