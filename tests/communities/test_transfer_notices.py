"""Both owners are told in the app, once, of what has changed hands."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from communities.models import OwnershipTransfer, TransferItem, TransferNotice
from communities.rules.transfer_notice_words import Share, notice_text, totals, within
from communities.rules.transfers import ItemState, NoticeRole, NoticeState, Subject
from communities.services.transfers import telling
from communities.services.transfers.notices import LONGEST_GATHERED, plan_notices
from communities.services.transfers.telling import Clients, claim_notice, send_due_notices
from communities.tasks import sweep_notices
from scrm.accounts.models import Staff, StaffPlatformStatus
from scrm.wecom.models import ChannelAccount, WecomConnection
from scrm.wecom.rules.limits import MAX_APP_TEXT_BYTES
from scrm.wecom.rules.status import ConnectionState
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.communities.transfer_factories import (
    ChatItemFactory,
    ColleagueFactory,
    CustomerItemFactory,
    OwnershipTransferFactory,
)
from tests.communities.transfer_worlds import at_once
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db

SEND = "message/send"
VERIFIED = {"state": ItemState.VERIFIED}


class World:
    """Lin hands over to Zhao, in a company on the simulator."""

    def __init__(self):
        self.company = simulated_corp(name="爪爪星球")
        self.corp = self.company.corp
        self.account = self.company.connection.account
        self.lin, self.zhao = self.colleague("lin", "林乔"), self.colleague("zhao", "赵敏")
        self.transfer = self.new_transfer()

    def colleague(self, userid, name):
        self.corp.add_staff(userid, name)
        return ColleagueFactory(
            enterprise=self.company.enterprise, external_id=userid.upper(), name=name
        )

    def new_transfer(self, **fields):
        return OwnershipTransferFactory(enterprise=self.company.enterprise, **fields)

    def chat(self, name="", *, receiver=None, transfer=None, **fields):
        receiver = receiver or self.zhao
        chat = GroupChatFactory(
            enterprise=self.company.enterprise,
            community=None,
            channel_account=self.account,
            name=name,
            owner=receiver,
        )
        return self.item(ChatItemFactory, receiver, transfer, chat=chat, **fields)

    def customer(self, *, receiver=None, transfer=None, **fields):
        account = {"channel_account": self.account}
        return self.item(CustomerItemFactory, receiver, transfer, **account, **fields)

    def community(self, name):
        community = CommunityFactory(enterprise=self.company.enterprise, name=name)
        return TransferItem.objects.create(
            enterprise=self.company.enterprise,
            transfer=self.transfer,
            subject=Subject.COMMUNITY,
            community=community,
            giver=self.lin,
            receiver=self.zhao,
            **VERIFIED,
        )

    def item(self, factory, receiver, transfer, **fields):
        return factory(
            transfer=transfer or self.transfer,
            giver=self.lin,
            receiver=receiver or self.zhao,
            **{**VERIFIED, **fields},
        )

    def plan(self):
        plan_notices([self.transfer.pk])

    def send(self):
        """As if everything had been gathered long ago."""
        TransferNotice.objects.filter(due_at__gt=Now()).update(due_at=Now())
        return send_due_notices()

    def told(self, userid):
        return [
            message.content["content"]
            for message in self.corp.app_messages
            if userid in message.users
        ]

    def notice(self, staff):
        return TransferNotice.objects.get(staff=staff)


@pytest.fixture
def world():
    return World()


def outcome(notice):
    notice.refresh_from_db()
    return notice.state, notice.words


def test_both_owners_are_told_what_went_where_in_the_app(world):
    world.transfer.reason = "岗位调整"
    world.transfer.save()
    world.chat("猫友一群")
    world.chat("")
    world.customer()
    world.community("柯基联盟")

    world.plan()
    assert world.send() is False

    number = f"{world.transfer.pk}-{world.notice(world.lin).pk}"
    assert world.told("lin") == [
        f"【资产转让 {number}】以下已从你名下转出：\n"
        "客户群 2 个，转给 赵敏：猫友一群 等\n"
        "客户 1 位，转给 赵敏\n"
        "社群 1 个，转给 赵敏：柯基联盟\n"
        "事由：岗位调整"
    ]
    (text,) = world.told("zhao")
    assert "以下已转到你名下：\n客户群 2 个，来自 林乔：猫友一群 等\n" in text
    assert text.endswith("请尽快与群成员和客户打招呼。")
    assert outcome(world.notice(world.zhao)) == (NoticeState.SENT, "")
    assert world.notice(world.zhao).sent_at is not None


def test_nobody_is_told_twice_however_often_it_is_planned_and_sent(world):
    world.chat("猫友一群")

    world.plan()
    world.plan()
    world.send()
    world.plan()
    world.send()
    sweep_notices()

    assert len(world.told("lin")) == len(world.told("zhao")) == 1


def test_what_is_not_verified_or_came_to_nobody_known_is_not_told(world):
    world.chat("还没读到", state=ItemState.ACCEPTED)
    world.chat("没有接手人")
    TransferItem.objects.filter(chat__name="没有接手人").update(receiver=None)

    world.plan()

    assert not TransferNotice.objects.exists()


def test_what_is_verified_shortly_after_is_told_together(world):
    world.chat("猫友一群")
    world.plan()
    for number in range(7):
        world.chat(f"猫友{number}号群")
    world.plan()
    assert send_due_notices() is False
    assert not world.corp.app_messages

    world.send()

    (text,) = world.told("zhao")
    assert "客户群 8 个，来自 林乔：猫友一群、猫友0号群、" in text
    assert "猫友6号群" not in text


def test_gathering_ends_although_more_is_verified_all_the_time(world):
    world.chat("猫友一群")
    world.plan()
    TransferNotice.objects.update(created_at=F("created_at") - LONGEST_GATHERED)
    world.chat("猫友二群")
    world.plan()

    assert send_due_notices() is False

    assert len(world.told("zhao")) == 1


def test_a_batch_after_a_notice_was_sent_gets_a_notice_of_its_own(world):
    """Of the same length, too: the platform drops a text that it has just delivered."""
    world.customer()
    world.plan()
    world.send()
    world.customer()
    world.plan()
    world.send()

    first, second = world.told("zhao")
    assert first.partition("】")[2] == second.partition("】")[2]


def test_a_giver_of_many_is_told_who_got_how_much(world):
    people = [world.colleague(f"p{number}", f"同事{number}") for number in range(7)]
    for person in people:
        world.chat("猫友群", receiver=person)
    world.chat("猫友群", receiver=people[3])

    world.plan()
    world.send()

    (text,) = world.told("lin")
    assert "转给 同事3 2、同事0 1、同事1 1、同事2 1、同事4 1 等" in text
    assert "来自 林乔" in world.told("p3")[0]


def test_a_giver_who_has_left_is_not_told(world):
    Staff.objects.filter(pk=world.lin.pk).update(is_active=False)
    world.chat("猫友一群")

    world.plan()
    world.send()
    world.chat("猫友二群")
    world.plan()
    world.send()

    assert world.told("lin") == []
    assert outcome(world.notice(world.lin)) == (NoticeState.SKIPPED, "已离职，不通知。")
    assert len(world.told("zhao")) == 2


def test_who_left_between_planning_and_sending_is_not_told(world):
    world.chat("猫友一群")
    world.plan()
    Staff.objects.filter(pk=world.lin.pk).update(platform_status=StaffPlatformStatus.LEFT)

    world.send()

    assert outcome(world.notice(world.lin))[0] == NoticeState.SKIPPED


def test_somebody_without_an_account_is_told_all_of_it_once_they_have_one(world):
    Staff.objects.filter(pk=world.zhao.pk).update(external_id="")
    world.chat("猫友一群")
    world.plan()
    world.send()
    assert outcome(world.notice(world.zhao)) == (
        NoticeState.SKIPPED,
        "没有平台账号，无法通知。",
    )

    Staff.objects.filter(pk=world.zhao.pk).update(external_id="zhao")
    world.chat("猫友二群")
    world.plan()
    world.send()

    (text,) = world.told("zhao")
    assert "客户群 2 个" in text


def test_nothing_is_sent_over_a_connection_that_is_off(world):
    world.chat("猫友一群")
    world.plan()
    WecomConnection.objects.update(state=ConnectionState.PAUSED)
    world.send()
    assert outcome(world.notice(world.lin)) == (NoticeState.SKIPPED, "企业微信连接已停用。")

    ChannelAccount.objects.update(is_active=False)
    world.chat("猫友二群")
    world.plan()
    world.send()
    assert outcome(world.notice(world.lin))[1] == "这个渠道账号没有连接企业微信。"
    assert not world.corp.app_messages


def test_of_communities_people_are_told_only_where_the_company_is_connected(world):
    world.community("柯基联盟")
    WecomConnection.objects.update(state=ConnectionState.PAUSED)

    world.plan()

    assert not TransferNotice.objects.exists()


def test_a_notice_whose_answer_was_lost_is_not_repeated(world):
    world.corp.faults.lose_answer(SEND)
    world.chat("猫友一群")
    world.plan()

    world.send()
    world.send()

    assert len(world.told("lin")) == len(world.told("zhao")) == 1
    states = dict(TransferNotice.objects.values_list("state", "words"))
    assert set(states) == {NoticeState.SENT, NoticeState.UNKNOWN}
    assert "不知道" in states[NoticeState.UNKNOWN]


def test_a_notice_whose_worker_died_is_not_repeated(world, settings):
    world.chat("猫友一群")
    world.plan()
    TransferNotice.objects.update(due_at=Now())
    settings.LEASE_SECONDS = 0

    assert claim_notice("00000000-0000-0000-0000-000000000001") is not None
    send_due_notices()

    assert sorted(TransferNotice.objects.values_list("state", flat=True)) == ["sent", "unknown"]
    assert len(world.corp.app_messages) == 1


def test_only_notices_whose_lease_has_run_out_are_given_up(world):
    for seconds in [*range(-20, 0), *range(60, 80)]:
        TransferNotice.objects.create(
            transfer=world.transfer,
            staff=world.lin,
            channel_account=world.account,
            role=NoticeRole.GIVER,
            state=NoticeState.SENDING,
            due_at=Now() + timedelta(seconds=seconds),
        )

    send_due_notices()
    send_due_notices()

    states = TransferNotice.objects.order_by("pk").values_list("state", flat=True)
    assert [*states] == [NoticeState.UNKNOWN] * 20 + [NoticeState.SENDING] * 20
    assert not world.corp.app_messages


def test_a_notice_that_is_being_sent_is_taken_by_nobody_else(world):
    world.chat("猫友一群")
    world.plan()
    TransferNotice.objects.update(due_at=Now())

    first, second = (claim_notice(f"00000000-0000-0000-0000-00000000000{n}") for n in (1, 2))

    assert first != second
    assert claim_notice("00000000-0000-0000-0000-000000000003") is None


def test_a_worker_that_lost_its_lease_writes_nothing(world):
    world.chat("猫友一群")
    world.plan()
    TransferNotice.objects.update(due_at=Now())
    token = "00000000-0000-0000-0000-000000000001"
    notice_id = claim_notice(token)
    TransferNotice.objects.filter(pk=notice_id).update(state=NoticeState.UNKNOWN, token=None)

    with Clients() as clients:
        telling.send_notice(notice_id, token, clients)

    assert TransferNotice.objects.get(pk=notice_id).state == NoticeState.UNKNOWN


def test_what_the_platform_refuses_for_the_moment_is_sent_later(world):
    world.corp.faults.refuse(SEND, 41063)
    world.chat("猫友一群")
    world.plan()

    world.send()
    waiting = TransferNotice.objects.get(state=NoticeState.PLANNED)
    assert waiting.words
    assert waiting.due_at - waiting.created_at > timedelta(seconds=50)
    world.chat("猫友二群")
    world.plan()  # of those who wait for the platform, nobody is hurried
    assert TransferNotice.objects.get(pk=waiting.pk).due_at == waiting.due_at
    world.send()

    assert outcome(waiting) == (NoticeState.SENT, "")


def test_when_there_are_too_many_calls_all_notices_of_the_company_wait(world):
    world.corp.faults.refuse(SEND, 45009)
    world.chat("猫友一群")
    world.plan()

    world.send()

    assert [*TransferNotice.objects.values_list("state", flat=True)] == ["planned", "planned"]
    assert not TransferNotice.objects.filter(due_at__lt=Now() + timedelta(seconds=50)).exists()
    assert not world.corp.app_messages


def test_what_the_platform_refuses_for_good_says_why(world):
    world.corp.faults.refuse(SEND, 48002)
    world.chat("猫友一群")
    world.plan()

    world.send()

    failed = TransferNotice.objects.get(state=NoticeState.FAILED)
    assert "可调用接口的应用" in failed.words


def test_somebody_unknown_to_the_platform_is_said_so(world):
    Staff.objects.filter(pk=world.lin.pk).update(external_id="nobody")
    world.chat("猫友一群")
    world.plan()

    world.send()

    assert outcome(world.notice(world.lin))[0] == NoticeState.FAILED
    assert len(world.told("zhao")) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_that_send_while_more_is_planned_tell_of_everything_once():
    world = World()
    for number in range(4):
        world.chat(receiver=world.colleague(f"p{number}", f"同事{number}"))
    world.plan()
    TransferNotice.objects.update(due_at=Now())
    for number in range(4):
        world.chat(receiver=Staff.objects.get(name=f"同事{number}"))

    at_once(send_due_notices, send_due_notices, world.plan, send_due_notices)
    world.send()

    assert set(TransferNotice.objects.values_list("state", flat=True)) == {NoticeState.SENT}
    assert sum(totals(each.counts)[Subject.CHAT] for each in TransferNotice.objects.all()) == 16
    assert len(world.corp.app_messages) == TransferNotice.objects.count()


def test_planning_for_many_takes_as_many_queries_as_for_one(world, django_assert_max_num_queries):
    people = [
        ColleagueFactory(enterprise=world.company.enterprise, name=f"同事{number}")
        for number in range(12)
    ]
    for person in people:
        world.customer(receiver=person)
    world.customer(receiver=people[0])

    with django_assert_max_num_queries(6):  # two of them a savepoint
        world.plan()

    assert TransferNotice.objects.filter(role=NoticeRole.RECEIVER).count() == 12
    assert OwnershipTransfer.objects.get().notices.count() == 13


def test_the_longest_text_fits_into_a_message():
    shares = {
        subject: Share({f"{number}{'长' * 200}": 1 for number in range(50)}, ["群" * 200] * 5)
        for subject in Subject.values
    }

    text = notice_text("1-2", role=NoticeRole.GIVER, shares=shares, reason="由" * 300)

    assert len(text.encode()) <= MAX_APP_TEXT_BYTES
    assert text.startswith("【资产转让 1-2】")
    assert text.count("\n") >= 3


@pytest.mark.parametrize(
    ("most", "shown"), [(12, "猫友一群"), (11, "猫友…"), (9, "猫友…"), (8, "猫…")]
)
def test_a_text_is_cut_between_characters(most, shown):
    assert within("猫友一群", most) == shown
