"""The collected samples of real answers, read by the client. Skipped where they are not present."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scrm.wecom.client import WecomRefusal
from scrm.wecom.client.answers import judged
from scrm.wecom.client.apis import reading
from scrm.wecom.client.wire import Answer
from tests.wecom.calling import Network, client_on

EPOCH = datetime(2026, 11, 1, tzinfo=UTC)
FOLDER = Path(__file__).parents[3] / "shared" / "wecom" / "fixtures"

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the samples are not here"),
]


def sample(name):
    return json.loads((FOLDER / f"{name}.response.json").read_text())


def answered(name, call):
    """What a call makes of a sample that answers it."""
    return call(client_on(Network(sample(name))))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.response.json")), ids=lambda path: path.name)
def test_every_sample_is_a_success_or_a_refusal_with_its_code(path):
    api = reading("any")
    body = path.read_bytes()
    code = int(json.loads(body).get("errcode", 0))
    if code == 0:
        assert judged(api, Answer(200, body)) == json.loads(body)
        return
    with pytest.raises(WecomRefusal) as refused:
        judged(api, Answer(200, body))
    assert refused.value.code == code


def test_samples_of_the_directory():
    first, second = answered("department.list", lambda client: client.departments())
    assert (first.id, first.name, first.parent_id, first.order) == (2, "广州研发中心", 1, 10)
    assert second.parent_id == 2
    department = answered("department.get", lambda client: client.department(2))
    assert department.leaders == ("zhangsan", "lisi")
    staff = answered("user.get", lambda client: client.staff("zhangsan"))
    assert (staff.userid, staff.department_ids, staff.status) == ("zhangsan", (1, 2), 1)
    assert staff.is_leader_in == (1, 0)
    (staff,) = answered("user.list", lambda client: client.department_staff(1))
    assert (staff.name, staff.main_department, staff.alias) == ("李四", 1, "jackzhang")
    (staff,) = answered("user.simplelist", lambda client: client.department_staff(1))
    assert (staff.name, staff.status) == ("张三", 0)
    assert answered("getcallbackip", lambda client: client.callback_ips())


def test_samples_of_customers():
    assert answered("externalcontact.get_follow_user_list", lambda client: client.follow_users())
    assert answered("externalcontact.list", lambda client: client.customers_of("a"))
    customer = answered("externalcontact.get", lambda client: client.customer("wo"))
    assert (customer.name, customer.type, customer.corp_name) == ("李四", 2, "腾讯")
    rocky, tommy = customer.follows
    assert rocky.tag_ids == (
        "etAJ2GCAAAXtWyujaWJHDDGi0mACHAAA",
        "stAJ2GCAAAXtWyujaWJHDDGi0mACHAAA",
    )
    assert (tommy.state, tommy.add_way, tommy.tag_ids) == ("外联二维码1", 3, ())
    page = answered(
        "externalcontact.batch.get_by_user", lambda client: client.customers_batch(["a", "b"])
    )
    assert [each.follows[0].userid for each in page.items] == ["rocky", "lisi"]
    assert len(page.items[1].follows[0].tag_ids) == 2
    assert page.next_cursor
    (group,) = answered("externalcontact.get_corp_tag_list", lambda client: client.tag_groups())
    assert [(tag.id, tag.deleted) for tag in group.tags] == [("TAG_ID1", False), ("TAG_ID2", True)]
    group = answered(
        "externalcontact.add_corp_tag", lambda client: client.add_tags(["NAME1"], group_name="G")
    )
    assert [tag.name for tag in group.tags] == ["NAME1", "NAME2"]


def test_samples_of_groups():
    page = answered("externalcontact.groupchat.list", lambda client: client.groups())
    assert len(page.items) == 2
    assert page.next_cursor.startswith("tJz")
    group = answered("externalcontact.groupchat.get", lambda client: client.group("wr"))
    abel, customer = group.members
    assert (abel.id, abel.type, abel.inviter) == ("abel", 1, "jack")
    assert (customer.unionid, customer.join_scene, customer.inviter) == (
        "ozynqsulJFCZ2z1aYeS8h-nuasdAAA",
        1,
        "",
    )
    assert (group.admins, group.member_version) == (("sam", "pony"), "")
    older = answered("wechatpy.externalcontact_groupchat_get", lambda client: client.group("wr"))
    assert (len(older.members), older.admins) == (3, ())


def test_samples_of_hand_over():
    for name in ("onjob_transfer", "transfer"):
        (item,) = answered(
            f"official.externalcontact.groupchat.{name}.failed",
            lambda client: client.transfer_groups_on_job(["wrOgQhDgAAcwMTB7YmDkbeBsgT_KAAAA"], "b"),
        )
        assert (item.accepted, item.code) == (False, 90501 if name == "onjob_transfer" else 90500)
    failed, accepted = answered(
        "official.externalcontact.transfer_customer.failed",
        lambda client: client.transfer_customers(
            ["woAJ2GCAAAXtWyujaWJHDDGi0mACAAAA", "woAJ2GCAAAXtWyujaWJHDDGi0mACBBBB"],
            giver="a",
            taker="b",
        ),
    )
    assert (failed.accepted, failed.code, accepted.accepted) == (False, 40096, True)
    page = answered(
        "externalcontact.transfer_result",
        lambda client: client.transfer_customers_result(giver="a", taker="b"),
    )
    assert [each.status for each in page.items] == [1, 2, 3]
    assert page.items[2].takeover_at is None
    for name in (
        "externalcontact.get_unassigned_list",
        "wechatpy.externalcontact_get_unassigned_list",
    ):
        page = answered(name, lambda client: client.unassigned_customers())
        assert len(page.items) == 2
        assert page.items[0].resigned_at.year == 2019


def test_samples_of_messages():
    created = answered(
        "wechatpy.externalcontact_add_msg_template",
        lambda client: client.create_mass_message(chat_type="single", sender="a", text="x"),
    )
    assert created.unreachable == ("wmqfasd1e19278asdasdasd",)
    page = answered(
        "externalcontact.get_groupmsg_list_v2",
        lambda client: client.mass_messages(chat_type="group", start=EPOCH, end=EPOCH),
    )
    assert (page.items[0].text, len(page.items[0].attachments)) == ("文本消息内容", 5)
    assert page.items[0].created_at is None  # the sample holds "xxxx"
    page = answered(
        "externalcontact.get_groupmsg_task", lambda client: client.mass_message_tasks("m")
    )
    assert page.items[0].sent_at is not None
    page = answered(
        "externalcontact.get_groupmsg_send_result",
        lambda client: client.mass_message_results("m", "zhangsan"),
    )
    assert (page.items[0].chat_id, page.items[0].status) == ("wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA", 1)
    template = answered(
        "externalcontact.group_welcome_template.get", lambda client: client.welcome_template("t")
    )
    assert (template.text, template.attachment["msgtype"]) == ("文本消息内容", "image")
    sent = answered("message.send", lambda client: client.send_app_message(userids=["a"], text="x"))
    assert sent.invalid_users == ("userid1", "userid2")


def test_samples_of_the_rest():
    config_id = answered(
        "externalcontact.groupchat.add_join_way", lambda client: client.add_join_way(chat_ids=["w"])
    )
    assert config_id == "9ad7fa5cdaa6511298498f979c472aaa"
    for name in ("media.upload", "wechatpy.media_upload"):
        media = answered(name, lambda client: client.upload_media("image", "a.png", b"123456"))
        assert media.created_at is not None
    assert answered("media.uploadimg", lambda client: client.upload_picture("a.png", b"123456"))
    assert answered(
        "externalcontact.add_intercept_rule",
        lambda client: client.add_intercept_rule(name="承诺类", words=["保证"], userids=["a"]),
    )
    page = answered(
        "externalcontact.groupchat.statistic", lambda client: client.group_statistics(begin=EPOCH)
    )
    assert [(each.owner, each.chats) for each in page.items] == [("zhangsan", 2), ("lisi", 3)]
    assert page.next_cursor == ""
    by_day = answered(
        "externalcontact.groupchat.statistic_group_by_day",
        lambda client: client.group_statistics_by_day(begin=EPOCH, owners=["a"]),
    )
    assert [each.day.day for each in by_day] == [16, 17]
