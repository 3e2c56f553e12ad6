"""A grown community whose members are classified, and short ways to split it."""

from __future__ import annotations

from tests.accounts.factories import UserFactory
from tests.communities.factories import (
    ClassificationAxisFactory,
    ClassificationValueFactory,
    CommunityFactory,
)
from tests.members.factories import MemberFactory, MembershipFactory
from tests.members.standing_factories import MemberClassificationFactory


class GrownCommunity:
    """A community with the axes region (east, north) and breed (ragdoll, tabby)."""

    def __init__(self, **fields):
        self.community = CommunityFactory(code="cats", name="全国猫友", **fields)
        self.enterprise = self.community.enterprise
        self.actor = UserFactory(enterprise=self.enterprise)
        self.region = self.axis("region", "east", "north")
        self.breed = self.axis("breed", "ragdoll", "tabby")

    def axis(self, code, *values, **fields):
        axis = ClassificationAxisFactory(enterprise=self.enterprise, code=code, name=code, **fields)
        for value in values:
            ClassificationValueFactory(axis=axis, code=value, name=value)
        return axis

    def value(self, name):
        """By its code; ``region`` and ``breed`` have no code in common."""
        return self.region.values.filter(code=name).first() or self.breed.values.get(code=name)

    def grow(self, count, *values):
        """So many more members, each with these values."""
        return [self.newcomer(*values) for _ in range(count)]

    def newcomer(self, *values):
        membership = MembershipFactory(
            community=self.community, member=MemberFactory(enterprise=self.enterprise)
        )
        for value in values:
            self.classify(membership.member, value)
        return membership

    def classify(self, member, value, **fields):
        return MemberClassificationFactory(member=member, value=self.value(value), **fields)


def counts_of(preview):
    """(codes of the values) -> how many"""
    return {
        tuple(value.code for value in one.values): one.member_count for one in preview.combinations
    }


def branch_of(plan, *codes):
    branches = plan.branches.all()
    for code in codes:
        branches = branches.filter(values__code=code)
    return branches.get()
