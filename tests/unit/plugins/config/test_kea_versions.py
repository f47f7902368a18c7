# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of versions, against kea-facts and the installed Kea."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._config.versions import (
    KeaVersionError,
    capabilities,
    is_older_schema,
    newest,
    parse_version,
)
from support.programs import need


@pytest.mark.parametrize(
    ("version", "schema"),
    [
        ("2.2.0", "13.0"),
        ("2.2.1", "13.0"),
        ("2.4.2", "18.0"),
        ("2.6.0", "22.0"),
        ("2.6.1", "22.1"),
        ("2.6.5", "22.2"),
        ("2.7.2", "24.0"),
        ("3.0.0", "29.0"),
        ("3.0.4", "29.0"),
        ("3.1.7", "32.0"),
        ("3.2.0", "34.0"),
        ("3.3.0", "34.0"),
        ("3.4.0", None),
    ],
)
def test_the_schema_of_each_version(version: str, schema: str | None) -> None:
    assert capabilities(version).schema == schema


@pytest.mark.kea
def test_the_schema_of_the_installed_kea_is_what_it_says_itself() -> None:
    said = subprocess.run([need("kea-dhcp4"), "-V"], capture_output=True, text=True, check=True).stdout
    schema = re.search(r"PostgreSQL backend (\S+),", said)
    assert schema, said
    assert capabilities(said).schema == schema.group(1)


@pytest.mark.parametrize(
    ("capability", "without", "having"),
    [
        ("retry_on_startup", ["2.2.0", "2.4.2", "2.5.4"], ["2.5.5", "2.6.0", "3.0.0"]),
        ("socket_timeouts", ["2.2.0", "2.3.0", "2.3.3"], ["2.2.1", "2.3.4", "2.4.0"]),
        ("memfile_on_fail", ["2.6.5", "3.0.3", "3.1.0", "3.1.4"], ["3.0.4", "3.1.5", "3.2.0"]),
        ("database_hooks", ["2.6.5", "2.7.3"], ["2.7.4", "3.0.0"]),
        ("refuses_default_passwords", ["2.6.5"], ["2.7.6", "3.0.0"]),
        ("control_sockets", ["2.6.5", "2.7.1"], ["2.7.2", "3.0.0"]),
        ("restricted_paths", ["2.2.0", "2.4.1", "2.6.2", "2.7.8"], ["2.4.2", "2.6.3", "2.7.9", "3.0.0"]),
        ("reservation_commands", ["2.6.5", "2.7.6"], ["2.7.7", "3.0.0"]),
        ("ddns_conflict_modes", ["2.2.0", "2.4.2"], ["2.5.0", "2.6.0", "3.0.0"]),
        ("tsig_secret_file", ["2.2.0", "2.5.7"], ["2.5.8", "2.6.0", "3.0.0"]),
        ("lfc_start", ["3.0.4", "3.1.1"], ["3.1.2", "3.2.0"]),
    ],
)
def test_since_when(capability: str, without: list[str], having: list[str]) -> None:
    assert not any(getattr(capabilities(version), capability) for version in without)
    assert all(getattr(capabilities(version), capability) for version in [*having, newest().version])


def test_versions_as_kea_writes_them() -> None:
    assert parse_version("3.0.3-git 0abc\n") == (3, 0, 3)
    assert capabilities(" 2.2.0\n").version == "2.2.0"


@pytest.mark.parametrize(
    ("text", "message"), [("kea", "is not a version"), ("", "is not a version"), ("2.0.3", "older than 2.2.0")]
)
def test_versions_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(KeaVersionError, match=message):
        parse_version(text)


def test_schemas_are_ordered_by_number_and_not_by_letter() -> None:
    assert is_older_schema("9.0", "13.0")
    assert is_older_schema("22.1", "22.2")
    assert not is_older_schema("22.2", "22.2")
