# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults that the pages name are those of the playbooks, and those of the roles are the same."""

from __future__ import annotations

import importlib
import re
from typing import Any, NamedTuple

import pytest
import yaml
from kea_lease_monitor.subscriptions import Ending
from support.paths import ROOT

CODE = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "playbooks").rglob("*.yml")))
ROLES: dict[str, Any] = {
    name: value
    for path in (ROOT / "roles").glob("*/defaults/main.yml")
    for name, value in yaml.safe_load(path.read_text(encoding="utf-8")).items()
}
NONE = ""
"""What the code has for a default that a page calls none."""
IN_WORDS: dict[str, list[Any]] = {
    "kea_dhcp4_interfaces": [[]],
    "kea_dhcp4_subnets": [[]],
    "kea_dhcp6_interfaces": [[]],
    "kea_dhcp6_subnets": [[]],
    "kea_dhcp6_shared_networks": [[]],
    "kea_dhcp6_settings": [{}],
    "kea_dhcp6_exclusive": [False],
    "kea_families": [[]],
    "kea_db_user": ["_kea"],
    "kea_ha_peers": [[]],
    "kea_monitor_subscriptions": [[], [{"name": "all"}]],
    "kea_package_release": [NONE],
    "kea_packaging": [NONE],
    "kea_verify_probe_interface": [NONE],
    "kea_verify_probe_interface6": [NONE],
    "kea_verify_probe_subnet": [NONE],
    "kea_verify_probe_subnet6": [NONE],
}
"""Variables whose default a page describes in words, and what the code has."""
OF_MODULES = {"kea_verify_probe_hwaddr": ("kea_probe", "hwaddr")}
"""Variables whose default is that of an option of a module."""
OF_SUBSCRIPTIONS = "kea_monitor_subscriptions[]."


class Row(NamedTuple):
    page: str
    names: list[str]
    defaults: list[str]


def rows() -> list[Row]:
    """Return the rows of all tables with the columns variable and default."""
    found = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        for table in re.findall(r"(?m)^\| variable \| default \|.*\n\|[-|]*\n((?:\|.*\n)+)", path.read_text("utf-8")):
            for line in table.splitlines():
                names, default = re.split(r" \| |^\| ", line)[1:3]
                named = re.findall(r"`([^`]+)`", names)
                parts = default.split(", ") if len(named) > 1 else [default]
                found.append(Row(path.name, named, parts * len(named) if len(parts) == 1 else parts))
    return found


def pairs() -> list[tuple[str, str]]:
    return [pair for row in rows() for pair in zip(row.names, row.defaults)]


def in_code(name: str) -> list[Any]:
    """Return the literals that the playbooks have as defaults of a variable, each once."""
    texts = re.findall(rf"(?<!\w){name} \| default\((?:kea__\w+ or )?([^()]*?)(?:, true)?\)", CODE)
    return [yaml.safe_load(text) for text in dict.fromkeys(texts)]


def literal(text: str) -> Any:
    """Return the value that a page names; raises ValueError for words."""
    if text == "none":
        return NONE
    found = re.fullmatch(r"`([^`]*)`", text)
    if not found:
        raise ValueError(text)
    # YAML takes a hardware address for a number.
    return found[1] if ":" in found[1] else yaml.safe_load(found[1])


def test_every_page_is_read() -> None:
    pages = {row.page for row in rows()}
    assert pages >= {"variables.md", "pairs.md", "ddns.md", "rollback.md", "verify.md", "inventory.md"}
    assert len(pairs()) > 80


@pytest.mark.parametrize(("name", "default"), pairs())
def test_a_default_of_a_page_is_that_of_the_code(name: str, default: str) -> None:
    if name.startswith(OF_SUBSCRIPTIONS):
        assert literal(default) == getattr(Ending(), name.removeprefix(OF_SUBSCRIPTIONS))
        return
    found = in_code(name)
    if name in OF_MODULES:
        module, option = OF_MODULES[name]
        imported = importlib.import_module(f"ansible_collections.baremetal.kea.plugins.modules.{module}")
        assert found == ["omit"]
        assert yaml.safe_load(imported.DOCUMENTATION)["options"][option]["default"] == literal(default)
    elif name in IN_WORDS:
        assert found == IN_WORDS[name]
        with pytest.raises(ValueError, match=r".+"):
            literal(default)
    else:
        # An empty text asks whether the variable is set.
        assert [value for value in found if value != NONE] == [value for value in [literal(default)] if value != NONE]


@pytest.mark.parametrize("name", sorted(ROLES))
def test_a_default_of_a_role_is_that_of_the_playbooks(name: str) -> None:
    for text in re.findall(rf'(?m)^{name}: "{{{{ kea_\w+ \| default\(([^()]*?)(?:, true)?\)(?: \| \w+)? }}}}"', CODE):
        value = yaml.safe_load(text.split(" or ")[-1])
        assert value == ROLES[name]
