# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command kea-lfc-cleanup: one LFC run, its report, and an exit code that tells whether the run succeeded."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import Callable, Optional, Sequence

from _kea.lease_file import LeaseFile, Lock
from _kea.locks import LockedError

from kea_lfc_cleanup.errors import BusyError, LfcError
from kea_lfc_cleanup.kea import Kea
from kea_lfc_cleanup.report import Report
from kea_lfc_cleanup.strategies import STRATEGIES, Host

DONE, REFUSED, FAILED, BUSY = 0, 2, 3, 75
"""Exit codes. The unit tries again after BUSY; any other code except DONE makes it a failed unit."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. The unit gives every option."""
    options = argparse.ArgumentParser(prog="kea-lfc-cleanup", description=__doc__)
    options.add_argument("--family", type=int, choices=(4, 6), required=True)
    options.add_argument("--strategy", choices=sorted(STRATEGIES), required=True)
    options.add_argument("--why", default="asked for", help="why this strategy was chosen; written to the journal")
    options.add_argument("--lease-file", required=True)
    options.add_argument("--control-socket", required=True)
    options.add_argument("--kea-config", required=True)
    options.add_argument("--kea-program", required=True, help="path of kea-dhcp4 or kea-dhcp6")
    options.add_argument("--kea-lfc", required=True, help="path of kea-lfc")
    options.add_argument("--lfc-interval", type=int, default=0, help="Kea's own, in seconds; for strategy finish")
    options.add_argument("--state-directory", required=True, help="directory of the report and the metrics")
    return options


def main(words: Sequence[str], on_step: Optional[Callable[[str], None]] = None) -> int:
    """Do one LFC run, print and write its report, and return the exit code.

    ``on_step`` is called with the name of each step before that step; it prints the name by default.
    """
    options = parser().parse_args(words)
    if os.geteuid() == 0 and _is_for_another_user(options.lease_file):
        # Kea's user may write where this program reads, renames and removes.
        unit = "kea-lfc" if options.family == 4 else "kea-lfc6"
        print(f"kea-lfc-cleanup is for Kea's user: systemctl start {unit}.service", file=sys.stderr)
        return REFUSED
    report = Report(options.strategy, options.why, options.lfc_interval, options.state_directory, options.family)
    code = DONE
    try:
        run(options, report, on_step or (lambda step: print(f"next: {step}", flush=True)))
    except BusyError as busy:
        code = FAILED if report.busy(str(busy)) else BUSY
    except LfcError as error:
        report.failed(str(error))
        code = FAILED
    except OSError as error:
        report.failed(f"{error}: no row of a lease is lost; look at that file, then run this again")
        code = FAILED
    report.close()
    # The disk may be full, so the journal comes before the files.
    print(report.sentence(), flush=True)
    try:
        report.write()
    except (OSError, LockedError) as error:
        where = options.state_directory
        report.failed(f"the report cannot be written ({error}): make room or mend {where}, then run this again")
        print(report.sentence(), flush=True)
        code = FAILED
    return code


def run(options: argparse.Namespace, report: Report, on_step: Callable[[str], None]) -> None:
    """Do one LFC run, and hold the lock of the lease file meanwhile. Raises BusyError, LfcError and OSError."""
    kea = Kea(options.family, options.kea_program, options.kea_config, options.control_socket, options.kea_lfc)
    with Lock(options.lease_file) as lock:
        if not lock.take():
            raise BusyError(
                f"another LFC run, or a play that restarts Kea, holds {lock.path}: {lock.holder()}; nothing was done"
            )
        host = Host(kea, LeaseFile(options.lease_file), lock.descriptor, report)
        for step in STRATEGIES[options.strategy](host):
            on_step(step)


def _is_for_another_user(lease_file: str) -> bool:
    """Return whether neither the lease file nor its directory is root's, as far as they exist."""
    owners = set()
    for path in (lease_file, os.path.dirname(lease_file)):
        with contextlib.suppress(OSError):
            owners.add(os.lstat(path).st_uid)
    return bool(owners) and 0 not in owners
