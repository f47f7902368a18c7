# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how Kea, the lease monitor and the modules reach the PostgreSQL database."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple


class Database(NamedTuple):
    """The database as the variables of a role name it."""

    host: str
    """Name or address, several separated by commas, or the directory of the unix socket."""
    port: int
    name: str
    user: str
    password: str = ""
    ssl_mode: str = ""
    trust_anchor: str = ""
    certificate: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the connection uses the unix socket."""
        return self.host.startswith("/")

    @property
    def hosts(self) -> List[str]:
        return self.host.split(",")

    def is_named_by(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an entry of Kea's names this database.

        A primary and its standbys are one, whichever of them is named.
        """
        same = (int(entry.get("port", 5432)), entry.get("name", "")) == (self.port, self.name)
        return same and bool(set(str(entry.get("host") or "localhost").split(",")) & set(self.hosts))

    @property
    def strictest_mode(self) -> str:
        """The ssl_mode asked for; else the strictest one that the certificates allow; empty without any."""
        return self.ssl_mode or ("verify-full" if self.trust_anchor else "require" if self.certificate else "")


class Files(NamedTuple):
    """Certificate files on the host; an empty path stands for no file."""

    trust_anchor: str = ""
    certificate: str = ""
    key: str = ""


class Login(NamedTuple):
    """How a task logs in to PostgreSQL."""

    options: Dict[str, Any]
    """Options login_*, ssl_* and ca_cert of a module, without the empty ones."""
    become: bool
    """Whether the task has to become another user: the unix socket admits a role by the user's name."""
    become_user: str


def database(variables: Mapping[str, Any]) -> Database:
    """Return the database that the variables describe.

    A template of an ansible-core before 2.19 makes text of the port, and a boolean of a password that spells one.
    """
    known = {name: variables[name] for name in Database._fields if name in variables}
    return Database(**{**known, "port": int(known["port"]), "password": str(known.get("password", ""))})


def files(result: Mapping[str, Any]) -> Files:
    """Return the files in a result of kea_certificates, which is empty if the task was skipped or failed."""
    names = ("trust_anchor_file", "cert_file", "key_file")
    return Files(*(result.get(name) or "" for name in names))


def login(wanted: Database, ssl_mode: str, certificates: Files, become_user: str) -> Login:
    """Return how to log in; become_user is the system user that the unix socket admits."""
    options = {
        "login_unix_socket" if wanted.is_local else "login_host": wanted.host,
        "login_port": wanted.port,
        "login_user": wanted.user,
        "login_password": wanted.password,
        "login_db": wanted.name,
        "ssl_mode": ssl_mode,
        "ca_cert": certificates.trust_anchor,
        "ssl_cert": certificates.certificate,
        "ssl_key": certificates.key,
    }
    return Login(without_empty(options), wanted.is_local, become_user if wanted.is_local else "root")


def without_empty(options: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in options.items() if value}
