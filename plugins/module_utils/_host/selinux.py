# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the types that SELinux gives to files by rules of this host, each with a regular expression of paths."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING, Optional

from .._errors import KeaError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

ENABLED = "/sys/fs/selinux/enforce"
"""There where SELinux is enabled, whether it enforces its policy or only reports."""
RULES = "/etc/selinux/*/contexts/files/file_contexts.local"
"""Where semanage writes the rules of a host, for each policy. To read them is faster than to start semanage."""


def is_enabled() -> bool:
    return os.path.exists(ENABLED)


def type_of(expression: str) -> Optional[str]:
    """Return the type that a rule of this host gives to the regular files of this expression; None without a rule."""
    rule = re.compile(rf"^{re.escape(expression)}\s+--\s+\w+:\w+:(\w+)", re.MULTILINE)
    for path in glob.glob(RULES):
        with open(path, encoding="utf-8") as file:
            found = rule.search(file.read())
        if found:
            return found.group(1)
    return None


def set_type(module: AnsibleModule, expression: str, wanted: Optional[str]) -> None:
    """Replace the rule for the regular files of this expression; None removes it. Raises KeaError."""
    program = module.get_bin_path("semanage")
    if program is None:
        raise KeaError(f"semanage is missing, so the rule of SELinux for {expression} stays; install what brings it")
    commands = [["--delete"]] if type_of(expression) else []
    commands += [["--add", "--type", wanted]] if wanted else []
    for words in commands:
        code, _out, err = module.run_command([program, "fcontext", *words, "--ftype", "f", expression])
        if code:
            raise KeaError(f"semanage does not change the rule of SELinux for {expression}: {err.strip()}")
