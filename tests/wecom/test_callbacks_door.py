"""The address that the platform calls: what is taken, and the one answer to all the rest."""

import gzip
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import time_machine
from django.db import DatabaseError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from scrm.wecom.models import InboundEvent
from scrm.wecom.pages import callback as door
from scrm.wecom.rules.callback_crypto import encrypt
from scrm.wecom.services import inbox
from scrm.wecom.services.bell import Bell
from tests.wecom.callbacks import (
    Sent,
    address_check,
    envelope,
    event_call,
    joined,
    listening,
    path_of,
    signed,
    told,
)

OTHER_AES_KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR"

HOSTILE = {
    "bomb": '<!DOCTYPE x [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;">]>',
    "two bombs": '<!DOCTYPE x [<!ENTITY % p "x"><!ENTITY c "&#37;p;">]>',
    "cyclic": '<!DOCTYPE x [<!ENTITY c "&d;"><!ENTITY d "&c;">]>',
    "quadratic": f'<!DOCTYPE x [<!ENTITY c "{"B" * 20_000}">]>',
    "external entity": '<!DOCTYPE x [<!ENTITY c SYSTEM "http://127.0.0.1:9/x">]>',
    "external file": '<!DOCTYPE x [<!ENTITY c SYSTEM "file:///etc/passwd">]>',
    "document type": '<!DOCTYPE x PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://127.0.0.1:9/x.dtd">',
    "parameter entity": '<!DOCTYPE x [<!ENTITY % c SYSTEM "http://127.0.0.1:9/x"> %c;]>',
}


@pytest.fixture
def listener(db):
    return listening()


def is_refused(response):
    return (response.status_code, response.content) == (403, b"")


def taken(response):
    return (response.status_code, response.content) == (200, b"success")


# --- Saving our address ---------------------------------------------------------------------------


def test_the_plain_text_is_read_back_and_nothing_else(listener, client):
    response = address_check(listener).get(client)

    assert response.status_code == 200
    assert response.content == b"1616140317555161061"
    assert response["Content-Type"].startswith("text/plain")
    listener.refresh_from_db()
    assert listener.callback_verified_at is not None


def test_a_plus_that_became_a_space_is_a_plus_again(listener, client):
    check = address_check(listener)
    while "+" not in check.query["echostr"]:
        check = address_check(listener)
    broken = Sent(
        check.path, {**check.query, "echostr": check.query["echostr"].replace("+", " ")}, b""
    )
    assert broken.get(client).status_code == 200


def test_former_secrets_are_accepted_until_the_address_was_verified_with_the_new_ones(client, db):
    listener = listening(former_callback_token="Former1", former_callback_aes_key=OTHER_AES_KEY)
    former = {"token": "Former1", "aes_key": OTHER_AES_KEY}

    assert taken(event_call(listener, joined("wr1"), **former).post(client))
    assert taken(event_call(listener, joined("wr2")).post(client))
    assert address_check(listener, **former).get(client).status_code == 200
    listener.refresh_from_db()
    assert listener.callback_verified_at is None

    assert address_check(listener).get(client).status_code == 200
    assert is_refused(event_call(listener, joined("wr3"), **former).post(client))


# --- Taking events --------------------------------------------------------------------------------


def test_an_event_is_stored_before_it_is_answered(listener, client):
    message = joined("wrChat1", "wm1", "wm2", version="v2")

    response = event_call(listener, message).post(client)

    assert taken(response)
    event = InboundEvent.objects.get()
    assert (event.enterprise_id, event.connection_id) == (listener.enterprise_id, listener.pk)
    assert (event.event, event.change_type) == ("change_external_chat", "update")
    assert (event.detail, event.subject) == ("add_member", "wrChat1")
    assert event.occurred_at.timestamp() == 1760001000
    assert event.payload == message.decode()
    assert event.state == "waiting"


