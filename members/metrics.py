"""What can be measured about a member: each metric as a set of members and as one value.

Windows count local days of the enterprise and include today. A fact that does not exist (never
bought, never active, in no community) is "missing"; a clause over a missing fact is not met,
whatever its operator. Counts and sums are never missing: nothing counts as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Protocol

from django.db.models import (
    Aggregate,
    Count,
    DateField,
    DateTimeField,
    F,
    Max,
    Min,
    Q,
    QuerySet,
    Sum,
)
from django.utils.translation import gettext_lazy as _

from members.models import MemberDay, Membership, Purchase
from scrm.accounts.models import Enterprise
from scrm.shared.criteria import (
    METRICS,
    NUMERIC,
    REFERENCE,
    Clause,
    MetricDefinition,
    Operator,
    Value,
    ValueType,
    Window,
    Words,
)

CURRENCY = "CNY"


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as one enterprise sees it."""

    enterprise: Enterprise
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(self.enterprise.zone).date()

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, tzinfo=self.enterprise.zone)

    def day_of(self, instant: datetime) -> date:
        return instant.astimezone(self.enterprise.zone).date()

    def first_day(self, window_days: int) -> date:
        return self.today - timedelta(days=window_days - 1)


class Metric(Protocol):
    @property
    def definition(self) -> MetricDefinition: ...

    def members(self, clause: Clause, moment: Moment) -> Q:
        """The members who meet the clause, as a condition that is never NULL."""

    def actual(self, member_id: int, clause: Clause, moment: Moment) -> Value | None:
        """What one member measures; None when the fact is missing."""


type Rows = QuerySet[Any]  # rows of any model with a ``member``
type RowsOf = Callable[[Moment, int | None], Rows]


@dataclass(frozen=True, slots=True)
class TotalMetric:
    """How much there is of something; 0 when there is nothing."""

    definition: MetricDefinition
    rows: RowsOf
    total: Aggregate

    def members(self, clause: Clause, moment: Moment) -> Q:
        totals = (
            self.rows(moment, clause.window_days).values("member").annotate(measured=self.total)
        )
        condition = Q(**{_lookup("measured", clause.op): clause.value})
        if holds(clause.op, 0, clause.value):
            return ~Q(pk__in=totals.exclude(condition).values("member"))
        return Q(pk__in=totals.filter(condition).values("member"))

    def actual(self, member_id: int, clause: Clause, moment: Moment) -> int:
        rows = self.rows(moment, clause.window_days).filter(member=member_id)
        return int(rows.aggregate(measured=self.total)["measured"] or 0)


@dataclass(frozen=True, slots=True)
class AgeMetric:
    """How many local days ago something was; missing when it never was."""

    definition: MetricDefinition
    rows: RowsOf
    anchor: Aggregate

    def members(self, clause: Clause, moment: Moment) -> Q:
        anchors = self.rows(moment, None).values("member").annotate(measured=self.anchor)
        first, end = _days_meant(clause, moment.today)
        if first is not None:
            anchors = anchors.filter(measured__gte=self._border(first, moment))
        if end is not None:
            anchors = anchors.filter(measured__lt=self._border(end, moment))
        return Q(pk__in=anchors.values("member"))

    def actual(self, member_id: int, clause: Clause, moment: Moment) -> int | None:
        rows = self.rows(moment, None).filter(member=member_id)
        measured = rows.aggregate(measured=self.anchor)["measured"]
        if measured is None:
            return None
        day = moment.day_of(measured) if isinstance(measured, datetime) else measured
        return int((moment.today - day).days)

    def _border(self, day: date, moment: Moment) -> date | datetime:
        is_day = type(self.anchor.output_field) is DateField
        return day if is_day else moment.start_of(day)


@dataclass(frozen=True, slots=True)
class CommunityMetric:
    """Whether a member is in a community, named by its code."""

    definition: MetricDefinition

    def members(self, clause: Clause, moment: Moment) -> Q:
        inside = Q(pk__in=self._rows(clause, moment).values("member"))
        return inside if clause.op is Operator.IS else ~inside

    def actual(self, member_id: int, clause: Clause, moment: Moment) -> str:
        is_inside = self._rows(clause, moment).filter(member=member_id).exists()
        return str(clause.value) if is_inside else ""

    def _rows(self, clause: Clause, moment: Moment) -> Rows:
        return memberships(moment, None).filter(community__code=clause.value)


def holds(op: Operator, actual: Value | None, required: Value) -> bool:
    """Whether a measured value meets a clause. A missing one meets none."""
    if actual is None:
        return False
    if op is Operator.EQ or op is Operator.IS:
        return actual == required
    if op is Operator.IS_NOT:
        return actual != required
    difference = int(actual) - int(required)
    return {
        Operator.GTE: difference >= 0,
        Operator.GT: difference > 0,
        Operator.LTE: difference <= 0,
        Operator.LT: difference < 0,
    }[op]


def lacking(op: Operator, actual: Value | None, required: Value) -> int | None:
    """How far a measured number is from meeting a clause; None when that has no answer."""
    if not isinstance(actual, int) or not isinstance(required, int):
        return None
    if holds(op, actual, required):
        return 0
    return abs(required - actual) + (1 if op in {Operator.GT, Operator.LT} else 0)


def _lookup(name: str, op: Operator) -> str:
    return name if op is Operator.EQ else f"{name}__{op.value}"


def _days_meant(clause: Clause, today: date) -> tuple[date | None, date | None]:
    """The days, from the first to before the second, that are the asked number of days ago."""
    day = today - timedelta(days=int(clause.value))
    after = day + timedelta(days=1)
    borders: dict[Operator, tuple[date | None, date | None]] = {
        Operator.GTE: (None, after),
        Operator.GT: (None, day),
        Operator.LTE: (day, None),
        Operator.LT: (after, None),
        Operator.EQ: (day, after),
    }
    return borders[clause.op]


