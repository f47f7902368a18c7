# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that sends to a web server: contract, signature, and what each answer and fault means."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from kea_lease_monitor.batch import Delivery, Pending, Reason
from kea_lease_monitor.clock import Clock
from kea_lease_monitor.errors import ConfigurationError, TemporaryError
from kea_lease_monitor.lease import EventKind
from kea_lease_monitor.section import Section
from kea_lease_monitor.sinks.webhook import post
from kea_lease_monitor.sinks.webhook.sink import Options, WebhookSink
from support.certificates import Authority
from support.receiver import Answer, Receiver, Request

from runtime.builders import event
from runtime.contracts import SinkContract, delivered

URL = "https://localhost/x"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ca")


@pytest.fixture
def receiver(authority: Authority) -> Iterator[Receiver]:
    receiver = Receiver(authority.issue("server", host="localhost"))
    yield receiver
    receiver.close()


@pytest.fixture
def make(receiver: Receiver, authority: Authority) -> Iterator[Callable[..., WebhookSink]]:
    made: list[WebhookSink] = []

    def start(**more: Any) -> WebhookSink:
        given = {"url": receiver.url, "ca_file": str(authority.own.path), "timeout": 300, **more}
        made.append(WebhookSink(Options.parse(Section(given, "sinks[0]")), Clock()))
        return made[-1]

    yield start
    for sink in made:
        sink.close()


def addresses(request: Request) -> list[str]:
    return [each["lease"]["address"] for each in request.document["events"]]


class TestWebhook(SinkContract):
    @pytest.fixture
    def sink(self, receiver: Receiver, make: Callable[..., WebhookSink]) -> Any:
        return make(), lambda: [each for request in receiver.requests for each in addresses(request)]


def test_what_is_sent(receiver: Receiver, make: Callable[..., WebhookSink]) -> None:
    given = [event(number, kind=kind) for number, kind in enumerate(EventKind, 1)]
    assert delivered(make(), given) == Delivery(executed=len(given))
    (request,) = receiver.requests
    assert (request.method, request.path, request.headers["content-type"]) == ("POST", "/events", "application/json")
    assert [each["kind"] for each in request.document["events"]] == [kind.value for kind in EventKind]
    first = request.document["events"][0]
    assert (first["ref"], first["host"], first["lease"]["hwaddr"]) == ("ref-1", "bmc-020000000001", "02:00:00:00:00:01")
    assert request.document["hosts"] == [f"bmc-0200000000{number:02x}" for number in range(1, len(given) + 1)]
    assert not [name for name in request.headers if "signature" in name]


def test_a_client_without_an_identifier_has_no_host(receiver: Receiver, make: Callable[..., WebhookSink]) -> None:
    delivered(make(), [event(1, hwaddr="")])
    (request,) = receiver.requests
    assert (request.document["hosts"], request.document["events"][0]["host"]) == ([], "")


@pytest.fixture
def send(receiver: Receiver, authority: Authority) -> Callable[..., post.Outcome]:
    """Return a function that sends as the child process does, in this process."""

    def act(body: bytes = b"{}", **more: Any) -> post.Outcome:
        order = {"url": receiver.url, "secret_file": None, "ca_file": str(authority.own.path), "proxy": None}
        return post.attempt({**order, "timeout": 300, **more}, body)

    return act


