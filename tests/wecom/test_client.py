import time
from datetime import UTC, datetime, timedelta

import pytest

from scrm.wecom.client import InvalidArguments, WecomClient, WecomRefusal, client_for
from scrm.wecom.client.attachments import File, Image, Link, MiniProgram, Video
from scrm.wecom.client.parsing import parse
from scrm.wecom.client.results import CustomerDetail, GroupDetail
from tests.wecom.calling import Counting, Network, client_on, unsaved_connection
from tests.wecom.simulated import served_world, simulated_corp

pytestmark = pytest.mark.django_db

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def corp():
    found = served_world().world.create_corp("某公司")
    found.add_staff("lin.qiao", "林乔")
    found.add_staff("zhao.min", "赵敏")
    return found


@pytest.fixture
def client(corp):
    connection = unsaved_connection(
        corp_id=corp.corp_id, agent_id=corp.agent_id, app_secret=corp.secret
    )
    return WecomClient(connection, transport=Counting(), sleep=lambda _: None)


# --- What it reads, and does, at the simulator ----------------------------------------------------


def test_a_company_is_read_over_a_real_connection():
    simulated = simulated_corp()
    simulated.corp.add_staff("lin.qiao", "林乔")
    chat_id = simulated.corp.create_group("lin.qiao", "会员交流群")
    with client_for(simulated.connection) as client:
        client.check_secret()
        assert client.group(chat_id).name == "会员交流群"
        media = client.upload_media("image", "海报.png", PNG)
    assert media.media_id


def test_departments_and_staff(corp, client):
    sales = corp.add_department("销售部")
    corp.edit_staff("lin.qiao", departments=[1, sales])
    names = {each.id: each.name for each in client.departments()}
    assert names[sales] == "销售部"
    assert client.department(sales).parent_id == 1
    (staff,) = client.department_staff(sales)
    assert (staff.userid, staff.name, staff.department_ids) == ("lin.qiao", "林乔", (1, sales))
    assert client.staff("lin.qiao").status == 1
    assert client.callback_ips()
    with pytest.raises(WecomRefusal) as refused:
        client.staff("nobody")
    assert refused.value.code == 60111


def test_customers_one_by_one_and_in_batches(corp, client):
    wanted = {corp.add_customer(f"客户{n}🌊", staff="lin.qiao", state="expo") for n in range(5)}
    assert set(client.follow_users()) == {"lin.qiao", "zhao.min"}
    assert set(client.customers_of("lin.qiao")) == wanted
    assert client.customers_of("zhao.min") == ()
    customer = client.customer(min(wanted))
    (follow,) = customer.follows
    assert (follow.userid, follow.state, follow.created_at.tzinfo) == ("lin.qiao", "expo", UTC)
    found, cursor = set(), ""
    while True:
        page = client.customers_batch(["lin.qiao", "zhao.min"], cursor, limit=2)
        found |= {each.external_userid for each in page.items}
        assert all(each.follows[0].userid == "lin.qiao" for each in page.items)
        if not (cursor := page.next_cursor):
            break
    assert found == wanted


def test_remarks_and_tags_reach_the_platform(corp, client):
    customer = corp.add_customer("小舟", staff="lin.qiao")
    group = client.add_tags(["展会", "门店"], group_name="来源")
    client.mark_tags("lin.qiao", customer, add=[group.tags[0].id])
    client.remark_customer("lin.qiao", customer, remark="小舟-展会")
    (follow,) = client.customer(customer).follows
    assert (follow.remark, follow.tag_ids) == ("小舟-展会", (group.tags[0].id,))
    client.edit_tag(group.tags[0].id, name="展览")
    (page,) = client.customers_batch(["lin.qiao"]).items
    assert page.follows[0].tag_ids == (group.tags[0].id,)
    client.delete_tags(tag_ids=[group.tags[1].id])
    (left,) = client.tag_groups()
    assert [tag.name for tag in left.tags] == ["展览"]


