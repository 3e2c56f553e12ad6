import base64
import hashlib
import hmac
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from campaigns.channels.protocol import (
    ChannelDown,
    Envelope,
    Message,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from campaigns.channels.registry import channel_for, unattended_kinds
from campaigns.channels.sandbox import SandboxChannel
from campaigns.channels.webhook import WebhookChannel
from campaigns.models import SandboxMessage
from scrm.shared import signed_http
from scrm.shared.signed_http import MAX_ANSWER_BYTES, signature_headers
from scrm.wecom.models import ChannelAccount
from tests.wecom.factories import ChannelAccountFactory


def envelope_of(account, *refs, key="dispatch-7", body="你好"):
    messages = tuple(Message(ref, body) for ref in refs)
    return Envelope(key, account, "member", messages)


# --- the registry ---


def test_the_shipped_channels_are_found_by_kind():
    assert isinstance(channel_for("sandbox"), SandboxChannel)
    assert isinstance(channel_for("webhook"), WebhookChannel)
    assert channel_for("wecom").confirms
    assert unattended_kinds() == ["sandbox", "webhook"]
    with pytest.raises(ImproperlyConfigured):
        channel_for("pigeon")


def test_a_lease_too_short_for_a_call_is_refused(settings):
    settings.LEASE_SECONDS = 12
    settings.CHANNELS = {"other": "tests.campaigns.test_channels.SlowChannel"}

    with pytest.raises(ImproperlyConfigured, match="does not fit"):
        channel_for("other")


class SlowChannel(WebhookChannel):
    call_timeout = 11.0


# --- the sandbox ---


@pytest.mark.django_db
def test_the_sandbox_takes_a_key_once():
    account = ChannelAccountFactory()
    envelope = envelope_of(account, "a", "b")

    first = SandboxChannel().send(envelope)
    again = SandboxChannel().send(envelope)

    assert first == again
    assert {o.status for o in first.outcomes} == {OutcomeStatus.DELIVERED}
    assert SandboxMessage.objects.count() == 2


@pytest.mark.django_db
def test_the_sandbox_answers_for_everybody_it_ever_took_under_a_key():
    account = ChannelAccountFactory()
    SandboxChannel().send(envelope_of(account, "a", "b"))

    answer = SandboxChannel().send(envelope_of(account, "a")).outcomes

    assert {o.recipient_ref for o in answer} == {"a", "b"}


@pytest.mark.django_db
def test_the_sandbox_fails_a_stable_share():
    account = ChannelAccountFactory(failure_percent=30)
    envelope = envelope_of(account, *(f"m{n}" for n in range(500)))

    first, again = SandboxChannel().send(envelope), SandboxChannel().send(envelope)

    assert first == again
    failed = [o for o in first.outcomes if o.status is OutcomeStatus.FAILED]
    assert 100 < len(failed) < 200
    assert {o.code for o in failed} == {"sandbox_failure"}
    assert SandboxMessage.objects.count() == 500 - len(failed)


@pytest.mark.django_db
def test_the_sandbox_can_be_asked():
    account = ChannelAccountFactory()
    envelope = envelope_of(account, "a")

    assert SandboxChannel().look_up(envelope) is None
    sent = SandboxChannel().send(envelope)
    assert SandboxChannel().look_up(envelope) == sent


@pytest.mark.django_db
def test_the_sandbox_tells_attachments_by_their_names():
    account = ChannelAccountFactory()
    link = {"kind": "link", "title": "报名", "url": "https://a.example/", "picture": None}

    SandboxChannel().send(replace(envelope_of(account, "a"), attachments=(link,)))

    assert SandboxMessage.objects.get().body == "你好\n［链接］报名 https://a.example/"


# --- the webhook ---


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        status, headers, answer = self.server.answer(json.loads(body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def all_delivered(document):
    results = [{"recipient": m["recipient"], "status": "delivered"} for m in document["messages"]]
    return 200, {}, json.dumps({"results": results}).encode()


@pytest.fixture
def receiver(settings):
    settings.CHANNEL_LOOPBACK_ALLOWED = True
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.answer = [], all_delivered
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def account_at(server, **values):
    url = f"http://127.0.0.1:{server.server_port}/in?x=1"
    return ChannelAccount(kind="webhook", endpoint=url, secret="geheim", **values)


def test_a_batch_is_posted_signed_and_answered_per_recipient(receiver):
    outcomes = WebhookChannel().send(envelope_of(account_at(receiver), "a", "b")).outcomes

    assert outcomes == (
        Outcome("a", OutcomeStatus.DELIVERED),
        Outcome("b", OutcomeStatus.DELIVERED),
    )
    headers, body = receiver.received[0]
    assert json.loads(body) == {
        "type": "messages.send",
        "key": "dispatch-7",
        "recipient_kind": "member",
        "messages": [{"recipient": "a", "body": "你好"}, {"recipient": "b", "body": "你好"}],
    }
    assert headers["Idempotency-Key"] == headers["webhook-id"] == "dispatch-7"
    signed = f"dispatch-7.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"geheim", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - timezone.now().timestamp()) < 60


def test_the_signature_is_the_one_of_the_standard():
    """The example of the Standard Webhooks libraries."""
    headers = signature_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        key="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("status", "headers", "refusal", "code"),
    [
        (429, {"Retry-After": "7"}, RateLimited, "rate_limited"),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, RateLimited, "rate_limited"),
        (500, {}, OutcomeUnknown, "http_500"),
        (503, {}, OutcomeUnknown, "http_503"),
        (302, {"Location": "http://127.0.0.1/"}, Rejected, "redirect_refused"),
        (400, {}, Rejected, "http_400"),
        (410, {}, Rejected, "http_410"),
    ],
)
def test_a_refusal_is_told_apart(receiver, status, headers, refusal, code):
    receiver.answer = lambda _: (status, headers, b"")

    with pytest.raises(refusal) as raised:
        WebhookChannel().send(envelope_of(account_at(receiver), "a"))

    assert raised.value.code == code
    assert len(receiver.received) == 1  # nothing followed a redirect


def test_the_wish_to_wait_is_read(receiver):
    receiver.answer = lambda _: (429, {"Retry-After": "7"}, b"")

    with pytest.raises(RateLimited) as raised:
        WebhookChannel().send(envelope_of(account_at(receiver), "a"))

    assert raised.value.retry_after == 7


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"ok",
        b"[]",
        b"{}",
        b'{"results": 1}',
        b'{"results": [1]}',
        b'{"results": [{"recipient": 1, "status": "delivered"}]}',
        b'{"results": [{"recipient": "a", "status": "perhaps"}]}',
        b'{"results": [{"recipient": "a", "status": "awaiting"}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_an_answer_that_makes_no_sense_leaves_the_outcome_open(receiver, answer):
    receiver.answer = lambda _: (200, {}, answer)

    with pytest.raises(OutcomeUnknown) as raised:
        WebhookChannel().send(envelope_of(account_at(receiver), "a"))

    assert raised.value.code == "bad_answer"


def test_an_answer_without_end_is_cut_off(receiver):
    receiver.answer = lambda _: (200, {}, b" " * (MAX_ANSWER_BYTES + 70_000))

    with pytest.raises(OutcomeUnknown):
        WebhookChannel().send(envelope_of(account_at(receiver), "a"))


def test_a_code_that_is_no_code_is_not_kept(receiver):
    failed = {"results": [{"recipient": "a", "status": "failed", "code": "<script>x</script>"}]}
    receiver.answer = lambda _: (200, {}, json.dumps(failed).encode())

    outcomes = WebhookChannel().send(envelope_of(account_at(receiver), "a")).outcomes

    assert outcomes == (Outcome("a", OutcomeStatus.FAILED, "failed"),)


def test_an_answer_that_does_not_come_leaves_the_outcome_open(receiver):
    channel = WebhookChannel()
    channel.call_timeout = 0.2
    release = threading.Event()
    receiver.answer = lambda d: release.wait(5) and all_delivered(d)

    with pytest.raises(OutcomeUnknown) as raised:
        channel.send(envelope_of(account_at(receiver), "a"))

    release.set()
    assert raised.value.code == "no_answer"


def test_nobody_listening_means_nothing_was_handed_over(settings):
    settings.CHANNEL_LOOPBACK_ALLOWED = True
    account = ChannelAccount(kind="webhook", endpoint="http://127.0.0.1:1/in")

    with pytest.raises(ChannelDown):
        WebhookChannel().send(envelope_of(account, "a"))


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "ftp://example.com/",
        "http://example.com/",
        "https://example.com:8443/",
        "https://user:pass@example.com/",
        "https://example.com:99999/",
        "https://" + "a" * 2100,
        "https:///nowhere",
    ],
)
def test_an_endpoint_that_is_not_plain_https_is_refused(endpoint, monkeypatch):
    monkeypatch.setattr(signed_http, "resolve", lambda *_: ["93.184.216.34"])
    account = ChannelAccount(kind="webhook", endpoint=endpoint)

    with pytest.raises(Rejected) as raised:
        WebhookChannel().send(envelope_of(account, "a"))

    assert raised.value.code == "endpoint_refused"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["93.184.216.34", "169.254.169.254"],
        ["::1"],
        ["64:ff9b::7f00:1"],
    ],
)
def test_a_name_that_leads_inside_is_refused_whatever_else_it_leads_to(addresses, monkeypatch):
    monkeypatch.setattr(signed_http, "resolve", lambda *_: addresses)
    account = ChannelAccount(kind="webhook", endpoint="https://inside.example.com/")

    with pytest.raises(Rejected):
        WebhookChannel().send(envelope_of(account, "a"))


@pytest.mark.parametrize("host", ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "localhost"])
def test_loopback_in_disguise_is_seen_after_resolving(host):
    account = ChannelAccount(kind="webhook", endpoint=f"https://{host}/")

    with pytest.raises((Rejected, ChannelDown)):
        WebhookChannel().send(envelope_of(account, "a"))


def test_the_call_goes_to_the_address_that_was_checked_and_not_to_a_second_look_up(
    receiver, monkeypatch
):
    asked = []
    monkeypatch.setattr(signed_http, "resolve", lambda *_: asked.append(1) or ["127.0.0.1"])
    account = ChannelAccount(
        kind="webhook", endpoint=f"http://rebinding.example.com:{receiver.server_port}/"
    )

    WebhookChannel().send(envelope_of(account, "a"))

    assert len(asked) == 1
    assert receiver.received[0][0]["Host"] == f"rebinding.example.com:{receiver.server_port}"