def test_the_signature_covers_time_and_body(
    receiver: Receiver, send: Callable[..., post.Outcome], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    for key in (b"first", b"second"):
        secret.write_bytes(key + b"\n")
        assert send(b'{"events": []}', secret_file=str(secret)) == post.Outcome(os.EX_OK)
        request = receiver.requests[-1]
        sent = request.headers["x-kea-timestamp"]
        assert abs(int(sent) - time.time()) < 3600
        expected = hmac.new(key, sent.encode() + b"." + request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-kea-signature"] == f"sha256={expected}"
        alone = hmac.new(key, request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-hub-signature-256"] == f"sha256={alone}"
        assert not any(key.decode() in value for value in request.headers.values())


@pytest.mark.parametrize(("content", "told"), [(None, "No such file"), ("\n", "is empty")])
def test_without_its_secret_nothing_is_sent(
    receiver: Receiver, send: Callable[..., post.Outcome], tmp_path: Path, content: str | None, told: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    outcome = send(secret_file=str(path))
    assert (outcome.code, told in outcome.detail, receiver.requests) == (os.EX_TEMPFAIL, True, [])


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 405, 408, 425, 429, 500, 502, 503])
def test_what_is_not_about_the_events_may_pass(
    receiver: Receiver, send: Callable[..., post.Outcome], status: int
) -> None:
    receiver.answer = lambda _request: Answer(status, (("Location", receiver.url),), b"busy now")
    outcome = send()
    assert (outcome.code, outcome.wait, len(receiver.requests)) == (os.EX_TEMPFAIL, 0, 1), "no redirection is followed"
    assert outcome.detail.startswith(f"answered {status} ")
    assert outcome.detail.endswith(": busy now")


@pytest.mark.parametrize("status", [400, 409, 410, 413, 415, 422])
def test_any_other_4xx_refuses_the_events(receiver: Receiver, send: Callable[..., post.Outcome], status: int) -> None:
    receiver.answer = lambda _request: Answer(status, (("Retry-After", "5"),), b"x" * 1000)
    outcome = send()
    assert (outcome.code, outcome.wait) == (os.EX_DATAERR, 0)
    assert len(outcome.detail) < 300


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        ("99999999", post.LONGEST_WAIT),
        pytest.param(formatdate(time.time() + 86400, usegmt=True), post.LONGEST_WAIT, id="tomorrow"),
        pytest.param(formatdate(time.time() - 100, usegmt=True), 0, id="past"),
        ("soon", 0),
        ("", 0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_within_bounds(
    receiver: Receiver, send: Callable[..., post.Outcome], status: int, asked: str, seconds: int
) -> None:
    receiver.answer = lambda _request: Answer(status, (("Retry-After", asked),))
    assert send().wait == seconds


def test_a_reset_connection_may_pass(receiver: Receiver, send: Callable[..., post.Outcome]) -> None:
    receiver.answer = lambda _request: Answer(reset=True)
    outcome = send()
    assert outcome.code == os.EX_TEMPFAIL
    assert outcome.detail.startswith("ConnectionError: ")
    assert "object at 0x" not in outcome.detail


@pytest.mark.slow
def test_a_slow_answer_may_pass(receiver: Receiver, send: Callable[..., post.Outcome]) -> None:
    gate = threading.Event()
    receiver.answer = lambda _request: Answer(until=gate)
    outcome = send(timeout=1)
    gate.set()
    assert outcome.code == os.EX_TEMPFAIL
    assert "timed out" in outcome.detail


def test_an_unreachable_server_may_pass(send: Callable[..., post.Outcome]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = send(url=f"https://localhost:{port}/")
    assert outcome.code == os.EX_TEMPFAIL
    assert "Connection refused" in outcome.detail


def test_only_the_authority_of_the_configuration_is_trusted(
    receiver: Receiver, send: Callable[..., post.Outcome], tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    for ca_file in (str(other.own.path), None):
        outcome = send(ca_file=ca_file)
        assert outcome.code == os.EX_TEMPFAIL
        assert "certificate verify failed" in outcome.detail
    assert receiver.requests == []


def test_a_certificate_of_another_host_is_refused(authority: Authority, send: Callable[..., post.Outcome]) -> None:
    elsewhere = Receiver(authority.issue("elsewhere", host="elsewhere.example.org"))
    try:
        assert "certificate verify failed" in send(url=elsewhere.url).detail
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


def test_the_proxy_of_the_configuration_is_used_and_no_other(
    send: Callable[..., post.Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert send().code == os.EX_OK
    proxy = Receiver()
    proxy.answer = lambda _request: Answer(502)
    try:
        outcome = send(url="http://receiver.example.org/leases", proxy=proxy.url.rpartition("/")[0])
        assert outcome.detail.startswith("answered 502")
        assert proxy.requests[0].path == "http://receiver.example.org/leases"
    finally:
        proxy.close()


@pytest.mark.slow
def test_a_refused_event_fails_alone(receiver: Receiver, make: Callable[..., WebhookSink]) -> None:
    def answer(request: Request) -> Answer:
        return Answer(422, (), b"3 is \x1b[1m \xff bad") if "10.0.0.3" in addresses(request) else Answer()

    receiver.answer = answer
    delivery = delivered(make(), [event(number) for number in range(1, 5)])
    (rejection,) = delivery.rejected
    assert (rejection.event.ref, rejection.reason, delivery.executed) == ("ref-3", Reason.REFUSED, 3)
    assert rejection.detail == "answered 422 Unprocessable Entity: 3 is ?[1m ? bad"


def test_a_busy_server_says_when_to_come_again(receiver: Receiver, make: Callable[..., WebhookSink]) -> None:
    receiver.answer = lambda _request: Answer(429, (("Retry-After", "120"),), b"busy")
    with pytest.raises(TemporaryError, match=f"{receiver.url}: answered 429 Too Many Requests: busy") as raised:
        delivered(make(), [event(1)])
    assert raised.value.wait == 120


@pytest.mark.slow
def test_a_slow_server_does_not_hold_the_loop(receiver: Receiver, make: Callable[..., WebhookSink]) -> None:
    gate = threading.Event()
    receiver.answer = lambda _request: Answer(until=gate)
    sink = make(timeout=1)
    assert isinstance(sink.deliver([event(1)]), Pending)
    with pytest.raises(TemporaryError, match=r"within 1 seconds|timed out"):
        delivered(sink, [event(1)])
    gate.set()


def test_the_secret_may_be_a_credential_of_systemd(
    receiver: Receiver, make: Callable[..., WebhookSink], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "webhook-secret").write_text("secret")
    delivered(make(), [event(1)])
    assert "x-kea-signature" in receiver.requests[0].headers


def test_check_reports_a_missing_file(make: Callable[..., WebhookSink], tmp_path: Path) -> None:
    for key in ("secret_file", "ca_file"):
        with pytest.raises(TemporaryError, match="none does not exist"):
            make(**{key: str(tmp_path / "none")}).check()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"url": "http://receiver.example.org/"},
        {"url": "ftp://localhost/"},
        {"url": "https://user:password@localhost/"},
        {"url": "https://localhost:port/"},
        {"url": "https:///path"},
        {"url": URL, "proxy": "socks5://proxy"},
        {"url": URL, "proxy": "http://user:password@proxy"},
        {"url": URL, "ca_file": "ca.pem"},
        {"url": URL, "secret_file": "secret"},
        {"url": URL, "timeout": 0},
        {"url": URL, "token": "x"},
    ],
)
def test_impossible_options_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"sinks\[0\]"):
        Options.parse(Section(given, "sinks[0]"))


@pytest.mark.parametrize("url", ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]:5000/endpoint"])
def test_without_encryption_events_stay_on_this_host(url: str) -> None:
    assert Options.parse(Section({"url": url}, "")).url == url
