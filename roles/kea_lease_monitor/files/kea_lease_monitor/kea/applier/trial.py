# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of Kea's configuration with other reservations than those that it includes now."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import Dict, List, Mapping, Sequence, Set

from _kea import includes, program

from kea_lease_monitor import files
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import hosts as host_files
from kea_lease_monitor.kea.applier.hosts import Host

_INCLUDE = re.compile(includes.DIRECTIVE.pattern.encode())
_DEEPEST = 10
"""Kea's own limit for includes within includes."""


class Trial:
    """Kea's configuration, copied with each reservation file replaced by a candidate.

    All copies lie below ``directory``, in Kea's reach: a confined Kea reads files below /etc/kea only. A configuration
    need not be UTF-8, so that it is handled as bytes.
    """

    def __init__(self, kea: str, config: str, directory: str, replaced: Mapping[int, str]) -> None:
        """``kea`` is the path of Kea's server; ``replaced`` maps each subnet to the path that Kea includes."""
        self._kea = kea
        self._directory = directory
        self._subnets = {os.fsencode(path): subnet for subnet, path in replaced.items()}
        self.included: Set[int] = set()
        """Subnets whose file Kea's configuration includes."""
        self.sources = {config: files.stamp(config)}
        """Stamps of the configuration and of the files that it includes, without those of reservations."""
        self._copies: Dict[str, bytes] = {}
        self._sources = {self._candidate(subnet): path for subnet, path in replaced.items()}
        self._config = self._copy(config, files.read(config) or b"", 0)

    @property
    def configuration(self) -> bytes:
        """Return the text of the configuration and of the copied files that it includes."""
        return b"\n".join(self._copies[path] for path in sorted(self._copies))

    def __enter__(self) -> Trial:
        self._remove()
        try:
            os.mkdir(self._directory, 0o700)
        except OSError as error:
            raise TemporaryError(f"{self._directory} cannot be created: {error.strerror}") from error
        for path, content in self._copies.items():
            self._write(path, content)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._remove()

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self._directory)

    def test(self, hosts: Sequence[Host]) -> str:
        """Return why Kea refuses its configuration with these reservations, empty if it accepts it."""
        by_subnet: Dict[int, List[Host]] = {subnet: [] for subnet in self._subnets.values()}
        for host in hosts:
            by_subnet[host.subnet].append(host)
        for subnet, own in by_subnet.items():
            self._write(self._candidate(subnet), host_files.render(own))
        tested = program.check(self._kea, self._config)
        if tested.code < 0:
            raise TemporaryError(f"signal {-tested.code} ended the test of Kea's configuration")
        return self._explained(tested.last_line) if tested.code else ""

    def _explained(self, words: str) -> str:
        """Return Kea's words with the names of the files that were copied."""
        for path, source in self._sources.items():
            words = words.replace(path, source)
        return words

    def _candidate(self, subnet: int) -> str:
        return os.path.join(self._directory, f"subnet-{subnet}.json")

    def _write(self, path: str, content: bytes) -> None:
        try:
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise TemporaryError(f"{path} cannot be written: {error.strerror}") from error

    def _copy(self, source: str, content: bytes, depth: int) -> str:
        """Plan a copy of a file that includes candidates. Return its path."""
        path = os.path.join(self._directory, f"{len(self._copies)}-{depth}.conf")
        self._copies[path], self._sources[path] = b"", source
        self._copies[path] = _INCLUDE.sub(lambda found: self._include(found, depth), content)
        return path

    def _include(self, found: re.Match[bytes], depth: int) -> bytes:
        """Return the include in a copy: of the candidate, of a copy, or of the same file."""
        named = found[1]
        if named in self._subnets:
            self.included.add(self._subnets[named])
            return b'<?include "%s"?>' % os.fsencode(self._candidate(self._subnets[named]))
        self.sources.setdefault(os.fsdecode(named), files.stamp(os.fsdecode(named)))
        content = files.read(os.fsdecode(named)) if depth < _DEEPEST and os.path.isabs(named) else None
        if content and _INCLUDE.search(content):
            return b'<?include "%s"?>' % os.fsencode(self._copy(os.fsdecode(named), content, depth + 1))
        return found[0]
