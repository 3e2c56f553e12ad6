"""From a due row to a result for every recipient."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.channels.protocol import (
    ChannelDown,
    Outcome,
    OutcomeStatus,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from campaigns.models import Broadcast, Dispatch, Run
from campaigns.rules.retry import MAX_ATTEMPTS, MAX_LOST
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.selectors.progress import counted_deliveries, failure_reasons, progress_of
from campaigns.services.claiming import Result, claim_dispatch, record_results
from campaigns.services.draining import drain_slice
from members.models import Member, Membership
from tests.campaigns.broadcasts import drain, due_broadcast, outbox, started, states_of
from tests.campaigns.fake_channel import delivered, nobody
from tests.communities.factories import CommunityFactory, GroupChatFactory

pytestmark = pytest.mark.django_db


def sending(*, members=3, kind="fake", **values):
    """A run whose audience is frozen and of which nothing is sent yet."""
    run = started(due_broadcast(members=members, channel_account__kind=kind, **values))
    drain_slice(seconds=0)
    run.refresh_from_db()
    return run


def let_time_pass():
    """Everything that waits is due: leases have run out, back-offs are over."""
    past = timezone.now() - timedelta(seconds=1)
    Dispatch.objects.open().update(due_at=past)
    Run.objects.update(held_until=None)


def lose_during_the_call(*, times=1):
    """A worker that took the dispatch was killed while the channel talked, so many times."""
    past = timezone.now() - timedelta(seconds=1)
    Dispatch.objects.update(
        status="leased", lost_count=times, attempt_count=times, attempted_at=past
    )


def leave(membership):
    Membership.objects.filter(pk=membership.pk).update(
        left_at=timezone.now() + timedelta(days=1), leave_reason="self"
    )


def first_membership():
    return Membership.objects.order_by("member_id").first()


# --- the way it goes ---


def test_a_due_broadcast_reaches_every_member_once():
    broadcast = due_broadcast(members=3, body="{{昵称}}，{{社群}}见")
    community = broadcast.communities.get()
    run = started(broadcast)

    drain()

    members = [m.member for m in Membership.objects.order_by("member_id").select_related("member")]
    expected = [(m.external_id, f"{m.nickname}，{community.name}见") for m in members]
    assert outbox(broadcast.channel_account) == expected
    assert set(states_of(run).values()) == {("delivered", "")}
    broadcast.refresh_from_db()
    run.refresh_from_db()
    assert broadcast.status == BroadcastStatus.COMPLETED
    assert run.status == RunStatus.FINISHED
    assert run.finished_at is not None


def test_a_broadcast_to_chats_reaches_the_chats():
    community = CommunityFactory()
    chat = GroupChatFactory(community=community)
    broadcast = due_broadcast(
        members=2,
        community=community,
        channel_account=chat.channel_account,
        target=BroadcastTarget.CHATS,
        body="{{群名}}的{{社群}}",
    )
    started(broadcast)

    drain()

    assert outbox(chat.channel_account) == [(chat.external_id, f"{chat.name}的{community.name}")]


def test_draining_again_changes_nothing(channel):
    sending()
    drain()

    assert drain_slice() is False

    assert len(channel.sent) == 1


def test_no_transaction_is_open_while_the_channel_talks(channel):
    seen = []
    channel.meanwhile = lambda _: seen.append(len(connection.savepoint_ids))
    sending()
    before = len(connection.savepoint_ids)

    drain()

    assert seen == [before]


def test_the_key_comes_from_the_row(channel):
    sending()

    drain()

    assert channel.sent[0].key == f"dispatch-{Dispatch.objects.get().pk}"


# --- who does not get it ---


def test_who_left_after_freezing_is_suppressed_with_the_reason(channel):
    run = sending()
    gone = first_membership()
    leave(gone)

    drain()

    assert states_of(run)[gone.member_id] == ("suppressed", "left")
    assert len(channel.sent[0].messages) == 2
    assert Broadcast.objects.get().status == BroadcastStatus.COMPLETED


def test_when_everybody_left_nothing_is_called(channel):
    run = sending()
    for membership in Membership.objects.all():
        leave(membership)

    drain()

    assert channel.sent == []
    assert set(states_of(run).values()) == {("suppressed", "left")}


def test_one_text_that_cannot_be_rendered_fails_alone(channel):
    run = sending(body="{{昵称}}")
    poisoned = first_membership().member
    Member.objects.filter(pk=poisoned.pk).update(nickname=" ")

    drain()

    states = states_of(run)
    assert states.pop(poisoned.pk) == ("failed", "render_empty")
    assert set(states.values()) == {("delivered", "")}
    assert Broadcast.objects.get().status == BroadcastStatus.PARTIALLY_COMPLETED


def test_a_failed_recipient_fails_alone(channel):
    run = sending()
    unlucky = first_membership().member

    def answer(envelope):
        return tuple(
            Outcome(m.recipient_ref, OutcomeStatus.FAILED, "blocked")
            if m.recipient_ref == unlucky.external_id
            else Outcome(m.recipient_ref, OutcomeStatus.DELIVERED)
            for m in envelope.messages
        )

    channel.answers = [answer]

    drain()

    assert states_of(run)[unlucky.pk] == ("failed", "blocked")
    assert failure_reasons(run.pk) == [("failed", "blocked", 1)]
    assert progress_of(run.pk).delivered == 2


def test_who_is_missing_in_the_answer_was_not_reached_as_far_as_we_know(channel):
    run = sending()
    channel.answers = [nobody]

    drain()

    assert set(states_of(run).values()) == {("failed", "not_in_answer")}
    assert Broadcast.objects.get().status == BroadcastStatus.FAILED


def test_who_waits_for_an_owner_is_counted_apart(channel):
    run = sending()
    channel.answers = [
        lambda e: tuple(Outcome(m.recipient_ref, OutcomeStatus.AWAITING) for m in e.messages)
    ]

    drain()

    assert set(states_of(run).values()) == {("awaiting_owner", "")}
    assert progress_of(run.pk).awaiting_owner == 3


def test_a_rejected_call_fails_all_its_recipients_and_is_not_repeated(channel):
    run = sending()
    channel.answers = [Rejected("http_403")]

    drain()
    let_time_pass()
    drain()

    assert len(channel.sent) == 1
    assert set(states_of(run).values()) == {("failed", "http_403")}


# --- trouble ---


@pytest.mark.parametrize(
    "trouble", [ChannelDown("endpoint_unreachable"), OutcomeUnknown("no_answer"), ValueError("bug")]
)
def test_after_trouble_the_same_call_is_made_again_with_the_same_key(channel, trouble):
    run = sending()
    channel.answers = [trouble]

    drain()
    assert set(states_of(run).values()) == {("planned", "")}
    let_time_pass()
    drain()

    first, second = channel.sent
    assert (first.key, first.messages) == (second.key, second.messages)
    assert (first.attempted_at, second.attempted_at is None) == (None, False)
    assert set(states_of(run).values()) == {("delivered", "")}


def test_a_throttled_run_waits_as_the_platform_wishes_and_it_counts_for_nothing(channel):
    run = sending()
    channel.answers = [RateLimited(30)]

    drain()

    run.refresh_from_db()
    assert timedelta(seconds=25) < run.held_until - timezone.now() <= timedelta(seconds=30)
    assert Dispatch.objects.get().attempt_count == 0
    assert claim_dispatch() is None


def test_a_channel_in_trouble_makes_the_whole_run_wait_until_it_works_again(channel):
    run = sending()
    channel.answers = [ChannelDown("endpoint_unreachable")] * 3

    for _ in range(3):
        let_time_pass()
        drain()

    run.refresh_from_db()
    assert run.trouble_count == 3
    assert run.held_until > timezone.now()
    let_time_pass()
    drain()
    run.refresh_from_db()
    assert (run.trouble_count, run.held_until) == (0, None)


def test_a_channel_that_never_comes_back_is_given_up_with_the_reason(channel):
    run = sending()
    Dispatch.objects.update(attempt_count=MAX_ATTEMPTS - 1)
    channel.answers = [ChannelDown("endpoint_unreachable")]

    drain()

    assert set(states_of(run).values()) == {("failed", "endpoint_unreachable")}


def test_without_a_key_an_unknown_outcome_is_looked_up_before_it_is_repeated(keyless):
    run = sending(kind="keyless")
    keyless.answers = [OutcomeUnknown("no_answer")]
    keyless.word = delivered

    drain()
    let_time_pass()
    drain()

    assert (len(keyless.sent), len(keyless.asked)) == (1, 1)
    assert set(states_of(run).values()) == {("delivered", "")}


def test_without_a_key_what_never_arrived_is_sent_again(keyless):
    sending(kind="keyless")
    keyless.answers = [OutcomeUnknown("no_answer")]

    drain()
    let_time_pass()
    drain()

    assert (len(keyless.sent), len(keyless.asked)) == (2, 1)


def test_without_a_key_an_unknown_outcome_is_left_alone_for_the_rest_of_the_lease(keyless):
    sending(kind="keyless")
    keyless.answers = [OutcomeUnknown("no_answer")]

    drain()

    assert Dispatch.objects.get().due_at > timezone.now() + timedelta(seconds=50)


def test_a_lookup_that_cannot_tell_repeats_nothing(keyless):
    sending(kind="keyless")
    keyless.answers = [OutcomeUnknown("no_answer")]
    keyless.word = OutcomeUnknown("no_answer")

    for _ in range(3):
        let_time_pass()
        drain()

    assert len(keyless.sent) == 1


# --- leases ---


def test_a_leased_dispatch_is_nobody_elses(channel):
    sending()

    assert claim_dispatch() is not None
    assert claim_dispatch() is None


def test_a_lease_that_ran_out_is_taken_over_with_the_same_key(channel):
    sending()
    first = claim_dispatch()
    let_time_pass()

    second = claim_dispatch()

    assert (first.key, first.was_lost) == (second.key, False)
    assert (second.was_lost, second.lost_count) == (True, 1)
    assert not second.may_have_arrived  # the first never began its call


def test_who_lost_the_lease_can_write_nothing(channel):
    run = sending()
    first = claim_dispatch()
    let_time_pass()
    second = claim_dispatch()
    results = {pk: Result("delivered") for pk in first.recipient_ids}

    assert record_results(first, results) is False
    assert set(states_of(run).values()) == {("planned", "")}
    assert record_results(second, results) is True
    assert record_results(second, results) is False
    assert progress_of(run.pk).delivered == 3


def test_a_call_that_no_longer_fits_into_the_lease_is_not_begun(channel, settings):
    settings.LEASE_SECONDS = channel.call_timeout + 1.9
    run = sending()

    drain_slice(seconds=0.1)

    assert channel.sent == []
    assert Dispatch.objects.get().attempt_count == 0
    assert set(states_of(run).values()) == {("planned", "")}


def test_what_kills_every_worker_is_given_up_with_the_platforms_word(channel):
    run = sending()
    lose_during_the_call(times=MAX_LOST)
    channel.word = delivered

    drain()

    assert channel.sent == []
    assert set(states_of(run).values()) == {("delivered", "")}


def test_what_kills_every_worker_is_given_up_and_says_so(channel):
    run = sending()
    lose_during_the_call(times=MAX_LOST)
    channel.word = OutcomeUnknown("cannot_look_up")

    drain()

    assert channel.sent == []
    assert set(states_of(run).values()) == {("failed", "outcome_unknown")}


def test_who_left_but_was_reached_by_the_earlier_call_was_reached(channel):
    run = sending()
    everybody = [m.member.external_id for m in Membership.objects.select_related("member")]
    channel.answers = [OutcomeUnknown("no_answer")]
    drain()
    leave(first_membership())
    let_time_pass()
    channel.answers = [lambda _: tuple(Outcome(ref, OutcomeStatus.DELIVERED) for ref in everybody)]

    drain()

    assert set(states_of(run).values()) == {("delivered", "")}


def test_a_channel_switched_off_holds_the_run(channel):
    run = sending()
    account = run.broadcast.channel_account
    account.is_active = False
    account.save(update_fields=["is_active"])

    drain()

    assert channel.sent == []
    account.is_active = True
    account.save(update_fields=["is_active"])
    drain()
    assert len(channel.sent) == 1


# --- the sums ---


def test_at_any_moment_every_recipient_is_in_one_state_and_the_counters_say_so(channel):
    channel.batch_limit = 4
    run = sending(members=20)
    channel.batch_limit = 1000
    moments = []

    def look(_):
        counted, progress = counted_deliveries(run.pk), progress_of(run.pk)
        moments.append(counted)
        assert sum(counted.values()) == progress.total == 20
        for state in ("planned", "delivered", "failed", "suppressed", "cancelled"):
            assert counted[state] == getattr(progress, state)

    channel.meanwhile = look
    channel.answers = [delivered, Rejected("http_403"), nobody]
    leave(first_membership())

    drain()

    look(None)
    assert len(moments) == 6
    assert moments[-1] == moments[-1] | {
        "planned": 0,
        "suppressed": 1,
        "delivered": 11,
        "failed": 8,
    }


def test_one_claim_takes_one_dispatch_whatever_the_plan(channel):
    """A choice that is made again for every row would lease dispatches that nobody delivers."""
    channel.batch_limit = 1
    run = sending(members=6)
    channel.batch_limit = 1000
    with connection.cursor() as cursor:  # as the statistics stand of a table that was empty
        cursor.execute(
            "UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE relname = 'campaigns_dispatch'"
        )
        for way in ("hashjoin", "mergejoin", "material", "memoize"):
            cursor.execute(f"SET LOCAL enable_{way} = off")

    claim_dispatch()

    assert Dispatch.objects.filter(run=run).count() == 6
    assert Dispatch.objects.filter(run=run, status="leased").count() == 1
