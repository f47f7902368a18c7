# Copyright (c) 2026, the baremetal.kea authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sink that sends to a web server: contract, signature, and what each answer and fault means."""

from __future__ import annotations

import hashlib
import hmac
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


@pytest.mark.parametrize("by_credential", [False, True])
def test_the_signature_covers_time_and_body(
    receiver: Receiver,
    make: Callable[..., WebhookSink],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_credential: bool,
) -> None:
    secret = tmp_path / "webhook-secret"
    secret.write_text("first\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path if by_credential else tmp_path / "none"))
    sink = make(**({} if by_credential else {"secret_file": str(secret)}))
    delivered(sink, [event(1)])
    secret.write_text("second")
    delivered(sink, [event(2)])
    for key, request in zip((b"first", b"second"), receiver.requests):
        sent = request.headers["x-kea-timestamp"]
        assert abs(int(sent) - time.time()) < 600
        expected = hmac.new(key, sent.encode() + b"." + request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-kea-signature"] == f"sha256={expected}"
        alone = hmac.new(key, request.body, hashlib.sha256).hexdigest()
        assert request.headers["x-hub-signature-256"] == f"sha256={alone}"
        assert not any(key.decode() in value for value in request.headers.values())


@pytest.mark.parametrize(
    ("content", "told"), [(None, "secret: No such file|No such file or directory"), ("\n", "is empty")]
)
def test_without_its_secret_nothing_is_sent(
    receiver: Receiver, make: Callable[..., WebhookSink], tmp_path: Path, content: str | None, told: str
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    sink = make(secret_file=str(path))
    with pytest.raises(TemporaryError, match=told):
        delivered(sink, [event(1)])
    if content is None:
        with pytest.raises(TemporaryError, match="does not exist"):
            sink.check()
    assert receiver.requests == []


@pytest.mark.parametrize("status", [301, 401, 429, 503])
def test_what_is_not_about_the_events_is_retried(
    receiver: Receiver, make: Callable[..., WebhookSink], status: int
) -> None:
    receiver.answer = lambda _request: Answer(status, (("Location", receiver.url),), b"busy \x1b[1m \xff now")
    sink = make()
    with pytest.raises(TemporaryError, match=rf"{receiver.url}: answered {status} .*: busy \?\[1m \? now") as raised:
        delivered(sink, [event(1)])
    assert (raised.value.wait, len(receiver.requests)) == (0, 1), "a redirection is not followed"
    receiver.answer = lambda _request: Answer()
    assert delivered(sink, [event(1)]).executed == 1


@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_event_fails_alone(receiver: Receiver, make: Callable[..., WebhookSink], status: int) -> None:
    def answer(request: Request) -> Answer:
        return Answer(status, (), b"3 is bad") if "10.0.0.3" in addresses(request) else Answer()

    receiver.answer = answer
    delivery = delivered(make(), [event(number) for number in range(1, 6)])
    (rejection,) = delivery.rejected
    assert (rejection.event.ref, rejection.reason, delivery.executed) == ("ref-3", Reason.REFUSED, 4)
    assert rejection.detail.startswith(f"answered {status} ") and rejection.detail.endswith(": 3 is bad")


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [
        ("120", 120, 120),
        ("99999999", post.LONGEST_WAIT, post.LONGEST_WAIT),
        (formatdate(time.time() + 3000, usegmt=True), post.LONGEST_WAIT, post.LONGEST_WAIT),
        (formatdate(time.time() - 100, usegmt=True), 0, 0),
        ("soon", 0, 0),
        ("", 0, 0),
    ],
)
def test_retry_after_is_kept_within_bounds(
    receiver: Receiver, make: Callable[..., WebhookSink], asked: str, low: int, high: int
) -> None:
    receiver.answer = lambda _request: Answer(429, (("Retry-After", asked),))
    with pytest.raises(TemporaryError, match="answered 429 Too Many Requests") as raised:
        delivered(make(), [event(1)])
    assert low <= raised.value.wait <= high


def test_a_slow_server_is_given_up_and_does_not_hold_the_loop(
    receiver: Receiver, make: Callable[..., WebhookSink]
) -> None:
    gate = threading.Event()
    receiver.answer = lambda _request: Answer(until=gate)
    sink = make(timeout=1)
    assert isinstance(sink.deliver([event(1)]), Pending)
    with pytest.raises(TemporaryError, match="within 1 seconds|timed out"):
        delivered(sink, [event(1)])
    gate.set()
    assert delivered(make(), [event(1)]).executed == 1


def test_a_reset_connection_is_a_temporary_error(receiver: Receiver, make: Callable[..., WebhookSink]) -> None:
    receiver.answer = lambda _request: Answer(reset=True)
    with pytest.raises(TemporaryError, match="ConnectionError: .*(reset|aborted|closed)"):
        delivered(make(), [event(1)])


def test_an_unreachable_server_is_a_temporary_error(make: Callable[..., WebhookSink]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TemporaryError, match="Connection refused"):
        delivered(make(url=f"https://localhost:{port}/"), [event(1)])


def test_only_the_authority_of_the_configuration_is_trusted(
    receiver: Receiver, make: Callable[..., WebhookSink], tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other")
    for ca_file in (str(other.own.path), None):
        with pytest.raises(TemporaryError, match="SSLError: .*certificate verify failed"):
            delivered(make(ca_file=ca_file), [event(1)])
    assert receiver.requests == []


def test_a_certificate_of_another_host_is_refused(authority: Authority, make: Callable[..., WebhookSink]) -> None:
    elsewhere = Receiver(authority.issue("elsewhere", host="elsewhere.example.org"))
    try:
        with pytest.raises(TemporaryError, match="SSLError: .*certificate verify failed"):
            delivered(make(url=elsewhere.url), [event(1)])
        assert elsewhere.requests == []
    finally:
        elsewhere.close()


def test_the_proxy_of_the_configuration_is_used_and_no_other(
    receiver: Receiver, make: Callable[..., WebhookSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert delivered(make(), [event(1)]).executed == 1
    proxy = Receiver()
    proxy.answer = lambda _request: Answer(502)
    try:
        plain = Receiver()
        plain.close()
        through = make(url=plain.url, proxy=proxy.url.rpartition("/")[0])
        with pytest.raises(TemporaryError, match="answered 502"):
            delivered(through, [event(1)])
        assert proxy.requests[0].path == plain.url
    finally:
        proxy.close()


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
