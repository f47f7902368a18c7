# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by pattern: none of a random configuration appears in a text or a value for output."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.document import Document
from ansible_collections.baremetal.kea.plugins.module_utils._config.secret import (
    is_secret,
    secrets_in,
    secrets_in_text,
    without_secrets,
)
from ansible_collections.baremetal.kea.plugins.module_utils._config.syntax import value_of
from support.modules import run_module
from support.programs import need

pytestmark = pytest.mark.slow  # each test starts programs, for seconds
SECRETS = (
    *("password", "basic-auth-password", "secret", "Secret", "tsig-secret", "api_token", "AuthToken", "passwd"),
    *("private-key", "pre-shared-key", "bind_password", "authorization", "credentials", "basic-auth"),
)
OTHERS = ("name", "password-file", "key-file", "token-path", "user", "id", "subnet", "key-name", "basic-auth-user")
HA = "/usr/lib/x86_64-linux-gnu/kea/hooks/libdhcp_ha.so"


class Writer:
    """Writes random configurations, and counts what it hid in them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._number = 0
        self.hidden: list[str] = []

    def secret(self) -> str:
        self._number += 1
        self.hidden.append(f"HIDDEN{self._number:04}x")
        return self.hidden[-1] + self._random.choice(["", ' "quoted" \\ end', "/@:#"])

    def value(self, depth: int, secret: bool = False) -> Any:
        kind = self._random.randrange(6 if depth else 3)
        if kind == 3:
            return [self.value(depth - 1, secret) for _element in range(self._random.randrange(3))]
        if kind >= 4:
            keys = self._random.sample(SECRETS, 2) + self._random.sample(OTHERS, 2)
            return {key: self.value(depth - 1, secret or is_secret(key)) for key in keys}
        if secret:
            return self.secret()
        if kind == 2:
            self._number += 1
            self.hidden.append(f"HIDDEN{self._number:04}x")
            return f"http://user:{self.hidden[-1]}@192.0.2.1:8000/"
        return self._random.choice(["plain", 1, True, None, 1.5])

    def text(self) -> str:
        comment = f'// "password": "{self._comment()}"\n# "api-token" : "{self._comment()}"\n'
        return comment + json.dumps({"Dhcp4": self.value(4), "a": {}}, indent=self._random.choice([None, 2]))

    def _comment(self) -> str:
        self._number += 1
        self.hidden.append(f"HIDDEN{self._number:04}x")
        return self.hidden[-1]


def test_no_secret_of_ten_thousand_configurations_is_shown() -> None:
    for seed in range(10_000):
        writer = Writer(seed)
        text = writer.text()
        document = Document(text)
        masked = document.masked()
        assert "HIDDEN" not in masked, text
        Document(masked)
        plain = value_of(document.root)
        assert "HIDDEN" not in json.dumps(without_secrets(plain)), text
        found = "\0".join(secrets_in(plain) + secrets_in_text(text))
        assert [one for one in writer.hidden if one not in found] == [], text


@pytest.mark.parametrize("key", SECRETS)
def test_what_is_secret(key: str) -> None:
    assert is_secret(key)
    assert is_secret(f"Dhcp4/hooks-libraries/parameters/{key}")


@pytest.mark.parametrize("key", OTHERS)
def test_what_is_not_secret(key: str) -> None:
    assert not is_secret(key)


def test_a_lifetime_is_no_secret() -> None:
    plain = {"token-lifetime": 3600, "use-token": True, "token": 12345}
    assert secrets_in(plain) == ["12345"]
    assert Document(json.dumps(plain)).masked() == '{"token-lifetime": 3600, "use-token": true, "token": "********"}'


def test_the_password_of_the_ha_hook_is_nowhere_in_the_result(tmp_path: Path) -> None:
    need("kea-dhcp4")
    config = tmp_path / "kea-dhcp4.conf"
    peer = {"name": "a", "url": "http://admin:old-Url-word@192.0.2.1/", "basic-auth-password": "old-pass-word"}
    library = {"library": HA, "parameters": {"high-availability": [{"peers": [peer]}]}}
    config.write_text(json.dumps({"Dhcp4": {"hooks-libraries": [library]}}))
    peers = [{**peer, "url": "http://admin:new-Url-word@192.0.2.1/", "basic-auth-password": "new-pass-word"}]
    wanted = {**library, "parameters": {"high-availability": [{"peers": peers}]}}
    result = run_module("kea_config", check=True, path=str(config), settings={"Dhcp4/hooks-libraries": [wanted]})
    assert result["changed"]
    assert result["diff"]["after"]
    assert "-word" not in json.dumps(result)


def test_a_word_in_a_comment_does_not_hide_messages() -> None:
    """As in Debian's example: // "password": "kea"."""
    text = '// "password": "kea"\n// "password": "long enough"\n{}'
    assert secrets_in_text(text) == ["long enough"]
