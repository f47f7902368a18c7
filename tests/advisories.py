# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known vulnerabilities of what the collection installs: of Debian's packages on hosts, and of Python's for developers.

    python tests/advisories.py PIP_AUDIT

PIP_AUDIT is the program pip-audit, which asks PyPI for each requirements file. Debian's security tracker is asked for
each package that a role installs, in each release that the tests have. A source that cannot be reached fails the run:
what was not checked is not taken for safe.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import Any, Iterator, Mapping

from support.paths import ROOT
from support.suites import SUITES

TRACKER = "https://security-tracker.debian.org/tracker/data/json"
SOURCES = {
    "acl": "acl",
    "kea-admin": "isc-kea",
    "kea-dhcp-ddns-server": "isc-kea",
    "kea-dhcp4-server": "isc-kea",
    "kea-dhcp6-server": "isc-kea",
    "postgresql": "postgresql-common",
    "postgresql-client": "postgresql-common",
    "python3-alembic": "alembic",
    "python3-jinja2": "jinja2",
    "python3-prometheus-client": "python-prometheus-client",
    "python3-psycopg2": "psycopg2",
    "python3-requests": "requests",
    "python3-sqlalchemy": "sqlalchemy",
    "python3-yaml": "pyyaml",
    "sudo": "sudo",
}
"""Packages of Debian that roles install, each with its source package, by which the tracker knows it.

Packages that these depend on are left to Debian's updates, but for the server of PostgreSQL."""
_LIMIT = 300
"""Seconds for the tracker's document, which has some 100 MB."""


class UnreachableError(Exception):
    """A source of advisories that tells nothing."""


def read_tracker(url: str) -> Mapping[str, Any]:
    """Return what the tracker knows, by source package. Raises UnreachableError."""
    try:
        with urllib.request.urlopen(url, timeout=_LIMIT) as answer:  # noqa: S310 - the address is ours
            found = json.load(answer)
    except (OSError, ValueError) as error:
        raise UnreachableError(
            f"Debian's security tracker cannot be read, so no package was checked: {error}"
        ) from error
    # It has never had an advisory for some of the others.
    if not isinstance(found, dict) or SOURCES["kea-admin"] not in found:
        raise UnreachableError(f"{url} is not Debian's security tracker, so no package was checked")
    return found


def wanted() -> Iterator[tuple[str, str]]:
    """Return each source package with each release of Debian that it is installed on."""
    for suite in SUITES.values():
        for source in (*SOURCES.values(), f"postgresql-{suite.postgresql}"):
            yield source, suite.debian


def unsolved(tracker: Mapping[str, Any]) -> list[str]:
    """Return a line for each vulnerability that Debian means to solve in a release and has not solved yet.

    Left out are those that Debian takes for unimportant, and those for which it plans no advisory.
    """
    lines = set()
    for source, release in wanted():
        for name, advisory in tracker.get(source, {}).items():
            state = advisory["releases"].get(release, {})
            is_minor = "nodsa" in state or state.get("urgency") == "unimportant"
            if state.get("status") == "open" and not is_minor:
                lines.add(f"{source} in {release}: {name}: {advisory.get('description', 'no description')}")
    return sorted(lines)


def requirements() -> list[str]:
    """Return the requirements files of the project."""
    listed = ("git", "ls-files", "*requirements*.txt")
    return subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def audited(program: str, path: str) -> str:
    """Return what pip-audit says against a requirements file and all that it needs; empty for nothing."""
    # Without --strict, a package for which the index has no advisories passes.
    words = (program, "--strict", "--progress-spinner", "off", "--requirement", path)
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{path}:\n{done.stdout}{done.stderr}".rstrip()


def main() -> None:
    """Print all that is known or cannot be known, and exit with 1 if there is any."""
    (program,) = sys.argv[1:]
    problems = list(filter(None, (audited(program, path) for path in requirements())))
    try:
        problems += unsolved(read_tracker(TRACKER))
    except UnreachableError as error:
        problems.append(str(error))
    if problems:
        sys.exit("\n".join([*problems, "advisories: FAILED, see above"]))
    print("No advisory is open for what roles and developers install.")


if __name__ == "__main__":
    main()
