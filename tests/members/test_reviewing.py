from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from members.errors import (
    AlreadyApplied,
    CannotDecide,
    ClaimedByAnother,
    MemberIsBlocked,
    NothingToClaim,
    NotOpenForEntry,
    NotYourDecision,
    ReasonMissing,
    TooLateToUndo,
)
from members.models import EntryApplication, Membership
from members.rules.status import ApplicationStatus
from members.services.deciding import settle_decision, settle_due_decisions
from members.services.joining import withdraw_application
from members.services.reviewing import (
    approve_application,
    claim_application,
    claim_next_application,
    reject_application,
    release_application,
    undo_decision,
)
from members.signals import entry_decided, member_joined
from scrm.accounts.models import AuditEvent
from scrm.accounts.rules.roles import DataScope
from scrm.shared.errors import DomainError
from tests.accounts.factories import StaffFactory, UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.entry_factories import (
    THREE_PURCHASES,
    BlocklistEntryFactory,
    apply,
    gated,
    time_to_undo_passes,
)
from tests.members.factories import EntryApplicationFactory

pytestmark = pytest.mark.django_db


def reviewer_of(application, **fields):
    return UserFactory(enterprise=application.enterprise, **fields)


@pytest.fixture
def heard():
    """The facts announced during a test, in their order."""
    facts = []

    def decided(sender, signal, **arguments):
        facts.append(("decided", arguments["application_id"]))

    def joined(sender, signal, **arguments):
        facts.append(("joined", arguments["membership_id"]))

    entry_decided.connect(decided)
    member_joined.connect(joined)
    yield facts
    entry_decided.disconnect(decided)
    member_joined.disconnect(joined)


# --- Deciding -------------------------------------------------------------------------------------


def test_approve_takes_effect_when_the_time_to_undo_is_over(heard):
    application = EntryApplicationFactory()
    GroupChatFactory(community=application.community)
    actor = reviewer_of(application)

    approved = approve_application(application.pk, actor=actor)

    assert approved.status == ApplicationStatus.APPROVED
    assert timedelta(seconds=8) < approved.settles_at - timezone.now() < timedelta(seconds=12)
    assert settle_due_decisions() == 0
    assert heard == []

    time_to_undo_passes()

    application.refresh_from_db()
    assert (application.status, application.decided_by) == (ApplicationStatus.JOINED, actor)
    assert heard == [("decided", application.pk), ("joined", application.membership_id)]
    assert settle_due_decisions() == 0


def test_reject_keeps_who_and_why_and_is_announced_later(heard):
    application = EntryApplicationFactory()
    actor = reviewer_of(application)

    rejected = reject_application(application.pk, reason=" 照片看不清 ", actor=actor)

    assert (rejected.status, rejected.reason, rejected.decided_by) == (
        ApplicationStatus.REJECTED,
        "照片看不清",
        actor,
    )
    assert heard == []
    time_to_undo_passes()
    assert heard == [("decided", application.pk)]


@pytest.mark.parametrize("second", [approve_application, claim_application])
def test_deciding_twice_is_refused(second):
    application = EntryApplicationFactory()
    actor = reviewer_of(application)
    approve_application(application.pk, actor=actor)

    with pytest.raises(CannotDecide):
        second(application.pk, actor=actor)
    with pytest.raises(CannotDecide):
        reject_application(application.pk, reason="再次", actor=actor)


@pytest.mark.parametrize(
    "status", [ApplicationStatus.EVIDENCE_PENDING, ApplicationStatus.EVALUATING]
)
def test_only_what_is_in_review_is_decided_by_a_person(status):
    application = EntryApplicationFactory(status=status)

    with pytest.raises(CannotDecide):
        approve_application(application.pk, actor=reviewer_of(application))


def test_reject_without_a_reason_is_refused():
    application = EntryApplicationFactory()

    with pytest.raises(ReasonMissing):
        reject_application(application.pk, reason="  ", actor=reviewer_of(application))


def test_approve_is_refused_once_the_community_takes_nobody():
    application = EntryApplicationFactory(community__status=CommunityStatus.CLOSING)

    with pytest.raises(NotOpenForEntry):
        approve_application(application.pk, actor=reviewer_of(application))


def test_approve_is_refused_for_somebody_on_the_blocklist():
    application = EntryApplicationFactory()
    BlocklistEntryFactory(member=application.member, community=application.community)

    with pytest.raises(MemberIsBlocked):
        approve_application(application.pk, actor=reviewer_of(application))


