"""Drafting the split of a grown community: what it would fall into, and which parts are wanted.

A draft moves nobody. A member belongs to one branch only; how that is decided is told in
``members.selectors.splits``.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import ClassificationAxis, Community, SplitBranch, SplitPlan
from communities.rules.status import MAY_BE_SPLIT, SplitStatus, split_may_become
from communities.services.founding import refuse_misplacement
from members.errors import (
    AlreadySplitting,
    BranchNameMissing,
    BranchTooSmall,
    CannotChangeSplit,
    CannotSplit,
)
from members.rules.splitting import chosen_after_recount, may_stand_alone
from members.selectors.splits import Combination, in_order, preview_split
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.errors import refusing

MAX_NAME = 120


@transaction.atomic
def draft_split(
    community: Community,
    *,
    axes: Iterable[ClassificationAxis],
    actor: User,
    level: int = 1,
    minimum_size: int | None = None,
) -> SplitPlan:
    """Plan to split a community along one or more axes. Branches that are too small are kept in
    the plan, but not chosen."""
    community = Community.objects.select_for_update(no_key=True).get(pk=community.pk)
    ordered = in_order(axes)
    minimum = community.minimum_size if minimum_size is None else minimum_size
    refuse_unsplittable(community)
    refuse_deeper_than_trees_grow(community)
    _refuse_second_plan(community)
    preview = preview_split(community, axes=ordered, level=level, minimum_size=minimum)
    with refusing(_already_splitting(), constraint="one_open_split_plan"):
        plan = SplitPlan.objects.create(
            enterprise_id=community.enterprise_id,
            community=community,
            minimum_size=minimum,
            level=level,
            created_by=actor,
        )
    plan.axes.set(ordered)
    for combination in preview.combinations:
        _add_branch(plan, combination)
    record_audit(
        actor,
        verb="draft_split",
        subject=plan,
        after={
            "community": community,
            "axes": ordered,
            "level": level,
            "minimum_size": minimum,
            "branches": len(preview.combinations),
        },
    )
    return plan


@transaction.atomic
def refresh_split(plan_id: int, *, actor: User) -> SplitPlan:
    """Count again. What was decided by hand stays; what only the size decided is decided anew."""
    plan = locked_draft(plan_id)
    changes = recount(plan)
    record_audit(actor, verb="refresh_split", subject=plan, after={"branches": changes})
    return plan


@transaction.atomic
def choose_branch(branch_id: int, *, actor: User, override_reason: str = "") -> SplitBranch:
    """Let a branch become a community. One below the minimum size needs a reason."""
    branch = _locked_branch(branch_id)
    refuse_too_small(branch.plan, [branch], reason=override_reason)
    before = _told(branch)
    branch.is_chosen = True
    branch.override_reason = _reason_needed(branch, override_reason)
    branch.save(update_fields=["is_chosen", "override_reason"])
    _record(branch, verb="choose_branch", before=before, actor=actor)
    return branch


@transaction.atomic
def skip_branch(branch_id: int, *, actor: User) -> SplitBranch:
    """Its members stay in the parent."""
    branch = _locked_branch(branch_id)
    before = _told(branch)
    branch.is_chosen = False
    branch.override_reason = ""
    branch.save(update_fields=["is_chosen", "override_reason"])
    _record(branch, verb="skip_branch", before=before, actor=actor)
    return branch


@transaction.atomic
def rename_branch(branch_id: int, *, name: str, actor: User) -> SplitBranch:
    """How its community is going to be called."""
    branch = _locked_branch(branch_id)
    if not name.strip():
        raise BranchNameMissing(_("请写明子社群的名称。"))
    before = _told(branch)
    branch.name = name.strip()[:MAX_NAME]
    branch.save(update_fields=["name"])
    _record(branch, verb="rename_branch", before=before, actor=actor)
    return branch


@transaction.atomic
def cancel_split(plan_id: int, *, actor: User) -> SplitPlan:
    """Give up a plan. One that runs stops inviting; the communities it made stay."""
    return _finish(plan_id, SplitStatus.CANCELLED, verb="cancel_split", actor=actor)


@transaction.atomic
def complete_split(plan_id: int, *, actor: User) -> SplitPlan:
    """Call a running split done, though not everybody has answered."""
    return _finish(plan_id, SplitStatus.COMPLETED, verb="complete_split", actor=actor)


def refuse_unsplittable(community: Community) -> None:
    if community.status not in MAY_BE_SPLIT:
        raise CannotSplit(
            _("社群“%(status)s”，不能拆分。") % {"status": community.get_status_display()},
            details={"status": community.status},
        )


def refuse_deeper_than_trees_grow(community: Community) -> None:
    """Its children have to fit below it."""
    refuse_misplacement(Community(enterprise_id=community.enterprise_id, parent=community))


def refuse_too_small(
    plan: SplitPlan, branches: Iterable[SplitBranch], *, reason: str | None = None
) -> None:
    """``reason`` stands in for the one that a branch already has."""
    small = [
        branch
        for branch in branches
        if not may_stand_alone(
            branch.member_count,
            minimum_size=plan.minimum_size,
            override_reason=branch.override_reason if reason is None else reason,
        )
    ]
    if not small:
        return
    names = "、".join(
        _("“%(name)s”%(count)d 人") % {"name": branch.name, "count": branch.member_count}
        for branch in small
    )
    raise BranchTooSmall(
        _("%(names)s，不到最小规模 %(minimum)d 人。请写明理由，或让成员留在母社群。")
        % {"names": names, "minimum": plan.minimum_size},
        details=[
            {
                "branch": branch.pk,
                "member_count": branch.member_count,
                "minimum_size": plan.minimum_size,
            }
            for branch in small
        ],
    )


def recount(plan: SplitPlan) -> list[str]:
    """Bring the branches of a locked draft up to the members of now; tell what changed."""
    preview = preview_split(
        plan.community,
        axes=list(plan.axes.all()),
        level=plan.level,
        minimum_size=plan.minimum_size,
    )
    now = {_key(combination): combination for combination in preview.combinations}
    changes = []
    for branch in plan.branches.prefetch_related("values").order_by("pk"):
        combination = now.pop(frozenset(value.pk for value in branch.values.all()), None)
        count = combination.member_count if combination else 0
        if count != branch.member_count:
            changes.append(f"{branch.name}: {branch.member_count} → {count}")
            _recounted(branch, count, minimum_size=plan.minimum_size)
    for combination in now.values():
        branch = _add_branch(plan, combination)
        changes.append(f"{branch.name}: 0 → {branch.member_count}")
    return changes


def locked_plan(plan_id: int) -> SplitPlan:
    """The plan, with its community locked before it: in this order everybody takes them."""
    community_id = SplitPlan.objects.values_list("community_id", flat=True).get(pk=plan_id)
    community = Community.objects.select_for_update(no_key=True).get(pk=community_id)
    plan = SplitPlan.objects.select_for_update(no_key=True, of=("self",)).get(pk=plan_id)
    plan.community = community
    return plan


def locked_draft(plan_id: int) -> SplitPlan:
    plan = locked_plan(plan_id)
    if plan.status != SplitStatus.DRAFT:
        raise cannot_change(plan)
    return plan


def refuse_split_move(plan: SplitPlan, target: SplitStatus) -> None:
    if not split_may_become(plan.status, target):
        raise cannot_change(plan)


def _finish(plan_id: int, status: SplitStatus, *, verb: str, actor: User) -> SplitPlan:
    plan = locked_plan(plan_id)
    refuse_split_move(plan, status)
    before = plan.status
    plan.status = status
    plan.finished_at = Now()
    plan.save(update_fields=["status", "finished_at"])
    record_audit(
        actor, verb=verb, subject=plan, before={"status": before}, after={"status": status}
    )
    return plan


def _locked_branch(branch_id: int) -> SplitBranch:
    """A branch that can still be edited, under the lock of its plan."""
    plan_id = SplitBranch.objects.values_list("plan_id", flat=True).get(pk=branch_id)
    plan = locked_draft(plan_id)
    branch = SplitBranch.objects.get(pk=branch_id)
    branch.plan = plan
    return branch


def _add_branch(plan: SplitPlan, combination: Combination) -> SplitBranch:
    names = [plan.community.name, *(value.name for value in combination.values)]
    branch = SplitBranch.objects.create(
        plan=plan,
        name="·".join(names)[:MAX_NAME],
        member_count=combination.member_count,
        is_chosen=combination.is_viable,
    )
    branch.values.set(combination.values)
    return branch


def _recounted(branch: SplitBranch, count: int, *, minimum_size: int) -> None:
    branch.is_chosen = chosen_after_recount(
        branch.is_chosen,
        before=branch.member_count,
        now=count,
        minimum_size=minimum_size,
        override_reason=branch.override_reason,
    )
    branch.member_count = count
    branch.save(update_fields=["is_chosen", "member_count"])


def _key(combination: Combination) -> frozenset[int]:
    return frozenset(value.pk for value in combination.values)


def _reason_needed(branch: SplitBranch, reason: str) -> str:
    """A reason is kept only where it is needed, so that it never looks like an excuse."""
    is_small = branch.member_count < branch.plan.minimum_size
    return reason.strip()[:300] if is_small else ""


def _refuse_second_plan(community: Community) -> None:
    open_plan = SplitPlan.objects.filter(
        community=community, status__in=[SplitStatus.DRAFT, SplitStatus.RUNNING]
    ).first()
    if open_plan is not None:
        raise _already_splitting(open_plan)


def _already_splitting(plan: SplitPlan | None = None) -> AlreadySplitting:
    return AlreadySplitting(
        _("这个社群已有一个未结束的拆群计划，请先完成或取消它。"),
        details=None if plan is None else {"plan": plan.pk, "status": plan.status},
    )


def cannot_change(plan: SplitPlan) -> CannotChangeSplit:
    return CannotChangeSplit(
        _("拆群计划“%(status)s”，不能再这样改。") % {"status": plan.get_status_display()},
        details={"status": plan.status},
    )


def _told(branch: SplitBranch) -> dict[str, object]:
    return {
        "branch": branch,
        "name": branch.name,
        "is_chosen": branch.is_chosen,
        "override_reason": branch.override_reason,
        "member_count": branch.member_count,
    }


def _record(branch: SplitBranch, *, verb: str, before: dict[str, object], actor: User) -> None:
    record_audit(actor, verb=verb, subject=branch.plan, before=before, after=_told(branch))
