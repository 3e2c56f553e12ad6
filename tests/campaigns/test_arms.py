from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from campaigns.errors import BadArms, BadDuration, BadHoldOut, BadUnit, CannotEdit, ExperimentTaken
from campaigns.models import Dispatch, Schedule
from campaigns.rules.arms import Split, arm_of, sending_day, switchback_plan
from campaigns.rules.designs import ArmDraft
from campaigns.rules.experiments import ExperimentKind, ExperimentStatus, ExperimentUnit
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastTarget
from campaigns.selectors.arms import arms_of, split_of
from campaigns.selectors.experiment_concerns import concerns_of
from campaigns.services.experimenting import (
    abandon_experiment,
    create_experiment,
    edit_experiment,
    remove_experiment,
)
from campaigns.services.freezing import freeze_early
from members.models import Member
from scrm.shared.sql import sql
from tests.campaigns.broadcasts import (
    BroadcastFactory,
    drain,
    due_broadcast,
    outbox,
    started,
    states_of,
)
from tests.campaigns.experiments import HOURS, TEXTS, experiment_on

SHANGHAI = ZoneInfo("Asia/Shanghai")


def test_arms_are_as_large_as_they_were_meant_to_be():
    split = Split.of("salt", {1: 1, 2: 1, 3: 2}, holdout_percent=10)
    sizes = Counter(arm_of(split, pk) for pk in range(40_000))

    assert split.shares == pytest.approx({0: 0.1, 1: 0.225, 2: 0.225, 3: 0.45})
    for arm, share in split.shares.items():
        assert sizes[arm] / 40_000 == pytest.approx(share, abs=0.01)


def test_another_salt_draws_independently():
    one, other = Split.of("one", {1: 1, 2: 1}), Split.of("other", {1: 1, 2: 1})
    both = Counter((arm_of(one, pk), arm_of(other, pk)) for pk in range(20_000))

    assert all(count / 20_000 == pytest.approx(0.25, abs=0.015) for count in both.values())


@pytest.mark.django_db
def test_the_database_draws_the_same_arms():
    broadcast = due_broadcast()
    experiment_on(broadcast, holdout_percent=7, arms=[*TEXTS, ArmDraft("三", weight=3, body="三")])
    arms = arms_of(started(broadcast))
    query = sql("SELECT id, {} FROM generate_series(1, 5000) AS id", arms.sql("id"))

    with connection.cursor() as cursor:
        cursor.execute(query.text, query.params)
        drawn = dict(cursor.fetchall())

    assert drawn == {pk: arm_of(arms.split, pk) for pk in range(1, 5001)}
    assert set(drawn.values()) == {0, 1, 2, 3}


def test_a_switchback_gives_each_weekday_to_each_arm_equally_often():
    plan = switchback_plan("salt", [1, 2], weeks=4)

    assert len(plan) == 28
    assert all(Counter(plan[weekday::7]) == {1: 2, 2: 2} for weekday in range(7))
    assert plan == switchback_plan("salt", [1, 2], weeks=4)
    assert plan != switchback_plan("other", [1, 2], weeks=4)


def test_a_switchback_cannot_be_uneven():
    with pytest.raises(ValueError, match="evenly"):
        switchback_plan("salt", [1, 2, 3], weeks=4)


def test_all_hours_of_an_experiment_are_on_one_day():
    times = [time(8), time(20)]
    at_eight = datetime(2026, 3, 2, 8, tzinfo=SHANGHAI)

    assert sending_day(at_eight, times, zone=SHANGHAI) == date(2026, 3, 2)
    assert sending_day(at_eight + timedelta(minutes=1), times, zone=SHANGHAI) == date(2026, 3, 3)
    assert sending_day(at_eight, [], zone=SHANGHAI) == date(2026, 3, 2)
    late_in_utc = datetime(2026, 3, 2, 23, tzinfo=UTC)  # seven in the morning of the third
    assert sending_day(late_in_utc, times, zone=SHANGHAI) == date(2026, 3, 3)


@pytest.mark.django_db
def test_the_first_run_begins_the_experiment():
    broadcast = due_broadcast()
    experiment = experiment_on(broadcast, window_hours=24)
    run = started(broadcast)
    experiment.refresh_from_db()

    assert experiment.status == ExperimentStatus.RUNNING
    assert experiment.starts_on == run.planned_for.astimezone(SHANGHAI).date()
    assert timedelta(hours=24) <= experiment.ends_at - run.started_at < timedelta(hours=25)


