# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to clean up. Each is a generator of the names of the steps that it is about to take.

Wherever it is killed, the rows of all leases are in the files, in the order in which Kea loads them (.completed, or .2
and .1, then the lease file; the last row of a lease wins), and the next run finishes what it finds.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import Callable, Dict, Generator, Iterator

from kea_lfc_cleanup import files as lease_files
from kea_lfc_cleanup import processes
from kea_lfc_cleanup.diagnosis import check_result
from kea_lfc_cleanup.errors import BusyError, CleanupError
from kea_lfc_cleanup.files import LeaseFiles
from kea_lfc_cleanup.kea import Kea
from kea_lfc_cleanup.processes import cleaning, mend_pid_file
from kea_lfc_cleanup.report import Report

Steps = Iterator[str]

_BETWEEN_LOOKS = 0.1
_NOT_BEGUN = 10.0
"""Seconds after which a clean-up that Kea said it started, and that nobody sees, has failed."""
_JUST_ROTATED = 10.0
"""Seconds. Kea rotates its lease file first and starts kea-lfc then."""


@dataclass(frozen=True)
class Host:
    """What a strategy works on."""

    kea: Kea
    files: LeaseFiles
    lock: int
    report: Report
    sleep: Callable[[float], None] = time.sleep


def rotate(host: Host) -> Steps:
    """Rename, reload, clean (kea-facts 3.8): for Kea without kea-lfc-start, whose own lfc-interval is 0."""
    files = host.files
    yield "look for traces of a killed run"
    mend_pid_file(files)
    lease_files.check_access([files.current, files.rotated, files.previous, files.completed])
    if (yield from _finish_interrupted(host)):
        return
    yield "test the configuration"
    host.kea.test()
    if not os.path.exists(files.current) or not lease_files.is_written_to(files.current):
        raise CleanupError(f"Kea does not write to {files.current}: restart it with the configuration on the disk")
    yield "rename the lease file"
    try:
        lease_files.put_in_place(files.current, files.rotated)
    except FileExistsError as error:
        raise BusyError(f"{files.rotated} appeared: Kea cleans up by itself; nothing was done") from error
    yield "reload Kea"
    _reload(host)
    yield "see that nobody writes to the renamed file"
    if lease_files.is_written_to(files.rotated):
        raise CleanupError(f"{files.rotated} is still written to after Kea's reload: restart Kea, then run this again")
    yield from _clean(host)


def command(host: Host) -> Steps:
    """Have Kea do it by kea-lfc-start, from Kea 3.1.2 on (kea-facts 3.5)."""
    files = host.files
    yield "look for traces of a killed run"
    mend_pid_file(files)
    lease_files.check_access([files.current, files.rotated, files.previous, files.completed])
    if cleaning(files) is None:
        _forget_output(files)
    # Kea would have only these cleaned, and not rotate its lease file (kea-facts 3.4).
    if os.path.exists(files.rotated) or os.path.exists(files.completed):
        yield from _by_kea(host, "finished")
    yield from _by_kea(host, "cleaned")


def _by_kea(host: Host, outcome: str) -> Steps:
    files = host.files
    host.report.before(files, with_current=outcome == "cleaned")
    former = lease_files.stamp(files.previous)
    yield "ask Kea for kea-lfc-start"
    answer = host.kea.ask("kea-lfc-start")
    if answer.result == 2:
        raise CleanupError(f"Kea cannot do that ({answer.text}): deploy again, so that another strategy is chosen")
    if answer.result not in (0, 3):
        raise CleanupError(f"Kea could not start kea-lfc ({answer.text}): look into Kea's journal and run this again")
    yield "wait for kea-lfc"
    _await(host, former)
    host.report.after(files, outcome)


def finish(host: Host) -> Steps:
    """Only finish what was interrupted; Kea cleans up by itself."""
    files = host.files
    yield "look for traces of a killed run"
    if cleaning(files) is not None or _younger(files.rotated, _JUST_ROTATED):
        _watch(host)  # It may hang.
        host.report.nothing("Kea's own clean-up is running")
        return
    mend_pid_file(files)
    lease_files.check_access([files.current, files.rotated, files.previous, files.completed])
    if not (yield from _finish_interrupted(host)):
        yield "see that Kea's own clean-up runs"
        _watch(host)
        host.report.nothing("no clean-up was interrupted")


STRATEGIES: Dict[str, Callable[[Host], Steps]] = {"command": command, "rotate": rotate, "finish": finish}


