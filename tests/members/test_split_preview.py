import random
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from members.errors import TooManyBranches
from members.models import MemberClassification
from members.rules import splitting
from members.rules.standing import STRENGTH, ClassificationSource
from members.selectors.splits import preview_split
from tests.communities.factories import ClassificationValueFactory
from tests.members.factories import MembershipFactory
from tests.members.split_factories import GrownCommunity, counts_of
from tests.members.standing_factories import MemberClassificationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def grown():
    return GrownCommunity(minimum_size=2)


def preview(grown, *axes, **options):
    return preview_split(grown.community, axes=axes or [grown.region, grown.breed], **options)


def test_every_combination_is_counted_and_so_is_every_value(grown):
    grown.grow(3, "east", "ragdoll")
    grown.grow(1, "east", "tabby")
    grown.grow(2, "north")
    grown.grow(1)

    seen = preview(grown)

    assert counts_of(seen) == {("east", "ragdoll"): 3, ("east", "tabby"): 1}
    assert {row.value.code: row.member_count for row in seen.values} == {
        "east": 4,
        "north": 2,
        "ragdoll": 3,
        "tabby": 1,
    }
    assert [one.is_viable for one in seen.combinations] == [True, False]
    assert (seen.member_count, seen.unclassified_count, seen.remaining_count) == (7, 3, 4)


def test_only_who_is_in_the_community_now_is_counted(grown):
    grown.grow(2, "east")
    gone = MembershipFactory(community=grown.community, gone=True)
    grown.classify(gone.member, "east")
    elsewhere = MembershipFactory(enterprise=grown.enterprise)
    MemberClassificationFactory(member=elsewhere.member, value=grown.value("east"))

    assert counts_of(preview(grown, grown.region)) == {("east",): 2}


def test_a_classification_that_ended_or_expired_does_not_count(grown):
    now = timezone.now()
    ended, expired = grown.newcomer().member, grown.newcomer().member
    grown.classify(ended, "east", granted_at=now - timedelta(days=2), ended_at=now)
    grown.classify(expired, "east", expires_at=now - timedelta(seconds=1))

    assert counts_of(preview(grown, grown.region)) == {}


def test_of_several_values_the_strongest_source_counts_and_then_the_latest(grown):
    now = timezone.now()
    member = grown.newcomer().member
    grown.classify(member, "east", source=ClassificationSource.EVIDENCE)
    grown.classify(member, "north", source=ClassificationSource.RULE)
    other = grown.newcomer().member
    grown.classify(other, "east", granted_at=now - timedelta(days=1))
    grown.classify(other, "north", granted_at=now)

    seen = preview(grown, grown.region)

    assert counts_of(seen) == {("east",): 1, ("north",): 1}
    assert seen.ambiguous_count == 2


def test_two_sources_of_the_same_value_are_not_ambiguous(grown):
    member = grown.newcomer("east").member
    grown.classify(member, "east", source=ClassificationSource.IMPORT)

    assert preview(grown, grown.region).ambiguous_count == 0


def test_the_level_decides_how_fine_the_cut_is(grown):
    shanghai = ClassificationValueFactory(
        axis=grown.region, parent=grown.value("east"), code="shanghai"
    )
    grown.grow(1, "shanghai")
    grown.grow(1, "east")
    grown.grow(1, "north")

    assert counts_of(preview(grown, grown.region)) == {("east",): 2, ("north",): 1}
    finer = preview(grown, grown.region, level=2)
    assert counts_of(finer) == {(shanghai.code,): 1, ("north",): 1}
    assert finer.unclassified_count == 1  # who is known to be from the east, but not from where


def test_a_preview_takes_as_many_queries_for_many_values_as_for_one(
    grown, django_assert_num_queries
):
    grown.grow(2, "east", "ragdoll")
    grown.grow(2, "north", "tabby")

    with django_assert_num_queries(2):  # the tree of values, and one grouped statement
        preview(grown)


def test_too_many_branches_are_refused_with_advice(grown):
    for number in range(splitting.MAX_BRANCHES + 1):
        ClassificationValueFactory(axis=grown.region, code=f"r{number}")
        grown.newcomer(f"r{number}")

    with pytest.raises(TooManyBranches) as refusal:
        preview(grown, grown.region)
    assert "少选维度" in refusal.value.message


@pytest.mark.parametrize("seed", range(3))
def test_the_preview_equals_a_count_by_hand(seed, grown):
    chance = random.Random(seed)
    now = timezone.now()
    for axis in (grown.region, grown.breed):
        top = ClassificationValueFactory(axis=axis, code=f"{axis.code}-top")
        for number in range(2):
            ClassificationValueFactory(axis=axis, parent=top, code=f"{axis.code}-{number}")
    values = [*grown.region.values.all(), *grown.breed.values.all()]
    members = [grown.newcomer().member for _ in range(40)]
    MemberClassification.objects.bulk_create(
        MemberClassification(
            enterprise=grown.enterprise,
            member=member,
            value=value,
            source=source,
            granted_at=now - timedelta(days=chance.randrange(1, 500), hours=number),
            expires_at=chance.choice([None, None, now + timedelta(1), now - timedelta(1)]),
            ended_at=chance.choice([None, None, now]),
        )
        for number, member in enumerate(members)
        for value in chance.sample(values, chance.randrange(4))
        for source in chance.sample(ClassificationSource.values, chance.randrange(1, 3))
    )

    for level in (1, 2):
        by_hand = Counter(
            tuple(place.code for place in places)
            for member in members
            if all(
                places := [placed(member, axis, level, now) for axis in (grown.region, grown.breed)]
            )
        )
        assert counts_of(preview(grown, level=level)) == by_hand


def placed(member, axis, level, now):
    """The value at which one member counts, worked out row by row."""
    rows = [
        (STRENGTH.index(row.source), row.granted_at, row.pk, at)
        for row in member.classifications.filter(value__axis=axis)
        if row.ended_at is None and (row.expires_at is None or row.expires_at > now)
        if (at := at_level(row.value, level)) is not None
    ]
    return max(rows, key=lambda row: row[:3])[-1] if rows else None


def at_level(value, level):
    chain = [value]
    while chain[0].parent:
        chain.insert(0, chain[0].parent)
    if len(chain) >= level:
        return chain[level - 1]
    return None if value.children.exists() else value
