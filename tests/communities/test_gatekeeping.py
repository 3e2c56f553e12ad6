import pytest

from communities.errors import BelongsElsewhere, IntervalOutOfRange, ReviewTimeOutOfRange
from communities.services.gatekeeping import set_entry_policy
from scrm.accounts.models import AuditEvent
from scrm.shared.criteria import Criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import ClassificationAxisFactory, CommunityFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def community():
    return CommunityFactory()


def set_policy(community, **terms):
    actor = UserFactory(enterprise=community.enterprise)
    return set_entry_policy(community.pk, mode="open", criterion=Criterion(), actor=actor, **terms)


def test_a_policy_keeps_its_photos_its_review_time_and_its_interval(community):
    axis = ClassificationAxisFactory(enterprise=community.enterprise, code="breed")

    policy = set_policy(community, evidence_axes=[axis], review_hours=6, requalify_days=90)

    assert list(policy.evidence_axes.all()) == [axis]
    assert (policy.review_hours, policy.requalify_days) == (6, 90)
    after = AuditEvent.objects.get().after
    assert (after["evidence_axes"], after["review_hours"]) == (["breed"], 6)


def test_terms_that_are_not_given_stay_as_they_were(community):
    axis = ClassificationAxisFactory(enterprise=community.enterprise)
    set_policy(community, evidence_axes=[axis], review_hours=6, requalify_days=90)

    second = set_policy(community)
    third = set_policy(community, evidence_axes=[], requalify_days=None)

    assert list(second.evidence_axes.all()) == [axis]
    assert (second.review_hours, second.requalify_days) == (6, 90)
    assert not third.evidence_axes.exists()
    assert (third.review_hours, third.requalify_days) == (6, None)


def test_the_first_policy_gives_a_day_to_review():
    community = CommunityFactory(policy=None)

    policy = set_policy(community)

    assert (policy.version, policy.review_hours, policy.requalify_days) == (1, 24, None)


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        ({"review_hours": 0}, ReviewTimeOutOfRange),
        ({"review_hours": 721}, ReviewTimeOutOfRange),
        ({"requalify_days": 0}, IntervalOutOfRange),
        ({"requalify_days": 3661}, IntervalOutOfRange),
        ({"evidence_axes": "of a stranger"}, BelongsElsewhere),
    ],
)
def test_terms_that_make_no_sense_are_refused_and_change_nothing(community, terms, refusal):
    if "evidence_axes" in terms:
        terms = {"evidence_axes": [ClassificationAxisFactory()]}

    with pytest.raises(refusal):
        set_policy(community, **terms)
    assert community.entry_policies.count() == 1
