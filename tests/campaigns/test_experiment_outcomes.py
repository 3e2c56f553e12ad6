from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from campaigns.errors import CannotMoveExperiment, ReasonMissing, TooEarly
from campaigns.models import Delivery, Dispatch, Experiment, Run, Schedule
from campaigns.rules.experiments import (
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
    ExperimentUnit,
)
from campaigns.rules.schedules import ScheduleKind
from campaigns.rules.status import BroadcastTarget
from campaigns.rules.verdict_words import Subject, sentences_of
from campaigns.selectors.arms import arms_of, split_of
from campaigns.services.evaluating import (
    apply_winner,
    end_experiment,
    evaluate_due_experiments,
    evaluate_experiment,
)
from members.models import ActivityEvent, Member, Membership, Purchase, Stay
from tests.accounts.factories import UserFactory
from tests.campaigns.broadcasts import due_broadcast, started
from tests.campaigns.experiments import HOURS, experiment_on
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.factories import ActivityCoverageFactory, ActivityEventFactory

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUR = timedelta(hours=1)


def crowd(community, count):
    """So many members of a community, made at once."""
    members = Member.objects.bulk_create(
        Member(enterprise=community.enterprise, external_id=f"crowd-{n}", nickname=f"{n}")
        for n in range(count)
    )
    Membership.objects.bulk_create(
        Membership(
            enterprise=community.enterprise,
            community=community,
            member=member,
            source="api",
            joined_at=timezone.now() - timedelta(days=90),
        )
        for member in members
    )
    return [member.pk for member in members]


def sent(count=600, **values):
    """An experiment with members whose only run was sent a while ago; its arms by number."""
    community = CommunityFactory(enterprise=UserFactory().enterprise)
    ids = crowd(community, count)
    broadcast = due_broadcast(members=0, community=community)
    experiment = experiment_on(broadcast, **values)
    run = started(broadcast)
    experiment.refresh_from_db()
    return experiment, run, put_into_arms(experiment, run, ids)


def put_into_arms(experiment, run, ids):
    """What freezing and sending leave behind, with arms of exactly the planned size."""
    bounds = [0]
    for share in split_of(experiment).shares.values():
        bounds.append(bounds[-1] + share)
    cuts = [round(bound * len(ids)) for bound in bounds]
    ids = list(ids)
    arms = {
        number: ids[first:last]
        for number, first, last in zip(split_of(experiment).numbers, cuts, cuts[1:], strict=False)
    }
    for sequence, (number, recipients) in enumerate(arms.items()):
        Dispatch.objects.create(
            run=run,
            sequence=sequence,
            recipient_ids=recipients,
            arm=number,
            attempted_at=timezone.now(),
            status="done",
        )
        Delivery.objects.bulk_create(
            Delivery(run=run, recipient_id=pk, status="delivered" if number else "suppressed")
            for pk in recipients
        )
    return arms


def is_over(experiment, *, ago=timedelta(days=10)):
    """Everything happened so long ago."""
    run = experiment.broadcast.runs.get()
    moment = timezone.now() - ago
    Run.objects.filter(pk=run.pk).update(started_at=moment, planned_for=moment)
    Experiment.objects.filter(pk=experiment.pk).update(
        starts_on=moment.astimezone(SHANGHAI).date(),
        ends_at=moment + timedelta(hours=experiment.window_hours),
    )
    return moment


def buys(ids, at, amount=10_000):
    enterprise_id = Member.objects.get(pk=ids[0]).enterprise_id if ids else None
    Purchase.objects.bulk_create(
        Purchase(
            enterprise_id=enterprise_id,
            member_id=pk,
            source="shop",
            order_number=f"{pk}-{at.timestamp()}",
            paid_amount=amount,
            paid_at=at,
        )
        for pk in ids
    )


def test_the_better_text_wins_and_the_sentence_says_by_how_much():
    experiment, _run, arms = sent(400, metric=ExperimentMetric.ORDERED)
    moment = is_over(experiment)
    buys(arms[1][:15], moment + HOUR)
    buys(arms[2][:50], moment + HOUR)
    buys(arms[1][15:80], moment - HOUR)  # before
    buys(arms[1][15:80], moment + 73 * HOUR)  # after the window

    assert evaluate_due_experiments() == [experiment.pk]
    experiment.refresh_from_db()
    result = experiment.result

    assert experiment.status == ExperimentStatus.ENDED
    assert (result["code"], result["winner"]) == ("better", 2)
    assert [(arm["successes"], arm["units"]) for arm in result["arms"]] == [
        (15, len(arms[1])),
        (50, len(arms[2])),
    ]
    said = sentences_of(result, subject_of(experiment))
    assert said[0] == "可以下结论：「短文案」的下单率更高。"
    assert f"（50/{len(arms[2])}）" in said[1]
    assert "好的可能性是 99.9% 以上" in said[1]


