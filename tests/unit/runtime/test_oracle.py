# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oracle: after any writes, clean-ups, replacements and crashes our view of the leases is what kea-lfc makes of the
same files. Short here; ``make oracle`` goes on for long.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from _kea.lease_csv import header_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from kea_lease_monitor.errors import PositionLostError
from kea_lease_monitor.lease import EventKind, Lease
from kea_lease_monitor.sources.memfile.source import MemfileSource

from runtime.builders import HEADER, NOW, Time
from runtime.lease_files import everything, run_lfc

pytestmark = [pytest.mark.timeout(1800), pytest.mark.slow]
"""Each example starts kea-lfc several times, and a machine with other work starts programs slowly."""

EXAMPLES = int(os.environ.get("ORACLE_EXAMPLES", "10"))

NAMES = ["", "host", "a&#x2cb", "x&#x26y", "b&#xc3&#xbcro", "\u00fc", "a\t"]
LIFETIMES = [60, 3600, 4294967295]
CONTEXTS = ["", "{  }", '{ "a": "x&#x2cy" }']
WHOLE = header_line(4, with_pools=True).split(",")
COLUMNS = [9, 10, 11, 12]
"""Columns of the headers: the first versions of Kea, 1.4, 2.2, and 2.4 and later."""
ODD = {
    "hwaddr": ["2:0:0:0:0:1", "02:00:00:00:00:AB", "02:", ":".join(["02"] * 20), ":".join(["02"] * 21), "0200", "x"],
    "client_id": ["01:02:03", "1:2", "zz", "01:"],
    "valid_lifetime": ["-1", "+60", "060", " 60", "4294967296", "1e3", "", "-4294967295", "-4294967296", "0"],
    "expire": ["0", "5", "-1", str(2**31), str(2**32 + 5), str(2**63 - 1), str(2**63), str(2**64 - 1), str(2**64), "x"],
    "subnet_id": ["4294967295", "4294967296", "-1", "", "1.0"],
    "fqdn_fwd": ["1", "01", "+1", "-0", "2", "true", ""],
    "fqdn_rev": ["1", "-1", "x"],
    "hostname": [*NAMES, "a b", "x" * 255],
    "state": ["1", "2", "", "-", "1x"],
    "user_context": [*CONTEXTS, "[1]", "{", "null", "\r", " ", "{} x", "{'a': 1}", "[" * 50],
}
"""Values of fields that Kea writes, reads or refuses."""
GARBAGE = [
    *("\n\n", "   \n", "\t\n", "\r\n", "10.0.0.1,02:00:00:00:00:01,,60,1700000060,1,0,2,,0,\n"),
    *("rubbish\n", "\n", ",,,,,,,,,,\n", "10.0.0.300,02:00:00:00:00:01,,60,1700000060,1,0,0,,0,\n"),
    *("10.0.0.1,02:00:00:00:00:01,,x,1700000060,1,0,0,,0,\n", "10.0.0.1,,,60,1700000060,1,0,0,,0,\n"),
]


