# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's schema in PostgreSQL: where it is, what to ask there, and by which programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from .schema import KeaSchemaError
from .._config.versions import Capabilities
from .._host.time_zone import MOMENTS

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SOCKET_DIRECTORY = "/var/run/postgresql"
"""Where Debian's PostgreSQL listens; kea-admin cannot be told "the default"."""
CONNECT_TIMEOUT = 10  # seconds
_MONITOR = "kea_lease_monitor"
"""Schema of the monitor's state: its role's own, so that Kea's cannot dump it, and of no use with older leases."""

# The relations that kea-admin db-init counts (psql's \d), and whether they are Kea's.
_PROBE = r"""
SELECT to_regclass('schema_version') IS NOT NULL, coalesce(string_agg(relname, ', ' ORDER BY relname), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_table_is_visible(c.oid)
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
"""
_MOMENTS = ", ".join(f"extract(epoch FROM '{moment}'::timestamptz)::bigint" for moment in MOMENTS)
# Kea's sessions: those of the same role, from wherever. (The monitor has a role of its own and may stay.)
_SESSIONS = """
SELECT coalesce(string_agg(DISTINCT coalesce(host(client_addr), 'the unix socket'), ', '), '')
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


class Connection(NamedTuple):
    """Where Kea's database is, as the module's C(login_) options say."""

    host: str
    port: int
    user: str
    password: str
    database: str
    tls: Tuple[Tuple[str, str], ...] = ()
    """Further libpq variables."""

    @classmethod
    def of(cls, params: Dict[str, Any]) -> "Connection":
        host = params["login_host"]
        if host in ("", "localhost"):
            host = params["login_unix_socket"] or host or SOCKET_DIRECTORY
        variables = {
            "PGSSLMODE": params["ssl_mode"],
            "PGSSLROOTCERT": params["ca_cert"],
            "PGSSLCERT": params["ssl_cert"],
            "PGSSLKEY": params["ssl_key"],
        }
        tls = tuple((name, value) for name, value in variables.items() if value)
        return cls(host, params["login_port"], params["login_user"], params["login_password"], params["login_db"], tls)

    @property
    def environment(self) -> Dict[str, str]:
        """For one short process each; nothing secret ever stands in a command line."""
        variables = {
            "PGPORT": str(self.port),
            "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
            "LC_ALL": "C",
            **dict(self.tls),
        }
        if "," in self.host:
            variables["PGTARGETSESSIONATTRS"] = "read-write"
        if self.password:
            # kea-admin reads its own variable, and its upgrade scripts put it in the place of PGPASSWORD.
            variables.update(PGPASSWORD=self.password, KEA_ADMIN_DB_PASSWORD=self.password)
        return variables

    def arguments(self, user: str, database: str) -> List[str]:
        """For a program that calls these two options so."""
        return ["-h", self.host, user, self.user, database, self.database]


class Pgsql:
    """PostgreSQL, by psql, pg_dump and kea-admin."""

    client = "psql"
    probe, moments, other_sessions = _PROBE, f"SELECT {_MOMENTS}", _SESSIONS
    refused = "authentication failed"

    def __init__(self, module: AnsibleModule, connection: Connection) -> None:
        self.module = module
        self.connection = connection
        self.set_zone = f'ALTER ROLE "{connection.user}" SET timezone'

    def wanted(self, kea: Capabilities) -> str:
        """The version that this Kea insists on. Raises KeaSchemaError if that is not known."""
        if kea.schema is None:
            raise KeaSchemaError(
                f"Kea {kea.version} is newer than this collection; which schema it needs is not known here"
            )
        return str(kea.schema)

    def run(self, program: str, *arguments: str, umask: Optional[int] = None) -> Tuple[int, str, str]:
        """What an already complete command says: exit code, output, errors."""
        command = [self.module.get_bin_path(program, required=True), *arguments]
        code, out, err = self.module.run_command(command, environ_update=self.connection.environment, umask=umask)
        return code, out, err

    def ask(self, query: str) -> List[str]:
        """The command that prints the one row of a query, its columns divided by a bar."""
        return ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", *self.connection.arguments("-U", "-d"), "-c", query]

    def dump(self, path: str) -> List[str]:
        """The command that writes the whole database there."""
        how = ["-w", "--format=custom", f"--exclude-schema={_MONITOR}", "--file", path]
        return ["pg_dump", *how, *self.connection.arguments("-U", "-d")]

    def admin(self, command: str) -> List[str]:
        """kea-admin's command line."""
        arguments = ["-P", str(self.connection.port), *self.connection.arguments("-u", "-n")]
        return ["kea-admin", command, "pgsql", *arguments]
