# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation of every module has, beyond what ansible-test asks for."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
MODULES = sorted((ROOT / "plugins/modules").glob("kea_*.py"))
FRAGMENTS = ROOT / "plugins/doc_fragments"
FIRST_RELEASE = frozenset(
    f"kea_{name}"
    for name in ("config", "database", "hosts_constraint", "info", "lease_monitor", "lease_notify", "schema")
)
"""The modules of release 1.0.0, which have no ``version_added``."""


def strings_of(path: Path) -> dict[str, str]:
    """Return the texts that a file assigns to names, at its top or in its class, by name."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.update({name.id: node.value.value for name in node.targets if isinstance(name, ast.Name)})
    return found


def block(path: Path, name: str) -> dict[str, Any]:
    loaded = yaml.safe_load(strings_of(path)[name])
    assert isinstance(loaded, dict)
    return loaded


def attributes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the attributes of a module, with those of its fragments."""
    found: dict[str, dict[str, Any]] = {}
    for name in document["extends_documentation_fragment"]:
        file, _dot, part = name.removeprefix("baremetal.kea.").partition(".")
        fragment = block(FRAGMENTS / f"{file}.py", (part or "documentation").upper())
        for key, value in fragment.get("attributes", {}).items():
            found.setdefault(key, {}).update(value)
    for key, value in document["attributes"].items():
        found.setdefault(key, {}).update(value)
    return found


def incomplete(prefix: str, values: dict[str, Any]) -> Iterator[str]:
    """Yield each dictionary that has neither ``contains`` nor ``sample``, and each list without ``elements``."""
    for name, value in values.items():
        if value["type"] == "list" and "elements" not in value:
            yield f"{prefix}{name}: elements"
        if "contains" in value:
            yield from incomplete(f"{prefix}{name}.", value["contains"])
        elif "dict" in (value["type"], value.get("elements")) and "sample" not in value:
            yield f"{prefix}{name}: contains or sample"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
class TestModule:
    def test_every_returned_dictionary_is_shown(self, path: Path) -> None:
        assert list(incomplete("", block(path, "RETURN"))) == []

    def test_it_names_what_to_see_also(self, path: Path) -> None:
        named = [one["module"] for one in block(path, "DOCUMENTATION")["seealso"] if "module" in one]
        ours = [name.removeprefix("baremetal.kea.") for name in named if name.startswith("baremetal.kea.")]
        assert ours
        assert [name for name in ours if not (path.parent / f"{name}.py").is_file()] == []

    def test_it_tells_what_it_supports_and_where(self, path: Path) -> None:
        told = attributes(block(path, "DOCUMENTATION"))
        assert set(told) == {"check_mode", "diff_mode", "idempotent", "platform"}
        assert [name for name, value in told.items() if "support" not in value] == []
        assert told["platform"]["platforms"] in ("Debian", "posix")

    def test_it_names_the_versions_of_python_that_it_does_not_support(self, path: Path) -> None:
        assert "baremetal.kea.attributes" in block(path, "DOCUMENTATION")["extends_documentation_fragment"]
        [requirement] = block(FRAGMENTS / "attributes.py", "DOCUMENTATION")["requirements"]
        assert "not 2.7, 3.6 and 3.7" in requirement

    def test_it_tells_which_release_brought_it(self, path: Path) -> None:
        assert ("version_added" in block(path, "DOCUMENTATION")) is (path.stem not in FIRST_RELEASE)


def test_every_filter_tells_which_release_brought_it() -> None:
    files = sorted((ROOT / "plugins/filter").glob("*.yml"))
    assert files
    documents = {path.name: yaml.safe_load(path.read_text(encoding="utf-8"))["DOCUMENTATION"] for path in files}
    assert [name for name, document in documents.items() if "version_added" not in document] == []


def test_the_execution_environment_names_files_that_exist() -> None:
    environment = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text(encoding="utf-8"))
    files = environment["dependencies"].values()
    assert [name for name in files if not (ROOT / name).is_file()] == []