def standing_purchases(moment: Moment, window_days: int | None) -> QuerySet[Purchase]:
    rows = Purchase.objects.standing().filter(
        enterprise=moment.enterprise, currency=CURRENCY, paid_at__lte=moment.now
    )
    if window_days is None:
        return rows
    return rows.filter(paid_at__gte=moment.start_of(moment.first_day(window_days)))


def active_days(moment: Moment, window_days: int | None) -> QuerySet[MemberDay]:
    rows = MemberDay.objects.filter(enterprise=moment.enterprise, day__lte=moment.today)
    return rows if window_days is None else rows.filter(day__gte=moment.first_day(window_days))


def memberships(moment: Moment, window_days: int | None) -> QuerySet[Membership]:
    """Who belongs somewhere at that moment; a window has no meaning here."""
    return Membership.objects.filter(
        Q(left_at=None) | Q(left_at__gt=moment.now),
        enterprise=moment.enterprise,
        joined_at__lte=moment.now,
    )


ORDERS = _("订单")
ACTIVITY = _("成员日活跃")
BELONGING = _("社群成员")
TIMES = _("次")


def _total(
    name: str,
    label: Words,
    definition: Words,
    total: Aggregate,
    *,
    unit: Words = TIMES,
    window: Window = Window.OPTIONAL,
) -> TotalMetric:
    return TotalMetric(
        MetricDefinition(
            name=name,
            label=label,
            unit=unit,
            source=ACTIVITY,
            definition=definition,
            version=1,
            value_type=ValueType.COUNT,
            operators=NUMERIC,
            takes_window=window,
        ),
        rows=active_days,
        total=total,
    )


def _age(
    name: str, label: Words, source: Words, definition: Words, rows: RowsOf, anchor: Aggregate
) -> AgeMetric:
    return AgeMetric(
        MetricDefinition(
            name=name,
            label=label,
            unit=_("天"),
            source=source,
            definition=definition,
            version=1,
            value_type=ValueType.DAYS,
            operators=NUMERIC,
            takes_window=Window.NEVER,
        ),
        rows=rows,
        anchor=anchor,
    )


INTERACTIONS = (
    F("message_count")
    + F("post_count")
    + F("comment_count")
    + F("checkin_count")
    + F("other_count")
)

MEASURES: dict[str, Metric] = {
    measure.definition.name: measure
    for measure in (
        TotalMetric(
            MetricDefinition(
                name="purchase_count",
                label=_("购买次数"),
                unit=_("次"),
                source=ORDERS,
                definition=_("人民币订单数；全额退款的订单不算，部分退款的算。没有订单记为 0。"),
                version=1,
                value_type=ValueType.COUNT,
                operators=NUMERIC,
                takes_window=Window.OPTIONAL,
            ),
            rows=standing_purchases,
            total=Count("pk"),
        ),
        TotalMetric(
            MetricDefinition(
                name="purchase_amount",
                label=_("购买金额"),
                unit=_("分"),
                source=ORDERS,
                definition=_("人民币订单的实付减退款之和，单位为分。没有订单记为 0。"),
                version=1,
                value_type=ValueType.MONEY,
                operators=NUMERIC,
                takes_window=Window.OPTIONAL,
            ),
            rows=standing_purchases,
            total=Sum(F("paid_amount") - F("refunded_amount")),
        ),
        _age(
            "days_since_purchase",
            _("距上次购买"),
            ORDERS,
            _("距最近一笔未全额退款的人民币订单的天数，当天为 0。从未购买则不满足任何条件。"),
            standing_purchases,
            Max("paid_at", output_field=DateTimeField()),
        ),
        _total("post_count", _("发帖数"), _("所有社群的发帖次数。没有记为 0。"), Sum("post_count")),
        _total(
            "comment_count",
            _("评论数"),
            _("所有社群的评论次数。没有记为 0。"),
            Sum("comment_count"),
        ),
        _total(
            "message_count",
            _("发言数"),
            _("所有社群的发言次数。没有记为 0。"),
            Sum("message_count"),
        ),
        _total(
            "interaction_count",
            _("互动次数"),
            _("发言、发帖、评论、打卡和其他互动（点赞、转发等）之和，点击不算。没有记为 0。"),
            Sum(INTERACTIONS),
        ),
        _total(
            "active_days",
            _("活跃天数"),
            _("窗口内有任何活跃记录的天数，同一天在多个社群活跃只算一天。没有记为 0。"),
            Count("day", distinct=True),
            unit=_("天"),
            window=Window.REQUIRED,
        ),
        _age(
            "days_since_active",
            _("距上次活跃"),
            ACTIVITY,
            _("距最近一个有活跃记录的日子的天数，当天为 0。从未活跃则不满足任何条件。"),
            active_days,
            Max("day", output_field=DateField()),
        ),
        _age(
            "membership_days",
            _("入社群天数"),
            BELONGING,
            _("当前所在社群中加入最早的一个至今的天数，当天为 0。不在任何社群则不满足任何条件。"),
            memberships,
            Min("joined_at", output_field=DateTimeField()),
        ),
        CommunityMetric(
            MetricDefinition(
                name="in_community",
                label=_("所在社群"),
                unit="",
                source=BELONGING,
                definition=_("现在是否在这个社群中，用社群代码指明。"),
                version=1,
                value_type=ValueType.COMMUNITY,
                operators=REFERENCE,
                takes_window=Window.NEVER,
            )
        ),
    )
}


def register_metrics() -> None:
    """Make the metrics known to the criterion language."""
    for measure in MEASURES.values():
        METRICS.register(measure.definition)
