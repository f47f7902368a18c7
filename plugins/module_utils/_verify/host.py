# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: reads what kea_info does not: the monitor's own report, modes of secrets, drift from the manifest."""

from __future__ import annotations

import glob
import json
import pwd
import socket
import stat
import time
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional

from .. import _info
from .._config.servers import family_of, top_of_path
from .._kea import tree
from .._host import clusters, hba
from .._server import config as server_config
from .._server import kea_account, pair_facts, served
from .._server import state as server_state
from .._server import statistics
from .._server import subnets as server_subnets
from .._manifest import record
from .._manifest import rollback
from .._config.document import Document
from .._config.packagings import USERS
from .._config.secret import secrets_in
from .._config.syntax import KeaJsonError, value_of
from .._manifest.document import Manifest, ManifestError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

MONITOR = "/usr/local/bin/kea-lease-monitor"
OWNERS = ("root", *USERS, "kea-lease-monitor", "postgres")
TIMEOUT = "20"
"""Seconds after which a command of the monitor is stopped."""


class Secret(NamedTuple):
    """Files that match a pattern, and the widest mode that they may have."""

    pattern: str
    mode: int
    is_kea_config: bool = False
    """Whether a file is secret only if it contains a password."""


SECRETS = (
    Secret("/etc/kea/*.conf*", 0o640, is_kea_config=True),
    Secret("/etc/kea/tls/*/key.pem", 0o640),
    Secret("/etc/kea/tls-pair/*/key.pem", 0o640),
    Secret("/etc/kea/*.ha-password", 0o600),
    Secret("/etc/kea/tsig/*", 0o600),
    Secret("/etc/kea-lease-monitor/config.yml", 0o640),
    Secret("/etc/kea-lease-monitor/db-password", 0o640),
    Secret("/etc/kea-lease-monitor/webhook-secret", 0o640),
    Secret("/etc/kea-lease-monitor/tls/*/key.pem", 0o640),
    Secret("/etc/postgresql/baremetal-kea-tls/*/key.pem", 0o640),
    Secret("/var/lib/baremetal-kea/manifest.json", 0o600),
    Secret("/var/lib/baremetal-kea/in-force-kea-dhcp4.json", 0o600),
    Secret("/var/lib/baremetal-kea/in-force-kea-dhcp6.json", 0o600),
    Secret("/var/lib/baremetal-kea/files", 0o700),
    Secret("/var/lib/kea-lease-monitor", 0o750),
    Secret("/var/lib/kea/dumps", 0o700),
)
"""Files that the roles and modules of this collection create."""


def read(module: AnsibleModule, path: str) -> Dict[str, Any]:
    """Read all facts of this host, except those of the database."""
    lfc = _info.lfc(module, path)
    config = server_config.read(path)
    monitor = _info.monitor(module, path)
    lease_file = server_config.lease_file_of(path, config)
    once = served.Once(path)
    return {
        "family": family_of(top_of_path(path)),
        "now": time.time(),
        "server": server_state.server(module, path),
        "config": config,
        "pair": pair_facts.pair(path, kea_account.of(module, path), once),
        "move": _info.move(path),
        "monitor": monitor,
        "monitor_check": _check(module) if monitor["unit"] else None,
        "monitor_status": _status(module) if monitor["unit"] else None,
        "lease_file": lease_file,
        "lease_file_age": _age(lease_file),
        "subnets": server_subnets.subnets(path, once),
        "pools": statistics.usage(config["control_sockets"], family_of(top_of_path(path))),
        "lfc": lfc,
        "lfc_service": _last_run(module, lfc),
        "secrets": [found for secret in SECRETS for found in find(secret)],
        "manifest": _manifest(module),
        "hba": {one["name"]: hba.read(one["version"], one["name"]) for one in clusters.clusters(module) or []},
    }


