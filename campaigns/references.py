"""What criteria may name of campaigns: segments, which are criteria themselves."""

from __future__ import annotations

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Segment
from campaigns.models.segment import SegmentQuerySet
from campaigns.rules.status import BroadcastTarget
from members.metrics import NamedCriterion, register_measure
from scrm.accounts.models import Enterprise, User
from scrm.shared.criteria import (
    REFERENCE,
    AnyOf,
    Criterion,
    MetricDefinition,
    ValueType,
    Window,
    parse_criterion,
)
from scrm.shared.criterion_references import REFERENCES, Choice, ReferenceKind

NOBODY = Criterion(AnyOf(()))


def _of_members() -> SegmentQuerySet:
    """A criterion over members cannot speak of a segment of chats."""
    return Segment.objects.filter(target=BroadcastTarget.MEMBERS)


class SegmentReference(ReferenceKind):
    unknown_code = "unknown_segment"

    def unknown_message(self, value: str) -> str:
        return _("没有代码为“%(code)s”的人群包。") % {"code": value}

    def known(self, values: set[str], *, enterprise_id: int) -> set[str]:
        return set(self.labels(values, enterprise_id=enterprise_id))

    def labels(self, values: set[str], *, enterprise_id: int) -> dict[str, str]:
        rows = _of_members().filter(enterprise=enterprise_id, code__in=values)
        return dict(rows.values_list("code", "name"))

    def choices(self, *, user: User, search: str, limit: int) -> list[Choice]:
        rows = (
            _of_members()
            .visible_to(user)
            .filter(Q(code__icontains=search) | Q(name__icontains=search))
        )
        ordered = rows.order_by("name", "pk").values_list("code", "name")[:limit]
        return [Choice(code, name) for code, name in ordered]

    def criterion_of(self, value: str, *, enterprise_id: int) -> Criterion | None:
        segment = _of_members().filter(enterprise=enterprise_id, code=value)
        raw = segment.values_list("criterion", flat=True).first()
        return None if raw is None else parse_criterion(raw)


SEGMENT = SegmentReference()


def criterion_of(code: str, enterprise: Enterprise) -> Criterion:
    """Nobody is in a segment that does not exist."""
    return SEGMENT.criterion_of(code, enterprise_id=enterprise.pk) or NOBODY


IN_SEGMENT = NamedCriterion(
    MetricDefinition(
        name="in_segment",
        label=gettext_lazy("人群包"),
        unit="",
        source=gettext_lazy("人群包"),
        definition=gettext_lazy(
            "此刻是否满足人群包的条件，用人群包代码指明；不看它上次更新的名单。"
        ),
        version=1,
        value_type=ValueType.SEGMENT,
        operators=REFERENCE,
        takes_window=Window.NEVER,
    ),
    criterion_of,
)


def register_segments() -> None:
    """Make them known to the criterion language, and measurable."""
    REFERENCES.register(ValueType.SEGMENT, SEGMENT)
    register_measure(IN_SEGMENT)
