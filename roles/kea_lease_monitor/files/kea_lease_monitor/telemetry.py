# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notable events. Each has one function, one log line with a stable name and one metric; no other module logs."""

from __future__ import annotations

import functools
import logging
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Callable, Dict, Iterator, Mapping, Optional, Tuple

from kea_lease_monitor import journal, metrics
from kea_lease_monitor.batch import Delivery, Reason, Rejection
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.lease import Lease
from kea_lease_monitor.printable import printable
from kea_lease_monitor.throttle import INTERVAL, Throttle

_LOG = logging.getLogger("kea_lease_monitor")

_FIELDS = {
    "address": "KEA_LEASE_ADDRESS",
    "hwaddr": "KEA_LEASE_HWADDR",
    "client_id": "KEA_LEASE_CLIENT_ID",
    "subnet": "KEA_SUBNET_ID",
}
"""Journal fields whose name is not KEA_ and the name of the value."""

_HELD_LONG = 60.0
"""Seconds after which an open transaction is logged."""

_THROTTLE = Throttle(Clock().monotonic)
"""For lines that a client or a damaged file may cause."""

_SUBSCRIPTION: ContextVar[Optional[str]] = ContextVar("subscription", default=None)


def set_up(level: str) -> None:
    """Log to the journal with fields if systemd connected it to this process, otherwise to standard error."""
    handler: logging.Handler = journal.JournalHandler() if journal.is_connected() else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    # Each reservation logs a line, so facts that no line shows are not collected: caller, thread and process.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    vars(logging)["_srcfile"] = None  # as the "Logging HOWTO" of the standard library describes
    for handler_before in _LOG.handlers:
        handler_before.close()
    _LOG.handlers[:] = [handler]
    _LOG.propagate = False
    _LOG.setLevel(level)


@contextmanager
def acting_for(subscription: str) -> Iterator[None]:
    """Attach the subscription to every line logged within."""
    token = _SUBSCRIPTION.set(subscription)
    try:
        yield
    finally:
        _SUBSCRIPTION.reset(token)


def serve(address: str, port: int, trouble: Callable[[], str]) -> None:
    """Serve the metrics, and whether the monitor is healthy (see metrics.serve). Raises OSError."""
    metrics.serve(address, port, trouble)


def count_reservations(counts: Mapping[str, Callable[[str], float]], waits: Mapping[str, Callable[[], float]]) -> None:
    """Have the metrics of reservations in files call these functions, by subscription. A count gets a state."""
    states = ("written", "in_force", "refused", "left_out")
    every: Dict[Tuple[str, ...], Callable[[], float]] = {
        (name, state): functools.partial(count, state) for name, count in counts.items() for state in states
    }
    metrics.call(metrics.RESERVATIONS, every)
    metrics.call(metrics.WAITING, {(name,): wait for name, wait in waits.items()})


def log(level: int, event: str, sentence: str, **fields: object) -> None:
    """Log one sentence with the stable name ``event``. Only this module and the applier's lines call it."""
    if not _LOG.isEnabledFor(level):
        return
    tail = "".join(f" {name}={printable(str(value))}" for name, value in fields.items())
    text = f"{sentence}:{tail} [{event}]" if tail else f"{sentence} [{event}]"
    named = {"subscription": _SUBSCRIPTION.get(), **fields, "event": event}
    kept = {_FIELDS.get(name, f"KEA_{name.upper()}"): str(value) for name, value in named.items() if value is not None}
    _LOG.log(level, "%s", text, extra={"fields": kept})


def warning(event: str, sentence: str, **fields: object) -> None:
    log(logging.WARNING, event, sentence, **fields)


def _lease(lease: Lease) -> Dict[str, object]:
    named = {"client_id": lease.client_id} if not lease.hwaddr else {}
    return {"address": lease.address, "hwaddr": lease.hwaddr or "-", "subnet": lease.subnet_id, **named}


