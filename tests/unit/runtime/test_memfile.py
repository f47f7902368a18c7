# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source for lease files: contract, situations by name, a model, and a comparison with kea-lfc."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kea_lease_monitor import metrics
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.companions import LeaseFiles
from kea_lease_monitor.kea.tail import Tail
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.sources import ledger
from kea_lease_monitor.sources.memfile import loader
from kea_lease_monitor.sources.memfile.source import MemfileSource

from runtime.builders import HEADER, NOW, Time, row
from runtime.contracts import SourceContract, drained
from runtime.lease_files import Files, everything, run_lfc


class TestMemfile(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> Any:
        self.path = tmp_path / "kea-leases4.csv"
        self.path.write_text(HEADER)

        def grant(number: int, hostname: str) -> None:
            with self.path.open("a") as file:
                file.write(row(number, hostname=hostname))

        return self.another(), grant

    def another(self, clock: Clock | None = None) -> MemfileSource:
        return MemfileSource(str(self.path), clock or Time().clock())

    def now(self) -> float:
        return NOW


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    found = Files(tmp_path)
    yield found
    found.source.close()


def test_a_file_that_does_not_exist_yet(files: Files) -> None:
    assert files.addresses() == []
    files.create()
    files.write(row(1))
    assert files.addresses() == ["10.0.0.1"]


def test_half_a_row_is_read_once_it_is_whole(files: Files) -> None:
    files.create()
    files.write(row(1) + row(2)[:20])
    assert files.addresses() == ["10.0.0.1"]
    files.write(row(2)[20:])
    assert files.addresses() == ["10.0.0.2"]


def test_half_a_header_is_read_once_it_is_whole(files: Files) -> None:
    files.path.write_text(HEADER[:9])
    assert files.addresses() == []
    files.write(HEADER[9:] + row(1))
    assert files.addresses() == ["10.0.0.1"]


def test_rotation_and_lfc_lose_and_repeat_no_row(files: Files) -> None:
    files.create()
    files.write(row(1))
    files.follow()
    files.write(row(2))
    files.rotate()
    files.write(row(3))
    assert files.addresses() == ["10.0.0.2", "10.0.0.3"]
    files.clean_up()
    files.write(row(4))
    assert files.addresses() == ["10.0.0.4"]


def test_rows_written_between_a_read_and_the_rename_are_read_first(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.create()
    files.write(row(1))
    files.follow()
    look = Tail.is_at

    def just_before(tail: Tail, path: str) -> bool:
        monkeypatch.setattr(Tail, "is_at", look)
        files.write(row(2))
        files.rotate()
        files.write(row(3))
        return look(tail, path)

    monkeypatch.setattr(Tail, "is_at", just_before)
    assert files.addresses() == ["10.0.0.2", "10.0.0.3"]


def test_two_unseen_rotations_cause_a_full_read(files: Files) -> None:
    files.create()
    files.write(row(1))
    files.follow()
    files.kinds.clear()
    for number in (2, 3):
        files.write(row(number))
        files.rotate()
        files.clean_up()
    assert files.addresses() == ["10.0.0.2", "10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert files.kinds == ["assigned"] * 4, "what was lost of their effects is repeated"


def test_a_file_truncated_and_grown_again_is_read_again(files: Files) -> None:
    files.create()
    files.write(row(1) + row(2))
    files.follow()
    files.path.write_text(HEADER + row(3) + row(4) + row(5))
    assert files.addresses() == ["10.0.0.3", "10.0.0.4", "10.0.0.5"]


def test_a_replaced_file_is_read_again(files: Files) -> None:
    """lease4-write: the whole dump in a new file, the old one renamed to .bak and a number."""
    files.create()
    files.write(row(1))
    files.follow()
    new = files.path.with_suffix(".tmp")
    new.write_text(HEADER + row(1) + row(2))
    files.path.rename(f"{files.path}.bak77")
    new.rename(files.path)
    assert files.addresses() == ["10.0.0.1", "10.0.0.2"]


def test_kea_s_load_order_at_the_start(files: Files) -> None:
    Path(LeaseFiles(str(files.path)).previous).write_text(HEADER + row(1, 1) + row(2, 2))
    Path(LeaseFiles(str(files.path)).rotated).write_text(HEADER + row(2, 22) + row(3, 3))
    files.path.write_text(HEADER + row(3, 33) + row(1, valid=0))
    files.follow()
    assert files.view == {"10.0.0.2": "02:00:00:00:00:16", "10.0.0.3": "02:00:00:00:00:21"}


def test_the_younger_of_two_leases_of_a_client_counts(files: Files) -> None:
    """As in the database. Otherwise each read of all leases would move the reservation back and forth."""
    files.create()
    files.write(row(1, client=7, cltt=NOW + 9) + row(2, client=7) + row(3, client=8, cltt=NOW + 99, valid=0))
    files.write(row(4, client=8))
    assert files.addresses() == ["10.0.0.1", "10.0.0.4"]


def test_many_leases_are_read_in_portions_before_they_are_handed_over(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other subscription waits for a million leases, and a failed batch is returned again unchanged."""
    monkeypatch.setattr(loader, "_PORTION", 10)
    files.create()
    files.write("".join(row(number) for number in range(1, 101)))
    looks = 0
    while not (batch := files.source.read(files.position, 30)).events:
        looks += 1
        assert not batch.caught_up
    assert looks == 10
    again = files.source.read(files.position, 30)
    assert again == batch
    files.position = again.position
    assert len({*files.addresses(), *(event.lease.address for event in batch.events)}) == 100


def test_a_full_disk_of_the_ledger_loses_no_lease(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files.create()
    files.write("".join(row(number) for number in range(1, 11)))
    position = files.source.read(files.position, 3).position
    position = files.source.read(position, 3).position
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_PORTION", "SELECT * FROM no_such_table WHERE ? = ?")
        with pytest.raises(TemporaryError, match="the table of known leases"):
            files.source.read(position, 3)
    files.position = position
    assert len(files.addresses()) == 10, "all of them again"


def test_completed_replaces_the_two_older_files(files: Files) -> None:
    """kea-lfc wrote it from them, and was killed before it removed them."""
    Path(LeaseFiles(str(files.path)).previous).write_text(HEADER + row(1))
    Path(LeaseFiles(str(files.path)).rotated).write_text(HEADER + row(3) + row(1, valid=0))
    Path(LeaseFiles(str(files.path)).completed).write_text(HEADER + row(2) + row(3))
    files.path.write_text(HEADER + row(4) + row(2, valid=0))
    files.follow()
    assert sorted(files.view) == ["10.0.0.3", "10.0.0.4"]


def test_garbage_is_counted_and_skipped(files: Files) -> None:
    files.create()
    before = rejected()
    files.write("rubbish\n" + row(1) + ",,,,,,,,,,\n\n" + row(2))
    assert files.addresses() == ["10.0.0.1", "10.0.0.2"]
    assert rejected() == before + 2, "Kea skips blank lines"
    files.write("x" * 600_000 + "\n" + row(3))
    assert files.addresses() == ["10.0.0.3"]
    assert rejected() > before + 2


def rejected() -> float:
    return metrics.REGISTRY.get_sample_value("kea_lease_monitor_rejected_rows_total") or 0.0


def test_files_of_two_versions_of_kea_are_read_together(files: Files) -> None:
    """Kea 3.0 has one more column: its first file has another header than the older files next to it."""
    newer = HEADER.replace("user_context", "user_context,pool_id")
    Path(LeaseFiles(str(files.path)).previous).write_text(HEADER + row(1))
    files.create()
    files.write(row(2))
    assert files.addresses() == ["10.0.0.1", "10.0.0.2"]
    files.path.rename(LeaseFiles(str(files.path)).rotated)
    files.path.write_text(newer + row(3).rstrip() + ",7\n")
    assert files.addresses() == ["10.0.0.3"]
    again = Files(files.path.parent)
    assert sorted(again.addresses()) == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    again.source.close()


def test_a_renewal_after_a_restart_is_still_a_renewal(files: Files) -> None:
    files.create()
    files.write(row(1))
    files.follow()
    again = MemfileSource(str(files.path), Time().clock())
    files.write(row(1, cltt=NOW + 60))
    events, _position = drained(again, files.position)
    assert [event.kind for event in events] == [EventKind.RENEWED]
    again.close()


def test_a_restart_during_a_rotation_loses_no_row(files: Files) -> None:
    files.create()
    files.write(row(1))
    files.follow()
    files.write(row(2))
    files.rotate()
    files.write(row(3))
    again = MemfileSource(str(files.path), Time().clock())
    events, _position = drained(again, files.position)
    assert [event.lease.address for event in events] == ["10.0.0.2", "10.0.0.3"]
    again.close()


ROWS = st.just("garbage\n") | st.builds(
    row, st.integers(1, 20), st.integers(1, 20), st.integers(NOW, NOW + 99), st.sampled_from([0, 60, 3600, 4294967295])
)


class TailMachine(RuleBasedStateMachine):
    """Any order of writes, half rows, rotations, LFC runs, replacements and restarts; the model is what was written."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.files = Files(Path(self.directory.name))
        self.files.create()
        self.model: dict[str, str] = {}
        self.half = ""

    @rule(number=st.integers(1, 5), client=st.integers(1, 5), half=st.booleans(), gone=st.booleans())
    def write(self, number: int, client: int, half: bool, gone: bool) -> None:
        text = self.half + row(number, client, valid=0 if gone else 3600)
        self.model.pop(f"10.0.0.{number}", None)
        if not gone:
            self.model[f"10.0.0.{number}"] = f"02:00:00:00:00:{client:02x}"
        self.half = ""
        if half:
            self.files.write(text[:-5])
            self.files.follow()
            text = text[-5:]
        self.files.write(text)

    @rule()
    def follow(self) -> None:
        self.files.follow()

    @rule()
    def rotate(self) -> None:
        if not Path(f"{self.files.path}.1").exists():
            self.files.rotate()

    @rule()
    def clean_up(self) -> None:
        """Do what kea-lfc does, with the same renames: the real program would make this test ten times slower."""
        rotated = Path(f"{self.files.path}.1")
        if rotated.exists():
            previous = Path(f"{self.files.path}.2")
            text = (previous.read_text() if previous.exists() else HEADER) + rotated.read_text()[len(HEADER) :]
            Path(f"{self.files.path}.completed").write_text(text)
            rotated.unlink()
            Path(f"{self.files.path}.completed").rename(previous)

    @rule()
    def replace(self) -> None:
        new = Path(f"{self.files.path}.tmp")
        new.write_text(self.files.path.read_text())
        new.rename(self.files.path)

    @rule()
    def restart(self) -> None:
        self.files.source.close()
        self.files.source = MemfileSource(str(self.files.path), Time().clock())

    @invariant()
    def what_was_written_is_what_is_seen(self) -> None:
        if hasattr(self, "files"):
            self.files.follow()
            present = {address: hwaddr for address, hwaddr in self.files.view.items() if address in self.model}
            assert present == self.model

    def teardown(self) -> None:
        if hasattr(self, "files"):
            self.files.source.close()
            self.directory.cleanup()


TestTailMachine = TailMachine.TestCase
TestTailMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestTailMachine.pytestmark = [pytest.mark.slow]


@settings(max_examples=8, deadline=None)
@given(st.lists(st.lists(ROWS, min_size=1, max_size=60), min_size=1, max_size=4))
def test_the_files_are_read_as_kea_lfc_reads_them(rounds: list[list[str]]) -> None:
    """The oracle: after any rows and LFC runs, kea-lfc makes of the same files what the source reads in them."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kea-leases4.csv"
        path.write_text(HEADER)
        for rows in rounds:
            path.write_text(path.read_text() + "".join(rows))
            before = everything(path)
            path.rename(f"{path}.1")
            path.write_text(HEADER)
            run_lfc(path)
            assert everything(path) == before


HEADER6 = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,"
    "hwaddr,state,user_context,hwtype,hwaddr_source\n"
)


def row6(number: int, client: int = 0, valid: int = 3600, kind: int = 0) -> str:
    duid = f"00:01:00:01:00:00:00:{client or number:02x}"
    length = 64 if kind == 2 else 128
    return f"2001:db8::{number:x},{duid},{valid},{NOW + valid},1,60,{kind},1,{length},0,0,,,0,,1,0\n"


def test_a_lease_file_of_dhcpv6_is_followed_through_rotations_as_kea_lfc_reads_it(tmp_path: Path) -> None:
    files = Files(tmp_path)
    files.path.write_text(HEADER6 + row6(1) + row6(2) + "garbage\n")
    assert files.addresses() == ["2001:db8::1", "2001:db8::2"]
    files.write(row6(2, client=3) + row6(1, valid=0) + row6(0x10, kind=2))
    files.path.rename(f"{files.path}.1")
    files.path.write_text(HEADER6 + row6(4))
    assert files.addresses() == ["2001:db8::2", "2001:db8::1", "2001:db8::10", "2001:db8::4"]
    assert files.kinds == ["assigned", "assigned", "assigned", "deleted", "assigned", "assigned"]
    known = everything(files.path)
    run_lfc(files.path, "-6")
    assert everything(files.path) == known
    assert sorted(known) == ["2001:db8::10", "2001:db8::2", "2001:db8::4"]
    files.source.close()
