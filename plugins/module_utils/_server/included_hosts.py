# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the reservations in a file that a subnet includes: managed ones, or those of a site in a file of its own."""

from __future__ import annotations

from typing import Any, Dict, List

from .._errors import KeaError
from .._kea import host_maps, reservation_files
from .config import is_applied


def read(path: str) -> List[Dict[str, Any]]:
    """Return the reservations; none if there is no such file. Raises KeaError.

    The file holds them with or without brackets around. A link to a file of managed ones is not followed: Kea's user
    may write there.
    """
    try:
        values = [one.value for one in host_maps.parse(reservation_files.text(path, follow=not is_applied(path))).maps]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise KeaError(f"the reservations in {path} cannot be counted: {error}") from error
    listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
    return [one for one in listed if isinstance(one, dict)]
