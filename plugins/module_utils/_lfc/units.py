# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the unit files of the LFC program: its service and its timer."""

from __future__ import annotations

import os
import re
from typing import Dict, List, NamedTuple, Optional

from .._config.packagings import UNITS
from .._errors import KeaError

DIRECTORY = "/etc/systemd/system"
STATE_DIRECTORY = "/var/lib/kea-lfc"
ROOT = "/opt/baremetal/kea-lfc"
"""Directory of its releases."""

BASE_MEMORY = 64
"""MiB that the program and kea-lfc need for themselves."""
LEASE_MEMORY = 1024
"""Bytes for each lease that kea-lfc holds; measured 607 for one with a hostname (docs/lfc.md)."""

_SERVICE = """\
# Managed by Ansible (baremetal.kea)
[Unit]
Description=Clean up the lease file of Kea's DHCPv{family} server
Documentation=https://github.com/baremetal/baremetal.kea
After={after}
StartLimitIntervalSec=0

[Service]
Type=oneshot
# Kea's own user: a kea-lfc of another one is invisible to Kea.
User={user}
ExecStart={command}
{copy}# 75: another process works on the lease file, so retry. Any other code is a failure that a person must see.
Restart=on-failure
RestartSec=60
RestartPreventExitStatus=1 2 3 126 127 203
TimeoutStartSec=2h
SyslogIdentifier=kea-lfc-cleanup
UMask=0027

Nice=10
CPUSchedulingPolicy=batch
IOSchedulingClass=idle
# Enough for {leases} leases.
MemoryMax={memory}M
OOMPolicy=continue

StateDirectory=kea-lfc
ReadWritePaths={lease_directory}
# Kea's own address space of interfaces is looked at when its configuration is tested, so the network stays visible; and
# so do other processes, because a kea-lfc is looked for among them.
CapabilityBoundingSet=
AmbientCapabilities=
DevicePolicy=closed
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
# Nothing is sent.
IPAddressDeny=any
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""

# Only root may write where node_exporter reads; a rename, so that it never reads half a file. Kea's user owns what is
# read: no link is followed, a FIFO does not block, and the size is bounded.
_COPY = """\
ExecStopPost=+-/bin/rm -f {directory}/.{name}.new
ExecStopPost=+-/bin/sh -c "umask 0022; exec dd if={state}/{name} of={directory}/.{name}.new \\
    bs=64k count=1 status=none iflag=nofollow,nonblock oflag=nofollow conv=excl"
ExecStopPost=+-/bin/mv --no-target-directory {directory}/.{name}.new {directory}/{name}
"""

_TIMER = """\
# Managed by Ansible (baremetal.kea)
[Unit]
Description=Clean up the lease file of Kea's DHCPv{family} server from time to time

[Timer]
{when}
# Two servers of a pair should not run their LFC at the same time.
RandomizedDelaySec={delay}

[Install]
WantedBy=timers.target
"""


_METRICS = re.compile(r"^ExecStopPost=\+-/bin/mv --no-target-directory \S+ (\S+)$", re.MULTILINE)
_PATH = re.compile(r"/[A-Za-z0-9._/+@:=-]*")
"""What needs no quoting anywhere in a unit."""


class Schedule(NamedTuple):
    """Times of the timer, as systemd.timer(5) writes them."""

    calendar: Optional[str]
    interval: Optional[str]
    """Time between two LFC runs; replaces the calendar."""
    delay: str
    persistent: bool

    def lines(self) -> str:
        """Return the lines of the timer."""
        if self.interval:
            return f"OnActiveSec={self.interval}\nOnUnitInactiveSec={self.interval}"
        return f"OnCalendar={self.calendar}\nPersistent={'yes' if self.persistent else 'no'}"


class Settings(NamedTuple):
    """Values of the unit files."""

    family: int
    user: str
    command: List[str]
    """The program and its options."""
    lease_directory: str
    leases: int
    metrics_directory: Optional[str]
    schedule: Schedule


def check(settings: Settings) -> None:
    """Raise KeaError, naming the option, for a value that systemd would understand in another way."""
    paths = {"metrics_directory": settings.metrics_directory, "the lease file's directory": settings.lease_directory}
    for name, path in paths.items():
        if path is not None and not _PATH.fullmatch(path):
            raise KeaError(f"{name}: {path!r} is no absolute path of letters, digits and the characters ._/+@:=-")
    schedule = settings.schedule
    times = {"on_calendar": schedule.calendar, "interval": schedule.interval, "randomized_delay": schedule.delay}
    for name, text in times.items():
        if text is not None and not text.isprintable():
            raise KeaError(f"{name}: {text!r} is more than one line")
    if settings.leases < 1:
        raise KeaError(f"leases: {settings.leases} is less than 1")


def metrics_file(units: Dict[str, str]) -> Optional[str]:
    """Return where these units copy the metrics to; None if they stay in the state directory only."""
    found = _METRICS.search("\n".join(units.values()))
    return found.group(1) if found else None


def unit_names(family: int) -> Dict[str, str]:
    """Return the names of the units ``service`` and ``timer``. ``family`` is 4 or 6; only names of 6 contain it."""
    stem = "kea-lfc" if family == 4 else "kea-lfc6"
    return {kind: f"{stem}.{kind}" for kind in ("service", "timer")}


def render(settings: Settings) -> Dict[str, str]:
    """Return the text of each unit file by its path."""
    names = unit_names(settings.family)
    metrics = f"kea_lfc{settings.family}.prom"
    service = _SERVICE.format(
        family=settings.family,
        after=" ".join(UNITS[f"Dhcp{settings.family}"]),
        user=settings.user,
        command=" \\\n    ".join(quoted(word) for word in settings.command),
        copy=_COPY.format(state=STATE_DIRECTORY, name=metrics, directory=settings.metrics_directory)
        if settings.metrics_directory
        else "",
        leases=settings.leases,
        memory=BASE_MEMORY + settings.leases * LEASE_MEMORY // 2**20,
        lease_directory=settings.lease_directory,
    )
    timer = _TIMER.format(family=settings.family, when=settings.schedule.lines(), delay=settings.schedule.delay)
    return {
        os.path.join(DIRECTORY, names["service"]): service,
        os.path.join(DIRECTORY, names["timer"]): timer,
    }


def quoted(word: str) -> str:
    """Quote a word of ExecStart (systemd.service(5))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if not word or any(letter in " \t'\";" for letter in word) else escaped
