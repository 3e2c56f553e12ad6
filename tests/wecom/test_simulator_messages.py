import re

import pytest
from defusedxml.ElementTree import fromstring

from scrm.wecom.simulator.refusals import Impossible
from tests.wecom.simulated import company

ADD = "externalcontact/add_msg_template"
TASKS, RESULTS = "externalcontact/get_groupmsg_task", "externalcontact/get_groupmsg_send_result"
DAY = 86_400
PNG = b"\x89PNG\r\n\x1a\n rest"


@pytest.fixture
def api():
    api = company()
    api.corp.clock.freeze()
    for userid in ("lin.qiao", "zhao.min"):
        api.corp.add_staff(userid, userid)
    return api


def group_message(api, chats, **body):
    body = {"chat_type": "group", "sender": "lin.qiao", "text": {"content": "周六活动"}, **body}
    return api.post(ADD, chat_id_list=chats, **body)


def upload(api, type="image", name="图片.png", content=PNG):
    query = {"access_token": api.token, "type": type}
    return api.http.post(
        "/cgi-bin/media/upload", params=query, files={"media": (name, content)}
    ).json()


# --- Mass messages ------------------------------------------------------------------------------


def test_a_mass_message_reaches_groups_only_once_its_sender_taps(api):
    corp = api.corp
    chat, other = corp.create_group("lin.qiao"), corp.create_group("zhao.min")
    made = group_message(api, [chat, other])
    msgid = made["msgid"]
    assert made["fail_list"] == [other]
    assert api.code(TASKS, msgid=msgid) == 41063
    corp.clock.advance(2)
    assert api.post(TASKS, msgid=msgid)["task_list"] == [{"userid": "lin.qiao", "status": 0}]
    assert api.post(RESULTS, msgid=msgid, userid="lin.qiao")["send_list"] == []

    assert corp.tap_send(msgid, "lin.qiao") == 1
    (task,) = api.post(TASKS, msgid=msgid)["task_list"]
    assert (task["status"], task["send_time"]) == (2, corp.clock.second())
    (row,) = api.post(RESULTS, msgid=msgid, userid="lin.qiao")["send_list"]
    assert (row["chat_id"], row["status"]) == (chat, 1)
    with pytest.raises(Impossible):
        corp.tap_send(msgid, "lin.qiao")


def test_a_group_gets_as_many_mass_messages_as_the_month_has_days(api):
    corp = api.corp
    corp.settings.mass_messages = "day"
    first, second = corp.create_group("lin.qiao"), corp.create_group("lin.qiao")
    corp.tap_send(group_message(api, [first])["msgid"], "lin.qiao")
    assert group_message(api, [first])["errcode"] == 41048
    msgid = group_message(api, [first, second])["msgid"]
    corp.tap_send(msgid, "lin.qiao")
    corp.clock.advance(2)
    rows = api.post(RESULTS, msgid=msgid, userid="lin.qiao")["send_list"]
    assert [row["status"] for row in rows] == [3, 1]
    corp.settings.mass_messages = "month"
    assert group_message(api, [first])["errcode"] == 0


def test_a_mass_message_to_customers_goes_to_who_talked_last(api):
    corp = api.corp
    customer, stranger = corp.add_customer(staff="lin.qiao"), corp.add_person()
    corp.clock.advance(60)
    corp.add_contact("zhao.min", customer)
    corp.clock.advance(60)
    corp.talk("lin.qiao", customer)
    text = {"content": "你好"}
    made = api.post(ADD, external_userid=[customer, stranger], text=text)
    assert made["fail_list"] == [stranger]
    corp.clock.advance(2)
    assert [t["userid"] for t in api.post(TASKS, msgid=made["msgid"])["task_list"]] == ["lin.qiao"]
    assert api.code(ADD, external_userid=[stranger], text=text) == 84061
    assert api.code(ADD, text=text) == 40063
    corp.delete_contact("lin.qiao", customer)
    corp.tap_all(made["msgid"])
    (row,) = api.post(RESULTS, msgid=made["msgid"], userid="lin.qiao")["send_list"]
    assert row == {"external_userid": customer, "userid": "lin.qiao", "status": 2}


def test_reminders_and_stopping_have_their_limits(api):
    chat = api.corp.create_group("lin.qiao")
    msgid = group_message(api, [chat])["msgid"]
    remind, cancel = "externalcontact/remind_groupmsg_send", "externalcontact/cancel_groupmsg_send"
    assert [api.code(remind, msgid=msgid) for _ in range(4)] == [0, 0, 0, 41094]
    assert [api.code(cancel, msgid=msgid) for _ in range(2)] == [0, 41093]
    assert api.code(remind, msgid=msgid) == 41093
    assert api.code(cancel, msgid="nothing") == 41047
    assert api.code(remind) == 41046
    with pytest.raises(Impossible):
        api.corp.tap_send(msgid, "lin.qiao")


