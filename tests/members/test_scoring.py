import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from django.db import connection

from members import tasks
from members.models import ActivityCoverage, ChurnScore, DailyRun, MemberDay
from members.rules.churn import SHIPPED_MODEL
from members.rules.churn_scoring import HISTORY, number_of, scored_lines
from members.rules.daily_runs import DailyRunKind
from members.services import scoring
from members.services.daily_runs import claim_run, keep_run
from members.services.scoring import (
    continue_scoring,
    enterprises_to_score,
    score_community,
    score_enterprise,
)
from members.signals import churn_scored
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    ActivityCoverageFactory,
    ChurnScoreFactory,
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
)

ON = date(2026, 6, 1)


@pytest.fixture
def community(db):
    community = CommunityFactory(enterprise__profiling_needs_consent=False)
    ActivityCoverageFactory(community=community)
    return community


@pytest.fixture
def announced():
    heard = []

    def listen(*, community_id, scored_on, **_):
        heard.append((community_id, scored_on))

    churn_scored.connect(listen)
    yield heard
    churn_scored.disconnect(listen)


def member_active(community, *ago, **counts):
    """Somebody in the community who was active so many days before the scored day."""
    member = MembershipFactory(community=community).member
    for days in ago:
        MemberDayFactory(
            community=community,
            member=member,
            day=ON - timedelta(days=days),
            **{"message_count": 2, "thread_count": 1, **counts},
        )
    return member


def history_of(**known):
    history = np.zeros(1, HISTORY)
    for name, value in known.items():
        history[name] = value
    return history


def scores():
    return list(
        ChurnScore.objects.order_by("community_id", "member_id").values_list(
            "member_id", "probability", "band", "reasons", "last_active_on", "scored_on"
        )
    )


def test_score_sees_what_the_rules_would_see(community):
    member = member_active(community, 1, 14, 15, 28, 29, 56, 57, 112, 113, 200)
    MemberDayFactory(
        community=community,
        member=member,
        day=ON - timedelta(days=3),
        message_count=1,
        post_count=2,
        comment_count=3,
        checkin_count=4,
        click_count=5,
        other_count=6,
        thread_count=7,
    )

    result = score_community(community.pk, on=ON)

    days = {"first_day": number_of(ON) - 200, "last_day": number_of(ON) - 1}
    history = history_of(
        **days,
        member=member.pk,
        active_days=11,
        total=10 * 2 + 21,
        active_days_14=3,
        active_days_28=5,
        active_days_112=9,
        total_28=4 * 2 + 21,
        total_earlier=2 * 2,
        threads_28=4 + 7,
    )
    (line,) = scored_lines(history, SHIPPED_MODEL, None, ON)
    _member, probability, band, reasons, last_day = line.rstrip().split("\t")
    kept = ChurnScore.objects.get()
    assert (result.is_measured, result.scored) == (True, 1)
    assert (kept.member, kept.enterprise) == (member, community.enterprise)
    assert (kept.probability, kept.band) == (float(probability), band)
    assert kept.reasons == json.loads(reasons)
    assert (kept.last_active_on, kept.scored_on) == (ON - timedelta(days=1), ON)
    assert last_day == "2026-05-31"
    assert kept.model_version == "shipped-1"


def test_what_happens_from_the_scored_day_on_changes_no_score(community):
    for _n in range(3):
        member_active(community, 2, 9, 30, 0, -1, -5)
    score_community(community.pk, on=ON)
    before = scores()

    ChurnScore.objects.all().delete()
    MemberDay.objects.filter(day__gte=ON).delete()
    score_community(community.pk, on=ON)

    assert scores() == before
    assert len(before) == 3


def test_only_those_who_belong_and_have_shown_a_rhythm_are_scored(community):
    scored = member_active(community, 2, 9)
    member_active(community, 2)
    member_active(community)
    left = MembershipFactory(community=community, gone=True).member
    stranger = MemberFactory(enterprise=community.enterprise)
    for member in (left, stranger):
        for days in (2, 9):
            MemberDayFactory(community=community, member=member, day=ON - timedelta(days=days))

    score_community(community.pk, on=ON)

    assert [row[0] for row in scores()] == [scored.pk]


def test_activity_in_another_community_does_not_count(community):
    member = member_active(community, 2)
    MemberDayFactory(
        community=CommunityFactory(enterprise=community.enterprise),
        member=member,
        day=ON - timedelta(days=9),
    )

    assert score_community(community.pk, on=ON).scored == 0


@pytest.mark.parametrize(
    ("covered_from", "covered_to", "is_measured"),
    [
        (ON - timedelta(days=60), ON, True),
        (ON - timedelta(days=60), ON - timedelta(days=3), True),
        (ON - timedelta(days=60), ON - timedelta(days=4), False),
        (ON - timedelta(days=14), ON, True),
        (ON - timedelta(days=13), ON, False),
    ],
)
def test_only_a_measured_community_is_scored(
    community, announced, covered_from, covered_to, is_measured
):
    midnight = datetime.min.time()
    ActivityCoverage.objects.update(
        covered_from=datetime.combine(covered_from, midnight, tzinfo=community.enterprise.zone),
        covered_to=datetime.combine(covered_to, midnight, tzinfo=community.enterprise.zone),
    )
    member_active(community, 2, 9)

    result = score_community(community.pk, on=ON)

    assert result.is_measured is is_measured
    assert bool(scores()) is is_measured
    assert bool(announced) is is_measured


def test_scoring_the_same_day_again_writes_nothing(community):
    member_active(community, 2, 9)
    score_community(community.pk, on=ON)
    place = "SELECT ctid, xmin FROM members_churnscore"
    with connection.cursor() as cursor:
        cursor.execute(place)
        before = cursor.fetchall()

        score_community(community.pk, on=ON)

        cursor.execute(place)
        assert cursor.fetchall() == before


