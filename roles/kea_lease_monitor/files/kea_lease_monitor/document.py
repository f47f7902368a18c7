# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML documents whose values know their lines, so that an error can name the line."""

from __future__ import annotations

from typing import Any, Dict, List

import yaml

from kea_lease_monitor.errors import ConfigurationError


class Lines(Dict[Any, int]):
    """The line of each key, or of each index, counted from 1."""


class LocatedDict(Dict[Any, Any]):
    lines: Lines


class LocatedList(List[Any]):
    lines: Lines


class _Loader(yaml.SafeLoader):
    """A loader class, because YAML constructors belong to a class."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> LocatedDict:
    written = set()
    for key_node, _value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a plain word", key_node.start_mark)
        if key_node.value in written:
            problem = f"{key_node.value!r} is written twice"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        written.add(key_node.value)
    loader.flatten_mapping(node)
    found, lines = LocatedDict(), Lines()
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        found[key] = loader.construct_object(value_node, deep=True)
        lines[key] = key_node.start_mark.line + 1
    found.lines = lines
    return found


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> LocatedList:
    found = LocatedList(loader.construct_object(each, deep=True) for each in node.value)
    found.lines = Lines((index, each.start_mark.line + 1) for index, each in enumerate(node.value))
    return found


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:seq", _sequence)


def read(path: str) -> Any:
    """Return the document in a file. Raises ConfigurationError."""
    try:
        with open(path, encoding="utf-8") as handle:
            # A SafeLoader.
            return yaml.load(handle, Loader=_Loader)  # noqa: S506 # nosec B506
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError(f"{path} is not YAML: {line}{error.problem or error.context}") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
