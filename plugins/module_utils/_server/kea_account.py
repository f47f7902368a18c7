# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the account of a server of Kea, and what else it connects to its databases with.

Kea's user may write Kea's configuration and answers on the control channel. So what root does with a path, a URL or a
database from there, it does with that user's rights.
"""

from __future__ import annotations

import pwd
from functools import partial
from typing import TYPE_CHECKING, Callable, Dict, Mapping, NamedTuple, Optional

from .._config.packagings import unit_of, user_of
from .._config.servers import top_of_path
from .._errors import KeaError
from .._host import systemd
from .._host.account import Account

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Access(NamedTuple):
    """What a server connects to its databases with, besides the entries of its configuration."""

    account: Account
    environment: Dict[str, str]
    """libpq's variables. Before Kea 3.1 its TLS settings are among them."""


def of(module: AnsibleModule, path: str) -> Callable[[], Account]:
    """Return what returns the account of the server that reads this configuration file, or raises KeaError."""
    return partial(account, module, path)


def account(module: AnsibleModule, path: str) -> Account:
    """Return the account of a server, by its process, its unit or its packaging.

    Raises KeaError if its user does not exist.
    """
    return _account(module, unit_of(module, top_of_path(path)))


def access(module: AnsibleModule, path: str) -> Access:
    """Return the access of a server as it runs, or as it would be started. Raises KeaError as ``account``."""
    unit = unit_of(module, top_of_path(path))
    found = unit.environment() if unit and unit.active else {}
    if unit and not found:
        found = systemd.environment(module, unit.name)
    return Access(_account(module, unit), libpq(found))


def libpq(environment: Mapping[str, str]) -> Dict[str, str]:
    """Return those variables of an environment that are for libpq."""
    return {name: value for name, value in environment.items() if name.startswith("PG")}


def _account(module: AnsibleModule, unit: Optional[systemd.Unit]) -> Account:
    running = Account.of_process(unit.pid) if unit and unit.pid else None
    if running is not None:
        return running
    name = (unit.user or "root") if unit else user_of(module)
    try:
        return Account.of_user(pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name))
    except KeyError as error:
        raise KeaError(f"the user {name}, as whom Kea runs, does not exist") from error
