from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from communities.models import GroupChat
from communities.rules.status import ChatState, CommunityStatus, JoinWayState
from members.models import Stay
from members.rules.status import LeaveReason
from members.selectors.capacity import capacity_of_communities, capacity_of_ways
from members.services.watching_capacity import watch_capacity
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.operator_tasks import complete_task, dismiss_task
from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    CommunityFactory,
    GroupChatFactory,
    JoinRouteFactory,
    JoinWayFactory,
)
from tests.members.factories import StayFactory

NOW = timezone.now()
LONG_AGO = NOW - timedelta(days=100)

pytestmark = pytest.mark.django_db


def chat_of(community, **fields):
    return GroupChatFactory(community=community, **{"created_at": LONG_AGO, **fields})


def stays(chat, count, **fields):
    for _ in range(count):
        StayFactory(membership__community=chat.community, chat=chat, **fields)


def capacity(community):
    return capacity_of_communities([community.pk], now=NOW)[community.pk]


# --- the forecast -------------------------------------------------------------------------------


def test_room_and_pace_are_those_of_the_last_two_weeks():
    chat = chat_of(CommunityFactory(), capacity=100, member_count=40)
    stays(chat, 14, joined_at=NOW - timedelta(days=3))
    stays(chat, 2, joined_at=NOW - timedelta(days=15))
    Stay.objects.filter(pk=Stay.objects.earliest("pk").pk).update(
        left_at=NOW - timedelta(days=1), leave_reason=LeaveReason.SELF
    )

    found = capacity(chat.community)

    assert (found.total.room, found.total.joins, found.total.quits) == (60, 14, 1)
    assert found.total.forecast.days == pytest.approx(60 / (13 / 14))
    assert found.chats[0].capacity == found.total


def test_a_young_chat_is_judged_by_its_own_days():
    chat = chat_of(CommunityFactory(), created_at=NOW - timedelta(days=2), capacity=100)
    stays(chat, 20, joined_at=NOW - timedelta(days=1))

    assert capacity(chat.community).total.joins_per_day == pytest.approx(10)


def test_few_joins_give_no_forecast_and_a_community_without_chats_has_no_room():
    found = capacity(CommunityFactory())

    assert (found.total.room, found.total.capacity, found.chats) == (0, 0, ())
    assert found.total.is_nearly_full
    assert found.total.forecast is None


def test_chats_that_take_nobody_are_left_out():
    community = CommunityFactory()
    chat_of(community, state=ChatState.DISSOLVED)
    chat_of(community, state=ChatState.TRANSFERRING)
    open_one = chat_of(community, capacity=10)

    assert [each.chat for each in capacity(community).chats] == [open_one]


def test_the_number_of_queries_does_not_grow(django_assert_num_queries):
    communities = CommunityFactory.create_batch(3)
    for community in communities:
        chat_of(community)
        chat_of(community)

    with django_assert_num_queries(2):
        capacity_of_communities([each.pk for each in communities], now=NOW)


def test_a_way_counts_its_chosen_chats_while_they_carry_its_community():
    way = JoinWayFactory()
    JoinRouteFactory(join_way=way, chat__capacity=10, chat__member_count=4)
    gone = JoinRouteFactory(join_way=way, chat__capacity=100).chat
    GroupChat.objects.filter(pk=gone.pk).update(
        community=CommunityFactory(enterprise=way.enterprise)
    )
    chat_of(way.community, capacity=1000)

    assert capacity_of_ways([way.pk], now=NOW)[way.pk].room == 6


# --- asking for chats ---------------------------------------------------------------------------


def tasks(**conditions):
    return OperatorTask.objects.filter(kind=TaskKind.CAPACITY, **conditions).order_by("pk")


def test_a_community_that_is_four_fifths_full_asks_its_owner_for_a_chat_once():
    community = CommunityFactory(name="猫友社群")
    chat_of(community, capacity=10, member_count=8)

    assert watch_capacity(NOW) == 1
    assert watch_capacity(NOW) == 1

    task = tasks().get()
    assert (task.object_type, task.object_id) == ("communities.community", community.pk)
    assert task.assignee == community.owner
    assert task.enterprise == community.enterprise
    assert "只剩 2 个空位" in task.title
    assert "请在企业微信新建客户群" in task.title
    assert task.details["room"] == 2


def test_below_four_fifths_nobody_is_asked():
    chat_of(CommunityFactory(), capacity=10, member_count=7)

    assert watch_capacity(NOW) == 0
    assert not tasks().exists()


def test_a_full_chat_beside_an_empty_one_asks_for_nothing():
    community = CommunityFactory()
    chat_of(community, capacity=10, member_count=10, state=ChatState.FULL)
    chat_of(community, capacity=100)

    assert watch_capacity(NOW) == 0


def test_full_and_without_any_chat_are_told_apart():
    full, bare = CommunityFactory(), CommunityFactory()
    chat_of(full, capacity=10, member_count=10, state=ChatState.FULL)

    watch_capacity(NOW)

    assert "都满了，请在企业微信新建客户群" in tasks(object_id=full.pk).get().title
    assert "没有客户群，请在企业微信新建客户群" in tasks(object_id=bare.pk).get().title


@pytest.mark.parametrize("status", ["draft", "paused", "closing", "dissolved"])
def test_a_community_that_takes_nobody_needs_no_room(status):
    CommunityFactory(status=CommunityStatus(status))

    assert watch_capacity(NOW) == 0


def test_a_task_ends_by_itself_when_there_is_room_again():
    community = CommunityFactory()
    chat_of(community, capacity=10, member_count=9)
    watch_capacity(NOW)

    chat_of(community, capacity=100)
    watch_capacity(NOW)

    assert tasks().get().status == TaskStatus.DONE


def test_the_forecast_is_in_the_title():
    chat = chat_of(CommunityFactory(), capacity=100, member_count=90)
    stays(chat, 28, joined_at=NOW - timedelta(days=3))

    watch_capacity(NOW)

    assert "约 5 天后满" in tasks().get().title


def test_who_closed_a_task_is_left_alone_for_a_while():
    community = CommunityFactory()
    actor = UserFactory(enterprise=community.enterprise)
    watch_capacity(NOW)
    dismiss_task(tasks().get().pk, reason="活动后解散", actor=actor)

    assert watch_capacity(timezone.now()) == 0
    assert watch_capacity(timezone.now() + timedelta(days=7)) == 1
    complete_task(tasks(status=TaskStatus.OPEN).get().pk, actor=actor)
    assert watch_capacity(timezone.now()) == 0
    OperatorTask.objects.update(closed_at=F("closed_at") - timedelta(days=8))
    assert watch_capacity(timezone.now()) == 1


def test_a_way_whose_chosen_chats_are_full_asks_for_more_of_them():
    way = JoinWayFactory(name="门店海报")
    JoinRouteFactory(join_way=way, chat__capacity=10, chat__member_count=10)
    chat_of(way.community, capacity=1000)
    JoinWayFactory(community=way.community)
    paused = JoinWayFactory(community=way.community, state=JoinWayState.PAUSED)
    JoinRouteFactory(join_way=paused, chat__capacity=1, chat__member_count=1)

    assert watch_capacity(NOW) == 1

    task = tasks().get()
    assert (task.object_type, task.object_id) == ("communities.joinway", way.pk)
    assert "门店海报" in task.title
    GroupChat.objects.filter(routes__join_way=way).update(capacity=100)
    watch_capacity(NOW)
    assert tasks().get().status == TaskStatus.DONE
