# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files made from the command line's parser: bash completion, man page and the page docs/commands.md.

``make cli-files`` writes them. A unit test compares them with what this makes, so they are never older than the parser.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Iterator, NamedTuple

from kea_lease_monitor.commands import cli

ROOT = Path(__file__).resolve().parents[1]
SHARE = ROOT / "roles/kea_lease_monitor/files/share"
MADE = "made from the parser by tests/cli_files.py: run make cli-files"
LICENCE = (
    "Copyright (c) 2026, the baremetal.kea authors",
    # In two parts, for the tool reads this file, too.
    "SPDX-License-" + "Identifier: GPL-3.0-or-later",
)
EXIT_CODES = (
    ("0", "all is well, or the command did what it was told"),
    ("1", "not well: an error outside the program, or a check that failed"),
    ("2", "the command line, the configuration or the schema of the state store must be changed"),
)
FILES = (
    ("/etc/kea-lease-monitor/config.yml", "configuration"),
    ("/var/lib/kea-lease-monitor/", "state store: bookmarks and dead letters"),
    ("/var/lib/kea/discovery/", "inventory files, one for each client"),
)


class Argument(NamedTuple):
    """A flag or a positional argument."""

    flags: tuple[str, ...]
    """Empty for a positional argument."""
    value: str
    """Placeholder of the value; empty if it takes none."""
    help: str
    choices: tuple[str, ...]
    required: bool

    @property
    def words(self) -> str:
        """The argument as a usage line has it."""
        text = " ".join(filter(None, (", ".join(self.flags), self.value)))
        return text if self.required else f"[{text}]"


class Command(NamedTuple):
    """One command, or one step of a command, with the words that name it."""

    words: tuple[str, ...]
    help: str
    arguments: tuple[Argument, ...]

    @property
    def usage(self) -> str:
        return " ".join(("kea-lease-monitor", *self.words, *(one.words for one in self.arguments)))


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = (), text: str = "") -> Iterator[Command]:
    """Yield the commands below a parser that have no steps."""
    steps = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not steps:
        yield Command(words, text, tuple(map(_argument, _shown(parser))))
    for action in steps:
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, step in action.choices.items():
            yield from commands(step, (*words, name), helps.get(name, text))


