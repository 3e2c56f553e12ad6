import re
from datetime import UTC, datetime, timedelta

import pytest
from defusedxml.ElementTree import fromstring

from scrm.wecom.rules import callback_crypto
from scrm.wecom.simulator.refusals import Impossible
from tests.wecom.simulated import company

LIST, GET = "externalcontact/groupchat/list", "externalcontact/groupchat/get"


@pytest.fixture
def api():
    api = company()
    for userid in ("lin.qiao", "zhao.min"):
        api.corp.add_staff(userid, userid)
    api.corp.outbox.take()
    return api


def events(api):
    return [fromstring(callback.xml) for callback in api.corp.outbox.take()]


def ids(element):
    return [item.text for item in element.find("MemChangeList")]


def test_a_group_is_read_as_it_is_and_told_of_as_it_changes(api):
    corp = api.corp
    chat = corp.create_group("lin.qiao", "门店群", members=[corp.add_customer("小舟")])
    created_with = api.post(GET, chat_id=chat, need_name=1)["group_chat"]
    came = corp.join(chat, count=3, scene=3, state="store_07")
    shown = api.post(GET, chat_id=chat, need_name=1)["group_chat"]
    told = events(api)[-1]

    assert (told.findtext("UpdateDetail"), told.findtext("JoinScene")) == ("add_member", "3")
    assert ids(told) == came
    assert told.findtext("LastMemVer") == created_with["member_version"]
    assert told.findtext("CurMemVer") == shown["member_version"]
    assert re.fullmatch("[0-9a-f]{32}", shown["member_version"])
    newest = shown["member_list"][-1]
    assert newest["state"] == "store_07"
    assert newest["join_time"] == int(told.findtext("CreateTime"))
    assert [each["name"] for each in shown["member_list"]][:2] == ["lin.qiao", "小舟"]


def test_the_truth_knows_every_period_and_why_it_ended(api):
    corp = api.corp
    corp.clock.freeze()
    corp.clock.set(datetime(2026, 3, 1, tzinfo=UTC))
    walker, thrown, stayer = (corp.add_person(name) for name in "abc")
    chat = corp.create_group("lin.qiao", members=[walker, thrown, stayer])
    corp.clock.advance(60)
    corp.leave(chat, walker)
    corp.remove(chat, [thrown])
    corp.clock.advance(60)
    corp.join(chat, [walker], scene=1, inviter="lin.qiao")
    corp.clock.advance(60)
    corp.dissolve(chat)
    truth = corp.truth(chat)

    start = datetime(2026, 3, 1, tzinfo=UTC)
    minute = timedelta(minutes=1)
    first, second = truth.of(walker)
    assert (first.joined_at, first.left_at, first.reason) == (start, start + minute, "self")
    assert (second.joined_at, second.reason) == (start + 2 * minute, "dissolved")
    assert second.inviter == "lin.qiao"
    assert [each.reason for each in truth.of(thrown)] == ["removed"]
    assert truth.dissolved_at == start + 3 * minute
    quits = [
        (each.findtext("QuitScene"), ids(each))
        for each in events(api)
        if each.findtext("UpdateDetail") == "del_member"
    ]
    assert quits == [("0", [walker]), ("1", [thrown])]


def test_a_callback_opens_with_the_companys_key_and_carries_its_signature(api):
    api.corp.rename(api.corp.create_group("lin.qiao"), "😀 群 ]]> <x>")
    callback = api.corp.outbox.take()[-1]
    encrypted = fromstring(callback.body).findtext("Encrypt")
    assert callback_crypto.decrypt("a" * 43, encrypted, api.corp.corp_id) == callback.xml
    query = callback.query
    assert query["msg_signature"] == callback_crypto.signature(
        "token", query["timestamp"], query["nonce"], encrypted
    )
    again = callback.signed()
    assert again.body != callback.body


def test_old_payloads_name_nobody_and_one_event_per_member_names_each(api):
    corp = api.corp
    chat = corp.create_group("lin.qiao")
    corp.faults.old_payload = True
    corp.join(chat, count=2)
    old = events(api)[-1]
    assert old.find("MemChangeList") is None
    assert old.find("CurMemVer") is None
    assert old.findtext("MemChangeCnt") == "2"

    corp.faults.old_payload, corp.faults.event_per_member = False, True
    came = corp.join(chat, count=2)
    first, second = events(api)
    assert [*ids(first), *ids(second)] == came
    assert first.findtext("CurMemVer") == second.findtext("LastMemVer")


def test_a_reading_may_lag_behind_the_event(api):
    corp = api.corp
    corp.clock.freeze()
    corp.faults.read_lag = 2.0
    chat = corp.create_group("lin.qiao")
    before = api.post(GET, chat_id=chat)["group_chat"]["member_version"]
    corp.clock.advance(10)
    corp.join(chat, count=1)
    wanted = events(api)[-1].findtext("CurMemVer")
    assert api.post(GET, chat_id=chat)["group_chat"]["member_version"] == before
    corp.clock.advance(2)
    assert api.post(GET, chat_id=chat)["group_chat"]["member_version"] == wanted


