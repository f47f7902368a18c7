# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a configuration that Kea's user wrote has root open and send to the URL of the partner in it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.kea.plugins.module_utils._errors import KeaError
from ansible_collections.baremetal.kea.plugins.module_utils._host.account import Account, acting
from ansible_collections.baremetal.kea.plugins.module_utils._host.certificates import Material
from ansible_collections.baremetal.kea.plugins.module_utils._kea import control
from ansible_collections.baremetal.kea.plugins.module_utils._server import partner
from support.certificates import Authority, Certificate
from support.receiver import Answer, Receiver

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

KEA = pwd.getpwnam("nobody")
ACCOUNT = Account.of_user(KEA)
STATE = b'{"result": 0, "arguments": {"state": "hot-standby"}}'


@pytest.fixture
def host() -> Iterator[Path]:
    """A directory that each user may enter, with one that Kea's user may write."""
    with tempfile.TemporaryDirectory() as name:
        host = Path(name)
        host.chmod(0o755)
        (host / "kea").mkdir()
        os.chown(host / "kea", KEA.pw_uid, KEA.pw_gid)
        yield host


@pytest.fixture
def receiver(host: Path) -> Iterator[Receiver]:
    yield from serving(None)


@pytest.fixture
def ours(host: Path) -> Certificate:
    own = Authority(host, "ca").issue("one")
    for path in host.iterdir():
        os.chown(path, KEA.pw_uid, KEA.pw_gid)
    return own


@pytest.fixture
def secure(ours: Certificate) -> Iterator[Receiver]:
    yield from serving(ours)


def serving(certificate: Certificate | None) -> Iterator[Receiver]:
    found = Receiver(certificate)
    found.answer = lambda _request: Answer(body=STATE)
    yield found
    found.close()


def asked(receiver: Receiver, peer: dict[str, str], **further: str) -> control.Answer:
    """Return the partner's answer, where root asks it by what Kea's user wrote."""
    peers = [{"name": "one"}, {"name": "two", "url": receiver.url, "basic-auth-user": "kea", **peer}]
    pair = {"this-server-name": "one", "peers": peers, **further}
    libraries = [{"library": "libdhcp_ha.so", "parameters": {"high-availability": [pair]}}]
    found = partner.find(libraries, 4, ACCOUNT)
    assert found
    return found.send("ha-heartbeat")


def root_file(host: Path) -> Path:
    path = host / "root"
    path.write_text("root's secret")
    path.chmod(0o600)
    return path


def closed_directory(host: Path) -> Path:
    (host / "closed").mkdir(0o700)
    (host / "closed" / "open").write_text("root's secret")
    (host / "closed" / "open").chmod(0o644)
    return host / "closed" / "open"


def link(host: Path) -> Path:
    (host / "kea" / "link").symlink_to(root_file(host))
    os.lchown(host / "kea" / "link", KEA.pw_uid, KEA.pw_gid)
    return host / "kea" / "link"


def fifo(host: Path) -> Path:
    os.mkfifo(host / "kea" / "fifo")
    os.chown(host / "kea" / "fifo", KEA.pw_uid, KEA.pw_gid)
    return host / "kea" / "fifo"


def large(host: Path) -> Path:
    (host / "kea" / "large").write_bytes(b"x" * 5000)
    return host / "kea" / "large"


PLANTED = [
    (root_file, "Permission denied"),
    (closed_directory, "Permission denied"),
    (link, "Permission denied"),
    (fifo, "it is a FIFO, not a file"),
]


@pytest.mark.parametrize(("plant", "words"), [*PLANTED, (large, "it has more than 4096 bytes")])
def test_a_password_that_keas_user_may_not_read_is_never_sent(
    host: Path, receiver: Receiver, plant: Any, words: str
) -> None:
    with pytest.raises(KeaError, match=f"the password .* cannot be read by Kea's user: {words}"):
        asked(receiver, {"basic-auth-password-file": str(plant(host))})
    assert receiver.requests == []


@pytest.mark.parametrize(("plant", "words"), PLANTED)
def test_tls_files_are_those_that_keas_user_may_read(
    host: Path, ours: Certificate, secure: Receiver, plant: Any, words: str
) -> None:
    tls = {"trust-anchor": str(host / "ca.pem"), "cert-file": str(ours.path), "key-file": str(ours.key)}
    planted = str(plant(host))
    for key in tls:
        with pytest.raises(control.ControlError, match=words):
            asked(secure, {**tls, key: planted})
    assert secure.requests == []


def test_keas_own_files_serve(host: Path, ours: Certificate, secure: Receiver) -> None:
    (host / "kea" / "password").write_text("ours\n")
    os.chown(host / "kea" / "password", KEA.pw_uid, KEA.pw_gid)
    (host / "kea" / "password").chmod(0o400)
    (host / "anchors").mkdir()
    shutil.copy(host / "ca.pem", host / "anchors")
    (host / "anchors" / "notes").write_text("no certificate")
    tls = {"cert-file": str(ours.path), "key-file": str(ours.key)}
    for anchor in ("ca.pem", "anchors"):
        peer = {**tls, "trust-anchor": str(host / anchor), "basic-auth-password-file": str(host / "kea" / "password")}
        assert asked(secure, peer).arguments == {"state": "hot-standby"}
    assert [one.headers["authorization"] for one in secure.requests] == ["Basic a2VhOm91cnM="] * 2
    assert os.geteuid() == 0


def test_texts_in_place_of_files_that_keas_user_may_not_read(ours: Certificate, secure: Receiver) -> None:
    material = Material((ours.path.parent / "ca.pem").read_text(), ours.pem, ours.key_pem)
    for path in (ours.path, ours.key):
        os.chown(path, 0, 0)
        path.chmod(0o600)
    there = partner.Partner("two", secure.url, 4, "", {}, ACCOUNT, material)
    assert there.send("ha-heartbeat").arguments == {"state": "hot-standby"}
    assert there.certificate() == ours.pem[ours.pem.index("-----BEGIN") :]
    other = Authority(ours.path.parent, "other-ca").own.pem
    with pytest.raises(control.ControlError, match="certificate verify failed"):
        there._replace(material=material._replace(trust_anchor=other)).send("ha-heartbeat")
    assert os.geteuid() == 0


def test_without_a_trust_anchor_no_server_is_trusted(secure: Receiver) -> None:
    with pytest.raises(control.ControlError, match="no trust-anchor"):
        asked(secure, {})


def test_an_answer_without_an_end_is_cut(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver.answer = lambda _request: Answer(body=b"x" * 5000)
    monkeypatch.setattr(control, "MOST", 4096)
    with pytest.raises(control.ControlError, match="more than 4096 bytes"):
        asked(receiver, {})


def test_an_answer_in_drops_has_a_limit(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partner, "LONGEST", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            channel, _address = server.accept()
            with channel:
                while not ended.wait(0.1):
                    channel.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(control.ControlError, match="timed out"):
            asked(receiver, {})
        ended.set()
        thread.join()


def test_acting_gives_up_the_groups_of_root_too() -> None:
    before = Account.own()
    with acting(ACCOUNT):
        assert Account.own()._replace(groups=()) == ACCOUNT._replace(groups=())
        assert set(os.getgroups()) == set(ACCOUNT.groups)
        found = Account.of_process(os.getpid())
        assert found
        assert (found.user, found.group) == (KEA.pw_uid, KEA.pw_gid)
    assert Account.own() == before
    assert Account.of_process(2**22 + 1) is None
