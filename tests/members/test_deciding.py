import pytest

from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus
from communities.services.gatekeeping import set_entry_policy
from members.criteria import explain
from members.models import EntryApplication, Member, MemberClassification, Membership
from members.rules.standing import ClassificationSource, EvidenceStatus
from members.rules.status import ApplicationStatus
from members.services.deciding import evaluate_waiting_applications, reconsider_application
from members.services.joining import invite_member, withdraw_application
from members.services.reviewing import approve_application, reject_application
from members.signals import entry_decided
from scrm.accounts.models import AuditEvent
from scrm.shared.criteria import Criterion, parse_criterion
from tests.accounts.factories import UserFactory
from tests.communities.factories import CommunityFactory, GroupChatFactory
from tests.members.entry_factories import (
    THREE_PURCHASES,
    BlocklistEntryFactory,
    PhotoFactory,
    apply,
    breed_club,
    gated,
    newcomer,
    time_to_undo_passes,
)
from tests.members.factories import EntryApplicationFactory, MembershipFactory, PurchaseFactory
from tests.members.standing_factories import MemberClassificationFactory

pytestmark = pytest.mark.django_db

A_GOLDEN = {"metric": "classified_as", "op": "is", "value": "breed:golden"}


def hand_in(application, value):
    photo = PhotoFactory(application=application, value=value)
    reconsider_application(application.pk)
    application.refresh_from_db()
    return photo


# --- Photos ---------------------------------------------------------------------------------------


def test_an_application_waits_for_the_photos_that_the_policy_asks_for():
    club, _ = breed_club()
    GroupChatFactory(community=club)

    application = apply(newcomer(club), club)

    assert application.status == ApplicationStatus.EVIDENCE_PENDING
    assert application.reason == "请补充凭证：品种"
    assert application.expires_at is not None
    assert application.decided_at is None


def test_a_photo_brings_the_application_before_a_person_and_counts_as_if_approved():
    club, golden = breed_club(EntryMode.RULE, A_GOLDEN)
    application = apply(newcomer(club), club)
    assert application.status == ApplicationStatus.EVIDENCE_PENDING

    hand_in(application, golden)

    assert application.status == ApplicationStatus.IN_REVIEW
    assert application.review_due_at is not None
    assert application.expires_at is None
    clause = application.clauses[0]
    assert (clause["passed"], clause["provisional"]) == (True, True)


def test_who_fails_in_spite_of_any_photo_is_not_asked_for_one():
    club, _ = breed_club(EntryMode.RULE, {"all": [A_GOLDEN, THREE_PURCHASES]})

    application = apply(newcomer(club), club)

    assert application.status == ApplicationStatus.REJECTED
    assert "购买次数 ≥ 3：实际 0，还差 3" in application.reason


def test_a_photo_of_something_else_is_rejected_with_every_clause():
    club, golden = breed_club(EntryMode.RULE, A_GOLDEN)
    application = apply(newcomer(club), club)
    corgi = golden.axis.values.create(code="corgi", name="柯基")

    photo = hand_in(application, corgi)

    assert application.status == ApplicationStatus.REJECTED
    photo.refresh_from_db()
    assert photo.status == EvidenceStatus.REJECTED


def test_who_proved_it_before_is_not_asked_again():
    club, golden = breed_club(EntryMode.RULE, A_GOLDEN)
    GroupChatFactory(community=club)
    member = newcomer(club)
    MemberClassificationFactory(member=member, value=golden, source=ClassificationSource.EVIDENCE)

    assert apply(member, club).status == ApplicationStatus.JOINED


def test_the_photos_are_approved_with_the_application_when_it_takes_effect():
    club, golden = breed_club()
    GroupChatFactory(community=club)
    application = apply(newcomer(club), club)
    photo = hand_in(application, golden)
    reviewer = UserFactory(enterprise=club.enterprise)

    approve_application(application.pk, actor=reviewer)
    photo.refresh_from_db()
    assert photo.status == EvidenceStatus.PENDING
    time_to_undo_passes()

    photo.refresh_from_db()
    assert (photo.status, photo.decided_by) == (EvidenceStatus.APPROVED, reviewer)
    held = MemberClassification.objects.get(member=application.member)
    assert (held.value, held.source) == (golden, ClassificationSource.EVIDENCE)
    application.refresh_from_db()
    assert application.status == ApplicationStatus.JOINED


