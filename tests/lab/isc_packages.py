# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make packages named as ISC names its own, from those of Debian, and a local repository of them. Runs on a test host.

Debian's packages are taken apart: names, units and dependencies become ISC's, the hooks get a package of their own, and
files that only Debian has (AppArmor profiles, init scripts) go. The programs stay what they are. The argument, if there
is one, is the release of Debian that the packages come from.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path("/opt/isc-packages")
NAMES = {
    "kea-common": "isc-kea-common",
    "kea-dhcp4-server": "isc-kea-dhcp4",
    "kea-dhcp6-server": "isc-kea-dhcp6",
    "kea-dhcp-ddns-server": "isc-kea-dhcp-ddns",
    "kea-admin": "isc-kea-admin",
}
"""ISC's names of Debian's packages."""
UNITS = {name: f"isc-{name}" for name in ("kea-dhcp4-server", "kea-dhcp6-server", "kea-dhcp-ddns-server")}
ONLY_DEBIAN = ("etc/apparmor.d", "etc/init.d", "usr/share/lintian", "usr/share/doc")
OTHERS = "Recommends|Suggests|Breaks|Replaces|Provides|Conflicts"
"""Fields of Debian's packages that name others of Debian's."""
PARTS = {
    "isc-kea-hooks": r"libdhcp_(?!pgsql|mysql).*",
    "isc-kea-pgsql": "libdhcp_pgsql.*",
    "isc-kea-mysql": "libdhcp_mysql.*",
}
"""Packages that ISC splits off the common one, with the names of the files that they take. Older releases of Kea have
no such file for the databases, and their packages are empty."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def renamed(tree: Path) -> None:
    """Give a package that was taken apart the name, the dependencies and the units of ISC's."""
    for path in ONLY_DEBIAN:
        shutil.rmtree(tree / path, ignore_errors=True)
    for unit in (tree / "usr/lib/systemd/system").glob("*.service"):
        unit.rename(unit.with_name(f"{UNITS[unit.stem]}.service"))
    control = tree / "DEBIAN"
    (control / "md5sums").unlink(missing_ok=True)
    conffiles = control / "conffiles"
    if conffiles.exists():
        kept = [line for line in conffiles.read_text().splitlines() if (tree / line.lstrip("/")).exists()]
        conffiles.write_text("".join(f"{line}\n" for line in kept))
    for script in ("postinst", "prerm", "postrm", "preinst"):
        if (control / script).exists():
            text = (control / script).read_text()
            (control / script).write_text(re.sub(r"'(kea-[a-z0-9-]+)\.service'", r"'isc-\1.service'", text))
    fields = (control / "control").read_text()
    fields = re.sub(rf"^(?:{OTHERS}): .*\n(?: .*\n)*", "", fields, flags=re.MULTILINE)
    (control / "control").write_text(re.sub(r"\bkea-[a-z0-9-]+", lambda found: NAMES.get(found[0], found[0]), fields))


def split(common: Path, name: str, pattern: str) -> Path:
    """Return the tree of a package that takes some hooks out of the common one."""
    tree = common.with_name(name)
    (tree / "DEBIAN").mkdir(parents=True)
    version = re.search(r"^Version: (.*)", (common / "DEBIAN/control").read_text(), re.M)
    architecture = re.search(r"^Architecture: (.*)", (common / "DEBIAN/control").read_text(), re.M)
    assert version
    assert architecture
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version[1]}\nArchitecture: {architecture[1]}\nMaintainer: the test lab\n"
        f"Depends: isc-kea-common (= {version[1]})\nDescription: hooks of Kea, for tests\n"
    )
    for hook in common.glob("usr/lib/*/kea/hooks/*"):
        if re.fullmatch(pattern, hook.name):
            target = tree / hook.relative_to(common)
            target.parent.mkdir(parents=True, exist_ok=True)
            hook.rename(target)
    return tree


def main() -> None:
    REPOSITORY.mkdir()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        release = f"/{sys.argv[1]}" if sys.argv[1:] else ""
        run("apt-get", "download", *(f"{name}{release}" for name in NAMES), cwd=work)
        trees = []
        for package in work.glob("*.deb"):
            own = NAMES[package.name.split("_")[0]]
            run("dpkg-deb", "--raw-extract", package, work / own)
            renamed(work / own)
            trees.append(work / own)
        trees += [split(work / "isc-kea-common", part, pattern) for part, pattern in PARTS.items()]
        for tree in trees:
            run("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, REPOSITORY)
    index = []
    for package in sorted(REPOSITORY.glob("*.deb")):
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        index.append(
            f"{run('dpkg-deb', '--field', package).rstrip()}\nFilename: ./{package.name}\n"
            f"Size: {package.stat().st_size}\nSHA256: {digest}\n"
        )
    (REPOSITORY / "Packages").write_text("\n".join(index))
    source = Path("/etc/apt/sources.list.d/isc.list")
    source.write_text(f"deb [trusted=yes] file:{REPOSITORY} ./\n")
    run("apt-get", "update")


if __name__ == "__main__":
    main()
