# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how Kea is told to verify the certificate of a MySQL or MariaDB server: by the name of the host.

Kea names the authority to the client library and never asks it to verify anything (mysql_connection.cc). MariaDB's
library 3.3 then looks at the authority but not at the name, and takes a server without TLS as well; the 3.4 of Debian
13 looks at nothing. But in place of a host it takes a text of options, and Kea hands the host on as it is.
"""

from __future__ import annotations

import glob
import re
from typing import Tuple

# Only this library knows such a text; another one would look for a host of that name.
_LIBRARIES = ("/usr/lib/*/libmariadb.so.3", "/usr/lib64/libmariadb.so.3", "/usr/lib/libmariadb.so.3")
_VERIFIED = re.compile(r"host=([^;=]+);ssl-verify-server-cert=1")


def library_is_there() -> bool:
    """Whether MariaDB's client library is installed."""
    return any(glob.glob(pattern) for pattern in _LIBRARIES)


def is_host(text: str) -> bool:
    """Whether the library takes it for the name of a host, and not for options."""
    return not re.search(r"[;=]", text)


def verified(host: str) -> str:
    """The host with the demand that its certificate be verified, and there be one."""
    return f"host={host};ssl-verify-server-cert=1"


def spellings(host: str) -> Tuple[str, str]:
    """The same host without and with that demand."""
    found = _VERIFIED.fullmatch(host)
    plain = found.group(1) if found else host
    return plain, verified(plain)