def test_what_a_message_holds_is_checked(api):
    chat = api.corp.create_group("lin.qiao")
    link = {"msgtype": "link", "link": {"title": "t", "url": "https://example.com"}}
    cases = [
        ({"text": {}}, 40063),
        ({"text": {"content": "字" * 1334}}, 45002),
        ({"attachments": [link] * 10}, 41064),
        ({"attachments": [{"msgtype": "voice"}]}, 41065),
        ({"attachments": [{"msgtype": "image", "image": {"media_id": "x"}}]}, 40007),
        ({"attachments": [{"msgtype": "link", "link": {"title": "t"}}]}, 40063),
        ({"sender": ""}, 40058),
        ({"sender": "nobody"}, 40003),
        ({"attachments": [link]}, 0),
    ]
    assert [group_message(api, [chat], **body)["errcode"] for body, _ in cases] == [
        code for _, code in cases
    ]


def test_some_items_fail_on_demand(api):
    corp = api.corp
    chats = [corp.create_group("lin.qiao") for _ in range(4)]
    corp.faults.fail_items(ADD, 41048, share=0.5)
    assert len(group_message(api, chats)["fail_list"]) == 2


# --- Welcomes, media, tags, join ways -----------------------------------------------------------


def test_a_welcome_code_works_once_for_twenty_seconds(api):
    corp, send = api.corp, "externalcontact/send_welcome_msg"
    text = {"content": "欢迎"}

    def code():
        corp.add_customer(staff="lin.qiao")
        return fromstring(corp.outbox.take()[-1].xml).findtext("WelcomeCode")

    first, late = code(), code()
    other = api.beside()
    assert api.code(send, welcome_code=first, text=text) == 0
    assert api.code(send, welcome_code=first, text=text) == 41050
    assert other.code(send, welcome_code=first, text=text) == 41051
    corp.clock.advance(21)
    assert api.code(send, welcome_code=late, text=text) == 41050
    assert api.code(send, text=text) == 41049


def test_templates_belong_to_the_app_that_made_them(api):
    base = "externalcontact/group_welcome_template"
    made = api.post(f"{base}/add", text={"content": "欢迎 %NICKNAME%"}, notify=0)["template_id"]
    assert api.post(f"{base}/get", template_id=made)["text"]["content"] == "欢迎 %NICKNAME%"
    other = api.beside()
    assert other.code(f"{base}/edit", template_id=made, text={"content": "x"}) == 41058
    assert api.code(f"{base}/edit", template_id=made, text={"content": "x"}) == 0
    assert api.code(f"{base}/del", template_id=made) == 0
    assert api.code(f"{base}/get", template_id=made) == 40037


def test_media_are_checked_and_last_three_days(api):
    made = upload(api)
    assert (made["errcode"], made["type"]) == (0, "image")
    assert made["created_at"] == str(api.corp.clock.second())
    query = {"access_token": api.token, "media_id": made["media_id"]}
    assert api.http.get("/cgi-bin/media/get", params=query).content == PNG
    assert upload(api, type="sound")["errcode"] == 40004
    assert upload(api, content=b"GIF89a...")["errcode"] == 40005
    assert upload(api, content=b"")["errcode"] == 44001
    assert upload(api, content=b"\x89PNG")["errcode"] == 40006
    assert upload(api, type="file", name="大.pdf", content=b"x" * 20_971_521)["errcode"] == 45001

    image = {"msgtype": "image", "image": {"media_id": made["media_id"]}}
    chat = api.corp.create_group("lin.qiao")
    assert group_message(api, [chat], attachments=[image])["errcode"] == 0
    api.corp.clock.advance(3 * DAY)
    api.token = api.fresh_token()
    assert group_message(api, [chat], attachments=[image])["errcode"] == 40007


def test_tags_are_made_once_marked_and_deleted_with_their_group(api):
    corp, tag = api.corp, "externalcontact/{}_corp_tag".format
    customer = corp.add_customer(staff="lin.qiao")
    corp.outbox.take()
    made = api.post(tag("add"), group_name="来源", tag=[{"name": "展会"}, {"name": "展会"}])
    (first,) = made["tag_group"]["tag"]
    more = api.post(tag("add"), group_name="来源", tag=[{"name": "门店", "order": 5}])["tag_group"]
    assert more["group_id"] == made["tag_group"]["group_id"]
    assert api.code(tag("add"), group_name="来源", tag=[{"name": "门店"}]) == 40071
    assert api.code(tag("add"), group_name="来源", tag=[{"name": "长" * 31}]) == 40072
    mark = {"userid": "lin.qiao", "external_userid": customer}
    assert api.code("externalcontact/mark_tag", add_tag=[first["id"]], **mark) == 0
    assert api.code("externalcontact/mark_tag", add_tag=["etnothing"], **mark) == 40068
    assert api.code("externalcontact/mark_tag", userid="zhao.min", external_userid=customer,
                    add_tag=[first["id"]]) == 84061  # fmt: skip
    follow = api.get("externalcontact/get", external_userid=customer)["follow_user"][0]
    assert [each["tag_name"] for each in follow["tags"]] == ["展会"]
    assert api.beside().code(tag("edit"), id=first["id"], name="x") == 60011
    listed = api.post("externalcontact/get_corp_tag_list")["tag_group"][0]["tag"]
    assert [each["name"] for each in listed] == ["门店", "展会"]
    assert api.code(tag("del"), tag_id=[each["id"] for each in listed]) == 0
    assert api.post("externalcontact/get_corp_tag_list")["tag_group"] == []
    assert corp.outbox.take() == []
    corp.add_tags("等级", ["金", "银"])
    assert [callback.change_type for callback in corp.outbox.take()] == ["create"] * 3