@pytest.mark.parametrize("ending", ["reject", "withdraw"])
def test_the_photos_prove_nothing_when_the_application_ends_otherwise(ending):
    club, golden = breed_club()
    application = apply(newcomer(club), club)
    photo = hand_in(application, golden)

    if ending == "reject":
        actor = UserFactory(enterprise=club.enterprise)
        reject_application(application.pk, reason="看不清", actor=actor)
        time_to_undo_passes()
    else:
        withdraw_application(application.pk, actor=None)

    photo.refresh_from_db()
    assert photo.status == EvidenceStatus.REJECTED
    assert not MemberClassification.objects.exists()


def test_an_invitation_lasts_while_the_photo_is_awaited():
    club, golden = breed_club(EntryMode.INVITE_ONLY)
    actor = UserFactory(enterprise=club.enterprise)
    application = invite_member(newcomer(club), community=club, source="admin", actor=actor)
    assert application.status == ApplicationStatus.EVIDENCE_PENDING

    hand_in(application, golden)

    assert application.status == ApplicationStatus.IN_REVIEW


def test_reconsidering_leaves_alone_what_is_decided():
    community = CommunityFactory()
    application = apply(newcomer(community), community)
    BlocklistEntryFactory(member=application.member)

    assert reconsider_application(application.pk).status == ApplicationStatus.APPROVED


def test_a_photo_of_somebody_blocked_meanwhile_is_refused():
    club, golden = breed_club()
    application = apply(newcomer(club), club)
    BlocklistEntryFactory(member=application.member)

    hand_in(application, golden)

    assert application.status == ApplicationStatus.REJECTED
    assert explain(application.clauses[0]) == "在黑名单中，不能加入"


def test_who_is_admitted_while_the_community_pauses_waits_for_its_return():
    club, golden = breed_club()
    GroupChatFactory(community=club)
    application = apply(newcomer(club), club)
    hand_in(application, golden)
    approve_application(application.pk, actor=UserFactory(enterprise=club.enterprise))
    club.status = CommunityStatus.PAUSED
    club.save(update_fields=["status"])

    time_to_undo_passes()

    application.refresh_from_db()
    assert application.status == ApplicationStatus.APPROVED
    assert "暂停" in application.reason


# --- A new version of the policy ------------------------------------------------------------------


def new_policy(community, mode, criterion=None):
    criterion = parse_criterion(criterion) if criterion else Criterion()
    return set_entry_policy(community.pk, mode=mode, criterion=criterion, actor=None)


def waiting_in(community, count):
    policy = community.entry_policies.get(is_active=True)
    return EntryApplicationFactory.create_batch(count, community=community, policy=policy)


def statuses():
    return list(EntryApplication.objects.order_by("pk").values_list("status", flat=True))


def test_a_new_version_takes_what_is_undecided_and_leaves_what_is_decided():
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    old = community.entry_policies.get()
    undecided, refused, done = waiting_in(community, 3)
    actor = UserFactory(enterprise=community.enterprise)
    reject_application(refused.pk, reason="不符", actor=actor)
    EntryApplication.objects.filter(pk=done.pk).update(status=ApplicationStatus.WITHDRAWN)

    new = new_policy(community, EntryMode.OPEN)

    policies = EntryApplication.objects.order_by("pk").values_list("policy", "status")
    assert list(policies) == [
        (new.pk, ApplicationStatus.EVALUATING),
        (old.pk, ApplicationStatus.REJECTED),
        (old.pk, ApplicationStatus.WITHDRAWN),
    ]
    GroupChatFactory(community=community)
    evaluate_waiting_applications()
    undecided.refresh_from_db()
    assert undecided.status == ApplicationStatus.JOINED


