# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the login options of the modules, and the connection that they describe."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping

from .errors import PostgresError

SECRET_PARAMETERS = {"password", "sslpassword"}


def login_argument_spec() -> Dict[str, Any]:
    """Return the options of the fragment baremetal.kea.postgres."""
    return {
        "login_user": {"type": "str", "default": "postgres"},
        "login_password": {"type": "str", "default": "", "no_log": True},
        "login_host": {"type": "str", "default": ""},
        "login_unix_socket": {"type": "str", "default": ""},
        "login_port": {"type": "int", "default": 5432},
        "login_db": {"type": "str", "default": "kea"},
        "ssl_mode": {
            "type": "str",
            "default": "prefer",
            "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
        },
        "ca_cert": {"type": "path"},
        "ssl_cert": {"type": "path"},
        "ssl_key": {"type": "path", "no_log": False},
    }


def argument_spec() -> Dict[str, Any]:
    """Return the options of the fragments baremetal.kea.postgres and baremetal.kea.postgres.session."""
    return dict(login_argument_spec(), connect_params={"type": "dict", "default": {}}, session_role={"type": "str"})


def refuse_unfit(params: Mapping[str, Any]) -> None:
    """Raise PostgresError for an option with a NUL: PostgreSQL accepts none, and the driver does not report it."""
    for option, value in sorted(params.items()):
        if any("\0" in text for text in _texts(value)):
            raise PostgresError(
                f"The option {option} holds a NUL character, which PostgreSQL accepts nowhere, so nothing was changed"
            )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for one in [*value, *(value.values() if isinstance(value, dict) else ())]:
            yield from _texts(one)


def dsn_of(params: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the libpq parameters of a module's options. Raises PostgresError for secrets in connect_params."""
    secrets = SECRET_PARAMETERS.intersection(params["connect_params"])
    if secrets:
        raise PostgresError(f"connect_params must not hold {', '.join(sorted(secrets))}, because Ansible shows it")
    host = params["login_host"]
    if host in ("", "localhost"):
        host = params["login_unix_socket"] or host
    dsn = {
        "host": host,
        "port": params["login_port"],
        "user": params["login_user"],
        "password": params["login_password"],
        "dbname": params["login_db"],
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        "target_session_attrs": "read-write" if "," in host else "",
        "connect_timeout": 10,
        "client_encoding": "UTF8",
        "application_name": "ansible baremetal.kea",
    }
    dsn.update(params["connect_params"])
    return {key: value for key, value in dsn.items() if value not in (None, "")}
