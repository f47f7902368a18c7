# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs kea-lfc on Kea's lease file, and reports what it did (docs/lfc.md).

The package ``_kea`` must be importable: plugins/module_utils/_kea in the collection, lib/_kea in a release.
"""

from __future__ import annotations

__version__ = "1.2.0"
