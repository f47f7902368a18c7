# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how a server that is half of a pair is restarted or reloaded. Every restart and reload goes through here.

A restarted or reloaded server serves no client for some heartbeats, and two that wait for each other serve none at all
(kea-facts 8). So the partner takes over first, and nothing else happens before the pair is normal again.

What a killed process leaves serves: the partner is in state partner-in-maintenance, so it serves all clients. The next
run ends that. Another process may also be at work at the partner, where this one cannot see it. So a maintenance that
it did not begin lasts for GRACE before it is ended, and a silent partner counts as absent after AWAY.
"""

from __future__ import annotations

import time
from typing import Any, Callable, List, Optional

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._host.account import Account
from .._kea import control, pairs
from . import config, partner, served
from .pair_steps import Look, Step, after, before

ANSWER = 10.0
"""Seconds that Kea has for an answer."""
BASE = 60.0
HEARTBEATS = 12
"""Seconds that a pair has to reach a state: BASE, and these heartbeats. Each step between states takes one."""
AWAY = 20.0
"""Seconds for which a partner does not answer before it counts as absent: a play may be restarting it."""
BETWEEN_LOOKS = 0.5
GRACE = 60.0
"""Seconds for which a maintenance lasts before it counts as left over: a play may be at work at the partner.

The process that begins one stops or restarts the server within this time; then the partner is partner-down.
"""
SILENT = 1.5
"""Seconds after which the states of a server that serves without its partner are told."""
AGAIN = 15.0
"""Seconds after which a command without effect is sent again. Kea gives its own partner 10 s before it answers."""


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
        self._limit = GRACE + BASE
        self._silent_since: Optional[float] = None

    def hand_over(self, lasting: bool = False) -> List[str]:
        """Have the partner serve all clients, so that this server may be restarted or reloaded.

        For ``lasting`` see ``before``. Return sentences for a person. Raises KeaError if the partner cannot serve them;
        nothing has happened then.
        """
        status = self._status()
        if status is None:
            return []
        self._find(running=True)
        begun = self._now()
        told_at: Optional[float] = None
        while True:
            look = self._look(status)
            step, words = before(look, lasting)
            if step is Step.ACT or (step is Step.ACT_ALONE and self._is_silent_for(AWAY)):
                return [words] if words else []
            if self._now() > begun + self._limit:
                return self._stuck(look)
            if step is Step.HAND_OVER and (told_at is None or self._now() > told_at + AGAIN):
                told_at = self._now() if self._start(status) else None
            elif step is Step.CANCEL_HERE and self._now() > begun + GRACE:
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
        begun = self._now()
        while True:
            look, passed = self._look(status), self._now() - begun
            step = after(look)
            if step is Step.DONE:
                return said
            if self._is_over(look, step, wait, bool(said)):
                return [*said, look.words]
            if passed > self._limit:
                if not (wait and look.there):
                    return [*said, look.words]
                raise KeaError(f"the pair is not normal after {self._limit:.0f} s: {look.words}; see docs/pairs.md")
            if self._is_due(look, step, passed):
                said += self._end(step)
            self._sleep(BETWEEN_LOOKS)
            status = self._status() or status

    def _is_over(self, look: Look, step: Step, wait: bool, has_acted: bool) -> bool:
        """Return whether waiting for this step is in vain, so that the states are all that is left to say."""
        if not look.there:
            # Restarted without its partner, a server serves no client for a while.
            if look.here.state not in pairs.SERVES_NONE:
                return self._is_silent_for(SILENT)
            return step is Step.WAIT and not wait and self._is_silent_for(AWAY)
        is_coming = look.here.state in pairs.SERVES_NONE or look.there == pairs.PARTNER_IN_MAINTENANCE
        return step is Step.WAIT and not (wait or has_acted or is_coming)

    def _is_due(self, look: Look, step: Step, passed: float) -> bool:
        """Return whether a maintenance ends now, which this process need not have begun."""
        if step is Step.RESUME and not look.there:
            return self._is_silent_for(AWAY)
        return step in (Step.CANCEL_THERE, Step.RESUME) or (step is Step.CANCEL_HERE and passed > GRACE)

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
        """Have the partner take over. Return whether it was told. Raises KeaError if it refuses in a normal state."""
        try:
            self._command("ha-maintenance-start", there=True)
        except _LostError:
            # It may have acted upon the command; then the states tell.
            return True
        except _RefusedError:
            # A play at the partner may have been faster; then the states tell.
            if self._look(self._status() or status).is_normal:
                raise
            return False
        return True

    def _end(self, step: Step) -> List[str]:
        """End a maintenance. Return what was done; empty if that is not known, and the states will tell."""
        try:
            if step is Step.RESUME:
                self._command("ha-maintenance-notify", there=False, arguments={"cancel": True})
            else:
                self._command("ha-maintenance-cancel", there=step is Step.CANCEL_THERE)
        except (_LostError, _RefusedError):
            return []
        return ["the maintenance was ended"]

    def _stuck(self, look: Look) -> List[str]:
        """Return a sentence if this server serves no client at all. Raises KeaError otherwise."""
        if look.here.state in pairs.SERVES_NONE:
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
            delays = partner.delays(libraries)
            self._limit = GRACE + max(BASE, delays.response) + HEARTBEATS * delays.heartbeat

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
        look = self._asked(status)
        self._silent_since = None if look.there else self._silent_since or self._now()
        return look

    def _asked(self, status: pairs.Status) -> Look:
        if self._partner is None:
            return Look(status, "", "the configuration names no partner")
        try:
            answer = self._partner.send("ha-heartbeat")
        except control.ControlError as error:
            return Look(status, "", error.reason)
        state = str(answer.arguments.get("state", ""))
        return Look(status, state, "" if state else answer.text or f"result {answer.result}")

    def _is_silent_for(self, seconds: float) -> bool:
        """Return whether the partner has not answered for so long."""
        return self._silent_since is not None and self._now() > self._silent_since + seconds

    def _command(self, name: str, there: bool, arguments: Optional[Any] = None) -> None:
        """Send a command to this server or to its partner. Raises KeaError."""
        where = f"the partner {self._partner.name}" if there and self._partner else "this server"
        try:
            if there and self._partner:
                answer = self._partner.send(name, arguments)
            else:
                answer = control.send(control.unix_sockets(self._sockets())[0], name, ANSWER, arguments)
        except control.ControlError as error:
            raise _LostError(str(error)) from error
        if answer.result != control.SUCCESS:
            text = answer.text or f"result {answer.result}"
            raise _RefusedError(f"{where} refuses {name}: {text}. {_ADVICE}")


_ADVICE = (
    "If it accepts only the commands of its pair, set restrict-commands to false in high-availability of both servers, "
    "or send the command to its own control socket and run the play again (docs/pairs.md)"
)


class _RefusedError(KeaError):
    """A server answered, and refused the command."""


class _LostError(KeaError):
    """No answer arrived. Kea tells its partner before it answers, which may take longer than one waits for it."""
