# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of firewalld in the manifest, with a stand-in for its commands. test_isc.py has a real one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module

FIREWALL_CMD = """#!/bin/sh
[ "$(basename "$0")" = firewall-offline-cmd ] && set -- --permanent "$@"
list=active
for word; do
    case $word in
        --permanent) list=permanent ;;
        --zone=none) echo INVALID_ZONE >&2; exit 112 ;;
        --list-ports) [ -e DIRECTORY/stopped ] && [ "$0" = DIRECTORY/firewall-cmd ] && exit 252; cat DIRECTORY/$list ;;
        --add-port=*) [ -e DIRECTORY/locked ] && { echo denied >&2; exit 1; }; echo "${word#*=}" >>DIRECTORY/$list ;;
        --remove-port=*)
            [ -e DIRECTORY/stopped ] && [ "$0" = DIRECTORY/firewall-cmd ] && exit 252
            [ -e DIRECTORY/locked ] && { echo denied >&2; exit 1; }
            grep -vx "${word#*=}" DIRECTORY/$list >DIRECTORY/new; mv DIRECTORY/new DIRECTORY/$list ;;
    esac
done
"""


class Host:
    """A host with firewalld, and its manifest."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("firewall-cmd", "firewall-offline-cmd"):
            (root / name).write_text(FIREWALL_CMD.replace("DIRECTORY", str(root)))
            (root / name).chmod(0o755)
        self.ports("", "")

    def ports(self, permanent: str, active: str) -> None:
        (self.root / "permanent").write_text(permanent)
        (self.root / "active").write_text(active)

    def listed(self) -> tuple[str, str]:
        """Return the ports that are open permanently, and those at present."""
        permanent, active = ((self.root / name).read_text().split() for name in ("permanent", "active"))
        return " ".join(permanent), " ".join(active)

    def do(self, state: str, **options: Any) -> dict[str, Any]:
        return run_module("kea_manifest", state=state, directory=str(self.root / "store"), **options)

    def admit(self, name: str = "public/67/udp", permanent: str = "67/udp", active: str = "67/udp") -> None:
        self.do("intended", things={"port": [name]})
        self.ports(permanent, active)
        self.do("made")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Host(tmp_path)


def test_a_port_that_a_deployment_opened_is_closed(host: Host) -> None:
    assert host.do("intended", things={"port": ["public/67/udp"]})["absent"] == ["port:public/67/udp"]
    host.ports("67/udp\n22/tcp\n", "67/udp\n")
    host.do("made")
    assert not host.do("intended", things={"port": ["public/67/udp"]})["changed"]
    host.do("made")
    assert host.do("restored")["plan_lines"] == ["port public/67/udp: is removed"]
    assert host.listed() == ("22/tcp", "")


@pytest.mark.parametrize("found", ["67/udp", "22/tcp 60-70/udp"])
def test_a_port_that_was_open_stays_open(host: Host, found: str) -> None:
    host.ports(found, found)
    host.admit(permanent=found, active=found)
    assert host.do("restored")["plan"] == [
        {"kind": "port", "name": "public/67/udp", "action": "keep", "why": "as_found"},
    ]
    assert host.listed() == (found, found)


def test_a_port_that_was_open_until_the_next_restart_is_so_again(host: Host) -> None:
    host.ports("", "67/udp\n")
    host.admit()
    host.do("restored")
    assert host.listed() == ("", "67/udp")


def test_a_port_that_a_person_closed_is_a_change_and_by_force_as_it_was_found(host: Host) -> None:
    host.ports("67/udp\n", "")
    host.admit()
    host.ports("", "")
    assert "port:public/67/udp" in host.do("restored")["msg"]
    host.do("restored", force=True)
    assert host.listed() == ("67/udp", "")


def test_a_port_is_closed_while_firewalld_does_not_run(host: Host) -> None:
    host.admit()
    (host.root / "stopped").touch()
    (host.root / "active").write_text("")
    assert host.do("restored")["remains"] == []
    assert host.listed() == ("", "")


def test_a_port_that_firewalld_keeps_is_an_error(host: Host) -> None:
    host.admit()
    (host.root / "locked").touch()
    refused = host.do("restored")
    assert refused["msg"] == "firewalld does not remove the port 67/udp of the zone public: denied"


def test_a_host_without_firewalld_or_the_zone_has_no_port(host: Host) -> None:
    host.ports("67/udp", "67/udp")
    assert host.do("intended", things={"port": ["none/67/udp"]})["absent"] == ["port:none/67/udp"]
    (host.root / "firewall-cmd").unlink()
    assert host.do("intended", things={"port": ["home/67/udp"]})["absent"] == ["port:home/67/udp"]


@pytest.mark.parametrize("name", ["67/udp", "public/67", "public/60-70/udp", "/67/udp"])
def test_a_name_that_is_no_port_is_refused(host: Host, name: str) -> None:
    assert "is no port of a zone, such as public/67/udp" in host.do("intended", things={"port": [name]})["msg"]
