"""What has a criterion that names segments, directly or over other segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from campaigns.models import Broadcast, Segment
from campaigns.rules.status import BroadcastStatus, BroadcastTarget
from communities.models import ClassificationRule, EntryPolicy, Tier
from scrm.shared.criteria import METRICS, Criterion, ValueType, parse_criterion
from scrm.shared.criterion_references import transitive_clauses

IN_SEGMENT = "in_segment"
APPROVED_AND_DUE = (
    BroadcastStatus.IN_REVIEW,
    BroadcastStatus.APPROVED,
    BroadcastStatus.SCHEDULED,
    BroadcastStatus.RUNNING,
    BroadcastStatus.PAUSED,
)


@dataclass(frozen=True)
class Holder:
    """Something with a criterion, and what to call it."""

    name: str
    criterion: Criterion


def holders_naming(segment: Segment) -> Iterator[Holder]:
    """Segments, tiers, rules and policies in force that would measure this segment."""
    enterprise = segment.enterprise_id
    for rows, words in (
        (
            Segment.objects.filter(enterprise=enterprise, target=BroadcastTarget.MEMBERS),
            _("人群包“%(row)s”"),
        ),
        (Tier.objects.filter(scheme__enterprise=enterprise), _("层级“%(row)s”")),
        (
            ClassificationRule.objects.filter(value__axis__enterprise=enterprise).select_related(
                "value"
            ),
            _("分类“%(row)s”的规则"),
        ),
        (
            EntryPolicy.objects.active()
            .filter(community__enterprise=enterprise)
            .select_related("community"),
            _("社群“%(row)s”的准入规则"),
        ),
    ):
        for row in _speaking_of_segments(rows):
            criterion = parse_criterion(row.criterion)
            if _names(segment, criterion):
                yield Holder(words % {"row": _row_of(row)}, criterion)


def broadcasts_relying_on(segment: Segment) -> list[Broadcast]:
    """Those that somebody looks at, has approved, or that are being sent."""
    broadcasts = Broadcast.objects.filter(
        enterprise=segment.enterprise_id, status__in=APPROVED_AND_DUE
    )
    chosen = Q(segments=segment) | Q(excluded_segments=segment)
    relying = {broadcast.pk: broadcast for broadcast in broadcasts.filter(chosen)}
    of_members = broadcasts.filter(target=BroadcastTarget.MEMBERS)
    for broadcast in _speaking_of_segments(of_members):
        if _names(segment, parse_criterion(broadcast.criterion)):
            relying[broadcast.pk] = broadcast
    return [relying[pk] for pk in sorted(relying)]


def _speaking_of_segments(rows: QuerySet[Any]) -> QuerySet[Any]:
    texts: QuerySet[Any] = rows.annotate(criterion_text=Cast("criterion", TextField()))
    return texts.filter(criterion_text__contains=IN_SEGMENT).order_by("pk")


def _names(segment: Segment, criterion: Criterion) -> bool:
    return any(
        clause.value == segment.code
        for clause in transitive_clauses(criterion, enterprise_id=segment.enterprise_id)
        if (definition := METRICS.get(clause.metric)) and definition.value_type is ValueType.SEGMENT
    )


def _row_of(row: Any) -> object:
    if isinstance(row, ClassificationRule):
        return row.value
    return row.community if isinstance(row, EntryPolicy) else row
