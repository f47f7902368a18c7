# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand-written configurations in a directory that Kea's user may read, and the real server that judges them."""

from __future__ import annotations

import glob
import json
import os
import pwd
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from _kea.lease_csv import header_line
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.sources import Sources
from ansible_collections.baremetal.kea.plugins.module_utils._config.subnets import Subnet, subnets_of
from support.modules import run_module
from support.programs import need

SITES = sorted((Path(__file__).parent / "sites").glob("*.conf"))
EXAMPLES = sorted(Path("/usr/share/doc/kea/examples").glob("kea[46]/*.json"))
FRAGMENTS = ("options.json", "loggers.json", "subnets.json", "timers.json")


class Site(NamedTuple):
    """One configuration in a directory of its own."""

    path: Path

    @property
    def directory(self) -> Path:
        return self.path.parent

    @property
    def family(self) -> int:
        return 6 if self.path.stem == "kea-dhcp6" else 4

    @property
    def top(self) -> str:
        return f"Dhcp{self.family}"

    @property
    def record(self) -> Path:
        return self.directory / "record.json"

    def texts(self) -> dict[str, bytes]:
        """The configuration and its included files."""
        return {
            one.name: one.read_bytes()
            for one in sorted(self.directory.iterdir())
            if one.is_file() and one != self.record
        }

    def merge(self, check: bool = False, **options: Any) -> dict[str, Any]:
        included = [str(self.directory / name) for name in FRAGMENTS]
        given = {"record": str(self.record), "included": included, "backup": False, **options}
        return run_module("kea_config", check=check, path=str(self.path), **given)

    def document(self) -> Document:
        text = self.path.read_bytes().decode("utf-8", "surrogateescape")
        included = [str(self.directory / name) for name in FRAGMENTS]
        return Document(Sources(str(self.path), text, included).text)

    def subnets(self) -> list[Subnet]:
        return subnets_of(self.document(), self.top)

    def subnet(self, number: int) -> dict[str, Any]:
        return next(one.value for one in self.subnets() if one.id == number)

    def accepted(self) -> bool:
        """Whether the server takes it."""
        command = [need(self.path.stem), "-t", str(self.path)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def install(source: Path, directory: Path) -> Site:
    """Copy a configuration, and the fragments that it may include, into a directory of Kea's user."""
    user = pwd.getpwnam("_kea")
    hooks = os.path.dirname(glob.glob("/usr/lib/*/kea/hooks/libdhcp_ha.so")[0])
    config = "kea-dhcp6.conf" if b'"Dhcp6"' in source.read_bytes() else "kea-dhcp4.conf"
    for one in [source, *((source.parent / name) for name in FRAGMENTS)]:
        if one.exists():
            text = one.read_bytes().replace(b"@DIR@", str(directory).encode()).replace(b"@HOOKS@", hooks.encode())
            # Git and the linters have these as any other text.
            if one == source and "crlf" in one.name:
                text = text.replace(b"\n", b"\r\n")
            if one == source and "latin1" in one.name:
                text = text.decode().encode("latin-1")
            target = directory / (config if one == source else one.name)
            target.write_bytes(text)
            os.chown(target, 0, user.pw_gid)
            target.chmod(0o640)
    return Site(directory / config)


def is_subsequence(old: bytes, new: bytes) -> bool:
    """Whether the new text has all bytes of the old one in their order."""
    rest = iter(new)
    return all(byte in rest for byte in old)


def site_of(name: str, directory: Path, leases: dict[str, int] | None = None) -> Site:
    """A site, and its live leases: subnet ids by address."""
    site = install(next(one for one in SITES if name in one.name), directory)
    expire = int(time.time()) + 3600
    rows = [
        f"{address},02:00:00:00:00:01,,3600,{expire},{subnet},0,0,,0,\n" for address, subnet in (leases or {}).items()
    ]
    (directory / "leases.csv").write_text(header_line(4) + "\n" + "".join(rows))
    database = json.dumps({"type": "memfile", "name": str(directory / "leases.csv")})
    text = site.path.read_text("latin-1")
    site.path.write_text(re.sub(r'("Dhcp4":\s*\{)', rf'\1 "lease-database": {database},', text, count=1), "latin-1")
    return site


def hand_written(directory: Path, members: str, leases: Sequence[str] = (), family: int = 4, **files: str) -> Site:
    """A site whose configuration has these members. ``leases`` are rows of its lease file without their last columns.

    ``files`` are the texts of FRAGMENTS by name, without ``.json``.
    """
    for name, text in files.items():
        (directory / f"{name}.json").write_bytes(text.encode())
    database = json.dumps({"type": "memfile", "name": str(directory / "leases.csv"), "lfc-interval": 0})
    (directory / "leases.csv").write_text("".join(f"{row}\n" for row in [header_line(family), *leases]))
    site = Site(directory / f"kea-dhcp{family}.conf")
    text = f'{{ "Dhcp{family}": {{ "lease-database": {database}, {members} }} }}\n'
    site.path.write_bytes(text.replace("@DIR@", str(directory)).encode())
    for one in directory.iterdir():
        os.chown(one, 0, pwd.getpwnam("_kea").pw_gid)
        one.chmod(0o640)
    assert site.accepted()
    return site


def leased(address: str, subnet: int) -> str:
    """The row of a live lease of DHCPv4."""
    return f"{address},02:00:00:00:00:01,,3600,{int(time.time()) + 3600},{subnet},0,0,,0,"


def refusal(site: Site, **options: Any) -> str:
    """Kea's configuration and the record are as they were after a refusal, which comes in check mode, too."""
    before, record = site.texts(), site.record.read_bytes() if site.record.exists() else b""
    messages = [site.merge(check=check, **options) for check in (True, False)]
    assert all(one["failed"] for one in messages), messages
    assert messages[0]["msg"] == messages[1]["msg"]
    assert (site.texts(), site.record.read_bytes() if site.record.exists() else b"") == (before, record)
    return str(messages[0]["msg"])


def done(site: Site, **options: Any) -> dict[str, Any]:
    result = site.merge(**options)
    assert not result["failed"], result
    assert site.accepted()
    return result
