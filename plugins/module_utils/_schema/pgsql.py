# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's schema in PostgreSQL, by psql, pg_dump and kea-admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional

from .._config.versions import Capabilities
from .._errors import KeaError
from .._host.time_zone import MOMENTS
from .backend import CONNECT_TIMEOUT, Answer, Connection, Dialect

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

SOCKET_DIRECTORY = "/var/run/postgresql"
"""Where Debian's PostgreSQL listens; kea-admin has no word for the default."""
_MONITOR = "kea_lease_monitor"
"""Schema of the monitor's state. Kea's role cannot dump it, and it does not fit older leases."""

# The relations that kea-admin db-init counts (psql's \d), and whether Kea's schema_version is among them.
_PROBE = r"""
SELECT to_regclass('schema_version') IS NOT NULL, coalesce(string_agg(relname, ', ' ORDER BY relname), '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_table_is_visible(c.oid)
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
"""
_MOMENTS = ", ".join(f"extract(epoch FROM '{moment}'::timestamptz)::bigint" for moment in MOMENTS)
# The sessions of Kea's role. The monitor has a role of its own, so its sessions may stay.
_SESSIONS = """
SELECT coalesce(string_agg(DISTINCT coalesce(host(client_addr), 'the unix socket'), ', '), '')
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
"""


def connection_of(params: Dict[str, Any]) -> Connection:
    """Return the connection that the module's ``login_`` options describe."""
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
    return Connection(
        host, params["login_port"], params["login_user"], params["login_password"], params["login_db"], tls
    )


def environment_of(connection: Connection) -> Dict[str, str]:
    """Return the variables for one short process, so that no secret appears in a command line."""
    variables = {
        "PGPORT": str(connection.port),
        "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT),
        "LC_ALL": "C",
        **dict(connection.tls),
    }
    if "," in connection.host:
        variables["PGTARGETSESSIONATTRS"] = "read-write"
    if connection.password:
        # kea-admin reads its own variable, and its upgrade scripts set PGPASSWORD from it.
        variables.update(PGPASSWORD=connection.password, KEA_ADMIN_DB_PASSWORD=connection.password)
    return variables


class Pgsql:
    """A database in PostgreSQL: a Backend."""

    def __init__(self, module: AnsibleModule, connection: Connection) -> None:
        self.connection = connection
        self.dialect = Dialect(
            probe=_PROBE,
            moments=f"SELECT {_MOMENTS}",
            other_sessions=_SESSIONS,
            client="psql",
            refused="authentication failed",
            set_zone=f'ALTER ROLE "{connection.user}" SET timezone',
        )
        self._module = module

    def wanted(self, kea: Capabilities) -> str:
        """Return the schema version that this Kea requires. Raises KeaError for an unknown Kea."""
        if kea.schema is None:
            raise KeaError(f"Kea {kea.version} is newer than this collection, so the schema that it needs is unknown")
        return str(kea.schema)

    def query(self, text: str) -> Answer:
        """Run one query with psql."""
        words = ["-XAtqw", "-v", "ON_ERROR_STOP=1", *self._login("-U", "-d"), "-c", text]
        return self._run("psql", words)

    def dump(self, path: str) -> Answer:
        """Write the whole database, except the monitor's state, in the custom format of pg_dump."""
        words = ["-w", "--format=custom", f"--exclude-schema={_MONITOR}", "--file", path, *self._login("-U", "-d")]
        return self._run("pg_dump", words, umask=0o077)

    def admin(self, command: str) -> Answer:
        """Run a command of kea-admin."""
        return self._run("kea-admin", [command, "pgsql", "-P", str(self.connection.port), *self._login("-u", "-n")])

    def _login(self, user: str, database: str) -> List[str]:
        """Return the arguments that name host, user and database; the programs call the two options differently."""
        return ["-h", self.connection.host, user, self.connection.user, database, self.connection.database]

    def _run(self, program: str, arguments: List[str], umask: Optional[int] = None) -> Answer:
        command = [self._module.get_bin_path(program, required=True), *arguments]
        environment = environment_of(self.connection)
        return Answer(*self._module.run_command(command, environ_update=environment, umask=umask))
