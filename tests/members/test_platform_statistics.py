"""What the platform counted, read once a day and shown beside our own counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from communities.models import OwnerDay
from communities.services.platform_statistics import days_to_read
from members.models import ActivityEvent, DailyRun, MemberDay
from members.rules.daily_runs import DailyRunKind
from members.selectors.owner_days import own_counts
from members.services.statistics_runs import continue_counting, enterprises_to_count
from scrm.accounts.rules.roles import DataScope, Role
from scrm.wecom.models import WecomConnection
from scrm.wecom.rules.status import ConnectionState
from scrm.wecom.services.platform_clock import platform_day
from tests.accounts.factories import EnterpriseFactory, StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import MemberDayFactory, StayFactory
from tests.wecom.simulated import simulated_corp

pytestmark = pytest.mark.django_db

MORNING = datetime(2026, 3, 10, 0, 0, tzinfo=UTC)  # eight in Shanghai
TODAY = MORNING.date()


@pytest.fixture
def company():
    simulated = simulated_corp()
    simulated.corp.clock.set(MORNING - timedelta(days=3))
    WecomConnection.objects.filter(pk=simulated.connection.pk).update(
        clock_ahead=simulated.corp.clock.now() - datetime.now(UTC)
    )
    simulated.connection.refresh_from_db()
    return simulated


def owner_of(company, userid):
    """A colleague with a chat there and here."""
    company.corp.add_staff(userid, userid)
    chat_id = company.corp.create_group(userid, members=5)
    staff = StaffFactory(enterprise=company.enterprise, external_id=userid)
    return GroupChatFactory(
        enterprise=company.enterprise,
        channel_account=company.connection.account,
        external_id=chat_id,
        owner=staff,
        owner_userid=userid,
        community=CommunityFactory(enterprise=company.enterprise),
    )


def mornings_later(company, days):
    company.corp.clock.advance(days * 86_400)
    ahead = company.corp.clock.now() - datetime.now(UTC)
    WecomConnection.objects.filter(pk=company.connection.pk).update(clock_ahead=ahead)
    company.connection.refresh_from_db()


def count(company, *, day=TODAY, budget=30.0):
    return continue_counting(company.enterprise.pk, day=day, budget=budget)


def run_of(company):
    return DailyRun.objects.get(enterprise=company.enterprise, kind=DailyRunKind.STATISTICS)


def test_half_a_year_is_read_once_and_then_a_day_at_a_time(company):
    for userid in ("lin", "wang"):
        owner_of(company, userid)
    mornings_later(company, 3)

    assert count(company)
    assert OwnerDay.objects.filter(userid="lin").count() == 180
    assert run_of(company).notes["days"] == 360
    mornings_later(company, 1)
    (wanted,) = days_to_read(company.connection)

    assert wanted.owners == ("lin", "wang")
    assert wanted.is_one_day
    assert count(company, day=TODAY + timedelta(days=1))
    assert OwnerDay.objects.count() == 362
    assert list(days_to_read(company.connection)) == []


def test_no_call_asks_for_more_than_thirty_days(company):
    owner_of(company, "lin")

    spans = [(one.last - one.first).days + 1 for one in days_to_read(company.connection)]

    assert sum(spans) == 180
    assert max(spans) == 30


def test_what_is_counted_is_kept_and_no_members_day_is_made_of_it(company):
    chat = owner_of(company, "lin")
    group = company.corp.groups[chat.external_id]
    speaker = next(one for one in group.members if one != "lin")
    company.corp.write(chat.external_id, speaker, 7)
    mornings_later(company, 1)

    count(company)

    latest = OwnerDay.objects.order_by("-day").first()
    assert (latest.chat_count, latest.speaker_count, latest.message_total) == (1, 1, 7)
    assert latest.member_count == 6  # the owner is one of them, for the platform
    assert latest.staff == chat.owner
    assert not MemberDay.objects.exists()
    assert not ActivityEvent.objects.exists()


def test_with_too_little_time_it_goes_on_where_it_stopped(company):
    owner_of(company, "lin")

    rounds = 1
    while not count(company, budget=0.0):
        rounds += 1
        assert rounds < 20

    assert rounds == 7
    assert OwnerDay.objects.count() == 180
    assert run_of(company).finished_at is not None


def test_an_owner_whom_the_platform_does_not_know_keeps_nobody_else_back(company):
    owner_of(company, "lin")
    GroupChatFactory(
        enterprise=company.enterprise,
        channel_account=company.connection.account,
        owner_userid="gone",
    )

    assert count(company)

    assert set(OwnerDay.objects.values_list("userid", flat=True)) == {"lin"}
    assert run_of(company).notes["refused"] > 0


def test_a_platform_out_of_reach_is_asked_again_by_the_next_sweep(company):
    owner_of(company, "lin")
    company.corp.faults.refuse("externalcontact/groupchat/*", 45009, times=-1)

    assert count(company)

    run = run_of(company)
    assert run.finished_at is None
    assert run.lease_until is None


def test_only_enterprises_with_a_connection_in_use_are_due(company):
    EnterpriseFactory()
    paused = simulated_corp(state=ConnectionState.PAUSED)
    noon = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)

    due = [enterprise for enterprise, _day in enterprises_to_count(noon)]

    assert due == [company.enterprise.pk]
    assert paused.enterprise.pk not in due
    assert enterprises_to_count(datetime(2026, 3, 9, 22, 0, tzinfo=UTC)) == []  # six there


# --- beside our own -----------------------------------------------------------------------------


def day_of(chat, **values):
    return OwnerDay.objects.create(
        enterprise=chat.enterprise,
        connection=chat.channel_account.connection,
        userid=chat.owner_userid,
        staff=chat.owner,
        **({"day": TODAY} | values),
    )


def test_our_own_counts_stand_beside_them(company):
    chat, now = owner_of(company, "lin"), datetime.now(UTC)
    today = platform_day(now)
    there = StayFactory(chat=chat, joined_at=now - timedelta(days=5))
    StayFactory(chat=chat, joined_at=now)
    StayFactory(chat=chat, joined_at=now - timedelta(days=9), left_at=now)
    MemberDayFactory(member=there.member, community=chat.community, day=today, message_count=4)
    day_of(chat, day=today - timedelta(days=1), message_total=10)
    day = day_of(chat, day=today, chat_count=2, message_total=15)

    own = own_counts([day])[day.pk]

    assert (own.new_member_count, own.member_count) == (1, 2)
    assert (own.message_count, own.speaker_count) == (4, 1)
    assert own.platform_messages == 5


def test_messages_are_unknown_where_a_community_has_chats_of_others_too(company):
    chat = owner_of(company, "lin")
    GroupChatFactory(
        enterprise=chat.enterprise, community=chat.community, channel_account=chat.channel_account
    )
    MemberDayFactory(community=chat.community, day=TODAY, message_count=4)
    day = day_of(chat)

    assert own_counts([day])[day.pk].message_count is None
    assert own_counts([day])[day.pk].platform_messages is None


def test_the_list_shows_both_and_the_difference(company):
    chat = owner_of(company, "lin")
    day_of(chat, chat_count=2, member_count=6)
    user = UserFactory(enterprise=company.enterprise, role=Role.OPERATOR)
    client = Client()
    client.force_login(user)

    page = client.get(reverse("admin:communities_ownerday_changelist")).content.decode()
    (row,) = client.get(reverse("platform-statistic-list")).json()["results"]

    assert "6 / 0（-6）" in page
    assert "没有数据" in page
    assert row["own"]["member_count"] == 0
    assert row["member_count"] == 6


def test_who_sees_only_his_own_communities_sees_only_owners_within_them(company):
    chat, other = owner_of(company, "lin"), owner_of(company, "wang")
    mixed = GroupChatFactory(
        enterprise=company.enterprise,
        community=other.community,
        channel_account=chat.channel_account,
        owner=other.owner,
        owner_userid="wang",
    )
    user = UserFactory(
        enterprise=company.enterprise,
        role=Role.OPERATOR,
        data_scope=DataScope.OWN_COMMUNITIES,
        staff=chat.owner,
    )
    chat.community.owner = chat.owner
    chat.community.save()
    mine, _theirs = day_of(chat), day_of(mixed)

    assert list(OwnerDay.objects.visible_to(user)) == [mine]