def test_a_decision_settles_once_though_two_sweeps_find_it(heard):
    application = EntryApplicationFactory()
    GroupChatFactory(community=application.community)
    approve_application(application.pk, actor=reviewer_of(application))
    EntryApplication.objects.update(settles_at=Now())

    assert settle_decision(application.pk) is True
    assert settle_decision(application.pk) is False
    assert len(heard) == 2


def test_settling_goes_on_after_one_that_cannot_be_settled(caplog):
    stuck, next_one = EntryApplicationFactory.create_batch(2)
    for application in (stuck, next_one):
        reject_application(application.pk, reason="不符", actor=reviewer_of(application))

    def fail(sender, signal, **arguments):
        if arguments["application_id"] == stuck.pk:
            raise RuntimeError("a receiver failed")

    entry_decided.connect(fail)
    try:
        assert time_to_undo_passes() == 1
    finally:
        entry_decided.disconnect(fail)

    assert [record.application_id for record in caplog.records] == [stuck.pk]
    assert settle_due_decisions() == 1


# --- Thinking again -------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_undo_gives_the_application_back_to_whoever_decided(verdict, heard):
    community = CommunityFactory()
    policy = community.entry_policies.get()
    application = EntryApplicationFactory(community=community, policy=policy)
    actor = reviewer_of(application)
    if verdict == "approve":
        approve_application(application.pk, actor=actor)
    else:
        reject_application(application.pk, reason="手滑", actor=actor)

    undone = undo_decision(application.pk, actor=actor)

    assert (undone.status, undone.reason, undone.decided_by) == ("in_review", "", None)
    assert (undone.settles_at, undone.decided_at, undone.expires_at) == (None, None, None)
    assert undone.claimed_by == actor
    time_to_undo_passes()
    assert heard == []
    verbs = AuditEvent.objects.order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == [f"{verdict}_application", "undo_decision"]


def test_undo_is_refused_when_the_decision_has_taken_effect():
    application = EntryApplicationFactory()
    actor = reviewer_of(application)
    reject_application(application.pk, reason="不符", actor=actor)
    EntryApplication.objects.update(settles_at=Now())

    with pytest.raises(TooLateToUndo):
        undo_decision(application.pk, actor=actor)
    settle_due_decisions()
    with pytest.raises(TooLateToUndo):
        undo_decision(application.pk, actor=actor)


def test_undo_is_refused_to_somebody_else():
    application = EntryApplicationFactory()
    approve_application(application.pk, actor=reviewer_of(application))

    with pytest.raises(NotYourDecision):
        undo_decision(application.pk, actor=reviewer_of(application))


def test_undo_finds_nothing_where_nobody_decided():
    application = EntryApplicationFactory()

    with pytest.raises(CannotDecide):
        undo_decision(application.pk, actor=reviewer_of(application))


def test_undo_after_the_policy_changed_judges_by_the_new_one():
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    application = EntryApplicationFactory(community=community)
    actor = reviewer_of(application)
    reject_application(application.pk, reason="手滑", actor=actor)

    undone = undo_decision(application.pk, actor=actor)

    assert undone.policy == community.entry_policies.get(is_active=True)
    assert undone.status == ApplicationStatus.REJECTED
    assert undone.reason == "购买次数 ≥ 3：实际 0，还差 3"


def test_nobody_applies_again_while_a_refusal_may_still_be_undone():
    application = EntryApplicationFactory()
    reject_application(application.pk, reason="手滑", actor=reviewer_of(application))

    with pytest.raises(AlreadyApplied):
        apply(application.member, application.community)
    time_to_undo_passes()
    assert apply(application.member, application.community).status == ApplicationStatus.APPROVED


def test_an_approval_that_is_withdrawn_before_it_takes_effect_seats_nobody():
    application = EntryApplicationFactory()
    GroupChatFactory(community=application.community)
    approve_application(application.pk, actor=reviewer_of(application))

    withdraw_application(application.pk, actor=None)
    time_to_undo_passes()

    assert not Membership.objects.exists()


# --- Whose turn it is -----------------------------------------------------------------------------


