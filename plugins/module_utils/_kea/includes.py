# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the directive by which a configuration of Kea includes another file: ``<?include "/path"?>``."""

from __future__ import annotations

import os
import re
from typing import List

DIRECTIVE = re.compile(r'<\?\s*include\s*"([^"\n]+)"\s*\?>')
"""The directive (dhcp4_lexer.ll); group 1 is the path. It may stand wherever a value may stand."""


def included(text: str) -> List[str]:
    """Return the paths that the text of a configuration includes, in order, those in comments and strings as well."""
    return [found.group(1) for found in DIRECTIVE.finditer(text)]


def closure(config: str) -> List[str]:
    """Return the path of a configuration and those of the files that it includes, directly or not, if they exist.

    Raises OSError if one cannot be read.
    """
    paths = [config]
    for path in paths:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found = included(file.read())
        paths += [name for name in found if name not in paths and os.path.exists(name)]
    return paths
