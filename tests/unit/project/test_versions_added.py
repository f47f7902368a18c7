# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came after a release says so: ``version_added`` of options, returns and role variables.

A release is named by its commit, which every clone has, and not by its tag: a clone may have no tags. An unpacked
archive cannot be compared.
"""

from __future__ import annotations

import ast
import re
import subprocess
from functools import lru_cache
from typing import Any, Iterator

import pytest
import yaml
from support.paths import ROOT

RELEASES = {
    "1.0.0": "8b94c5f8019e2064ecd4a990cdbf560d8deb4974",
    "1.1.0": "9c13229c3cc1e5d327af351753fd68c2123cddf4",
}
NOW = re.search(r"^version: (\S+)", (ROOT / "galaxy.yml").read_text(encoding="utf-8"), re.MULTILINE)[1]  # type: ignore[index]
PLUGINS = [
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "plugins/modules").glob("kea_*.py")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "plugins/filter").glob("*.yml")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "plugins/inventory").glob("*.py")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")),
]


def git(*command: str) -> str | None:
    done = subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout


def of_a_release(release: str, path: str) -> str | None:
    """Return the text of a file at that time; None if there was none."""
    if release == NOW:
        return (ROOT / path).read_text(encoding="utf-8")
    return git("show", f"{RELEASES[release]}:{path}")


def documents(path: str, text: str) -> dict[str, Any]:
    if path.endswith(".py"):
        return {
            node.targets[0].id: yaml.safe_load(ast.literal_eval(node.value)) or {}
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id in ("DOCUMENTATION", "RETURN")
        }
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def entries(path: str, text: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield each option and each return with its names from the outside in."""
    found = documents(path, text)
    if "argument_specs" in found:
        for name, spec in found["argument_specs"].items():
            yield from nested((name,), spec.get("options") or {}, "options")
        return
    yield from nested(("options",), found.get("DOCUMENTATION", {}).get("options") or {}, "suboptions")
    yield from nested(("returns",), found.get("RETURN") or {}, "contains")


def nested(
    outer: tuple[str, ...], found: dict[str, Any], inner: str
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    for name, entry in found.items():
        yield (*outer, name), entry
        yield from nested((*outer, name), entry.get(inner) or {}, inner)


@lru_cache(maxsize=None)
def first_releases(path: str) -> dict[tuple[str, ...], str]:
    """Return the release with which each entry came; that of the file itself stands under no name."""
    found: dict[tuple[str, ...], str] = {}
    for release in (*RELEASES, NOW):
        text = of_a_release(release, path)
        if text is not None:
            found.setdefault((), release)
            for names, _entry in entries(path, text):
                found.setdefault(names, release)
    return found


def came_later(path: str, names: tuple[str, ...]) -> bool:
    """Return whether an entry came after the entries beside it: a release had some of these, and not this one.

    If a release had none of them, it may have had this one without a description.
    """
    first = first_releases(path)
    beside = [release for other, release in first.items() if other and other[:-1] == names[:-1]]
    return first[names] != min(beside)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


NEEDS_HISTORY = pytest.mark.skipif(
    any(git("cat-file", "-e", commit) is None for commit in RELEASES.values()), reason="no history"
)


@NEEDS_HISTORY
@pytest.mark.parametrize("release", RELEASES)
def test_the_tree_of_a_release_names_no_later_release(release: str) -> None:
    """A commit after the release has what the next one brings, so it is the wrong one."""
    found = git(
        "grep", "--only-matching", "-hE", r"version_added: +[\"']?[0-9.]+", RELEASES[release], "--", "plugins", "roles"
    )
    named = {line.split()[-1].strip("\"'") for line in (found or "").splitlines()}
    assert {version for version in named if numbers(version) > numbers(release)} == set()


@NEEDS_HISTORY
@pytest.mark.parametrize("path", PLUGINS)
def test_what_came_with_a_later_release_names_it(path: str) -> None:
    described = dict(entries(path, (ROOT / path).read_text(encoding="utf-8")))
    first = first_releases(path)
    missing = {
        ".".join(names): first[names]
        for names, entry in described.items()
        if came_later(path, names) and not entry.get("version_added")
    }
    assert missing == {}
