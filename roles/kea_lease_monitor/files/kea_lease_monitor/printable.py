# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of clients, such as host names, as they may reach a terminal or a log."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return the text in one line, with an escape such as ``\\x1b`` for each character that is not printable.

    A control character would move the cursor, colour the screen or forge a line of output.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)
