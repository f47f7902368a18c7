# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the dashboard with Grafana's own types and write it again: a key that Grafana does not know is lost on the way.

The types are those of Grafana's foundation SDK, which Grafana generates from its schemas.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any, Iterator

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from grafana_foundation_sdk.models.prometheus import Dataquery


def lost(given: Any, written: Any, path: str) -> Iterator[str]:
    """Yield the paths of what another value, or none, stands for."""
    if isinstance(given, dict) and isinstance(written, dict):
        for key, value in given.items():
            yield from lost(value, written.get(key), f"{path}/{key}")
    elif isinstance(given, list) and isinstance(written, list) and len(given) == len(written):
        for number, (one, other) in enumerate(zip(given, written)):
            yield from lost(one, other, f"{path}/{number}")
    elif given != written:
        yield f"{path} is {json.dumps(given)} and becomes {json.dumps(written)}"


def again(kind: Any, given: Any) -> Any:
    """Return a value as Grafana's type writes it after it has read it."""
    return json.loads(JSONEncoder().encode(kind.from_json(given)))


def problems(dashboard: dict[str, Any]) -> Iterator[str]:
    """Yield what Grafana's types do not keep of the dashboard."""
    yield from lost(dashboard, again(Dashboard, dashboard), "")
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            options = importlib.import_module(f"grafana_foundation_sdk.models.{panel['type']}").Options
            yield from lost(panel["options"], again(options, panel["options"]), f"{panel['title']}/options")
            for target in panel["targets"]:
                yield from lost(target, again(Dataquery, target), f"{panel['title']}/target {target['refId']}")


def main(path: str) -> int:
    found = list(problems(json.loads(Path(path).read_text(encoding="utf-8"))))
    print("\n".join(found) or f"{path}: Grafana's types keep every key and value")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
