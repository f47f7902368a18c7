# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module kea_certificates, with certificates that OpenSSL made and judges."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority, Certificate
from support.modules import run_module, snapshot

pytestmark = pytest.mark.slow  # each test starts programs, for seconds

GROUP = "_kea"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"), "ca")


@pytest.fixture(scope="module")
def kea(authority: Authority) -> Certificate:
    return authority.issue("kea", common_name="_kea")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "tls"


def given(authority: Authority, certificate: Certificate) -> dict[str, str]:
    return {"trust_anchor": authority.own.pem, "certificate": certificate.pem, "key": certificate.key_pem}


def put(store: Path, check: bool = False, **options: str) -> dict[str, Any]:
    return run_module("kea_certificates", check=check, directory=str(store), **options)


def test_check_apply_again_drift(authority: Authority, kea: Certificate, store: Path) -> None:
    wanted = given(authority, kea)
    check = put(store, check=True, **wanted)
    assert check["changed"]
    assert not store.exists()

    applied = put(store, **wanted)
    assert applied["changed"]
    assert {**applied, "invocation": None} == {**check, "invocation": None}, "the prediction names the same files"
    key = Path(applied["key_file"])
    assert (key.read_text(), key.owner(), key.group(), key.stat().st_mode & 0o777) == (
        kea.key_pem,
        "root",
        GROUP,
        0o640,
    )
    assert key.parent.stat().st_mode & 0o777 == 0o750
    assert Path(applied["cert_file"]).read_text() == kea.pem
    assert kea.key_pem.splitlines()[1] not in repr(applied)
    assert not put(store, **wanted)["changed"]

    key.chmod(0o644)
    assert put(store, check=True, **wanted)["changed"]
    assert put(store, **wanted)["changed"]
    assert key.stat().st_mode & 0o777 == 0o640
    key.write_text("drifted")
    assert put(store, **wanted)["changed"]
    assert key.read_text() == kea.key_pem


def test_previous_sets_stay_until_the_new_one_is_in_force(authority: Authority, store: Path) -> None:
    sets = [given(authority, authority.issue(f"kea{number}")) for number in range(3)]
    homes = [Path(put(store, **one)["key_file"]).parent for one in sets]
    for number, home in enumerate(homes):
        os.utime(home, (number, number))
    assert sorted(store.iterdir()) == sorted(homes)
    in_force = {**sets[0], "exclusive": "true"}
    assert put(store, check=True, **in_force)["changed"]
    assert sorted(store.iterdir()) == sorted(homes)
    assert put(store, **in_force)["changed"]
    assert sorted(store.iterdir()) == sorted([homes[0], homes[2]]), "the newest of the others stays"
    assert not put(store, **in_force)["changed"]


def test_files_of_the_host_and_a_trust_anchor_alone(authority: Authority, kea: Certificate, store: Path) -> None:
    paths = {"trust_anchor": str(authority.own.path), "certificate": str(kea.path), "key": str(kea.key)}
    assert not put(store, **given(authority, kea))["failed"]
    assert not put(store, **paths)["changed"], "a path is as good as the text"
    kea.key.chmod(0o644)
    assert "is a key that every user of this host can read" in put(store, **paths)["msg"]
    kea.key.chmod(0o600)
    alone = put(store, trust_anchor=str(authority.own.path))
    assert alone["cert_file"] is None
    assert Path(alone["trust_anchor_file"]).read_text() == authority.own.pem


def test_a_chain_with_an_intermediate(authority: Authority, store: Path) -> None:
    middle = Authority(authority.directory, "middle", issuer=authority)
    leaf = middle.issue("leaf")
    assert not put(store, **given(authority, leaf))["failed"]
    first = leaf.pem.split("-----END CERTIFICATE-----\n")[0] + "-----END CERTIFICATE-----\n"
    result = put(store, **{**given(authority, leaf), "certificate": first})
    assert "the chain of certificate is not complete: that of CN=middle is missing" in result["msg"]
    # The client's authority is another one than the server's: its root may follow the certificate.
    other = Authority(authority.directory, "other")
    foreign = other.issue("foreign")
    assert "that of CN=other is missing" in put(store, **given(authority, foreign))["msg"]
    appended = {**given(authority, foreign), "certificate": foreign.pem + other.own.pem}
    assert not put(store, **appended)["failed"]


def test_what_is_unfit_changes_nothing(authority: Authority, kea: Certificate, store: Path) -> None:
    good = given(authority, kea)
    put(store, **good)
    expired, other = authority.issue("expired", days=-1), authority.issue("another")
    locked = subprocess.run(
        ["openssl", "pkey", "-in", kea.key, "-aes256", "-passout", "pass:secret"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    alone = {"certificate": expired.pem, "key": expired.key_pem}
    old = Authority(authority.directory, "old")
    old_root = old.own.path.with_name("old-root.pem")
    subprocess.run(
        ["openssl", "x509", "-in", old.own.path, "-signkey", old.own.key, "-days", "-1", "-out", old_root], check=True
    )
    unfit = {
        "certificate cannot be used: certificate has expired": given(authority, expired),
        "certificate cannot be used: certificate has expired.": alone,
        "certificate does not belong to key": {**good, "key": other.key_pem},
        "key is no private key in PEM without a passphrase": {**good, "key": locked},
        "certificate holds no certificate in PEM": {**good, "certificate": kea.key_pem},
        "trust_anchor cannot be used": {"trust_anchor": old_root.read_text()},
        "certificate /nowhere cannot be read: No such file": {**good, "certificate": "/nowhere"},
    }
    before = snapshot(next(store.iterdir()))
    for message, options in unfit.items():
        for check in (True, False):
            result = put(store, check=check, **options)
            assert result["failed"], message
            assert message in result["msg"]
            assert result["msg"].endswith("Nothing was changed.")
    assert snapshot(next(store.iterdir())) == before
    assert len(list(store.iterdir())) == 1


def test_a_group_that_is_missing(authority: Authority, store: Path) -> None:
    options = {"trust_anchor": authority.own.pem, "group": "nobody-has-it"}
    assert put(store, check=True, **options)["changed"], "Kea may not be installed yet"
    assert "the group nobody-has-it does not exist" in put(store, **options)["msg"]
