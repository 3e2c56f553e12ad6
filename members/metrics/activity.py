"""What members do in communities, day by day, and how likely they are to fall silent."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from members.metrics.belonging import of_community
from members.metrics.measures import Measure, Moment, Reading, Rows, Source, days_since, plain
from members.models import ChurnScore, MemberDay
from scrm.shared.criteria import NUMERIC, MetricDefinition, ValueType, Window, Words
from scrm.shared.sql import Sql

ACTIVITY = _("成员日活跃")
TIMES = _("次")
DAYS = _("天")


def days_until_today(moment: Moment) -> QuerySet[MemberDay]:
    return MemberDay.objects.filter(enterprise=moment.enterprise, day__lte=moment.today)


def active_days(moment: Moment) -> Rows:
    return days_until_today(moment).values(
        "member_id",
        "community_id",
        "day",
        "message_count",
        "post_count",
        "comment_count",
        "checkin_count",
        "other_count",
    )


def checkin_days(moment: Moment) -> Rows:
    rows = days_until_today(moment).filter(checkin_count__gt=0)
    return rows.values("member_id", "community_id", "day")


def scores(moment: Moment) -> Rows:
    rows = ChurnScore.objects.filter(enterprise=moment.enterprise)
    return rows.values("member_id", "community_id", "probability")


def days_of_last_run(moment: Moment) -> Sql:
    """How many days the run has that ends today or yesterday; a day not yet over breaks none."""
    return Sql(
        "(SELECT upper(run) - lower(run) FROM unnest({column}) AS run"
        " WHERE upper(run) >= %s::date)",
        (moment.today,),
    )


def whole(moment: Moment) -> Sql:
    return Sql("{column}::integer")


MEMBER_DAYS = Source(active_days, time="day", is_daily=True)
CHECKIN_DAYS = Source(checkin_days, time="day", is_daily=True)
CHURN_SCORES = Source(scores)

INTERACTIONS = "r.message_count + r.post_count + r.comment_count + r.checkin_count + r.other_count"


def _activity(
    name: str,
    label: Words,
    definition: Words,
    aggregate: str,
    *,
    source: Source = MEMBER_DAYS,
    reading: Reading = plain,
    nothing: int | None = 0,
    is_latest: bool = False,
    value_type: ValueType = ValueType.COUNT,
    unit: Words = TIMES,
    window: Window = Window.OPTIONAL,
    taken_from: Words = ACTIVITY,
    version: int = 1,
) -> Measure:
    return Measure(
        MetricDefinition(
            name=name,
            label=label,
            unit=unit,
            source=taken_from,
            definition=definition,
            version=version,
            value_type=value_type,
            operators=NUMERIC,
            takes_window=window,
            parameter=ValueType.COMMUNITY,
        ),
        source,
        aggregate=aggregate,
        nothing=nothing,
        reading=reading,
        is_latest=is_latest,
        condition=of_community,
    )


MEASURES = (
    _activity(
        "post_count",
        _("发帖数"),
        _("所有社群的发帖次数，可限定一个社群。没有记为 0。"),
        "sum(r.post_count)",
        version=2,
    ),
    _activity(
        "comment_count",
        _("评论数"),
        _("所有社群的评论次数，可限定一个社群。没有记为 0。"),
        "sum(r.comment_count)",
        version=2,
    ),
    _activity(
        "message_count",
        _("发言数"),
        _("所有社群的发言次数，可限定一个社群。没有记为 0。"),
        "sum(r.message_count)",
        version=2,
    ),
    _activity(
        "interaction_count",
        _("互动次数"),
        _(
            "发言、发帖、评论、打卡和其他互动（点赞、转发等）之和，点击不算；可限定一个社群。"
            "没有记为 0。"
        ),
        f"sum({INTERACTIONS})",
        version=2,
    ),
    _activity(
        "active_days",
        _("活跃天数"),
        _("窗口内有任何活跃记录的天数，同一天在多个社群活跃只算一天；可限定一个社群。没有记为 0。"),
        "count(DISTINCT r.day)",
        unit=DAYS,
        window=Window.REQUIRED,
        version=2,
    ),
    _activity(
        "days_since_active",
        _("距上次活跃"),
        _("距最近一个有活跃记录的日子的天数，当天为 0；可限定一个社群。从未活跃则不满足任何条件。"),
        "max(r.day)",
        nothing=None,
        reading=days_since,
        is_latest=True,
        version=2,
        value_type=ValueType.DAYS,
        unit=DAYS,
        window=Window.NEVER,
    ),
    _activity(
        "checkin_streak",
        _("连续打卡"),
        _(
            "到今天或昨天为止连续打卡的天数，同一天在多个社群打卡只算一天；可限定一个社群。"
            "中断记为 0。"
        ),
        "range_agg(daterange(r.day, r.day, '[]'))",
        source=CHECKIN_DAYS,
        reading=days_of_last_run,
        value_type=ValueType.DAYS,
        unit=DAYS,
        window=Window.NEVER,
    ),
    _activity(
        "churn_risk",
        _("流失风险"),
        _("最近一次评分的流失概率，百分数；在几个社群的取最高，可限定一个社群。没有评分则不满足。"),
        "max(round(r.probability * 100))",
        source=CHURN_SCORES,
        nothing=None,
        reading=whole,
        value_type=ValueType.PERCENT,
        unit="%",
        window=Window.NEVER,
        taken_from=_("流失评分"),
    ),
)
