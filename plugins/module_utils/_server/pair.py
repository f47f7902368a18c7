# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how a server that is half of a pair is restarted or reloaded. Every restart and reload goes through here.

A restarted or reloaded server serves no client for some heartbeats, and two that wait for each other serve none at all
(kea-facts 8). So the partner takes over first, and nothing else happens before the pair is normal again.

What a killed process leaves serves: the partner is in state partner-in-maintenance, so it serves all clients. The next
run ends that.
"""

from __future__ import annotations

import enum
import time
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._host.account import Account
from .._kea import control, pairs
from . import config, partner, served

ANSWER = 10.0
"""Seconds that Kea has for an answer."""
BASE = 60.0
HEARTBEATS = 12
"""Seconds that a pair has to reach a state: BASE, and these heartbeats. Each step between states takes one."""
MISSES = 3
"""Looks in which a partner does not answer before it counts as absent."""
BETWEEN_LOOKS = 0.5
GRACE = 30.0
"""Seconds for which a maintenance of the partner lasts before it counts as left over: a play may be at work there."""
_SERVES_NONE = (pairs.WAITING, "syncing", "ready", pairs.IN_MAINTENANCE)


class Step(enum.Enum):
    """What is next."""

    ACT = "act"
    WAIT = "wait"
    HAND_OVER = "hand over"
    CANCEL_HERE = "cancel the maintenance of the partner"
    CANCEL_THERE = "cancel the maintenance at the partner"
    RESUME = "leave the maintenance that the partner no longer knows"
    DONE = "done"


class Look(NamedTuple):
    """The states of both servers at one moment."""

    here: pairs.Status
    there: str
    """State of the partner as it reports it now; empty if it does not answer."""
    silence: str = ""
    """Why the partner does not answer."""

    @property
    def is_normal(self) -> bool:
        return self.here.state == self.there == self.here.mode

    @property
    def words(self) -> str:
        return f"this server is {self.here.state}, its partner {self.there or f'does not answer ({self.silence})'}"


def before(look: Look, lasting: bool = False) -> Tuple[Step, str]:
    """Return what is next before a restart or reload of this server, and a sentence for a person, or no sentence.

    ``lasting`` says that the server may be away for longer than a moment: its partner waits for it at each lease.
    """
    here, there = look.here, look.there
    if here.mode not in pairs.MODES or here.role == "backup":
        return Step.ACT, ""
    if pairs.TERMINATED in (here.state, there):
        return Step.ACT, "the pair is terminated: each server serves for itself, and clients of this one wait for it"
    if not there and (not here.in_touch or here.state == pairs.PARTNER_DOWN):
        return Step.ACT, f"the partner does not answer ({look.silence}): no server serves until this one is back"
    return _before_with_partner(look, lasting), ""


def _before_with_partner(look: Look, lasting: bool) -> Step:
    here, there = look.here, look.there
    if here.state == pairs.PARTNER_IN_MAINTENANCE and there:
        return Step.CANCEL_HERE
    standby = (here.mode, here.role, there) == (pairs.HOT_STANDBY, pairs.STANDBY, pairs.HOT_STANDBY)
    if there in pairs.SERVES_ALL or here.state == pairs.IN_MAINTENANCE or (standby and not lasting):
        return Step.ACT
    return Step.HAND_OVER if look.is_normal else Step.WAIT


def after(look: Look) -> Step:
    """Return what is next until the pair is normal."""
    here, there = look.here.state, look.there
    if look.is_normal or pairs.TERMINATED in (here, there) or look.here.mode not in pairs.MODES:
        return Step.DONE
    if not there:
        return Step.WAIT
    if here == pairs.PARTNER_IN_MAINTENANCE:
        return Step.CANCEL_HERE
    if here == pairs.IN_MAINTENANCE:
        return Step.CANCEL_THERE if there == pairs.PARTNER_IN_MAINTENANCE else Step.RESUME
    return Step.WAIT


class Pair:
    """The server that reads one configuration file, and its partner. Without a partner, nothing is done."""

    def __init__(
        self,
        path: str,
        account: Callable[[], Account],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``account`` returns Kea's account, and may raise KeaError."""
        self._path = path
        self._account = account
        self._family = family_of(top_of_path(path))
        self._sleep, self._now = sleep, now
        self._partner: Optional[partner.Partner] = None
        self._limit = BASE

    def hand_over(self, lasting: bool = False) -> List[str]:
        """Have the partner serve all clients, so that this server may be restarted or reloaded.

        For ``lasting`` see ``before``. Return sentences for a person. Raises KeaError if the partner cannot serve them;
        nothing has happened then.
        """
        status = self._status()
        if status is None:
            return []
        self._find(running=True)
        deadline, handed_over = self._now() + self._limit, False
        while True:
            look = self._look(status)
            step, words = before(look, lasting)
            if step is Step.ACT:
                return [words] if words else []
            if self._now() > deadline:
                return self._stuck(look)
            if step is Step.HAND_OVER and not handed_over:
                handed_over = self._start(status)
            elif step is Step.CANCEL_HERE and self._now() > deadline - self._limit + GRACE:
                self._end(step)
            self._sleep(BETWEEN_LOOKS)
            status = self._status() or status

    def settle(self, wait: bool) -> List[str]:
        """End a maintenance that is over, and with ``wait`` return only once the pair is normal.

        Also without ``wait`` it gives a server time that comes back and serves no client yet, as after a ``hand_over``
        and a restart by something else. Return sentences for a person. Raises KeaError if the pair does not become
        normal although it had to be waited for.
        """
        status = self._status()
        if status is None:
            return []
        self._find(running=False)
        said: List[str] = []
        deadline, misses = self._now() + self._limit, 0
        while True:
            look = self._look(status)
            step = after(look)
            misses = 0 if look.there else misses + 1
            if step is Step.DONE:
                return said
            is_coming = look.here.state in _SERVES_NONE or look.there == pairs.PARTNER_IN_MAINTENANCE
            if misses >= MISSES or (step is Step.WAIT and not (wait or said or is_coming)):
                return [*said, look.words]
            if self._now() > deadline:
                if not wait:
                    return [*said, look.words]
                raise KeaError(f"the pair is not normal after {self._limit:.0f} s: {look.words}; see docs/pairs.md")
            if step in (Step.CANCEL_THERE, Step.RESUME) or (
                step is Step.CANCEL_HERE and self._now() > deadline - self._limit + GRACE
            ):
                said += self._end(step)
            self._sleep(BETWEEN_LOOKS)
            status = self._status() or status

    def look(self) -> Optional[Look]:
        """Return the states of both servers; None if this one is in no pair or does not answer. Raises KeaError."""
        status = self._status()
        if status is None:
            return None
        self._find(running=False)
        return self._look(status)

    @property
    def partner(self) -> Optional[partner.Partner]:
        """Return the partner, after a look."""
        return self._partner

    def _start(self, status: pairs.Status) -> bool:
        """Have the partner take over. Return whether it does. Raises KeaError if it refuses that in a normal state."""
        try:
            self._command("ha-maintenance-start", there=True)
        except _RefusedError:
            # A play at the partner may have been faster; then the states tell.
            if self._look(self._status() or status).is_normal:
                raise
            return False
        return True

    def _end(self, step: Step) -> List[str]:
        """End a maintenance. Return what was done; empty if the states changed in the same moment."""
        try:
            if step is Step.RESUME:
                self._command("ha-maintenance-notify", there=False, arguments={"cancel": True})
            else:
                self._command("ha-maintenance-cancel", there=step is Step.CANCEL_THERE)
        except _RefusedError:
            return []
        return ["the maintenance was ended"]

    def _stuck(self, look: Look) -> List[str]:
        """Return a sentence if this server serves no client at all. Raises KeaError otherwise."""
        if look.here.state in _SERVES_NONE:
            return [f"the partner does not take over ({look.words}), and this server serves no client either"]
        raise KeaError(
            f"this server cannot be restarted now: its partner does not serve all clients after {self._limit:.0f} s "
            f"({look.words}). Bring the pair to its normal states first, see docs/pairs.md. Nothing was changed"
        )

    def _find(self, running: bool) -> None:
        """Find the partner: that of the running server, which the file may no longer name, or that of the file."""
        libraries, account = self._running_hooks() if running else None, self._account()
        if partner.find(libraries, self._family, account) is None:
            libraries = config.hooks(self._path)
        self._partner = partner.find(libraries, self._family, account)
        if self._partner is not None:
            self._limit = BASE + HEARTBEATS * partner.heartbeat(libraries)

    def _running_hooks(self) -> Any:
        settings = served.running(self._sockets(), top_of_path(self._path))
        return settings.get("hooks-libraries") if settings else None

    def _sockets(self) -> List[Any]:
        return config.read(self._path)["control_sockets"] or []

    def _status(self) -> Optional[pairs.Status]:
        paths = control.unix_sockets(self._sockets())
        try:
            return pairs.status(control.send(paths[0], "status-get", ANSWER).arguments) if paths else None
        except control.ControlError:
            return None

    def _look(self, status: pairs.Status) -> Look:
        if self._partner is None:
            return Look(status, "", "the configuration names no partner")
        try:
            answer = self._partner.send("ha-heartbeat")
        except control.ControlError as error:
            return Look(status, "", error.reason)
        state = str(answer.arguments.get("state", ""))
        return Look(status, state, "" if state else answer.text or f"result {answer.result}")

    def _command(self, name: str, there: bool, arguments: Optional[Any] = None) -> None:
        """Send a command to this server or to its partner. Raises KeaError."""
        where = f"the partner {self._partner.name}" if there and self._partner else "this server"
        try:
            if there and self._partner:
                answer = self._partner.send(name, arguments)
            else:
                answer = control.send(control.unix_sockets(self._sockets())[0], name, ANSWER, arguments)
        except control.ControlError as error:
            raise KeaError(f"{error}. Nothing was changed") from error
        if answer.result != control.SUCCESS:
            text = answer.text or f"result {answer.result}"
            raise _RefusedError(f"{where} refuses {name}: {text}. {_ADVICE}")


_ADVICE = (
    "If it accepts only the commands of its pair, set restrict-commands to false in high-availability of both servers, "
    "or send the command to its own control socket and run the play again (docs/pairs.md)"
)


class _RefusedError(KeaError):
    """A server answered, and refused the command."""