def test_the_payload_is_encrypted_at_rest(listener, client):
    event_call(listener, told("change_contact", "update_user", UserID="lin.qiao")).post(client)
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM wecom_inboundevent")
        assert "lin.qiao" not in cursor.fetchone()[0]


def test_one_statement_stores_an_event(listener, client, settings):
    settings.WECOM_LISTENER_SECONDS = 60
    event_call(listener, joined("wr1")).post(client)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert taken(event_call(listener, joined("wr2")).post(client))
    assert len(queries) == 1


@pytest.mark.parametrize("kind", ["sys_unheard_of", "change_external_contact"])
def test_an_event_of_an_unknown_type_is_stored(listener, client, kind):
    assert taken(event_call(listener, told(kind, "never_seen")).post(client))
    assert InboundEvent.objects.get().event == kind


@pytest.mark.parametrize(
    "name",
    ["👨‍👩‍👧", "𠮷" * 200, "x" * 5000, "wm" + "x" * 62, "\u202eابت", "&lt;b&gt;", "名\u0085"],
)
def test_odd_names_and_ids_are_stored(listener, client, name):
    message = told("change_contact", "create_user", UserID=name, Name=name)
    assert taken(event_call(listener, message).post(client))
    assert name[:128].strip() == InboundEvent.objects.get().subject


def test_a_body_in_json_or_with_a_byte_order_mark_or_of_another_type_is_taken(listener, client):
    def as_json(encrypted):
        return b'{"tousername":"ww1","encrypt":"%s","agentid":""}' % encrypted.encode()

    def with_mark(encrypted):
        return b"\xef\xbb\xbf" + envelope(encrypted)

    for number, body in enumerate((as_json, with_mark)):
        assert taken(event_call(listener, joined(f"wr{number}"), body=body).post(client))
    for content_type in ("application/json", "multipart/form-data", "", "x" * 300):
        call = event_call(listener, joined(content_type[:20]))
        assert taken(call.post(client, content_type=content_type))
    assert InboundEvent.objects.count() == 6


def test_a_body_without_a_length_is_read_to_its_end(listener, client):
    call = event_call(listener, joined("wr1"))
    assert taken(chunked(client, call))
    call.body = b"x" * 200_000
    assert is_refused(chunked(client, call))


def chunked(client, call):
    """As our server hands over a body whose length nobody told."""
    ends = {"wsgi.input_terminated": True, "wsgi.input": io.BytesIO(call.body)}
    return call.post(client, CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked", **ends)


# --- The same again -------------------------------------------------------------------------------


def test_a_repeated_callback_is_answered_and_stored_once(listener, client):
    call = event_call(listener, joined("wr1", "wm1"))
    assert taken(call.post(client))
    with time_machine.travel(time.time() + 1, tick=True):
        assert taken(call.post(client))
    again = event_call(listener, joined("wr1", "wm1"), nonce="another")
    assert taken(again.post(client))
    assert InboundEvent.objects.count() == 1


@pytest.mark.parametrize("seconds", [600, 86_400, -600])
def test_a_callback_is_not_taken_long_after_it_was_signed_nor_before(listener, client, seconds):
    call = event_call(listener, joined("wr1", "wm1"))
    with time_machine.travel(time.time() + seconds, tick=True):
        assert is_refused(call.post(client))
    assert not InboundEvent.objects.exists()


def test_the_same_news_for_two_connections_is_stored_for_both(listener, client):
    for connected in (listener, listening()):
        assert taken(event_call(connected, joined("wr1", "wm1")).post(client))
    assert InboundEvent.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_thousand_duplicates_at_once_are_one_row(settings):
    settings.WECOM_LISTENER_SECONDS = 60
    listener = listening()
    sender = threading.local()
    calls = [event_call(listener, joined("wr1", "wm1"), nonce=str(n)) for n in range(1000)]

    def post(call):
        if not hasattr(sender, "client"):
            sender.client = Client()
        return taken(call.post(sender.client))

    with ThreadPoolExecutor(10, initializer=connection.ensure_connection) as pool:
        answers = list(pool.map(post, calls))
        list(pool.map(lambda _: connections.close_all(), range(100)))

    assert all(answers)
    assert InboundEvent.objects.count() == 1


# --- Everything else ------------------------------------------------------------------------------


def flipped(text, position):
    return text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]


