# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Program that sends one request: ``python3 -I post.py``. The only file that imports requests.

Standard input is a line of JSON that says where to send, then the body. The last line of standard error is for
the monitor: the seconds to wait before the next attempt, a space, and what happened. Exit codes are those of
sysexits.h: 0 for an accepted request, EX_DATAERR for events that will never be accepted, EX_TEMPFAIL for anything
that may pass. This file is a program of its own, so it imports nothing of the package.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
from email.utils import parsedate_to_datetime
from typing import Any, Dict, NamedTuple, Optional

import requests

ABOUT_THE_SENDER = frozenset({401, 403, 404, 405, 407, 408, 421, 425, 429})
"""Answers with 4xx that are not about the events: a wrong secret or path, or a time. These may pass."""

LONGEST_WAIT = 600
"""Seconds. A receiver can ask for no longer wait."""

_DETAIL = 200
"""Characters of what happened."""


class Outcome(NamedTuple):
    """What became of a request."""

    code: int
    """Exit code."""
    detail: str = ""
    wait: int = 0
    """Seconds before the next attempt, at least."""


def main() -> int:
    """Send the request on standard input, report, and return the exit code."""
    order: Dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    outcome = attempt(order, sys.stdin.buffer.read())
    shown = "".join(each if " " <= each <= "~" else "?" for each in outcome.detail)[:_DETAIL]
    sys.stderr.write(f"{outcome.wait} {shown}\n" if outcome.code == os.EX_TEMPFAIL else f"{shown}\n")
    return outcome.code


def signed(body: bytes, secret: bytes, timestamp: str) -> Dict[str, str]:
    """Return the headers of a signed body.

    The second signature covers the body alone, as GitHub's does. ansible-rulebook and others can test only that one.
    """
    return {
        "X-Kea-Timestamp": timestamp,
        "X-Kea-Signature": _digest(secret, timestamp.encode() + b"." + body),
        "X-Hub-Signature-256": _digest(secret, body),
    }


def _digest(secret: bytes, content: bytes) -> str:
    return f"sha256={hmac.new(secret, content, hashlib.sha256).hexdigest()}"


def attempt(order: Dict[str, Any], body: bytes) -> Outcome:
    """Send a request. ``order`` has ``url``, ``secret_file``, ``ca_file``, ``proxy`` and ``timeout`` in seconds."""
    try:
        headers = {"Content-Type": "application/json", "User-Agent": "kea-lease-monitor"}
        if order["secret_file"]:
            headers.update(signed(body, _secret(order["secret_file"]), str(int(time.time()))))
        with _send(order, body, headers) as answer:
            return _judge(answer)
    except requests.RequestException as error:
        return Outcome(os.EX_TEMPFAIL, _reason(error))
    except (OSError, ValueError) as error:
        return Outcome(os.EX_TEMPFAIL, str(error))


def _secret(path: str) -> bytes:
    """Return the content of the file without the end of its line. Raises OSError, ValueError."""
    with open(path, "rb") as file:
        secret = file.read().rstrip(b"\r\n")
    if not secret:
        raise ValueError(f"{path} is empty, and a signature needs a secret")
    return secret


def _send(order: Dict[str, Any], body: bytes, headers: Dict[str, str]) -> requests.Response:
    session = requests.Session()
    # Neither proxies nor passwords of the environment or of a .netrc: only the configuration counts.
    session.trust_env = False
    return session.post(
        order["url"],
        data=body,
        headers=headers,
        timeout=order["timeout"],
        verify=order["ca_file"] or True,
        proxies={"http": order["proxy"], "https": order["proxy"]} if order["proxy"] else {},
        allow_redirects=False,
        stream=True,
    )


def _judge(answer: requests.Response) -> Outcome:
    if 200 <= answer.status_code < 300:
        return Outcome(os.EX_OK)
    said = next(answer.iter_content(_DETAIL), b"").decode("utf-8", "replace").strip()
    detail = f"answered {answer.status_code} {answer.reason}" + (f": {said}" if said else "")
    if 400 <= answer.status_code < 500 and answer.status_code not in ABOUT_THE_SENDER:
        return Outcome(os.EX_DATAERR, detail)
    return Outcome(os.EX_TEMPFAIL, detail, _wait(answer.headers.get("Retry-After")))


def _wait(asked: Optional[str]) -> int:
    """Return the seconds that a Retry-After asks for, as a number or a date; 0 if it asks for nothing."""
    if asked is None:
        return 0
    try:
        seconds = float(asked) if asked.strip().isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
    except (ValueError, TypeError):
        return 0
    return int(max(0, min(LONGEST_WAIT, seconds)))


def _reason(error: BaseException) -> str:
    """Return the first reason: the texts of the errors around it have addresses of objects."""
    first = error
    while (following := first.__cause__ or first.__context__) is not None:
        first = following
    return f"{type(error).__name__}: {first}"


if __name__ == "__main__":
    sys.exit(main())
