"""Looking again, from time to time, whether members still meet the threshold they entered by.

Nobody is removed by it: somebody is asked to decide.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from communities.models import Community, EntryPolicy, Tier
from communities.rules.kinds import BY_RULE
from communities.rules.status import CommunityStatus
from members.criteria import explain, matching, names_of
from members.models import Member, Membership, TierAssignment
from members.services.judging import standing_of
from scrm.accounts.models import OperatorTask
from scrm.accounts.models.operator_task import OperatorTaskQuerySet
from scrm.accounts.rules.operator_tasks import TaskKind
from scrm.accounts.services.operator_tasks import open_task, settle_tasks
from scrm.shared.criteria import Criterion, parse_criterion

BATCH = 200
BUDGET = 20.0  # seconds; the next sweep goes on where this one stopped
RUNNING = (CommunityStatus.RECRUITING, CommunityStatus.WARMING, CommunityStatus.ACTIVE)


@dataclass
class Requalified:
    """How many still meet the threshold, and how many no longer do."""

    kept: int = 0
    fallen: int = 0


def requalify_members(*, budget: float = BUDGET) -> Requalified:
    """Check everybody whose last check is older than the policy of the community allows."""
    until = time.monotonic() + budget
    total = Requalified()
    policies = (
        EntryPolicy.objects.active()
        .filter(requalify_days__isnull=False, community__status__in=RUNNING)
        .select_related("community__minimum_tier", "community__owner", "community__enterprise")
        .order_by("community")
    )
    now = timezone.now()
    for policy in policies:
        for rows, asks in ((_due(policy, now), True), (_asked_about(policy, now), False)):
            position = 0
            while time.monotonic() < until:
                batch = _batch(rows, after=position)
                if not batch:
                    break
                position = batch[-1].pk
                _requalify(policy, batch, now=now, asks=asks, total=total)
    return total


def _batch(rows: QuerySet[Membership], *, after: int) -> list[Membership]:
    return list(rows.filter(pk__gt=after).select_related("member").order_by("pk")[:BATCH])


def _due(policy: EntryPolicy, now: datetime) -> QuerySet[Membership]:
    """Those whose turn has come, and about whom nobody was asked in this period."""
    since = now - timedelta(days=policy.requalify_days or 0)
    old = Q(qualified_at__lte=since) | Q(qualified_at=None, joined_at__lte=since)
    asked = _tasks().filter(created_at__gt=since)
    return Membership.objects.active().filter(old, ~Exists(asked), community=policy.community)


def _asked_about(policy: EntryPolicy, now: datetime) -> QuerySet[Membership]:
    """Those who fell short and may have caught up since."""
    return Membership.objects.active().filter(Exists(_tasks().open()), community=policy.community)


def _tasks() -> OperatorTaskQuerySet:
    return OperatorTask.objects.filter(
        kind=TaskKind.REQUALIFICATION,
        object_type=Membership._meta.label_lower,
        object_id=OuterRef("pk"),
    )


@transaction.atomic
def _requalify(
    policy: EntryPolicy,
    batch: list[Membership],
    *,
    now: datetime,
    asks: bool,
    total: Requalified,
) -> None:
    qualified = _qualified(policy, [membership.member_id for membership in batch], now=now)
    kept = [membership.pk for membership in batch if membership.member_id in qualified]
    rows = Membership.objects.active().filter(pk__in=kept)
    total.kept += rows.update(qualified_at=now)
    settle_tasks(TaskKind.REQUALIFICATION, subjects=rows)
    for membership in batch:
        if asks and membership.member_id not in qualified:
            _ask(policy, membership, now=now)
            total.fallen += 1


def _qualified(policy: EntryPolicy, member_ids: Iterable[int], *, now: datetime) -> set[int]:
    among = Member.objects.filter(pk__in=member_ids).values("pk")
    enterprise = policy.community.enterprise

    def meet(criterion: Criterion) -> set[int]:
        members = matching(criterion, enterprise=enterprise, now=now, among=among)
        return set(members.values_list("pk", flat=True))

    qualified = meet(parse_criterion(policy.criterion) if policy.mode in BY_RULE else Criterion())
    tier = policy.community.minimum_tier
    if tier is not None:
        qualified &= meet(parse_criterion(tier.criterion)) | _holders(tier, qualified)
    return qualified


def _holders(tier: Tier, member_ids: set[int]) -> set[int]:
    held = TierAssignment.objects.current().filter(
        scheme=tier.scheme_id, tier__rank__gte=tier.rank, member__in=member_ids
    )
    return set(held.values_list("member_id", flat=True))


def _ask(policy: EntryPolicy, membership: Membership, *, now: datetime) -> None:
    community: Community = policy.community
    clauses = standing_of(membership.member, community, policy, now=now).clauses
    names = names_of(clauses, enterprise_id=community.enterprise_id)
    words = {"name": membership.member.nickname, "community": community.name}
    open_task(
        TaskKind.REQUALIFICATION,
        subject=membership,
        title=_("%(name)s 不再满足“%(community)s”的门槛：请决定去留") % words,
        details={
            "member": membership.member_id,
            "community": community.pk,
            "policy_version": policy.version,
            "clauses": [explain(clause, names=names) for clause in clauses if not clause["passed"]],
        },
        assignee=community.owner,
    )
