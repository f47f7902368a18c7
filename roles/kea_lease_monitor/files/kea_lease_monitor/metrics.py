# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics by name; telemetry updates them. Only this module imports prometheus_client."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence, Tuple, TypeVar

import prometheus_client as prometheus

from kea_lease_monitor.endpoint import Endpoint, Page

REGISTRY = prometheus.CollectorRegistry()


def serve(address: str, port: int, trouble: Callable[[], str]) -> None:
    """Serve /metrics and /healthz from a thread that only reads. Raises OSError.

    ``trouble`` returns why the monitor is unhealthy; empty if it is healthy.
    """
    Endpoint(address, port, {"/metrics": _metrics, "/healthz": lambda: _health(trouble())}).start()


def _metrics() -> Page:
    return Page(200, prometheus.CONTENT_TYPE_LATEST, prometheus.generate_latest(REGISTRY))


def _health(trouble: str) -> Page:
    return Page(503 if trouble else 200, "text/plain; charset=utf-8", f"{trouble or 'healthy'}\n".encode())


def _counter(name: str, text: str, *labels: str) -> prometheus.Counter:
    return prometheus.Counter(f"kea_lease_monitor_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> prometheus.Gauge:
    return prometheus.Gauge(f"kea_lease_monitor_{name}", text, labels, registry=REGISTRY)


Counts = Mapping[Tuple[object, ...], float]
"""Values of a gauge by its labels."""


def replace(gauge: prometheus.Gauge, counts: Counts) -> None:
    """Set these values of a gauge, and drop all others."""
    gauge.clear()
    for labels, count in counts.items():
        gauge.labels(*labels).set(count)


_Labels = TypeVar("_Labels", bound=Tuple[str, ...])


def call(gauge: prometheus.Gauge, functions: Mapping[_Labels, Callable[[], float]]) -> None:
    """Have a gauge call these functions, by its labels, whenever it is read, and drop all others."""
    gauge.clear()
    for labels, function in functions.items():
        gauge.labels(*labels).set_function(function)


def begin(subscriptions: Sequence[str], reasons: Sequence[str]) -> None:
    """Export the counters of these subscriptions at 0. Prometheus sees no increase of a series that begins at 1."""
    for name in subscriptions:
        for counter in (RETRIES, LOST, CONFLICTS, FULL_READS, EVENTS):
            counter.labels(name)
        for reason in reasons:
            DEAD.labels(name, reason)


INFO = _gauge("build_info", "Always 1; the label tells the version.", "version")
EVENTS = _counter("events", "Lease events handed to a subscription's sinks.", "subscription")
RESULTS = _counter("results", "Results of the sinks, by event.", "sink", "result")
DEAD = _counter("dead_letters", "Events that a sink will never accept.", "subscription", "reason")
GARBAGE = _counter("rejected_rows", "Rows of a lease file or of a lease table that are no lease.")
RETRIES = _counter("retries", "Attempts that failed and will be repeated.", "subscription")
FULL_READS = _counter("full_reads", "How often all leases were read again.", "subscription")
ROTATIONS = _counter("rotations", "Lease files followed to their successor.")
CAUGHT_UP = _gauge("caught_up", "1 while nothing known is left to do.", "subscription")
LAST_EVENT = _gauge("last_delivery_timestamp_seconds", "When events were last delivered.", "subscription")
LATENCY = prometheus.Histogram(
    "kea_lease_monitor_latency_seconds",
    "From the event's time in the database to the acknowledgement of every sink.",
    ("subscription",),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 300),
    registry=REGISTRY,
)
BATCH = prometheus.Histogram(
    "kea_lease_monitor_batch_events",
    "Events that a subscription's sinks were handed at once.",
    ("subscription",),
    buckets=(1, 2, 5, 10, 30, 100, 300, 1000),
    registry=REGISTRY,
)
LAG = _gauge("lag_seconds", "Age of the oldest event of the last batch; 0 once caught up.", "subscription")
CONFLICTS = _counter("reservation_conflicts", "Addresses that another client has reserved.", "subscription")
SESSIONS = _counter("listening_sessions", "Sessions begun to listen for events; all but the first are reconnections.")
RECONNECTS = _counter("reconnects", "Database sessions made in place of one that was lost.")
ACTING = _gauge("acting", "1 while this monitor acts for the subscription, 0 while it stands by.", "subscription")
QUEUE = _gauge("notify_queue_usage_ratio", "Share of PostgreSQL's notification queue in use.")
LOST = _counter("events_lost", "Events that the trigger could not write; all leases were read instead.", "subscription")
HORIZON = _gauge("horizon_age_transactions", "Transactions between the oldest one in progress and the newest.")
HELD = _gauge("horizon_age_seconds", "For how long the oldest transaction has been seen in progress.")
PRUNED = _counter("pruned_rows", "Event rows removed because every subscription had passed them.")
HOST_IDS = _gauge("host_id_sequence_used_ratio", "Share of the numbers for reservations that is used up.")
UNREAD = _counter("pruned_unread_rows", "Event rows removed because they were too many, read or not.")
TRIGGER = _gauge("trigger_enabled", "1 while the trigger on Kea's leases is in force.")
RESERVATIONS = _gauge(
    "reservations", "Reservations in files; NaN if the report of them cannot be read.", "subscription", "state"
)
WAITING = _gauge(
    "reservations_waiting_seconds",
    "For how long a change of reservations in files has not been in force.",
    "subscription",
)
ENDED = _counter("forgotten", "Clients forgotten because their time was over.", "subscription", "reason")
SUBNETS = _gauge("subnet_addresses", "Addresses in the pools of a subnet.", "family", "subnet", "state")
POOLS = _gauge("pool_addresses", "Addresses in the pools with one pool-id.", "family", "subnet", "pool", "state")
LISTENING = _gauge("listening", "1 while Kea listens on each of its interfaces.", "family")
PAIR = _gauge("pair_state", "Always 1; the labels tell the state of the server in its pair.", "family", "role", "state")
IN_TOUCH = _gauge("pair_in_touch", "1 while the partner answers the heartbeats.", "family")
UNACKED = _gauge("pair_unacked_clients", "Clients that a partner out of touch leaves without an answer.", "family")
BEAT = _gauge("heartbeat_timestamp_seconds", "When the loop last wrote its heartbeat.")
