"""Starting a split: the branches become communities, and everybody gets a place on a list."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from communities.models import (
    ClassificationAxis,
    ClassificationValue,
    Community,
    SplitBranch,
    SplitPlan,
)
from communities.rules.kinds import EntryMode
from communities.rules.status import CommunityStatus, SplitStatus
from communities.services.founding import create_community
from communities.services.gatekeeping import set_entry_policy
from communities.services.lifecycle import move_community
from members.errors import NothingChosen
from members.rules.splitting import CLASSIFIED, free_code
from members.selectors.splits import in_order, placing
from members.services.splitting import (
    locked_plan,
    recount,
    refuse_deeper_than_trees_grow,
    refuse_split_move,
    refuse_too_small,
    refuse_unsplittable,
)
from members.signals import split_started
from scrm.accounts.models import User
from scrm.accounts.services.audit import record_audit
from scrm.shared.criteria import AllOf, Clause, Criterion, Operator

MAX_CODE = 60
MAX_STATEMENT = 300
SLICE = 20_000  # members put on the lists in one statement

SLICE_END = """
SELECT max(member_id), count(*) FROM (
    SELECT member_id FROM members_membership
    WHERE community_id = %(community)s AND left_at IS NULL AND member_id > %(after)s
    ORDER BY member_id LIMIT %(slice)s
) slice
"""
AMONG = "AND membership.member_id > %(after)s AND membership.member_id <= %(upto)s"
LIST = """
INSERT INTO members_splitinvitation (branch_id, member_id, status)
SELECT branch.id, placed.member_id, 'planned'
FROM ({placed}) placed
JOIN unnest(%(branches)s::bigint[], %(keys)s::text[]) AS branch(id, key)
  ON branch.key = array_to_string(placed.targets, ',', '-')
ON CONFLICT DO NOTHING
"""


@transaction.atomic
def start_split(plan_id: int, *, actor: User) -> SplitPlan:
    """Make a community of every chosen branch and list whom to invite. Nobody is told yet.

    People are counted again first: a branch that shrank below the minimum meanwhile is refused.
    """
    plan = locked_plan(plan_id)
    refuse_split_move(plan, SplitStatus.RUNNING)
    refuse_unsplittable(plan.community)
    axes = in_order(plan.axes.all())
    refuse_deeper_than_trees_grow(plan.community)
    wanted = set(plan.branches.chosen().values_list("pk", flat=True))
    if not wanted:
        raise NothingChosen(_("还没有一个要成群的分支，请至少选一个。"))
    recount(plan)
    plan.branches.exclude(pk__in=wanted).update(is_chosen=False)
    branches = list(plan.branches.filter(pk__in=wanted).order_by("pk"))
    refuse_too_small(plan, branches)
    children = [_found_child(plan, branch, axes, actor=actor) for branch in branches]
    plan.status = SplitStatus.RUNNING
    plan.started_at = Now()
    plan.save(update_fields=["status", "started_at"])
    _list_slice(plan)
    record_audit(actor, verb="start_split", subject=plan, after={"children": children})
    split_started.send(sender=SplitPlan, plan_id=plan.pk)
    return plan


def list_invitations(plan_id: int) -> None:
    """Put the rest of a large community on the lists, slice by slice, each with its transaction."""
    while list_next_slice(plan_id):
        pass


@transaction.atomic
def list_next_slice(plan_id: int) -> bool:
    """Whether there is more to list after this slice."""
    plan = locked_plan(plan_id)
    if plan.status != SplitStatus.RUNNING or plan.listed_at is not None:
        return False
    return _list_slice(plan)


def criterion_of(branch: SplitBranch) -> Criterion:
    """Who belongs into a branch, as the threshold of its community."""
    values = branch.values.select_related("axis").order_by("axis", "pk")
    return Criterion(
        AllOf(
            tuple(
                Clause(CLASSIFIED, Operator.IS, f"{value.axis.code}:{value.code}")
                for value in values
            )
        )
    )


def _found_child(
    plan: SplitPlan, branch: SplitBranch, axes: list[ClassificationAxis], *, actor: User
) -> Community:
    parent = plan.community
    values = list(branch.values.order_by("axis", "pk"))
    child = create_community(
        actor=actor,
        code=_code_of(parent, values),
        name=branch.name,
        audience_statement=_audience_of(parent, values),
        purpose_statement=parent.purpose_statement,
        purpose_kind=parent.purpose_kind,
        kind=parent.kind,
        circle=parent.circle,
        parent=parent,
        classification_values=[
            *parent.classification_values.exclude(axis__in=axes),
            *values,
        ],
        minimum_tier=parent.minimum_tier,
        owner=parent.owner,
        adviser=parent.adviser,
        minimum_size=plan.minimum_size,
        target_size=parent.target_size,
    )
    set_entry_policy(
        child.pk,
        mode=EntryMode.RULE,
        criterion=criterion_of(branch),
        evidence_axes=[axis for axis in axes if axis.requires_evidence],
        actor=actor,
    )
    move_community(child.pk, target=CommunityStatus.RECRUITING, actor=actor)
    branch.child = child
    branch.save(update_fields=["child"])
    return child


def _code_of(parent: Community, values: list[ClassificationValue]) -> str:
    parts = [parent.code, *(value.code for value in values)]
    near = Community.objects.filter(
        enterprise=parent.enterprise_id, code__startswith=parent.code[: MAX_CODE // 2]
    )
    taken = frozenset(near.values_list("code", flat=True))
    return free_code(parts, taken=taken, limit=MAX_CODE)


def _audience_of(parent: Community, values: list[ClassificationValue]) -> str:
    names = "、".join(value.name for value in values)
    ending = _("（%(values)s）") % {"values": names}
    return parent.audience_statement[: MAX_STATEMENT - len(ending)] + ending


def _list_slice(plan: SplitPlan) -> bool:
    """List the next members of the locked plan's community; whether there are more."""
    params = {"community": plan.community_id, "after": plan.listed_through, "slice": SLICE}
    with connection.cursor() as cursor:
        cursor.execute(SLICE_END, params)
        upto, count = cursor.fetchone()
        if count:
            _write_slice(cursor, plan, upto)
            plan.listed_through = upto
    has_more: bool = count == SLICE
    if not has_more:
        plan.listed_at = Now()
    plan.save(update_fields=["listed_through", "listed_at"])
    return has_more


def _write_slice(cursor: CursorWrapper, plan: SplitPlan, upto: int) -> None:
    axes = in_order(plan.axes.all())
    placed = placing(plan.community_id, axes=axes, level=plan.level, among=AMONG)
    keys = {
        branch.pk: ",".join(
            str(value.pk) for value in sorted(branch.values.all(), key=lambda v: v.axis_id)
        )
        for branch in plan.branches.exclude(child=None).prefetch_related("values")
    }
    cursor.execute(
        LIST.format(placed=placed.sql),
        {
            **placed.params,
            "after": plan.listed_through,
            "upto": upto,
            "branches": list(keys),
            "keys": list(keys.values()),
        },
    )
