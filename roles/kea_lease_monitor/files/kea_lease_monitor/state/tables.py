# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables as the present version of the program uses them; the migrations make them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, MetaData, Table, Text

METADATA = MetaData()

BOOKMARKS = Table(
    "bookmarks",
    METADATA,
    Column("subscription", Text, primary_key=True),
    Column("position", Text, nullable=False),
    Column("effects", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

HEARTBEATS = Table(
    "heartbeats",
    METADATA,
    Column("monitor", Text, primary_key=True),
    Column("subscription", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_since", Float, nullable=False),
    Column("detail", Text, nullable=False),
    Column("events", Integer, nullable=False),
)

DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subscription", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("recorded_at", Float, nullable=False),
)

SUBSCRIPTIONS = Table(
    "subscriptions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("added_at", Float, nullable=False),
    Column("removed_at", Float, nullable=True),
)

CLIENTS = Table(
    "clients",
    METADATA,
    Column("subscription", Text, primary_key=True),
    Column("client", Text, primary_key=True),
    Column("family", Integer, nullable=False),
    Column("subnet_id", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("made", BigInteger, nullable=True),
    Column("lifetime", BigInteger, nullable=False),
    Column("reserves", Boolean, nullable=False),
    Column("lease", Text, nullable=False),
    Index("clients_by_time", "subscription", "state", "at"),
    Index("clients_by_subnet", "subscription", "family", "subnet_id", "reserves", "state"),
    Index("clients_by_address", "subscription", "address"),
)

SHORTAGES = Table(
    "shortages",
    METADATA,
    Column("subscription", Text, primary_key=True),
    Column("family", Integer, primary_key=True),
    Column("subnet_id", BigInteger, primary_key=True),
    Column("until", Float, nullable=False),
)

REQUESTS = Table(
    "requests",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("subscription", Text, nullable=False),
    Column("argument", Text, nullable=False),
    Column("requested_at", Float, nullable=False),
)
