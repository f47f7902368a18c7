# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: makes Kea verify the certificate of a MySQL or MariaDB server, by options in the place of the host.

Kea passes the authority to the client library and requests no verification (mysql_connection.cc). MariaDB's library 3.3
then checks the authority, not the name, and accepts a server without TLS; the 3.4 of Debian 13 checks nothing. But the
library accepts a text of options instead of a host, and Kea passes the host on unchanged.
"""

from __future__ import annotations

import glob
import re
from typing import Tuple

# Only this library understands options in the host; another one would look for a host of that name.
_LIBRARIES = ("/usr/lib/*/libmariadb.so.3", "/usr/lib64/libmariadb.so.3", "/usr/lib/libmariadb.so.3")
_VERIFIED = re.compile(r"host=([^;=]+);ssl-verify-server-cert=1")


def library_is_there() -> bool:
    """Return whether MariaDB's client library is installed."""
    return any(glob.glob(pattern) for pattern in _LIBRARIES)


def is_host(text: str) -> bool:
    """Return whether the library takes the text for a host name, and not for options."""
    return not re.search(r"[;=]", text)


def verified(host: str) -> str:
    """Return the host with the option that makes the library verify its certificate."""
    return f"host={host};ssl-verify-server-cert=1"


def spellings(host: str) -> Tuple[str, str]:
    """Return the same host without and with this option."""
    found = _VERIFIED.fullmatch(host)
    plain = found.group(1) if found else host
    return plain, verified(plain)