def subject_of(experiment):
    names = dict(experiment.arms.values_list("number", "name"))
    return Subject(experiment.metric, experiment.unit, names, "12月1日 00:00")


def test_who_was_never_reached_still_counts_in_his_arm():
    experiment, run, arms = sent(100)
    is_over(experiment)
    Delivery.objects.filter(run=run, recipient_id__in=arms[2][:10]).update(status="failed")
    evaluate_due_experiments()
    experiment.refresh_from_db()
    second = experiment.result["arms"][1]

    assert second["units"] == len(arms[2])
    assert second["reached"] == len(arms[2]) - 10
    assert experiment.result["code"] == "no_difference"


def test_arms_of_another_size_than_planned_have_no_verdict():
    experiment, run, arms = sent(200)
    moment = is_over(experiment)
    buys(arms[2], moment + HOUR)
    Dispatch.objects.filter(run=run, arm=1).update(recipient_ids=arms[1][:40])
    evaluate_due_experiments()
    experiment.refresh_from_db()

    assert (experiment.result["code"], experiment.result["winner"]) == ("uneven", None)
    assert experiment.result["comparisons"] == []
    assert "对不上" in sentences_of(experiment.result, subject_of(experiment))[0]


def test_before_the_end_there_is_no_figure_but_the_sequence():
    experiment, _run, arms = sent(240)
    moment = timezone.now() - 12 * HOUR
    Run.objects.update(started_at=moment, planned_for=moment)
    Experiment.objects.update(starts_on=moment.astimezone(SHANGHAI).date())
    buys(arms[1][:8], moment + HOUR)
    buys(arms[2][:11], moment + HOUR)
    evaluate_experiment(experiment.pk, actor=experiment.broadcast.author)
    experiment.refresh_from_db()
    result = experiment.result

    assert (experiment.status, result["code"]) == (ExperimentStatus.RUNNING, "early")
    assert all("value" not in arm and "successes" not in arm for arm in result["arms"])
    (compared,) = result["comparisons"]
    assert (compared["p"], compared["probability"]) == (None, None)
    assert compared["low"] < 0 < compared["high"]
    said = sentences_of(result, subject_of(experiment))
    assert said[0].startswith("还没到结论时间")
    assert "错判" in said[-1]
    with pytest.raises(TooEarly):
        end_experiment(experiment.pk, actor=experiment.broadcast.author)
    with pytest.raises(TooEarly):
        apply_winner(experiment.pk, actor=experiment.broadcast.author)


def test_it_may_be_ended_early_only_where_the_sequence_is_clear():
    experiment, _run, arms = sent(240)
    moment = timezone.now() - 12 * HOUR
    Run.objects.update(started_at=moment, planned_for=moment)
    Experiment.objects.update(starts_on=moment.astimezone(SHANGHAI).date())
    buys(arms[2][:60], moment + HOUR)
    experiment = end_experiment(experiment.pk, actor=experiment.broadcast.author)

    assert (experiment.status, experiment.result["winner"]) == (ExperimentStatus.ENDED, 2)
    kept = experiment.result
    assert evaluate_experiment(experiment.pk, actor=experiment.broadcast.author).result == kept
    assert "提前结束" in sentences_of(kept, subject_of(experiment))[0]


def test_money_is_compared_without_what_was_so_before():
    experiment, _run, arms = sent(210, metric=ExperimentMetric.SPENT)
    moment = is_over(experiment)
    for number, more in ((1, 0), (2, 1000)):
        for kind in range(21):
            usual = (kind % 7) * 5_000 + 1_000
            buys(arms[number][kind::21], moment - HOUR * 24 * 5, usual)
            buys(arms[number][kind::21], moment + HOUR, usual + more + (kind % 3) * 100)
    evaluate_due_experiments()
    experiment.refresh_from_db()
    result = experiment.result

    assert (result["code"], result["winner"]) == ("better", 2)
    assert result["variance_cut"] > 0.95
    assert result["comparisons"][0]["estimate"] == pytest.approx(1000, abs=60)
    assert "人均净消费" in sentences_of(result, subject_of(experiment))[1]