def test_a_join_way_leads_into_the_next_group_and_then_into_a_new_one(api):
    corp, way = api.corp, "externalcontact/groupchat/{}_join_way".format
    corp.settings.group_capacity = 3
    first, second = corp.create_group("lin.qiao"), corp.create_group("zhao.min")
    config = api.post(way("add"), scene=2, chat_id_list=[first, second], state="store_07",
                      room_base_name="福利群", room_base_id=7)["config_id"]  # fmt: skip
    third = corp.scan(config, count=5)
    assert [len(corp.group(chat).members) for chat in (first, second, third)] == [3, 3, 2]
    assert (corp.group(third).name, corp.group(third).owner) == ("福利群7", "lin.qiao")
    shown = api.post(way("get"), config_id=config)["join_way"]
    assert shown["chat_id_list"] == [first, second, third]
    assert shown["qr_code"].startswith("http")
    members = api.post("externalcontact/groupchat/get", chat_id=third)["group_chat"]["member_list"]
    assert members[-1]["state"] == "store_07"
    assert api.code(way("add"), scene=2, chat_id_list=[first] * 6) == 41091
    assert api.code(way("update"), config_id=config, scene=1, chat_id_list=[first]) == 0
    assert api.post(way("get"), config_id=config)["join_way"]["state"] == ""
    assert api.code(way("del"), config_id=config) == 0
    assert api.code(way("get"), config_id=config) == 41044


# --- Staff --------------------------------------------------------------------------------------


def test_app_messages_name_whom_they_did_not_reach_in_lower_case(api):
    send = {"msgtype": "text", "agentid": api.corp.agent_id, "text": {"content": "待确认"}}
    sent = api.post("message/send", touser="LIN.QIAO|No.Body", **send)
    assert (sent["errcode"], sent["invaliduser"]) == (0, "no.body")
    assert api.corp.app_messages[-1].users == ["lin.qiao"]
    assert api.code("message/send", touser="No.Body", **send) == 81013
    assert api.code("message/send", **send) == 82001
    assert api.code("message/send", touser="lin.qiao", **{**send, "agentid": 1}) == 301002
    long = {**send, "text": {"content": "x" * 2049}}
    assert api.code("message/send", touser="lin.qiao", **long) == 45002


def test_sensitive_words_have_unique_names_and_stay_deleted(api):
    rule = {
        "rule_name": "承诺类",
        "word_list": ["保证收益"],
        "semantics_list": [1],
        "intercept_type": 2,
        "applicable_range": {"user_list": ["lin.qiao"], "department_list": [1]},
    }
    made = api.post("externalcontact/add_intercept_rule", **rule)["rule_id"]
    assert api.code("externalcontact/add_intercept_rule", **rule) == 41077
    other = {**rule, "rule_name": "x"}
    assert (
        api.code("externalcontact/add_intercept_rule", **{**other, "word_list": ["长" * 33]})
        == 41083
    )
    assert (
        api.code("externalcontact/add_intercept_rule", **{**other, "semantics_list": [9]}) == 41084
    )
    change = {"rule_id": made, "remove_applicable_range": {"department_list": [1]}}
    assert api.code("externalcontact/update_intercept_rule", **change) == 0
    shown = api.post("externalcontact/get_intercept_rule", rule_id=made)["rule"]
    assert shown["applicable_range"] == {"user_list": ["lin.qiao"], "department_list": []}
    assert shown["extra_rule"] == {"semantics_list": [1]}
    assert api.code("externalcontact/del_intercept_rule", rule_id=made) == 0
    assert api.code("externalcontact/get_intercept_rule", rule_id=made) == 41071
    assert api.get("externalcontact/get_intercept_rule_list")["rule_list"] == []


def test_ids_look_like_the_platforms(api):
    corp = api.corp
    ids = [corp.add_person(), corp.create_group("lin.qiao"), corp.add_person(type=2)]
    assert [each[:2] for each in ids] == ["wm", "wr", "wo"]
    assert all(re.fullmatch("[A-Za-z0-9]{32}", each) for each in ids)
