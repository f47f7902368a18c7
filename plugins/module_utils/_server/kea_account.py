# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the account of a server of Kea.

Kea's user may write Kea's configuration and answers on the control channel. So what root does with a path or a URL from
there, it does with that user's rights.
"""

from __future__ import annotations

import pwd
from functools import partial
from typing import TYPE_CHECKING, Callable

from .._config.packagings import unit_of, user_of
from .._config.servers import top_of_path
from .._errors import KeaError
from .._host.account import Account

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def of(module: AnsibleModule, path: str) -> Callable[[], Account]:
    """Return what returns the account of the server that reads this configuration file, or raises KeaError."""
    return partial(account, module, path)


def account(module: AnsibleModule, path: str) -> Account:
    """Return the account of a server, by its process, its unit or its packaging.

    Raises KeaError if its user does not exist.
    """
    unit = unit_of(module, top_of_path(path))
    running = Account.of_process(unit.pid) if unit and unit.pid else None
    if running is not None:
        return running
    name = (unit.user or "root") if unit else user_of(module)
    try:
        return Account.of_user(pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name))
    except KeyError as error:
        raise KeaError(f"the user {name}, as whom Kea runs, does not exist") from error
