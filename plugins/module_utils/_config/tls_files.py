# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: checks the TLS files of a database entry, and reads and writes the drop-in of Kea's unit."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Mapping, NamedTuple, Optional

from .._errors import KeaError
from .._host.certificates import Judge, Material
from .._kea import durable
from . import packagings
from .tls import FILES

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

UNITS = "/etc/systemd/system"
FILE_NAME = "baremetal-kea-tls.conf"


def check_files(module: AnsibleModule, settings: Mapping[str, str], database: str) -> None:
    """Raise KeaError for a file that is unfit, or that libpq or Kea would refuse.

    In check mode a file may be missing, because an earlier task did not really create it.
    """
    paths = {name: settings[name] for name in FILES if name in settings}
    if not paths or (module.check_mode and not all(map(os.path.exists, paths.values()))):
        return
    for name, path in paths.items():
        _check_kind(name, path, database)
    if "key_file" in paths:
        _check_key(paths["key_file"])
    try:
        texts = [_read(paths.get(name)) for name in FILES]
        Judge(module).check(Material(*texts))
    except KeaError as error:
        raise KeaError(f"{error} ({', '.join(paths.values())})") from error


class DropIn(NamedTuple):
    """Drop-in of Kea's unit with the environment for libpq."""

    path: str

    @classmethod
    def of(cls, module: AnsibleModule, top: str) -> "DropIn":
        """Return the drop-in of the server with this map at the top of its configuration."""
        unit = packagings.unit_of(module, top)
        return cls(os.path.join(UNITS, f"{unit.name if unit else packagings.UNITS[top][0]}.d", FILE_NAME))

    def text(self) -> str:
        """Return its text; empty if there is none."""
        try:
            with open(self.path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def put(self, text: str) -> None:
        """Write it, or remove it if ``text`` is empty. Raises KeaError."""
        try:
            if not text:
                os.unlink(self.path)
                return
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            durable.replace(self.path, text.encode(), 0o644)
        except OSError as error:
            raise KeaError(f"{self.path} cannot be written: {error.strerror}") from error


def _check_kind(name: str, path: str, database: str) -> None:
    if os.path.isdir(path) and name == "trust_anchor" and database == "postgresql":
        raise KeaError(f"trust_anchor {path} is a directory, which PostgreSQL's client library cannot use")
    if not os.path.exists(path):
        raise KeaError(f"{name} {path} does not exist")


def _check_key(path: str) -> None:
    """Raise KeaError for a key that libpq refuses (fe-secure-openssl.c, initialize_SSL)."""
    found = os.stat(path)
    forbidden = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO if found.st_uid == 0 else stat.S_IRWXG | stat.S_IRWXO
    if found.st_mode & forbidden:
        raise KeaError(
            f"key_file {path} can be reached by others (mode {stat.S_IMODE(found.st_mode):04o}); PostgreSQL's client "
            "library takes 0600, or 0640 when it belongs to root"
        )


def _read(path: Optional[str]) -> Optional[str]:
    if path is None or os.path.isdir(path):
        return None
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise KeaError(f"{path} cannot be read as PEM: {error}") from error
