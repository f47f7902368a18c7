# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the package that the modules, the monitor and the LFC program share."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3] / "plugins/module_utils/_kea"
FILES = sorted(PACKAGE.glob("*.py"))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Level (0 is absolute) and top name of each import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.level, (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_the_standard_library_and_the_package_itself_are_imported(path: Path) -> None:
    for level, name in imported(path):
        assert level == 1 or (level == 0 and name in sys.stdlib_module_names), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_size_law(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert not body or (node.end_lineno or 0) - body[0].lineno < 40, node.name
            assert len([one for one in node.args.args if one.arg != "self"]) <= 5, node.name
            assert node.name.startswith("_") or ast.get_docstring(node), node.name


def test_a_program_that_has_nothing_else_can_import_it() -> None:
    names = ", ".join(path.stem for path in FILES)
    program = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); from _kea import {names}"
    subprocess.run([sys.executable, "-I", "-c", program], check=True)
