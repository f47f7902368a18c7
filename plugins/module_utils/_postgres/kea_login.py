# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: sessions with the access that a server of Kea has: its entry, its account and its environment."""

from __future__ import annotations

import contextlib
import os
import pwd
from typing import Any, Dict, Iterator, Mapping

from .._host.account import Account, acting
from .errors import PostgresError
from .session import Session, connect

_NOT_TAKEN = ("PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR")
"""Variables that name further settings, which nothing here has seen."""


def login_of(entry: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the options of ``connect`` for an entry of type postgresql, such as ``lease-database``."""
    trust_anchor, certificate = entry.get("trust-anchor"), entry.get("cert-file")
    # The defaults of Kea 3.1 and later; configurations of earlier versions have no such keys.
    default = "verify-ca" if trust_anchor else "require" if certificate else None
    return {
        "login_host": str(entry.get("host") or "localhost"),
        "login_unix_socket": "",
        "login_port": entry.get("port") or 5432,
        "login_user": str(entry.get("user") or ""),
        "login_password": str(entry.get("password") or ""),
        "login_db": str(entry.get("name") or ""),
        "ssl_mode": entry.get("ssl-mode") or default,
        "ca_cert": trust_anchor,
        "ssl_cert": certificate,
        "ssl_key": entry.get("key-file"),
        "connect_params": {},
    }


@contextlib.contextmanager
def connect_as_kea(
    login: Mapping[str, Any], account: Account, environment: Mapping[str, str], readonly: bool = False
) -> Iterator[Session]:
    """Open a session with the rights of Kea's account, and close it afterwards. Raises PostgresError.

    ``environment`` are libpq's variables of Kea's process: before Kea 3.1 its TLS settings are there.
    """
    for key in (login["ssl_key"], environment.get("PGSSLKEY")):
        # libpq takes it for "engine:key", and loads a library into this process, which is root's (fe-secure-openssl.c).
        if ":" in str(key or ""):
            raise PostgresError(f"The key {key} of Kea's certificate has a colon, so it is no path to libpq")
    environment = {name: value for name, value in environment.items() if name not in _NOT_TAKEN}
    with contextlib.ExitStack() as stack:
        # The account opens the key of a certificate, and peer authentication checks it.
        with acting(account), _variables({**environment, **_home(account)}):
            session = stack.enter_context(connect(login, readonly))
        yield session


def _home(account: Account) -> Dict[str, str]:
    """Return the variable by which libpq finds the home directory of the account, if this process acts as that.

    libpq looks for a certificate there, and refuses to connect if it may not look there.
    """
    if os.geteuid() != account.user:
        return {}
    try:
        return {"HOME": pwd.getpwuid(account.user).pw_dir}
    except KeyError:
        return {"HOME": "/"}


@contextlib.contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Have these variables meanwhile."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
