"""The statement for many, the look at one and the pure rule give the same, whatever the facts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from members.criteria import check_member
from members.models import Member, MemberDay, Purchase, TierAssignment
from members.rules.standing import TierCause
from members.rules.tiering import Change, Standing, decide, keep_criterion
from members.services.tiering_members import locked_schemes, retier, retier_member
from scrm.shared.criteria import parse_criterion
from tests.communities.factories import CommunityFactory, TierFactory, TierSchemeFactory

pytestmark = pytest.mark.django_db

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 3, 20, 15, 59, tzinfo=UTC)  # a minute before midnight
TODAY = NOW.astimezone(ZONE).date()

clauses = st.builds(
    lambda metric, op, value, window: {
        "metric": metric,
        "op": op,
        "value": value,
        **({} if metric.startswith("days_since") else {"window_days": window}),
    },
    st.sampled_from(["purchase_count", "active_days", "days_since_purchase"]),
    st.sampled_from(["gte", "gt", "lte", "lt", "eq"]),
    st.integers(0, 5),
    st.sampled_from([2, 30]),
)
criteria = st.recursive(
    clauses,
    lambda inner: (
        st.builds(lambda part: {"not": part}, inner)
        | st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3))
    ),
    max_leaves=4,
)
ladders = st.builds(
    lambda lowest, higher: [lowest, *higher],
    st.just({}) | criteria,
    st.lists(criteria, min_size=1, max_size=3),
)
tier_settings = st.tuples(st.sampled_from(["1", "0.9", "0.5"]), st.sampled_from([0, 1, 14]))
days_ago = st.integers(0, 31)
lives = st.fixed_dictionaries(
    {
        "orders": st.lists(days_ago, max_size=5),
        "days": st.sets(days_ago, max_size=5),
        "held": st.none() | st.integers(0, 3),
        "below": st.none() | st.sampled_from([0, 1, 2, 13, 14, 15]),
        "is_locked": st.booleans(),
    }
)


def ago(days):
    return NOW - timedelta(days=days)


def build(ladder, settings_of_tiers, many):
    scheme = TierSchemeFactory(enterprise__time_zone=ZONE.key)
    tiers = [
        TierFactory(
            scheme=scheme,
            rank=rank,
            criterion=criterion,
            keep_factor=Decimal(factor),
            grace_days=grace,
        )
        for rank, (criterion, (factor, grace)) in enumerate(
            zip(ladder, settings_of_tiers, strict=False)
        )
    ]
    community = CommunityFactory(enterprise=scheme.enterprise, policy=None)
    members = Member.objects.bulk_create(
        Member(enterprise=scheme.enterprise, external_id=f"m{n}", nickname="x")
        for n in range(len(many))
    )
    home = {"enterprise": scheme.enterprise}
    for member, life in zip(members, many, strict=True):
        Purchase.objects.bulk_create(
            Purchase(
                **home,
                member=member,
                source="shop",
                order_number=f"{member.pk}-{n}",
                paid_amount=1,
                paid_at=ago(days),
            )
            for n, days in enumerate(life["orders"])
        )
        MemberDay.objects.bulk_create(
            MemberDay(**home, member=member, community=community, day=TODAY - timedelta(days=days))
            for days in life["days"]
        )
        if life["held"] is not None:
            TierAssignment.objects.create(
                member=member,
                scheme=scheme,
                tier=tiers[life["held"] % len(tiers)],
                cause=TierCause.ENTERED,
                started_at=ago(100),
                below_since=None if life["below"] is None else ago(life["below"]),
                is_locked=life["is_locked"],
            )
    return scheme, tiers, members


def expected(member, tiers):
    """By the pure rule and the check of one member."""
    held = TierAssignment.objects.current().filter(member=member).select_related("tier").first()
    asked = [parse_criterion(tier.criterion) for tier in tiers]
    earned = [
        tier.rank
        for tier, criterion in zip(tiers, asked, strict=True)
        if check_member(criterion, member, now=NOW).passed
    ]
    if held is None:
        standing, keeps, grace = Standing(), False, 0
    else:
        kept = keep_criterion(asked[held.tier.rank], held.tier.keep_factor)
        keeps = check_member(kept, member, now=NOW).passed
        below = held.below_since and held.below_since.astimezone(ZONE).date()
        standing = Standing(held.tier.rank, below, held.is_locked)
        grace = held.tier.grace_days
    verdict = decide(
        standing,
        earned=max(earned, default=None),
        keeps=keeps,
        grace_days=grace,
        today=TODAY,
    )
    clauses = []
    if verdict.change is not Change.NONE and verdict.standing.rank is not None:
        result = check_member(asked[verdict.standing.rank], member, now=NOW)
        clauses = [clause.as_json() for clause in result.clauses]
    return verdict, clauses


def found(member):
    held = TierAssignment.objects.current().filter(member=member).select_related("tier").first()
    if held is None:
        return Standing(), None
    below = held.below_since and held.below_since.astimezone(ZONE).date()
    return Standing(held.tier.rank, below, held.is_locked), held


def periods(member):
    rows = TierAssignment.objects.filter(member=member).order_by("started_at", "pk")
    return list(
        rows.values_list(
            "tier", "cause", "clauses", "started_at", "ended_at", "end_cause", "end_clauses"
        )
    )


def refuse_overlaps(member):
    for former, later in pairwise(periods(member)):
        assert former[4] is not None
        assert former[4] <= later[3]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ladders,
    st.lists(tier_settings, min_size=4, max_size=4),
    st.lists(lives, min_size=1, max_size=5),
)
def test_the_night_one_look_and_the_rule_agree(ladder, settings_of_tiers, many):
    with time_machine.travel(NOW, tick=False), transaction.atomic():
        scheme, tiers, members = build(ladder, settings_of_tiers, many)
        wanted = [expected(member, tiers) for member in members]

        with transaction.atomic():
            for member in members:
                retier_member(member.pk)
            one_by_one = [periods(member) for member in members]
            transaction.set_rollback(True)
        (locked,) = locked_schemes(scheme.enterprise_id)
        tally = retier(locked, range(members[-1].pk + 1))

        assert [periods(member) for member in members] == one_by_one
        for member, (verdict, clauses) in zip(members, wanted, strict=True):
            standing, held = found(member)
            assert standing == verdict.standing
            if verdict.change is not Change.NONE and held is not None:
                assert held.clauses == clauses
            refuse_overlaps(member)
        changes = [verdict.change for verdict, _clauses in wanted]
        assert tally.promoted == changes.count(Change.RISES)
        assert tally.demoted == changes.count(Change.FALLS)
        assert retier(locked, range(members[-1].pk + 1)).assignment_ids == ()
        transaction.set_rollback(True)