def test_a_later_day_replaces_the_score_and_an_earlier_one_does_not(community):
    member_active(community, 2, 9)
    score_community(community.pk, on=ON)
    score_community(community.pk, on=ON + timedelta(days=1))
    latest = scores()

    score_community(community.pk, on=ON)

    assert scores() == latest
    assert latest[0][5] == ON + timedelta(days=1)


def test_who_is_not_scored_any_more_has_no_score(community):
    gone = ChurnScoreFactory(community=community, scored_on=ON - timedelta(days=1))
    elsewhere = ChurnScoreFactory(scored_on=ON - timedelta(days=1))

    score_community(community.pk, on=ON)

    assert not ChurnScore.objects.filter(pk=gone.pk).exists()
    assert ChurnScore.objects.filter(pk=elsewhere.pk).exists()


def test_slices_cover_everybody_once(community, announced, monkeypatch):
    monkeypatch.setattr(scoring, "SLICE", 2)
    members = [member_active(community, 2, 9) for _n in range(5)]

    result = score_community(community.pk, on=ON)

    assert result.scored == 5
    assert {row[0] for row in scores()} == {member.pk for member in members}
    assert announced == [(community.pk, ON)]


def test_an_enterprise_is_scored_community_by_community(community, announced):
    other = CommunityFactory(enterprise=community.enterprise)
    member_active(community, 2, 9)

    results = score_enterprise(community.enterprise, on=ON)

    assert [(r.community_id, r.is_measured, r.scored) for r in results] == [
        (community.pk, True, 1),
        (other.pk, False, 0),
    ]
    assert announced == [(community.pk, ON)]


# --- The daily run --------------------------------------------------------------------------------


def test_an_enterprise_is_due_from_three_in_the_morning_of_its_own_day(db):
    shanghai = EnterpriseFactory(time_zone="Asia/Shanghai")
    new_york = EnterpriseFactory(time_zone="America/New_York")

    at = datetime(2026, 6, 1, 18, 59, tzinfo=UTC)  # 02:59 and 14:59

    assert enterprises_to_score(at) == [(new_york.pk, date(2026, 6, 1))]
    assert enterprises_to_score(at + timedelta(minutes=1)) == [
        (shanghai.pk, date(2026, 6, 2)),
        (new_york.pk, date(2026, 6, 1)),
    ]


def test_a_day_is_scored_once(community, announced):
    member_active(community, 2, 9)
    at = datetime(2026, 6, 1, 4, tzinfo=community.enterprise.zone)

    assert continue_scoring(community.enterprise_id, day=ON, budget=60)
    assert continue_scoring(community.enterprise_id, day=ON, budget=60)

    run = DailyRun.objects.get()
    assert (run.day, run.community_count, run.member_count) == (ON, 1, 1)
    assert run.finished_at is not None
    assert enterprises_to_score(at) == []
    assert announced == [(community.pk, ON)]


def test_a_run_out_of_time_goes_on_where_it_stopped(community, announced, monkeypatch):
    monkeypatch.setattr(scoring, "SLICE", 2)
    second = CommunityFactory(enterprise=community.enterprise)
    ActivityCoverageFactory(community=second)
    members = [member_active(place, 2, 9) for place in (community, second) for _n in range(3)]

    rounds = 0
    while not continue_scoring(community.enterprise_id, day=ON, budget=1e-9):
        rounds += 1
        assert rounds < 20

    run = DailyRun.objects.get()
    assert rounds > 4
    assert (run.community_count, run.member_count) == (2, 6)
    assert {row[0] for row in scores()} == {member.pk for member in members}
    assert announced == [(community.pk, ON), (second.pk, ON)]


def test_two_workers_do_not_score_the_same_enterprise_at_once(community):
    run = claim_run(DailyRunKind.SCORING, community.enterprise_id, ON)
    member_active(community, 2, 9)

    assert continue_scoring(community.enterprise_id, day=ON, budget=60)

    assert scores() == []
    DailyRun.objects.filter(pk=run.pk).update(lease_until=run.lease_until - timedelta(minutes=10))
    assert continue_scoring(community.enterprise_id, day=ON, budget=60)
    assert len(scores()) == 1


def test_a_worker_whose_lease_went_to_another_keeps_its_hands_off(community):
    mine = claim_run(DailyRunKind.SCORING, community.enterprise_id, ON)
    DailyRun.objects.update(lease_until=mine.lease_until + timedelta(minutes=1))

    assert not keep_run(mine, last_community_id=99)

    assert DailyRun.objects.get().last_community_id == 0


def test_the_sweep_wakes_a_worker_for_every_enterprise_that_is_due(
    community, monkeypatch, time_machine
):
    time_machine.move_to(datetime(2026, 6, 1, 12, tzinfo=UTC))
    woken = []
    monkeypatch.setattr(tasks.score_churn, "delay", lambda *arguments: woken.append(arguments))

    tasks.sweep_scoring()

    assert woken == [(community.enterprise_id, "2026-06-01")]


def test_the_task_asks_for_another_turn_until_the_run_is_finished(community, monkeypatch):
    member_active(community, 2, 9)
    woken = []
    monkeypatch.setattr(tasks.score_churn, "delay", lambda *arguments: woken.append(arguments))
    monkeypatch.setattr(tasks, "SCORING_BUDGET", 1e-9)

    tasks.score_churn(community.enterprise_id, "2026-06-01")
    assert woken == [(community.enterprise_id, "2026-06-01")]

    monkeypatch.setattr(tasks, "SCORING_BUDGET", 60)
    tasks.score_churn(*woken.pop())
    assert woken == []
    assert len(scores()) == 1