def test_groups_are_listed_by_owner_and_page(corp, client):
    mine = {corp.create_group("lin.qiao", f"群{n}") for n in range(5)}
    corp.create_group("zhao.min", "别人的群")
    found, cursor = set(), ""
    while True:
        page = client.groups(owners=["lin.qiao"], cursor=cursor, limit=2)
        found |= {each.chat_id for each in page.items}
        if not (cursor := page.next_cursor):
            break
    assert found == mine


def test_a_group_tells_who_came_how(corp, client):
    chat_id = corp.create_group("lin.qiao", "会员交流群")
    (invited,) = corp.join(
        chat_id, [corp.add_customer("甲", staff="lin.qiao")], scene=1, inviter="lin.qiao"
    )
    (scanned,) = corp.join(chat_id, count=1, scene=3, state="store_07")
    group = client.group(chat_id)
    members = {each.id: each for each in group.members}
    assert members["lin.qiao"].type == 1
    assert (members[invited].inviter, members[invited].join_scene) == ("lin.qiao", 1)
    assert (members[scanned].state, members[scanned].join_scene) == ("store_07", 3)
    assert len(group.member_version) == 32


def test_statistics_come_by_owner_and_by_day(corp, client):
    corp.create_group("lin.qiao", "甲")
    corp.create_group("zhao.min", "乙")
    yesterday = datetime.now(UTC) - timedelta(days=1)
    first = client.group_statistics(begin=yesterday, limit=1)
    second = client.group_statistics(begin=yesterday, limit=1, cursor=first.next_cursor)
    assert {first.items[0].owner, second.items[0].owner} == {"lin.qiao", "zhao.min"}
    assert second.next_cursor == ""
    days = client.group_statistics_by_day(
        begin=yesterday - timedelta(days=2), end=yesterday, owners=["lin.qiao"]
    )
    assert len(days) == 3


def test_groups_are_handed_over_and_every_one_asked_for_is_answered(corp, client):
    good = corp.create_group("lin.qiao", "群")
    done, refused = client.transfer_groups_on_job([good, "wrUnknown"], "zhao.min")
    assert (done.id, done.accepted) == (good, True)
    assert (refused.id, refused.accepted, refused.code) == ("wrUnknown", False, 40050)
    assert client.group(good).owner == "zhao.min"
    corp.resign_staff("zhao.min")
    (item,) = client.transfer_groups_resigned([good], "lin.qiao")
    assert item.accepted


def test_customers_are_handed_over_and_the_result_is_asked_for(corp, client):
    customer = corp.add_customer("小舟", staff="lin.qiao")
    (item,) = client.transfer_customers(
        [customer], giver="lin.qiao", taker="zhao.min", message="以后由我的同事为您服务。"
    )
    assert item.accepted
    (waiting,) = client.transfer_customers_result(giver="lin.qiao", taker="zhao.min").items
    assert (waiting.external_userid, waiting.status) == (customer, 2)
    assert waiting.takeover_at > datetime.now(UTC)
    left = corp.add_customer("小帆", staff="lin.qiao")
    corp.resign_staff("lin.qiao")
    found = {each.external_userid for each in client.unassigned_customers().items}
    assert left in found
    (item,) = client.transfer_customers_resigned([left], giver="lin.qiao", taker="zhao.min")
    assert item.accepted
    page = client.transfer_customers_resigned_result(giver="lin.qiao", taker="zhao.min")
    assert [each.external_userid for each in page.items] == [left]


def test_a_mass_message_is_created_confirmed_and_followed(corp, client):
    chat_id = corp.create_group("lin.qiao", "群", members=[corp.add_customer("甲")])
    created = client.create_mass_message(
        chat_type="group",
        sender="lin.qiao",
        chat_ids=[chat_id],
        text="本周六 10 点门店活动",
        attachments=[Link("报名", "https://example.com/a")],
    )
    with pytest.raises(WecomRefusal) as refused:
        client.mass_message_tasks(created.msgid)
    assert (refused.value.code, refused.value.retry_after) == (41063, 30)
    corp.clock.advance(5)
    (task,) = client.mass_message_tasks(created.msgid).items
    assert (task.userid, task.status, task.sent_at) == ("lin.qiao", 0, None)
    client.remind_mass_message(created.msgid)
    corp.tap_send(created.msgid, "lin.qiao")
    (result,) = client.mass_message_results(created.msgid, "lin.qiao").items
    assert (result.chat_id, result.status) == (chat_id, 1)
    now = datetime.now(UTC)
    page = client.mass_messages(
        chat_type="group", start=now - timedelta(days=1), end=now + timedelta(days=1)
    )
    assert page.items[0].msgid == created.msgid
    client.cancel_mass_message(created.msgid)


