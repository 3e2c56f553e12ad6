"""Members get the tier that their facts earn, at once or in the night."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from members.criteria import explain
from members.models import TierAssignment
from members.rules.standing import TierCause
from members.selectors.tiers import holds_tier
from members.services.tiering_members import retier_member
from members.signals import tiers_changed
from tests.communities.factories import TierFactory, TierSchemeFactory
from tests.members.factories import MemberFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)


def bought(at_least, **window):
    return {"metric": "purchase_count", "op": "gte", "value": at_least, **window}


def days_later(count):
    return time_machine.travel(NOW + timedelta(days=count), tick=False)


@pytest.fixture(autouse=True)
def _today():
    with days_later(0):
        yield


@pytest.fixture
def scheme():
    return TierSchemeFactory(code="loyalty")


@pytest.fixture
def ladder(scheme):
    """Everybody, three orders in 90 days, ten orders in 90 days."""
    asked = [{}, bought(3, window_days=90), bought(10, window_days=90)]
    return [
        TierFactory(scheme=scheme, rank=rank, name=name, criterion=criterion)
        for rank, name, criterion in zip((1, 2, 3), ("普通", "银卡", "金卡"), asked, strict=True)
    ]


@pytest.fixture
def member(scheme):
    return MemberFactory(enterprise=scheme.enterprise)


def orders(member, count, *, at=NOW):
    return [PurchaseFactory(member=member, paid_at=at) for _ in range(count)]


def current(member):
    return TierAssignment.objects.current().select_related("tier").filter(member=member).first()


def history(member):
    rows = TierAssignment.objects.filter(member=member).order_by("started_at", "pk")
    return [(row.tier.name, row.cause, row.end_cause) for row in rows.select_related("tier")]


def test_a_member_gets_the_highest_tier_whose_criterion_is_met(ladder, member):
    orders(member, 3)

    (began,) = retier_member(member.pk)

    assert (began.tier, began.cause, began.started_at) == (ladder[1], TierCause.ENTERED, NOW)
    assert [explain(clause) for clause in began.clauses] == ["近 90 天购买次数 ≥ 3：实际 3"]


def test_looking_again_changes_nothing(ladder, member):
    orders(member, 3)
    retier_member(member.pk)
    before = list(TierAssignment.objects.values())

    assert retier_member(member.pk) == []
    assert list(TierAssignment.objects.values()) == before


def test_up_is_at_once_and_past_tiers_between(ladder, member):
    retier_member(member.pk)
    orders(member, 10)

    with days_later(1):
        (began,) = retier_member(member.pk)

    assert history(member) == [("普通", "entered", "promoted"), ("金卡", "promoted", "")]
    former = TierAssignment.objects.exclude(ended_at=None).get()
    assert former.ended_at == began.started_at == NOW + timedelta(days=1)
    assert former.end_clauses == []


def test_down_only_after_the_grace_and_to_what_is_earned_then(ladder, member):
    orders(member, 10)
    retier_member(member.pk)
    fallen = 89 + 1  # the orders leave the window

    with days_later(fallen):
        assert retier_member(member.pk) == []
        assert current(member).below_since == NOW + timedelta(days=fallen)
    with days_later(fallen + 13):
        assert retier_member(member.pk) == []
        assert current(member).below_since == NOW + timedelta(days=fallen)
    with days_later(fallen + 14):
        (began,) = retier_member(member.pk)

    assert (began.tier, began.cause, began.clauses) == (ladder[0], TierCause.DEMOTED, [])
    lost = TierAssignment.objects.exclude(ended_at=None).get()
    assert (lost.end_cause, lost.ended_at) == (TierCause.DEMOTED, began.started_at)
    assert [explain(clause) for clause in lost.end_clauses] == [
        "近 90 天购买次数 ≥ 9：实际 0，还差 9"
    ]


def test_within_the_keep_factor_nothing_is_lost(ladder, member):
    first, *_rest = orders(member, 10)
    retier_member(member.pk)
    first.delete()  # nine are nine tenths of ten

    with days_later(30):
        assert retier_member(member.pk) == []
    assert current(member).below_since is None


def test_back_above_the_line_the_grace_begins_anew(ladder, member):
    orders(member, 10)
    retier_member(member.pk)
    with days_later(90):
        retier_member(member.pk)
    orders(member, 9, at=NOW + timedelta(days=91))

    with days_later(91):
        assert retier_member(member.pk) == []
    assert current(member).below_since is None


def test_without_a_tier_for_everybody_a_member_may_have_none(scheme, member):
    TierFactory(scheme=scheme, rank=1, criterion=bought(1, window_days=30), grace_days=0)
    assert retier_member(member.pk) == []
    orders(member, 1)
    retier_member(member.pk)

    with days_later(30):
        (ended,) = retier_member(member.pk)

    assert (ended.ended_at, ended.end_cause) == (NOW + timedelta(days=30), TierCause.DEMOTED)
    assert current(member) is None
    orders(member, 1, at=NOW + timedelta(days=31))
    with days_later(31):
        (again,) = retier_member(member.pk)
    assert again.cause == TierCause.PROMOTED  # not for the first time


def test_the_days_of_grace_are_local_days(ladder, member):
    """Below the line since late on the first day; fourteen nights later it is early."""
    orders(member, 10)
    retier_member(member.pk)
    late, early = timedelta(hours=11, minutes=59), timedelta(hours=-12, minutes=1)

    with time_machine.travel(NOW + timedelta(days=90) + late, tick=False):
        retier_member(member.pk)
    with time_machine.travel(NOW + timedelta(days=104) + early, tick=False):
        assert [row.cause for row in retier_member(member.pk)] == [TierCause.DEMOTED]


def test_each_change_is_announced_with_its_scheme(ladder, member):
    heard = []

    def listen(scheme_id, assignment_ids, **_):
        heard.append((scheme_id, assignment_ids))

    tiers_changed.connect(listen)
    try:
        (began,) = retier_member(member.pk)
        retier_member(member.pk)
    finally:
        tiers_changed.disconnect(listen)

    assert heard == [(ladder[0].scheme_id, [began.pk])]


def test_only_the_scheme_that_is_asked_for_is_looked_at(ladder, member):
    other = TierFactory(scheme__enterprise=member.enterprise, rank=1)

    retier_member(member.pk, scheme_id=other.scheme_id)

    assert current(member).tier == other


def test_a_higher_tier_counts_as_the_lower_ones(ladder, member):
    orders(member, 3)
    retier_member(member.pk)

    assert [holds_tier(member, tier) for tier in ladder] == [True, True, False]
    assert not holds_tier(MemberFactory(enterprise=member.enterprise), ladder[0])


def test_a_criterion_that_nobody_can_read_takes_no_tier_away(ladder, member):
    orders(member, 3)
    retier_member(member.pk)
    ladder[1].criterion = {"metric": "gone", "op": "gte", "value": 1}
    ladder[1].save()

    with days_later(300):
        assert retier_member(member.pk) == []
    assert current(member).tier == ladder[1]
