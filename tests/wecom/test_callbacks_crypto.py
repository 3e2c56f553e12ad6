"""The cipher and the documents of callbacks, by the samples of the platform."""

import json
from pathlib import Path

import pytest

from scrm.wecom.rules.callback_crypto import (
    CipherError,
    decrypt,
    encrypt,
    is_aes_key,
    is_signed,
    signature,
)
from scrm.wecom.rules.envelopes import Unreadable, dedupe_key, encrypted_of, event_of
from tests.wecom.callbacks import joined, told

SHARED = Path(__file__).resolve().parents[3] / "shared" / "wecom"
VECTORS = SHARED / "crypto-vectors.json"
FIXTURES = sorted((SHARED / "fixtures").glob("*.xml"))

OFFICIAL_CHECK = {
    "token": "QDG6eK",
    "aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
    "receive_id": "wx5823bf96d3bd56c7",
    "signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "timestamp": "1409659589",
    "nonce": "263014780",
    "encrypted": (
        "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
    ),
    "plain": "1616140317555161061",
}
OFFICIAL_MESSAGE = {
    **OFFICIAL_CHECK,
    "signature": "477715d11cdb4164915debcba66cb864d751f3e6",
    "timestamp": "1409659813",
    "nonce": "1372623149",
    "encrypted": (
        "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUp"
        "j911L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue"
        "06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+"
        "3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH"
        "27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8"
        "R07+qN+E7Q=="
    ),
    "plain": (
        "<xml><ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>\n"
        "<FromUserName><![CDATA[mycreate]]></FromUserName>\n<CreateTime>1409659813</CreateTime>\n"
        "<MsgType><![CDATA[text]]></MsgType>\n<Content><![CDATA[hello]]></Content>\n"
        "<MsgId>4561255354251345929</MsgId>\n<AgentID>218</AgentID>\n</xml>"
    ),
}


def is_right(sample):
    return is_signed(
        sample["signature"],
        token=sample["token"],
        timestamp=sample["timestamp"],
        nonce=sample["nonce"],
        encrypted=sample["encrypted"],
    )


@pytest.mark.parametrize("sample", [OFFICIAL_CHECK, OFFICIAL_MESSAGE])
def test_the_official_samples_open(sample):
    assert is_right(sample)
    opened = decrypt(sample["aes_key"], sample["encrypted"], sample["receive_id"])
    assert opened.decode() == sample["plain"]


@pytest.mark.skipif(not VECTORS.exists(), reason="the collected vectors are not here")
def test_every_collected_vector_does_what_it_says():
    seen = set()
    for vector in json.loads(VECTORS.read_text())["vectors"]:
        CHECKS[vector["kind"]](vector)
        seen.add(vector["kind"])
    assert len(seen) >= 6


def opens(vector):
    sample = sample_of(vector)
    assert is_right(sample)
    opened = decrypt(sample["aes_key"], sample["encrypted"], sample["receive_id"])
    assert opened.decode() == vector["expected_plaintext"]


def encrypts(vector):
    random16 = vector["random16"].encode()
    key, receive_id = vector["encoding_aes_key"], vector["receive_id"]
    encrypted = encrypt(key, vector["plaintext"], receive_id, random16=random16)
    assert encrypted == vector["expected_encrypt"]
    signed = signature(vector["token"], vector["timestamp"], vector["nonce"], encrypted)
    assert signed == vector["expected_msg_signature"]


def is_only_signed(vector):
    assert is_right(sample_of(vector))


def is_badly_signed(vector):
    assert not is_right(sample_of(vector))


def is_for_somebody_else(vector):
    sample = sample_of(vector)
    assert is_right(sample)
    with pytest.raises(CipherError):
        decrypt(sample["aes_key"], sample["encrypted"], sample["receive_id"])


def has_bad_keys(vector):
    assert vector["keys"]
    assert not any(is_aes_key(key) for key in vector["keys"])


CHECKS = {
    "verify_url": opens,
    "decrypt_post": opens,
    "encrypt_reply": encrypts,
    "signature_only": is_only_signed,
    "verify_url_must_fail": is_badly_signed,
    "verify_url_wrong_receive_id": is_for_somebody_else,
    "invalid_encoding_aes_key": has_bad_keys,
}


def sample_of(vector):
    return {
        "token": vector["token"],
        "aes_key": vector["encoding_aes_key"],
        "receive_id": vector.get("receive_id"),
        "signature": vector["msg_signature"],
        "timestamp": vector["timestamp"],
        "nonce": vector["nonce"],
        "encrypted": vector.get("echostr") or vector["encrypt"],
    }


