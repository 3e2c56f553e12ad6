"""The queryset and the check of one member must agree, whatever is asked of whom."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members.criteria import check_member, explain, matching
from members.models import Member, MemberDay, Membership, Purchase
from members.rules.status import JoinSource, LeaveReason
from scrm.shared.criteria import (
    METRICS,
    AllOf,
    AnyOf,
    Clause,
    Criterion,
    Not,
    ValueType,
    Window,
    parse_criterion,
)
from tests.accounts.factories import EnterpriseFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import (
    MemberDayFactory,
    MemberFactory,
    MembershipFactory,
    PurchaseFactory,
)

pytestmark = pytest.mark.django_db

ZONES = ["Asia/Shanghai", "America/New_York"]
NOWS = [
    datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC),  # a second before midnight in Shanghai
    datetime(2026, 3, 1, 16, 0, 0, tzinfo=UTC),  # midnight in Shanghai
    datetime(2026, 3, 8, 5, 30, tzinfo=UTC),  # New York, the night clocks go forward
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),  # New York, the hour that comes twice
]
CODES = ["cats", "dogs", "nowhere"]


def instants(zone, now):
    """Instants around the local midnights of the last days, where mistakes would live."""
    today = now.astimezone(ZoneInfo(zone)).date()
    midnights = st.integers(-1, 6).map(
        lambda ago: datetime.combine(
            today - timedelta(days=ago), time.min, tzinfo=ZoneInfo(zone)
        ).astimezone(UTC)
    )
    nudges = st.sampled_from([-1, 0, 1, 3600 * 23, 3600 * 25])
    return st.builds(lambda at, by: at + timedelta(seconds=by), midnights, nudges)


@st.composite
def clauses(draw):
    definition = draw(st.sampled_from(list(METRICS)))
    windows = st.integers(1, 6)
    window = {
        Window.NEVER: st.none(),
        Window.OPTIONAL: st.none() | windows,
        Window.REQUIRED: windows,
    }[definition.takes_window]
    is_community = definition.value_type is ValueType.COMMUNITY
    return Clause(
        definition.name,
        draw(st.sampled_from(definition.operators)),
        draw(st.sampled_from(CODES) if is_community else st.integers(0, 5)),
        draw(window),
    )


def groups(children):
    parts = st.lists(children, max_size=3).map(tuple)  # an empty group included
    return parts.map(AllOf) | parts.map(AnyOf) | children.map(Not)


trees = st.recursive(clauses(), groups, max_leaves=6).map(Criterion)


@st.composite
def histories(draw, zone, now):
    """What one member has done: orders, active days, memberships; each may be nothing."""
    today = now.astimezone(ZoneInfo(zone)).date()
    when = instants(zone, now)
    orders = st.tuples(when, st.integers(0, 3), st.integers(0, 3), st.sampled_from(["CNY", "USD"]))
    days = st.tuples(
        st.integers(-1, 6).map(lambda ago: today - timedelta(days=ago)),
        st.integers(0, 1),
        st.lists(st.integers(0, 2), min_size=6, max_size=6),
    )
    stays = st.tuples(st.integers(0, 1), when, st.none() | when)
    return (
        draw(st.lists(orders, max_size=3)),
        draw(st.lists(days, max_size=3, unique_by=lambda day: day[:2])),
        draw(st.lists(stays, max_size=2, unique_by=lambda stay: stay[0])),
    )


@st.composite
def worlds(draw):
    zone, now = draw(st.sampled_from(ZONES)), draw(st.sampled_from(NOWS))
    return zone, now, draw(st.lists(histories(zone, now), min_size=1, max_size=4))


COUNTS = ["message_count", "post_count", "comment_count", "checkin_count", "click_count"]


def settle(member, communities, history):
    orders, days, stays = history
    Purchase.objects.bulk_create(
        Purchase(
            enterprise=member.enterprise,
            member=member,
            source="shop",
            order_number=f"{member.pk}-{index}",
            paid_amount=paid,
            refunded_amount=min(paid, refunded),
            currency=currency,
            paid_at=at,
        )
        for index, (at, paid, refunded, currency) in enumerate(orders)
    )
    MemberDay.objects.bulk_create(
        MemberDay(
            enterprise=member.enterprise,
            member=member,
            community=communities[index],
            day=day,
            **dict(zip([*COUNTS, "other_count"], counts, strict=True)),
        )
        for day, index, counts in days
    )
    Membership.objects.bulk_create(
        Membership(
            enterprise=member.enterprise,
            member=member,
            community=communities[index],
            source=JoinSource.API,
            joined_at=joined if left is None else min(joined, left),
            left_at=left and max(joined, left),
            leave_reason="" if left is None else LeaveReason.SELF,
        )
        for index, joined, left in stays
    )


@given(world=worlds(), criterion=trees)
@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_queryset_and_the_check_of_each_member_agree(world, criterion):
    zone, now, members = world
    with transaction.atomic():
        enterprise = EnterpriseFactory(time_zone=zone)
        communities = [CommunityFactory(enterprise=enterprise, code=code) for code in CODES[:2]]
        for history in members:
            settle(MemberFactory(enterprise=enterprise), communities, history)
        settle(MemberFactory(), [CommunityFactory(code="cats")] * 2, ([], [], []))

        matched = set(matching(criterion, enterprise=enterprise, now=now))

        checks = {
            member: check_member(criterion, member, now=now)
            for member in Member.objects.filter(enterprise=enterprise)
        }
        assert matched == {member for member, check in checks.items() if check.passed}
        for check in checks.values():
            assert all(clause.passed == (clause.missing == 0) for clause in check.clauses)
        transaction.set_rollback(True)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("now", NOWS)
def test_every_age_agrees_at_every_border(zone, now):
    """Deterministic, because a one-off here needs one operator to meet one value at midnight."""
    enterprise = EnterpriseFactory(time_zone=zone)
    today = now.astimezone(ZoneInfo(zone)).date()
    for ago in range(4):
        day = today - timedelta(days=ago)
        midnight = datetime.combine(day, time.min, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for at in [midnight - timedelta(seconds=1), midnight]:
            member = MemberFactory(enterprise=enterprise)
            PurchaseFactory(member=member, paid_at=at)
            MembershipFactory(member=member, community__enterprise=enterprise, joined_at=at)
            MemberDayFactory(member=member, community__enterprise=enterprise, day=day)
    members = list(Member.objects.filter(enterprise=enterprise))

    for metric in ["days_since_purchase", "days_since_active", "membership_days"]:
        for op in ["gte", "gt", "lte", "lt", "eq"]:
            for value in range(5):
                criterion = parse_criterion({"metric": metric, "op": op, "value": value})
                matched = set(matching(criterion, enterprise=enterprise, now=now))
                passed = {m for m in members if check_member(criterion, m, now=now).passed}
                assert matched == passed, (metric, op, value)


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
