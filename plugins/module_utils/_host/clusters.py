# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: PostgreSQL's clusters on a Debian host, as postgresql-common lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def clusters(module: AnsibleModule) -> Optional[List[Dict[str, Any]]]:
    """Return ``version``, ``name``, ``port`` and ``online`` of each; None if postgresql-common is not installed."""
    program = module.get_bin_path("pg_lsclusters")
    if program is None:
        return None
    _code, out, _err = module.run_command([program, "--no-header"], check_rc=True)
    rows = [line.split() for line in out.splitlines()]
    return [
        {"version": row[0], "name": row[1], "port": int(row[2]), "online": row[3].startswith("online")} for row in rows
    ]