def test_claim_next_takes_what_is_due_first_and_again_until_it_is_decided():
    community = CommunityFactory()
    later, sooner = (
        EntryApplicationFactory(
            community=community, review_due_at=timezone.now() + timedelta(hours=hours)
        )
        for hours in (3, 1)
    )
    me, other = UserFactory.create_batch(2, enterprise=community.enterprise)

    assert claim_next_application(actor=me) == sooner
    assert claim_next_application(actor=me) == sooner
    assert claim_next_application(actor=other) == later
    with pytest.raises(NothingToClaim):
        claim_next_application(actor=UserFactory(enterprise=community.enterprise))
    approve_application(sooner.pk, actor=me)
    with pytest.raises(NothingToClaim):
        claim_next_application(actor=me)


def test_claim_next_stays_within_a_community_and_within_what_one_may_see():
    staff = StaffFactory()
    mine = CommunityFactory(enterprise=staff.enterprise, owner=staff)
    inside = EntryApplicationFactory(community=mine)
    outside = EntryApplicationFactory(community__enterprise=staff.enterprise)
    EntryApplicationFactory()
    narrow = UserFactory(
        enterprise=staff.enterprise, staff=staff, data_scope=DataScope.OWN_COMMUNITIES
    )

    assert claim_next_application(actor=narrow) == inside
    release_application(inside.pk, actor=narrow)
    wide = UserFactory(enterprise=staff.enterprise)
    assert claim_next_application(actor=wide, community=outside.community) == outside


@pytest.mark.parametrize(
    "verb",
    [
        claim_application,
        release_application,
        approve_application,
        lambda pk, actor: reject_application(pk, reason="不符", actor=actor),
    ],
)
def test_what_somebody_else_reviews_is_left_to_them_until_their_time_is_over(verb):
    application = EntryApplicationFactory()
    holder = reviewer_of(application, username="su.wan")
    claim_application(application.pk, actor=holder)
    actor = reviewer_of(application)

    with pytest.raises(ClaimedByAnother) as refusal:
        verb(application.pk, actor=actor)
    assert refusal.value.details["claimed_by"] == "su.wan"

    EntryApplication.objects.update(claimed_until=Now())
    verb(application.pk, actor=actor)


def test_release_gives_the_application_back_to_the_queue():
    application = EntryApplicationFactory()
    me, other = reviewer_of(application), reviewer_of(application)
    claim_application(application.pk, actor=me)

    release_application(application.pk, actor=me)

    assert claim_next_application(actor=other) == application


# --- Several at once ------------------------------------------------------------------------------


def at_once(work, arguments):
    """What each call returned, or the refusal it met."""

    def on_its_own_connection(argument):
        try:
            return work(argument)
        except DomainError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(arguments)) as threads:
        return list(threads.map(on_its_own_connection, arguments))


@pytest.mark.django_db(transaction=True)
def test_fifty_reviewers_at_once_get_fifty_different_applications():
    community = CommunityFactory()
    EntryApplicationFactory.create_batch(50, community=community, policy__community=community)
    reviewers = UserFactory.create_batch(50, enterprise=community.enterprise)

    claimed = at_once(lambda reviewer: claim_next_application(actor=reviewer).pk, reviewers)

    assert sorted(claimed) == sorted(EntryApplication.objects.values_list("pk", flat=True))


@pytest.mark.django_db(transaction=True)
def test_of_two_decisions_at_once_one_counts_and_the_other_is_refused():
    application = EntryApplicationFactory()
    reviewers = UserFactory.create_batch(4, enterprise=application.enterprise)

    answers = at_once(lambda one: approve_application(application.pk, actor=one), reviewers)

    assert sum(isinstance(answer, CannotDecide) for answer in answers) == 3
    assert AuditEvent.objects.filter(verb="approve_application").count() == 1


@pytest.mark.django_db(transaction=True)
def test_undoing_and_settling_at_once_agree():
    community = CommunityFactory()
    policy = community.entry_policies.get()
    application = EntryApplicationFactory(community=community, policy=policy)
    GroupChatFactory(community=community)
    actor = reviewer_of(application)
    approve_application(application.pk, actor=actor)
    EntryApplication.objects.update(settles_at=Now() + timedelta(milliseconds=20))

    def race(verb):
        return undo_decision(application.pk, actor=actor) if verb == "undo" else settle(verb)

    def settle(_):
        return any(settle_decision(application.pk) for _ in range(20))

    undone, settled = at_once(race, ["undo", "settle"])

    application.refresh_from_db()
    if isinstance(undone, TooLateToUndo):
        assert application.status in {ApplicationStatus.JOINED, ApplicationStatus.APPROVED}
    else:
        assert settled is False
        assert application.status == ApplicationStatus.IN_REVIEW
