from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Broadcast, Delivery, Dispatch, Run
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.services.freezing import Freezing, freeze_step, runs_to_freeze
from campaigns.services.scheduling import start_due_broadcasts
from communities.rules.status import ChatState
from members.models import Membership
from tests.campaigns.broadcasts import BroadcastFactory, drain, due_broadcast, outbox, started
from tests.communities.factories import ChannelAccountFactory, CommunityFactory, GroupChatFactory
from tests.members.factories import MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def freezing_in_progress():
    (run_id,) = runs_to_freeze()
    return Freezing.of(run_id)


def freeze(*, step_size=50_000):
    freezing = freezing_in_progress()
    steps = 1
    while freeze_step(freezing, step_size=step_size):
        steps += 1
    return steps


def frozen(run):
    return sorted(Delivery.objects.filter(run=run).values_list("recipient_id", flat=True))


def test_freezing_takes_who_is_in_the_community_and_nobody_else():
    broadcast = due_broadcast(members=2)
    community = broadcast.communities.get()
    MembershipFactory(community=community, gone=True)
    MembershipFactory(enterprise=community.enterprise)  # in another community
    run = started(broadcast)

    freeze()

    run.refresh_from_db()
    expected = sorted(
        Membership.objects.active().filter(community=community).values_list("member_id", flat=True)
    )
    assert frozen(run) == expected
    assert (run.status, run.recipient_count) == (RunStatus.SENDING, 2)


def test_freezing_in_many_small_steps_gives_the_same_as_in_one():
    broadcast = due_broadcast(members=7)
    first, second = CommunityFactory(enterprise=broadcast.enterprise), broadcast.communities.get()
    broadcast.communities.add(first)
    for membership in list(second.memberships.all())[:3]:
        MembershipFactory(community=first, member=membership.member)
    MembershipFactory.create_batch(2, community=first)
    run = started(broadcast)

    assert freeze(step_size=2) > 5

    run.refresh_from_db()
    recipients = [pk for d in Dispatch.objects.order_by("sequence") for pk in d.recipient_ids]
    assert sorted(recipients) == frozen(run)
    assert run.recipient_count == len(set(recipients)) == len(recipients) == 9
    assert run.dispatch_count == Dispatch.objects.count()
    assert list(Dispatch.objects.order_by("sequence").values_list("sequence", flat=True)) == list(
        range(run.dispatch_count)
    )


def test_dispatches_are_no_larger_than_the_channel_takes(channel):
    channel.batch_limit = 3
    broadcast = due_broadcast(members=8, channel_account__kind="fake")
    started(broadcast)

    freeze()

    sizes = [len(d.recipient_ids) for d in Dispatch.objects.order_by("sequence")]
    channel.batch_limit = 1000
    assert sizes == [3, 3, 2]


def test_a_step_costs_two_statements_however_many_it_takes(django_assert_num_queries):
    for members in (1, 30):
        run = started(due_broadcast(members=members))
        freezing = freezing_in_progress()

        with django_assert_num_queries(4):  # savepoint, lock, insert, release
            assert freeze_step(freezing, step_size=members) is True

        run.refresh_from_db()
        assert run.recipient_count == members
        freeze()


def test_freezing_again_adds_nobody():
    broadcast = due_broadcast(members=3)
    run = started(broadcast)
    freezing = freezing_in_progress()
    freeze()

    assert freeze_step(freezing) is False

    assert len(frozen(run)) == 3


def test_a_criterion_narrows_the_audience_as_of_the_start():
    broadcast = due_broadcast(
        members=3,
        criterion={"metric": "purchase_count", "op": "gte", "value": 1, "window_days": 30},
    )
    buyer = broadcast.communities.get().memberships.order_by("?").first().member
    PurchaseFactory(member=buyer, paid_at=timezone.now())
    run = started(broadcast)

    freeze()

    assert frozen(run) == [buyer.pk]


def test_chats_of_the_community_on_this_account_that_still_live():
    community = CommunityFactory()
    account = ChannelAccountFactory(
        enterprise=community.enterprise, kind="webhook", endpoint="https://gateway.example/send"
    )
    chat = GroupChatFactory(community=community, channel_account=account)
    GroupChatFactory(community=community, channel_account=account, state=ChatState.DISSOLVED)
    GroupChatFactory(community=community)  # on another account
    GroupChatFactory(channel_account=account, enterprise=community.enterprise)
    broadcast = due_broadcast(
        members=2,
        community=community,
        channel_account=account,
        target=BroadcastTarget.CHATS,
        body="{{群名}}",
    )
    run = started(broadcast)

    freeze()

    assert frozen(run) == [chat.pk]


def test_a_rehearsal_reaches_the_chats_of_every_account():
    community = CommunityFactory()
    sandbox = ChannelAccountFactory(enterprise=community.enterprise, kind="sandbox")
    chats = [
        GroupChatFactory(community=community, channel_account=sandbox),
        GroupChatFactory(community=community, channel_account__kind="wecom", name="柯基群"),
    ]
    broadcast = due_broadcast(
        members=0,
        community=community,
        channel_account=sandbox,
        target=BroadcastTarget.CHATS,
        body="{{群名}}",
    )
    run = started(broadcast)

    drain()

    assert frozen(run) == [chat.pk for chat in chats]
    assert "柯基群" in [body for _, body in outbox(sandbox)]


def test_an_audience_that_emptied_meanwhile_fails_the_broadcast_with_a_reason():
    broadcast = due_broadcast(members=0)
    run = started(broadcast)

    drain()

    broadcast.refresh_from_db()
    run.refresh_from_db()
    assert (broadcast.status, run.status) == (BroadcastStatus.FAILED, RunStatus.FINISHED)
    assert broadcast.status_reason == "到了发送时间，没有符合条件的收件人。"


def test_there_is_nothing_to_freeze_without_a_run():
    BroadcastFactory()

    assert runs_to_freeze() == []
    assert not Run.objects.exists()


def test_a_run_that_cannot_be_frozen_is_abandoned_and_stops_no_other(channel):
    broken = due_broadcast(channel_account__kind="fake", scheduled_at=timezone.now() - SECOND * 2)
    healthy = due_broadcast(channel_account__kind="fake")
    Broadcast.objects.filter(pk=broken.pk).update(
        criterion={"metric": "gone_since", "op": "gte", "value": 1}
    )
    start_due_broadcasts()

    drain()

    broken.refresh_from_db()
    healthy.refresh_from_db()
    assert (broken.status, healthy.status) == (BroadcastStatus.FAILED, BroadcastStatus.COMPLETED)
    assert "gone_since" in broken.status_reason
    assert broken.runs.get().status == RunStatus.FINISHED


def test_a_channel_that_is_not_installed_stops_no_other(channel):
    due_broadcast(channel_account__kind="gone", scheduled_at=timezone.now() - SECOND * 2)
    healthy = due_broadcast(channel_account__kind="fake")
    start_due_broadcasts()

    drain()

    healthy.refresh_from_db()
    assert healthy.status == BroadcastStatus.COMPLETED
    assert len(runs_to_freeze()) == 1  # it waits for the channel to come back
