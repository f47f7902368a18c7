# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: work that root does with the rights of another user: the kernel then refuses what that user may not do."""

from __future__ import annotations

import os
import pwd
from contextlib import contextmanager
from typing import Iterator, NamedTuple, Optional, Tuple


class Account(NamedTuple):
    """A user with all groups."""

    user: int
    group: int
    groups: Tuple[int, ...]
    """The further groups."""

    @classmethod
    def of_user(cls, user: pwd.struct_passwd) -> Account:
        """Return the account of a user as the system's databases describe it."""
        return cls(user.pw_uid, user.pw_gid, tuple(os.getgrouplist(user.pw_name, user.pw_gid)))

    @classmethod
    def of_process(cls, number: int) -> Optional[Account]:
        """Return the account that a process has now (proc(5)); None if there is no such process."""
        try:
            with open(f"/proc/{number}/status", encoding="utf-8", errors="replace") as file:
                fields = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            return None
        user, group = (int(fields[key].split()[1]) for key in ("Uid", "Gid"))
        return cls(user, group, tuple(map(int, fields["Groups"].split())))

    @classmethod
    def own(cls) -> Account:
        """Return the account of this process."""
        return cls(os.geteuid(), os.getegid(), tuple(os.getgroups()))

    def may_write(self, directory: str) -> bool:
        """Return whether this account may create and remove files in a directory."""
        with acting(self):
            return os.access(directory, os.W_OK | os.X_OK, effective_ids=True)


@contextmanager
def acting(account: Account) -> Iterator[None]:
    """Have the rights of this account meanwhile, and no others, if this is root."""
    if os.geteuid() != 0 or account.user == 0:
        yield
        return
    before = Account.own()
    os.setgroups(account.groups)
    os.setegid(account.group)
    os.seteuid(account.user)
    try:
        yield
    finally:
        os.seteuid(before.user)
        os.setegid(before.group)
        os.setgroups(before.groups)
