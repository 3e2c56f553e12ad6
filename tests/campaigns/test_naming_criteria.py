import pytest
from django.utils import timezone

from members.criteria import check_member, matching
from scrm.shared.criteria import parse_criterion
from scrm.shared.criterion_references import transitive_clauses
from tests.accounts.factories import EnterpriseFactory
from tests.campaigns.factories import SegmentFactory
from tests.members.factories import MemberFactory

pytestmark = pytest.mark.django_db


def named(code, op="is"):
    return {"metric": "in_segment", "op": op, "value": code}


@pytest.mark.parametrize("op", ["is", "is_not"])
def test_segments_that_name_each_other_hold_nobody_and_hang_nothing(op):
    """No verb lets it happen; measuring must survive one that got through."""
    member = MemberFactory()
    for code, other in [("one", "two"), ("two", "one")]:
        SegmentFactory(enterprise=member.enterprise, code=code, criterion=named(other))
    asked = parse_criterion(named("one", op))
    now = timezone.now()

    is_in = op == "is_not"
    assert check_member(asked, member, now=now).passed is is_in
    assert matching(asked, enterprise=member.enterprise, now=now).exists() is is_in


def test_a_criterion_inside_a_segment_is_measured_with_the_rest(django_assert_num_queries):
    """One look-up of the segment and one statement, whichever clauses name it."""
    member = MemberFactory()
    SegmentFactory(enterprise=member.enterprise, code="buyers")
    asked = parse_criterion(
        {
            "any": [
                named("buyers"),
                named("buyers", "is_not"),
                {"metric": "purchase_count", "op": "gte", "value": 3},
            ]
        }
    )

    with django_assert_num_queries(2):
        assert check_member(asked, member, now=timezone.now()).passed


def test_clauses_are_followed_through_segments_even_in_a_circle():
    posts = {"metric": "post_count", "op": "gte", "value": 3}
    enterprise = EnterpriseFactory()
    for code, criterion in [("one", {"all": [posts, named("two")]}), ("two", named("one"))]:
        SegmentFactory(enterprise=enterprise, code=code, criterion=criterion)
    asked = parse_criterion(named("one"))

    found = list(transitive_clauses(asked, enterprise_id=enterprise.pk))

    assert sorted(clause.metric for clause in found) == ["in_segment"] * 3 + ["post_count"]
