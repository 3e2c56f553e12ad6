"""What a run brought and what it cost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Delivery, QuitWatch, RunReport
from campaigns.rules.arms import arm_of
from campaigns.rules.reports import (
    Increment,
    balance_of,
    increment_of,
    value_beyond_usual,
)
from campaigns.rules.statistics import Moments
from campaigns.rules.status import BroadcastTarget, DeliveryStatus
from campaigns.selectors.arms import arms_of
from campaigns.services.reporting import report_run, report_runs
from campaigns.services.watching import watch_runs
from campaigns.signals import run_reported
from members.models import Stay
from tests.campaigns.experiments import experiment_on
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
from tests.members.factories import ActivityEventFactory, PurchaseFactory

pytestmark = pytest.mark.django_db


def ago(hours):
    return now() - timedelta(hours=hours)


def does(membership, kind, *, hours_ago):
    ActivityEventFactory(
        member=membership.member,
        community=membership.community,
        kind=kind,
        occurred_at=ago(hours_ago),
    )


def buys(membership, amount, *, hours_ago, **values):
    PurchaseFactory(member=membership.member, paid_amount=amount, paid_at=ago(hours_ago), **values)


def steps_of(report):
    return {one["step"]: (one["people"], one["in_order"]) for one in report.figures["funnel"]}


# --- the rule -----------------------------------------------------------------------------------


def test_revenue_alone_is_never_the_answer():
    balance = balance_of(None, margin_percent=30, cost_amount=5_000, value_lost_amount=100)
    assert (balance.margin_amount, balance.net_amount, balance.roi) == (None, None, None)


def test_with_a_hold_out_the_increment_is_what_the_treated_spent_beyond_it():
    increment = increment_of(
        {
            0: Moments(100, 1_000, 100_000),
            1: Moments(400, 8_000, 900_000),
            2: Moments(400, 8_000, 9e5),
        }
    )
    assert (increment.held_out, increment.treated) == (100, 800)
    assert increment.per_head == pytest.approx(10)
    assert increment.amount == pytest.approx(8_000)
    assert increment.low < 10 < increment.high


def test_the_return_is_margin_less_cost_and_the_value_of_those_who_left():
    increment = Increment(treated=1000, held_out=100, per_head=50, low=-10, high=110, p=0.1)
    balance = balance_of(increment, margin_percent=30, cost_amount=5_000, value_lost_amount=4_000)
    assert (balance.margin_low, balance.margin_amount, balance.margin_high) == (
        -3_000,
        15_000,
        33_000,
    )
    assert balance.net_amount == 6_000
    assert balance.roi == pytest.approx(1.2)
    free = balance_of(increment, margin_percent=30, cost_amount=0, value_lost_amount=0)
    assert (free.net_amount, free.roi) == (15_000, None)


def test_only_who_left_beyond_the_usual_has_a_price():
    assert value_beyond_usual(10_000, leaves=10, expected=4) == 6_000
    assert value_beyond_usual(10_000, leaves=3, expected=4) == 0
    assert value_beyond_usual(0, leaves=0, expected=4) == 0


# --- the funnel ---------------------------------------------------------------------------------


def test_the_funnel_counts_each_member_once_and_says_who_went_through_in_order():
    run, (ann, bob, cid, dan, *_rest) = run_to(20, hours_ago=10)
    for hours in (9, 8):
        does(ann, "click", hours_ago=hours)
    does(ann, "comment", hours_ago=7)
    buys(ann, 5_000, hours_ago=6)
    does(bob, "message", hours_ago=9)  # before the click
    does(bob, "click", hours_ago=8)
    buys(cid, 3_000, hours_ago=5)
    buys(cid, 2_000, hours_ago=4, refunded_amount=500)
    does(dan, "click", hours_ago=11)  # before the message
    buys(dan, 9_000, hours_ago=12)
    report = report_run(run.pk)
    assert steps_of(report) == {
        "delivered": (20, 20),
        "clicked": (2, 2),
        "interacted": (2, 1),
        "ordered": (2, 1),
    }
    assert report.figures["interaction_rate"] == pytest.approx(2 / 20)
    assert (report.figures["orders"], report.figures["sales_amount"]) == (3, 9_500)


def test_what_happens_after_three_days_or_elsewhere_or_to_others_is_not_its_doing():
    run, (ann, bob, *_rest) = run_to(10, hours_ago=80)
    does(ann, "click", hours_ago=7)
    buys(ann, 5_000, hours_ago=7)
    buys(bob, 5_000, hours_ago=70, currency="USD")
    elsewhere = people_in(CommunityFactory(enterprise=run.broadcast.enterprise), 1)[0]
    does(elsewhere, "click", hours_ago=70)
    newcomer = people_in(run.broadcast.communities.get(), 1)[0]
    does(newcomer, "click", hours_ago=70)
    buys(newcomer, 5_000, hours_ago=70)
    assert steps_of(report_run(run.pk))["clicked"] == (0, 0)
    assert report_run(run.pk).figures["orders"] == 0


def test_with_chats_as_recipients_the_people_in_them_count():
    community = CommunityFactory()
    chat, other = (
        GroupChatFactory(enterprise=community.enterprise, community=community, member_count=30)
        for _ in range(2)
    )
    run = delivered_run(
        running_broadcast(community, target=BroadcastTarget.CHATS), [chat.pk], hours_ago=5
    )
    inside, outside, late = people_in(community, 3)
    for membership, place, joined in ((inside, chat, 90), (outside, other, 90), (late, chat, 4)):
        Stay.objects.create(
            enterprise=community.enterprise,
            membership=membership,
            member=membership.member,
            chat=place,
            observed_by="event",
            joined_at=ago(joined),
        )
        does(membership, "message", hours_ago=3)
        buys(membership, 1_000, hours_ago=2)
    report = report_run(run.pk)
    assert steps_of(report)["delivered"] == (30, 30)
    assert steps_of(report)["interacted"] == (1, 0)
    assert report.figures["sales_amount"] == 1_000
    [row] = report.figures["by_community"]
    assert (row["id"], row["reached"], row["interacted"]) == (community.pk, 30, 1)


def test_communities_are_told_apart():
    run, first = run_to(6, hours_ago=5)
    second = CommunityFactory(enterprise=run.broadcast.enterprise)
    run.broadcast.communities.add(second)
    others = people_in(second, 4)
    add_dispatch(run, [one.member_id for one in others], at=ago(5))
    does(first[0], "click", hours_ago=4)
    buys(others[0], 700, hours_ago=4)
    quits(others[1:2], at=ago(1))
    QuitWatch.objects.update(checked_at=ago(1))
    watch_runs()
    rows = {row["id"]: row for row in report_run(run.pk).figures["by_community"]}
    here, there = rows[first[0].community_id], rows[second.pk]
    assert (here["reached"], here["clicked"], here["leaves"]) == (6, 1, 0)
    assert (there["reached"], there["ordered"], there["sales_amount"], there["leaves"]) == (
        4,
        1,
        700,
        1,
    )


# --- money --------------------------------------------------------------------------------------


def test_without_a_hold_out_the_increment_is_said_to_be_unknown():
    run, memberships = run_to(10, hours_ago=5)
    buys(memberships[0], 99_999, hours_ago=4)
    figures = report_run(run.pk).figures
    assert figures["sales_amount"] == 99_999
    assert (figures["increment"], figures["margin_amount"], figures["roi"]) == (None, None, None)


def test_the_hold_out_counts_by_lot_whatever_became_of_the_message():
    community = CommunityFactory()
    broadcast = running_broadcast(community, cost_amount=300)
    experiment_on(broadcast, holdout_percent=50)
    run = delivered_run(broadcast, [], hours_ago=5)
    split = arms_of(run).split
    lots = {0: [], 1: [], 2: []}
    for membership in people_in(community, 40):
        lots[arm_of(split, membership.member_id)].append(membership)
    failed = lots[2].pop()
    for arm in (1, 2):
        add_dispatch(run, ids_of(lots[arm]), at=ago(5), arm=arm)
    add_dispatch(run, ids_of([failed]), at=ago(5), arm=2, status=DeliveryStatus.FAILED)
    held = {"status": DeliveryStatus.SUPPRESSED, "reason": "hold_out"}
    add_dispatch(run, ids_of(lots[0]), at=ago(5), arm=0, **held)
    for buyer in (lots[1][0], lots[2][0], failed, lots[0][0]):
        buys(buyer, 100_000, hours_ago=4)
    figures = report_run(run.pk).figures
    held_out = len(lots[0])
    treated = 40 - held_out
    increment = figures["increment"]
    assert (increment["treated"], increment["held_out"]) == (treated, held_out)
    expected = 300_000 / treated - 100_000 / held_out
    assert increment["per_head"] == pytest.approx(expected)
    assert figures["margin_amount"] == round(0.3 * expected * treated)
    assert figures["net_amount"] == figures["margin_amount"] - 300
    assert figures["roi"] == pytest.approx(figures["net_amount"] / 300)
    assert [(one["arm"], one["ordered"]) for one in figures["by_arm"]] == [(1, 1), (2, 1)]
    margins = sum(one["margin_amount"] for one in figures["by_arm"])
    assert margins == pytest.approx(figures["margin_amount"], abs=2)


def ids_of(memberships):
    return [membership.member_id for membership in memberships]


def test_who_left_beyond_the_usual_is_taken_off():
    run, memberships = run_to(100, hours_ago=5)
    quits(memberships[:4], at=ago(1))
    buys(memberships[0], 80_000, hours_ago=200)
    QuitWatch.objects.update(checked_at=ago(1))
    watch_runs()
    figures = report_run(run.pk).figures
    day, three_days = figures["leaves"]
    assert (day["leaves"], day["rate"], day["value_amount"]) == (4, 0.04, 80_000)
    assert three_days["value_lost_amount"] == figures["value_lost_amount"] == 80_000


# --- when ---------------------------------------------------------------------------------------


def test_a_report_is_final_once_its_windows_have_closed_and_says_so_once():
    told = []

    def listen(*, run_id, **_):
        told.append(run_id)

    run_reported.connect(listen)
    try:
        run, memberships = run_to(5, hours_ago=80)
        assert not report_run(run.pk).is_final
        over(run, hours_ago=79)
        QuitWatch.objects.update(checked_at=ago(1))
        watch_runs()
        assert report_run(run.pk).is_final
        does(memberships[0], "click", hours_ago=70)
        report = report_run(run.pk)
    finally:
        run_reported.disconnect(listen)
    assert steps_of(report)["clicked"] == (0, 0)
    assert told == [run.pk]


def test_reports_are_brought_up_to_date_every_hour():
    run, _memberships = run_to(3, hours_ago=5)
    report_runs()
    assert run.report.figures == {}
    RunReport.objects.update(computed_at=ago(2))
    report_runs()
    run.report.refresh_from_db()
    assert run.report.figures["people_reached"] == 3
    assert run.report.computed_at > ago(1)


def test_a_run_that_reached_nobody_has_a_report_too():
    run, _memberships = run_to(3, hours_ago=5)
    Delivery.objects.filter(run=run).update(status="failed")
    run.dispatches.update(delivered_count=0, failed_count=3)
    figures = report_run(run.pk).figures
    assert (figures["people_reached"], figures["interaction_rate"]) == (0, None)
    assert figures["recipients"]["failed"] == 3