def test_a_text_that_drives_people_away_is_not_to_be_applied():
    experiment, _run, arms = sent(240)
    moment = is_over(experiment)
    buys(arms[2][:60], moment + HOUR)
    Membership.objects.filter(member__in=arms[2][60:100]).update(
        left_at=moment + HOUR, leave_reason="self"
    )
    evaluate_due_experiments()
    experiment.refresh_from_db()

    assert (experiment.result["code"], experiment.result["winner"]) == ("more_leaves", None)
    said = sentences_of(experiment.result, subject_of(experiment))
    assert said[0].startswith("先别采用")
    assert said[-1].startswith("退出的人：「短文案」比「原文」多")


def test_without_measured_activity_there_is_no_verdict_about_it():
    experiment, _run, arms = sent(100, metric=ExperimentMetric.INTERACTED)
    moment = is_over(experiment)
    evaluate_due_experiments()
    experiment.refresh_from_db()
    assert experiment.result["code"] == "no_data"

    community = experiment.broadcast.communities.get()
    ActivityCoverageFactory(
        community=community, covered_from=moment - HOUR, covered_to=moment + 80 * HOUR
    )
    for pk in arms[2][:25]:
        ActivityEventFactory(
            community=community, member_id=pk, occurred_at=moment + HOUR, kind="comment"
        )
    ActivityEvent.objects.update(enterprise=community.enterprise)
    evaluate_experiment(experiment.pk, actor=experiment.broadcast.author)
    experiment.refresh_from_db()
    assert (experiment.result["code"], experiment.result["arms"][1]["successes"]) == ("better", 25)


def test_the_hold_out_tells_what_a_message_brings_at_all():
    experiment, _run, arms = sent(300, holdout_percent=30)
    moment = is_over(experiment)
    buys(arms[0][:2], moment + HOUR)
    buys(arms[1][:30], moment + HOUR)
    buys(arms[2][:30], moment + HOUR)
    evaluate_due_experiments()
    experiment.refresh_from_db()
    result = experiment.result

    assert [arm["reached"] for arm in result["arms"]] == [0, len(arms[1]), len(arms[2])]
    assert [one["arm"] for one in result["against_nobody"]] == [1, 2]
    assert all(one["low"] > 0 for one in result["against_nobody"])


def test_each_hour_is_watched_for_as_long():
    """Eight in the morning has no twelve hours more than eight in the evening."""
    experiment, _run, arms = sent(120, kind=ExperimentKind.SEND_TIME, arms=HOURS, window_hours=12)
    day = timezone.now().astimezone(SHANGHAI).date() - timedelta(days=3)
    morning = datetime.combine(day, time(8), SHANGHAI)
    Run.objects.update(planned_for=morning - HOUR, started_at=morning - HOUR)
    Experiment.objects.update(starts_on=day, ends_at=morning + 24 * HOUR)
    buys(arms[1][:30], morning + 13 * HOUR)  # too late for the morning
    buys(arms[2][:30], morning + 13 * HOUR)
    evaluate_due_experiments()
    experiment.refresh_from_db()

    assert [arm["successes"] for arm in experiment.result["arms"]] == [0, 30]
    assert arms_of(Run.objects.get()).due_at(2) == morning + 12 * HOUR