@pytest.mark.django_db
def test_a_recurring_experiment_ends_after_whole_days_and_the_last_window():
    broadcast = due_broadcast()
    experiment = experiment_on(broadcast, planned_days=14, window_hours=48)
    Schedule.objects.create(
        broadcast=broadcast, kind=ScheduleKind.RECURRING, rrule="FREQ=DAILY", local_time=time(8)
    )
    started(broadcast)
    experiment.refresh_from_db()

    midnight = datetime.combine(experiment.starts_on + timedelta(days=14), time.min, SHANGHAI)
    assert experiment.ends_at == midnight + timedelta(hours=48)


@pytest.mark.django_db
def test_each_arm_has_its_hour_and_its_text():
    broadcast = due_broadcast()
    experiment_on(broadcast, kind=ExperimentKind.SEND_TIME, arms=HOURS, holdout_percent=10)
    arms = arms_of(started(broadcast))

    morning, evening = arms.due_at(1), arms.due_at(2)
    assert (morning.astimezone(SHANGHAI).hour, evening.astimezone(SHANGHAI).hour) == (8, 20)
    assert evening - morning == timedelta(hours=12)
    assert arms.due_at(0) is None
    assert arms.instants == {0: morning, 1: morning, 2: evening}
    assert arms.body(1) is None


@pytest.mark.django_db
def test_an_arm_without_a_text_says_what_the_broadcast_says():
    broadcast = due_broadcast()
    experiment_on(broadcast)
    arms = arms_of(started(broadcast))

    assert (arms.body(None), arms.body(0), arms.body(1)) == (None, None, None)
    assert arms.body(2) == "来看看，{{昵称}}"


@pytest.mark.django_db
def test_on_a_day_of_a_switchback_everybody_is_in_the_arm_of_that_day():
    broadcast = due_broadcast(target=BroadcastTarget.CHATS, body="你好", members=1)
    experiment = experiment_on(
        broadcast,
        unit=ExperimentUnit.CHAT_DAY,
        kind=ExperimentKind.SEND_TIME,
        arms=HOURS,
        planned_days=28,
        window_hours=12,
    )
    run = started(broadcast)
    experiment.refresh_from_db()
    arms = arms_of(run)

    assert run.arm == arms.only == switchback_plan(experiment.salt, [1, 2], weeks=4)[0]
    assert arms.due_at(None) == arms.due_at(run.arm)


@pytest.mark.django_db
def test_a_list_frozen_before_gets_the_hours_of_its_arms_when_it_starts():
    broadcast = due_broadcast()
    experiment_on(broadcast, kind=ExperimentKind.SEND_TIME, arms=HOURS)
    early = freeze_early(broadcast)
    Dispatch.objects.create(run=early, sequence=0, recipient_ids=[1], arm=1)
    Dispatch.objects.create(run=early, sequence=1, recipient_ids=[2], arm=2)
    run = started(broadcast)
    arms = arms_of(run)

    assert run == early
    due = dict(early.dispatches.values_list("arm", "due_at"))
    assert due == {1: arms.due_at(1), 2: arms.due_at(2)}


@pytest.mark.django_db
def test_after_the_planned_days_nobody_is_assigned():
    broadcast = due_broadcast()
    experiment = experiment_on(broadcast)
    run = started(broadcast)
    experiment.refresh_from_db()
    run.planned_for += timedelta(days=7)

    arms = arms_of(run)
    assert arms.numbers == ()
    assert arms.sql("id").text == "NULL::smallint"


@pytest.mark.django_db
def test_a_run_under_way_keeps_its_arms_when_the_experiment_is_abandoned():
    broadcast = due_broadcast()
    experiment = experiment_on(broadcast)
    run = started(broadcast)
    abandon_experiment(experiment.pk, actor=broadcast.author, reason="换题目")

    assert arms_of(run).numbers == (1, 2)
    run.started_at += timedelta(hours=1)
    assert arms_of(run).numbers == ()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"unit": ExperimentUnit.CHAT}, BadUnit),
        ({"arms": TEXTS[:1]}, BadArms),
        ({"arms": [ArmDraft("甲"), ArmDraft("乙")]}, BadArms),
        ({"arms": HOURS}, BadArms),
        ({"kind": ExperimentKind.SEND_TIME}, BadArms),
        ({"planned_days": 10}, BadDuration),
        ({"holdout_percent": 60}, BadHoldOut),
    ],
)
def test_an_experiment_that_cannot_tell_is_refused(values, refusal):
    with pytest.raises(refusal):
        experiment_on(BroadcastFactory(), **values)


