# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the variables of the deployment that reproduce the server of a host."""

from __future__ import annotations

import os
from typing import Any, Dict

from .._config.document import Document
from .._config.importing import variables_of
from .._config.servers import top_of_path
from .._config.sources import Sources
from .._config.syntax import KeaJsonError
from .._kea import tree
from . import config, served


def variables(path: str, once: served.Once) -> Dict[str, Any]:
    """Return ``values``, ``secrets`` and ``notes``, as ``kea_info`` returns them; ``error`` says why they are missing.

    No secret is among them.
    """
    found: Dict[str, Any] = {"values": None, "secrets": [], "notes": [], "error": None}
    top = top_of_path(path)
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
        real = os.path.realpath(path)
        document = Document(Sources(real, text, config.editable_files(path, text)).text)
        known = {one.prefix: one.id for one in once.subnets() or []}
        return {**found, **variables_of(document, top, known, config.is_applied)._asdict()}
    except OSError as error:
        return {**found, "error": f"{path} cannot be read: {error.strerror}"}
    except KeaJsonError as error:
        return {**found, "error": f"{path}: {error}"}
