# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reservation in a file comes into force only if a lease confirms it or a person approved it."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from _kea.lease_csv import header_line
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.kea.applier import leased
from kea_lease_monitor.kea.applier.hosts import Claim
from kea_lease_monitor.kea.applier.leased import Leases

from runtime.builders import HEADER, NOW, row

ONE = "hw-address 02:00:00:00:00:01"
DUID = "00:03:00:01:02:00:00:00:00:01"


class Files:
    """Lease files, as Kea and kea-lfc write them."""

    def __init__(self, path: Path) -> None:
        self.current, self.rotated, self.previous = (path / f"leases.csv{end}" for end in ("", ".1", ".2"))
        self.current.write_text(HEADER)
        self.now = 0.0
        self.slept: list[float] = []
        self.leases = Leases(str(self.current), self.sleep, lambda: self.now)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def append(self, text: str) -> None:
        with self.current.open("a") as file:
            file.write(text)

    def rotate(self) -> None:
        self.current.rename(self.rotated)
        self.current.write_text(HEADER)

    def clean(self) -> None:
        """Do as kea-lfc: the rows of both files are in one."""
        rows = self.rotated.read_text().removeprefix(HEADER)
        self.previous.write_text(HEADER + rows)
        self.rotated.unlink()

    def confirms(self, *claims: Claim) -> bool:
        return not self.leases.without(claims)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def searched(files: Files, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many claims each reading of all files was for."""
    found: list[int] = []
    search = files.leases._searched
    monkeypatch.setattr(files.leases, "_searched", lambda claims: found.append(len(claims)) or search(claims))
    return found


def claim(number: int, client: int = 0, subnet: int = 1) -> Claim:
    return Claim(subnet, f"hw-address 02:00:00:00:00:{client or number:02x}", f"10.0.0.{number}")


@pytest.mark.parametrize("place", ["current", "rotated", "previous", "completed"])
def test_a_lease_in_each_file_that_kea_loads_confirms_its_address_for_its_client(files: Files, place: str) -> None:
    path = Path(f"{files.current}.completed") if place == "completed" else getattr(files, place)
    path.write_text(HEADER + row(1))
    assert files.confirms(claim(1))
    assert not files.confirms(claim(1, client=2))
    assert not files.confirms(claim(2, client=1))
    assert not files.confirms(claim(1, subnet=2))
    assert not files.confirms(Claim(1, "flex-id 02:00:00:00:00:01", "10.0.0.1"))


def test_a_lease_that_is_over_confirms_and_so_does_a_client_identifier(files: Files) -> None:
    files.append(
        f"10.0.0.1,02:00:00:00:00:01,01:AA,0,{NOW},1,0,0,,0,\n10.0.0.1,02:00:00:00:00:02,,60,{NOW},1,0,0,,2,\n"
    )
    assert files.confirms(claim(1), claim(1, client=2), Claim(1, "client-id 01:aa", "10.0.0.1"))


def test_a_row_that_kea_rejects_confirms_nothing_and_hides_no_other_one(files: Files) -> None:
    files.append(f"10.0.0.1,02:00:00:00:00:01\n\n{'x' * 300_000}\n10.0.0.2,zz,,60,{NOW},1,0,0,,0,\n{row(3)}")
    assert files.confirms(claim(3))
    assert not files.confirms(claim(1))
    assert not files.confirms(claim(2))


def test_half_a_row_confirms_once_it_is_whole(files: Files) -> None:
    assert not files.confirms(claim(1))
    files.append(row(1)[:30])
    assert not files.confirms(claim(1))
    files.append(row(1)[30:])
    assert files.confirms(claim(1))


def test_in_dhcp6_a_duid_confirms_an_address_or_a_prefix_with_its_length(tmp_path: Path) -> None:
    path = tmp_path / "leases6.csv"
    hwaddr = "02:00:00:00:00:01"
    rows = [
        f"2001:DB8:0::1,{DUID},60,{NOW},1,60,0,1,128,0,0,,{hwaddr},0,,1,1",
        f"2001:db8:1::,{DUID},60,{NOW},1,60,2,1,56,0,0,,{hwaddr},0,,1,1",
    ]
    path.write_text("\n".join([header_line(6), *rows, ""]))
    leases = Leases(str(path), time.sleep, time.monotonic)
    good = {Claim(1, f"duid {DUID}", address) for address in ("2001:db8::1", "2001:db8:1::/56")}
    assert leases.without(good) == set()
    bad = {
        *(Claim(1, f"duid {DUID}", address) for address in ("2001:db8::2", "2001:db8:1::", "2001:db8:1::/48")),
        *(Claim(1, f"duid {DUID}", address) for address in ("2001:db8::1/128", "2001:db8:2::/56")),
        Claim(2, f"duid {DUID}", "2001:db8::1"),
        Claim(1, "duid 00:03", "2001:db8::1"),
        Claim(1, f"hw-address {hwaddr}", "2001:db8::1"),
    }
    assert leases.without(bad) == bad


def test_a_new_lease_is_found_without_reading_all(files: Files, searched: list[int]) -> None:
    assert not files.confirms(claim(1))
    assert searched == [1]
    files.append(row(2))
    assert files.confirms(claim(2))
    files.rotate()
    files.append(row(3))
    assert files.confirms(claim(3), claim(2))
    assert searched == [1]


def test_a_claim_without_a_lease_is_searched_once_and_confirmed_by_a_later_row(
    files: Files, searched: list[int]
) -> None:
    for _time in range(3):
        assert not files.confirms(claim(1))
    files.leases.follow()
    assert not files.leases.has_news
    files.append(row(1, client=2) + row(1))
    files.leases.follow()
    assert files.leases.has_news
    assert files.confirms(claim(1))
    assert searched == [1]


def test_whoever_claims_without_a_lease_does_not_have_all_read_all_the_time(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = files.leases._opened

    def slow() -> Iterator[Any]:
        files.now += 2
        yield from opened()

    monkeypatch.setattr(files.leases, "_opened", slow)
    for number in range(1, 4):
        assert not files.confirms(claim(number))
        files.append(row(100 + number))
        assert files.confirms(claim(100 + number)), "a lease that is new waits for nothing"
    assert files.slept == [20, 20]


@pytest.mark.parametrize("how", ["cleaned", "truncated", "replaced", "removed"])
def test_what_is_not_followed_is_read_again(files: Files, how: str) -> None:
    files.append(row(9))
    assert not files.confirms(claim(1))
    text = HEADER + row(1) + row(2)
    if how == "cleaned":
        files.append(row(1))
        files.rotate()
        files.clean()
    elif how == "truncated":
        files.current.write_text(text)
    else:
        files.current.unlink()
        if how == "removed":
            files.leases.follow()
            files.leases.follow()
        files.current.write_text(text)
    files.leases.follow()
    files.leases.follow()
    assert files.leases.has_news
    assert files.confirms(claim(1))


def test_without_a_lease_file_nothing_is_confirmed_until_there_is_one(files: Files) -> None:
    files.current.unlink()
    assert not files.confirms(claim(1))
    files.leases.follow()
    assert not files.leases.has_news
    files.current.write_text(HEADER + row(1))
    files.leases.follow()
    assert files.leases.has_news
    assert files.confirms(claim(1))


def test_a_lease_file_that_cannot_be_opened_for_a_moment_is_followed_again(files: Files, tmp_path: Path) -> None:
    """And no file of another part of the program is closed, which may have got the number of a closed one."""
    files.append(row(1))
    files.leases.follow()
    saved = tmp_path / "saved"
    files.current.rename(saved)
    files.current.symlink_to(files.current.name)
    with pytest.raises(TemporaryError, match="cannot be read"):
        files.leases.follow()
    with saved.open() as other:
        with pytest.raises(TemporaryError, match="cannot be read"):
            files.leases.follow()
        assert os.fstat(other.fileno()).st_size
    files.current.unlink()
    saved.rename(files.current)
    assert files.confirms(claim(1))


def test_what_is_remembered_is_bounded(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leased, "_RECENT", 3)
    monkeypatch.setattr(leased, "_ABSENT", 3)
    files.leases.follow()
    files.append("".join(row(number) for number in range(1, 101)))
    assert files.confirms(*(claim(number) for number in range(1, 101)))
    assert not any(files.confirms(claim(number)) for number in range(101, 201))
    assert len(files.leases._recent) == 3
    assert len(files.leases._absent) == 3


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_the_files_exactly_the_leases_confirm(tmp_path: Path, seed: int) -> None:
    chance, files = random.Random(seed), Files(tmp_path)  # noqa: S311
    had: set[int] = set()
    for _step in range(60):
        acts: list[Callable[[], Any]] = [lambda: None, files.rotate] if not files.rotated.exists() else [files.clean]
        chance.choice(acts)()
        if chance.random() < 0.5:
            number = chance.randrange(1, 100)
            files.append(row(number))
            had.add(number)
        if chance.random() < 0.5:
            asked = {claim(chance.randrange(1, 100)) for _each in range(3)}
            missing = files.leases.without(asked)
            # A run of kea-lfc drops no address, and this one keeps the previous rows away.
            assert {one for one in asked if one not in {claim(each) for each in had}} <= missing
            known = {claim(int(text.split(",")[0].rpartition(".")[2])) for text in present(files)}
            assert not missing & known


def present(files: Files) -> list[str]:
    texts = [path.read_text() for path in (files.previous, files.rotated, files.current) if path.exists()]
    return [line for text in texts for line in text.splitlines()[1:]]
