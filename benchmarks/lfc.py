# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time and memory of an LFC run, compared with bare kea-lfc on the same lease file; and memory for each lease."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import report
from support.paths import program_environment

HEADER = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
REPEATS = 10
"""Rows for each lease: nine of ten renew a lease that the file already has."""
GOAL = 0.05


class Run(NamedTuple):
    seconds: float
    mebibytes: float
    """Peak memory of the largest process."""


def rows(leases: int, repeats: int) -> Iterator[str]:
    """Yield rows one by one: a child's peak of memory starts at its parent's, so this process must stay small."""
    yield HEADER
    for again in range(repeats):
        for number in range(leases):
            a, b, c = number >> 16 & 255, number >> 8 & 255, number & 255
            hwaddr = f"02:bc:00:{a:02x}:{b:02x}:{c:02x}"
            yield f"10.{a}.{b}.{c},{hwaddr},01:{hwaddr},3600,{2000000000 + again},1,0,0,bmc-{number:06d},0,\n"


def timed(command: list[str]) -> Run:
    """Run a command and return its time and peak memory. Ends this program if the command fails."""
    environment = program_environment(KEA_LOCKFILE_DIR="none")
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} exited with {process.returncode}")
    return Run(time.monotonic() - started, usage.ru_maxrss / 1024)


@contextlib.contextmanager
def answering(path: str) -> Iterator[None]:
    """Answer one command in place of Kea: the program asks once whether Kea is loading its leases."""

    def answer() -> None:
        channel = listener.accept()[0]
        with channel:
            channel.recv(65536)
            channel.sendall(b'{"result": 0}')

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        threading.Thread(target=answer, daemon=True).start()
        yield
    os.unlink(path)


class Bench:
    """Directory with a lease file for an LFC run."""

    def __init__(self, directory: str, leases: int, repeats: int) -> None:
        self.current = os.path.join(directory, "kea-leases4.csv")
        self._master = os.path.join(directory, "master")
        with open(self._master, "w") as file:
            file.writelines(rows(leases, repeats))

    def prepare(self) -> None:
        for suffix in (".2", ".output", ".completed", ".pid"):
            Path(self.current + suffix).unlink(missing_ok=True)
        shutil.copy(self._master, f"{self.current}.1")
        os.sync()

    def bare(self) -> Run:
        self.prepare()
        name = self.current
        options = ["-p", f"{name}.pid", "-x", f"{name}.2", "-i", f"{name}.1", "-o", f"{name}.output"]
        return timed(["kea-lfc", "-4", *options, "-f", f"{name}.completed", "-c", "ignored"])

    def program(self) -> Run:
        """Run the LFC program on a file that was already rotated, so that neither rename nor reload is measured."""
        self.prepare()
        kea = f"{self.current}.socket"
        options = {"lease-file": self.current, "state-directory": os.path.dirname(self.current), "family": "4"}
        options.update({"strategy": "rotate", "control-socket": kea, "kea-config": "none", "kea-program": "none"})
        options["kea-lfc"] = shutil.which("kea-lfc") or "kea-lfc"
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with answering(kea):
            return timed([sys.executable, "-m", "kea_lfc_cleanup", *words])


def compare(directory: str, leases: int, times: int) -> list[report.Row]:
    bench = Bench(directory, leases, REPEATS)
    runs: dict[str, list[Run]] = {"kea-lfc": [], "the program": []}
    for number in range(times):
        report.progress(f"run {number + 1} of {times}")
        runs["kea-lfc"].append(bench.bare())
        runs["the program"].append(bench.program())
    # Compare in pairs, because the speed of a machine varies.
    extra = statistics.median(ours.seconds / bare.seconds - 1 for bare, ours in zip(*runs.values()))
    found = []
    for name, measured in runs.items():
        seconds = statistics.median(run.seconds for run in measured)
        memory = max(run.mebibytes for run in measured)
        last = name == "the program"
        goal = report.Goal(f"overhead {extra:+.1%} < {GOAL:.0%}", extra < GOAL) if last else None
        found.append(
            report.Row(name, [f"{leases * REPEATS:,}", f"{leases:,}", f"{seconds:.2f}", f"{memory:.0f}"], goal)
        )
    return found


def memory(directory: str, leases: int) -> list[report.Row]:
    """Run kea-lfc with ``leases`` leases and with none, to find the memory for one lease."""
    empty, full = Bench(directory, 0, 1).bare(), Bench(directory, leases, 1).bare()
    each = (full.mebibytes - empty.mebibytes) * 2**20 / leases
    goal = report.Goal(f"{each:.0f} bytes a lease < 1024, the unit's limit", each < 1024)
    return [report.Row("kea-lfc", [f"{leases:,}", f"{leases:,}", f"{full.seconds:.2f}", f"{full.mebibytes:.0f}"], goal)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leases", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = compare(directory, options.leases, options.times) + memory(directory, options.leases * 3)
    report.show(
        "LFC: clean-up of a lease file", ["", "rows", "leases", "seconds", "MiB, largest process", "goal"], found
    )


if __name__ == "__main__":
    main()
