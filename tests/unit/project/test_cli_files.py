# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The completion, the man page and docs/commands.md say what the parser says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cli_files
import pytest

COMPLETION = cli_files.SHARE / "kea-lease-monitor.bash"
COMPLETE = """
source "$1"; shift
COMP_WORDS=(kea-lease-monitor "$@"); COMP_CWORD=$#
_kea_lease_monitor
printf '%s\\n' "${COMPREPLY[@]}"
"""


def completed(*words: str) -> set[str]:
    """Return what bash offers for the last of the words."""
    command = ["bash", "-c", COMPLETE, "bash", str(COMPLETION), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize("path", list(cli_files.made()), ids=lambda path: path.name)
def test_a_file_is_what_the_parser_makes(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == cli_files.made()[path]


def test_every_argument_is_explained() -> None:
    found = cli_files.commands(cli_files.cli.parser())
    assert [(one.words, each.words) for one in found for each in one.arguments if not each.help] == []


class TestCompletion:
    def test_commands(self) -> None:
        assert completed("re") == {"replay", "replace"}

    def test_steps_of_a_command(self) -> None:
        assert {"init", "upgrade", "downgrade", "version"} <= completed("db", "")

    def test_flags_of_a_command(self) -> None:
        assert completed("status", "--") == {"--config", "--json", "--watch", "--help"}
        assert "--all" not in completed("dead-letters", "list", "--")
        assert "--all" in completed("dead-letters", "retry", "--")

    def test_values_of_a_flag(self) -> None:
        assert completed("run", "--log-level", "W") == {"WARNING"}

    def test_the_value_of_a_path_is_left_to_bash(self) -> None:
        assert completed("status", "--config", "") == set()


def test_the_man_page_is_sound() -> None:
    page = cli_files.SHARE / "kea-lease-monitor.1"
    command = ["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(page)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stderr == ""
    for word in ("NAME", "status", "--watch [SECONDS]", "EXIT STATUS", "/etc/kea-lease-monitor/config.yml"):
        assert word in done.stdout
