# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that two real Keas of a pair are to have: what would cut them from each other, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._host.account import Account
from ansible_collections.baremetal.kea.plugins.module_utils._server import kea_account
from ansible_collections.baremetal.kea.plugins.plugin_utils import _pair_certificates
from ansible_collections.baremetal.kea.plugins.plugin_utils._login import Files
from pair_helpers import HOT, NAMES, Keas, Setup, pair_of
from support.certificates import Authority, Certificate
from support.modules import run_module
from support.wait import until

pytestmark = [pytest.mark.kea, pytest.mark.slow]

WEB_SERVER = "extendedKeyUsage=serverAuth\n"
"""As a public authority issues it: such a certificate is for the server of a connection only."""


class Pair:
    """Two real Keas with https, and the files that each of both reads."""

    def __init__(self, directory: Path) -> None:
        self.old, self.new = Authority(directory, "old-ca"), Authority(directory, "new-ca")
        self._directory = directory
        # Names only: Kea compares none with the address of a partner.
        self.certificates = [self.old.issue(name) for name in NAMES]
        kinds = ("trusted", "shown", "key")
        self.files = [Files(*(str(directory / f"{name}-{kind}.pem") for kind in kinds)) for name in NAMES]
        for number in range(2):
            self.write(number, self.old.own.pem, self.certificates[number])
        self.keas = Keas(directory, HOT, {}, setup=Setup(self.files))

    def write(self, number: int, trust_anchor: str, certificate: Certificate) -> None:
        """Write the files of one server, which reads them at its next start."""
        for path, text in zip(self.files[number], (trust_anchor, certificate.pem, certificate.key_pem)):
            Path(path).write_text(text)

    def restart(self, number: int) -> None:
        """Restart one server as a play does."""
        server = self.keas.servers[number]
        pair_of(server).hand_over()
        server.stop()
        self.keas.launch(number)
        until(server.answers, "the new process")
        pair_of(server).settle(wait=True)

    def look(self, number: int, trust_anchor: str, certificate: Certificate, **more: Any) -> dict[str, Any]:
        """Return what the module says of these for one server."""
        given = {"trust_anchor": trust_anchor, "certificate": certificate.pem, "key": certificate.key_pem}
        servers = [{"path": str(self.keas.servers[number].config)}]
        return run_module("kea_pair_certificates", check=True, **{**given, "servers": servers, **more})


@pytest.fixture(autouse=True)
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kea's own user may not enter the directory of this test.
    monkeypatch.setattr(kea_account, "of", lambda _module, _path: Account.own)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path)
    try:
        found.keas.await_normal()
        yield found
    finally:
        found.keas.stop()


def problems(looked: dict[str, Any]) -> list[str]:
    return _pair_certificates.problems(looked, {"skipped": True}, "one", "two")


def test_what_would_cut_both_from_each_other_is_told_and_changes_nothing(pair: Pair) -> None:
    old, new = pair.old.own.pem, pair.new.own.pem
    present, renewed, foreign = pair.certificates[0], pair.old.issue("renewed"), pair.new.issue("foreign")
    for anchors, certificate in ((old, present), (old, renewed), (old + new, present), (new + old, renewed)):
        looked = pair.look(0, anchors, certificate)
        assert (looked["error"], looked["refusals"], problems(looked)) == (None, [], [])

    looked = pair.look(0, new, foreign)
    (refusal,) = looked["refusals"]
    assert (refusal["by"], refusal["url"], refusal["certificate"]["subject"]) == ("server", pair.keas.urls[1], "CN=two")
    (words,) = problems(looked)
    fingerprints = [one["fingerprint"][:23] for one in (looked["anchors"][0], refusal["certificate"])]
    assert words.startswith(
        f"kea_ha_trust_anchor (CN=new-ca, SHA-256 {fingerprints[0]}…) does not verify CN=two by CN=old-ca, SHA-256 "
        f"{fingerprints[1]}…, with which two serves now ("
    )
    assert "docs/pairs.md" in words

    (refusal,) = pair.look(0, old + new, foreign)["refusals"]
    assert (refusal["by"], refusal["certificate"]["subject"]) == ("partner", "CN=two")
    (words,) = problems(pair.look(0, old + new, foreign))
    assert words.startswith("kea_ha_cert_file: two, which serves now with CN=two by CN=old-ca, SHA-256")
    assert "refuses CN=foreign by CN=new-ca, SHA-256" in words

    # New hardware with the name of the first server, whose configuration names no partner.
    fresh = [{"path": "/nowhere/kea-dhcp4.conf", "url": pair.keas.urls[1]}]
    assert [one["by"] for one in pair.look(0, new, foreign, servers=fresh)["refusals"]] == ["server"]
    assert pair.look(0, old, renewed, servers=fresh)["refusals"] == []
    assert pair.keas.states() == [HOT] * 2

    pair.keas.servers[1].stop()
    assert pair.look(0, new, foreign)["refusals"] == []


def test_another_authority_comes_in_three_steps(pair: Pair) -> None:
    """As docs/pairs.md tells it: in each step the servers change one after the other, and always reach each other."""
    old, new = pair.old.own.pem, pair.new.own.pem
    later = [pair.new.issue(f"new-{name}") for name in NAMES]
    for anchors, certificates in ((old + new, pair.certificates), (old + new, later), (new, later)):
        for number in range(2):
            assert problems(pair.look(number, anchors, certificates[number])) == []
            pair.write(number, anchors, certificates[number])
            pair.restart(number)
            assert pair.keas.states() == [HOT] * 2


def test_a_certificate_for_servers_only_is_refused_by_kea_and_by_the_module(pair: Pair) -> None:
    web = pair.old.issue("web", extensions=WEB_SERVER)
    looked = pair.look(0, pair.old.own.pem, web)
    assert "certificate cannot be used as that of a client: " in looked["error"]
    (words,) = problems(looked)
    assert words.startswith("kea_ha_trust_anchor, kea_ha_cert_file and kea_ha_key_file cannot be used: certificate ")
    # The other server of a real pair refuses it as well.
    pair.write(0, pair.old.own.pem, web)
    one = pair.keas.servers[0]
    one.stop()
    pair.keas.launch(0)
    until(one.answers, "the new process")
    look = pair_of(one).look()
    assert look is not None
    assert "certificate" in look.silence
