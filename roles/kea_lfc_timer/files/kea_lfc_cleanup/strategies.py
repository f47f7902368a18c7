# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The strategies of an LFC run. Each is a generator that yields the name of each step before it takes that step.

Wherever the program is killed, the rows of all leases are in the files, in the order in which Kea loads them
(C(LeaseFile.load_order)), and the next run finishes what it finds.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import Callable, Dict, Generator, Iterator

from _kea import control, durable, lfc
from _kea.lease_file import LeaseFile

from kea_lfc_cleanup import files as lease_files
from kea_lfc_cleanup import kea_lfc
from kea_lfc_cleanup.diagnosis import check_result
from kea_lfc_cleanup.errors import BusyError, LfcError
from kea_lfc_cleanup.kea import Kea
from kea_lfc_cleanup.report import Report

Steps = Iterator[str]

_BETWEEN_LOOKS = 0.1
"""Seconds to sleep between two checks of the files."""
_NOT_BEGUN = 10.0
"""Seconds after which an LFC run that Kea says it started has failed if no kea-lfc is seen."""
_JUST_ROTATED = 10.0
"""Seconds for which a rotated file means that Kea is about to start kea-lfc: Kea rotates first."""
_STARTED = (control.SUCCESS, control.EMPTY)
"""Results of kea-lfc-start after which a kea-lfc runs: Kea answers EMPTY if one is running already."""


@dataclass(frozen=True)
class Host:
    """What a strategy works on: the server, its lease files and the report."""

    kea: Kea
    files: LeaseFile
    lock: int
    """Descriptor of the lock of the lease file, which is taken."""
    report: Report
    sleep: Callable[[float], None] = time.sleep


def rotate(host: Host) -> Steps:
    """Rename the lease file, reload Kea, run kea-lfc (kea-facts 3.8): for Kea without kea-lfc-start.

    Kea's own C(lfc-interval) is 0.
    """
    files = host.files
    yield "look for traces of a killed run"
    _remove_stale_pid_file(files)
    lease_files.check_access([files.current, files.rotated, files.previous, files.completed])
    if (yield from _finish_interrupted(host)):
        return
    yield "test the configuration"
    host.kea.check()
    if not os.path.exists(files.current) or not lease_files.is_written_to(files.current):
        raise LfcError(f"Kea does not write to {files.current}: restart it with the configuration on the disk")
    yield "rename the lease file"
    try:
        lease_files.rename_new(files.current, files.rotated)
    except FileExistsError as error:
        raise BusyError(f"{files.rotated} appeared: Kea runs an LFC by itself; nothing was done") from error
    yield "reload Kea"
    _reload(host)
    yield "check that no process writes to the renamed file"
    if lease_files.is_written_to(files.rotated):
        raise LfcError(f"{files.rotated} is still written to after Kea's reload: restart Kea, then run this again")
    yield from _run_lfc(host)


def command(host: Host) -> Steps:
    """Have Kea run its LFC with the command kea-lfc-start, which Kea 3.1.2 and later know (kea-facts 3.5)."""
    files = host.files
    yield "look for traces of a killed run"
    _remove_stale_pid_file(files)
    lease_files.check_access([files.current, files.rotated, files.previous, files.completed])
    if lfc.running(files.current) is None:
        _remove_output(files)
    # Kea would run kea-lfc on these only, and not rotate its lease file (kea-facts 3.4).
    if os.path.exists(files.rotated) or os.path.exists(files.completed):
        yield from _by_kea(host, "finished")
    yield from _by_kea(host, "cleaned")


def _by_kea(host: Host, outcome: str) -> Steps:
    """Have Kea run kea-lfc once. C(outcome) is the word for the report."""
    files = host.files
    host.report.before(files, with_current=outcome == "cleaned")
    earlier = lease_files.stamp(files.previous)
    yield "send kea-lfc-start to Kea"
    answer = host.kea.send("kea-lfc-start")
    if answer.result == control.UNSUPPORTED:
        raise LfcError(
            f"Kea does not know kea-lfc-start ({answer.text}): deploy again, so that another strategy is chosen"
        )
    if answer.result not in _STARTED:
        raise LfcError(f"Kea could not start kea-lfc ({answer.text}): look into Kea's journal and run this again")
    yield "wait for kea-lfc"
    _wait(host, earlier)
    host.report.after(files, outcome)


def finish(host: Host) -> Steps:
    """Finish an interrupted LFC run, and otherwise check that Kea's own LFC runs often enough."""
    files = host.files
    yield "look for traces of a killed run"
    if lfc.running(files.current) is not None or _is_younger(files.rotated, _JUST_ROTATED):
        # The running kea-lfc may hang.
        _check_interval(host)
        host.report.nothing("Kea's own LFC is running")
        return
    _remove_stale_pid_file(files)
    lease_files.check_access([files.current, files.rotated, files.previous, files.completed])
    if not (yield from _finish_interrupted(host)):
        yield "check that Kea's own LFC runs"
        _check_interval(host)
        host.report.nothing("no LFC run was interrupted")


STRATEGIES: Dict[str, Callable[[Host], Steps]] = {"command": command, "rotate": rotate, "finish": finish}


