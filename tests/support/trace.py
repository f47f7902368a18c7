# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What root did by path where another user may replace a part of the path, from a trace of strace.

An operation on a path is safe if root alone may write each directory on the way, or if it names one entry of a held
directory and does not follow a link there. Looking (stat, access, readlink) changes nothing and is left out.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

CALLS = "trace=%file,%process,setuid,setreuid,setresuid"
"""What acts on paths, and what tells whose process it is."""
OPTIONS = ("-ff", "-y", "-qq", "-s", "4096", "--decode-pids=pidns", "-e", CALLS)
"""Of strace."""

ACTING = {
    *("open", "openat", "openat2", "creat", "truncate", "mkdir", "mkdirat", "mknod", "mknodat", "rmdir"),
    *("unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimensat", "setxattr"),
    *("removexattr", "execve", "execveat", "mount", "chroot"),
}
FOLLOWING = {"open", "openat", "openat2", "fchmodat", "execveat"}
"""Those of one entry of an open directory that follow a link unless they say otherwise."""
NOT_FOLLOWING = ("O_NOFOLLOW", "AT_SYMLINK_NOFOLLOW", "O_EXCL", "RESOLVE_NO_SYMLINKS")
KERNEL = ("/proc/", "/sys/", "/dev/", "/run/user/")

_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?)(.*)$")
_AT = re.compile(r'(?:(AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"')
_PROCESS = re.compile(r"/\* (\d+) in strace's PID NS \*/")
_NEW_USER = re.compile(r"set(?:re|res)?uid\((?:-?\d+, )?(\d+)")


class Act(NamedTuple):
    """A call of a process of root that acts by a path."""

    program: str
    call: str
    path: str
    """Absolute."""
    held: bool
    """Whether the path is one entry of a directory that is held open."""

    def __str__(self) -> str:
        return f"{self.program}: {self.call} {self.path}"


class Trace:
    """The files that ``strace`` with OPTIONS and ``-o DIRECTORY/trace`` wrote, one for each process."""

    def __init__(self, directory: Path, first: int) -> None:
        self._directory = directory
        self._first = first

    def acts(self) -> Iterator[Act]:
        """Yield what processes of root did, beginning with the process that was traced first."""
        yield from self._of(self._first, 0, "", "/")

    def _of(self, process: int, user: int, program: str, cwd: str) -> Iterator[Act]:
        path = self._directory / f"trace.{process}"
        if not path.exists():
            return
        for line in path.read_text(errors="replace").splitlines():
            found = _CALL.match(line)
            if found is None or found[3].startswith(("-", "?")):
                continue
            call, arguments, result = found[1], found[2], found[3]
            if call in {"clone", "clone3", "fork", "vfork"}:
                # The result is the number that the process has for its parent, which may be in a container.
                outer = _PROCESS.search(found[4])
                yield from self._of(int(outer[1] if outer else result), user, program, cwd)
            elif "uid" in call:
                changed = _NEW_USER.match(line)
                user = int(changed[1]) if changed and changed[1] != "4294967295" else user
            elif call in ACTING and user == 0:
                yield from (Act(program, call, *at) for at in _paths(call, arguments, cwd))
            if call == "execve":
                program = os.path.basename(_AT.search(arguments)[3])  # type: ignore[index]
            elif call == "chdir":
                cwd = os.path.join(cwd, _AT.search(arguments)[3])  # type: ignore[index]


def _paths(call: str, arguments: str, cwd: str) -> Iterator[tuple[str, bool]]:
    """Yield each path that a call acts by, and whether it is a safe entry of an open directory."""
    follows = call in FOLLOWING and not any(word in arguments for word in NOT_FOLLOWING)
    named = list(_AT.finditer(arguments))
    if call == "execve":
        named = named[:1]
    elif call in {"symlink", "symlinkat"}:
        named = named[-1:]  # the first is the text of the link
    for at in named:
        within, directory, path = at.groups()
        held = within not in {None, "AT_FDCWD"} and "/" not in path and path != ".."
        # The directory that is held, itself, is no link.
        yield os.path.normpath(os.path.join(directory or cwd, path)), held and (path == "." or not follows)


class Tree:
    """Who may replace what in a tree, by default that of this machine."""

    def __init__(self, root: str = "") -> None:
        self._root = root

    def is_of_root(self, path: str) -> bool:
        """Whether root alone may replace a part of the path; a link on the way is followed."""
        parent = os.path.dirname(path)
        if parent == path:
            return True
        return self.is_of_root(parent) and self._holds(parent, path)

    def _holds(self, directory: str, entry: str) -> bool:
        """Whether no other user may replace an entry of that directory."""
        found = self._look(directory)
        if found is None:
            return True  # gone again: its own parent was judged
        if stat.S_ISLNK(found.st_mode):
            target = os.path.normpath(os.path.join(os.path.dirname(directory), os.readlink(self._root + directory)))
            return self.is_of_root(target) and self._holds(target, entry)
        if found.st_uid == 0 and found.st_mode & stat.S_ISVTX:
            own = self._look(entry)
            return own is None or own.st_uid == 0
        return found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)

    def _look(self, path: str) -> os.stat_result | None:
        try:
            return os.lstat(self._root + path)
        except OSError:
            return None


def unsafe(acts: Iterator[Act], is_of_root: Callable[[str], bool]) -> list[str]:
    """Return what was done by a path of which another user may replace a part, each only once."""
    found = {str(act) for act in acts if not act.held and not act.path.startswith(KERNEL) and not is_of_root(act.path)}
    return sorted(found)
