# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed reading of a configuration mapping. Every error names the dotted path and the allowed values."""

from __future__ import annotations

from typing import Any, Iterator, List, Optional, Tuple

from kea_lease_monitor.errors import ConfigurationError


class Section:
    """One mapping of the document. Its reader calls ``done`` last, which refuses all keys that were not read."""

    def __init__(self, value: object, path: str, line: Optional[int] = None) -> None:
        """``line`` is where the mapping begins in its file, if any. Raises ConfigurationError, as all methods do."""
        if not isinstance(value, dict):
            problem = f"{path or 'the configuration'}: a mapping is needed, not {_kind(value)}"
            raise ConfigurationError(_located(problem, line))
        self._line = line
        self._value = value
        self._path = path
        self._read: List[str] = []

    def path(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def error(self, key: str, problem: str, index: Optional[int] = None) -> ConfigurationError:
        """Return an error that names the line of the key or list element; of the mapping if the key is missing."""
        line = _line(self._value, key) or self._line
        if index is not None:
            line = _line(self._value.get(key), index) or line
        where = self.path(key) if index is None else f"{self.path(key)}[{index}]"
        return ConfigurationError(_located(f"{where}: {problem}", line))

    def _take(self, key: str) -> Any:
        self._read.append(key)
        return self._value.get(key)

    def text(self, key: str, default: Optional[str] = None) -> str:
        value = self._take(key)
        value = default if value is None else value
        if not isinstance(value, str) or not value:
            raise self.error(key, f"a text is needed, not {_kind(value)}")
        return value

    def optional_text(self, key: str) -> Optional[str]:
        return None if self._value.get(key) is None else self.text(key)

    def secret(self, key: str) -> Optional[str]:
        """Return an optional text that no error message shows."""
        value = self._take(key)
        if value is not None and (not isinstance(value, str) or not value):
            raise self.error(key, f"a text is needed, in quotes if it looks like a {type(value).__name__}")
        return value

    def number(self, key: str, default: int, low: int, high: int) -> int:
        value = self._take(key)
        value = default if value is None else value
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(key, f"a whole number from {low} to {high} is needed, not {value!r}")
        return value

    def choice(self, key: str, allowed: Tuple[str, ...], default: Optional[str] = None) -> str:
        value = self._take(key)
        value = default if value is None else value
        if value not in allowed:
            raise self.error(key, f"one of {', '.join(allowed)} is needed, not {value!r}")
        return str(value)

    def section(self, key: str) -> Section:
        value = self._take(key)
        return Section({} if value is None else value, self.path(key), _line(self._value, key) or self._line)

    def optional_section(self, key: str) -> Optional[Section]:
        return None if self._value.get(key) is None else self.section(key)

    def items(self, key: str) -> List[Any]:
        value = self._take(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(key, f"a list is needed, not {_kind(value)}")
        return value

    def sections(self, key: str) -> Iterator[Section]:
        for index, value in enumerate(values := self.items(key)):
            yield Section(value, f"{self.path(key)}[{index}]", _line(values, index))

    def texts(self, key: str) -> Tuple[str, ...]:
        for index, value in enumerate(values := self.items(key)):
            if not isinstance(value, str):
                raise self.error(key, f"a text is needed, not {_kind(value)}", index)
        return tuple(values)

    def numbers(self, key: str) -> Tuple[int, ...]:
        for index, value in enumerate(values := self.items(key)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise self.error(key, f"a whole number is needed, not {_kind(value)}", index)
        return tuple(values)

    def done(self) -> None:
        """Refuse unknown keys."""
        for key in self._value:
            if key not in self._read:
                raise self.error(key, f"unknown; allowed here: {', '.join(sorted(set(self._read)))}")


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r}"[:60]


def _line(container: object, key: object) -> Optional[int]:
    """Return the line of a value that document.read created; None for any other."""
    lines = getattr(container, "lines", {})
    return lines.get(key) if isinstance(lines, dict) else None


def _located(problem: str, line: Optional[int]) -> str:
    return f"line {line}: {problem}" if line else problem
