# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether a server with other certificates would still reach its partner, as that one serves now.

Each of both verifies the other one (Kea's require-client-certs, on by default). A server that the other one refuses
counts as dead there, and so both serve the same clients. So the partner is asked with the new certificates, before any
of it is installed.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Callable, NamedTuple, Optional

from .._config.servers import family_of, top_of_path
from .._errors import KeaError
from .._host.account import Account
from .._host.certificates import Material
from .._kea import control, pairs
from . import config, partner

_CLOSED = (ConnectionError, http.client.HTTPException)
"""What remains of a refusal if the partner closes the connection before its reason arrives."""


class Refusal(NamedTuple):
    """Why the two servers would not reach each other."""

    url: str
    """That of the partner."""
    by_partner: bool
    """Whether the partner refuses the new certificate; otherwise the new trust anchor does not verify the partner's."""
    certificate: str
    """PEM text of the partner's certificate; empty if it could not be read."""
    reason: str
    """OpenSSL's words."""


def refusal(path: str, account: Callable[[], Account], url: str, material: Material) -> Optional[Refusal]:
    """Return why a server would not reach its partner with this material; None if it would, or does not reach it now.

    ``path`` is its configuration. If that names no partner yet, the server is to become the second half of a pair, and
    the partner is at ``url``. ``account`` returns Kea's, and may raise KeaError. A partner with http is not judged.
    """
    there = _present(path, account)
    if there is not None and not _answers(there):
        return None
    there = there or partner.Partner("", url, family_of(top_of_path(path)), "", {}, Account.own())
    if not there.url.startswith("https:"):
        return None
    try:
        there._replace(material=material).send("ha-heartbeat")
    except control.ControlError as error:
        return _judged(there, error)
    return None


def _present(path: str, account: Callable[[], Account]) -> Optional[partner.Partner]:
    libraries = config.hooks(path)
    if not pairs.is_configured(libraries):
        return None
    try:
        return partner.find(libraries, family_of(top_of_path(path)), account())
    except KeaError:
        return None


def _answers(there: partner.Partner) -> bool:
    try:
        there.send("ha-heartbeat")
    except control.ControlError:
        return False
    return True


def _judged(there: partner.Partner, error: control.ControlError) -> Optional[Refusal]:
    """Return the refusal in an error; None for one that has nothing to do with certificates, such as a partner away."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Refusal(there.url, False, _shown(there), cause.verify_message)
    if isinstance(cause, ssl.SSLError):
        return Refusal(there.url, True, _shown(there), (cause.reason or str(cause)).replace("_", " ").lower())
    if isinstance(cause, _CLOSED) and not isinstance(cause, ConnectionRefusedError):
        return Refusal(there.url, True, _shown(there), "it closes the connection")
    return None


def _shown(there: partner.Partner) -> str:
    try:
        return there.certificate()
    except (OSError, ValueError):
        return ""
