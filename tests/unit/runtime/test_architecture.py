# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that no tool of the project checks by itself."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

from kea_lease_monitor.sinks.registry import SINKS
from kea_lease_monitor.sources.registry import SOURCES
from support.paths import LFC_PROGRAM, MONITOR, ROOT, SHARED

from runtime import test_events, test_exec, test_memfile, test_polling, test_sinks, test_webhook
from runtime.contracts import SinkContract, SourceContract

PACKAGE = MONITOR / "kea_lease_monitor"
FILES = sorted(PACKAGE.rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node


def test_every_source_and_sink_has_its_contract() -> None:
    modules = (test_events, test_exec, test_memfile, test_polling, test_sinks, test_webhook)
    classes = [value for module in modules for value in vars(module).values() if isinstance(value, type)]
    assert len({each for each in classes if issubclass(each, SourceContract) and each.__name__[:4] == "Test"}) == len(
        SOURCES
    )
    assert len({each for each in classes if issubclass(each, SinkContract) and each.__name__[:4] == "Test"}) == len(
        SINKS
    )


def test_no_program_of_a_host_asks_kea_for_its_configuration() -> None:
    """Kea answers config-get in the thread that serves clients, for seconds beside 100,000 reservations.

    D2 has no clients, and its configuration names the DNS servers.
    """
    paths = [*FILES, *LFC_PROGRAM.rglob("*.py"), *(SHARED / "_kea").rglob("*.py")]
    assert len(paths) > 100
    assert [path for path in paths if "config-get" in texts(path)] == [PACKAGE / "kea/names/look.py"]
    plugins = [path for path in (ROOT / "plugins").rglob("*.py") if "config-get" in texts(path)]
    assert sorted(path.name for path in plugins) == ["_inventory_control.py", "pair_facts.py", "served.py"]


def texts(path: Path) -> set[str]:
    """Return the texts that stand in the code alone, as names of commands do."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_the_size_law() -> None:
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 300, path
        for function in functions(path):
            first = function.body[1:] if ast.get_docstring(function) else function.body
            lines = function.end_lineno - first[0].lineno + 1 if first and function.end_lineno else 0
            assert lines <= 40, f"{path}:{function.name} has {lines} lines"
            names = [argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]]
            assert len([name for name in names if name != "self"]) <= 5, f"{path}:{function.name}"


def test_no_interface_is_wider_than_five_methods() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and {"Protocol", "abc.ABC"} & set(map(ast.unparse, node.bases)):
                assert len([each for each in node.body if isinstance(each, ast.FunctionDef)]) <= 5, node.name


def _where(text: str) -> list[str]:
    return [str(path.relative_to(PACKAGE)) for path in FILES if text in path.read_text()]


def test_only_kea_knows_kea() -> None:
    assert _where("4294967295") == []
    assert _where("INTO hosts") == ["kea/sql/hosts4.py", "kea/sql/hosts6.py"]
    for text in ("lease4", "lease6", "ipv6_reservations", "FROM hosts", "FROM pg_locks"):
        assert [place for place in _where(f"{text} ") if not place.startswith("kea/")] == [], text


def test_the_loop_never_sleeps() -> None:
    """Another command, the thread of the metrics and the program that holds a command may."""
    others = ["commands/apply.py", "commands/watch.py", "endpoint.py", "holder.py", "kea/names/look.py"]
    assert _where("time.sleep") == others


def test_all_exceptions_are_caught_only_around_sources_and_sinks() -> None:
    assert _where("except Exception") == ["pipeline.py", "sinks/discovery.py"]
