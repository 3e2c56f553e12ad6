"""The queryset and the check of one member must agree, whatever is asked of whom."""

import json
import os
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings

from members.criteria import Measuring, check_member, explain, matching
from members.metrics import MEASURES, Moment
from members.models import Member
from scrm.shared.criteria import (
    LIMITS,
    METRICS,
    AnyOf,
    Clause,
    Criterion,
    Operator,
    Window,
    parse_criterion,
)
from scrm.shared.criterion_references import reference_names
from scrm.shared.sql import joined, sql
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.criteria_oracle import COMPARE, Facts, Klass, Oracle
from tests.members.criteria_worlds import NOWS, ZONES, stage, trees, worlds
from tests.members.factories import (
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stages():
    return {zone: stage(zone) for zone in ZONES}


@given(world=worlds(), criterion=trees)
@settings(
    max_examples=int(os.environ.get("CRITERIA_EXAMPLES", "80")),
    deadline=None,
    derandomize="CRITERIA_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_set_the_check_and_the_plain_meaning_agree(stages, world, criterion):
    zone, now, everybody = world
    here = stages[zone]
    with transaction.atomic():
        members = here.settle(everybody)
        checks = [check_member(criterion, member, now=now) for member in members]

        passed = [check.passed for check in checks]
        assert passed == [Oracle(facts, zone, now).meets(criterion.root) for facts in everybody]
        assert passed == membership(criterion, members, now)
        assert measured(criterion, members, now) == {
            member.pk: (check.passed, [clause.as_json() for clause in check.clauses])
            for member, check in zip(members, checks, strict=True)
        }
        for check, facts in zip(checks, everybody, strict=True):
            assert all(clause.passed == (clause.missing == 0) for clause in check.clauses)
            assert actuals(check) == plain_actuals(criterion, Oracle(facts, zone, now))
        transaction.set_rollback(True)


def membership(criterion, members, now):
    """Who is in the set, which is the same however the measuring is limited."""
    enterprise = members[0].enterprise
    ids = [member.pk for member in members]
    found = set(matching(criterion, enterprise=enterprise, now=now).values_list("pk", flat=True))
    somebody = Member.objects.filter(pk__in=ids[1:]).values("pk")
    for among, limited in [
        (somebody, ids[1:]),
        (range(ids[0], ids[-1]), ids[:-1]),
        (ids[0], ids[:1]),
    ]:
        matched = matching(criterion, enterprise=enterprise, now=now, among=among)
        assert set(matched.values_list("pk", flat=True)) == found & set(limited)
    return [pk in found for pk in ids]


def measured(criterion, members, now):
    measuring = Measuring(Moment(members[0].enterprise, now))
    holds, clauses = measuring.holds(criterion), measuring.clauses(criterion)
    statement = sql("SELECT m.id, {}, {} {}", holds, clauses, measuring.source())
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        return {pk: (passed, json.loads(results)) for pk, passed, results in cursor}


def actuals(check):
    return [clause.actual for clause in check.clauses]


def plain_actuals(criterion, oracle):
    return [
        oracle.measure(clause)
        if isinstance(clause.value, int)
        else clause.value * oracle.measure(clause)
        for clause in criterion.clauses()
    ]


AGES = {
    f"{metric} {op} {value}": Criterion(Clause(metric, Operator(op), value))
    for metric in ["days_since_purchase", "days_since_active", "membership_days"]
    for op in COMPARE
    for value in range(5)
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("now", NOWS)
def test_every_age_is_right_at_every_border(zone, now):
    """Deterministic, because a one-off here needs one operator to meet one value at midnight."""
    enterprise = EnterpriseFactory(time_zone=zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    ages = {}
    for ago in range(4):
        midnight = datetime.combine(today - timedelta(days=ago), time.min, tzinfo=ZoneInfo(zone))
        for at, age in [(midnight, ago), (midnight - timedelta(microseconds=1), ago + 1)]:
            at = at.astimezone(UTC)  # where a second before is a second before
            member = MemberFactory(enterprise=enterprise)
            PurchaseFactory(member=member, paid_at=at)
            MembershipFactory(member=member, community__enterprise=enterprise, joined_at=at)
            MemberDayFactory(
                member=member,
                community__enterprise=enterprise,
                day=today - timedelta(days=age),
            )
            ages[member.pk] = age

    found = who_meets(AGES, enterprise=enterprise, now=now)

    for name, criterion in AGES.items():
        clause = criterion.root
        expected = {pk for pk, age in ages.items() if COMPARE[clause.op](age, clause.value)}
        assert found[name] == expected, name
        matched = matching(criterion, enterprise=enterprise, now=now)
        assert set(matched.values_list("pk", flat=True)) == expected, name


def who_meets(criteria, *, enterprise, now):
    """The members who meet each of several criteria, in one statement."""
    measuring = Measuring(Moment(enterprise, now))
    columns = joined(", ", [measuring.holds(criterion) for criterion in criteria.values()])
    statement = sql("SELECT m.id, {} {}", columns, measuring.source())
    with connection.cursor() as cursor:
        cursor.execute(statement.text, statement.params)
        rows = cursor.fetchall()
    return {
        name: {pk for pk, *passed in rows if passed[number]} for number, name in enumerate(criteria)
    }


def check(member, *, now=NOWS[1], **clause):
    result = check_member(parse_criterion(clause), member, now=now)
    matched = matching(parse_criterion(clause), enterprise=member.enterprise, now=now)
    assert result.passed == matched.filter(pk=member.pk).exists()
    return result.clauses[0]


@pytest.mark.parametrize(
    ("zone", "paid_at", "counted"),
    [
        ("Asia/Shanghai", datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC), 0),
        ("Asia/Shanghai", datetime(2026, 2, 28, 16, 0, 0, tzinfo=UTC), 1),
        ("America/New_York", datetime(2026, 2, 28, 4, 59, 59, tzinfo=UTC), 0),
        ("America/New_York", datetime(2026, 2, 28, 5, 0, 0, tzinfo=UTC), 1),
    ],
)
def test_a_window_begins_at_local_midnight_and_includes_today(zone, paid_at, counted):
    member = MemberFactory(enterprise__time_zone=zone)
    PurchaseFactory(member=member, paid_at=paid_at)

    result = check(member, metric="purchase_count", op="gte", value=1, window_days=2)

    assert result.actual == counted


def test_a_fully_refunded_order_is_no_purchase_and_a_partly_refunded_one_counts_net():
    member = MemberFactory()
    PurchaseFactory(member=member, paid_amount=10_000, refunded_amount=10_000)
    PurchaseFactory(member=member, paid_amount=10_000, refunded_amount=2_500)
    PurchaseFactory(member=member, paid_amount=9_900, currency="USD")

    assert check(member, metric="purchase_count", op="eq", value=1).passed
    assert check(member, metric="purchase_amount", op="eq", value=7_500).passed


@pytest.mark.parametrize("metric", ["days_since_purchase", "days_since_active", "membership_days"])
@pytest.mark.parametrize("op", ["gte", "gt", "lte", "lt", "eq"])
def test_a_fact_that_never_was_meets_no_clause(metric, op):
    member = MemberFactory()

    result = check(member, metric=metric, op=op, value=3)

    assert (result.passed, result.actual, result.missing) == (False, None, None)
    assert explain(result.as_json()).endswith("没有记录")


def test_nothing_bought_counts_as_zero():
    member = MemberFactory()
    MemberFactory(enterprise=member.enterprise)

    assert check(member, metric="purchase_count", op="lte", value=0).passed
    assert check(member, metric="purchase_amount", op="lt", value=1).passed


def test_activity_in_two_communities_on_one_day_is_one_active_day():
    member = MemberFactory()
    for _ in range(2):
        MemberDayFactory(
            member=member, community__enterprise=member.enterprise, day=date(2026, 3, 1)
        )

    result = check(member, metric="active_days", op="gte", value=2, window_days=7)

    assert (result.actual, result.missing) == (1, 1)


def test_membership_days_count_from_the_oldest_membership_that_lasts():
    member = MemberFactory()
    for joined_at in [datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)]:
        MembershipFactory(
            member=member, community__enterprise=member.enterprise, joined_at=joined_at
        )
    MembershipFactory(member=member, community__enterprise=member.enterprise, gone=True)

    assert check(member, metric="membership_days", op="gte", value=20).actual == 20


def test_another_enterprises_rows_are_not_measured():
    stranger = MembershipFactory(community__code="vip")
    member = MemberFactory()

    assert not check(member, metric="in_community", op="is", value="vip").passed
    assert not matching(Criterion(), enterprise=member.enterprise, now=NOWS[0]).filter(
        pk=stranger.member_id
    )


def test_each_measure_is_taken_once_for_one_member(django_assert_num_queries):
    member = MemberFactory()
    clause = {"metric": "purchase_count", "op": "gte", "value": 3}
    criterion = parse_criterion({"all": [clause, {**clause, "value": 5}, {"not": clause}]})

    with django_assert_num_queries(1):
        check_member(criterion, member, now=NOWS[0])


def test_a_criterion_over_all_members_is_one_query(django_assert_num_queries):
    enterprise = MemberFactory().enterprise
    clauses = [
        {"metric": "purchase_count", "op": "lt", "value": 3, "window_days": 30},
        {"metric": "in_community", "op": "is_not", "value": "vip"},
    ]
    criterion = parse_criterion({"any": clauses})

    with django_assert_num_queries(1):
        assert len(matching(criterion, enterprise=enterprise, now=NOWS[0])) == 1


HOSTILE = [
    "'; DROP TABLE members_member; --",
    "%s",
    "%(name)s",
    "{}",
    "{0.__class__}",
    "{column}",
    "') OR TRUE --",
    "\\",
    "a:b'; SELECT pg_sleep(9) --",
    "region:%",
    "$1",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_only_ever_compared(text):
    member = MemberFactory()
    of_it = [
        Clause(metric.name, op, text)
        for metric in METRICS
        if metric.value_type not in LIMITS and metric.name in MEASURES
        for op in metric.operators
    ]
    narrowed = [
        Clause(
            metric.name,
            Operator.GTE,
            0,
            7 if metric.takes_window is Window.REQUIRED else None,
            text,
        )
        for metric in METRICS
        if metric.parameter is not None
    ]
    criterion = Criterion(AnyOf((*of_it, *narrowed)))

    check = check_member(criterion, member, now=NOWS[0])
    matched = matching(criterion, enterprise=member.enterprise, now=NOWS[0])

    has_it = [result for result in check.clauses if result.op == "is"]
    assert has_it
    assert not any(result.passed for result in has_it)
    assert [found.pk for found in matched] == [member.pk]
    assert measured(criterion, [member], NOWS[0])[member.pk][1] == [
        result.as_json() for result in check.clauses
    ]


def test_what_is_assumed_counts_provisionally_and_with_all_above_it():
    here = stage("Asia/Shanghai")
    (member,) = here.settle([Facts()])
    shanghai = here.values["region:shanghai"].pk
    asked = {
        "all": [
            {"metric": "has_evidence", "op": "is", "value": "region:east"},
            {"metric": "classified_as", "op": "is", "value": "region:pudong"},
        ]
    }

    result = check_member(
        parse_criterion(asked), member, now=NOWS[0], assuming=frozenset({shanghai})
    )

    assert not result.passed
    assert [(one.passed, one.provisional) for one in result.clauses] == [
        (True, True),
        (False, False),
    ]
    assert explain(result.clauses[0].as_json()) == "凭证为“region:east”：凭证待审核"


def test_what_is_known_is_not_provisional():
    here = stage("Asia/Shanghai")
    known = Klass("region:shanghai", "operator", expires=None, is_ended=False, evidence=None)
    (member,) = here.settle([Facts(classes=[known])])
    criterion = parse_criterion({"metric": "classified_as", "op": "is", "value": "region:east"})
    assumed = frozenset({here.values["region:shanghai"].pk})

    (result,) = check_member(criterion, member, now=NOWS[0], assuming=assumed).clauses

    assert (result.passed, result.provisional) == (True, False)


def test_a_streak_lasts_through_yesterday_and_breaks_before():
    member = MemberFactory()
    community = CommunityFactory(enterprise=member.enterprise, code="runners")
    for ago in (1, 2, 3, 5):
        MemberDayFactory(
            member=member,
            community=community,
            day=date(2026, 3, 2) - timedelta(days=ago),
            checkin_count=1,
        )

    result = check(member, metric="checkin_streak", op="gte", value=5, of="runners")

    assert (result.actual, result.missing) == (3, 2)
    assert not check(member, metric="checkin_streak", op="gt", value=0, of="others").passed
    later = NOWS[1] + timedelta(days=1)
    assert check(member, now=later, metric="checkin_streak", op="eq", value=0).passed


def test_activity_may_be_asked_of_one_community():
    member = MemberFactory()
    for code, posts in [("cats", 7), ("dogs", 2)]:
        community = CommunityFactory(enterprise=member.enterprise, code=code, name=f"{code}群")
        MemberDayFactory(member=member, community=community, post_count=posts)
    names = reference_names(
        [Clause("post_count", Operator.GTE, 3, of="dogs")], enterprise_id=member.enterprise_id
    )

    result = check(member, metric="post_count", op="gte", value=3, window_days=7, of="dogs")

    assert (result.actual, result.missing) == (2, 1)
    assert explain(result.as_json()) == "在“dogs”近 7 天发帖数 ≥ 3：实际 2，还差 1"
    assert explain(result.as_json(), names=names).startswith("在“dogs群”近 7 天发帖数")


def test_only_the_asked_members_are_measured(django_assert_num_queries):
    near, far = MemberFactory(), MemberFactory()
    far.enterprise = near.enterprise
    far.save()
    for member in (near, far):
        PurchaseFactory(member=member, enterprise=near.enterprise)
    criterion = parse_criterion({"metric": "purchase_count", "op": "gte", "value": 1})

    with django_assert_num_queries(1):
        matched = list(
            matching(
                criterion,
                enterprise=near.enterprise,
                now=datetime(2026, 6, 1, tzinfo=UTC),
                among=Member.objects.filter(pk=near.pk),
            )
        )

    assert matched == [near]


def test_nobody_is_found_among_nobody():
    member = MemberFactory()
    nobody = Member.objects.none().values("pk")

    for raw in ({}, {"metric": "purchase_count", "op": "eq", "value": 0}):
        matched = matching(
            parse_criterion(raw), enterprise=member.enterprise, now=NOWS[0], among=nobody
        )
        assert not matched.exists()


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ({"op": "gte", "value": 3}, "购买次数 ≥ 3：实际 2，还差 1"),
        ({"op": "lte", "value": 1}, "购买次数 ≤ 1：实际 2，多了 1"),
        ({"op": "lt", "value": 2}, "购买次数 < 2：实际 2，多了 1"),
        ({"op": "gte", "value": 2}, "购买次数 ≥ 2：实际 2"),
    ],
)
def test_a_result_reads_as_a_sentence(clause, words):
    member = MemberFactory()
    PurchaseFactory.create_batch(2, member=member)

    result = check(member, metric="purchase_count", now=datetime(2026, 6, 1, tzinfo=UTC), **clause)

    assert explain(result.as_json()) == words
