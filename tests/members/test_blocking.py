from datetime import timedelta

import pytest
from django.utils import timezone

from members.errors import (
    AlreadyBlocked,
    AlreadyUnblocked,
    BelongsElsewhere,
    BlockIsOver,
    BlockTooWide,
    ReasonMissing,
)
from members.models import BlocklistEntry
from members.rules.status import ApplicationStatus
from members.selectors.blocklist import is_blocked
from members.services.blocking import block_member, unblock_member
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import DataScope
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory
from tests.members.entry_factories import BlocklistEntryFactory
from tests.members.factories import EntryApplicationFactory, MemberFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def actor():
    return UserFactory()


def block(member, actor, **fields):
    return block_member(member, actor=actor, **{"reason": "反复发广告", **fields})


def test_block_keeps_somebody_out_and_rejects_what_is_open_everywhere(actor):
    home = actor.enterprise
    member = MemberFactory(enterprise=home)
    applications = [
        EntryApplicationFactory(community__enterprise=home, member=member, status=status)
        for status in ("in_review", "evidence_pending", "evaluating", "approved")
    ]
    over = EntryApplicationFactory(community__enterprise=home, member=member, status="withdrawn")
    bystander = EntryApplicationFactory(community=applications[0].community)

    entry = block(member, actor)

    assert entry.blocked_by == actor
    for application in applications:
        application.refresh_from_db()
        assert application.status == ApplicationStatus.REJECTED
        assert application.reason == "在黑名单中，不能加入"
        assert application.clauses[0]["rule"] == "blocklist"
        assert application.decided_by == actor
    over.refresh_from_db()
    bystander.refresh_from_db()
    assert (over.status, bystander.status) == ("withdrawn", "in_review")
    assert AuditEvent.objects.filter(verb="block_member").count() == 1


def test_block_of_one_community_leaves_the_others_alone(actor):
    member = MemberFactory(enterprise=actor.enterprise)
    here, there = CommunityFactory.create_batch(2, enterprise=actor.enterprise)
    elsewhere = EntryApplicationFactory(community=there, member=member)

    block(member, actor, community=here)

    elsewhere.refresh_from_db()
    assert elsewhere.status == ApplicationStatus.IN_REVIEW
    assert is_blocked(member.pk, here.pk)
    assert not is_blocked(member.pk, there.pk)


def test_block_does_not_throw_anybody_out(actor):
    membership = MembershipFactory(community__enterprise=actor.enterprise)

    block(membership.member, actor)

    membership.refresh_from_db()
    assert membership.left_at is None


def test_blocking_twice_is_refused_until_the_first_block_is_over(actor):
    member = MemberFactory(enterprise=actor.enterprise)
    block(member, actor, expires_at=timezone.now() + timedelta(days=1))
    with pytest.raises(AlreadyBlocked):
        block(member, actor)
    BlocklistEntry.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert not is_blocked(member.pk, 0)

    block(member, actor)

    assert is_blocked(member.pk, 0)
    assert BlocklistEntry.objects.filter(lifted_at=None).count() == 1


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"reason": " "}, ReasonMissing),
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, BlockIsOver),
        ({"community": "of a stranger"}, BelongsElsewhere),
    ],
)
def test_a_block_that_makes_no_sense_is_refused(actor, fields, refusal):
    if "community" in fields:
        fields = {"community": CommunityFactory()}

    with pytest.raises(refusal):
        block(MemberFactory(enterprise=actor.enterprise), actor, **fields)
    assert not BlocklistEntry.objects.exists()


def test_who_sees_only_some_communities_blocks_only_there(actor):
    actor.data_scope = DataScope.OWN_COMMUNITIES
    member = MemberFactory(enterprise=actor.enterprise)

    with pytest.raises(BlockTooWide):
        block(member, actor)
    with pytest.raises(BlockTooWide):
        unblock_member(BlocklistEntryFactory(member=member).pk, actor=actor)
    block(member, actor, community=CommunityFactory(enterprise=actor.enterprise))


def test_unblock_lets_somebody_apply_again_once(actor):
    entry = BlocklistEntryFactory(member__enterprise=actor.enterprise)

    unblock_member(entry.pk, actor=actor)

    assert not is_blocked(entry.member_id, 0)
    with pytest.raises(AlreadyUnblocked):
        unblock_member(entry.pk, actor=actor)