def test_a_flipped_bit_anywhere_gets_the_one_answer(listener, client, settings):
    settings.WECOM_LISTENER_SECONDS = 60
    call = event_call(listener, joined("wr1", "wm1"))
    forged = []
    for name in ("msg_signature", "timestamp"):
        for position in range(len(call.query[name])):
            query = {**call.query, name: flipped(call.query[name], position)}
            forged.append(Sent(call.path, query, call.body))
    start, end = call.body.index(b"<Encrypt>") + 18, call.body.index(b"]]></Encrypt>")
    for position in range(start, end):
        body = bytearray(call.body)
        body[position] ^= 1
        forged.append(Sent(call.path, call.query, bytes(body)))

    answers = {
        (
            response.status_code,
            response.content,
            tuple(sorted(set(response.headers) - {"X-Request-ID"})),
        )
        for response in (each.post(client) for each in forged)
    }

    assert len(forged) > 300
    assert [(status, content) for status, content, _headers in answers] == [(403, b"")]
    assert not InboundEvent.objects.exists()


def test_a_good_signature_over_a_broken_cipher_is_refused(listener, client, settings):
    """Whoever knows the token, but not the key, learns nothing about the padding."""
    settings.WECOM_LISTENER_SECONDS = 60
    good = encrypt(listener.callback_aes_key, joined("wr1"), listener.corp_id)
    for position in range(0, len(good) - 2, 7):
        forged = flipped(good, position)
        call = Sent(path_of(listener), signed(listener, forged), envelope(forged))
        assert is_refused(call.post(client))


def test_a_callback_for_another_company_is_refused(listener, client):
    for receive_id in ("ww0000000000000000", "", listener.corp_id + "x"):
        assert is_refused(event_call(listener, joined(), receive_id=receive_id).post(client))


def test_an_unknown_address_and_a_paused_connection_refuse_alike(listener, client):
    assert is_refused(event_call(listening(state="paused"), joined()).post(client))
    call = event_call(listener, joined())
    for key in ("unknown", "x" * 43, "x" * 500, "%00", "%F0%9F%98%80", "..%2f"):
        call.path = f"/wecom/callback/{key}"
        assert is_refused(call.post(client))
        assert is_refused(call.get(client))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_documents_are_refused_inside_and_outside(listener, client, kind):
    inner = f"{HOSTILE[kind]}<xml><Event>&c;</Event></xml>".encode()
    assert is_refused(event_call(listener, inner).post(client))
    harmless_reference = f"{HOSTILE[kind]}<xml><Event>x</Event></xml>".encode()
    assert is_refused(event_call(listener, harmless_reference).post(client))

    def outer(encrypted):
        return HOSTILE[kind].encode() + envelope(encrypted)

    assert is_refused(event_call(listener, joined(), body=outer).post(client))


@pytest.mark.parametrize("length", [65_537, 10_000_000])
def test_a_long_body_is_refused(listener, client, length):
    call = event_call(listener, joined())
    call.body += b" " * (length - len(call.body))
    assert is_refused(call.post(client))


