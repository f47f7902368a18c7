# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a batch: each atomic, and all together durable in hardly more time than one.

A herd of machines brings a file for each. What costs the time of a single file is done once for all of them: the walk
to their directory, and the flush.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Dict, Iterator, Mapping, NamedTuple, Optional, Sequence

from _kea import durable, together, tree

from kea_lease_monitor import files
from kea_lease_monitor.errors import MonitorError

_THREADS = 8
"""Files written at the same time. The threads only write, and end with the batch."""
_OPEN = 100
"""Files that are open at the same time, where one flush is enough for all."""


class Directory:
    """A directory that is walked to once, for all that is read in it."""

    def __init__(self, spot: tree.Spot, path: str) -> None:
        self._spot = spot
        self.path = path

    def read(self, name: str) -> Optional[bytes]:
        """Return the content of a file, if there is one. Raises as ``files.read``."""
        try:
            os.stat(name, dir_fd=self._spot.directory, follow_symlinks=False)
        except FileNotFoundError:  # as for each new machine
            return None
        except OSError:
            pass  # which is told below
        return files.read(os.path.join(self.path, name))


@contextmanager
def directory(path: str) -> Iterator[Directory]:
    """Open a directory. Raises TemporaryError."""
    with ExitStack() as stack:
        with files.explained(path):
            spot = stack.enter_context(tree.at(os.path.join(path, "any"), follow=False))
        yield Directory(spot, path)


def replace_all(contents: Mapping[str, bytes], mode: int) -> None:
    """Write many files, each atomically. They are durable after ``sync_directory``. Raises as ``files.read``.

    Their contents are on the disk before any gets its name: by one flush for all where the file system allows it, else
    several at the same time. A path is walked once for all of its directory.
    """
    with ExitStack() as homes:
        opened: Dict[str, tree.Spot] = {}
        for path in contents:
            directory = os.path.dirname(path)
            if directory not in opened:
                with files.explained(path):
                    opened[directory] = homes.enter_context(tree.at(path, follow=False))
        orders = [
            _Order(path, opened[os.path.dirname(path)].beside(durable.temporary(os.path.basename(path))), content, mode)
            for path, content in contents.items()
        ]
        try:
            _write_all(orders)
            for order in orders:
                with files.explained(order.path):
                    order.candidate.rename(os.path.basename(order.path))
        except MonitorError:
            for order in orders:
                # A full disk must not stay full because of these files.
                with suppress(OSError):
                    order.candidate.unlink()
            raise


class _Order(NamedTuple):
    """A file to write."""

    path: str
    candidate: tree.Spot
    """Its name until it is complete."""
    content: bytes
    mode: int


def _write_all(orders: Sequence[_Order]) -> None:
    if len(orders) == 1:
        _write(orders[0])
    elif all(together.is_enough(directory) for directory in {order.candidate.directory for order in orders}):
        for begin in range(0, len(orders), _OPEN):
            _write_together(orders[begin : begin + _OPEN])
    elif orders:
        with ThreadPoolExecutor(min(_THREADS, len(orders))) as pool:
            list(pool.map(_write, orders))


def _write(order: _Order) -> None:
    with files.explained(order.path):
        durable.write_new_at(order.candidate, order.content, order.mode)


def _write_together(orders: Sequence[_Order]) -> None:
    begun: Dict[str, int] = {}
    try:
        for order in orders:
            with files.explained(order.path):
                begun[order.path] = durable.begin_new_at(order.candidate, order.content, order.mode)
        for path, descriptor in begun.items():
            with files.explained(path):
                together.finish(descriptor)
    finally:
        for descriptor in begun.values():
            os.close(descriptor)
