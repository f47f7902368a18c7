# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of all modules. Each module adds ``support`` and ``details``, or takes them from HOST."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
requirements:
  - Python 3.8 or newer on the host; not 2.7, 3.6 and 3.7, with which ansible-core 2.16 also manages hosts, and not 3.7,
    with which ansible-core 2.17 does
attributes:
  check_mode:
    description: Can run in C(check_mode), predicting whether something would change, without changing anything.
  diff_mode:
    description: Returns what has changed, or would change in C(check_mode), when in diff mode.
  idempotent:
    description: A second run with the same arguments, outside check mode, changes nothing and says so.
  platform:
    description: Target OS and families that can be operated against.
"""

    # For modules that name packages, units or users of the host. docs/take-over.md has what was tried.
    HOST = r"""
options: {}
attributes:
  platform:
    support: full
    platforms: Debian
    details:
      - Tested on Debian 12 and 13, with systemd. The names of the packages, units and users of Ubuntu, ISC and Red Hat
        are known; they were not tried on a host.
"""
