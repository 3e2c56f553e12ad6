import pytest

from campaigns.errors import (
    AlreadyApproved,
    CannotApprove,
    CannotMove,
    ContentBlocked,
    ContentsChanged,
    OverrideNotAccepted,
)
from campaigns.models import Approval, Broadcast
from campaigns.rules.ad_law import SHIPPED_VERSION
from campaigns.rules.guarding import Decision
from campaigns.rules.status import BroadcastStatus, FreezeAt, RunStatus
from campaigns.selectors.contents import digest_of
from campaigns.selectors.texts import newly_blocked
from campaigns.services.approving import (
    approve_broadcast,
    return_broadcast_to_draft,
    submit_broadcast,
    void_approval,
)
from campaigns.services.composing import edit_broadcast
from campaigns.services.controlling import cancel_broadcast
from campaigns.services.lexicon_terms import create_term
from campaigns.services.scheduling import schedule_broadcast, start_due_broadcasts
from communities.models import Community
from members.models import Member, Membership
from scrm.accounts.models import AuditEvent, OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.rules.roles import Role
from tests.campaigns.broadcasts import BroadcastFactory, colleague_of
from tests.campaigns.content_factories import MediaAssetFactory
from tests.campaigns.experiments import experiment_on
from tests.campaigns.factories import SegmentFactory
from tests.communities.factories import CommunityFactory
from tests.members.factories import MembershipFactory

pytestmark = pytest.mark.django_db

CLAUSE = {"metric": "purchase_count", "op": "gte", "value": 3, "window_days": 90}
BLOCKED = {"body": "全网最低价！{{昵称}}快来"}


def in_review(**values):
    broadcast = BroadcastFactory(**values)
    return submit_broadcast(broadcast.pk, actor=broadcast.author)


def reviewer_of(broadcast):
    return colleague_of(broadcast.author, role=Role.REVIEWER)


def filled(community, count):
    """So many members, at the price of two statements."""
    members = Member.objects.bulk_create(
        Member(enterprise=community.enterprise, external_id=f"m{n}", nickname=f"成员{n}")
        for n in range(count)
    )
    Membership.objects.bulk_create(
        Membership(
            enterprise=community.enterprise, community=community, member=member, source="import"
        )
        for member in members
    )


def open_tasks():
    return OperatorTask.objects.filter(kind=TaskKind.BROADCAST_APPROVAL, status=TaskStatus.OPEN)


# --- What an approval stands for ----------------------------------------------------------------


def test_an_approval_keeps_what_the_approver_was_shown():
    broadcast = in_review(body="最新活动，{{昵称}}")
    MembershipFactory(community=broadcast.communities.get())
    reviewer = reviewer_of(broadcast)

    approved = approve_broadcast(broadcast.pk, actor=reviewer, note="可以")

    approval = Approval.objects.get()
    assert (approval.user, approval.decision, approval.note) == (
        reviewer,
        Decision.APPROVED,
        "可以",
    )
    assert approval.content_digest == approved.content_digest == digest_of(approved) != ""
    assert approval.shown["recipient_count"] == 1
    assert approval.shown["lexicon"] == SHIPPED_VERSION
    assert [check["code"] for check in approval.shown["checks"]] == ["ad_law"]


def test_those_who_may_approve_are_asked_until_somebody_has():
    broadcast = in_review()

    (task,) = open_tasks()
    assert (task.object_id, task.assignee) == (broadcast.pk, None)
    assert "还需 1 人批准" in task.title

    approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))
    assert not open_tasks().exists()


@pytest.mark.parametrize("verb", [cancel_broadcast, return_broadcast_to_draft])
def test_nobody_is_asked_about_what_was_taken_back(verb):
    broadcast = in_review()

    verb(broadcast.pk, actor=broadcast.author)

    assert not open_tasks().exists()


def changes():
    return {
        "body": lambda b: {"body": "别的"},
        "category": lambda b: {"category": "advert"},
        "communities": lambda b: {
            "communities": [*b.communities.all(), CommunityFactory(enterprise=b.enterprise)]
        },
        "criterion": lambda b: {"criterion": CLAUSE},
        "segments": lambda b: {"segments": [SegmentFactory(enterprise=b.enterprise)]},
        "exclusions": lambda b: {"excluded_segments": [SegmentFactory(enterprise=b.enterprise)]},
        "freezing": lambda b: {"freeze_at": FreezeAt.APPROVAL},
    }


@pytest.mark.parametrize("change", changes())
def test_everything_that_is_sent_and_to_whom_is_in_the_digest(change):
    broadcast = BroadcastFactory()
    before = digest_of(broadcast)

    edited = edit_broadcast(broadcast.pk, actor=broadcast.author, **changes()[change](broadcast))

    assert digest_of(Broadcast.objects.get(pk=edited.pk)) != before


