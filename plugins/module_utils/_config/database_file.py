# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: writes database entries to Kea's configuration, and their TLS settings to the drop-in of Kea's unit."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Sequence, Tuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._errors import KeaError
from . import mysql_host
from .file import update
from .database import (
    HOOKS,
    HOSTS,
    drop_all,
    drop_entry,
    entry_of,
    find_hook,
    identity_of,
    over_network,
    put_alone,
    put_entry,
    put_hook,
)
from .document import Document
from .packagings import user_of
from .record import Steps
from .servers import installed_version, top_of_path
from .swap import readable, top_of
from .tls import (
    DEFAULT,
    FILES,
    environment_of,
    primary_only,
    settings_of,
    shared,
)
from .tls_files import DropIn, check_files
from .versions import Capabilities, capabilities, newest

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def entry_options() -> Dict[str, Dict[str, Any]]:
    """Return the options of an entry."""
    types = ["memfile", "mysql", "postgresql"]
    return {
        "purpose": {"type": "str", "choices": ["lease", "hosts", "config"], "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "type": {"type": "str", "choices": types, "required": True},
        "name": {"type": "str"},
        "host": {"type": "str"},
        "port": {"type": "int"},
        "user": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "persist": {"type": "bool"},
        "lfc_interval": {"type": "int"},
        "max_row_errors": {"type": "int"},
        "on_fail": {"type": "str", "choices": ["stop-retry-exit", "serve-retry-exit", "serve-retry-continue"]},
        "retry_on_startup": {"type": "bool"},
        "max_reconnect_tries": {"type": "int"},
        "reconnect_wait_time": {"type": "int"},
        "connect_timeout": {"type": "int"},
        "read_timeout": {"type": "int"},
        "write_timeout": {"type": "int"},
        "tcp_user_timeout": {"type": "int"},
        "readonly": {"type": "bool"},
        "exclusive": {"type": "bool", "default": False},
        "trust_anchor": {"type": "path"},
        "cert_file": {"type": "path"},
        "key_file": {"type": "path", "no_log": False},
        "cipher_list": {"type": "str"},
        "ssl_mode": {"type": "str", "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"]},
    }


