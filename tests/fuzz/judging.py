# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold after the packets of any clients, in all sinks of a monitor."""

from __future__ import annotations

import collections
import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any, Iterable, Sequence

import yaml
from exchanges import Lease
from hostile import MARKER
from kea_lease_monitor.commands import cli
from kea_lease_monitor.kea.applier import hosts
from real_kea import PATIENCE, Site
from support.wait import until

_FILES = re.compile(
    r"discovery/(client-id-|duid-)?([0-9a-f-]+|sha256-[0-9a-f]{64})(-v6-[0-9a-f]+)?(-s[0-9]+)?\.yml"
    r"|discovery/\.duid-([0-9a-f-]+|sha256-[0-9a-f]{64})-v6-[0-9a-f]+-s[0-9]+"
    r"|(written|applied)/(subnet-[0-9]+\.json|\.apply-requested|\.[a-z-]+)"
    r"|report/[a-z-]+\.json|kea/[A-Za-z0-9._-]+|monitor/[A-Za-z0-9._-]+|executed"
)
"""Names of all files that may exist."""
_POINTED = re.compile(rb"[0-9a-f-]+(-s[0-9]+)?\n")
"""Content of a hidden file, which names the file of a machine."""
_NO_DUID = b"00:00:00"
_COMMANDS = (
    ("status",),
    ("check",),
    ("dead-letters", "list"),
    ("status", "--json"),
    ("dead-letters", "list", "--json"),
)
_TEMPLATE = re.compile(r"\{[{%#]")


class Unsafe(str):
    """Text that Ansible does not evaluate."""


class _Loader(yaml.SafeLoader):
    """YAML with Ansible's tag."""


