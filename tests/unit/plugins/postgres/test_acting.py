# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root that connects as the user of a role, over TLS: libpq looks for a certificate in a home directory."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._postgres.session import acting_as
from support.certificates import Authority
from support.postgres import Cluster, postgres_cluster

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user"),
]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    certificate = Authority(tmp_path, "ca").issue("server", host="localhost")
    with postgres_cluster(certificate) as running:
        yield running


def test_the_home_of_root_is_not_looked_at(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    home.chmod(0o700)
    monkeypatch.setenv("HOME", str(home))
    with acting_as(pwd.getpwnam("nobody")):
        psycopg2.connect(host="localhost", port=cluster.port, user="postgres", sslmode="require").close()
    assert (os.geteuid(), os.getegid(), os.environ["HOME"]) == (0, 0, str(home))


def test_a_missing_home_stays_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    with acting_as(pwd.getpwnam("nobody")):
        assert os.environ["HOME"] == pwd.getpwnam("nobody").pw_dir
    assert "HOME" not in os.environ
