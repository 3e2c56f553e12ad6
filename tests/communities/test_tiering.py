"""Schemes of tiers: what may stand in them and what may be taken out."""

import pytest

from communities.errors import (
    CodeTaken,
    CriterionRefersToItself,
    TierBelowItsNeighbour,
    TierInUse,
)
from communities.services.tiering import (
    create_tier,
    create_tier_scheme,
    delete_tier,
    edit_tier,
)
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import Role
from scrm.shared.criteria import Criterion, parse_criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, TierSchemeFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor():
    return UserFactory(role=Role.ADMINISTRATOR)


@pytest.fixture
def scheme(actor):
    return create_tier_scheme(name="会员", code="loyalty", actor=actor)


def bought(at_least):
    return parse_criterion({"metric": "purchase_count", "op": "gte", "value": at_least})


def ranked(of=None):
    clause = {"metric": "tier_rank", "op": "gte", "value": 2}
    return parse_criterion(clause if of is None else clause | {"of": of})


@pytest.fixture
def ladder(scheme, actor):
    return [
        create_tier(scheme=scheme, criterion=Criterion(), actor=actor, rank=1, name="普通"),
        create_tier(scheme=scheme, criterion=bought(3), actor=actor, rank=2, name="银卡"),
        create_tier(scheme=scheme, criterion=bought(10), actor=actor, rank=4, name="金卡"),
    ]


def test_a_scheme_without_a_code_gets_the_next_free_one(actor):
    TierSchemeFactory(code="tiers-1")  # another enterprise's

    codes = [create_tier_scheme(name=name, actor=actor).code for name in ("一", "二")]

    assert codes == ["tiers-1", "tiers-2"]


def test_a_code_names_one_scheme(actor, scheme):
    with pytest.raises(CodeTaken):
        create_tier_scheme(name="另一个", code="loyalty", actor=actor)


def test_a_tier_that_asks_less_than_the_one_below_is_refused(scheme, ladder, actor):
    with pytest.raises(TierBelowItsNeighbour) as refusal:
        create_tier(scheme=scheme, criterion=bought(2), actor=actor, rank=3, name="钻石")

    assert refusal.value.message == (
        "“钻石”要求“购买次数 ≥ 2”，比下一级“银卡”的“购买次数 ≥ 3”还低，请提高。"
    )
    assert refusal.value.details == {
        "tier": "钻石",
        "neighbour": "银卡",
        "clause": "purchase_count",
        "value": 2,
        "neighbour_value": 3,
    }
    assert scheme.tiers.count() == 3


def test_a_tier_that_asks_more_than_the_one_above_is_refused(scheme, ladder, actor):
    with pytest.raises(TierBelowItsNeighbour):
        create_tier(scheme=scheme, criterion=bought(11), actor=actor, rank=3, name="钻石")


@pytest.mark.parametrize(("index", "value"), [(1, 11), (2, 2)])
def test_editing_a_threshold_past_a_neighbour_is_refused(ladder, actor, index, value):
    with pytest.raises(TierBelowItsNeighbour):
        edit_tier(ladder[index].pk, actor=actor, criterion=bought(value))


@pytest.mark.parametrize(("index", "rank"), [(1, 5), (2, 2)])
def test_moving_a_tier_past_a_neighbour_is_refused(scheme, ladder, actor, index, rank):
    if rank == 2:
        edit_tier(ladder[1].pk, actor=actor, rank=3)
    with pytest.raises(TierBelowItsNeighbour):
        edit_tier(ladder[index].pk, actor=actor, rank=rank)

    ladder[index].refresh_from_db()
    assert ladder[index].rank in {2, 4}


def test_the_tiers_that_become_neighbours_are_compared(scheme, ladder, actor):
    posts = parse_criterion({"metric": "post_count", "op": "gte", "value": 10})
    between = create_tier(scheme=scheme, criterion=posts, actor=actor, rank=3, name="钻石")
    edit_tier(ladder[2].pk, actor=actor, criterion=bought(2))  # not a neighbour of silver now

    with pytest.raises(TierBelowItsNeighbour):
        delete_tier(between.pk, actor=actor)
    with pytest.raises(TierBelowItsNeighbour):
        edit_tier(between.pk, actor=actor, rank=9)


@pytest.mark.parametrize("of", ["loyalty", None])
def test_a_tier_that_asks_for_a_tier_of_its_own_scheme_is_refused(scheme, ladder, actor, of):
    with pytest.raises(CriterionRefersToItself):
        create_tier(scheme=scheme, criterion=ranked(of), actor=actor, rank=9, name="钻石")
    with pytest.raises(CriterionRefersToItself):
        edit_tier(ladder[2].pk, actor=actor, criterion=ranked(of))


def test_two_schemes_that_ask_for_each_other_are_refused(scheme, ladder, actor):
    other = create_tier_scheme(name="积分", code="points", actor=actor)
    create_tier(scheme=other, criterion=ranked("loyalty"), actor=actor, rank=1, name="甲")

    with pytest.raises(CriterionRefersToItself):
        edit_tier(ladder[2].pk, actor=actor, criterion=ranked("points"))


def test_a_tier_may_ask_for_a_tier_of_another_scheme(ladder, actor):
    other = create_tier_scheme(name="积分", code="points", actor=actor)
    create_tier(scheme=other, criterion=bought(1), actor=actor, rank=2, name="甲")

    edit_tier(ladder[2].pk, actor=actor, criterion=ranked("points"))

    ladder[2].refresh_from_db()
    assert ladder[2].criterion["of"] == "points"


def test_a_tier_that_nobody_held_is_deleted(scheme, ladder, actor):
    delete_tier(ladder[1].pk, actor=actor)

    assert [tier.name for tier in scheme.tiers.order_by("rank")] == ["普通", "金卡"]
    event = AuditEvent.objects.latest("pk")
    assert (event.verb, event.before["name"]) == ("delete_tier", "银卡")


def test_a_tier_that_a_community_asks_for_is_not_deleted(ladder, actor):
    CommunityFactory(enterprise=actor.enterprise, minimum_tier=ladder[1])

    with pytest.raises(TierInUse) as refusal:
        delete_tier(ladder[1].pk, actor=actor)

    assert "银卡" in refusal.value.message
