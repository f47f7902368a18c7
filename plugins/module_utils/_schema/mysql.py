# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea's schema in MySQL or MariaDB: the same rules as for PostgreSQL, by other programs."""

from __future__ import annotations

import re
import tempfile
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from .schema import KeaSchemaError
from .pgsql import CONNECT_TIMEOUT, Connection
from .._config.versions import Capabilities
from .._host.time_zone import MOMENTS

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DEFAULT_PORT = 3306
CREATE_SCRIPT = "/usr/share/kea/scripts/mysql/dhcpdb_create.mysql"
# What the client program takes from libpq's words. It verifies the server's name with its authority or not at all.
_MODES = {"disable": ["--skip-ssl"], "prefer": [], "require": ["--ssl"], "verify-full": ["--ssl-verify-server-cert"]}
_VERSION = re.compile(r"SET version = '(\d+)', minor = '(\d+)'")


def connection_of(params: Dict[str, Any]) -> Connection:
    """From the module's C(login_) options, whose default port is PostgreSQL's. Raises KeaSchemaError."""
    mode = params["ssl_mode"]
    if mode not in _MODES:
        raise KeaSchemaError(f"ssl_mode {mode} is PostgreSQL's; MySQL's client knows {', '.join(_MODES)}")
    files = {"--ssl-ca": params["ca_cert"], "--ssl-cert": params["ssl_cert"], "--ssl-key": params["ssl_key"]}
    words = [f"{option}={path}" for option, path in files.items() if path]
    for word in words:
        if any(letter.isspace() for letter in word):
            raise KeaSchemaError(f"{word} holds a blank, at which kea-admin would split it")
    host = params["login_host"] or "localhost"
    if host == "localhost" and params["login_unix_socket"]:
        words.append(f"--socket={params['login_unix_socket']}")
    else:
        port = DEFAULT_PORT if params["login_port"] == 5432 else params["login_port"]
        words += [f"--port={port}", "--protocol=tcp"]
    tls = tuple((word, "") for word in [*_MODES[mode], *words])
    return Connection(host, 0, params["login_user"], params["login_password"], params["login_db"], tls)


class Mysql:
    """MySQL or MariaDB, by mysql, mysqldump and kea-admin; what C(_kea_schema.Pgsql) is for PostgreSQL."""

    client = "mysql"
    refused = "Access denied"
    set_zone = "default_time_zone in the server's configuration"
    probe = """
        SELECT concat(coalesce(max(table_name = 'schema_version'), 0), '|',
                      coalesce(group_concat(table_name ORDER BY table_name SEPARATOR ', '), ''))
        FROM information_schema.tables WHERE table_schema = database()
    """
    moments = "SELECT concat_ws('|', " + ", ".join(f"unix_timestamp('{moment}')" for moment in MOMENTS) + ")"
    # The user as the account names it, not as the client called itself.
    other_sessions = """
        SELECT coalesce(group_concat(DISTINCT substring_index(host, ':', 1) SEPARATOR ', '), '')
        FROM information_schema.processlist
        WHERE db = database() AND user = substring_index(current_user(), '@', 1) AND id <> connection_id()
    """

    def __init__(self, module: AnsibleModule, connection: Connection) -> None:
        self.module = module
        self.connection = connection

    def wanted(self, kea: Capabilities) -> str:
        """Kea's own script ends with the version that it makes. Raises KeaSchemaError."""
        try:
            with open(CREATE_SCRIPT, encoding="utf-8") as file:
                found: List[Tuple[str, str]] = _VERSION.findall(file.read())
        except OSError as error:
            raise KeaSchemaError(f"{CREATE_SCRIPT} cannot be read: {error.strerror}; install kea-admin") from error
        if not found:
            raise KeaSchemaError(f"{CREATE_SCRIPT} of Kea {kea.version} names no version of the schema")
        return ".".join(found[-1])

    def ask(self, query: str) -> List[str]:
        return ["mysql", *self._options, "--batch", "--skip-column-names", "--execute", query, self.connection.database]

    def dump(self, path: str) -> List[str]:
        whole = ["--single-transaction", "--routines", "--triggers", "--events"]
        return ["mysqldump", *self._options, *whole, f"--result-file={path}", self.connection.database]

    def admin(self, command: str) -> List[str]:
        """With one word that kea-admin gives to every mysql; its own option for the port reaches only some."""
        extra = " ".join(word for word, _value in self.connection.tls)
        return ["kea-admin", command, "mysql", *self.connection.arguments("-u", "-n"), "--extra", extra]

    def run(self, program: str, *arguments: str, umask: Optional[int] = None) -> Tuple[int, str, str]:
        """The password goes by a file, because a command line shows it and MYSQL_PWD will go."""
        path = self.module.get_bin_path(program, required=True)
        variables = {"LC_ALL": "C"}
        if program == "kea-admin":
            variables["KEA_ADMIN_DB_PASSWORD"] = self.connection.password
            code, out, err = self.module.run_command([path, *arguments], environ_update=variables)
            return code, out, err
        with tempfile.NamedTemporaryFile("w", dir=self.module.tmpdir, encoding="utf-8") as file:
            # MariaDB's mysqldump knows no timeout, and ends at a word that it does not know.
            file.write(f"[mysql]\nconnect-timeout={CONNECT_TIMEOUT}\n")
            file.write(f"[client]\npassword={_quoted(self.connection.password)}\n")
            file.flush()
            # It must be the first argument.
            command = [path, f"--defaults-extra-file={file.name}", *arguments]
            code, out, err = self.module.run_command(command, environ_update=variables, umask=umask)
        return code, out, err

    @property
    def _options(self) -> List[str]:
        where = [f"--host={self.connection.host}", f"--user={self.connection.user}"]
        return [*where, *(word for word, _value in self.connection.tls)]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
