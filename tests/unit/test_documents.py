# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in the documents: what README.md, ARCHITECTURE.md and CONTRIBUTING.md name must exist in the checkout."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = ROOT / "roles/kea_lease_monitor/files/kea_lease_monitor"
MODULE_UTILS = ROOT / "plugins/module_utils"
BASES = (ROOT, RUNTIME, MODULE_UTILS, ROOT / "plugins", RUNTIME.parent, ROOT / "roles/kea_lfc_timer/files")
"""Directories that a path or a module name may be relative to."""

MAPS = ("ARCHITECTURE.md", "CONTRIBUTING.md")
"""Documents whose every path and module is checked."""
LINKED = [
    *("README.md", "SECURITY.md", "MAINTAINERS.md", "CODE_OF_CONDUCT.md", "examples/README.md", *MAPS),
    *(str(path.relative_to(ROOT)) for pattern in ("docs/*.md", "roles/*/README.md") for path in ROOT.glob(pattern)),
]

PATH = re.compile(r"[\w.][\w./-]*")
DOTTED = re.compile(r"_?[a-z]\w*(\.\w+)+")
SUFFIXES = (".py", ".md", ".yml", ".toml", ".rst", ".sh", ".sql", ".importlinter", "Makefile")
FQCN = "baremetal.kea."
HOME = "https://github.com/baremetal/baremetal.kea/blob/main/"
"""Where the pages of the checkout are published; the links of README.md, which Galaxy shows too, begin with it."""


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def prose_of(document: str) -> str:
    """The text without blocks of code, which show commands and pictures."""
    fenced = re.sub(r"```.*?```", "", text_of(document), flags=re.DOTALL)
    return "\n".join(line for line in fenced.splitlines() if not line.startswith("    "))


def quoted(text: str) -> list[str]:
    """Everything in backquotes, each once, in order."""
    return list(dict.fromkeys(re.findall(r"`([^`\n]+)`", text)))


def is_path(name: str) -> bool:
    return bool(PATH.fullmatch(name)) and ("/" in name or name.endswith(SUFFIXES)) and not name.startswith(FQCN)


def is_module(name: str) -> bool:
    return bool(DOTTED.fullmatch(name)) and not is_path(name) and not name.startswith(FQCN)


def path_exists(name: str) -> bool:
    """Whether a path exists; one that ends with a slash must be a directory."""
    found = [base / name for base in BASES if (base / name).exists()]
    return any(path.is_dir() for path in found) if name.endswith("/") else bool(found)


def module_exists(name: str) -> bool:
    """Whether a dotted name is a package, a module, or a word that its module contains."""
    path, _dot, word = name.replace(".", "/").rpartition("/")
    for base in BASES:
        if (base / path / word).is_dir() or (base / path / f"{word}.py").is_file():
            return True
        owner = base / f"{path}.py"
        if owner.is_file() and re.search(rf"\b{re.escape(word)}\b", owner.read_text(encoding="utf-8")):
            return True
    return False


@cache
def classes() -> frozenset[str]:
    """Every class of the checkout's own Python files."""
    found: set[str] = set()
    for top in ("plugins", "roles", "tests"):
        for path in (ROOT / top).rglob("*.py"):
            found.update(re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    return frozenset(found)


@cache
def make_targets() -> frozenset[str]:
    """Every target of the Makefile, as make itself expands them."""
    database = subprocess.run(["make", "-qp", "help"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return frozenset(re.findall(r"^([a-z][\w-]*):(?!=)", database, re.MULTILINE))


def named_targets(text: str) -> set[str]:
    """Targets in commands: at the start of a line of code, or in backquotes. `make molecule-...` names none."""
    return set(re.findall(r"(?:^ {4}|`)make ([a-z][\w-]*[a-z\d])(?![\w-]|\.\.\.)", text, re.MULTILINE))


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def plugins(directory: str) -> set[str]:
    return {path.stem for path in (ROOT / directory).glob("[a-z]*.*")}


@pytest.mark.parametrize("document", MAPS)
def test_every_named_path_exists(document: str) -> None:
    names = [name for name in quoted(prose_of(document)) if is_path(name)]
    assert names
    assert [name for name in names if not path_exists(name)] == []


@pytest.mark.parametrize("document", MAPS)
def test_every_named_module_exists(document: str) -> None:
    names = [name for name in quoted(prose_of(document)) if is_module(name)]
    assert [name for name in names if not module_exists(name)] == []


@pytest.mark.parametrize("document", MAPS)
def test_every_named_class_exists(document: str) -> None:
    names = [name for name in quoted(prose_of(document)) if re.fullmatch(r"[A-Z][a-z]+(?:[A-Z][a-z]+)*", name)]
    assert [name for name in names if name not in classes() and name != "Makefile"] == []


def test_the_architecture_names_every_wing() -> None:
    wings = {path.name for path in MODULE_UTILS.iterdir() if path.is_dir() and not path.name.startswith("__")}
    named = {name.strip("/") for name in quoted(prose_of("ARCHITECTURE.md"))}
    assert wings - named == set()


@pytest.mark.parametrize("document", ["README.md", *MAPS])
def test_every_named_make_target_exists(document: str) -> None:
    targets = named_targets(text_of(document))
    assert targets
    assert targets - make_targets() == set()


def test_the_readme_lists_every_module_and_no_other() -> None:
    listed = set(re.findall(r"\[(kea_\w+)\]\([^)]*/plugins/modules/\1\.py\)", text_of("README.md")))
    assert listed == plugins("plugins/modules")


def test_the_readme_lists_every_role_and_no_other() -> None:
    listed = set(re.findall(r"/roles/(\w+)/README\.md\)", text_of("README.md")))
    assert listed == {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()}


def test_the_readme_lists_every_playbook_and_no_other() -> None:
    listed = set(re.findall(r"playbooks/(\w+)\.yml", text_of("README.md")))
    assert listed == plugins("playbooks")


def test_the_readme_calls_playbooks_that_exist() -> None:
    called = set(re.findall(r"ansible-playbook.*baremetal\.kea\.(\w+)", text_of("README.md")))
    assert called
    assert called <= plugins("playbooks")


def test_the_readme_links_by_absolute_addresses() -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", text_of("README.md"))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


@pytest.mark.parametrize("document", LINKED)
def test_every_link_leads_somewhere(document: str) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(document)):
        is_ours = target.startswith(HOME)
        if target.startswith("http") and not is_ours:
            continue
        name, _hash, anchor = target.removeprefix(HOME).partition("#")
        path = (ROOT if is_ours else (ROOT / document).parent) / name if name else ROOT / document
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []
