# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: Kea's schema in one database, created and upgraded by kea-admin."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Optional

from .._errors import KeaError
from .._host.time_zone import difference
from .._kea import tree
from .backend import Answer, Backend


class UnreachableError(KeaError):
    """There is no session with the database, for another reason than wrong credentials."""


class Schema:
    """The schema of one database."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.connection = backend.connection

    def version(self) -> Optional[str]:
        """Return major and minor version, None for an empty database. Raises KeaError if the database is not Kea's."""
        is_kea, relations = self._query(self.backend.dialect.probe).split("|", 1)
        if is_kea in ("t", "1"):
            return self._kea_version()
        if relations:
            raise KeaError(
                f"the database {self._name} holds no schema of Kea, but {relations}; Kea needs one of its own"
            )
        return None

    def sessions(self) -> str:
        """Return the addresses of the other sessions of the same role; empty if there are none. Raises KeaError."""
        return self._query(self.backend.dialect.other_sessions)

    def time_difference(self) -> Optional[str]:
        """Return why the database would take Kea's times for others; None if it does not. Raises KeaError."""
        moments = self._query(self.backend.dialect.moments).split("|")
        return difference([int(seconds) for seconds in moments])

    def initialise(self) -> None:
        """Create the schema. Raises KeaError with kea-admin's output."""
        self._kea_admin("db-init")

    def upgrade(self) -> str:
        """Upgrade the schema, and return the first error in kea-admin's output, or else the whole output.

        All other errors follow from the first one. Raises KeaError if kea-admin reports a failure.
        """
        answer = self._kea_admin("db-upgrade")
        return next((line for line in answer.errors.splitlines() if "ERROR" in line), answer.output)

    def dump(self, path: str) -> None:
        """Write the whole database to a file that exists only once it is complete. Raises KeaError."""
        try:
            with tree.at(path + ".part", follow=False) as part:
                self._dump_to(part, os.path.basename(path))
        except OSError as error:
            reason = f"{error.filename or path} cannot be written: {error.strerror}"
            raise KeaError(f"the database could not be dumped, so it is not upgraded: {reason}") from error

    def _dump_to(self, part: tree.Spot, name: str) -> None:
        """Dump by the descriptor of the directory: others may write the one above it, which is Kea's."""
        home = os.fstat(part.directory)
        if home.st_uid not in (0, os.geteuid()) or home.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise KeaError(f"{os.path.dirname(part.path)} can be written by other users: choose another dump_dir")
        try:
            answer = self.backend.dump(f"/proc/{os.getpid()}/fd/{part.directory}/{part.name}")
            if answer.code != 0:
                raise KeaError(f"the database could not be dumped, so it is not upgraded: {_one_line(answer.errors)}")
            part.rename(name)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()

    def _query(self, text: str) -> str:
        answer = self.backend.query(text)
        if answer.code != 0:
            error = KeaError if self.backend.dialect.refused in answer.errors else UnreachableError
            raise error(f"cannot connect to the database {self._name}: {_one_line(answer.errors)}")
        return answer.output.strip()

    @property
    def _name(self) -> str:
        return f"{self.connection.database} on {self.connection.host}"

    def _kea_version(self) -> str:
        output = self._kea_admin("db-version").output
        found = re.search(r"^(\d+\.\d+)$", output, re.MULTILINE)
        if not found:
            raise KeaError(f"kea-admin db-version reports no version: {output.strip()}")
        return found.group(1)

    def _kea_admin(self, command: str) -> Answer:
        answer = self.backend.admin(command)
        if answer.code != 0:
            raise KeaError(f"kea-admin {command} failed: {(answer.errors.strip() or answer.output.strip())}")
        return answer


def _one_line(text: str) -> str:
    return " ".join(text.replace("psql: error: ", "").split())