def test_the_digest_holds_the_files_the_arms_and_the_segments_behind_names():
    inner = SegmentFactory(code="inner", criterion=CLAUSE)
    broadcast = BroadcastFactory(enterprise=inner.enterprise)
    broadcast.criterion = {"metric": "in_segment", "op": "is", "value": "inner"}
    asset = MediaAssetFactory(enterprise=inner.enterprise)
    broadcast.attachments = [{"kind": "image", "asset": asset.pk}]
    seen = {digest_of(broadcast)}

    inner.criterion = CLAUSE | {"value": 4}
    inner.save()
    seen.add(digest_of(broadcast))
    asset.sha256 = "0" * 64
    asset.save()
    seen.add(digest_of(broadcast))
    experiment_on(broadcast)
    seen.add(digest_of(broadcast))

    assert len(seen) == 4


def test_what_says_nothing_to_anybody_leaves_the_digest_alone():
    broadcast = BroadcastFactory()
    before = digest_of(broadcast)

    edit_broadcast(
        broadcast.pk,
        actor=broadcast.author,
        name="别名",
        cost_amount=500,
        override_reason="有依据",
        error_budget_percent=5,
    )

    assert digest_of(Broadcast.objects.get(pk=broadcast.pk)) == before


def test_contents_that_changed_under_the_eyes_of_the_approver_are_not_approved():
    broadcast = in_review()
    seen = digest_of(broadcast)
    Broadcast.objects.filter(pk=broadcast.pk).update(body="换了")

    with pytest.raises(ContentsChanged) as refusal:
        approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast), digest=seen)

    now = refusal.value.details["digest"]
    approved = approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast), digest=now)
    assert approved.content_digest == now != seen


# --- Words that are blocked ---------------------------------------------------------------------


def test_a_blocked_word_needs_a_reason_before_anybody_is_asked():
    broadcast = BroadcastFactory(**BLOCKED)

    with pytest.raises(ContentBlocked, match="全网最低价") as refusal:
        submit_broadcast(broadcast.pk, actor=broadcast.author)

    (finding,) = refusal.value.details
    assert (finding["term"], finding["place"]) == ("全网最低价", "body")
    assert "第二十八条" in finding["article"]


def test_the_approver_has_to_accept_the_reason_in_so_many_words():
    broadcast = in_review(**BLOCKED, override_reason="有比价公证书")
    reviewer = reviewer_of(broadcast)

    with pytest.raises(OverrideNotAccepted, match="有比价公证书"):
        approve_broadcast(broadcast.pk, actor=reviewer)
    approve_broadcast(broadcast.pk, actor=reviewer, accepts_override=True)

    shown = Approval.objects.get().shown
    assert (shown["override_reason"], shown["accepts_override"]) == ("有比价公证书", True)


def test_a_word_that_is_forbidden_after_the_approval_is_noticed_before_it_is_sent():
    broadcast = in_review(**BLOCKED, override_reason="有比价公证书")
    approved = approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast), accepts_override=True)
    manager = colleague_of(broadcast.author)

    create_term(actor=manager, term="随便", severity="block")
    assert newly_blocked(approved) == []  # what was accepted stays accepted

    create_term(actor=manager, term="快来", severity="block")
    assert newly_blocked(approved) == ["快来"]


def test_what_no_reason_lets_pass_is_refused_at_once():
    community = CommunityFactory(allowed_categories=["service"])
    broadcast = BroadcastFactory(
        enterprise=community.enterprise,
        communities=[community],
        category="advert",
        override_reason="一定要发",
    )

    with pytest.raises(ContentBlocked, match="不允许这类内容"):
        submit_broadcast(broadcast.pk, actor=broadcast.author)


# --- Two approvers ------------------------------------------------------------------------------


@pytest.fixture
def everybody():
    """A community that is nearly the whole enterprise."""
    community = CommunityFactory()
    filled(community, 100)
    return community


def test_a_full_blast_takes_two_different_approvers(everybody):
    broadcast = in_review(enterprise=everybody.enterprise, communities=[everybody])
    first, second = reviewer_of(broadcast), reviewer_of(broadcast)
    assert broadcast.required_approvals == 2

    once = approve_broadcast(broadcast.pk, actor=first)
    assert (once.status, once.approved_by) == (BroadcastStatus.IN_REVIEW, None)
    assert "还需 1 人批准" in open_tasks().get().title
    with pytest.raises(AlreadyApproved):
        approve_broadcast(broadcast.pk, actor=first)
    twice = approve_broadcast(broadcast.pk, actor=second)

    assert (twice.status, twice.approved_by) == (BroadcastStatus.APPROVED, second)
    assert Approval.objects.filter(decision=Decision.APPROVED).count() == 2
    assert AuditEvent.objects.filter(verb="approve_broadcast").count() == 2


