"""Asking the owner of a community that stayed too small to merge it, and with which.

The size is who belongs now (active memberships), not heads in chats: somebody in two chats is one
person, and a community without a chat can still have people.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from communities.models import Community
from communities.selectors import undersized, with_people
from members.rules.merging import Candidate, best_target, tiers_apart
from scrm.accounts.models import OperatorTask
from scrm.accounts.rules.operator_tasks import TaskKind, TaskStatus
from scrm.accounts.services.operator_tasks import open_task, settle_task, settle_tasks

PEACE = timedelta(days=90)  # after somebody said that nothing is to be done
LIMIT = 500


def propose_merges(now: datetime, *, limit: int = LIMIT) -> int:
    """Bring the proposals up to date; how many communities there is one for."""
    small = undersized(Community.objects.all(), now=now)
    about = OperatorTask.objects.filter(
        kind=TaskKind.MERGE,
        object_type=Community._meta.label_lower,
        object_id=OuterRef("pk"),
    )
    asked = Exists(about.filter(status=TaskStatus.OPEN))
    quiet = Exists(about.filter(status=TaskStatus.DISMISSED, closed_at__gt=now - PEACE))
    no_longer = Community.objects.filter(asked).exclude(pk__in=small.values("pk"))
    settle_tasks(TaskKind.MERGE, subjects=no_longer)
    due = with_likeness(small.filter(~quiet).annotate(is_asked=asked))
    communities = list(due.order_by(F("is_asked"), "pk")[:limit])
    for community in communities:
        propose_merge(community, now=now)
    return len(communities)


@transaction.atomic
def propose_merge(community: Community, *, now: datetime) -> OperatorTask:
    """Ask about one community; asked before, the task is told the latest."""
    around = {one.pk: one for one in _around(community)}
    small = _candidate(community)
    best = best_target(
        small,
        [_candidate(one, is_parent=one.pk == community.parent_id) for one in around.values()],
    )
    target = around[best.pk] if best else None
    return open_task(
        TaskKind.MERGE,
        subject=community,
        title=_title(community, target),
        details={
            "size": _people(community),
            "minimum_size": community.minimum_size,
            "target": {"id": target.pk, "name": target.name} if target else None,
            "reasons": [
                _too_small(community, now),
                *(_why(community, target) if target else [_nowhere_to_go()]),
            ],
        },
        assignee=community.owner,
    )


def drop_merge_proposal(community_id: int) -> None:
    """The community ends or rests: whether it is too small is no question now."""
    community = Community.objects.only("pk").get(pk=community_id)
    settle_task(TaskKind.MERGE, subject=community)


def with_likeness(communities: QuerySet[Community]) -> QuerySet[Community]:
    """With all that is compared, in a constant number of queries."""
    return communities.select_related("minimum_tier", "owner", "parent").prefetch_related(
        "classification_values"
    )


def _around(community: Community) -> QuerySet[Community]:
    """The parent and the siblings that take new members."""
    if community.parent_id is None:
        return Community.objects.none()
    near = Q(pk=community.parent_id) | Q(parent=community.parent_id)
    open_ones = Community.objects.open_for_entry().filter(near).exclude(pk=community.pk)
    return with_likeness(with_people(open_ones))


def _candidate(community: Community, *, is_parent: bool = False) -> Candidate:
    tier = community.minimum_tier
    return Candidate(
        pk=community.pk,
        values=frozenset(value.pk for value in community.classification_values.all()),
        kind=community.kind,
        tier=(tier.scheme_id, tier.rank) if tier else None,
        size=_people(community),
        target_size=community.target_size,
        is_parent=is_parent,
    )


def _people(community: Community) -> int:
    return community.people_count  # type: ignore[attr-defined, no-any-return]  # annotated


def _title(community: Community, target: Community | None) -> str:
    facts = {"name": community.name, "size": _people(community)}
    if target is None:
        return _("“%(name)s”只有 %(size)d 人，没有合适的社群可以并入") % facts
    return _("“%(name)s”只有 %(size)d 人，建议并入“%(target)s”") % {
        **facts,
        "target": target.name,
    }


def _too_small(community: Community, now: datetime) -> str:
    return _("成立 %(days)d 天，现有 %(size)d 人，少于最小规模 %(minimum)d 人。") % {
        "days": (now - community.created_at).days,
        "size": _people(community),
        "minimum": community.minimum_size,
    }


def _nowhere_to_go() -> str:
    return _("上级和同级社群里没有接收新成员又放得下这些人的，请继续招募，或让它收尾。")


def _why(community: Community, target: Community) -> list[str]:
    """Why this one, as sentences for the operator."""
    names = {"target": target.name}
    is_parent = target.pk == community.parent_id
    mine = {value.pk for value in community.classification_values.all()}
    shared = [value.name for value in target.classification_values.all() if value.pk in mine]
    reasons = [
        _("“%(target)s”是它的上级社群。") % names
        if is_parent
        else _("“%(target)s”和它同属一个上级社群。") % names
    ]
    if shared:
        reasons.append(_("相同的分类：%(values)s。") % {"values": "、".join(shared)})
    if target.kind == community.kind:
        reasons.append(_("类型相同：%(kind)s。") % {"kind": community.get_kind_display()})
    if tiers_apart(_candidate(community), _candidate(target)) == 0 and community.minimum_tier:
        reasons.append(_("最低层级相同：%(tier)s。") % {"tier": community.minimum_tier.name})
    together = _people(community) + _people(target)
    reasons.append(
        _("并入后 %(size)d 人，不超过目标规模 %(target_size)d 人。")
        % {"size": together, "target_size": target.target_size}
    )
    reasons.append(_("合并前请核对两边的准入门槛。"))
    return reasons
