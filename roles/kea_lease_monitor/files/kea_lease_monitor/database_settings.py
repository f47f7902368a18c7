# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a connection to PostgreSQL."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Dict, Optional

from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.section import Section

CONNECTING = 40
"""Seconds to connect, for all hosts together; the monitor does nothing else meanwhile."""

_STATEMENT_TIMEOUT = 7000
"""Milliseconds. Less than database.DEADLINE, so that the server ends a blocked statement before the monitor drops the
session. Otherwise each attempt would leave a session open until Kea gets none."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class DatabaseSettings:
    """Address and login of a database. ``host`` may be a socket directory, or several hosts with commas (libpq)."""

    host: str
    port: int
    name: str
    user: str
    connect_timeout: int
    """Seconds for each host; shortened when there are many."""
    password: Optional[str] = field(default=None, repr=False)
    password_file: Optional[str] = None
    ssl_mode: Optional[str] = None
    ca_file: Optional[str] = None
    cert_file: Optional[str] = None
    key_file: Optional[str] = None

    @classmethod
    def parse(cls, section: Section) -> DatabaseSettings:
        settings = cls(
            host=section.text("host", "/var/run/postgresql"),
            port=section.number("port", 5432, 1, 65535),
            name=section.text("name", "kea"),
            user=section.text("user", "kea-lease-monitor"),
            connect_timeout=section.number("connect_timeout", 5, 1, 60),
            password=section.secret("password"),
            password_file=section.optional_text("password_file"),
            ssl_mode=section.choice("ssl_mode", SSL_MODES, "prefer"),
            ca_file=section.optional_text("ca_file"),
            cert_file=section.optional_text("cert_file"),
            key_file=section.optional_text("key_file"),
        )
        section.done()
        return settings

    def secret(self) -> Optional[str]:
        """Read the password, again for each connection: a changed one needs no restart. Raises TemporaryError."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        path = self.password_file or (os.path.join(credentials, "db-password") if credentials else None)
        if self.password is not None or path is None or (not self.password_file and not os.path.exists(path)):
            return self.password
        try:
            with open(path, encoding="utf-8") as handle:
                return handle.read().rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise TemporaryError(f"the password file {path} cannot be read: {error}") from error

    def parameters(self) -> Dict[str, Any]:
        """Return the parameters by libpq's names. A standby is refused: it notifies no client and takes no writes."""
        given = {
            "host": self.host,
            "port": self.port,
            "dbname": self.name,
            "user": self.user,
            "password": self.secret(),
            "sslmode": self.ssl_mode,
            "sslrootcert": self.ca_file,
            "sslcert": self.cert_file,
            "sslkey": self.key_file,
            "target_session_attrs": "read-write",
            "connect_timeout": max(2, min(self.connect_timeout, CONNECTING // len(self.host.split(",")))),
            # From tables of 800,000 hosts on, compiling a statement costs more than running it.
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT} -c jit=off",
            "application_name": "kea-lease-monitor",
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        }
        return {name: value for name, value in given.items() if value is not None}
