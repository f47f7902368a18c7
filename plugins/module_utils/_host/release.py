# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: releases named by their content, and the links that say which one is in force.

A directory of releases looks like this::

    releases/1.0.0-3f2a9c1d77aa/    one release, never changed once it has its name
    current -> releases/1.0.0-...   swapped by one rename
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import tarfile
from typing import TYPE_CHECKING, Dict, List, Optional, Sequence, Tuple

from .._errors import KeaError
from .._kea import durable

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
PACKAGE = "kea_lease_monitor"
MIGRATION = re.compile(r"^v([0-9]{4})\.py$")
LAUNCHER = "kea_lease_monitor.py"
COMMAND = "kea-lease-monitor"
SHARED = "_kea"
"""Package that all programs share, ``module_utils/_kea``."""
# A release that was in force is kept for the way back; more than one, since the last deployment may have failed too.
KEPT = 3

Files = Dict[str, bytes]


def pack(source: str, shared: str) -> str:
    """Return the files below two directories as base64 of a tar archive, the same for the same content.

    ``source`` has the commands and the package of a program. ``shared`` is the directory of the package ``_kea``, which
    the program imports under this name.
    """
    archive = io.BytesIO()
    files = {**_read(source), **{f"{SHARED}/{name}": content for name, content in _read(shared).items()}}
    with tarfile.open(fileobj=archive, mode="w:xz") as tar:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return base64.b64encode(archive.getvalue()).decode("ascii")


def unpack(packed: str) -> Files:
    """Return the files of ``pack`` laid out as a release: commands at the top, packages below ``lib``."""
    files: Files = {}
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed)), mode="r:xz") as tar:
        for member in tar.getmembers():
            content = tar.extractfile(member)
            if content:
                files[f"lib/{member.name}" if "/" in member.name else member.name] = content.read()
    return files


def release_name(files: Files, package: str = PACKAGE, commands: Tuple[str, ...] = (LAUNCHER, COMMAND)) -> str:
    """Return the name ``<version>-<hash>`` of a release with these files; the hash is over all of them.

    ``package`` and ``commands`` say what the program must have, by default the monitor's. Raises KeaError if the files
    are not those of that program.
    """
    initial = files.get(f"lib/{package}/__init__.py", b"").decode("utf-8")
    version = VERSION.search(initial)
    if not version or any(command not in files for command in commands):
        raise KeaError(f"src: {', '.join(commands)} and {package}/__init__.py with a __version__ must be there")
    return f"{version.group(1)}-{_digest(files)[:12]}"


class Releases:
    """Releases below one directory, such as /opt/baremetal."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._directory = os.path.join(root, "releases")

    def path(self, name: str) -> str:
        """Return the directory of a release."""
        return os.path.join(self._directory, name)

    def schema(self, name: str) -> str:
        """Return the schema of the state store that a release needs: its last migration."""
        directory = os.path.join(self.path(name), "lib", "kea_lease_monitor", "state", "migrations", "versions")
        names = os.listdir(directory) if os.path.isdir(directory) else []
        return max((match.group(1) for match in map(MIGRATION.match, names) if match), default="")

    def current(self) -> Optional[str]:
        """Return the name of the release in force; None if there is none."""
        try:
            return os.path.basename(os.readlink(os.path.join(self.root, "current")))
        except OSError:
            return None

    def is_whole(self, name: str, files: Files) -> bool:
        """Return whether the release is installed and unchanged since."""
        path = self.path(name)
        return os.path.isdir(path) and _digest(_read(path)) == _digest(files)

    def install(self, module: AnsibleModule, name: str, files: Files) -> None:
        """Write a release. It gets its name only when it is complete, so this can be killed anywhere.

        Its commands get the type that SELinux has for their paths, where it is enabled.
        """
        os.makedirs(self._directory, mode=0o755, exist_ok=True)
        self._remove_unfinished()
        unfinished = self.path(f".new-{name}")
        for relative, content in files.items():
            path = os.path.join(unfinished, relative)
            _write(path, content)
            if content.startswith(b"#!"):
                # Every user may run it.
                os.chmod(path, 0o755)  # nosec B103
                module.set_default_selinux_context(path, False)
        if os.path.isdir(self.path(name)):
            os.rename(self.path(name), self.path(f".old-{name}"))
        os.rename(unfinished, self.path(name))
        durable.sync(self._directory)
        self._remove_unfinished()

    def activate(self, name: str) -> None:
        """Put a release in force by one rename."""
        durable.link(os.path.join(self.root, "current"), os.path.join("releases", name))

    def prune(self, keep: Sequence[str] = ()) -> List[str]:
        """Remove all but the newest releases, the one in force and those to keep. Return the removed names."""
        names = [name for name in os.listdir(self._directory) if not name.startswith(".")]
        by_age = sorted(names, key=lambda name: os.stat(self.path(name)).st_mtime, reverse=True)
        removed = [name for name in by_age[KEPT:] if name not in (self.current(), *keep)]
        for name in removed:
            shutil.rmtree(self.path(name))
        return removed

    def names(self) -> List[str]:
        """Return the names of all releases."""
        if not os.path.isdir(self._directory):
            return []
        return sorted(name for name in os.listdir(self._directory) if not name.startswith("."))

    def remove_all(self) -> None:
        """Remove the releases and the link to the one in force."""
        current = os.path.join(self.root, "current")
        if os.path.lexists(current):
            os.remove(current)
        if os.path.isdir(self._directory):
            shutil.rmtree(self._directory)

    def _remove_unfinished(self) -> None:
        for name in os.listdir(self._directory):
            if name.startswith("."):
                shutil.rmtree(self.path(name))


def _read(directory: str) -> Files:
    # Caches of tools, such as __pycache__ and hidden directories, are no part of a release.
    files: Files = {}
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, directory)] = file.read()
    return files


def _digest(files: Files) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _write(path: str, content: bytes) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    # Every user may read a release.
    os.chmod(folder, 0o755)  # nosec B103
    durable.write(path, content, 0o644)