def started(version: str, subscriptions: Tuple[str, ...]) -> None:
    metrics.INFO.labels(version).set(1)
    metrics.begin(subscriptions, [reason.value for reason in Reason])
    log(logging.INFO, "started", "Lease monitor started", version=version, subscriptions=",".join(subscriptions))


def stopping(reason: str) -> None:
    log(logging.INFO, "stopping", "Lease monitor stopping", reason=reason)


def reloaded() -> None:
    log(logging.INFO, "reloaded", "Configuration reloaded")


def reload_refused(error: str) -> None:
    log(logging.ERROR, "reload_refused", "New configuration refused, the old one stays in force", error=error)


def state_damaged(kept: str, problem: str) -> None:
    text = "The state database is damaged and was set aside, all leases will be read again"
    log(logging.ERROR, "state_damaged", text, kept=kept, problem=problem)


def state_created(path: str) -> None:
    log(logging.INFO, "state_created", "State database created", path=path)


def listening(channel: str, schema: str) -> None:
    metrics.SESSIONS.inc()
    log(logging.INFO, "listening", "Listening for database lease events", channel=channel, schema=schema)


def reconnected() -> None:
    metrics.RECONNECTS.inc()


def following(path: str) -> None:
    log(logging.INFO, "following", "Following the lease file", path=path)


def file_missing(path: str) -> None:
    log(logging.WARNING, "file_missing", "The lease file does not exist yet", path=path)


def unwatched(directory: str, error: str) -> None:
    text = "Directory cannot be watched, polling it each second"
    log(logging.WARNING, "unwatched", text, directory=directory, error=error)


def rotated(path: str) -> None:
    metrics.ROTATIONS.inc()
    log(logging.INFO, "rotated", "Lease file rotated, following its successor", path=path)


def row_rejected(ref: str, problem: str) -> None:
    metrics.GARBAGE.inc()
    if _THROTTLE.admits("row_rejected"):
        log(logging.WARNING, "row_rejected", "Row is no lease and was passed over", ref=ref, problem=problem)


def reading_all(subscription: str, reason: str) -> None:
    metrics.FULL_READS.labels(subscription).inc()
    log(logging.INFO, "reading_anew", "Reading all leases", subscription=subscription, reason=reason)


def standing_by(subscription: str) -> None:
    metrics.ACTING.labels(subscription).set(0)
    text = "Another monitor acts for the subscription, standing by"
    log(logging.INFO, "standing_by", text, subscription=subscription)


def ready(subscription: str) -> None:
    log(logging.INFO, "ready", "Caught up with the leases", subscription=subscription)


def retrying(subscription: str, attempt: int, wait: float, error: str) -> None:
    metrics.RETRIES.labels(subscription).inc()
    metrics.CAUGHT_UP.labels(subscription).set(0)
    fields = {"subscription": subscription, "attempt": attempt, "seconds": f"{wait:.2f}", "error": error}
    log(logging.ERROR if attempt > 1 else logging.WARNING, "retrying", "Will try again", **fields)


def recovered(subscription: str, attempts: int) -> None:
    log(logging.INFO, "recovered", "Works again", subscription=subscription, attempts=attempts)


def delivered(subscription: str, count: int, caught_up: bool, now: float, oldest: float) -> None:
    """``oldest`` is the time of the oldest event, epoch seconds; 0 if the source keeps none."""
    metrics.CAUGHT_UP.labels(subscription).set(int(caught_up))
    metrics.ACTING.labels(subscription).set(1)
    metrics.LAG.labels(subscription).set(max(0.0, now - oldest) if oldest and not caught_up else 0.0)
    if count:
        metrics.EVENTS.labels(subscription).inc(count)
        metrics.BATCH.labels(subscription).observe(count)
        metrics.LAST_EVENT.labels(subscription).set(now)
        if oldest:
            metrics.LATENCY.labels(subscription).observe(max(0.0, now - oldest))
        log(logging.DEBUG, "delivered", "Events delivered", subscription=subscription, events=count)


