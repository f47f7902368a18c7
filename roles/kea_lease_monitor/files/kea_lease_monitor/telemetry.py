# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every notable event: one function, one log line with a stable name, one metric. Nobody else logs or counts."""

from __future__ import annotations

import logging
import os
import sys
from typing import Dict, Tuple

import prometheus_client as prometheus

from kea_lease_monitor.batch import Delivery, Rejection
from kea_lease_monitor.lease import Lease

_LOG = logging.getLogger("kea_lease_monitor")
REGISTRY = prometheus.CollectorRegistry()

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


def _counter(name: str, text: str, *labels: str) -> prometheus.Counter:
    return prometheus.Counter(f"kea_lease_monitor_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> prometheus.Gauge:
    return prometheus.Gauge(f"kea_lease_monitor_{name}", text, labels, registry=REGISTRY)


_INFO = _gauge("build_info", "Always 1; the label tells the version.", "version")
_EVENTS = _counter("events", "Lease events handed to a subscription's sinks.", "subscription")
_RESULTS = _counter("results", "What a sink made of the events.", "sink", "result")
_DEAD = _counter("dead_letters", "Events that a sink will never accept.", "subscription", "reason")
_GARBAGE = _counter("rejected_rows", "Rows of a lease file that are no lease.")
_RETRIES = _counter("retries", "Attempts that failed and will be repeated.", "subscription")
_READ_ANEW = _counter("full_reads", "How often all leases were read anew.", "subscription")
_ROTATIONS = _counter("rotations", "Lease files followed to their successor.")
_CAUGHT_UP = _gauge("caught_up", "1 while nothing known is left to do.", "subscription")
_LAST_EVENT = _gauge("last_delivery_timestamp_seconds", "When events were last delivered.", "subscription")
_LATENCY = prometheus.Histogram(
    "kea_lease_monitor_latency_seconds",
    "From the event's time in the database to the acknowledgement of every sink.",
    ("subscription",),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 300),
    registry=REGISTRY,
)
_QUEUE = _gauge("notify_queue_usage_ratio", "Share of PostgreSQL's notification queue in use.")
_LOST = _gauge("events_lost", "Events that the trigger could not write, by its own count.")
_HORIZON = _gauge("horizon_age_transactions", "Transactions between the oldest one in progress and the newest.")
_PRUNED = _counter("pruned_rows", "Event rows removed because every subscription had passed them.")
_HOST_IDS = _gauge("host_id_sequence_used_ratio", "Share of the numbers for reservations that is used up.")
_BEAT = _gauge("heartbeat_timestamp_seconds", "When the loop last wrote its heartbeat.")


class _JournalFormatter(logging.Formatter):
    """systemd reads the priority from a prefix, and brings its own time."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_PRIORITIES.get(record.levelno, 5)}>{record.getMessage()}"


def set_up(level: str) -> None:
    """Log to standard error, in journal form when systemd gave us the journal."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_JournalFormatter() if "JOURNAL_STREAM" in os.environ else plain)
    _LOG.handlers[:] = [handler]
    _LOG.propagate = False
    _LOG.setLevel(level)


def serve(address: str, port: int) -> None:
    """Serve the metrics from a thread that only reads them. Raises OSError."""
    prometheus.start_http_server(port, addr=address, registry=REGISTRY)


def _say(level: int, event: str, sentence: str, **fields: object) -> None:
    if _LOG.isEnabledFor(level):
        tail = "".join(f" {name}={value}" for name, value in fields.items())
        _LOG.log(level, "%s:%s [%s]", sentence, tail, event) if tail else _LOG.log(level, "%s [%s]", sentence, event)


def _lease(lease: Lease) -> Dict[str, object]:
    named = {"client_id": lease.client_id} if not lease.hwaddr else {}
    return {"address": lease.address, "hwaddr": lease.hwaddr or "-", "subnet": lease.subnet_id, **named}


def started(version: str, subscriptions: Tuple[str, ...]) -> None:
    _INFO.labels(version).set(1)
    _say(logging.INFO, "started", "Lease monitor started", version=version, subscriptions=",".join(subscriptions))


def stopping(reason: str) -> None:
    _say(logging.INFO, "stopping", "Lease monitor stopping", reason=reason)


def reloaded() -> None:
    _say(logging.INFO, "reloaded", "Configuration reloaded")


def reload_refused(error: str) -> None:
    _say(logging.ERROR, "reload_refused", "New configuration refused, the old one stays in force", error=error)


def state_created(path: str) -> None:
    _say(logging.INFO, "state_created", "State database created", path=path)


def listening(channel: str, schema: str) -> None:
    _say(logging.INFO, "listening", "Listening for database lease events", channel=channel, schema=schema)


