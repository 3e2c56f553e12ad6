"""Forecasting a broadcast of real rows: cells, the frozen forecast, and what became of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import BroadcastForecast, RunReport
from campaigns.rules.forecasts import Note, Option
from campaigns.selectors.forecast_cells import cells_of, sizes_of
from campaigns.selectors.forecast_past import past_of
from campaigns.services.forecasting import (
    forecast_broadcast,
    forecast_now,
    freeze_due_forecasts,
    freeze_forecast,
    settle_due_forecasts,
    settle_forecast,
)
from campaigns.services.reporting import report_run
from campaigns.services.watching import look_at
from members.models import ActivityCoverage, ChurnScore, Membership, MemberValue, PurchaseDay
from members.rules.churn import RiskBand
from scrm.wecom.models import ChannelKind
from tests.campaigns.broadcasts import BroadcastFactory
from tests.campaigns.experiments import experiment_on
from tests.campaigns.runs import over, people_in, quits, run_to, running_broadcast
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import ActivityEventFactory, MemberDayFactory, StayFactory
from tests.wecom.factories import ChannelAccountFactory

pytestmark = pytest.mark.django_db


def today():
    return timezone.localdate()


def is_worth(membership, amount, *, segment="loyal", **values):
    return MemberValue.objects.create(
        member=membership.member,
        enterprise=membership.enterprise,
        segment=segment,
        clv_amount=amount,
        computed_on=today(),
        **values,
    )


def is_scored(membership, probability):
    return ChurnScore.objects.create(
        enterprise=membership.enterprise,
        community=membership.community,
        member=membership.member,
        probability=probability,
        band=RiskBand.HIGH,
        scored_on=today(),
        model_version="test",
    )


def is_measured(community):
    now = timezone.now()
    ActivityCoverage.objects.create(
        community=community,
        source="test",
        covered_from=now - timedelta(days=60),
        covered_to=now,
    )


def option(forecast, name=Option.CHOSEN):
    return next(one for one in forecast.figures["options"] if one["option"] == name)


def cells(broadcast):
    return cells_of(broadcast, as_of=timezone.now())


# --- cells --------------------------------------------------------------------------------------


def test_people_who_are_alike_stand_in_one_cell_with_what_they_are_worth():
    community = CommunityFactory()
    people = people_in(community, 4)
    for one in people[:3]:
        is_worth(one, 1_000)
    is_scored(people[0], 0.9)

    found = cells(
        BroadcastFactory(author__enterprise=community.enterprise, communities=[community])
    )

    assert sizes_of(found) == (4, 4)
    assert [(one.segment, one.band, one.people, one.value_amount) for one in found] == [
        ("", "", 1, 0),
        ("loyal", "", 2, 2_000),
        ("loyal", "high", 1, 1_000),
    ]


def test_dormant_is_who_was_silent_where_somebody_listened_and_may_be_profiled():
    community = CommunityFactory()
    quiet, lively, unprofiled = people_in(community, 3)
    is_worth(quiet, 0)
    is_worth(lively, 0)
    MemberDayFactory(member=lively.member, community=community, day=today() - timedelta(days=3))
    broadcast = BroadcastFactory(author__enterprise=community.enterprise, communities=[community])

    unknown = [one for one in cells(broadcast) if one.is_dormant]
    is_measured(community)
    (dormant,) = (one for one in cells(broadcast) if one.is_dormant)

    assert unknown == []
    assert (dormant.segment, dormant.people) == ("loyal", 1)
    assert unprofiled.pk


def test_whoever_came_this_week_is_new():
    community = CommunityFactory()
    people_in(community, 3)
    people_in(community, 2, joined_days_ago=3)

    found = cells(
        BroadcastFactory(author__enterprise=community.enterprise, communities=[community])
    )

    assert {one.is_new: one.people for one in found} == {False: 3, True: 2}


def test_the_chosen_are_told_from_those_who_could_be_reached_too():
    community = CommunityFactory()
    people = people_in(community, 5)
    for one in people[:2]:
        one.member.nickname = "猫"
        is_worth(one, 1_000)
    broadcast = BroadcastFactory(
        author__enterprise=community.enterprise,
        communities=[community],
        criterion={"metric": "membership_days", "op": "gte", "value": 1000},
    )

    assert sizes_of(cells(broadcast)) == (5, 0)
    assert forecast_broadcast(broadcast.pk).figures["notes"][0] == Note.NOBODY


def test_somebody_in_two_communities_counts_once_and_who_left_not_at_all():
    first = CommunityFactory()
    second = CommunityFactory(enterprise=first.enterprise)
    people = people_in(first, 3)
    quits(people[2:], at=timezone.now())
    Membership.objects.create(
        enterprise=first.enterprise,
        community=second,
        member=people[0].member,
        joined_at=timezone.now() - timedelta(days=50),
    )
    broadcast = BroadcastFactory(author__enterprise=first.enterprise, communities=[first, second])

    assert sizes_of(cells(broadcast)) == (2, 2)


def test_of_chats_the_people_in_them_are_counted():
    community = CommunityFactory()
    chat = GroupChatFactory(community=community, enterprise=community.enterprise)
    for one in people_in(community, 3):
        StayFactory(chat=chat, member=one.member)
    broadcast = BroadcastFactory(
        author__enterprise=community.enterprise,
        communities=[community],
        target="chats",
        channel_account=chat.channel_account,
    )

    assert sizes_of(cells(broadcast)) == (3, 3)


def test_orders_of_the_last_weeks_are_counted_with_their_amounts():
    community = CommunityFactory()
    (one,) = people_in(community, 1)
    is_worth(one, 1_000, last_purchase_on=today() - timedelta(days=2))
    for days, amount in ((2, 5_000), (40, 9_000)):
        PurchaseDay.objects.create(
            enterprise=community.enterprise,
            member=one.member,
            day=today() - timedelta(days=days),
            currency="CNY",
            order_count=2,
            standing_count=2,
            net_amount=amount,
        )

    (cell,) = cells(
        BroadcastFactory(author__enterprise=community.enterprise, communities=[community])
    )

    assert (cell.usual_orders, cell.spent_amount) == (2.0, 5_000)


# --- before it runs -----------------------------------------------------------------------------


def test_a_forecast_is_an_assumption_until_there_are_enough_runs_of_our_own():
    community = CommunityFactory()
    people_in(community, 50)
    broadcast = BroadcastFactory(author__enterprise=community.enterprise, communities=[community])

    forecast = forecast_broadcast(broadcast.pk)

    assert forecast.is_assumption
    assert Note.ASSUMPTION in forecast.figures["notes"]
    assert option(forecast)["people"] == 50
    assert 0 < option(forecast)["reach"]["mean"] <= 50
    assert forecast.run is None


def test_a_forecast_made_again_replaces_the_one_before_and_looking_writes_nothing():
    community = CommunityFactory()
    people_in(community, 5)
    broadcast = BroadcastFactory(author__enterprise=community.enterprise, communities=[community])

    shown = forecast_now(broadcast)
    assert BroadcastForecast.objects.count() == 0
    first, second = (forecast_broadcast(broadcast.pk) for _ in range(2))

    assert (shown.pk, first.pk) == (None, second.pk)
    assert shown.figures["options"] == first.figures["options"] == second.figures["options"]
    assert forecast_now(broadcast).pk == first.pk


def test_the_held_out_of_an_experiment_are_not_expected_to_get_it():
    community = CommunityFactory()
    people_in(community, 200)
    broadcast = BroadcastFactory(author__enterprise=community.enterprise, communities=[community])
    experiment_on(broadcast, holdout_percent=50)

    figures = forecast_broadcast(broadcast.pk).figures

    assert figures["treated_share"] == 0.5
    assert figures["options"][0]["reach"]["high"] <= 100


# --- what became of it --------------------------------------------------------------------------


def a_forecast_run(size=40):
    """A run of a week ago, forecast when it began."""
    run, people = run_to(size, hours_ago=160)
    is_measured(people[0].community)
    for one in people:
        is_worth(one, 10_000)
    forecast = freeze_forecast(run.pk)
    forecast.figures["as_of"] = run.started_at.isoformat()
    forecast.save()
    return run, people


def is_over(run):
    over(run, hours_ago=80)
    look_at(run.pk)
    report_run(run.pk)
    return settle_forecast(run.pk)


def test_a_run_is_forecast_once_when_it_begins():
    run, _people = a_forecast_run()

    forecast = BroadcastForecast.objects.get(run=run)
    run.broadcast.cost_amount = 99_00
    run.broadcast.save()

    assert freeze_forecast(run.pk) == forecast
    assert forecast.figures["cost_amount"] == 0
    assert forecast.actual is None


def test_what_happened_is_held_against_what_was_said():
    run, people = a_forecast_run()
    ActivityEventFactory(
        member=people[0].member,
        community=people[0].community,
        kind="click",
        occurred_at=run.started_at + timedelta(hours=1),
    )
    quits(people[1:3], at=run.started_at + timedelta(hours=2))

    forecast = is_over(run)

    assert RunReport.objects.get(run=run).is_final
    assert forecast.actual["reach"] == 40
    assert forecast.actual["clicks"] == 1
    assert forecast.actual["leaves"] == 2
    assert forecast.actual["net"] is None
    assert forecast.actual["inside"]["clicks"] is True
    assert forecast.actual["inside"]["net"] is None
    assert sum(one["left"] for one in forecast.actual["groups"]) == 2
    assert sum(one["clicked"] for one in forecast.actual["groups"]) == 1
    assert {one["segment"] for one in forecast.actual["groups"]} == {"loyal"}


def test_the_next_forecast_learns_from_it():
    run, people = a_forecast_run()
    quits(people[:4], at=run.started_at + timedelta(hours=2))
    is_over(run)
    coming = running_broadcast(people[0].community)

    past = past_of(coming, now=timezone.now())

    assert (past.broadcasts, past.leaves, past.people) == (1, 4, 40)
    assert past.delivered[0].of == 40
    assert past.clicked_by["loyal"].of == 40


def test_what_a_lost_message_left_undone_is_found_by_the_sweep():
    run, people = run_to(10, hours_ago=2)
    freeze_due_forecasts()
    assert BroadcastForecast.objects.filter(run=run).exists()

    over(run, hours_ago=74)
    look_at(run.pk)
    RunReport.objects.filter(run=run).update(is_final=True, figures=report_run(run.pk).figures)
    settle_due_forecasts()

    assert BroadcastForecast.objects.get(run=run).actual["reach"] == 10
    assert people


def test_a_run_that_began_long_ago_is_not_forecast_any_more():
    run, _people = run_to(3, hours_ago=7)

    freeze_due_forecasts()

    assert not BroadcastForecast.objects.filter(run=run).exists()


def test_rehearsals_teach_rehearsals_only():
    run, people = a_forecast_run()
    is_over(run)
    rehearsal = running_broadcast(
        people[0].community, channel_account=run.broadcast.channel_account
    )
    account = ChannelAccountFactory(
        enterprise=people[0].enterprise, kind=ChannelKind.WECOM, name="wecom"
    )
    real = running_broadcast(people[0].community, channel_account=account)

    assert past_of(rehearsal, now=timezone.now()).broadcasts == 1
    assert past_of(real, now=timezone.now()).broadcasts == 0