def sink_result(sink: str, delivery: Delivery) -> None:
    for result in ("created", "updated", "unchanged", "skipped", "executed", "removed"):
        if count := getattr(delivery, result):
            metrics.RESULTS.labels(sink, result).inc(count)


def reservation_created(lease: Lease) -> None:
    log(logging.INFO, "reservation_created", "Static reservation created", **_lease(lease))


def reservation_updated(lease: Lease) -> None:
    log(logging.INFO, "reservation_updated", "Static reservation updated", **_lease(lease))


def reservation_adopted(lease: Lease) -> None:
    log(logging.INFO, "reservation_adopted", "Static reservation taken over", **_lease(lease))


def reservation_removed(lease: Lease, reason: str = "") -> None:
    more = {"reason": reason} if reason else {}
    log(logging.INFO, "reservation_removed", "Static reservation removed", **_lease(lease), **more)


def conflict_over(lease: Lease) -> None:
    log(logging.INFO, "conflict_over", "Conflict over, the other client gave the address up", **_lease(lease))


def host_ids(ratio: float) -> None:
    metrics.HOST_IDS.set(ratio)


def discovery_written(path: str) -> None:
    log(logging.INFO, "discovery_written", "Discovery file written", path=path)


def discovery_apart(path: str) -> None:
    text = "DHCPv6 client has a host of its own: no relay and no frame told Kea its hardware address"
    log(logging.INFO, "discovery_apart", text, path=path)


def discovery_renamed(previous: str, path: str) -> None:
    log(logging.INFO, "discovery_renamed", "Discovery file renamed", previous=previous, path=path)


def dead_letter(subscription: str, sink: str, rejection: Rejection) -> None:
    metrics.DEAD.labels(subscription, rejection.reason.value).inc()
    metrics.RESULTS.labels(sink, "rejected").inc()
    if rejection.reason is Reason.ADDRESS_TAKEN:
        metrics.CONFLICTS.labels(subscription).inc()
    if not _THROTTLE.admits("dead_letter"):
        return
    fields = {**_lease(rejection.event.lease), "reason": rejection.reason.value, "detail": rejection.detail}
    log(logging.WARNING, "dead_letter", "Event not acted upon", subscription=subscription, sink=sink, **fields)


def queue_usage(ratio: float) -> None:
    metrics.QUEUE.set(ratio)
    if ratio > 0.1:
        text = "PostgreSQL's notification queue is filling: some session listens inside an open transaction"
        log(logging.WARNING, "queue_filling", text, usage=f"{ratio:.2f}")


def trigger(subscription: str, missing: int, working: bool) -> None:
    """``missing`` are events that were lost since all leases were last read; negative if the count was reset."""
    metrics.LOST.labels(subscription).inc(max(0, missing))
    metrics.TRIGGER.set(working)


def events_missing(subscription: str, count: int) -> None:
    """``count`` is negative when the trigger's counter was reset."""
    text = "The trigger could not write all events, or its counter was reset"
    log(logging.WARNING, "events_missing", text, subscription=subscription, count=count)


def horizon(age: int) -> None:
    metrics.HORIZON.set(age)


def horizon_held(pid: int, seconds: float) -> None:
    """``pid`` is the server process whose transaction is open."""
    metrics.HELD.set(seconds)
    if seconds >= _HELD_LONG:
        text = "A transaction stays open, so that event rows and dead rows of the whole cluster cannot be removed"
        log(logging.WARNING, "horizon_held", text, pid=pid, seconds=f"{seconds:.0f}")


def pruned(count: int) -> None:
    metrics.PRUNED.inc(count)


def pruned_unread(count: int) -> None:
    if count:
        metrics.UNREAD.inc(count)
        log(logging.WARNING, "pruned_unread", "Old events removed, read or not, to bound their table", count=count)


def beat(now: float) -> None:
    metrics.BEAT.set(now)
    for kind, count in _THROTTLE.suppressed():
        text = "More such events were counted and not logged"
        log(logging.WARNING, "suppressed", text, name=kind, count=count, seconds=f"{INTERVAL:.0f}")
