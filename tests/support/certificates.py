# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates for tests: authority.py DIRECTORY creates those of the scenario tls, with OpenSSL's program."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    """Paths of a certificate and its key, in PEM. The certificates of the chain follow the first one."""

    path: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.path.read_text(encoding="ascii")

    @property
    def key_pem(self) -> str:
        return self.key.read_text(encoding="ascii")


class Authority:
    """Certificate authority for tests: an intermediate one if it has an issuer, else a root."""

    def __init__(self, directory: Path, name: str, issuer: Authority | None = None) -> None:
        self.directory = directory
        self.issuer = issuer
        extensions = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
        self.own = issuer.issue(name, extensions=extensions) if issuer else self._root(name, extensions)

    def issue(
        self, name: str, common_name: str = "", host: str = "", days: int = 30, extensions: str = ""
    ) -> Certificate:
        """Create a certificate with that common name, C(name) if it is empty. A negative C(days): it has expired."""
        made = self._request(name, common_name or name)
        config = self.directory / f"{name}.ext"
        config.write_text(extensions + (f"subjectAltName=DNS:{host}\n" if host else ""), encoding="ascii")
        sign = ["x509", "-req", "-days", str(days), "-CAcreateserial", "-extfile", str(config)]
        request = str(self.directory / f"{name}.csr")
        openssl(*sign, "-CA", str(self.own.path), "-CAkey", str(self.own.key), "-in", request, "-out", str(made.path))
        if self.issuer:
            made.path.write_text(made.pem + self.own.pem, encoding="ascii")
        return made

    def _root(self, name: str, extensions: str) -> Certificate:
        made = self._request(name, name)
        config = self.directory / f"{name}.ext"
        config.write_text(extensions, encoding="ascii")
        openssl(
            *["x509", "-req", "-days", "3650", "-extfile", str(config), "-signkey", str(made.key)],
            *["-in", str(self.directory / f"{name}.csr"), "-out", str(made.path)],
        )
        return made

    def _request(self, name: str, common_name: str) -> Certificate:
        made = Certificate(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        openssl(
            *["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
            *["-subj", f"/CN={common_name}", "-keyout", str(made.key), "-out", str(self.directory / f"{name}.csr")],
        )
        return made


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    authority = Authority(directory, "ca")
    Authority(directory, "wrong-ca")
    authority.issue("server", host="localhost")
    authority.issue("mariadb", host="mariadb.example.org")
    authority.issue("elsewhere", host="elsewhere.example.org")
    # PostgreSQL compares the common name of a client with its role.
    authority.issue("kea", common_name="_kea")
    authority.issue("kea-new", common_name="_kea")
    authority.issue("expired", common_name="_kea", days=-1)
    authority.issue("expired-server", host="localhost", days=-1)
    authority.issue("monitor", common_name="kea-lease-monitor")
    authority.issue("monitor-new", common_name="kea-lease-monitor")
    # One archive, so that a play copies one file to a host.
    with tarfile.open(directory / "all.tar", "w") as archive:
        for path in sorted([*directory.glob("*.pem"), *directory.glob("*.key")]):
            archive.add(path, path.name)


if __name__ == "__main__":
    main()