def test_groups_that_cannot_be_read_say_why(api):
    corp = api.corp
    narrow = api.beside(users=["zhao.min"])
    chat = corp.create_group("lin.qiao")
    internal = corp.create_group("lin.qiao", internal=True)
    assert narrow.code(GET, chat_id=chat) == 60011
    assert api.code(GET, chat_id="nothing") == 40050
    assert api.code(GET, chat_id=internal) == 90501
    assert api.get(GET)["errcode"] == 40050
    corp.dissolve(chat)
    assert api.code(GET, chat_id=chat) == 49008


def test_listing_pages_and_refuses_what_is_out_of_range(api):
    corp = api.corp
    chats = [corp.create_group("lin.qiao") for _ in range(5)]
    corp.dissolve(chats[0])
    found, cursor = [], ""
    while True:
        page = api.post(LIST, limit=2, cursor=cursor)
        found += [each["chat_id"] for each in page["group_chat_list"]]
        if not (cursor := page["next_cursor"]):
            break
    assert found == chats[1:]
    assert api.code(LIST, limit=1001) == 40058
    assert api.code(LIST) == 40058
    assert api.code(LIST, limit=1, status_filter=4) == 40058
    assert api.code(LIST, limit=1, cursor="bogus") == 50100
    corp.settings.people_without_owner_filter = 1
    refused = api.post(LIST, limit=1)
    assert (refused["errcode"], refused["group_chat_list"]) == (81017, [])
    assert api.code(LIST, limit=1, owner_filter={"userid_list": ["zhao.min"]}) == 0


def test_the_groups_of_somebody_who_left_show_by_owner_or_by_status(api):
    corp = api.corp
    chat = corp.create_group("lin.qiao")
    corp.resign_staff("lin.qiao")
    by_owner = {"userid_list": ["LIN.QIAO"]}
    assert api.post(LIST, limit=10)["group_chat_list"] == []
    assert api.post(LIST, limit=10, owner_filter=by_owner)["group_chat_list"] == [
        {"chat_id": chat, "status": 1}
    ]
    corp.faults.resigned_owner_filter_refused = True
    assert api.code(LIST, limit=10, owner_filter=by_owner) == 40003
    assert api.post(LIST, limit=10, status_filter=1)["group_chat_list"] == [
        {"chat_id": chat, "status": 1}
    ]


def test_a_full_group_takes_nobody_and_an_owner_cannot_walk_out(api):
    corp = api.corp
    corp.settings.group_capacity = 3
    chat = corp.create_group("lin.qiao", members=2)
    with pytest.raises(Impossible):
        corp.join(chat, count=1)
    with pytest.raises(Impossible):
        corp.leave(chat, "lin.qiao")


def test_statistics_count_what_happened_on_a_day(api):
    corp = api.corp
    corp.clock.freeze()
    corp.clock.set(datetime(2026, 3, 10, 4, tzinfo=UTC))
    chat = corp.create_group("lin.qiao", members=4)
    member = corp.join(chat, count=2)[0]
    corp.write(chat, member, 3)
    day = corp.clock.second()
    corp.clock.advance(86_400)
    corp.leave(chat, member)
    corp.clock.advance(86_400)
    api.token = api.fresh_token()
    owner = api.post(
        "externalcontact/groupchat/statistic", day_begin_time=day, day_end_time=day + 86_400
    )
    (row,) = owner["items"]
    assert row["owner"] == "lin.qiao"
    assert (row["data"]["new_member_cnt"], row["data"]["member_total"]) == (7, 6)
    by_day = api.post(
        "externalcontact/groupchat/statistic_group_by_day",
        day_begin_time=day,
        day_end_time=day + 86_400,
    )["items"]
    assert [each["data"]["member_total"] for each in by_day] == [7, 6]
    assert [each["data"]["msg_total"] for each in by_day] == [3, 3]
    assert (
        api.code("externalcontact/groupchat/statistic", day_begin_time=day + 5 * 86_400) == 600018
    )


def test_a_company_is_filled_silently(api):
    corp = api.corp
    rows = [
        (
            "",
            f"群{g}",
            "lin.qiao",
            1_770_000_000,
            [(f"wm{g}-{i}", 1_770_000_000 + i) for i in range(200)],
        )
        for g in range(50)
    ]
    loaded = corp.load({"customers": [("wm0-0", "老客", "lin.qiao")], "groups": rows})
    shown = api.post(GET, chat_id=loaded["groups"][0], need_name=1)["group_chat"]
    assert len(shown["member_list"]) == 201
    assert shown["member_list"][1]["name"] == "老客"
    assert not corp.outbox.take()
