# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the YAML file of the variables that reproduce a server."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

import yaml

from ..module_utils._config.importing import REFERENCE_KEY

_TEMPLATES = ("{{", "{%", "{#")


class _Reference(str):
    """Expression of Jinja that reads a variable."""


class _Dumper(yaml.SafeDumper):
    """Writes each value in full, and text that looks like a template so that Ansible leaves it alone."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def text(self, value: str) -> yaml.Node:
        unsafe = any(one in value for one in _TEMPLATES)
        return self.represent_scalar("!unsafe" if unsafe else "tag:yaml.org,2002:str", value, '"' if unsafe else None)

    def reference(self, value: _Reference) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", str(value), '"')


_Dumper.add_representer(str, _Dumper.text)
_Dumper.add_representer(_Reference, _Dumper.reference)


def text(imported: Mapping[str, Any], host: str, path: str) -> str:
    """Return the content of the file. ``imported`` is what kea_info gathers as ``variables``."""
    head = [f"The Kea of {host} as variables of playbooks/kea_deploy.yml, from {path}."]
    if imported["secrets"]:
        head += ["", "Secrets are left out. Set these variables, in Ansible Vault:"]
        head += [f"  {one['variable']}: the value of {one['path']}" for one in imported["secrets"]]
    if imported["notes"]:
        head += ["", "Not in these variables. It stays on this host, and another host does not get it:"]
        head += [f"  {_one_line(note)}" for note in imported["notes"]]
    body = yaml.dump(
        _plain(imported["values"]),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=116,
        default_flow_style=False,
    )
    return "".join(f"{line}\n" for line in ["---", *(f"# {line}".rstrip() for line in head)]) + body


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {REFERENCE_KEY}:
            return _Reference("{{ " + str(value[REFERENCE_KEY]) + " }}")
        copied: Dict[str, Any] = {str(key): _plain(one) for key, one in value.items()}
        return copied
    if isinstance(value, (list, tuple)):
        listed: List[Any] = [_plain(one) for one in value]
        return listed
    # Results of modules have subclasses of str that mark them as untrusted.
    return str(value) if isinstance(value, str) else value


def _one_line(note: str) -> str:
    return note.encode("utf-8", "replace").decode("utf-8").replace("\n", " ")