def test_a_new_version_does_not_buy_the_reviewers_time():
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    member = newcomer(community)
    PurchaseFactory.create_batch(3, member=member)
    application = apply(member, community)
    due = application.review_due_at

    new_policy(
        community, EntryMode.RULE_AND_REVIEW, {"metric": "purchase_count", "op": "gte", "value": 2}
    )
    evaluate_waiting_applications()

    application.refresh_from_db()
    assert application.status == ApplicationStatus.IN_REVIEW
    assert application.review_due_at == due
    assert application.clauses[0]["required"] == 2


def test_the_sweep_lets_go_of_somebody_who_got_in_another_way():
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    (application,) = waiting_in(community, 1)
    MembershipFactory(community=community, member=application.member)

    new_policy(community, EntryMode.OPEN)
    evaluate_waiting_applications()

    assert statuses() == [ApplicationStatus.WITHDRAWN]


def test_the_sweep_goes_on_after_one_that_cannot_be_judged(caplog):
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    stuck, _ = waiting_in(community, 2)
    new_policy(community, EntryMode.OPEN)

    def fail(sender, signal, **arguments):
        if arguments["application_id"] == stuck.pk:
            raise RuntimeError("a receiver failed")

    entry_decided.connect(fail)
    try:
        evaluate_waiting_applications()
    finally:
        entry_decided.disconnect(fail)

    assert statuses() == [ApplicationStatus.EVALUATING, ApplicationStatus.APPROVED]
    assert [record.application_id for record in caplog.records] == [stuck.pk]
    evaluate_waiting_applications()
    assert statuses() == [ApplicationStatus.APPROVED] * 2


def thousand_open_applications(community):
    policy = community.entry_policies.get(is_active=True)
    people = Member.objects.bulk_create(
        Member(enterprise=community.enterprise, external_id=f"bulk-{n}", nickname=f"申请人{n}")
        for n in range(1000)
    )
    EntryApplication.objects.bulk_create(
        EntryApplication(
            enterprise=community.enterprise,
            community=community,
            member=member,
            policy=policy,
            source="api",
            status=ApplicationStatus.IN_REVIEW,
        )
        for member in people
    )
    return people


class Killed(BaseException):
    """What a worker does not survive."""


@pytest.mark.django_db(transaction=True)
def test_a_policy_edited_while_1000_applications_are_open_decides_each_of_them_once(
    django_assert_max_num_queries,
):
    community = gated(EntryMode.RULE_AND_REVIEW, THREE_PURCHASES)
    people = thousand_open_applications(community)
    for member in people[:7]:
        PurchaseFactory(member=member)
    decided = []

    def hear(sender, signal, **arguments):
        decided.append(arguments["application_id"])
        if len(decided) == 130:
            raise Killed

    with django_assert_max_num_queries(40):
        new = new_policy(
            community,
            EntryMode.RULE_AND_REVIEW,
            {"metric": "purchase_count", "op": "gte", "value": 1},
        )
    entry_decided.connect(hear)
    try:
        with pytest.raises(Killed):
            evaluate_waiting_applications(seconds=60)
        left = EntryApplication.objects.filter(status=ApplicationStatus.EVALUATING).count()
        assert 850 < left < 1000  # what was committed stays, the batch in hand waits again
        evaluate_waiting_applications(seconds=60)
    finally:
        entry_decided.disconnect(hear)

    applications = EntryApplication.objects.all()
    assert set(applications.values_list("policy", flat=True)) == {new.pk}
    assert applications.filter(status=ApplicationStatus.IN_REVIEW).count() == 7
    assert applications.filter(status=ApplicationStatus.REJECTED).count() == 993
    recorded = AuditEvent.objects.filter(verb="reconsider_application")
    assert recorded.values("object_id").distinct().count() == recorded.count() == 993 + 7
    assert not Membership.objects.exists()
