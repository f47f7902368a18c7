# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what comes from clients is never a template.

From ansible-core 2.19 on, text is a template only if its source is marked as trusted, and this collection marks none.
Older cores take all text for a template that is not marked as unsafe.
"""

from __future__ import annotations

from typing import Any

from ansible import template

HAS_TRUST = hasattr(template, "trust_as_template")

if not HAS_TRUST:
    from ansible.utils.unsafe_proxy import wrap_var


def untrusted(value: Any) -> Any:
    """Return a value that no Ansible takes for a template."""
    return value if HAS_TRUST else wrap_var(value)
