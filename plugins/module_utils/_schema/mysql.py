# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's schema in MySQL or MariaDB, by mysql, mysqldump and kea-admin."""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from .._config.versions import Capabilities
from .._errors import KeaError
from .._host.time_zone import MOMENTS
from .backend import CONNECT_TIMEOUT, Answer, Connection, Dialect

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DEFAULT_PORT = 3306
CREATE_SCRIPT = "/usr/share/kea/scripts/mysql/dhcpdb_create.mysql"
# The client's options for libpq's modes. It verifies the authority and the server's name together or not at all.
_MODES = {"disable": ["--skip-ssl"], "prefer": [], "require": ["--ssl"], "verify-full": ["--ssl-verify-server-cert"]}
_VERSION = re.compile(r"SET version = '(\d+)', minor = '(\d+)'")


def connection_of(params: Dict[str, Any]) -> Connection:
    """Return the connection that the module's ``login_`` options describe. Raises KeaError.

    The default port of these options is PostgreSQL's, and stands for MySQL's.
    """
    mode = params["ssl_mode"]
    if mode not in _MODES:
        raise KeaError(f"ssl_mode {mode} is PostgreSQL's; MySQL's client knows {', '.join(_MODES)}")
    files = {"--ssl-ca": params["ca_cert"], "--ssl-cert": params["ssl_cert"], "--ssl-key": params["ssl_key"]}
    words = [f"{option}={path}" for option, path in files.items() if path]
    for word in words:
        if any(letter.isspace() for letter in word):
            raise KeaError(f"{word} holds white space, at which kea-admin would split it")
    host = params["login_host"] or "localhost"
    if host == "localhost" and params["login_unix_socket"]:
        words.append(f"--socket={params['login_unix_socket']}")
    else:
        port = DEFAULT_PORT if params["login_port"] == 5432 else params["login_port"]
        words += [f"--port={port}", "--protocol=tcp"]
    tls = tuple((word, "") for word in [*_MODES[mode], *words])
    return Connection(host, 0, params["login_user"], params["login_password"], params["login_db"], tls)


_PROBE = """
SELECT concat(coalesce(max(table_name = 'schema_version'), 0), '|',
              coalesce(group_concat(table_name ORDER BY table_name SEPARATOR ', '), ''))
FROM information_schema.tables WHERE table_schema = database()
"""
# The user as the account names it, which may differ from the name that the client sent.
_SESSIONS = """
SELECT coalesce(group_concat(DISTINCT substring_index(host, ':', 1) SEPARATOR ', '), '')
FROM information_schema.processlist
WHERE db = database() AND user = substring_index(current_user(), '@', 1) AND id <> connection_id()
"""


class Mysql:
    """A database in MySQL or MariaDB: a Backend."""

    dialect = Dialect(
        probe=_PROBE,
        moments="SELECT concat_ws('|', " + ", ".join(f"unix_timestamp('{moment}')" for moment in MOMENTS) + ")",
        other_sessions=_SESSIONS,
        client="mysql",
        refused="Access denied",
        set_zone="default_time_zone in the server's configuration",
    )

    def __init__(self, module: AnsibleModule, connection: Connection) -> None:
        self.connection = connection
        self._module = module

    def wanted(self, kea: Capabilities) -> str:
        """Return the version that Kea's own script creates at its end. Raises KeaError."""
        try:
            with open(CREATE_SCRIPT, encoding="utf-8") as file:
                found: List[Tuple[str, str]] = _VERSION.findall(file.read())
        except OSError as error:
            raise KeaError(f"{CREATE_SCRIPT} cannot be read: {error.strerror}; install kea-admin") from error
        if not found:
            raise KeaError(f"{CREATE_SCRIPT} of Kea {kea.version} names no version of the schema")
        return ".".join(found[-1])

    def query(self, text: str) -> Answer:
        """Run one query with mysql."""
        words = ["--batch", "--skip-column-names", "--execute", text, self.connection.database]
        return self._run("mysql", words)

    def dump(self, path: str) -> Answer:
        """Write the whole database as statements."""
        whole = ["--single-transaction", "--routines", "--triggers", "--events"]
        return self._run("mysqldump", [*whole, f"--result-file={path}", self.connection.database], umask=0o077)

    def admin(self, command: str) -> Answer:
        """Run a command of kea-admin.

        All options of the client go through ``--extra``, which kea-admin gives to every mysql; its own option for the
        port reaches only some.
        """
        connection = self.connection
        login = ["-h", connection.host, "-u", connection.user, "-n", connection.database]
        program = self._module.get_bin_path("kea-admin", required=True)
        return Answer(
            *self._module.run_command(
                [program, command, "mysql", *login, "--extra", " ".join(self._options)],
                environ_update={"LC_ALL": "C", "KEA_ADMIN_DB_PASSWORD": connection.password},
            )
        )

    def _run(self, program: str, arguments: List[str], umask: Optional[int] = None) -> Answer:
        """Run a client program with the password in a file: a command line shows it, and MYSQL_PWD is deprecated."""
        path = self._module.get_bin_path(program, required=True)
        login = [f"--host={self.connection.host}", f"--user={self.connection.user}", *self._options]
        with tempfile.NamedTemporaryFile("w", dir=self._module.tmpdir, encoding="utf-8") as file:
            # In the section of mysql, because MariaDB's mysqldump knows no timeout and ends at an unknown option.
            file.write(f"[mysql]\nconnect-timeout={CONNECT_TIMEOUT}\n")
            file.write(f"[client]\npassword={_quoted(self.connection.password)}\n")
            file.flush()
            # --defaults-extra-file must be the first argument.
            command = [path, f"--defaults-extra-file={file.name}", *login, *arguments]
            return Answer(*self._module.run_command(command, environ_update={"LC_ALL": "C"}, umask=umask))

    @property
    def _options(self) -> List[str]:
        return [word for word, _value in self.connection.tls]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