def _shown(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    hidden = (argparse._HelpAction, argparse._SubParsersAction)
    return [action for action in parser._actions if not isinstance(action, hidden)]


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(str(one) for one in action.choices or ())
    value = str(action.metavar or ("{" + ",".join(choices) + "}" if choices else action.dest.upper()))
    if action.option_strings and action.nargs == 0:
        value = ""
    elif action.nargs == "?":
        value = f"[{value}]" if action.option_strings else value
    elif action.nargs == "*":
        value = f"{value}..."
    required = action.required if action.option_strings else action.nargs not in ("?", "*")
    text = (action.help or "") % {**vars(action), "prog": "kea-lease-monitor"}
    return Argument(tuple(action.option_strings), value, text, choices, required)


def completion(found: list[Command]) -> str:
    """Return the completion for bash. What it does not know, such as a file, bash completes itself."""
    cases = []
    for words in sorted({one.words[:length] for one in found for length in range(len(one.words) + 1)}):
        following = dict.fromkeys(one.words[len(words)] for one in found if _goes_on(one.words, words))
        flags = dict.fromkeys(
            flag for one in found if one.words == words for each in one.arguments for flag in each.flags
        )
        top = ("--version",) if not words else ()
        cases.append(f'        "{" ".join(words)}") words="{" ".join((*following, *flags, "--help", *top))}" ;;')
    values = {flag: each.choices for one in found for each in one.arguments for flag in each.flags if each.choices}
    named = [f'        {flag}) words="{" ".join(choices)}" ;;' for flag, choices in sorted(values.items())]
    taking = sorted(
        {flag for one in found for each in one.arguments if each.value for flag in each.flags} - set(values)
    )
    licence = "\n".join(f"# {line}" for line in LICENCE)
    return f"""{licence}
# bash completion for kea-lease-monitor, {MADE}
_kea_lease_monitor() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} command= words= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$command $word" in
{_steps(found)}
        esac
    done
    case $previous in
{chr(10).join(named)}
        {"|".join(taking)}) return ;;
        *)
            case "$command" in
{chr(10).join("    " + line for line in cases)}
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _kea_lease_monitor kea-lease-monitor
"""


def _goes_on(words: tuple[str, ...], start: tuple[str, ...]) -> bool:
    return words[: len(start)] == start and len(words) > len(start)


def _steps(found: list[Command]) -> str:
    starts = sorted({one.words[:length] for one in found for length in range(1, len(one.words) + 1)})
    lines = [f'            "{" ".join(words[:-1])} {words[-1]}") command="{" ".join(words)}" ;;' for words in starts]
    return "\n".join(lines)


def man_page(found: list[Command]) -> str:
    """Return the man page, in the macros of man(7)."""
    lines = [
        *(f'.\\" {line}' for line in (*LICENCE, MADE)),
        '.TH KEA\\-LEASE\\-MONITOR 1 "" baremetal.kea "User Commands"',
        ".SH NAME",
        "kea\\-lease\\-monitor \\- turn the leases of ISC Kea into static reservations and an Ansible inventory",
        ".SH SYNOPSIS",
        ".B kea\\-lease\\-monitor",
        '.RI [ COMMAND " [" OPTION "]..."]',
        ".SH DESCRIPTION",
        "Without a command, the program follows the leases: systemd runs it as the unit",
        ".BR kea\\-lease\\-monitor.service .",
        "The other commands tell how far it is, and change what it made.",
        ".SH COMMANDS",
    ]
    for one in found:
        lines += [".SS " + _roff(" ".join(one.words)), _roff(_sentence(one.help)), ".PP", ".B " + _roff(one.usage)]
        for each in one.arguments:
            named = " ".join(filter(None, (", ".join(each.flags), each.value)))
            lines += [".TP", ".B " + _roff(named), _roff(_sentence(each.help)) or "\\&"]
    lines += [".SH EXIT STATUS", *_list(EXIT_CODES), ".SH FILES", *_list(FILES)]
    lines += [".SH SEE ALSO", ".BR kea\\-dhcp4 (8),", ".BR systemctl (1)"]
    return "\n".join(lines) + "\n"


def _list(entries: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for name, text in entries:
        yield from (".TP", ".B " + _roff(name), _roff(_sentence(text)))


def _roff(text: str) -> str:
    """Return text in which no character is markup."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def page(found: list[Command]) -> str:
    """Return docs/commands.md."""
    lines = [
        "# Commands",
        "",
        f"<!-- {MADE} -->",
        "",
        "Every command of `kea-lease-monitor` and its flags. [monitor.md](monitor.md#commands) explains what they do.",
        "On a host, `man kea-lease-monitor` shows the same, and the Tab key completes commands and flags.",
    ]
    for one in found:
        lines += ["", f"## {' '.join(one.words)}", "", f"{_sentence(one.help)}", "", f"    {one.usage}"]
        if one.arguments:
            lines += ["", "| argument | meaning |", "|---|---|"]
        for each in one.arguments:
            named = " ".join(filter(None, (", ".join(each.flags), each.value)))
            lines.append(f"| `{named}` | {each.help.replace('|', chr(92) + '|')} |")
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {text} |" for code, text in EXIT_CODES]
    return "\n".join(lines) + "\n"


def made() -> dict[Path, str]:
    """Return the text of each file, by its path."""
    found = list(commands(cli.parser()))
    return {
        SHARE / "kea-lease-monitor.bash": completion(found),
        SHARE / "kea-lease-monitor.1": man_page(found),
        ROOT / "docs/commands.md": page(found),
    }


if __name__ == "__main__":
    SHARE.mkdir(exist_ok=True)
    for path, text in made().items():
        path.write_text(text, encoding="utf-8")
