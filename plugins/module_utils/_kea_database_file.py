# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what C(kea_database) does on a host: its entry into Kea's configuration, its TLS into Kea's unit."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any, Dict, List

from ansible_collections.baremetal.kea.plugins.module_utils._kea_config import (
    installed_version,
    readable,
    top_of,
    top_of_path,
    update,
)
from ansible_collections.baremetal.kea.plugins.module_utils._kea_database import (
    HOOKS,
    KeaDatabaseError,
    drop_all,
    drop_entry,
    entry_of,
    find_hook,
    over_network,
    put_alone,
    put_entry,
    put_hook,
)
from ansible_collections.baremetal.kea.plugins.module_utils._kea_json import Document
from ansible_collections.baremetal.kea.plugins.module_utils._kea_tls import (
    DEFAULT,
    FILES,
    DropIn,
    KeaTlsError,
    check_files,
    environment_of,
    settings_of,
    shared,
)
from ansible_collections.baremetal.kea.plugins.module_utils._kea_versions import Capabilities, capabilities, newest

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def apply(module: AnsibleModule) -> Dict[str, Any]:
    """Brings the configuration and the unit to what the options say; the module's result.

    Raises KeaConfigError, KeaDatabaseError, KeaTlsError or KeaVersionError, with nothing changed.
    """
    top = top_of_path(module.params["path"])
    kea = _installed_kea(module, top)
    edit = _Edit(module, kea, DropIn.of(module, top))
    _before, _after, result = update(module, edit, top)
    _settle(module, result, edit)
    _warn_of_readers(module, result["path"])
    return {"kea_version": kea.version, **result}


class _Edit:
    """The change of the document. It also finds the text of the drop-in, which may be a reason to refuse."""

    def __init__(self, module: AnsibleModule, kea: Capabilities, drop_in: DropIn) -> None:
        self.kea = kea
        self.drop_in = drop_in
        self.before = self.environment = drop_in.text()
        self.check_mode = module.check_mode
        self.tls = settings_of(module.params) if module.params["state"] == "present" else {}
        self.params = {**module.params, **self.tls}
        self.entry = entry_of(self.params, kea)
        _check_access(module, self.tls)

    def __call__(self, document: Document) -> Document:
        top, purpose = top_of(document), self.params["purpose"]
        if self.params["state"] == "absent":
            document = (drop_all if self.params["exclusive"] else drop_entry)(document, top, purpose, self.entry)
        else:
            document = self._with_entry(document, top, purpose)
        self.environment = self._environment(document, top, purpose)
        return document

    def _with_entry(self, document: Document, top: str, purpose: str) -> Document:
        if self.params["exclusive"]:
            document = put_alone(document, top, purpose, self.entry)
        document = put_entry(document, top, purpose, self.entry)
        database = self.params["type"]
        if database not in HOOKS or not self.kea.database_hooks:
            return document
        hook = find_hook(database)
        if hook is None and not self.check_mode:
            raise KeaDatabaseError(f"Kea {self.kea.version} needs the hook {HOOKS[database]}, which is not installed")
        return put_hook(document, top, database, hook or HOOKS[database])

    def _environment(self, document: Document, top: str, purpose: str) -> str:
        if self.kea.postgresql_tls_keys:
            return ""
        host = str(self.entry.get("host", "localhost"))
        others = over_network(document, top, purpose, self.entry)
        if self.tls == DEFAULT:
            others = [one for one in others if one.get("host", "localhost") != host]
        environment = environment_of(self.tls, str(self.params["type"]), self.kea)
        return str(shared(self.before, environment, host, others))


def _settle(module: AnsibleModule, result: Dict[str, Any], edit: _Edit) -> None:
    """Makes the drop-in what the edit found, and says so in the result."""
    drop_in, before, after = edit.drop_in, edit.before, edit.environment
    result["drop_in"] = {"path": drop_in.path, "before": before, "after": after}
    if before == after:
        return
    result["changed"] = True
    if module._diff:
        diffs: List[Dict[str, str]] = [result["diff"]] if "diff" in result else []
        header = {"before_header": drop_in.path, "after_header": drop_in.path}
        result["diff"] = [*diffs, {**header, "before": before, "after": after}]
    if not module.check_mode:
        drop_in.put(after)


def _installed_kea(module: AnsibleModule, top: str) -> Capabilities:
    version = module.params["kea_version"] or installed_version(module, top)
    if version:
        return capabilities(version)
    if module.check_mode:
        return newest()
    raise KeaDatabaseError("Kea is not installed, so its version is not known; install it first, or give kea_version")


def _check_access(module: AnsibleModule, tls: Dict[str, str]) -> None:
    """What root can read proves nothing."""
    check_files(module, tls, module.params["type"])
    for path in filter(os.path.exists, (tls.get(name, "") for name in FILES)):
        if not readable(module, module.params["kea_user"], path):
            raise KeaTlsError(f"the user {module.params['kea_user']} of Kea cannot read {path}")


def _warn_of_readers(module: AnsibleModule, path: str) -> None:
    """The mode of the file is its owner's decision, but a password makes it a risky one."""
    if not module.params["password"] or not os.path.exists(path):
        return
    if os.stat(path).st_mode & stat.S_IROTH and os.stat(os.path.dirname(path)).st_mode & stat.S_IXOTH:
        module.warn(f"{path} holds a password and can be read by every user of this host")
