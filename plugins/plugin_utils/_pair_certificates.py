# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: why a pair must not get its certificates, in words with the names of the variables.

The servers of a pair are changed one after the other. One that its partner refuses counts as dead there, and then both
serve the same clients. docs/pairs.md has the procedure that never comes to that.
"""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from ..module_utils._kea import pairs

Values = Mapping[str, Any]

VARIABLES = {
    "trust_anchor": "kea_ha_trust_anchor",
    "certificate": "kea_ha_cert_file",
    "key": "kea_ha_key_file",
}
_ALL = "kea_ha_trust_anchor, kea_ha_cert_file and kea_ha_key_file"
_APART = "The servers would not reach each other, and both would serve the same clients"
_STEPS = 'A new authority takes three runs, see "New certificates" in docs/pairs.md'
_AGAIN = 'Make the pair a single server, and then a pair again, see "The life of a pair" in docs/pairs.md'
SHOWN = 3
"""Trust anchors that a message names."""
_DIGITS = 23
"""Characters of a fingerprint in a message: 8 bytes."""


def problems(looked: Values, later: Values, this: str, partner: str) -> List[str]:
    """Return a sentence for each reason against the certificates of the server ``this``.

    ``looked`` is the result of kea_pair_certificates with its servers, ``later`` that with the certificate that the
    partner is to have. Each may be that of a skipped task.
    """
    return list(_of_server(looked, partner)) + list(_of_partner(later, this, partner))


def scheme_problem(wanted: Sequence[str], libraries: object) -> Optional[str]:
    """Return why a pair that serves must not begin or end to use https; None if it does neither.

    ``wanted`` are the URLs that both servers are to have, ``libraries`` the present hooks of this one.
    """
    try:
        relationship = pairs.hook(libraries) or {}
    except ValueError:
        return None
    present = {urlsplit(str(one.get("url") or "")).scheme for one in relationship.get("peers", [])} - {""}
    schemes = {urlsplit(url).scheme for url in wanted if url}
    if not present or not schemes or present & schemes:
        return None
    return (
        f"{_ALL}: this pair serves with {'/'.join(sorted(present))}, and is to use {'/'.join(sorted(schemes))}. Its "
        f"servers are changed one after the other. {_APART}. {_AGAIN}"
    )


def _of_server(looked: Values, partner: str) -> Iterator[str]:
    if looked.get("skipped") or not looked:
        return
    if "error" not in looked:
        yield f"{_ALL} cannot be checked: {looked.get('msg') or 'kea_pair_certificates failed'}"
    elif looked["error"]:
        yield f"{_ALL} cannot be used: {looked['error']}"
    # Both families have the same certificates, so mostly the same words.
    yield from dict.fromkeys(_refusal(one, looked, partner) for one in looked.get("refusals") or [])


def _refusal(one: Values, looked: Values, partner: str) -> str:
    ours, theirs = _certificate(looked["certificate"]), _certificate(one["certificate"])
    words = (
        f"kea_ha_trust_anchor ({_anchors(looked)}) does not verify {theirs}, with which {partner} serves now"
        if one["by"] == "server"
        else f"kea_ha_cert_file: {partner}, which serves now with {theirs}, refuses {ours}"
    )
    return f"{words} ({one['reason']}). {_APART}. {_STEPS}"


def _of_partner(later: Values, this: str, partner: str) -> Iterator[str]:
    if later.get("untrusted"):
        yield (
            f"kea_ha_trust_anchor of {this} ({_anchors(later)}) does not verify kea_ha_cert_file of {partner}, "
            f"{_certificate(later['partner_certificate'])} ({later['untrusted']}). {_APART}. Give both the "
            f"trust anchors of both"
        )


def _anchors(looked: Values) -> str:
    named = [f"{one['subject']}, SHA-256 {one['fingerprint'][:_DIGITS]}…" for one in looked["anchors"]]
    more = [f"{len(named) - SHOWN} more"] if len(named) > SHOWN else []
    return "; ".join([*named[:SHOWN], *more])


def _certificate(one: Optional[Values]) -> str:
    if not one:
        return "an unknown certificate"
    return f"{one['subject']} by {one['issuer']}, SHA-256 {one['fingerprint'][:_DIGITS]}…"