def _check(module: AnsibleModule) -> Dict[str, Any]:
    code, out, err = module.run_command(["timeout", TIMEOUT, MONITOR, "check"])
    said = (out.strip() or err.strip()).splitlines()
    return {"code": code, "said": said[-1] if said else f"kea-lease-monitor check ended with exit code {code}"}


def _status(module: AnsibleModule) -> List[Dict[str, Any]]:
    """Return the monitor's status; empty if it fails, and its check then says why.

    With a state store in PostgreSQL there are the lines of other monitors, too; those are judged on their hosts.
    """
    code, out, _err = module.run_command(["timeout", TIMEOUT, MONITOR, "status", "--json"])
    try:
        found: List[Dict[str, Any]] = json.loads(out) if code == 0 else []
    except ValueError:
        return []
    return [line for line in found if line.get("monitor") in (None, socket.gethostname())]


def _last_run(module: AnsibleModule, lfc: Dict[str, Any]) -> Dict[str, Any]:
    """Return the ``result`` of the last LFC run, and when the timer last elapsed (``triggered``, 0: never)."""
    found = {"result": "success", "triggered": 0.0}
    for kind, name in (("service", "Result"), ("timer", "LastTriggerUSec")):
        if lfc[kind]:
            words = ["systemctl", "show", "--timestamp=unix", f"--property={name}", "--value", lfc[kind]["name"]]
            _code, out, _err = module.run_command(words)
            if kind == "service":
                found["result"] = out.strip()
            elif out.startswith("@"):
                found["triggered"] = float(out.strip()[1:])
    return found


def find(secret: Secret) -> List[Dict[str, str]]:
    """Return each file that matches, with its ``problem`` (empty for none), and what to do about it (``todo``)."""
    return [judged for path in sorted(glob.glob(secret.pattern)) for judged in _judge(secret, path)]


def _judge(secret: Secret, path: str) -> List[Dict[str, str]]:
    """Judge one file; the list is empty if it contains no secret."""
    if secret.is_kea_config and not _has_password(path):
        return []
    try:
        found = tree.status(path)
    except tree.UnsafePathError as error:
        return [{"path": path, "problem": str(error.strerror), "todo": f"find out why: ls -l {path}"}]
    if found is None:
        return []
    mode, owner = stat.S_IMODE(found.st_mode), _owner(found.st_uid)
    if mode & ~secret.mode:
        problem = f"has mode {mode:04o}, and may have {secret.mode:04o} at most"
        return [{"path": path, "problem": problem, "todo": f"chmod {mode & secret.mode:04o} {path}"}]
    if owner not in OWNERS:
        return [{"path": path, "problem": f"belongs to {owner}", "todo": f"find out why; chown root {path}"}]
    return [{"path": path, "problem": "", "todo": ""}]


def _has_password(path: str) -> bool:
    """Return whether a configuration contains a password; True if it cannot be read, to be safe."""
    try:
        document = Document(tree.read(path).decode("utf-8", "surrogateescape"))
        return any(secrets_in(value_of(document.root)))
    except (OSError, KeaJsonError):
        return True


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _age(path: Optional[str]) -> Optional[float]:
    """Return the seconds since a file was last written; None if there is none."""
    try:
        found = tree.status(path) if path else None
    except OSError:
        return None
    return time.time() - found.st_mtime if found else None


def _manifest(module: AnsibleModule) -> Dict[str, Any]:
    """Return what was changed by hand since the last deployment."""
    found: Dict[str, Any] = {"error": "", "unfinished": None, "things": 0, "changed": []}
    try:
        manifest = Manifest()
        record.dismiss(module, manifest)
        if not manifest.exists:
            raise ManifestError("nothing was deployed here yet: there is no manifest")
        found.update(unfinished=manifest.unfinished, things=len(manifest.entries))
        found["changed"] = [one["key"] for one in rollback.drift(module, manifest)]
    except ManifestError as error:
        found["error"] = str(error)
    return found
