"""What came of a join way: scans, joins, quits, and who is still there.

A **scan** is a person opening the link. A **join** is a stay that began through the way, a
**quit** one that ended, except with its chat. An **early quit** is one of those joins that ended
within ``EARLY_DAYS``. **Current** are the stays that are open now, whenever they began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, TruncDate

from communities.models import JoinWay, JoinWayDay
from members.models import Stay
from members.rules.status import LeaveReason

EARLY_DAYS = 7
ONE_DAY = timedelta(days=1)

QUIT = Q(left_at__isnull=False) & ~Q(leave_reason=LeaveReason.DISSOLVED)
EARLY_QUIT = QUIT & Q(left_at__lt=F("joined_at") + timedelta(days=EARLY_DAYS))


@dataclass(frozen=True)
class Period:
    """Whole local days, both ends included."""

    first: date
    last: date
    zone: ZoneInfo

    @classmethod
    def until(cls, now: datetime, *, days: int, zone: ZoneInfo) -> Period:
        """The last ``days`` days, today included."""
        today = now.astimezone(zone).date()
        return cls(today - (days - 1) * ONE_DAY, today, zone)

    def covers(self, instant: str) -> Q:
        """That a field lies in the period, as a condition."""
        begin = datetime.combine(self.first, time.min, self.zone)
        end = datetime.combine(self.last + ONE_DAY, time.min, self.zone)
        return Q(**{f"{instant}__gte": begin, f"{instant}__lt": end})

    def days(self) -> Iterator[date]:
        day = self.first
        while day <= self.last:
            yield day
            day += ONE_DAY


@dataclass
class Figures:
    scans: int = 0
    joins: int = 0
    quits: int = 0
    early_quits: int = 0
    current: int = 0


def figures_of(way: JoinWay, period: Period) -> Figures:
    """The totals of one way."""
    return _counted(JoinWay.objects.filter(pk=way.pk), period, by="id")[way.pk]


def figures_by_source(ways: QuerySet[JoinWay], period: Period) -> Mapping[str, Figures]:
    """Totals of all ways that name the same source."""
    return _counted(ways, period, by="source")


def figures_by_day(way: JoinWay, period: Period) -> dict[date, Figures]:
    """Scans, joins and quits of every day of the period, also of those without any."""
    found = {day: Figures() for day in period.days()}
    scans = JoinWayDay.objects.filter(join_way=way, day__range=(period.first, period.last))
    for day, count in scans.values_list("day", "scan_count"):
        found[day].scans = count
    stays = Stay.objects.filter(join_way=way)
    for instant, name, condition in (("joined_at", "joins", Q()), ("left_at", "quits", QUIT)):
        days = stays.filter(period.covers(instant), condition).values(
            local_day=TruncDate(instant, tzinfo=period.zone)
        )
        for day, count in days.annotate(count=Count("pk")).values_list("local_day", "count"):
            setattr(found[day], name, count)
    return found


def with_figures(ways: QuerySet[JoinWay], period: Period) -> QuerySet[JoinWay]:
    """With ``scans``, ``joins`` and ``quits`` of the period, for a list."""
    stays = Stay.objects.filter(join_way=OuterRef("pk")).order_by().values("join_way")
    days = (
        JoinWayDay.objects.filter(join_way=OuterRef("pk"), day__range=(period.first, period.last))
        .order_by()
        .values("join_way")
    )
    return ways.annotate(
        scans=_or_zero(days.values(total=Sum("scan_count"))),
        joins=_or_zero(stays.filter(period.covers("joined_at")).values(total=Count("pk"))),
        quits=_or_zero(stays.filter(period.covers("left_at"), QUIT).values(total=Count("pk"))),
    )


def _or_zero(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


def _counted(ways: QuerySet[JoinWay], period: Period, *, by: str) -> dict[Any, Figures]:
    found: defaultdict[Any, Figures] = defaultdict(Figures)
    found.update({key: Figures() for key in ways.values_list(by, flat=True)})
    scans = JoinWayDay.objects.filter(
        join_way__in=ways, day__range=(period.first, period.last)
    ).values_list(f"join_way__{by}")
    for key, total in scans.annotate(total=Sum("scan_count")):
        found[key].scans = total
    stays = Stay.objects.filter(join_way__in=ways).values_list(f"join_way__{by}")
    joined = stays.filter(period.covers("joined_at"))
    for key, joins, early in joined.annotate(n=Count("pk"), early=Count("pk", filter=EARLY_QUIT)):
        found[key].joins, found[key].early_quits = joins, early
    for key, quits in stays.filter(period.covers("left_at"), QUIT).annotate(n=Count("pk")):
        found[key].quits = quits
    for key, current in stays.filter(left_at=None).annotate(n=Count("pk")):
        found[key].current = current
    return found
