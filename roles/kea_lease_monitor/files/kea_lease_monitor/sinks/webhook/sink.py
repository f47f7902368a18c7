# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that sends each batch by HTTPS to a web server of the site, as JSON and signed. Its type is ``webhook``.

A child process (post.py) sends: it can be ended at any time, and only it needs python3-requests.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import json
import os
import re
import sys
from dataclasses import dataclass
from typing import Optional, Sequence
from urllib.parse import SplitResult, urlsplit

from kea_lease_monitor import files
from kea_lease_monitor.child import Child
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.lease import LeaseEvent
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.halving import HalvingSink
from kea_lease_monitor.sinks.message import document

CREDENTIAL = "webhook-secret"
"""Name of the systemd credential that is the secret if no file is named."""

_POST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "post.py")
_SAID = re.compile(r"(?P<wait>[0-9]{1,4}) (?P<detail>.*)")


@dataclass(frozen=True)
class Options:
    """The options of this sink."""

    url: str
    secret_file: Optional[str] = None
    """File with the secret of the signature; None for the systemd credential, or no signature without one."""
    ca_file: Optional[str] = None
    """Certificates of the authorities to trust instead of the system's."""
    proxy: Optional[str] = None
    timeout: int = 30
    """Seconds for one request, with its connection and its answer."""

    @classmethod
    def parse(cls, section: Section) -> Options:
        """Read the sink's section. Raises ConfigurationError."""
        options = cls(
            section.text("url"),
            section.optional_text("secret_file"),
            section.optional_text("ca_file"),
            section.optional_text("proxy"),
            section.number("timeout", 30, 1, 300),
        )
        section.done()
        for key in ("secret_file", "ca_file"):
            if not os.path.isabs(getattr(options, key) or "/"):
                raise section.error(key, "an absolute path is needed")
        if not _is_safe(options.url):
            raise section.error(
                "url", "an https URL without user and password is needed; http only to this host itself"
            )
        if options.proxy and not _is_url(options.proxy, ("http", "https")):
            raise section.error("proxy", "an http or https URL without user and password is needed")
        return options


class WebhookSink(HalvingSink):
    """Sends one request at a time."""

    name = "webhook"

    def __init__(self, options: Options, clock: Clock) -> None:
        super().__init__(options.url, options.timeout, clock)
        self._options = options

    def check(self) -> None:
        if importlib.util.find_spec("requests") is None:
            raise TemporaryError("webhook needs the Python library requests; install python3-requests")
        for path in filter(None, (self._secret_file(), self._options.ca_file)):
            if files.read(path) is None:
                raise TemporaryError(f"{path} does not exist; webhook needs it to send to {self._options.url}")

    def _start(self, part: Sequence[LeaseEvent]) -> Child:
        order = {
            "url": self._options.url,
            "secret_file": self._secret_file(),
            "ca_file": self._options.ca_file,
            "proxy": self._options.proxy,
            "timeout": self._options.timeout,
        }
        return Child((sys.executable, "-I", _POST), json.dumps(order).encode() + b"\n" + document(part))

    def _failure(self, status: int, output: str) -> TemporaryError:
        said = _SAID.fullmatch(output)
        wait, detail = (int(said["wait"]), said["detail"]) if said else (0, f"{output} (status {status})")
        return TemporaryError(f"{self._options.url}: {detail}", wait)

    def _secret_file(self) -> Optional[str]:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        path = os.path.join(credentials, CREDENTIAL) if credentials else None
        return self._options.secret_file or (path if path and os.path.exists(path) else None)


def _is_safe(url: str) -> bool:
    """Return whether what is sent to this URL is encrypted, or stays on this host."""
    if _is_url(url, ("https",)):
        return True
    return _is_url(url, ("http",)) and _is_loopback(urlsplit(url).hostname or "")


def _is_url(url: str, schemes: Sequence[str]) -> bool:
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port  # raises ValueError if it is no number
    except ValueError:
        return False
    return port != 0 and parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
