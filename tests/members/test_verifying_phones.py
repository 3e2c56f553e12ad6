"""How a one-time code leaves the house."""

import base64
import hashlib
import hmac
import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.db import connection
from django.utils import timezone

from members.channels.verification import SandboxCodeChannel
from members.doctor import codes_reach_phones
from members.errors import CodeNotSent, NotAPhone, VerificationOff
from members.models import PhoneVerification
from members.services.verifying_phones import confirm_code, forget_phones, request_code
from scrm.shared.diagnosis import Status
from tests.accounts.factories import EnterpriseFactory

pytestmark = pytest.mark.django_db


class Receiver(HTTPServer):
    """The customer's own service that sends text messages."""

    status = 204

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received = []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(settings):
    with Receiver() as server:
        settings.VERIFICATION = "webhook"
        settings.VERIFICATION_URL = f"http://127.0.0.1:{server.server_port}/sms"
        settings.VERIFICATION_SECRET = "geheim"
        settings.CHANNEL_LOOPBACK_ALLOWED = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def request(phone="138 0013 8000"):
    return request_code(EnterpriseFactory(), phone=phone, client="10.0.0.1")


def test_a_code_is_posted_signed_and_kept_nowhere_else(receiver):
    verification = request()

    headers, body = receiver.received[0]
    told = json.loads(body)
    assert (told["type"], told["phone"]) == ("verification.send", "13800138000")
    assert told["valid_seconds"] == 300
    key = f"phone-verification-{verification.pk}"
    assert headers["Idempotency-Key"] == headers["webhook-id"] == told["key"] == key
    signed = f"{key}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(b"geheim", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert verification.sandbox_code == ""
    assert confirm_code(verification.pk, code=told["code"]).verified_at is not None


@pytest.mark.parametrize("status", [302, 400, 404, 500, 503])
def test_a_sender_that_refuses_is_said_to_have_failed(receiver, status):
    receiver.status = status

    with pytest.raises(CodeNotSent):
        request()

    assert len(receiver.received) == 1


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1/", "https://169.254.169.254/latest"])
def test_an_address_that_cannot_be_called_is_a_failure_to_send(receiver, settings, url):
    settings.VERIFICATION_URL = url
    settings.CHANNEL_LOOPBACK_ALLOWED = url.startswith("http:")

    with pytest.raises(CodeNotSent):
        request()


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_the_code_is_sent(settings, monkeypatch):
    settings.VERIFICATION = "sandbox"
    seen = []
    monkeypatch.setattr(
        SandboxCodeChannel, "send", lambda *_, **__: seen.append(connection.in_atomic_block)
    )

    request()

    assert seen == [False]


def test_without_a_sender_nothing_is_written_down(settings):
    settings.VERIFICATION = "none"

    with pytest.raises(VerificationOff):
        request()
    with pytest.raises(NotAPhone):
        request("abc")

    assert not PhoneVerification.objects.exists()


def test_numbers_are_forgotten_after_eight_days(settings):
    settings.VERIFICATION = "sandbox"
    kept = request()
    old = request("13900139000")
    PhoneVerification.objects.filter(pk=old.pk).update(sent_at=timezone.now() - timedelta(days=9))

    assert forget_phones(timezone.now()) == 1
    assert PhoneVerification.objects.get() == kept


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"VERIFICATION": "none"}, Status.WARNING),
        ({"VERIFICATION": "sandbox"}, Status.WARNING),
        ({"VERIFICATION": "sandbox", "EMBEDDED": True}, Status.OK),
        ({"VERIFICATION": "webhook"}, Status.WARNING),
        ({"VERIFICATION": "webhook", "VERIFICATION_URL": "https://a.example/"}, Status.WARNING),
        (
            {
                "VERIFICATION": "webhook",
                "VERIFICATION_URL": "https://a.example/",
                "VERIFICATION_SECRET": "whsec_a",
            },
            Status.OK,
        ),
    ],
)
def test_the_doctor_says_whether_codes_reach_phones(settings, changes, status):
    for name, value in changes.items():
        setattr(settings, name, value)

    finding = codes_reach_phones()

    assert finding.status == status
    assert status == Status.OK or finding.fix
