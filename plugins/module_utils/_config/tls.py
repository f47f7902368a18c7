# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: TLS settings from Kea to its database: in the entry, or in the environment of Kea's process.

Kea before 3.1 passes no TLS setting to PostgreSQL's client library, whatever its entry contains. The library then uses
its environment (libpq, "Environment Variables"). One process has one environment for all its connections.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence

from .._errors import KeaError
from .versions import Capabilities

VARIABLES = {
    "ssl_mode": "PGSSLMODE",
    "trust_anchor": "PGSSLROOTCERT",
    "cert_file": "PGSSLCERT",
    "key_file": "PGSSLKEY",
}
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
"""Modes of libpq, weakest first."""
DEFAULT = {"ssl_mode": "prefer"}
"""Default of libpq; it needs no environment, so asking for it removes the drop-in."""
FILES = ("trust_anchor", "cert_file", "key_file")
_HEADER = "# Managed by Ansible (baremetal.kea.kea_database): TLS of every connection to PostgreSQL\n[Service]\n"
# Kea has no key for this. Without it, Kea may connect to a standby, which accepts no lease.
_PRIMARY = "Environment=PGTARGETSESSIONATTRS=read-write\n"
# Kea puts paths into its connection text, and this collection into a unit, both without quotes.
_PLAIN = re.compile(r"[\w./:@+=,-]+")


def settings_of(params: Mapping[str, Any]) -> Dict[str, str]:
    """Return the given TLS options; for PostgreSQL with the strictest mode that they allow. Raises KeaError."""
    found = {name: params[name] for name in (*VARIABLES, "cipher_list") if params.get(name)}
    if not found:
        return {}
    if ("cert_file" in found) != ("key_file" in found):
        raise KeaError("cert_file and key_file are needed together")
    for name in FILES:
        if name in found and not _PLAIN.fullmatch(found[name]):
            raise KeaError(f"{name} contains a character that breaks Kea's connection to the database")
    if params["type"] == "postgresql":
        found.setdefault("ssl_mode", "verify-full" if "trust_anchor" in found else "require")
        _check_mode(found, params.get("host") or "")
    return found


def environment_of(settings: Mapping[str, str], database: str, kea: Capabilities) -> Dict[str, str]:
    """Return libpq's variables for an entry whose TLS settings Kea does not pass on."""
    if database != "postgresql" or kea.postgresql_tls_keys or settings == DEFAULT:
        return {}
    return {variable: settings[name] for name, variable in VARIABLES.items() if name in settings}


def asked_mode(environment: Mapping[str, str], entries: Iterable[Any], keys: bool) -> Optional[str]:
    """Return the weakest TLS mode of a running Kea towards PostgreSQL over the network.

    None if there is no such entry, or if this process may not read Kea's environment. ``keys`` is whether this Kea
    passes the key ssl-mode on. The server cannot tell the mode: it does not know what its client verifies.
    """
    modes = [
        (str(entry.get("ssl-mode", "")) if keys else "")
        or environment.get(VARIABLES["ssl_mode"], DEFAULT["ssl_mode"] if environment else "")
        for entry in entries
        if isinstance(entry, dict) and entry.get("type") == "postgresql"
        if not str(entry.get("host", "localhost")).startswith("/")
    ]
    return min(modes, key=MODES.index) if modes and all(mode in MODES for mode in modes) else None


def drop_in_text(environment: Mapping[str, str]) -> str:
    """Return the text of the drop-in for an environment; empty for none."""
    return _HEADER + "".join(f"Environment={name}={environment[name]}\n" for name in environment) if environment else ""


def shared(present: str, environment: Mapping[str, str], host: str, others: Sequence[Any]) -> str:
    """Return the text of the drop-in for an entry with this host and environment.

    ``present`` is its text now, ``others`` are the other entries over the network. Raises KeaError if one of them has
    another host: it would get settings that are not meant for it.
    """
    wanted = drop_in_text(environment)
    if not wanted:
        return present if others else ""
    foreign = sorted({str(entry.get("host", "localhost")) for entry in others} - {host})
    if foreign and present and present != wanted:
        raise KeaError(
            "this Kea has one TLS setting for all its connections to PostgreSQL, and another one is in force for "
            f"{', '.join(foreign)}; say the same for each, after taking it away (state: absent), or upgrade to Kea 3.1"
        )
    return wanted


def primary_only(text: str, hosts: Iterable[str]) -> str:
    """Return the text of the drop-in for connections to these hosts: with a list of them, libpq skips standbys."""
    text = text.replace(_PRIMARY, "")
    if any("," in host for host in hosts):
        return (text or _HEADER) + _PRIMARY
    return "" if text == _HEADER else text


def _check_mode(found: Mapping[str, str], host: str) -> None:
    if host.startswith("/"):
        raise KeaError("PostgreSQL knows no TLS over a unix socket; leave the TLS options out, or give a host name")
    if "cipher_list" in found:
        raise KeaError(
            "cipher_list is for mysql: PostgreSQL's client library takes no ciphers; set ssl_ciphers on the server"
        )
    if found["ssl_mode"].startswith("verify-") and "trust_anchor" not in found:
        raise KeaError(f"ssl_mode {found['ssl_mode']} needs trust_anchor, or nothing could be verified")
    if found["ssl_mode"] == "disable" and len(found) > 1:
        raise KeaError("ssl_mode disable leaves nothing to do for a trust anchor or a certificate")
