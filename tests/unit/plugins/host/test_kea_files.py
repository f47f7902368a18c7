# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from support.modules import run_module, snapshot


def wanted(directory: Path) -> list[dict[str, Any]]:
    return [
        {"path": str(directory), "state": "directory", "owner": "postgres", "group": "_kea", "mode": "2750"},
        {"path": str(directory / "config.yml"), "content": "a: 1\n", "group": "_kea", "mode": "0640"},
        {"path": str(directory / "password"), "content": "pass-word", "secret": True, "mode": "0600"},
        {"path": str(directory / "once"), "content": "", "force": False, "mode": "0644"},
        {"path": str(directory / "gone"), "state": "absent"},
    ]


def test_check_apply_again_drift_absent_again(tmp_path: Path) -> None:
    directory = tmp_path / "etc"
    files = wanted(directory)
    check = run_module("kea_files", check=True, files=files)
    assert not directory.exists()
    applied = run_module("kea_files", files=files)
    assert applied["changed_paths"] == check["changed_paths"] == [one["path"] for one in files[:4]]
    assert applied["diff"] == check["diff"]
    assert applied["new_paths"] == check["new_paths"] == applied["changed_paths"]
    assert "pass-word" not in repr(applied)
    assert (directory.owner(), directory.group(), directory.stat().st_mode & 0o7777) == ("postgres", "_kea", 0o2750)
    settled = snapshot(directory)
    assert settled["password"][0] == b"pass-word"
    assert (directory / "config.yml").group() == "_kea"
    again = run_module("kea_files", files=files)
    assert (again["changed"], again["changed_paths"], again["diff"]) == (False, [], [])

    (directory / "config.yml").write_text("a: 2\n")
    (directory / "password").chmod(0o644)
    (directory / "once").write_text("by hand")
    (directory / "gone").mkdir()
    mended = run_module("kea_files", files=files)
    assert mended["changed_paths"] == [str(directory / name) for name in ("config.yml", "password", "gone")]
    assert mended["new_paths"] == []
    assert {**snapshot(directory), "once": settled["once"]} == settled
    assert (directory / "once").read_text() == "by hand"

    absent = [{"path": str(directory / name), "state": "absent"} for name in settled] + [
        {"path": str(directory), "state": "absent"}
    ]
    assert "cannot be changed: Directory not empty" in run_module("kea_files", files=absent[-1:])["msg"]
    assert run_module("kea_files", files=absent)["changed"]
    assert not run_module("kea_files", files=absent)["changed"]


def test_another_secret_is_a_difference_that_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old-word")
    result = run_module("kea_files", files=[{"path": str(path), "content": "new-word", "secret": True}])
    assert path.read_text() == "new-word"
    assert result["changed"]
    assert "word" not in repr([result["diff"][0][when] for when in ("before", "after")])


def test_what_cannot_be_used_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("right\n")
    before = snapshot(tmp_path)
    bad = {"path": str(path), "content": "wrong\n", "validate": "grep right %s /nowhere"}
    made = {"path": str(tmp_path / "made"), "state": "directory"}
    refused = run_module("kea_files", files=[made, bad])
    assert "/config is not valid" in refused["msg"]
    assert refused["new_paths"] == [made["path"]]
    (tmp_path / "made").rmdir()
    assert run_module("kea_files", check=True, files=[bad])["changed"]
    assert snapshot(tmp_path) == before
    good = {"path": str(path), "content": "all right\n", "validate": "grep right %s"}
    assert run_module("kea_files", files=[good])["changed"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "file").touch()
    assert run_module("kea_files", files=[{"path": str(tmp_path / "link"), "content": "x", "mode": "0600"}])["changed"]
    assert (tmp_path / "file").read_text() == "x"
    assert os.path.islink(tmp_path / "link")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"path": "{}/file"}, "/file does not exist, and no content is given"),
        ({"path": "{}", "content": "x"}, " is a directory, and a file is wanted"),
        (
            {"path": "{}/first/file", "content": "x"},
            "/first/file cannot be read: Not a directory; nothing was changed",
        ),
        ({"path": "{}/none/file", "content": "x"}, "/none/file cannot be changed: No such file or directory"),
        ({"path": "{}/file", "content": "x", "owner": "nobody-here"}, "name not found: 'nobody-here'"),
    ],
)
def test_what_is_refused(tmp_path: Path, file: dict[str, str], message: str) -> None:
    first = {"path": str(tmp_path / "first"), "content": "1"}
    result = run_module("kea_files", files=[first, {**file, "path": file["path"].format(tmp_path)}])
    assert result["failed"]
    assert message in result["msg"]
    assert result["changed_paths"] == [str(tmp_path / "first")]
    assert set(snapshot(tmp_path)) == {"first"}