@pytest.mark.django_db
def test_days_are_compared_over_weeks_that_the_arms_share_evenly():
    broadcast = BroadcastFactory(target=BroadcastTarget.CHATS, body="你好")
    values = {"unit": ExperimentUnit.CHAT_DAY, "window_hours": 12, "planned_days": 28}
    three = [ArmDraft("甲"), ArmDraft("乙", body="乙"), ArmDraft("丙", body="丙")]

    with pytest.raises(BadDuration, match="42"):
        experiment_on(broadcast, **values, arms=three)
    with pytest.raises(BadHoldOut):
        experiment_on(broadcast, **values, arms=three[:2], holdout_percent=5)


@pytest.mark.django_db
def test_an_experiment_is_written_only_beside_a_draft():
    broadcast = BroadcastFactory()
    experiment = experiment_on(broadcast)
    edit_experiment(experiment.pk, actor=broadcast.author, window_hours=48)
    experiment.refresh_from_db()
    assert experiment.window_hours == 48
    assert [arm.name for arm in experiment.arms.order_by("number")] == ["原文", "短文案"]

    with pytest.raises(ExperimentTaken):
        experiment_on(broadcast)
    broadcast.status = "in_review"
    broadcast.save()
    with pytest.raises(CannotEdit):
        edit_experiment(experiment.pk, actor=broadcast.author, window_hours=24)
    with pytest.raises(CannotEdit):
        create_experiment(broadcast, actor=broadcast.author, kind="text", arms=TEXTS)
    broadcast.status = "draft"
    broadcast.save()
    remove_experiment(experiment.pk, actor=broadcast.author)
    assert not type(experiment).objects.exists()


@pytest.mark.django_db
def test_what_stands_against_an_experiment_is_said_before_the_approval():
    broadcast = BroadcastFactory()
    experiment_on(broadcast)
    (size,) = concerns_of(broadcast, recipient_count=2000)
    assert (size.level, concerns_of(broadcast)) == ("ok", [])
    assert "约 1000 人" in size.words
    assert "3.8 个百分点" in size.words

    broadcast.target = BroadcastTarget.CHATS
    (unfit,) = concerns_of(broadcast)
    assert unfit.level == "block"


@pytest.mark.django_db
def test_days_need_a_schedule_and_chats_need_company():
    values = {"kind": ExperimentKind.SEND_TIME, "arms": HOURS, "window_hours": 12}
    daily = BroadcastFactory(target=BroadcastTarget.CHATS, body="大家好")
    experiment_on(daily, unit=ExperimentUnit.CHAT_DAY, planned_days=28, **values)
    assert [one.level for one in concerns_of(daily, recipient_count=1)] == ["block"]
    Schedule.objects.create(
        broadcast=daily, kind=ScheduleKind.RECURRING, rrule="FREQ=DAILY", local_time=time(9)
    )
    (late,) = concerns_of(daily, recipient_count=1)
    assert (late.level, "第二天" in late.words) == ("hint", True)

    once = BroadcastFactory(target=BroadcastTarget.CHATS, body="大家好")
    experiment_on(once, unit=ExperimentUnit.CHAT, **values)
    levels = [concerns_of(once, recipient_count=count)[0].level for count in (3, 12)]
    assert levels == ["block", "hint"]
    assert concerns_of(once, recipient_count=40) == []


@pytest.mark.django_db(transaction=True)
def test_everybody_gets_the_text_of_his_arm_and_the_hold_out_gets_nothing():
    broadcast = due_broadcast(members=60, body="原来的话")
    arms = [ArmDraft("原文"), ArmDraft("短文案", body="新的话")]
    experiment = experiment_on(broadcast, holdout_percent=20, arms=arms)
    run = started(broadcast)
    drain()

    split, states = split_of(experiment), states_of(run)
    sent = dict(outbox(broadcast.channel_account))
    members = dict(Member.objects.values_list("pk", "external_id"))
    said = {0: None, 1: "原来的话", 2: "新的话"}
    assert {pk: sent.get(members[pk]) for pk in states} == {
        pk: said[arm_of(split, pk)] for pk in states
    }
    held = {pk for pk, state in states.items() if state == ("suppressed", "hold_out")}
    assert held == {pk for pk in states if arm_of(split, pk) == 0}
    assert held
    broadcast.refresh_from_db()
    assert broadcast.status == "completed"
