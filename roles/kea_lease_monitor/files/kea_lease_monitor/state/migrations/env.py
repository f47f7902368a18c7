# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alembic's entry: runs in the caller's transaction. SQLite alters tables by copying them (batch mode)."""

from __future__ import annotations

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    render_as_batch=True,
    on_version_apply=lambda **_more: attributes["done"](),
)
context.run_migrations()
