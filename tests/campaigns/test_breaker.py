"""The quit breaker: it halts what drives people away, and nothing else."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.db import connection

from campaigns.models import CommunityPost, QuitWatch, Run, SendPolicy
from campaigns.rules.breaker import judge, usual_rate
from campaigns.rules.guarding import WatchState
from campaigns.rules.status import BroadcastStatus, BroadcastTarget, RunStatus
from campaigns.selectors.leaves import usual_quits
from campaigns.services.controlling import resume_broadcast
from campaigns.services.watching import begin_watching, watch_runs
from communities.models import SplitBranch, SplitPlan
from members.models import Membership
from members.rules.status import LeaveReason
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import Role
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import populate
from tests.campaigns.runs import (
    add_dispatch,
    delivered_run,
    now,
    over,
    people_in,
    quits,
    run_to,
    running_broadcast,
)
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import PurchaseFactory, StayFactory

pytestmark = pytest.mark.django_db
RULE = {"margin_permille": 10, "minimum_leaves": 5}


def look():
    QuitWatch.objects.update(checked_at=now() - timedelta(hours=1))
    watch_runs()


def watch_of(run, hours=24):
    return run.quit_watches.get(window_hours=hours)


def an_hour_ago():
    return now() - timedelta(hours=1)


# --- the rule -----------------------------------------------------------------------------------


def test_the_usual_of_some_hours_is_what_is_usual_in_these_hours():
    by_hour = [0.001] * 12 + [0.003] * 12
    assert usual_rate(by_hour, 12) == pytest.approx(0.012)
    assert usual_rate(by_hour, 13.5) == pytest.approx(0.012 + 0.0045)
    assert usual_rate(by_hour, 24) == pytest.approx(0.048)
    assert usual_rate(by_hour, 72) == pytest.approx(3 * 0.048)
    assert usual_rate([], 24) == 0


def test_trips_only_when_the_low_end_is_above_the_usual_and_the_margin():
    assert judge(exposed=1000, leaves=30, usual=0.01, **RULE).trips  # from 2.11 % on
    assert not judge(exposed=1000, leaves=28, usual=0.01, **RULE).trips  # from 1.94 % on
    assert not judge(exposed=1000, leaves=30, usual=0.012, **RULE).trips


def test_a_handful_of_quits_never_trips():
    assert not judge(exposed=5, leaves=4, usual=0, **RULE).trips
    assert judge(exposed=50, leaves=5, usual=0, **RULE).trips


def test_more_leaves_than_exposed_is_everybody():
    verdict = judge(exposed=3, leaves=7, usual=0, **RULE)
    assert (verdict.rate, verdict.upper) == (1.0, 1.0)


def looked_at_hourly(draw, *, size, daily, injected):
    """Whether a stream of quits trips within three days of hourly looks, with a baseline that was
    itself drawn from the 14 days before."""
    before = draw.binomialvariate(size * 14, daily)
    by_hour = [before / (size * 14 * 24)] * 24
    hourly, left = (daily + injected) / 24, 0
    for hour in range(1, 73):
        left += draw.binomialvariate(size - left, hourly)
        usual = usual_rate(by_hour, hour)
        margin = 10 if hour <= 24 else 20
        if judge(
            exposed=size, leaves=left, usual=usual, margin_permille=margin, minimum_leaves=5
        ).trips:
            return True
    return False


@pytest.mark.parametrize(("size", "daily"), [(100, 0.005), (400, 0.003), (1500, 0.002)])
def test_an_ordinary_stream_raises_no_alarm(size, daily):
    draw = random.Random(size)
    assert not any(looked_at_hourly(draw, size=size, daily=daily, injected=0) for _ in range(20))


def test_an_injected_rate_raises_the_alarm():
    draw = random.Random(7)
    tripped = [looked_at_hourly(draw, size=500, daily=0.003, injected=0.05) for _ in range(20)]
    assert all(tripped)


# --- looking ------------------------------------------------------------------------------------


def test_too_many_quits_halt_the_rest_and_name_the_price():
    run, memberships = run_to(200, hours_ago=2)
    quits(memberships[:12], at=an_hour_ago())
    PurchaseFactory(member=memberships[0].member, paid_amount=123_400, paid_at=an_hour_ago())
    PurchaseFactory(member=memberships[99].member, paid_amount=999_900, paid_at=an_hour_ago())
    look()
    broadcast = run.broadcast
    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.HALTED
    assert "12 人退出" in broadcast.status_reason
    assert "¥1,234" in broadcast.status_reason
    watch = watch_of(run)
    assert (watch.state, watch.exposed_count, watch.leave_count) == (WatchState.TRIPPED, 200, 12)
    assert watch.value_amount == 123_400
    task = OperatorTask.objects.get(kind=TaskKind.BROADCAST_HALTED)
    assert task.object_id == broadcast.pk
    assert task.details["leave_count"] == 12


def test_the_usual_number_of_quits_is_no_alarm():
    run, memberships = run_to(300, hours_ago=24)
    for day in range(1, 15):  # 4 of some 350 on every day before
        gone = people_in(run.broadcast.communities.get(), 4)
        quits(gone, at=now() - timedelta(hours=24 * day + 30))
    quits(memberships[:4], at=an_hour_ago())
    look()
    run.broadcast.refresh_from_db()
    assert run.broadcast.status == BroadcastStatus.RUNNING
    watch = watch_of(run)
    assert watch.state == WatchState.WATCHING
    assert watch.baseline_rate == pytest.approx(4 * 13 / 14 / 300, rel=0.1)
    assert watch.lower < watch.baseline_rate < watch.upper


def test_a_tiny_community_does_not_trip():
    run, memberships = run_to(8)
    quits(memberships[:4], at=an_hour_ago())
    look()
    assert watch_of(run).state == WatchState.WATCHING
    assert watch_of(run).leave_count == 4


def test_only_who_left_by_himself_after_getting_the_message_counts():
    run, memberships = run_to(200, hours_ago=2)
    quits(memberships[:20], at=now() - timedelta(hours=3))  # before it
    quits(memberships[20:40], at=an_hour_ago(), reason=LeaveReason.REMOVED)
    quits(memberships[40:60], at=an_hour_ago(), reason=LeaveReason.DISSOLVED)
    strangers = people_in(run.broadcast.communities.get(), 0)
    others = people_in(CommunityFactory(enterprise=run.broadcast.enterprise), 20)
    quits(others, at=an_hour_ago())  # of another community
    assert strangers == []
    look()
    assert watch_of(run).leave_count == 0


def test_who_was_to_get_it_and_did_not_does_not_count():
    run, memberships = run_to(100, hours_ago=2)
    run.deliveries.filter(recipient_id__in=[m.member_id for m in memberships[:20]]).update(
        status="suppressed"
    )
    quits(memberships[:20], at=an_hour_ago())
    look()
    assert watch_of(run).leave_count == 0


def test_each_window_begins_when_somebody_got_the_message():
    run, memberships = run_to(100, hours_ago=60)
    late = people_in(run.broadcast.communities.get(), 50)
    add_dispatch(run, [m.member_id for m in late], at=now() - timedelta(hours=3))
    quits(memberships[:3], at=an_hour_ago())  # 59 hours after it
    quits(late[:2], at=an_hour_ago())
    look()
    assert watch_of(run, 24).leave_count == 2
    assert watch_of(run, 72).leave_count == 5


def test_somebody_in_two_communities_leaves_once():
    run, memberships = run_to(50, hours_ago=2)
    other = CommunityFactory(enterprise=run.broadcast.enterprise)
    run.broadcast.communities.add(other)
    twice = Membership.objects.create(
        enterprise=other.enterprise,
        community=other,
        member=memberships[0].member,
        source="api",
        joined_at=now() - timedelta(days=9),
    )
    quits([memberships[0], twice], at=an_hour_ago())
    look()
    assert watch_of(run).leave_count == 1


def test_chats_as_recipients_count_their_members():
    community = CommunityFactory()
    chats = [
        GroupChatFactory(enterprise=community.enterprise, community=community, member_count=60)
        for _ in range(2)
    ]
    broadcast = running_broadcast(community, target=BroadcastTarget.CHATS)
    run = delivered_run(broadcast, [chats[0].pk])
    long_ago = now() - timedelta(days=30)
    for chat, count in ((chats[0], 8), (chats[1], 9)):  # the second chat did not get it
        for membership in people_in(community, count):
            StayFactory(
                membership=membership,
                chat=chat,
                joined_at=long_ago,
                left_at=an_hour_ago(),
                leave_reason=LeaveReason.SELF,
            )
    newcomer = people_in(community, 1)[0]
    StayFactory(
        membership=newcomer,
        chat=chats[0],
        joined_at=now() - timedelta(minutes=90),
        left_at=an_hour_ago(),
        leave_reason=LeaveReason.SELF,
    )
    look()
    watch = watch_of(run)
    assert (watch.exposed_count, watch.leave_count) == (68, 8)  # 60 are there still
    assert watch.state == WatchState.TRIPPED


def test_days_with_another_message_are_not_usual():
    run, memberships = run_to(100, hours_ago=1)
    community = run.broadcast.communities.get()
    began = run.dispatches.get().attempted_at
    other = delivered_run(running_broadcast(community), [])
    CommunityPost.objects.create(
        community=community,
        run=other,
        category="advert",
        posted_at=began - timedelta(hours=30),
    )
    quits(memberships[:40], at=began - timedelta(hours=26))  # the stampede after the other one
    quits(memberships[40:53], at=began - timedelta(hours=50.5))
    usual = usual_quits(run, community_ids=[community.pk], began_at=began)
    assert (usual.days, usual.people) == (13, 47)
    assert usual.by_hour[21] == pytest.approx(13 / (47 * 13))
    assert sum(usual.by_hour) == pytest.approx(13 / (47 * 13))


def test_where_no_day_was_without_a_message_all_days_are_usual():
    run, memberships = run_to(100, hours_ago=1)
    community = run.broadcast.communities.get()
    began = run.dispatches.get().attempted_at
    for day in range(14):
        other = delivered_run(running_broadcast(community), [])
        CommunityPost.objects.create(
            community=community,
            run=other,
            category="advert",
            posted_at=began - timedelta(days=day, hours=3),
        )
    quits(memberships[:14], at=began - timedelta(days=3, hours=1))
    usual = usual_quits(run, community_ids=[community.pk], began_at=began)
    assert usual.days == 0
    assert sum(usual.by_hour) == pytest.approx(14 / (86 * 14))


def test_what_was_sent_to_all_cannot_be_halted_but_somebody_is_told():
    run, memberships = run_to(100, status=BroadcastStatus.COMPLETED)
    over(run, hours_ago=1.9)
    quits(memberships[:10], at=an_hour_ago())
    look()
    assert watch_of(run).state == WatchState.TRIPPED
    run.broadcast.refresh_from_db()
    assert run.broadcast.status == BroadcastStatus.COMPLETED
    assert "无法叫停" in OperatorTask.objects.get(kind=TaskKind.BROADCAST_HALTED).title


def test_one_that_recurs_is_halted_before_its_next_occurrence():
    run, memberships = run_to(
        100, status=BroadcastStatus.SCHEDULED, scheduled_at=now() + timedelta(days=1)
    )
    over(run, hours_ago=1.9)
    quits(memberships[:10], at=an_hour_ago())
    look()
    run.broadcast.refresh_from_db()
    assert run.broadcast.status == BroadcastStatus.HALTED


def test_a_run_without_too_many_quits_passes_when_its_window_is_over():
    run, _memberships = run_to(20, hours_ago=26)
    over(run, hours_ago=25)
    look()
    assert watch_of(run, 24).state == WatchState.PASSED
    assert watch_of(run, 72).state == WatchState.WATCHING


def test_a_run_that_reached_nobody_is_not_watched_any_longer():
    run = delivered_run(running_broadcast(CommunityFactory()), [])
    Run.objects.filter(pk=run.pk).update(status=RunStatus.CANCELLED, finished_at=now())
    look()
    assert watch_of(run).state == WatchState.PASSED


def test_with_the_breaker_off_quits_are_counted_and_nothing_is_halted():
    run, memberships = run_to(100)
    SendPolicy.objects.create(enterprise=run.broadcast.enterprise, breaker_is_on=False)
    quits(memberships[:30], at=an_hour_ago())
    look()
    run.broadcast.refresh_from_db()
    assert run.broadcast.status == BroadcastStatus.RUNNING
    assert watch_of(run).leave_count == 30


def test_an_invitation_to_move_is_not_watched():
    community = CommunityFactory()
    plan = SplitPlan.objects.create(
        enterprise=community.enterprise,
        community=community,
        minimum_size=2,
        created_by=UserFactory(),
    )
    branch = SplitBranch.objects.create(plan=plan, name="华东")
    broadcast = running_broadcast(community, split_branch=branch)
    run = Run.objects.create(broadcast=broadcast, planned_for=now())
    begin_watching(run.pk)
    assert not run.quit_watches.exists()


def test_once_resumed_the_same_window_does_not_halt_again():
    run, memberships = run_to(200)
    quits(memberships[:12], at=an_hour_ago())
    look()
    approver = UserFactory(enterprise=run.broadcast.enterprise, role=Role.REVIEWER)
    watch = watch_of(run, 72)
    QuitWatch.objects.filter(pk=watch.pk).update(state=WatchState.PASSED)
    resume_broadcast(run.broadcast_id, actor=approver, reason="群里的误会已澄清")
    task = OperatorTask.objects.get(kind=TaskKind.BROADCAST_HALTED)
    assert task.status == TaskStatus.DONE
    look()
    run.broadcast.refresh_from_db()
    assert run.broadcast.status == BroadcastStatus.RUNNING


def test_a_run_is_looked_at_again_after_a_minute_or_ten():
    run, _memberships = run_to(20)
    look()
    looked_at = watch_of(run).checked_at
    watch_runs()
    assert watch_of(run).checked_at == looked_at
    QuitWatch.objects.update(checked_at=now() - timedelta(minutes=2))
    watch_runs()
    assert watch_of(run).checked_at > looked_at
    over(run, hours_ago=0)
    QuitWatch.objects.update(checked_at=now() - timedelta(minutes=2))
    watch_runs()
    assert watch_of(run).checked_at < looked_at


def test_quits_are_found_by_their_index():
    community = CommunityFactory()
    populate(community, 3000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE members_membership")
        cursor.execute(
            "EXPLAIN SELECT member_id FROM members_membership WHERE community_id = ANY(%s)"
            " AND leave_reason = 'self' AND left_at > now()",
            [[community.pk]],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "quits_of_community" in plan