def validated(module: AnsibleModule, given: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """Validate the entries of the option ``databases``, and return their options. Raises KeaError."""
    module.no_log_values.update(str(entry["password"]) for entry in given if entry.get("password"))
    results = [ArgumentSpecValidator(entry_options()).validate(entry) for entry in given]
    for number, result in enumerate(results):
        if result.error_messages:
            raise KeaError(f"databases[{number}]: {'; '.join(result.error_messages)}")
    return [result.validated_parameters for result in results]


def apply(module: AnsibleModule) -> Dict[str, Any]:
    """Apply the options to the configuration and the drop-in, and return the module's result.

    Raises KeaError, with nothing changed.
    """
    entries = Entries(module, [module.params], module.params["kea_version"])
    _before, _after, result = update(module, entries.edit, entries.top)
    return entries.settle(result)


class Entries:
    """Entries that are written to a configuration together; each one sees those before it."""

    def __init__(self, module: AnsibleModule, entries: Sequence[Dict[str, Any]], version: Optional[str] = None) -> None:
        """``version`` is that of the Kea that will read them, by default the installed one's. Raises KeaError."""
        self.top = top_of_path(module.params["path"])
        self._module = module
        self._kea = _installed_kea(module, self.top, version)
        self._drop_in = DropIn.of(module, self.top)
        self._before = self._after = self._drop_in.text()
        self._edits = [_Edit(module, params, self._kea) for params in entries]
        self._with_password = any(params["password"] for params in entries)

    def edit(self, document: Document) -> Document:
        """Return the document with all entries. Raises KeaError, also if TLS cannot be set up as requested."""
        self._after = self._before
        for one in self._edits:
            document, self._after = one.apply(document, self._after)
        return document

    def hosts(self) -> List[Steps]:
        """Return the paths of the databases of reservations that are present then, below the top of the document."""
        found = [one for one in self._edits if (one.params["purpose"], one.params["state"]) == ("hosts", "present")]
        return [(HOSTS, identity_of(one.entry)) for one in found]

    def settle(self, result: Dict[str, Any]) -> Dict[str, Any]:
        """Write the drop-in that belongs to the configuration, and return the module's result."""
        before, after, path = self._before, self._after, self._drop_in.path
        if before != after:
            result["changed"] = True
            if self._module._diff:
                diffs: List[Dict[str, str]] = [result["diff"]] if "diff" in result else []
                header = {"before_header": path, "after_header": path}
                result["diff"] = [*diffs, {**header, "before": before, "after": after}]
            if not self._module.check_mode:
                self._drop_in.put(after)
        if self._with_password:
            _warn_of_readers(self._module, result["path"])
        drop_in = {"path": path, "before": before, "after": after}
        return {"kea_version": self._kea.version, **result, "drop_in": drop_in}


class _Edit:
    """Change of one entry."""

    def __init__(self, module: AnsibleModule, params: Dict[str, Any], kea: Capabilities) -> None:
        self.kea = kea
        self.check_mode = module.check_mode
        self.tls = settings_of(params) if params["state"] == "present" else {}
        self.params = {**params, **self.tls}
        self.entry = entry_of(self.params, kea)
        _check_access(module, self.tls, params["type"])
        if self.entry["type"] == "mysql" and "trust_anchor" in self.tls:
            _check_library(module)

    def apply(self, document: Document, environment: str) -> Tuple[Document, str]:
        """Return the document with the entry, and the text of the drop-in that belongs to it."""
        top, purpose = top_of(document), self.params["purpose"]
        if self.params["state"] == "absent":
            document = (drop_all if self.params["exclusive"] else drop_entry)(document, top, purpose, self.entry)
        else:
            document = self._with_entry(document, top, purpose)
        return document, self._environment(document, top, purpose, environment)

    def _with_entry(self, document: Document, top: str, purpose: str) -> Document:
        if self.params["exclusive"]:
            document = put_alone(document, top, purpose, self.entry)
        document = put_entry(document, top, purpose, self.entry)
        database = self.params["type"]
        if database not in HOOKS or not self.kea.database_hooks:
            return document
        hook = find_hook(database)
        if hook is None and not self.check_mode:
            raise KeaError(f"Kea {self.kea.version} needs the hook {HOOKS[database]}, which is not installed")
        return put_hook(document, top, database, hook or HOOKS[database])

    def _environment(self, document: Document, top: str, purpose: str, present: str) -> str:
        host = str(self.entry.get("host", "localhost"))
        others = over_network(document, top, purpose, self.entry)
        hosts = [str(one.get("host", "localhost")) for one in others]
        if self.params["state"] == "present" and self.params["type"] == "postgresql":
            hosts.append(host)
        present = primary_only(present, ())
        return str(primary_only(self._tls_environment(present, host, others), hosts))

    def _tls_environment(self, present: str, host: str, others: Sequence[Dict[str, Any]]) -> str:
        if self.kea.postgresql_tls_keys:
            return ""
        if self.tls == DEFAULT:
            others = [one for one in others if one.get("host", "localhost") != host]
        environment = environment_of(self.tls, str(self.params["type"]), self.kea)
        return str(shared(present, environment, host, others))


def _installed_kea(module: AnsibleModule, top: str, version: Optional[str]) -> Capabilities:
    version = version or installed_version(module, top)
    if version:
        return capabilities(version)
    if module.check_mode:
        return newest()
    raise KeaError("Kea is not installed, so its version is not known; install it first, or give kea_version")


def _check_access(module: AnsibleModule, tls: Dict[str, str], kind: str) -> None:
    """Raise KeaError for TLS files that are unfit or that Kea's user cannot read; root can read more."""
    check_files(module, tls, kind)
    for path in filter(os.path.exists, (tls.get(name, "") for name in FILES)):
        if not readable(module, user_of(module), path):
            raise KeaError(f"the user {user_of(module)} of Kea cannot read {path}")


def _check_library(module: AnsibleModule) -> None:
    if not module.check_mode and not mysql_host.library_is_there():
        raise KeaError(
            "Kea cannot verify a MySQL server. MariaDB's client library (libmariadb.so.3) can, and is not installed: "
            "install it, or leave trust_anchor out, and the server is not verified"
        )


def _warn_of_readers(module: AnsibleModule, path: str) -> None:
    """Warn if every user can read the file, which contains a password; its owner chose the mode."""
    if not os.path.exists(path):
        return
    if os.stat(path).st_mode & stat.S_IROTH and os.stat(os.path.dirname(path)).st_mode & stat.S_IXOTH:
        module.warn(f"{path} holds a password and can be read by every user of this host")
