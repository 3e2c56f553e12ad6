"""How much of what a community is told is advertising, and what its messages led to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import CommunityPost
from campaigns.rules.guards import is_over
from campaigns.selectors.advert_share import advert_figures, advert_share_of
from campaigns.selectors.community_funnels import Step, community_funnel
from campaigns.services.posting import note_posts
from communities.metrics import COMMUNITY_METRICS
from members.models import StaffDay, Stay
from scrm.wecom.models import ChannelKind
from tests.accounts.factories import StaffFactory
from tests.campaigns.runs import delivered_run, people_in, running_broadcast
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import ActivityCoverageFactory, ActivityEventFactory, PurchaseFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db

RED = 60


@pytest.fixture
def community():
    return CommunityFactory()


def account_of(community):
    return ChannelAccountFactory(enterprise=community.enterprise, kind=ChannelKind.WECOM)


def told(community, recipients=(), *, category="service", hours_ago=2.0, account=None, **values):
    account = account or account_of(community)
    broadcast = running_broadcast(community, category=category, channel_account=account, **values)
    run = delivered_run(broadcast, [one.member_id for one in recipients], hours_ago=hours_ago)
    note_posts(run.pk, [community.pk])
    CommunityPost.objects.filter(run=run).update(
        posted_at=timezone.now() - timedelta(hours=hours_ago)
    )
    return run


def says(community, count, *, days_ago=0):
    StaffDay.objects.create(
        enterprise=community.enterprise,
        community=community,
        staff=StaffFactory(enterprise=community.enterprise),
        day=timezone.localdate() - timedelta(days=days_ago),
        message_count=count,
    )


def share_of(community):
    return advert_share_of(community, timezone.localdate())


def test_sixty_of_a_hundred_is_not_red_and_one_more_is():
    assert not is_over(6, 10, RED)
    assert not is_over(60, 100, RED)
    assert is_over(61, 100, RED)


def test_what_colleagues_say_counts_as_no_advert_and_what_members_say_not_at_all(community):
    told(community, category="advert")
    told(community)
    says(community, 8)
    ActivityEventFactory.create_batch(
        3, community=community, member__enterprise=community.enterprise
    )

    share = share_of(community)

    assert (share.adverts, share.messages) == (1, 10)
    assert share.by_posts == 0.1


def test_only_the_last_seven_days_count(community):
    told(community, category="advert", hours_ago=24 * 8)
    told(community)
    says(community, 5, days_ago=7)
    says(community, 1, days_ago=6)

    share = share_of(community)

    assert (share.adverts, share.messages) == (0, 2)


def test_by_characters_and_by_readers_it_is_of_what_was_sent(community):
    people_in(community, 4)
    told(community, category="advert", body="买" * 30)
    told(community, body="你好" * 5)
    says(community, 98)

    share = share_of(community)

    assert share.by_posts == 0.01
    assert share.by_characters == 0.75
    assert share.by_reach == 0.5


def test_a_rehearsal_counts_only_where_nothing_else_was_told(community):
    sandbox = ChannelAccountFactory(enterprise=community.enterprise)
    told(community, category="advert", account=sandbox, recipients=people_in(community, 1))
    rehearsed, tried = advert_figures(community, timezone.localdate())[0], funnel_of(community)[1]
    told(community)

    figure, funnel = advert_figures(community, timezone.localdate())[0], funnel_of(community)[1]

    assert share_of(community).by_posts == figure.value == 0
    assert (rehearsed.value, str(rehearsed.note)) == (1, "近 7 天只有沙盒演练，没有人真的收到。")
    assert (tried.is_rehearsal, funnel.is_rehearsal) == (True, False)
    assert funnel.run_count == 1


def test_the_figures_say_when_they_are_from_few_messages_or_none(community):
    today = timezone.localdate()

    (nothing, *_rest) = advert_figures(community, today)
    told(community)
    few = COMMUNITY_METRICS.measure(community, today, names=frozenset({"advert_share"}))

    assert (nothing.value, nothing.n) == (None, 0)
    assert nothing.note
    assert few["advert_share"].value == 0
    assert "1 条" in str(few["advert_share"].note)


# --- the funnel of a community ------------------------------------------------------------------


def does(membership, kind, *, hours_ago):
    ActivityEventFactory(
        member=membership.member,
        community=membership.community,
        kind=kind,
        occurred_at=timezone.now() - timedelta(hours=hours_ago),
    )


def funnel_of(community, *, days=3):
    now = timezone.now()
    found = community_funnel(community, since=now - timedelta(days=days), until=now)
    return {one.step: (one.people, one.in_order) for one in found.steps}, found


def measured(community):
    now = timezone.now()
    ActivityCoverageFactory(
        community=community, covered_from=now - timedelta(days=30), covered_to=now
    )


def test_each_member_counts_once_over_all_messages_of_the_period(community):
    measured(community)
    ann, bob, cid = people_in(community, 3)
    told(community, [ann, bob, cid], hours_ago=10)
    told(community, [ann], hours_ago=5)
    for hours in (9, 4):
        does(ann, "click", hours_ago=hours)
    does(ann, "comment", hours_ago=8)
    does(ann, "share", hours_ago=7)
    does(bob, "share", hours_ago=7)
    PurchaseFactory(member=ann.member, paid_amount=1, paid_at=timezone.now() - timedelta(hours=6))

    steps, funnel = funnel_of(community)

    assert funnel.run_count == 2
    assert steps == {
        Step.SENT: (3, 3),
        Step.DELIVERED: (3, 3),
        Step.CLICKED: (1, 1),
        Step.INTERACTED: (2, 1),
        Step.SHARED: (2, 1),
        Step.ORDERED: (1, 1),
    }


def test_of_a_message_to_chats_the_people_in_them_count(community):
    measured(community)
    inside, outside = people_in(community, 2)
    chat = GroupChatFactory(
        community=community, enterprise=community.enterprise, channel_account=account_of(community)
    )
    Stay.objects.create(
        enterprise=community.enterprise,
        membership=inside,
        chat=chat,
        member=inside.member,
        observed_by="event",
        joined_at=timezone.now() - timedelta(days=3),
    )
    broadcast = running_broadcast(
        community, target="chats", channel_account=chat.channel_account, body="你好"
    )
    run = delivered_run(broadcast, [chat.pk], hours_ago=3)
    note_posts(run.pk, [community.pk])
    does(inside, "click", hours_ago=2)
    does(outside, "click", hours_ago=2)

    steps, _funnel = funnel_of(community)

    assert steps[Step.DELIVERED] == (1, 1)
    assert steps[Step.CLICKED] == (1, 1)


def test_where_nobody_measured_clicks_are_unknown_and_not_none(community):
    told(community, people_in(community, 2), hours_ago=5)

    steps, _funnel = funnel_of(community)

    assert steps[Step.DELIVERED] == (2, 2)
    assert steps[Step.CLICKED] == (None, None)
    assert steps[Step.ORDERED] == (0, None)


def test_messages_outside_the_period_and_to_others_do_not_count(community):
    measured(community)
    people = people_in(community, 2)
    told(community, people, hours_ago=24 * 5)
    elsewhere = CommunityFactory(enterprise=community.enterprise)
    told(elsewhere, people_in(elsewhere, 2), hours_ago=5)

    steps, funnel = funnel_of(community)

    assert funnel.run_count == 0
    assert steps[Step.SENT] == (0, 0)
