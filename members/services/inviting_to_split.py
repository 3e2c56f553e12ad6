"""The invitations of a split: telling, declining, and settling by what really happened."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import SplitBranch, SplitPlan
from communities.rules.status import SplitStatus
from members.errors import CannotChangeSplit, InvitationIsSettled, NothingToInvite
from members.models import Membership, SplitInvitation
from members.rules.standing import OPEN_INVITATION, InvitationStatus
from members.services.splitting import cannot_change, locked_plan
from members.services.starting_splits import list_invitations
from members.signals import split_invited
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit


@transaction.atomic
def invite_branch(branch_id: int, *, actor: User) -> SplitBranch:
    """Ask the members of a branch to move; how they are told is for those who listen.

    Who left the parent meanwhile is not asked, and who is in the new community already has come.
    """
    branch = SplitBranch.objects.get(pk=branch_id)
    plan = locked_plan(branch.plan_id)
    _refuse_inviting(plan, branch)
    planned = SplitInvitation.objects.filter(branch=branch, status=InvitationStatus.PLANNED)
    _settle_by_facts(planned)
    count = planned.update(status=InvitationStatus.INVITED, invited_at=Now())
    if not count:
        raise NothingToInvite(_("这个分支没有还需要邀请的成员。"))
    record_audit(
        actor, verb="invite_branch", subject=plan, after={"branch": branch, "invited": count}
    )
    split_invited.send(sender=SplitBranch, branch_id=branch.pk, actor_id=actor.pk)
    return branch


@transaction.atomic
def decline_invitation(invitation_id: int, *, actor: User | None) -> SplitInvitation:
    """The member stays in the parent. Who changes their mind can still join."""
    invitation = SplitInvitation.objects.select_for_update(no_key=True, of=("self",)).get(
        pk=invitation_id
    )
    if invitation.status not in OPEN_INVITATION:
        raise InvitationIsSettled(
            _("这个邀请“%(status)s”，不用再处理。") % {"status": invitation.get_status_display()},
            details={"status": invitation.status},
        )
    before = invitation.status
    invitation.status = InvitationStatus.DECLINED
    invitation.settled_at = Now()
    invitation.save(update_fields=["status", "settled_at"])
    plan = SplitPlan.objects.get(branches=invitation.branch_id)
    record_audit(
        actor,
        verb="decline_invitation",
        subject=plan,
        before={"status": before},
        after={"status": invitation.status, "member": invitation.member_id},
    )
    complete_settled_splits(plan_id=plan.pk)
    return invitation


@transaction.atomic
def settle_joined(membership_ids: Sequence[int]) -> int:
    """They joined a community: if it is the branch they were asked into, they have come."""
    entered = Membership.objects.filter(
        pk__in=membership_ids, community=OuterRef("branch__child"), member=OuterRef("member")
    )
    arrived = SplitInvitation.objects.filter(
        Exists(entered), member__in=_members_of(membership_ids)
    ).exclude(status=InvitationStatus.JOINED)
    return _settle(arrived, InvitationStatus.JOINED)


@transaction.atomic
def settle_gone(membership_ids: Sequence[int]) -> int:
    """They left a community: if it is being split, they are not to be asked any more."""
    left = Membership.objects.filter(
        pk__in=membership_ids,
        community=OuterRef("branch__plan__community"),
        member=OuterRef("member"),
    )
    gone = SplitInvitation.objects.filter(
        Exists(left),
        member__in=_members_of(membership_ids),
        branch__plan__status=SplitStatus.RUNNING,
        status__in=OPEN_INVITATION,
    )
    return _settle(gone, InvitationStatus.GONE)


def _members_of(membership_ids: Sequence[int]) -> QuerySet[Membership, int]:
    return Membership.objects.filter(pk__in=membership_ids).values_list("member", flat=True)


def tend_splits() -> None:
    """Go on where a worker died, settle what nobody announced, and close what is done."""
    running = SplitPlan.objects.filter(status=SplitStatus.RUNNING).order_by("pk")
    for plan_id in running.values_list("pk", flat=True):
        list_invitations(plan_id)
        _settle_plan(plan_id)
    complete_settled_splits()


@transaction.atomic
def complete_settled_splits(*, plan_id: int | None = None) -> int:
    """A running split whose every invitation has come to something is done."""
    invitations = SplitInvitation.objects.filter(branch__plan=OuterRef("pk"))
    plans = SplitPlan.objects.filter(status=SplitStatus.RUNNING, listed_at__isnull=False)
    if plan_id is not None:
        plans = plans.filter(pk=plan_id)
    done = plans.filter(
        Exists(invitations), ~Exists(invitations.filter(status__in=OPEN_INVITATION))
    )
    # whoever works on the plan may wait for the invitation that was settled just now; the sweep
    # comes back to it
    mine = done.select_for_update(no_key=True, skip_locked=True, of=("self",))
    ids = list(mine.values_list("pk", flat=True))
    if not ids:
        return 0
    return SplitPlan.objects.filter(pk__in=ids).update(
        status=SplitStatus.COMPLETED, finished_at=Now()
    )


def _refuse_inviting(plan: SplitPlan, branch: SplitBranch) -> None:
    if plan.status == SplitStatus.DRAFT:
        raise CannotChangeSplit(
            _("拆群还没有开始，请先开始拆群。"), details={"status": plan.status}
        )
    if plan.status != SplitStatus.RUNNING:
        raise cannot_change(plan)
    if branch.child_id is None:
        raise NothingToInvite(_("这个分支没有成群，它的成员留在母社群。"))
    if plan.listed_at is None:
        raise NothingToInvite(_("邀请名单还在准备，请稍后再试。"))


def _settle(invitations: QuerySet[SplitInvitation], status: InvitationStatus) -> int:
    plans = set(invitations.values_list("branch__plan", flat=True))
    if not plans:
        return 0
    settled = invitations.update(status=status, settled_at=Now())
    for plan_id in plans:
        complete_settled_splits(plan_id=plan_id)
    return settled


@transaction.atomic
def _settle_plan(plan_id: int) -> None:
    plan = locked_plan(plan_id)
    if plan.status == SplitStatus.RUNNING:
        _settle_by_facts(
            SplitInvitation.objects.filter(branch__plan=plan, status__in=OPEN_INVITATION)
        )


def _settle_by_facts(invitations: QuerySet[SplitInvitation]) -> None:
    """Who is in the new community has come; of the others, who is not in the parent has gone."""
    inside = Membership.objects.active().filter(member=OuterRef("member"))
    in_child = inside.filter(community=OuterRef("branch__child"))
    in_parent = inside.filter(community=OuterRef("branch__plan__community"))
    invitations.filter(Exists(in_child)).update(status=InvitationStatus.JOINED, settled_at=Now())
    invitations.filter(~Exists(in_parent)).update(status=InvitationStatus.GONE, settled_at=Now())