def following(path: str) -> None:
    _say(logging.INFO, "following", "Following the lease file", path=path)


def file_missing(path: str) -> None:
    _say(logging.WARNING, "file_missing", "The lease file does not exist yet", path=path)


def unwatched(directory: str, error: str) -> None:
    _say(logging.WARNING, "unwatched", "Directory looked at each second only", directory=directory, error=error)


def rotated(path: str) -> None:
    _ROTATIONS.inc()
    _say(logging.INFO, "rotated", "Lease file rotated, following its successor", path=path)


def row_rejected(ref: str, problem: str) -> None:
    _GARBAGE.inc()
    _say(logging.WARNING, "row_rejected", "Row is no lease and was passed over", ref=ref, problem=problem)


def reading_anew(subscription: str, reason: str) -> None:
    _READ_ANEW.labels(subscription).inc()
    _say(logging.INFO, "reading_anew", "Reading all leases", subscription=subscription, reason=reason)


def standing_by(subscription: str) -> None:
    text = "Another monitor acts for the subscription, standing by"
    _say(logging.INFO, "standing_by", text, subscription=subscription)


def ready(subscription: str) -> None:
    _say(logging.INFO, "ready", "Caught up with the leases", subscription=subscription)


def retrying(subscription: str, attempt: int, wait: float, error: str) -> None:
    _RETRIES.labels(subscription).inc()
    _CAUGHT_UP.labels(subscription).set(0)
    level = logging.ERROR if attempt > 1 else logging.WARNING
    fields = {"subscription": subscription, "attempt": attempt, "seconds": f"{wait:.2f}", "error": error}
    _say(level, "retrying", "Will try again", **fields)


def recovered(subscription: str, attempts: int) -> None:
    _say(logging.INFO, "recovered", "Works again", subscription=subscription, attempts=attempts)


def delivered(subscription: str, count: int, caught_up: bool, now: float, oldest: float) -> None:
    """``oldest`` is the event's own time; 0 where the source keeps none."""
    _CAUGHT_UP.labels(subscription).set(int(caught_up))
    if count:
        _EVENTS.labels(subscription).inc(count)
        _LAST_EVENT.labels(subscription).set(now)
        if oldest:
            _LATENCY.labels(subscription).observe(max(0.0, now - oldest))
        _say(logging.DEBUG, "delivered", "Events delivered", subscription=subscription, events=count)


def sink_result(sink: str, delivery: Delivery) -> None:
    for result in ("created", "updated", "unchanged", "skipped", "executed"):
        if count := getattr(delivery, result):
            _RESULTS.labels(sink, result).inc(count)


def reservation_created(lease: Lease) -> None:
    _say(logging.INFO, "reservation_created", "Static reservation created", **_lease(lease))


def reservation_updated(lease: Lease) -> None:
    _say(logging.INFO, "reservation_updated", "Static reservation updated", **_lease(lease))


def conflict_over(lease: Lease) -> None:
    _say(logging.INFO, "conflict_over", "Address given up by who had it reserved", **_lease(lease))


def host_ids(ratio: float) -> None:
    _HOST_IDS.set(ratio)


def discovery_written(path: str) -> None:
    _say(logging.INFO, "discovery_written", "Discovery file written", path=path)


def dead_letter(subscription: str, sink: str, rejection: Rejection) -> None:
    _DEAD.labels(subscription, rejection.reason.value).inc()
    _RESULTS.labels(sink, "rejected").inc()
    fields = {**_lease(rejection.event.lease), "reason": rejection.reason.value, "detail": rejection.detail}
    _say(logging.WARNING, "dead_letter", "Event not acted upon", subscription=subscription, sink=sink, **fields)


def queue_usage(ratio: float) -> None:
    _QUEUE.set(ratio)
    if ratio > 0.1:
        text = "PostgreSQL's notification queue is filling: some session listens inside an open transaction"
        _say(logging.WARNING, "queue_filling", text, usage=f"{ratio:.2f}")


def events_lost(count: int) -> None:
    _LOST.set(count)


def events_missing(subscription: str, count: int) -> None:
    """A negative count: the trigger's counter was made anew."""
    text = "The trigger could not write all events, or counts anew"
    _say(logging.WARNING, "events_missing", text, subscription=subscription, count=count)


def horizon(age: int) -> None:
    _HORIZON.set(age)


def pruned(count: int) -> None:
    _PRUNED.inc(count)


def beat(now: float) -> None:
    _BEAT.set(now)


def applying(step: str) -> None:
    _say(logging.INFO, "applying", "Applying reservations", step=step)


def apply_waits(reason: str, seconds: float) -> None:
    _say(logging.INFO, "apply_waits", "Waiting before the reload", reason=reason, seconds=f"{seconds:.0f}")
