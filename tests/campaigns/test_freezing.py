from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from campaigns.models import Broadcast, Delivery, Dispatch, Experiment, ExperimentArm, Run
from campaigns.rules.arms import arm_of
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.selectors.arms import split_of
from campaigns.selectors.progress import counted_deliveries, progress_of
from campaigns.selectors.work import drains_needed
from campaigns.services.freezing import (
    Freezing,
    begin_run,
    cancel_early,
    freeze_early,
    freeze_step,
    runs_to_freeze,
)
from campaigns.services.scheduling import start_due_broadcasts
from communities.models import GroupChat
from communities.rules.status import ChatState
from members.models import Membership
from tests.accounts.factories import StaffFactory
from tests.campaigns.broadcasts import (
    BroadcastFactory,
    drain,
    due_broadcast,
    outbox,
    started,
    states_of,
)
from tests.communities.factories import ChannelAccountFactory, CommunityFactory, GroupChatFactory
from tests.members.factories import MembershipFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
TOLERANCE = timedelta(seconds=20)  # the clock goes on while the test works


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


# --- arms, senders, and what is frozen early ---


def compared(broadcast, *, holdout=0, times=(None, None), **values):
    """The broadcast in two arms of the same share."""
    experiment = Experiment.objects.create(
        broadcast=broadcast,
        kind="send_time" if any(times) else "text",
        unit="member",
        metric="interacted",
        holdout_percent=holdout,
        salt="salt",
        **values,
    )
    for number, at in enumerate(times, 1):
        ExperimentArm.objects.create(
            experiment=experiment,
            number=number,
            name=f"{number}",
            local_time=at,
            body=f"第{number}版",
        )
    return experiment


def test_a_dispatch_has_one_arm_and_who_is_held_out_has_a_result_at_once(channel):
    broadcast = due_broadcast(members=40, channel_account__kind="fake")
    compared(broadcast, holdout=25)
    run = started(broadcast)

    freeze()

    split = split_of(broadcast.experiment)
    for dispatch in Dispatch.objects.all():
        assert {arm_of(split, pk) for pk in dispatch.recipient_ids} == {dispatch.arm}
    assert set(Dispatch.objects.values_list("arm", flat=True)) == {0, 1, 2}
    held = Dispatch.objects.get(arm=0)
    assert (held.status, held.suppressed_count) == ("done", len(held.recipient_ids))
    states = states_of(run)
    assert {states[pk] for pk in held.recipient_ids} == {("suppressed", "hold_out")}
    assert counted_deliveries(run.pk)["suppressed"] == progress_of(run.pk).suppressed
    drain()
    texts = {m.body for envelope in channel.sent for m in envelope.messages}
    assert texts == {"第1版", "第2版"}
    assert progress_of(run.pk).delivered == 40 - len(held.recipient_ids)


def test_an_arm_with_a_later_time_waits_for_it(channel):
    broadcast = due_broadcast(members=20, channel_account__kind="fake")
    soon = (timezone.localtime(timezone=broadcast.enterprise.zone) + timedelta(minutes=5)).time()
    compared(broadcast, times=(None, soon.replace(microsecond=0)))
    started(broadcast)

    drain()

    assert {m.body for envelope in channel.sent for m in envelope.messages} == {"第1版"}
    waiting = Dispatch.objects.open()
    assert {dispatch.arm for dispatch in waiting} == {2}
    assert min(dispatch.due_at for dispatch in waiting) > timezone.now()


def test_a_dispatch_has_one_sender_over_all_communities():
    account = ChannelAccountFactory(kind="wecom")
    communities = [CommunityFactory(enterprise=account.enterprise) for _ in range(2)]
    owners = [
        StaffFactory(enterprise=account.enterprise, external_id=f"owner-{n}") for n in range(2)
    ]
    for n in range(8):
        GroupChatFactory(
            community=communities[n % 2],
            channel_account=account,
            owner=owners[n // 4],
            owner_userid=owners[n // 4].external_id,
        )
    orphan = GroupChatFactory(community=communities[0], channel_account=account)
    GroupChat.objects.filter(pk=orphan.pk).update(owner=None, owner_userid="")
    broadcast = due_broadcast(
        members=0,
        community=communities[0],
        channel_account=account,
        target=BroadcastTarget.CHATS,
        body="周六见",
    )
    broadcast.communities.add(communities[1])
    run = started(broadcast)

    freeze()

    run.refresh_from_db()
    sizes = {d.sender: len(d.recipient_ids) for d in Dispatch.objects.all()}
    assert sizes == {owners[0].external_id: 4, owners[1].external_id: 4, "": 1}
    assert (run.recipient_count, run.dispatch_count) == (9, 3)


@pytest.fixture
def early(channel):
    """Approved, its audience frozen and its time not come."""
    broadcast = due_broadcast(
        members=3, channel_account__kind="fake", scheduled_at=timezone.now() + timedelta(hours=1)
    )
    with transaction.atomic():
        run = freeze_early(broadcast)
    drain()
    return run


def test_what_is_frozen_early_lies_still(early, channel):
    early.refresh_from_db()
    assert (early.status, early.recipient_count) == (RunStatus.SENDING, 3)
    assert channel.sent == []
    assert drains_needed(2) == 0


def test_what_is_frozen_early_is_taken_over_by_the_first_occurrence(early, channel):
    broadcast = early.broadcast
    MembershipFactory(community=broadcast.communities.get())  # came too late
    due = timezone.now() - SECOND
    Broadcast.objects.filter(pk=broadcast.pk).update(scheduled_at=due)

    run = started(broadcast)
    drain()

    assert (run.pk, run.planned_for) == (early.pk, due)
    assert sum(len(envelope.messages) for envelope in channel.sent) == 3
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED


def test_the_next_occurrence_is_frozen_anew(early, channel):
    broadcast = early.broadcast
    with transaction.atomic():
        first = begin_run(broadcast, planned_for=timezone.now())
        second = begin_run(broadcast, planned_for=timezone.now())

    assert first.pk == early.pk
    assert second.pk != early.pk
    assert not second.is_prefrozen


def test_what_was_frozen_at_an_approval_that_is_void_is_cancelled(early, channel):
    with transaction.atomic():
        cancel_early(early.broadcast)
    drain()

    early.refresh_from_db()
    assert early.status == RunStatus.CANCELLED
    assert set(states_of(early).values()) == {("cancelled", "")}
    assert Broadcast.objects.get().status == BroadcastStatus.SCHEDULED


def test_arms_of_what_was_frozen_early_get_the_times_of_the_day_it_begins(channel):
    broadcast = due_broadcast(
        members=20, channel_account__kind="fake", scheduled_at=timezone.now() + timedelta(hours=1)
    )
    at = timezone.localtime(timezone=broadcast.enterprise.zone).time().replace(microsecond=0)
    compared(broadcast, times=(None, at))
    with transaction.atomic():
        freeze_early(broadcast)
    drain()
    tomorrow = timezone.now() + timedelta(days=1, minutes=-5)

    with transaction.atomic():
        begin_run(broadcast, planned_for=tomorrow)

    due = {d.arm: d.due_at for d in Dispatch.objects.all()}
    assert abs(due[2] - tomorrow - timedelta(minutes=5)) <= TOLERANCE
    assert due[1] <= timezone.now()
