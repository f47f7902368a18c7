# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``make release`` does to a checkout, with stand-ins for the changelog and the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.paths import ROOT

FILES = (
    "tests/release.sh",
    "galaxy.yml",
    "CHANGELOG.rst",
    "roles/kea_lease_monitor/files/kea_lease_monitor/__init__.py",
    "roles/kea_lfc_timer/files/kea_lfc_cleanup/__init__.py",
)
CHANGELOG = """#!/bin/sh
[ "$1" != release ] || echo "  $3:" >>changelogs/changelog.yaml
"""
GALAXY = """#!/bin/sh
cp galaxy.yml ../baremetal-kea.tar.gz
"""
WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a"}
ENVIRONMENT = {**os.environ, **WHO, "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": os.devnull}


class Checkout:
    """A repository with the files that a release changes, and programs of a Python environment."""

    def __init__(self, directory: Path) -> None:
        self.root, self.bin = directory / "checkout", directory / "bin"
        for name in FILES:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        (self.root / "changelogs").mkdir()
        (self.root / "changelogs/changelog.yaml").write_text("releases:\n")
        (self.root / ".gitignore").write_text("/.cache/\n")
        self.bin.mkdir()
        for name, text in (("antsibull-changelog", CHANGELOG), ("ansible-galaxy", GALAXY)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        self.git("init", "--quiet")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "Start")

    def git(self, *words: str) -> str:
        command = ["git", "-C", str(self.root), *words]
        return subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout

    def release(self, version: str) -> subprocess.CompletedProcess[str]:
        command = [str(self.root / "tests/release.sh"), str(self.bin), version]
        return subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)

    def versions(self, commit: str) -> set[str]:
        """Return every version that stands in the files of a commit."""
        texts = [self.git("show", f"{commit}:{name}") for name in FILES if not name.endswith((".sh", ".rst"))]
        return {found for text in texts for found in re.findall(r'^(?:version: |__version__ = ")([\d.]+)', text, re.M)}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_release_is_tagged_and_the_next_one_opened(checkout: Checkout) -> None:
    done = checkout.release("7.3.0")
    assert done.returncode == 0, done.stderr
    assert checkout.versions("7.3.0") == {"7.3.0"}
    assert checkout.versions("HEAD") == {"7.4.0"}
    assert checkout.git("log", "--format=%s", "-2").splitlines() == ["Open 7.4.0", "Release 7.3.0"]
    assert "7.3.0:" in checkout.git("show", "7.3.0:changelogs/changelog.yaml")
    assert "version: 7.3.0" in (checkout.root / ".cache/release/baremetal-kea.tar.gz").read_text()
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.parametrize("version", ["", "7", "7.3", "v7.3.0", "7.3.0-rc1"])
def test_what_is_no_version_is_refused(checkout: Checkout, version: str) -> None:
    assert "give a version" in checkout.release(version).stderr
    assert checkout.git("tag") == ""


def test_a_release_happens_once(checkout: Checkout) -> None:
    checkout.release("7.3.0")
    assert "the tag 7.3.0 exists already" in checkout.release("7.3.0").stderr


def test_a_changed_checkout_is_refused(checkout: Checkout) -> None:
    (checkout.root / "galaxy.yml").write_text("version: 0.0.0\n")
    done = checkout.release("7.3.0")
    assert "git status" in done.stderr
    assert checkout.git("tag") == ""