def _unsafe(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Unsafe:
    return Unsafe(loader.construct_scalar(node))


_Loader.add_constructor("!unsafe", _unsafe)


class Judge:
    """Judges one site after each round of packets."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._read = 0
        """Characters of the monitor's log that were judged."""
        self._leased: set[str] = set()
        self.dead_letters: collections.Counter[str] = collections.Counter()
        """By their reason."""

    def judge(self, leases: Sequence[Lease], sentinels: Sequence[Lease]) -> None:
        """Wait until the sentinels, whose packets came last, are settled. Raises AssertionError for a fault."""
        site = self._site
        wanted = {address for lease in sentinels for address in lease.granted}
        assert site.server.runs(), f"Kea stopped: {site.server.log.read_text()[-2000:]}"
        until(
            lambda: all(wanted <= self._told(name) for name in ("files", "rows")),
            lambda: f"the sentinels' leases are not settled: {site.monitor.log()[-3000:]}",
            PATIENCE,
            pause=0.05,
        )
        self._leased |= {address for lease in leases for address in lease.granted} | wanted
        self._monitor()
        self._files()
        self._inventory(sentinels)
        self._reservations(wanted)
        self._events(self._outputs())

    def _told(self, name: str) -> set[str]:
        assert self._site.monitor.process.poll() is None, f"the monitor stopped: {self._site.monitor.log()[-3000:]}"
        return {event["lease"]["address"] for event in self._site.events(name)}

    def _monitor(self) -> None:
        said = self._site.monitor.log()[self._read :]
        self._read += len(said)
        assert "Traceback" not in said, said[-3000:]
        printable(said, "the log")

    def _files(self) -> None:
        """Nothing is outside the directories of the sinks, and nothing in them has another kind of name."""
        base = self._site.directory
        top = base.parents[4]
        for path in top.rglob("*"):
            name = str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
            assert not path.is_symlink(), name
            assert path.is_dir() or path.is_socket() or _FILES.fullmatch(name), f"{name} was written"
            assert path.name != MARKER

    def _inventory(self, sentinels: Sequence[Lease]) -> None:
        """Each sentinel is a host with its own addresses only, though others claimed its hardware address."""
        key = f"kea_ipv{self._site.family.number}_addresses"
        found: list[list[str]] = []
        for path in self._site.discovery.iterdir():
            if path.name.startswith("."):
                assert _POINTED.fullmatch(path.read_bytes()), path.name
                continue
            content = yaml.load(path.read_bytes(), _Loader)  # noqa: S506 - a SafeLoader with one tag
            assert list(content) == ["bmc_targets"], path.name
            ((host, variables),) = content["bmc_targets"]["hosts"].items()
            assert re.fullmatch(r"bmc-[a-z0-9-]+", host), host
            for value in texts(variables):
                assert isinstance(value, Unsafe) or not _TEMPLATE.search(value), f"{path.name}: {value!r}"
            found.append(variables[key])
        for lease in sentinels:
            own = list(lease.answer.addresses)
            others = [addresses for addresses in found if own[0] in addresses and addresses != own]
            assert own in found, f"not in the inventory: {own}; {others}"

    def _events(self, dead_letters: list[Any]) -> None:
        """Each lease reached the command and the web server, but for a client's second one (docs/monitor.md)."""
        second = {one["address"] for one in dead_letters if one["reason"] == "second_lease"}
        wanted = self._leased & self._whole() - second
        for found in (self._told("files"), self._told("rows"), self._executed()):
            assert wanted <= found, f"never told: {sorted(wanted - found)[:5]}"

    def _whole(self) -> set[str]:
        """Return the addresses of rows that every Kea can read.

        Kea writes a line feed in a name as it is. It also serves a client whose DUID newer versions use for none.
        """
        header, *rows = (line.split(b",") for line in self._site.leases.read_bytes().split(b"\n"))
        fields = [dict(zip(header, row)) for row in rows if len(row) == len(header)]
        return {one[b"address"].decode() for one in fields if one.get(b"duid") != _NO_DUID or one[b"state"] == b"1"}

    def _executed(self) -> set[str]:
        documents = self._site.documents()
        assert all(one["version"] == 1 for one in documents)
        return {event["lease"]["address"] for one in documents for event in one["events"]}

    def _reservations(self, wanted: set[str]) -> None:
        for number in self._site.family.relays.values():
            path = self._site.written / f"subnet-{number}.json"
            refused = hosts.read(number, path.read_bytes(), {}).refused if path.exists() else []
            assert not refused, f"the applier refuses what the monitor wrote: {refused[:3]}"
        done = self._site.apply()
        assert done.returncode == 0, done.stderr[-3000:]
        printable(done.stderr, "the applier's log")
        assert self._site.server.runs(), f"Kea stopped: {self._site.server.log.read_text()[-2000:]}"
        in_force = self._site.in_force()
        assert wanted <= in_force, f"not in force: {wanted - in_force}; {done.stderr[-2000:]}"
        rows = set(self._site.rows())
        assert wanted <= rows, f"not in the database: {wanted - rows}"

    def _outputs(self) -> list[Any]:
        """Judge what the commands print. Return the dead letters."""
        found: list[Any] = []
        for words in _COMMANDS:
            output = io.StringIO()
            # In this process, because each start of the program takes a second of a loaded machine.
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                code = cli.main([*words, "--config", str(self._site.monitor.config)])
            # On a loaded machine, check may miss a sign of life: the sentinels tell whether the monitor works.
            assert code == 0 or words == ("check",), f"{words}: {output.getvalue()}"
            printable(output.getvalue(), " ".join(words))
            if "--json" in words:
                found = json.loads(output.getvalue())
        self.dead_letters = collections.Counter(one["reason"] for one in found)
        return found


def printable(text: str, what: str) -> None:
    """Raise AssertionError for a character that a terminal would obey."""
    for line in text.split("\n"):
        assert line.isprintable(), f"{what} has an unprintable character: {line!r}"


def texts(value: Any) -> Iterable[str]:
    """Return all texts in a value."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def corpus(directory: Path) -> list[bytes]:
    """Return the packets that are kept."""
    return [path.read_bytes() for path in sorted(directory.glob("*.bin"))]
