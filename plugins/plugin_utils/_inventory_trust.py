# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what comes from clients is never a template.

From ansible-core 2.19 on, text is a template only if its source is marked as trusted, and this collection marks none.
Older cores take all text for a template that is not marked as unsafe.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, Optional

from ansible import template

_MARKED: Optional[Callable[[Any], Any]] = None
"""Marks a value as unsafe, in older cores. Newer ones are about to lose its module, so it is not imported there."""

if not hasattr(template, "trust_as_template"):
    _MARKED = importlib.import_module("ansible.utils.unsafe_proxy").wrap_var


def untrusted(value: Any) -> Any:
    """Return a value that no Ansible takes for a template."""
    return _MARKED(value) if _MARKED else value