@pytest.mark.parametrize("length", range(70))
def test_a_message_of_any_length_comes_back(length):
    key = OFFICIAL_CHECK["aes_key"]
    message = ("群" * length).encode()[:length]
    assert decrypt(key, encrypt(key, message, "ww1"), "ww1") == message


def test_a_key_must_be_43_letters_and_digits():
    assert is_aes_key("a" * 43)
    assert not is_aes_key("a" * 42)
    assert not is_aes_key("a" * 42 + "é")
    assert not is_aes_key("a" * 43 + "\n")


@pytest.mark.parametrize(
    "encrypted", ["", "====", "YWJj", "not base64 at all", "群", "A" * 64, "\ud800"]
)
def test_what_is_no_hidden_message_is_refused(encrypted):
    with pytest.raises(CipherError):
        decrypt(OFFICIAL_CHECK["aes_key"], encrypted, "ww1")


# --- The documents --------------------------------------------------------------------------------


@pytest.mark.skipif(not FIXTURES, reason="the collected payloads are not here")
def test_every_collected_payload_is_read():
    for fixture in FIXTURES:
        read = event_of(fixture.read_bytes())
        assert read.event.startswith("change_"), fixture.name
        assert read.change_type, fixture.name
        assert read.subject, fixture.name
        assert read.occurred_at is not None, fixture.name


def test_members_come_as_items_as_a_list_with_commas_or_not_at_all():
    def members_of(more):
        return event_of(told("change_external_chat", "update", more)).members

    assert members_of("<MemChangeList><Item>a</Item><Item>b</Item></MemChangeList>") == ("a", "b")
    assert members_of("<MemChangeList>a,b,</MemChangeList>") == ("a", "b")
    assert members_of("<MemChangeList/>") == ()
    assert members_of("") == ()


def test_names_with_emoji_and_ids_of_64_characters_are_read():
    longest = "wm" + "x" * 62
    read = event_of(told("change_contact", "create_user", UserID=longest, Name="👨‍👩‍👧 林"))
    assert read.subject == longest
    assert read.fields["Name"] == "👨‍👩‍👧 林"


def test_a_message_that_is_no_event_is_called_by_its_kind():
    read = event_of(OFFICIAL_MESSAGE["plain"])
    assert (read.event, read.change_type, read.subject) == ("text", "", "")


@pytest.mark.parametrize("instant", ["", "soon", "-1", "9" * 12, "９"])
def test_an_instant_that_is_none_is_unknown(instant):
    assert event_of(told("change_contact", "create_user", CreateTime=instant)).occurred_at is None


def test_a_body_may_be_json():
    assert encrypted_of(b'{"tousername":"ww1","encrypt":"abc","agentid":"1"}') == "abc"
    assert encrypted_of(b"\xef\xbb\xbf<xml><Encrypt>abc</Encrypt></xml>") == "abc"
    assert encrypted_of(b"<xml/>") == encrypted_of(b'{"encrypt":5}') == ""


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b'{"a":' * 10_000, b"[1]", b"\xff\xfe", "<xml>中文群</xml>".encode("gbk"),
        "<xml/>".encode("utf-16"), b"<a>" * 5000, b"<xml>\x00</xml>", b"<xml>&#0;</xml>",
        b"<xml>&#55296;</xml>", b'{"encrypt":' + b"9" * 6000 + b"}",
    ],
)  # fmt: skip
def test_a_body_that_nobody_can_read_is_refused(body):
    with pytest.raises(Unreadable):
        encrypted_of(body)


# --- The same news --------------------------------------------------------------------------------


def key_of(xml):
    return dedupe_key(event_of(xml), xml)


def test_the_same_news_in_another_wording_has_the_same_key():
    first = joined("wr1", "a", "b", version="v2")
    assert key_of(first) == key_of(joined("wr1", "b", "a", version="v2", QuitScene="0"))
    assert key_of(first) != key_of(joined("wr1", "a", version="v2"))
    assert key_of(first) != key_of(joined("wr1", "a", "b", version="v3"))
    assert key_of(first) != key_of(joined("wr2", "a", "b", version="v2"))
    assert key_of(first) != key_of(joined("wr1", "a", "b", version="v2", at=1760001001))


def test_tags_of_one_group_made_in_one_second_differ():
    created = [told("change_external_tag", "create", Id=f"et{n}", TagType="tag") for n in range(3)]
    assert len({key_of(each) for each in created}) == 3


def test_what_we_do_not_understand_is_the_same_only_to_the_letter():
    first = told("change_contact", "update_user", UserID="lin", Department="1")
    assert key_of(first) == key_of(bytes(first))
    assert key_of(first) != key_of(told("change_contact", "update_user", UserID="lin"))
