# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A child of root that acts as the owner of a directory, after root has become another user for good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Iterable, Optional

from kea_lease_monitor.errors import TemporaryError


def started(path: str, code: str, found: Optional[os.stat_result] = None) -> subprocess.Popen[bytes]:
    """Start a child that runs this Python code as the owner of the directory of a path. Raises TemporaryError.

    ``found`` is what is known of that directory.

    It waits for its standard input. Without any, the code is to do nothing.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        owner = found or os.stat(os.path.dirname(path))
        return subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", code],
            env=environment,
            cwd="/",
            user=owner.st_uid,
            group=owner.st_gid,
            extra_groups=[],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        raise TemporaryError(f"{path} cannot be used: {error.strerror}") from error


def end(children: Iterable[subprocess.Popen[bytes]]) -> None:
    """End those of these children that were asked nothing."""
    for child in children:
        if child.returncode is None:
            child.communicate()


def request() -> Any:
    """Return what this child is asked for on its standard input, None for nothing."""
    text = sys.stdin.read()
    return json.loads(text) if text else None


def asked(child: subprocess.Popen[bytes], text: str) -> bytes:
    """Give a child its standard input, and return its output. Raises TemporaryError with its last words."""
    output, problem = child.communicate(text.encode())
    if child.returncode:
        raise TemporaryError(problem.decode("utf-8", "replace").strip().rpartition("\n")[2])
    return output
