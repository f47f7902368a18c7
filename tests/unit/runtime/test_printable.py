# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client sends reaches no terminal as a control character (case E11)."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from kea_lease_monitor import telemetry
from kea_lease_monitor.commands import applied, check, cli, dead_letters, output
from kea_lease_monitor.errors import TemporaryError
from kea_lease_monitor.printable import printable
from kea_lease_monitor.state.records import DeadLetter

from runtime.builders import event

EVIL = "bmc\x1b[2J\x9b31m\r\nforged: line\x7f\u202e"


def is_plain(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize(
    ("text", "shown"), [("bücher 7", "bücher 7"), ("a\x1bb\n", "a\\x1bb\\n"), ("\u202e", "\\u202e")]
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_table_has_its_own_lines_only() -> None:
    text = output.as_table([{"detail": EVIL, "address": "10.0.0.1"}], ("address", "detail"))
    assert is_plain(text)
    assert len(text.splitlines()) == 2


def test_dead_letters_of_an_evil_client(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = event(1, hostname=EVIL)
    text = json.dumps({**found._asdict(), "kind": "assigned", "lease": {**found.lease._asdict(), "hwaddr": EVIL}})

    class Store:
        def dead_letters(self, _subscription: Any) -> list[DeadLetter]:
            return [DeadLetter(**{**dict.fromkeys(DeadLetter._fields), **fields})]

    fields = {
        "id": 1,
        "recorded_at": 0.0,
        "subscription": "default",
        "reason": "refused",
        "event": text,
        "detail": EVIL,
    }
    monkeypatch.setattr(dead_letters.access, "read_settings", lambda _options: type("S", (), {"state": None}))
    monkeypatch.setattr(dead_letters.access, "open_store", lambda _state, _config: Store())
    assert cli.main(["dead-letters", "list"]) == 0
    assert "refused" in (shown := capsys.readouterr().out)
    assert is_plain(shown), shown


def test_check_and_an_error_of_an_evil_client(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = type(
        "S",
        (),
        {
            "state": type("L", (), {"shared": False, "database": None}),
            "flows": (),
            "pools": "/none",
            "source": type("C", (), {"type": "memfile"}),
        },
    )
    store = type("Store", (), {"heartbeats": lambda _self: []})()
    monkeypatch.setattr(check.access, "read_settings", lambda _options: settings)
    monkeypatch.setattr(check.access, "open_store", lambda _state, _config: store)
    monkeypatch.setattr(check.applied, "read", lambda _settings, _now: applied.Applied("", EVIL, {}))
    assert cli.main(["check"]) == 0
    assert "WARN bmc" in (shown := capsys.readouterr().out)
    assert is_plain(shown), shown

    def fail(_options: Any) -> Any:
        raise TemporaryError(EVIL)

    monkeypatch.setattr(check.access, "read_settings", fail)
    assert cli.main(["check"]) == 1
    assert is_plain(shown := capsys.readouterr().err), shown


def test_a_log_line_on_a_terminal() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("kea_lease_monitor")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        telemetry.discovery_written(f"/inventory/{EVIL}.yml")
        telemetry.retrying(EVIL, 1, 1.0, EVIL)
    finally:
        logger.removeHandler(handler)
    assert len(stream.getvalue().splitlines()) == 2
    assert is_plain(stream.getvalue()), stream.getvalue()
