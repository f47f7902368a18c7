# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies a folder of namespace packages and adds the files __init__.py that import-linter needs: SOURCE TARGET."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def copy(source: Path, target: Path) -> None:
    """Replace the folder of the same name in ``target`` by a copy of ``source`` with ``__init__.py`` in each folder."""
    root = target / source.name
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(source, root, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]))
