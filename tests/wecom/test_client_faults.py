import json
import logging
import traceback

import httpx
import pytest
from django.db import transaction

from scrm.wecom.client import Kind, Outcome, WecomRefusal
from scrm.wecom.client.codes import CODES, GONE, words_for, words_of
from scrm.wecom.rules.status import Platform
from tests.wecom.calling import SECRET, TOKEN, Network, client_on

pytestmark = pytest.mark.django_db

GROUP = {"group_chat": {"chat_id": "wr1", "member_list": [{"userid": "a", "type": 1}]}}
CREATED = {"errcode": 0, "msgid": "msg1", "fail_list": []}
TIMEOUT = httpx.ReadTimeout("no answer from https://x/?access_token=" + TOKEN)
NO_WAY = httpx.ConnectError("https://x/?access_token=" + TOKEN)


def create(client):
    return client.create_mass_message(
        chat_type="group", sender="lin.qiao", chat_ids=["wr1"], text="你好"
    )


@pytest.mark.parametrize(
    "bad",
    [
        TIMEOUT,
        httpx.RemoteProtocolError("cut off"),
        httpx.Response(502, content=b"<html>"),
        b'{"errcode":0,"group_chat":{"chat_id":"wr',
        b"",
        b"[]",
        b'{"errcode":"soon"}',
        {"errcode": -1, "errmsg": "system busy"},
    ],
)
def test_a_read_that_got_no_good_answer_is_tried_again(bad):
    network = Network(bad, GROUP)
    assert client_on(network).group("wr1").members[0].id == "a"
    assert len(network.requests) == 2


def test_a_group_without_a_list_of_members_is_no_empty_group():
    with pytest.raises(WecomRefusal) as refused:
        client_on(Network({"errcode": 0, "group_chat": {"chat_id": "wr1"}})).group("wr1")
    assert refused.value.outcome is Outcome.RETRYABLE


def test_after_three_tries_a_read_gives_up_and_may_be_made_later():
    network = Network(TIMEOUT)
    client = client_on(network)
    with pytest.raises(WecomRefusal) as refused:
        client.group("wr1")
    assert len(network.requests) == 3
    assert (refused.value.kind, refused.value.outcome) == (Kind.TRANSIENT, Outcome.RETRYABLE)
    assert len(client.slept) == 2
    assert all(0 <= pause <= 2 for pause in client.slept)


@pytest.mark.parametrize(
    "bad", [TIMEOUT, httpx.Response(504), b"{", {"errcode": 0}, {"errcode": 999_123}]
)
def test_a_write_without_a_good_answer_is_of_unknown_outcome_and_never_repeated(bad):
    network = Network(bad)
    with pytest.raises(WecomRefusal) as refused:
        create(client_on(network))
    assert refused.value.outcome is Outcome.UNKNOWN
    assert len(network.requests) == 1
    assert words_for(refused.value)


@pytest.mark.parametrize("bad", [NO_WAY, {"errcode": -1}, {"errcode": "6000"}, {"errcode": 45035}])
def test_a_write_is_repeated_when_it_is_certain_that_nothing_was_done(bad):
    network = Network(bad, CREATED)
    assert create(client_on(network)).msgid == "msg1"


def test_a_write_that_sets_a_state_is_repeated_even_after_a_timeout():
    network = Network(TIMEOUT, {"errcode": 0})
    client_on(network).remark_customer("lin.qiao", "wm1", remark="小舟")
    assert len(network.requests) == 2


def test_a_redirect_is_not_followed():
    network = Network(httpx.Response(301, headers={"Location": "https://elsewhere.example/"}))
    with pytest.raises(WecomRefusal) as refused:
        client_on(network).group("wr1")
    assert refused.value.outcome is Outcome.PERMANENT
    assert len(network.requests) == 1


def test_an_errcode_that_is_text_is_understood():
    network = Network({"errcode": "0", **GROUP})
    assert client_on(network).group("wr1").chat_id == "wr1"


def test_a_failure_is_not_read_as_an_empty_list():
    network = Network({"errcode": 48002, "errmsg": "api forbidden", "follow_user": []})
    with pytest.raises(WecomRefusal) as refused:
        client_on(network).follow_users()
    assert (refused.value.code, refused.value.kind) == (48002, Kind.CONFIG)