def test_with_a_choice_it_is_no_full_blast(everybody):
    broadcast = in_review(
        enterprise=everybody.enterprise, communities=[everybody], criterion=CLAUSE
    )

    assert broadcast.required_approvals == 1


def test_a_second_full_blast_within_a_week_needs_a_reason(everybody):
    home = {"enterprise": everybody.enterprise, "communities": [everybody]}
    earlier = BroadcastFactory(**home, required_approvals=2)
    earlier.runs.create(planned_for="2026-01-01T00:00Z", recipient_count=100)

    with pytest.raises(ContentBlocked, match="7 天内已全员群发过"):
        in_review(**home)
    again = in_review(**home, override_reason="系统故障通知")

    with pytest.raises(OverrideNotAccepted):
        approve_broadcast(again.pk, actor=reviewer_of(again))


def test_what_the_first_approved_and_the_second_sees_is_the_same(everybody):
    broadcast = in_review(enterprise=everybody.enterprise, communities=[everybody])
    approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))
    Broadcast.objects.filter(pk=broadcast.pk).update(body="换了")

    with pytest.raises(ContentsChanged, match="退回再送审"):
        approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))


# --- Sent back ----------------------------------------------------------------------------------


def test_what_was_sent_back_is_approved_anew_by_the_same_person():
    broadcast = in_review()
    reviewer = reviewer_of(broadcast)
    approve_broadcast(broadcast.pk, actor=reviewer)
    return_broadcast_to_draft(broadcast.pk, actor=broadcast.author, reason="改日期")
    submit_broadcast(broadcast.pk, actor=broadcast.author)

    again = approve_broadcast(broadcast.pk, actor=reviewer)

    assert again.status == BroadcastStatus.APPROVED
    rows = Approval.objects.order_by("pk").values_list("decision", "round")
    assert list(rows) == [("approved", 1), ("void", 1), ("approved", 2)]


def test_a_refusal_is_kept_with_its_reason():
    broadcast = in_review()
    reviewer = reviewer_of(broadcast)

    return_broadcast_to_draft(broadcast.pk, actor=reviewer, reason="语气太急")

    approval = Approval.objects.get()
    assert (approval.decision, approval.user, approval.note) == (
        Decision.REJECTED,
        reviewer,
        "语气太急",
    )


def test_an_approval_of_other_contents_is_void_and_says_why():
    broadcast = in_review(freeze_at=FreezeAt.APPROVAL)
    approved = approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))
    assert approved.runs.get().is_prefrozen

    back = void_approval(approved, reason="人群包改了")

    assert (back.status, back.approved_by, back.content_digest) == (
        BroadcastStatus.DRAFT,
        None,
        "",
    )
    void = Approval.objects.get(decision=Decision.VOID)
    assert (void.user, void.note) == (None, "人群包改了")
    assert back.runs.get().status == RunStatus.CANCELLING


def test_what_changed_after_its_approval_gets_no_time():
    broadcast = in_review()
    MembershipFactory(community=broadcast.communities.get())
    approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))
    Broadcast.objects.filter(pk=broadcast.pk).update(body="换了")

    with pytest.raises(ContentsChanged):
        schedule_broadcast(broadcast.pk, actor=broadcast.author)


def test_what_changed_while_it_waited_for_its_time_does_not_begin():
    broadcast = in_review()
    MembershipFactory(community=broadcast.communities.get())
    approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))
    schedule_broadcast(broadcast.pk, actor=broadcast.author)
    Broadcast.objects.filter(pk=broadcast.pk).update(body="换了")

    assert start_due_broadcasts() == []

    broadcast.refresh_from_db()
    assert broadcast.status == BroadcastStatus.DRAFT
    assert "没有发送" in broadcast.status_reason
    assert not broadcast.runs.exists()
    missed = OperatorTask.objects.get(kind=TaskKind.BROADCAST_MISSED)
    assert (missed.status, missed.object_id) == (TaskStatus.OPEN, broadcast.pk)
    submit_broadcast(broadcast.pk, actor=broadcast.author)
    missed.refresh_from_db()
    assert missed.status == TaskStatus.DONE


def test_approving_is_refused_before_anything_is_counted():
    broadcast = BroadcastFactory()

    with pytest.raises(CannotMove):
        approve_broadcast(broadcast.pk, actor=reviewer_of(broadcast))
    with pytest.raises(CannotApprove):
        approve_broadcast(broadcast.pk, actor=broadcast.author)
    assert not Approval.objects.exists()
    assert Community.objects.count() == 1
