# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out the pages of the checkout for Sphinx: ``sources.py DIRECTORY``.

The pages keep their places, so that their links to one another hold. Links to other files lead to the repository. The
reference is there already, in ``DIRECTORY/reference``; its index is put into another order.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = "https://github.com/baremetal/baremetal.kea/blob/main/"
PAGES = ("docs/*.md", "*.md", "roles/*/README.md", "examples/README.md")
OTHERS = ("docs/*.svg", "docs/*.png", "CHANGELOG.rst")
LEFT_OUT = ("README.md",)
"""The start page of the repository; the site has its own."""
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
ROLES = """# Roles

The playbooks call these roles. [variables.md](docs/variables.md) has what a site sets. The reference has every
variable of a role.

```{toctree}
:maxdepth: 1

%s
```
"""
FILTERS = re.compile(r"^\.\. _filter_plugins_in_.*?(?=^\.\. _)", re.DOTALL | re.MULTILINE)
"""The section of the filters, in the index of the reference."""
FILTERS_ARE = """Internal filters
----------------

The roles and playbooks of this collection call these. Their input and result follow their needs, so do not use them in
plays of your own.
"""


def pages() -> list[str]:
    """Return the paths of the pages, relative to the checkout."""
    found = {str(path.relative_to(ROOT)) for pattern in PAGES for path in ROOT.glob(pattern)}
    return sorted(found - set(LEFT_OUT))


def linked(text: str, page: str, known: set[str]) -> str:
    """Return the text of a page with links that Sphinx can follow."""

    def target(match: re.Match[str]) -> str:
        name, anchor = match[1], match[2] or ""
        if "://" in name:
            return match[0]
        path = str((ROOT / page).parent.joinpath(name).resolve().relative_to(ROOT))
        return match[0] if path in known else f"{HOME}{path}{anchor}"

    return LINK.sub(target, text)


def ordered(index: str) -> str:
    """Return the index of the reference with the filters, which no site calls, at the end."""
    [section] = FILTERS.findall(index)
    label, _heading, listed = section.split("\n\n", 2)
    return f"{index.replace(section, '')}\n{label}\n\n{FILTERS_ARE}\n{listed}"


def lay_out(directory: Path) -> None:
    """Write the sources of the site, and order the index of the reference."""
    others = {str(path.relative_to(ROOT)) for pattern in OTHERS for path in ROOT.glob(pattern)}
    known = {*pages(), *others}
    for page in pages():
        place = directory / page
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(linked((ROOT / page).read_text(encoding="utf-8"), page, known), encoding="utf-8")
    for other in others:
        shutil.copy(ROOT / other, directory / other)
    for name in ("conf.py", "index.md"):
        shutil.copy(ROOT / "docs/docsite" / name, directory / name)
    shutil.copytree(ROOT / "docs/docsite/static", directory / "static", dirs_exist_ok=True)
    roles = "\n".join(page.removesuffix(".md") for page in pages() if page.startswith("roles/"))
    (directory / "roles.md").write_text(ROLES % roles, encoding="utf-8")
    index = directory / "reference/index.rst"
    index.write_text(ordered(index.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