def test_a_code_that_no_table_knows_keeps_what_the_platform_said():
    network = Network({"errcode": 123456, "errmsg": "something new"})
    with pytest.raises(WecomRefusal) as refused:
        client_on(network).group("wr1")
    assert (refused.value.kind, refused.value.message) == (Kind.UNKNOWN, "something new")
    assert "123456" in words_of(123456)


def test_a_staff_member_without_customers_has_none():
    network = Network({"errcode": 84061, "errmsg": "not external contact", "external_userid": []})
    assert client_on(network).customers_of("lin.qiao") == ()


def test_cancelling_twice_is_as_good_as_once():
    network = Network({"errcode": 41093})
    client_on(network).cancel_mass_message("msg1")


def test_a_company_of_the_real_platform_is_called_by_https_only():
    network = Network(GROUP)
    client_on(network, platform=Platform.OFFICIAL).group("wr1")
    assert network.requests[0].url.scheme == "https"
    assert network.requests[0].url.host == "qyapi.weixin.qq.com"


@pytest.mark.parametrize("address", ["", "http://simulator:port"])
def test_without_a_simulator_nothing_is_called(settings, address):
    settings.WECOM_SIMULATOR_URL = address
    client = client_on(None)
    with pytest.raises(WecomRefusal) as refused:
        client.group("wr1")
    assert refused.value.kind is Kind.CONFIG
    assert "SCRM_SIMULATOR_URL" in words_for(refused.value)


def test_text_goes_out_as_it_is_and_file_names_are_plain():
    network = Network({"media_id": "m1", "type": "file", "created_at": "1760000000"})
    client = client_on(network)
    client.upload_media("file", '../活动\r\n"海报".pdf', b"%PDF-1.7 content")
    assert b'filename="' + "活动海报.pdf".encode() + b'"' in network.requests[0].content
    network = Network(CREATED)
    client = client_on(network)
    client.create_mass_message(
        chat_type="single", sender="lin.qiao", text="𠮷🌊", external_userids=["wm1"]
    )
    assert "𠮷🌊".encode() in network.requests[0].content


def test_no_secret_stands_in_a_log_line_or_an_exception(caplog):
    caplog.set_level(logging.DEBUG)
    leak = {"errcode": 40001, "errmsg": f"bad corpsecret={SECRET} access_token={TOKEN} {SECRET}"}
    for bad in (TIMEOUT, NO_WAY, leak, httpx.Response(500)):
        with pytest.raises(WecomRefusal) as refused:
            client_on(Network(bad)).group("wr1")
        told = "".join(traceback.format_exception(refused.value)) + refused.value.message
        error = refused.value
        while error is not None:
            told += repr(error) + str(error)
            error = error.__context__
        assert SECRET not in told
        assert TOKEN not in told
    written = "".join(json.dumps(record.__dict__, default=str) for record in caplog.records)
    assert "Called WeCom." in written
    assert SECRET not in written
    assert TOKEN not in written


def test_every_try_leaves_one_line_in_the_log(caplog):
    caplog.set_level(logging.DEBUG, logger="scrm.wecom.client")
    client_on(Network({"errcode": -1, "errmsg": "system busy"}, GROUP)).group("wr1")
    lines = [record for record in caplog.records if getattr(record, "api", "") != "gettoken"]
    assert [(line.api, line.errcode, line.attempt) for line in lines] == [
        ("externalcontact/groupchat/get", -1, 1),
        ("externalcontact/groupchat/get", 0, 2),
    ]
    assert all(line.ms >= 0 and line.connection_id for line in lines)


def test_the_platform_is_not_called_inside_a_transaction():
    network = Network(GROUP)
    with transaction.atomic(), pytest.raises(RuntimeError):
        client_on(network).group("wr1")
    assert not network.requests


def test_every_code_has_words_and_those_of_things_that_are_gone_are_permanent():
    assert all(str(code.words) for code in CODES.values())
    assert all(CODES[number].outcome is Outcome.PERMANENT for number in GONE)
