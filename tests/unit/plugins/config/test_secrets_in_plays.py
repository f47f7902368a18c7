# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random configurations with marked secrets in plays with -vvv and --diff: no mark is printed.

A secret stands in the configuration that is there, in a comment of it, in the values that are merged, in a database
entry and in a file. Kea itself judges each configuration, and refuses one of each kind.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.paths import ansible_environment
from support.programs import need

pytestmark = [pytest.mark.slow, pytest.mark.kea, pytest.mark.timeout(3600)]
SITES = int(os.environ.get("SECRETS_SITES", "5"))
"""Configurations of the test; ``make fuzz`` takes 200."""
PER_PLAY = 5
KEYS = ("password", "snmp-secret", "api_token", "pre-shared-key", "tsig-key", "Authorization", "credentials", "passwd")
MARK = "HIDDEN"


class Writer:
    """Writes the values of one site. Each secret has the mark."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._number = seed * 1000
        self._hooks = os.path.dirname(glob.glob("/usr/lib/*/kea/hooks/libdhcp_ha.so")[0])

    def secret(self) -> str:
        self._number += 1
        return f"{MARK}{self._number:07}{self._chance.choice(['', ' and more', '/@:#', '%20x'])}"

    def word(self) -> str:
        """Return a secret that fits into a connection string and into a header."""
        return self.secret().split(" ", 1)[0]

    def context(self, depth: int = 2) -> dict[str, Any]:
        keys = self._chance.sample(KEYS, 3)
        values: list[Any] = [self.secret(), [self.secret(), {"any": self.secret()}], self.secret()]
        found: dict[str, Any] = {**dict(zip(keys, values)), "note": "plain", "url": f"http://u:{self.word()[:13]}@h/"}
        return {**found, "inner": self.context(depth - 1)} if depth else found

    def pair(self) -> dict[str, Any]:
        peers = [
            {"name": name, "url": f"http://192.0.2.{number}:8001/", "role": role, "basic-auth-user": "u"}
            for number, (name, role) in enumerate((("one", "primary"), ("two", "standby")), 1)
        ]
        relation = {"this-server-name": "one", "mode": "hot-standby"}
        relation["peers"] = [{**peer, "basic-auth-password": self.word()} for peer in peers]  # type: ignore[assignment]
        return {"library": f"{self._hooks}/libdhcp_ha.so", "parameters": {"high-availability": [relation]}}

    def database(self, name: str) -> dict[str, Any]:
        return {"type": "postgresql", "name": name, "host": "192.0.2.9", "user": "u", "password": self.word()}

    def text(self) -> str:
        """Return the configuration that a person wrote."""
        configuration = {
            "interfaces-config": {"interfaces": []},
            "lease-database": {"type": "memfile", "persist": False},
            "hosts-databases": [self.database("theirs")],
            "hooks-libraries": [{"library": f"{self._hooks}/libdhcp_lease_cmds.so"}, self.pair()],
            "user-context": self.context(),
            "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "user-context": self.context()}],
        }
        comment = f'// "password": "{self.word()}"\n# "api-token" : "{self.word()}"\n'
        return comment + json.dumps({"Dhcp4": configuration}, indent=self._chance.choice([None, 2]))

    def merge(self) -> dict[str, Any]:
        """Return what the play sets."""
        subnet = {"id": 1, "user-context": self.context(), "valid-lifetime": self._chance.randrange(60, 6000)}
        return {"subnet4": [subnet], "hooks-libraries": [self.pair()], "user-context": self.context()}


def tasks(number: int, config: Path) -> list[dict[str, Any]]:
    """Return the tasks for one site. Its values are variables, as those of a deployment are."""
    given = f"sites[{number}]"
    here = {"path": str(config), "kea_user": "_kea"}
    apply = {**here, "merge": f"{{{{ {given}.merge }}}}", "record": f"{config}.record", "allow_removals": True}
    apply["databases"] = f"{{{{ {given}.databases }}}}"
    refused = {**apply, "merge": f"{{{{ {given}.merge | combine({{'no-such-key': {given}.merge}}) }}}}"}
    entry = f"{{{{ {given}.entry | combine({here}) }}}}"
    content = {"path": f"{config}.secret", "content": f"{{{{ {given}.file }}}}", "secret": True, "mode": "0600"}
    return [
        {"name": "Check", "baremetal.kea.kea_config": apply, "check_mode": True},
        {"name": "Apply", "baremetal.kea.kea_config": apply},
        {"name": "Be refused", "baremetal.kea.kea_config": refused, "register": "refused", "ignore_errors": True},
        {"name": "See that", "ansible.builtin.assert": {"that": "refused is failed"}},
        {"name": "Add a database", "baremetal.kea.kea_database": entry},
        {"name": "Write a secret file", "baremetal.kea.kea_files": {"files": [content]}},
        {"name": "Inspect", "baremetal.kea.kea_info": {"path": str(config), "gather": ["config"]}, "register": "seen"},
        {"name": "Show", "ansible.builtin.debug": {"var": "seen"}},
    ]


def values(writer: Writer) -> dict[str, Any]:
    return {
        "merge": writer.merge(),
        "databases": [{**writer.database("ours"), "purpose": "hosts"}],
        "entry": {**writer.database("third"), "purpose": "hosts"},
        "file": writer.secret(),
    }


@pytest.mark.parametrize("first", range(0, SITES, PER_PLAY))
def test_no_secret_is_printed_by_a_play(first: int, directory: Path, tmp_path: Path) -> None:
    need("kea-dhcp4")
    user = pwd.getpwnam("_kea")
    sites, called = [], []
    for number, seed in enumerate(range(first, min(first + PER_PLAY, SITES))):
        writer, config = Writer(seed), directory / f"kea-dhcp4-{number}" / "kea-dhcp4.conf"
        config.parent.mkdir(mode=0o750)
        config.write_text(writer.text())
        for path in (config.parent, config):
            os.chown(path, user.pw_uid, user.pw_gid)
        sites.append(values(writer))
        called += tasks(number, config)
    (tmp_path / "sites.json").write_text(json.dumps({"sites": sites}))
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": ["sites.json"], "tasks": called}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    words = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", "-vvv", "--diff"]
    command = ["ansible-playbook", *words, str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=ansible_environment(), capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-4000:]
    assert [line for line in output.splitlines() if MARK in line] == []
    assert output.count("no-such-key") >= len(sites)
    for config in directory.glob("*/kea-dhcp4.conf"):
        assert config.read_text().count(MARK) > 10
        assert "third" in config.read_text()
