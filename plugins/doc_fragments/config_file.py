# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that edit a configuration file of Kea."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description:
      - The configuration file. A link is followed. A missing file is created with owner O(kea_user) and mode C(0640);
        an existing one keeps owner, group and mode.
    type: path
    default: /etc/kea/kea-dhcp4.conf
  kea_user:
    description:
      - User that Kea runs as. The new configuration is tested with the rights of this user. The default is the user of
        the installed packages.
    type: str
  backup:
    description: Whether to keep the replaced file under another name in the same directory.
    type: bool
    default: true
"""