class Follower:
    """The monitor, as far as it matters here: it keeps a position and the leases, and a crash sets both back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source = MemfileSource(str(path), Time().clock())
        self._position: Any = self._source.start(True)
        self.leases: dict[str, Lease] = {}
        self._stored = (self._position, dict(self.leases))

    def follow(self, limit: int) -> None:
        caught_up = False
        while not caught_up:
            try:
                events, self._position, caught_up = self._source.read(self._position, limit)
            except PositionLostError:
                self._position = self._source.start(True)
                self.leases.clear()
                continue
            for event in events:
                self.leases[event.lease.key] = event.lease
                if event.kind in {EventKind.DELETED, EventKind.RELEASED}:
                    del self.leases[event.lease.key]

    def store(self) -> None:
        self._stored = (self._position, dict(self.leases))

    def crash(self) -> None:
        self._source.close()
        self._source = MemfileSource(str(self._path), Time().clock())
        self._position, leases = self._stored
        self.leases = dict(leases)

    def close(self) -> None:
        self._source.close()


class Oracle(RuleBasedStateMachine):
    @initialize(missing=st.booleans())
    def begin(self, missing: bool) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "kea-leases4.csv"
        if not missing:
            self.path.write_text(HEADER)
        self.follower = Follower(self.path)
        self.seconds = 0

    def write(self, text: str) -> None:
        if not self.path.exists():
            self.path.write_text(HEADER)
        with self.path.open("a") as file:
            file.write(text)

    @rule(
        number=st.integers(1, 6),
        client=st.integers(0, 2),
        valid=st.sampled_from(LIFETIMES),
        name=st.sampled_from(NAMES),
        state=st.sampled_from([0, 0, 0, 0, 1, 2]),
        width=st.sampled_from([11, 11, 11, 9, 10, 12, 13]),
        context=st.sampled_from(CONTEXTS),
    )
    def grant(self, number: int, client: int, valid: int, name: str, **more: Any) -> None:
        """Write a row: a new lease, a renewal, another client, declined or reclaimed, of any version of Kea."""
        self.seconds += 1
        hwaddr = "" if more["state"] == 1 else f"02:00:00:00:0{client}:{number:02x}"
        expire = NOW + self.seconds + valid
        fields = f"10.0.0.{number},{hwaddr},,{valid},{expire},1,0,0,{name},{more['state']},{more['context']},0,more"
        self.write(",".join(fields.split(",")[: more["width"]]) + "\n")

    @rule(number=st.integers(1, 6))
    def release(self, number: int) -> None:
        self.seconds += 1
        self.write(f"10.0.0.{number},02:00:00:00:00:{number:02x},,0,{NOW + self.seconds},1,0,0,,0,\n")

    @rule(text=st.sampled_from(GARBAGE))
    def garbage(self, text: str) -> None:
        self.write(text)

    @rule(number=st.integers(1, 6), limit=st.integers(1, 4))
    def half_a_row(self, number: int, limit: int) -> None:
        self.seconds += 1
        text = f"10.0.0.{number},02:00:00:00:00:{number:02x},,60,{NOW + self.seconds + 60},1,0,0,,0,\n"
        self.write(text[:30])
        self.follower.follow(limit)
        self.write(text[30:])

    @precondition(lambda self: self.path.exists() and not Path(f"{self.path}.1").exists())
    @rule(clean=st.booleans(), columns=st.sampled_from(COLUMNS))
    def rotate(self, clean: bool, columns: int) -> None:
        self.path.rename(f"{self.path}.1")
        self.path.write_text(",".join(WHOLE[:columns]) + "\n")
        if clean:
            self.clean_up()

    @precondition(lambda self: Path(f"{self.path}.1").exists())
    @rule()
    def clean_up(self) -> None:
        run_lfc(self.path)

    @precondition(lambda self: self.path.exists())
    @rule()
    def replace(self) -> None:
        """Do what lease4-write does: the same leases in another file."""
        new = Path(f"{self.path}.tmp")
        shutil.copyfile(self.path, new)
        self.path.rename(f"{self.path}.bak77")
        new.rename(self.path)

    @precondition(lambda self: self.path.exists())
    @rule()
    def truncate(self) -> None:
        """Do what copytruncate does: the leases are gone for Kea as well."""
        self.path.write_text(HEADER)

    @rule(limit=st.integers(1, 4))
    def follow(self, limit: int) -> None:
        self.follower.follow(limit)

    @rule()
    def store(self) -> None:
        self.follower.store()

    @rule()
    def crash(self) -> None:
        self.follower.crash()

    @rule()
    def compare(self) -> None:
        self.follower.follow(3)
        assert self.follower.leases == judged(self.path)

    def teardown(self) -> None:
        if hasattr(self, "follower"):
            self.compare()
            self.follower.close()
            self.directory.cleanup()


def judged(path: Path) -> dict[str, Lease]:
    """Return what kea-lfc makes of a copy of the files."""
    if not path.exists():
        return {}
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / path.name
        for suffix in ("", ".1", ".2"):
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        if Path(f"{copy}.1").exists():
            run_lfc(copy)
        copy.rename(f"{copy}.1")
        run_lfc(copy)
        copy.write_text(HEADER)
        return everything(copy)


TestOracle = Oracle.TestCase
TestOracle.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


@st.composite
def odd_row(draw: st.DrawFn) -> list[str]:
    """Return a row after its address, with some odd fields, some missing ones, or some more."""
    fields = dict(zip(WHOLE[1:], ["02:00:00:00:00:01", "", "60", str(NOW + 60), "1", "0", "0", "", "0", "", "0"]))
    for name in draw(st.lists(st.sampled_from(sorted(ODD)), max_size=2)):
        fields[name] = draw(st.sampled_from(ODD[name]))
    return [*fields.values(), "more"][: draw(st.sampled_from([7, 8, 9, 10, 10, 10, 11, 12]))]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(columns=st.sampled_from(COLUMNS), rows=st.lists(odd_row(), min_size=40, max_size=60), blank=st.booleans())
def test_rows_are_taken_as_kea_takes_them(columns: int, rows: list[list[str]], blank: bool) -> None:
    lines = [",".join([f"10.0.0.{number}", *row]) for number, row in enumerate(rows, 1)]
    text = "\n" * blank + "\n\n".join([",".join(WHOLE[:columns]), *lines]) + "\n"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kea-leases4.csv"
        path.write_text(text)
        assert everything(path) == judged(path), text


def test_the_oracle_finds_a_missing_row(tmp_path: Path) -> None:
    """Otherwise the oracle would prove nothing."""
    path = tmp_path / "kea-leases4.csv"
    path.write_text(f"{HEADER}10.0.0.1,02:00:00:00:00:01,,60,{NOW + 60},1,0,0,,0,\n")
    follower = Follower(path)
    follower.follow(3)
    path.write_text(f"{path.read_text()}10.0.0.2,02:00:00:00:00:02,,60,{NOW + 60},1,0,0,,0,\n")
    assert follower.leases != judged(path)
    follower.close()
