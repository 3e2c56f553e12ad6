"""An operator's word about a tier stands until it is taken back."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from members.errors import BelongsElsewhere, ReasonMissing, TierIsLocked, TierIsNotLocked
from members.models import TierAssignment
from members.rules.standing import TierCause
from members.selectors.tiers import holds_tier, tier_distribution
from members.services.tier_locks import lock_tier, unlock_tier
from members.services.tiering_members import retier_member
from scrm.accounts.models import AuditEvent
from tests.accounts.factories import UserFactory
from tests.communities.factories import TierFactory, TierSchemeFactory
from tests.members.factories import MemberFactory, PurchaseFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 20, 4, tzinfo=UTC)
TWO = {"metric": "purchase_count", "op": "gte", "value": 2}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def tiers():
    scheme = TierSchemeFactory()
    return [
        TierFactory(scheme=scheme, rank=1, name="普通"),
        TierFactory(scheme=scheme, rank=2, name="银卡", criterion=TWO),
        TierFactory(scheme=scheme, rank=3, name="金卡", criterion={**TWO, "value": 9}),
    ]


@pytest.fixture
def member(tiers):
    return MemberFactory(enterprise=tiers[0].scheme.enterprise)


@pytest.fixture
def actor(member):
    return UserFactory(enterprise=member.enterprise)


def history(member):
    rows = TierAssignment.objects.filter(member=member).order_by("started_at", "pk")
    return [(row.tier.name, row.cause, row.end_cause) for row in rows.select_related("tier")]


def buy(member, count):
    for _ in range(count):
        PurchaseFactory(member=member, paid_at=NOW)


def test_a_locked_tier_replaces_the_earned_one_and_stays(tiers, member, actor, clock):
    retier_member(member.pk)

    locked = lock_tier(member, tier=tiers[2], reason=" 创始会员 ", actor=actor)
    clock.shift(timedelta(days=400))

    assert retier_member(member.pk) == []
    assert history(member) == [("普通", "entered", "locked"), ("金卡", "locked", "")]
    assert (locked.is_locked, locked.locked_by, locked.reason) == (True, actor, "创始会员")
    assert holds_tier(member, tiers[2])
    event = AuditEvent.objects.latest("pk")
    assert (event.verb, event.before, event.after) == (
        "lock_tier",
        {"tier": "普通"},
        {"tier": "金卡", "reason": "创始会员"},
    )


def test_who_is_locked_low_does_not_rise(tiers, member, actor):
    lock_tier(member, tier=tiers[0], reason="退款纠纷", actor=actor)
    buy(member, 9)

    assert retier_member(member.pk) == []


def test_after_unlocking_the_member_rises_at_once(tiers, member, actor):
    locked = lock_tier(member, tier=tiers[0], reason="退款纠纷", actor=actor)
    buy(member, 9)

    current = unlock_tier(locked.pk, actor=actor)

    assert (current.tier, current.cause, current.is_locked) == (
        tiers[2],
        TierCause.PROMOTED,
        False,
    )
    assert history(member) == [
        ("普通", "locked", "unlocked"),
        ("普通", "unlocked", "promoted"),
        ("金卡", "promoted", ""),
    ]


def test_after_unlocking_a_tier_that_is_not_earned_has_its_grace(tiers, member, actor, clock):
    locked = lock_tier(member, tier=tiers[2], reason="创始会员", actor=actor)
    clock.shift(timedelta(days=400))

    current = unlock_tier(locked.pk, actor=actor)

    assert (current.tier, current.cause) == (tiers[2], TierCause.UNLOCKED)
    assert current.below_since == NOW + timedelta(days=400)
    clock.shift(timedelta(days=14))
    assert [row.tier for row in retier_member(member.pk)] == [tiers[0]]


def test_a_lock_needs_a_reason_and_a_tier_of_the_house(tiers, member, actor):
    with pytest.raises(ReasonMissing):
        lock_tier(member, tier=tiers[0], reason="  ", actor=actor)
    with pytest.raises(BelongsElsewhere):
        lock_tier(member, tier=TierFactory(), reason="x", actor=actor)
    assert not TierAssignment.objects.exists()


def test_a_lock_stands_until_it_is_taken_back(tiers, member, actor):
    locked = lock_tier(member, tier=tiers[1], reason="x", actor=actor)

    with pytest.raises(TierIsLocked) as refusal:
        lock_tier(member, tier=tiers[2], reason="y", actor=actor)

    assert "银卡" in refusal.value.message
    free = unlock_tier(locked.pk, actor=actor)
    for pk in (locked.pk, free.pk):
        with pytest.raises(TierIsNotLocked):
            unlock_tier(pk, actor=actor)


def test_locks_of_other_schemes_and_members_are_their_own(tiers, member, actor):
    other = TierFactory(scheme__enterprise=member.enterprise)
    neighbour = MemberFactory(enterprise=member.enterprise)

    for who, tier in ((member, tiers[0]), (member, other), (neighbour, tiers[0])):
        lock_tier(who, tier=tier, reason="x", actor=actor)

    assert TierAssignment.objects.current().filter(is_locked=True).count() == 3


@pytest.mark.django_db(transaction=True)
def test_of_two_locks_at_once_one_is_refused(tiers, member, actor):
    outcomes = []
    together = threading.Barrier(2)

    def lock(tier):
        try:
            together.wait()
            lock_tier(member, tier=tier, reason="x", actor=actor)
            outcomes.append("locked")
        except TierIsLocked:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=lock, args=[tier]) for tier in tiers[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["locked", "refused"]
    assert TierAssignment.objects.current().count() == 1


def test_the_distribution_counts_members_the_line_and_the_moves(
    tiers, member, actor, clock, django_assert_num_queries
):
    scheme = tiers[0].scheme
    others = [MemberFactory(enterprise=member.enterprise) for _ in range(3)]
    clock.shift(timedelta(days=-60))
    for each in (member, *others):
        retier_member(each.pk)
    buy(others[0], 2)
    lock_tier(others[1], tier=tiers[2], reason="x", actor=actor)
    clock.shift(timedelta(days=60))
    retier_member(others[0].pk)
    TierFactory(rank=1)  # another scheme

    with django_assert_num_queries(4):
        found = tier_distribution(scheme, now=NOW)

    assert [(share.tier.name, share.member_count) for share in found.tiers] == [
        ("金卡", 1),
        ("银卡", 1),
        ("普通", 2),
    ]
    assert (found.member_count, found.promoted, found.demoted) == (4, 1, 0)

    others[0].purchases.all().delete()
    retier_member(others[0].pk)
    assert [share.below_count for share in tier_distribution(scheme, now=NOW).tiers] == [0, 1, 0]
    clock.shift(timedelta(days=14))
    retier_member(others[0].pk)
    later = tier_distribution(scheme, now=NOW + timedelta(days=14))
    assert (later.promoted, later.demoted) == (1, 1)