def test_newcomers_are_welcomed_once_and_templates_are_kept(corp, client):
    code = corp.add_contact("lin.qiao", corp.add_person("小舟"))
    client.send_welcome(code, text="你好")
    with pytest.raises(WecomRefusal) as refused:
        client.send_welcome(code, text="你好")
    assert refused.value.code in {41050, 41051}
    template_id = client.add_welcome_template(text="欢迎 %NICKNAME%")
    client.edit_welcome_template(template_id, text="欢迎你")
    assert client.welcome_template(template_id).text == "欢迎你"
    client.delete_welcome_template(template_id)
    with pytest.raises(WecomRefusal) as refused:
        client.welcome_template(template_id)
    assert refused.value.code == 40037


def test_join_ways_are_made_read_replaced_and_deleted(corp, client):
    chat_id = corp.create_group("lin.qiao", "群")
    config_id = client.add_join_way(chat_ids=[chat_id], remark="门店 07", state="store_07")
    way = client.join_way(config_id)
    assert (way.chat_ids, way.state, way.creates_rooms) == ((chat_id,), "store_07", False)
    assert way.qr_code
    client.update_join_way(
        config_id, chat_ids=[chat_id], creates_rooms=True, room_base_name="门店福利群"
    )
    way = client.join_way(config_id)
    assert (way.remark, way.creates_rooms, way.room_base_name) == ("", True, "门店福利群")
    client.delete_join_way(config_id)
    with pytest.raises(WecomRefusal):
        client.join_way(config_id)


def test_files_notices_and_sensitive_words(corp, client):
    media = client.upload_media("image", "海报.png", PNG)
    assert (media.type, media.created_at.tzinfo) == ("image", UTC)
    assert client.upload_picture("a.png", PNG)
    sent = client.send_app_message(userids=["lin.qiao", "Nobody"], text="待确认群发 1 条")
    assert sent.msgid
    assert sent.invalid_users == ("nobody",)
    rule_id = client.add_intercept_rule(name="承诺类", words=["保证收益"], userids=["lin.qiao"])
    client.update_intercept_rule(rule_id, words=["稳赚"], semantics=[1])
    rule = client.intercept_rule(rule_id)
    assert (rule.name, rule.words, rule.semantics) == ("承诺类", ("稳赚",), (1,))
    assert [each.rule_id for each in client.intercept_rules()] == [rule_id]
    client.delete_intercept_rule(rule_id)
    assert client.intercept_rules() == ()


# --- What it refuses before the platform does -----------------------------------------------------

PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("call", "limit"),
    [
        (lambda client: client.customers_batch(["a"] * 101), 100),
        (lambda client: client.customers_batch([]), None),
        (lambda client: client.customers_batch("lin.qiao"), None),
        (lambda client: client.groups(owners=["a"] * 101), 100),
        (lambda client: client.groups(status=4), None),
        (lambda client: client.group(""), 64),
        (lambda client: client.group("w" * 65), 64),
        (lambda client: client.group_statistics(begin=PAST, end=PAST + timedelta(days=31)), 30),
        (lambda client: client.group_statistics(begin=PAST, end=PAST - timedelta(days=1)), 30),
        (lambda client: client.transfer_groups_on_job(["w"] * 101, "a"), 100),
        (lambda client: client.transfer_customers(["w"], giver="a", taker="A"), None),
        (lambda client: message(client, chat_ids=["w"] * 2001), 2000),
        (lambda client: message(client, chat_ids=[]), None),
        (lambda client: message(client, sender=""), None),
        (lambda client: message(client, text="汉" * 1334), 4000),
        (lambda client: message(client, text=""), None),
        (lambda client: message(client, attachments=[Video("m")] * 10), 9),
        (lambda client: message(client, attachments=[Link("题" * 43, "https://x")]), 128),
        (lambda client: message(client, attachments=[Link("", "https://x")]), 128),
        (lambda client: message(client, attachments=[Image()]), None),
        (lambda client: message(client, attachments=[MiniProgram("题" * 22, "m", "a", "p")]), 64),
        (lambda client: client.send_welcome("", text="你好"), None),
        (lambda client: client.add_welcome_template(text="汉" * 1001), 3000),
        (lambda client: client.add_join_way(chat_ids=list("abcdef")), 5),
        (lambda client: client.add_join_way(chat_ids=["a"], state="s" * 31), 30),
        (lambda client: client.send_app_message(text="x"), None),
        (lambda client: client.send_app_message(userids=["a"] * 1001, text="x"), 1000),
        (lambda client: client.remark_customer("a", "w"), None),
        (lambda client: client.remark_customer("a", "w", remark="字" * 21), 20),
        (lambda client: client.mark_tags("a", "w"), None),
        (lambda client: client.add_tags(["字" * 31], group_name="g"), 30),
        (lambda client: client.upload_media("image", "a.png", b"12345"), 10_000_000),
        (lambda client: client.upload_media("voice", "a.amr", bytes(2_000_001)), 2_000_000),
        (lambda client: client.add_intercept_rule(name="", userids=["a"]), 20),
        (lambda client: client.add_intercept_rule(name="x"), None),
    ],
)
def test_what_the_platform_would_refuse_is_not_sent(call, limit):
    network = Network({"errcode": 0})
    with pytest.raises(InvalidArguments) as refused:
        call(client_on(network))
    assert refused.value.limit == limit
    assert not network.requests


def message(client, **fields):
    values = {"chat_type": "group", "sender": "a", "chat_ids": ["w"], "text": "x"}
    return client.create_mass_message(**values | fields)


def test_at_the_limit_everything_goes_out():
    network = Network({"errcode": 0, "msgid": "m"})
    message(
        client_on(network),
        chat_ids=[f"w{n}" for n in range(2000)],
        text="汉" * 1333,
        attachments=[File("m")] * 9,
    )
    assert len(network.requests) == 1


# --- How it reads ---------------------------------------------------------------------------------


def test_odd_types_missing_and_extra_fields_do_no_harm():
    group = parse(
        GroupDetail,
        {
            "chat_id": "w" * 64,
            "name": None,
            "create_time": "1760000000",
            "owner": 17,
            "notice": {"odd": 1},
            "something_new": [],
            "member_list": [
                {"userid": "甲\x00乙", "type": "2", "join_time": None, "invitor": "odd"},
                {"userid": "𠮷👨‍👩‍👧", "name": "\ud83c", "join_time": -5},
                {"userid": "", "type": 2},
                None,
                "odd",
                {"userid": "late", "join_time": 10**18},
            ],
            "admin_list": [{"userid": "a"}, {}, None],
        },
    )
    assert (group.chat_id, group.name, group.owner, group.notice) == ("w" * 64, "", "17", "")
    assert group.created_at == datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC)
    assert [each.id for each in group.members] == ["甲乙", "𠮷👨‍👩‍👧", "late"]
    assert [each.joined_at for each in group.members] == [None, None, None]
    assert group.members[0].type == 2
    assert group.members[1].name == "?"
    assert group.admins == ("a",)


def test_results_may_be_made_by_hand():
    assert CustomerDetail(external_userid="wm1").follows == ()
    with pytest.raises(AttributeError):
        CustomerDetail().name = "x"


def test_a_group_of_two_hundred_is_read_in_about_a_millisecond():
    member = {"userid": "wm", "type": 2, "join_time": 1760000200, "join_scene": 3, "name": "小舟"}
    document = {"chat_id": "w", "member_list": [{**member, "invitor": {"userid": "a"}}] * 200}
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        parse(GroupDetail, document)
        best = min(best, time.perf_counter() - began)
    assert best < 0.005  # ten times what it takes on an idle machine
