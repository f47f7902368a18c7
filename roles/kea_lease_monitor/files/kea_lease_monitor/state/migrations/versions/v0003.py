# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clients have something that may go, and which subnets ran short of addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("subscription", sa.Text, primary_key=True),
        sa.Column("client", sa.Text, primary_key=True),
        sa.Column("family", sa.Integer, nullable=False),
        sa.Column("subnet_id", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("made", sa.BigInteger, nullable=True),
        sa.Column("lifetime", sa.BigInteger, nullable=False),
        sa.Column("reserves", sa.Boolean, nullable=False),
        sa.Column("lease", sa.Text, nullable=False),
    )
    op.create_index("clients_by_time", "clients", ["subscription", "state", "at"])
    op.create_index("clients_by_subnet", "clients", ["subscription", "family", "subnet_id", "reserves", "state"])
    op.create_index("clients_by_address", "clients", ["subscription", "address"])
    op.create_table(
        "shortages",
        sa.Column("subscription", sa.Text, primary_key=True),
        sa.Column("family", sa.Integer, primary_key=True),
        sa.Column("subnet_id", sa.BigInteger, primary_key=True),
        sa.Column("until", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("shortages")
    op.drop_table("clients")