def _finish_interrupted(host: Host) -> Generator[str, None, bool]:
    """Finish what a killed run left. Return whether that took an LFC run."""
    files = host.files
    if lease_files.same_file(files.rotated, files.current):
        yield "undo half a rename"
        os.unlink(files.rotated)
    if not os.path.exists(files.rotated) and not os.path.exists(files.completed):
        return False
    # A Kea that is loading its leases does not answer. It looks for kea-lfc's PID file only before it begins to load,
    # and would miss the rows of a .1 that kea-lfc removes while Kea still reads .2.
    host.kea.send("status-get")
    if os.path.exists(files.rotated) and lease_files.is_written_to(files.rotated):
        if not os.path.exists(files.current):
            yield "rename the lease file back"
            lease_files.rename_new(files.rotated, files.current)
            if not os.path.exists(files.completed):
                return False
        else:
            yield "test the configuration"
            host.kea.check()
            yield "reload Kea"
            _reload(host)
            if lease_files.is_written_to(files.rotated):
                raise LfcError(f"{files.rotated} is written to: restart Kea, then run this again")
    if os.path.exists(files.rotated) and os.path.exists(files.completed):
        # kea-lfc would remove .1 without reading it (kea-facts 3.4). Named .2, the completed file is read together with
        # .1. It may contain rows of .1 already; they change nothing when they are read again.
        yield "keep the completed file"
        durable.rename(files.completed, files.previous)
    yield from _run_lfc(host, "finished")
    return True


def _run_lfc(host: Host, outcome: str = "cleaned") -> Steps:
    """Run kea-lfc on the files that exist. C(outcome) is the word for the report."""
    files = host.files
    yield "run kea-lfc"
    _remove_output(files)
    host.report.before(files)
    earlier = lease_files.stamp(files.previous)
    output = kea_lfc.run(host.kea, files, host.lock)
    check_result(files, earlier, output)
    yield "record the result"
    host.report.discarded(output.discarded)
    host.report.after(files, outcome)


def _remove_stale_pid_file(files: LeaseFile) -> None:
    """Remove a PID file that belongs to no kea-lfc. Raises BusyError if a kea-lfc works or may be about to start."""
    found = lfc.remove_stale_pid_file(files.current)
    if found.at_work:
        raise BusyError(f"{found.text}; nothing was done")


def _remove_output(files: LeaseFile) -> None:
    """Remove the copy that a killed kea-lfc left: the next one would append to its incomplete row (seen in 2.2)."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(files.output)


def _reload(host: Host) -> None:
    """Reload Kea, which creates and opens a new lease file.

    If Kea refuses, rename the lease file back, retry the reload and raise LfcError.
    """
    files = host.files
    started = time.monotonic()
    try:
        answer = host.kea.send("config-reload")
    finally:
        host.report.reloaded(time.monotonic() - started)
    if answer.result == control.SUCCESS and os.path.exists(files.current):
        return
    if os.path.exists(files.rotated) and not os.path.exists(files.current):
        lease_files.rename_new(files.rotated, files.current)
    if answer.result == control.SUCCESS:
        raise LfcError(
            f"Kea reloaded and opened another lease file than {files.current}, so it knows none of its leases: name "
            f"this file in {host.kea.config} again and reload Kea at once; no row of a lease is lost"
        )
    again = host.kea.send("config-reload")
    serving = "it serves" if again.result == control.SUCCESS else "it may serve no client until a reload succeeds"
    raise LfcError(
        f"Kea refused to reload ({answer.text}) and {serving}: mend {host.kea.config}, reload Kea and run this again; "
        "no row of a lease is lost"
    )


def _wait(host: Host, earlier: lease_files.Stamp) -> None:
    """Wait until the LFC run that Kea started has succeeded. Raises LfcError if it failed, hangs or is not seen.

    C(earlier) is the stamp of C(.2) before the run.
    """
    waited, unseen = 0.0, 0.0
    while True:
        running = lfc.running(host.files.current) is not None
        if not running and not host.files.leftovers() and lease_files.stamp(host.files.previous) != earlier:
            return
        unseen = 0.0 if running else unseen + _BETWEEN_LOOKS
        if unseen > _NOT_BEGUN or waited > kea_lfc.DEADLINE:
            check_result(host.files, earlier, None)
        host.sleep(_BETWEEN_LOOKS)
        waited += _BETWEEN_LOOKS


def _check_interval(host: Host) -> None:
    """Raise LfcError if Kea has been running for two of its intervals and has finished no LFC run in that time."""
    status = host.kea.send("status-get").arguments
    overdue = 2.0 * host.report.interval
    if float(status.get("uptime", 0)) < overdue or not os.path.exists(host.files.current):
        return
    if not _is_younger(host.files.previous, overdue):
        raise LfcError(
            f"Kea has finished no LFC run for two of its intervals of {host.report.interval} s; each reload restarts "
            f"the interval (the last was {status.get('reload')} s ago): use strategy rotate, or a shorter lfc-interval"
        )


def _is_younger(path: str, seconds: float) -> bool:
    """Return whether the file exists and was changed or renamed less than this long ago."""
    try:
        return time.time() - os.stat(path).st_ctime < seconds
    except FileNotFoundError:
        return False
