# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try each action that the arguments name, as KIND:PATH, as the user and in the unit that runs this.

Prints one JSON map: each action, and ``done`` or why it was refused. It imports the standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Callable


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def write(path: str) -> None:
    """Open for writing, and change nothing."""
    os.close(os.open(path, os.O_WRONLY))


def create(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


def replace(path: str) -> None:
    """Rename a directory and back."""
    os.rename(path, path + ".away")
    os.rename(path + ".away", path)


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)


def lock(path: str) -> None:
    """Open a lock as who takes it does; whoever can open it can hold it."""
    os.close(os.open(path, os.O_RDONLY))


def kill(process: str) -> None:
    os.kill(int(process), 0)


def sudo(command: str) -> None:
    subprocess.run(["sudo", "-n", command], check=True, capture_output=True)


KINDS: dict[str, Callable[[str], None]] = {
    one.__name__: one for one in (read, write, create, replace, connect, lock, kill, sudo)
}


def attempt(action: str) -> str:
    kind, _colon, target = action.partition(":")
    try:
        KINDS[kind](target)
    except OSError as error:
        return f"refused: {error.strerror}"
    except subprocess.CalledProcessError as error:
        return f"refused: exit code {error.returncode}"
    return "done"


print(json.dumps({action: attempt(action) for action in sys.argv[1:]}))
