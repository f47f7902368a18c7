# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power fails while batches of discovery files are written, on an ext4 and on an XFS of their own.

The file system is shut down without a flush of its journal, as its makers test it (xfstests, godown), and mounted
again. Then each file is complete, and all batches are there that had been reported as written before. All chance comes
of the seed. ``--careless`` leaves the flush out, to show that the test finds what is lost then.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

from _kea import together
from kea_lease_monitor import batch_files, files
from kea_lease_monitor.errors import MonitorError
from support.programs import run

SHUT_DOWN, WITHOUT_FLUSH = 0x8004587D, 2
"""The ioctl of ext4 and XFS, and that what is in memory is lost."""
SIZES = {"ext4": 64, "xfs": 320}
"""MiB of each file system; XFS takes no smaller one."""
FILES, CLIENTS = 150, 1000
"""Files of a batch, and different names of files: so some are new, and some replaced."""
LONGEST = 0.8
"""Seconds until the power fails."""
CARELESS = "--careless"


def content(name: str, batch: int) -> bytes:
    """Return what tells whether it is complete, of the length of a discovery file."""
    return f"{name} {batch} {'x' * 600} end of {name} {batch}\n".encode()


def batch_of(path: Path) -> int:
    """Return the batch that wrote a file; 0 if it is not complete."""
    text = path.read_bytes()
    words = text.split()
    batch = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return batch if text == content(path.name, batch) else 0


def names(seed: int, batch: int) -> list[str]:
    return [f"{number}.yml" for number in random.Random(seed + batch).sample(range(CLIENTS), FILES)]


def write(directory: Path, seed: int, careless: bool) -> None:
    """Write batches until it fails, and say the number of each once it is durable, and the time."""
    if careless:
        together.start = together.finish = lambda descriptor: None
    for batch in range(1, 10_000):
        with contextlib.suppress(MonitorError, OSError):
            written = {str(directory / name): content(name, batch) for name in names(seed, batch)}
            batch_files.replace_all(written, 0o644)
            if not careless:
                files.sync_directory(str(directory))
            print(batch, time.monotonic(), flush=True)
            continue
        return


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[None]:
    run("mount", "-o", "loop", str(image), str(place))
    try:
        yield
    finally:
        run("umount", str(place))


def fail_power(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", WITHOUT_FLUSH))
    finally:
        os.close(descriptor)


def one_round(kind: str, seed: int, careless: bool) -> tuple[int, list[str]]:
    """Return how many batches were durable, and what is wrong afterwards."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        image, place = Path(name) / "image", Path(name) / "place"
        place.mkdir()
        with image.open("wb") as file:
            file.truncate(SIZES[kind] << 20)
        run(f"mkfs.{kind}", "-q", str(image))
        with mounted(image, place):
            descriptor = os.open(place, os.O_RDONLY)
            assert together.is_enough(descriptor), f"{kind} counts as a file system that needs a flush for each file"
            os.close(descriptor)
            words = [sys.executable, __file__, "--write", str(place), "--seed", str(seed), *([CARELESS] * careless)]
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout
                first = writer.stdout.readline()
                time.sleep(random.Random(seed).uniform(0, LONGEST))
                # After that an fsync may succeed that had nothing left to do: a computer without power reports nothing.
                off = time.monotonic()
                fail_power(place)
                said = [first, *writer.stdout]
        durable = len([line for line in said if line.strip() and float(line.split()[1]) < off])
        with mounted(image, place):
            return durable, wrong(place, seed, durable)


def wrong(place: Path, seed: int, durable: int) -> list[str]:
    """Return what is incomplete or lost of so many durable batches."""
    found = {path.name: batch_of(path) for path in place.glob("[!.]*.yml")}
    partial = [f"{name} is not complete" for name, batch in found.items() if not batch]
    last = {name: batch for batch in range(1, durable + 1) for name in names(seed, batch)}
    lost = [f"{name} of batch {batch} is lost" for name, batch in last.items() if found.get(name, 0) < batch]
    return partial + lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="for each file system")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument(CARELESS, action="store_true")
    parser.add_argument("--write", type=Path, metavar="DIRECTORY", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write, options.seed, options.careless)
        return 0
    failed = False
    for kind in SIZES:
        batches = 0
        problems: list[str] = []
        for number in range(options.rounds):
            durable, found = one_round(kind, options.seed + 1000 * number, options.careless)
            batches, problems = batches + durable, problems + found
        failed = failed or bool(problems)
        print(f"power, {kind}: {options.rounds} failures, {batches} durable batches of {FILES} files; "
              f"{len(problems)} wrong {problems[:3] or ''} (seed {options.seed})")  # fmt: skip
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
