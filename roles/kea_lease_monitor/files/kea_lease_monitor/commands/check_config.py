# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``check-config``: validate the configuration file."""

from __future__ import annotations

import argparse

from kea_lease_monitor.commands import access


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the command."""
    access.add_config(parser)


def execute(options: argparse.Namespace) -> int:
    """Return 0 when the configuration can be used. Raises ConfigurationError."""
    settings = access.read_settings(options)
    print(f"{len(settings.flows)} subscription(s), source {settings.source.type}: the configuration can be used")
    return 0