def _finish_interrupted(host: Host) -> Generator[str, None, bool]:
    """Bring what a killed run left to its end. Returns whether that was a clean-up of its own."""
    files = host.files
    if lease_files.same_file(files.rotated, files.current):
        yield "undo half a rename"
        os.unlink(files.rotated)
    if not os.path.exists(files.rotated) and not os.path.exists(files.completed):
        return False
    # A Kea that is loading its leases does not answer. It looks for kea-lfc's PID file before it begins only, and would
    # not know the rows of a .1 that is removed while it reads .2.
    host.kea.ask("status-get")
    if os.path.exists(files.rotated) and lease_files.is_written_to(files.rotated):
        if not os.path.exists(files.current):
            yield "put the lease file back"
            lease_files.put_in_place(files.rotated, files.current)
            if not os.path.exists(files.completed):
                return False
        else:
            yield "test the configuration"
            host.kea.test()
            yield "reload Kea"
            _reload(host)
            if lease_files.is_written_to(files.rotated):
                raise CleanupError(f"{files.rotated} is written to: restart Kea, then run this again")
    if os.path.exists(files.rotated) and os.path.exists(files.completed):
        # kea-lfc would remove .1 unread (kea-facts 3.4). As .2 the completed file is read with it; what of .1 is in
        # there already changes nothing when it is read again.
        yield "keep the completed file"
        os.replace(files.completed, files.previous)
        lease_files.sync_directory(files.previous)
    yield from _clean(host, "finished")
    return True


def _clean(host: Host, outcome: str = "cleaned") -> Steps:
    files = host.files
    yield "run kea-lfc"
    _forget_output(files)
    host.report.before(files)
    former = lease_files.stamp(files.previous)
    said = host.kea.clean(files, host.lock)
    check_result(files, former, said)
    yield "write it down"
    host.report.discarded(said.discarded)
    host.report.after(files, outcome)


def _forget_output(files: LeaseFiles) -> None:
    """What a killed kea-lfc left is a copy, and the next one would write on behind its half row (seen in 2.2)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(files.output)


def _reload(host: Host) -> None:
    """Kea opens the lease file anew. Raises CleanupError, with the file back in its place and Kea asked once more."""
    files = host.files
    started = time.monotonic()
    try:
        answer = host.kea.ask("config-reload")
    finally:
        host.report.reloaded(time.monotonic() - started)
    if answer.result == 0 and os.path.exists(files.current):
        return
    if os.path.exists(files.rotated) and not os.path.exists(files.current):
        lease_files.put_in_place(files.rotated, files.current)
    if answer.result == 0:
        raise CleanupError(
            f"Kea reloaded and opened another lease file than {files.current}, so it knows none of its leases: name "
            f"that one in {host.kea.config} and reload Kea at once; no row of a lease is lost"
        )
    again = host.kea.ask("config-reload")
    serving = "it serves" if again.result == 0 else "it may serve no client until a reload succeeds"
    raise CleanupError(
        f"Kea refused to reload ({answer.text}) and {serving}: mend {host.kea.config}, reload Kea and run this again; "
        "no row of a lease is lost"
    )


def _await(host: Host, former: lease_files.Stamp) -> None:
    """Until the clean-up that Kea started is over, and well."""
    waited, unseen = 0.0, 0.0
    while True:
        running = cleaning(host.files) is not None
        if not running and not host.files.leftovers() and lease_files.stamp(host.files.previous) != former:
            return
        unseen = 0.0 if running else unseen + _BETWEEN_LOOKS
        if unseen > _NOT_BEGUN or waited > processes.DEADLINE:
            check_result(host.files, former, None)
        host.sleep(_BETWEEN_LOOKS)
        waited += _BETWEEN_LOOKS


def _watch(host: Host) -> None:
    """Raises CleanupError if Kea, up for two intervals, has not cleaned up for as long."""
    status = host.kea.ask("status-get").arguments
    overdue = 2.0 * host.report.interval
    if float(status.get("uptime", 0)) < overdue or not os.path.exists(host.files.current):
        return
    if not _younger(host.files.previous, overdue):
        raise CleanupError(
            f"Kea has not cleaned up for two of its intervals of {host.report.interval} s; each reload begins one anew "
            f"(the last was {status.get('reload')} s ago): use strategy rotate, or a shorter lfc-interval"
        )


def _younger(path: str, seconds: float) -> bool:
    try:
        return time.time() - os.stat(path).st_ctime < seconds
    except FileNotFoundError:
        return False