def chat_experiment(chats, people, **values):
    community = CommunityFactory(enterprise=UserFactory().enterprise)
    long_ago = timezone.now() - timedelta(days=90)
    ids = crowd(community, chats * people)
    rooms = GroupChatFactory.create_batch(chats, community=community)
    Stay.objects.bulk_create(
        Stay(
            enterprise=community.enterprise,
            member_id=pk,
            chat=rooms[index // people],
            joined_at=long_ago,
            observed_by="event",
        )
        for index, pk in enumerate(ids)
    )
    people_of = {
        room.pk: ids[index * people : (index + 1) * people] for index, room in enumerate(rooms)
    }
    broadcast = due_broadcast(
        members=0, community=community, target=BroadcastTarget.CHATS, body="大家好"
    )
    experiment = experiment_on(broadcast, kind=ExperimentKind.SEND_TIME, arms=HOURS, **values)
    return experiment, people_of


@pytest.mark.parametrize(("chats", "method"), [(24, "welch"), (12, "permutation")])
def test_what_a_whole_chat_reads_is_compared_chat_by_chat(chats, method):
    experiment, people_of = chat_experiment(chats, 10, unit=ExperimentUnit.CHAT, window_hours=10)
    run = started(experiment.broadcast)
    arms = put_into_arms(experiment, run, people_of)
    day = timezone.now().astimezone(SHANGHAI).date() - timedelta(days=3)
    morning = datetime.combine(day, time(8), SHANGHAI)
    Run.objects.update(planned_for=morning - HOUR, started_at=morning - HOUR)
    Experiment.objects.update(starts_on=day, ends_at=morning + 24 * HOUR)
    for index, chat in enumerate(arms[1]):
        buys(people_of[chat][: index % 3], morning + HOUR)
    for index, chat in enumerate(arms[2]):
        buys(people_of[chat][: 5 + index % 3], morning + 13 * HOUR)
    evaluate_due_experiments()
    experiment.refresh_from_db()
    result = experiment.result
    (compared,) = result["comparisons"]

    assert sum(arm["units"] for arm in result["arms"]) == chats
    assert sum(arm["people"] for arm in result["arms"]) == chats * 10
    assert compared["method"] == method
    assert (result["code"], result["winner"]) == ("better", 2)


def test_days_of_one_chat_are_compared_within_their_weekday():
    experiment, people_of = chat_experiment(
        1, 40, unit=ExperimentUnit.CHAT_DAY, window_hours=10, planned_days=28
    )
    (chat,), broadcast = people_of, experiment.broadcast
    Schedule.objects.create(
        broadcast=broadcast, kind=ScheduleKind.RECURRING, rrule="FREQ=DAILY", local_time=time(7)
    )
    first = timezone.now().astimezone(SHANGHAI).date() - timedelta(days=40)
    Experiment.objects.update(
        status="running", starts_on=first, ends_at=timezone.now() - timedelta(days=11)
    )
    for number in range(28):
        moment = datetime.combine(first + timedelta(days=number), time(7), SHANGHAI)
        run = Run.objects.create(broadcast=broadcast, planned_for=moment, started_at=moment)
        arm = arms_of(run).only
        Dispatch.objects.create(
            run=run, sequence=0, recipient_ids=[chat], arm=arm, attempted_at=moment, status="done"
        )
        Delivery.objects.create(run=run, recipient_id=chat, status="delivered")
        hour = 8 if arm == 1 else 20
        at = datetime.combine(first + timedelta(days=number), time(hour, 30), SHANGHAI)
        buys(people_of[chat][: 5 + number % 7 + (4 if arm == 2 else 0)], at)
    evaluate_due_experiments()
    experiment.refresh_from_db()
    result = experiment.result

    assert [arm["units"] for arm in result["arms"]] == [14, 14]
    assert result["comparisons"][0]["method"] == "switchback"
    assert result["comparisons"][0]["estimate"] == pytest.approx(0.1)
    assert (result["code"], result["winner"]) == ("better", 2)
    said = sentences_of(result, subject_of(experiment))
    assert any("按天轮换" in sentence for sentence in said)


def test_the_rest_of_a_recurring_broadcast_uses_the_winner():
    experiment, run, arms = sent(200)
    author = experiment.broadcast.author
    moment = is_over(experiment)
    buys(arms[2][:60], moment + HOUR)
    evaluate_due_experiments()
    experiment.refresh_from_db()
    assert arms_of(later(run)).numbers == ()

    with pytest.raises(ReasonMissing):
        apply_winner(experiment.pk, actor=author, arm=1)
    apply_winner(experiment.pk, actor=author)
    arms_now = arms_of(later(run))

    assert arms_now.only == 2
    assert arms_now.body(None) == arms_now.body(2) == "来看看，{{昵称}}"
    run.refresh_from_db()
    assert arms_of(run).numbers == (1, 2)
    with pytest.raises(CannotMoveExperiment):
        evaluate_experiment(experiment.pk, actor=author)


def later(run):
    return Run(
        broadcast=run.broadcast,
        planned_for=timezone.now() + timedelta(days=1),
        started_at=timezone.now() + timedelta(days=1),
    )