def test_a_length_of_100_megabytes_is_refused_before_anything_is_read(listener, client):
    class Untouchable:
        def read(self, *_):
            raise AssertionError("It was read.")

        readline = read

    call = event_call(listener, joined())
    response = call.post(client, CONTENT_LENGTH="100000000", **{"wsgi.input": Untouchable()})
    assert is_refused(response)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x00", b"{}", b'{"encrypt":"\\ud800"}', gzip.compress(b"<xml/>", mtime=0),
        "<xml><Encrypt>中文群</Encrypt></xml>".encode("gbk"), b"<xml><Encrypt>a</Encrypt>",
        b'<?xml version="1.0" encoding="klingon"?><xml/>', b"<a>" * 5000,
    ],
)  # fmt: skip
def test_a_body_that_is_no_callback_is_refused(listener, client, body):
    call = event_call(listener, joined())
    call.body = body
    assert is_refused(call.post(client))


def test_a_hidden_message_that_is_no_document_is_refused(listener, client):
    for message in (
        b"",
        b"hello",
        b"\xff\xfe",
        "<xml>中文群</xml>".encode("gbk"),
        b"<xml>\x00</xml>",
    ):
        assert is_refused(event_call(listener, message).post(client))


@pytest.mark.parametrize(
    "query",
    [
        "", "msg_signature=&timestamp=&nonce=", "timestamp=%D9%A1%D9%A2", "timestamp=1e9",
        "nonce=%00&timestamp=%00", "echostr=%ED%A0%80", "timestamp=" + "9" * 5000,
        "&".join(f"a{n}=1" for n in range(3000)),
    ],
)  # fmt: skip
def test_odd_parameters_are_refused(listener, client, query):
    path = f"{path_of(listener)}?{query}"
    assert is_refused(client.get(path))
    assert is_refused(client.generic("POST", path, b"<xml/>"))


def test_other_methods_are_not_allowed(listener, client):
    for method in ("PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"):
        assert client.generic(method, path_of(listener)).status_code == 405


def test_why_it_was_refused_is_told_to_our_log_without_the_payload(listener, client, caplog):
    door.REFUSALS.quiet_until = 0.0
    door.REFUSALS.reasons.clear()
    call = event_call(listener, joined("wrSecretChat"), receive_id="ww0")
    call.post(client)
    call.post(client)
    lines = [record for record in caplog.records if record.name == door.logger.name]
    assert [line.reasons for line in lines] == [{"meant for somebody else": 1}]
    assert "wrSecretChat" not in caplog.text


# --- When something is away -----------------------------------------------------------------------


def test_without_the_database_nothing_is_answered_as_taken(listener, client, monkeypatch):
    def away(*_args, **_kwargs):
        raise DatabaseError("away")

    call = event_call(listener, joined())
    with connection.execute_wrapper(away):
        response = call.post(client)
    assert response.status_code == 503


def test_a_burst_costs_one_look_at_the_connection(listener, client, settings):
    settings.WECOM_LISTENER_SECONDS = 60
    path = path_of(listener)
    forged = Sent(path, signed(listener, "x", token="wrong"), envelope("x"))
    forged.post(client)
    with CaptureQueriesContext(connection) as queries:
        for _ in range(20):
            assert is_refused(forged.post(client))
    assert len(queries) == 0


def test_new_secrets_are_seen_soon_although_the_former_ones_are_kept(
    listener, client, settings, monkeypatch
):
    settings.WECOM_LISTENER_SECONDS = 60
    monkeypatch.setattr(inbox, "FRESH_SECONDS", 0.05)
    assert taken(event_call(listener, joined("wr1")).post(client))
    listener.callback_token = "Rotated1"
    listener.save(update_fields=["callback_token"])
    time.sleep(0.06)
    assert taken(event_call(listener, joined("wr2")).post(client))


def test_a_bell_without_a_broker_costs_nothing_and_rings_on(settings):
    settings.WECOM_WAKE_SECONDS = 0.01
    rung = threading.Semaphore(0)

    def ring():
        rung.release()
        raise ConnectionError("away")

    bell = Bell(ring)
    for _ in range(2):
        began = time.perf_counter()
        bell.ask()
        assert time.perf_counter() - began < 0.1
        assert rung.acquire(timeout=5)
        time.sleep(0.03)
