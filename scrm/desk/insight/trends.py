"""A community's days as charts. What nobody measured is a gap, not a zero."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from communities.metrics import COMMUNITY_METRICS
from communities.models import Community
from members.models import CommunityDay
from members.rules.insight import kept_value
from scrm.desk.charts import AMBER, BLUE, GREEN, RED, Chart, Series, line_chart, stacked_chart
from scrm.shared.figures import FigureUnit

type Value = float | None


@dataclass(frozen=True)
class Days:
    """The snapshots of a period, one place for each day; None where there is none yet."""

    days: list[date]
    rows: list[CommunityDay | None]

    @classmethod
    def of(cls, community: Community, *, since: date, until: date) -> Days:
        found = CommunityDay.objects.filter(community=community, day__gte=since, day__lte=until)
        rows = {row.day: row for row in found.defer("hour_actives")}
        days = [since + timedelta(days=ahead) for ahead in range((until - since).days + 1)]
        return cls(days, [rows.get(day) for day in days])

    @property
    def labels(self) -> list[str]:
        return [date_format(day, "m-d") for day in self.days]

    @property
    def measured(self) -> int:
        return sum(row is not None and row.is_measured for row in self.rows)

    def values(self, read: Callable[[CommunityDay], Value]) -> list[Value]:
        return [None if row is None else read(row) for row in self.rows]

    @property
    def owner_only(self) -> int:
        """Measured days on which nobody but colleagues said anything."""
        return sum(
            row is not None and bool(row.staff_message_count) and not row.message_count
            for row in self.rows
        )


def members_chart(days: Days) -> Chart:
    return line_chart(
        days.labels, [Series(_("成员"), days.values(lambda day: day.member_count_end), GREEN)]
    )


def movements_chart(days: Days) -> Chart:
    return line_chart(
        days.labels,
        [
            Series(_("加入"), days.values(lambda day: day.joined_count), GREEN),
            Series(_("离开"), days.values(lambda day: day.left_count), RED),
        ],
    )


def actives_chart(days: Days) -> Chart:
    return line_chart(
        days.labels,
        [
            Series(_("当天"), days.values(lambda day: day.active_count), GREEN),
            Series(_("近 7 天"), days.values(lambda day: day.active_count_7), BLUE),
            Series(_("近 28 天"), days.values(lambda day: day.active_count_28), AMBER),
        ],
    )


def voices_chart(days: Days) -> Chart:
    """Who speaks: members or colleagues."""
    return stacked_chart(
        days.labels,
        [
            Series(_("成员"), days.values(lambda day: day.message_count), GREEN),
            Series(_("员工"), days.values(lambda day: day.staff_message_count), AMBER),
        ],
    )


def buyers_chart(days: Days) -> Chart:
    """Who is active beside who buys: many of the one do not make many of the other."""
    return line_chart(
        days.labels,
        [
            Series(_("活跃成员"), days.values(lambda day: day.active_count), GREEN),
            Series(_("下单成员"), days.values(lambda day: day.buyer_count), RED),
        ],
    )


def sales_chart(days: Days) -> Chart:
    return stacked_chart(
        days.labels,
        [Series(_("净成交（元）"), days.values(lambda day: day.net_amount / 100), GREEN)],
    )


def figure_chart(days: Days, names: Sequence[str]) -> Chart:
    """How kept figures moved, week by week. Shares are shown in percent."""
    rows = [row for row in days.rows if row is not None and row.figures]
    series = []
    for name, colour in zip(names, (GREEN, BLUE, AMBER, RED), strict=False):
        definition = COMMUNITY_METRICS.get(name)
        if definition is None:
            continue
        times = 100 if definition.unit == FigureUnit.SHARE else 1
        values = [kept_value(row.figures, definition) for row in rows]
        label = f"{definition.label}（%）" if times == 100 else str(definition.label)
        scaled = [None if value is None else round(times * value, 2) for value in values]
        series.append(Series(label, scaled, colour))
    return line_chart([date_format(row.day, "m-d") for row in rows], series)
