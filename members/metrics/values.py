"""What members are worth and how they behave, as it was computed in the night.

Only members who may be profiled have a value. Nobody else meets a clause that asks for one; a
clause that asks for not being in a group is met by those who were not valued, too.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from members.metrics.measures import Measure, Moment, Rows, Source, holding
from members.models import MemberValue
from scrm.shared.criteria import (
    NUMERIC,
    REFERENCE,
    MetricDefinition,
    Operator,
    ValueType,
    Window,
    Words,
)
from scrm.shared.sql import Sql, sql

NIGHTLY = _("成员价值（每晚计算）")


def values(moment: Moment) -> Rows:
    rows = MemberValue.objects.filter(enterprise=moment.enterprise)
    return rows.values(
        "member_id",
        "segment",
        "recency",
        "frequency",
        "monetary",
        "behaviour",
        "clv_amount",
        "clv_band",
    )


VALUES = Source(values)


def in_segment(name: str, moment: Moment) -> Sql:
    return sql("r.segment = {}", name)


def in_band(name: str, moment: Moment) -> Sql:
    return sql("r.clv_band = {}", name)


def behaving(name: str, moment: Moment) -> Sql:
    return sql("r.behaviour = {}", name)


def _definition(
    name: str,
    label: Words,
    definition: Words,
    value_type: ValueType,
    *,
    unit: Words = "",
    operators: tuple[Operator, ...] = NUMERIC,
) -> MetricDefinition:
    return MetricDefinition(
        name=name,
        label=label,
        unit=unit,
        source=NIGHTLY,
        definition=definition,
        version=1,
        value_type=value_type,
        operators=operators,
        takes_window=Window.NEVER,
    )


def _score(name: str, column: str, label: Words, definition: Words) -> Measure:
    points = _("分")
    described = _definition(name, label, definition, ValueType.RANK, unit=points)
    return Measure(described, VALUES, aggregate=f"nullif(max(r.{column}), 0)")


MEASURES = (
    holding(
        _definition(
            "rfm_segment",
            _("RFM 分群"),
            _(
                "按 R、F 分数分的群：重要价值、重要发展、新客户、需要关注、重要挽留、沉睡。"
                "没有评分的人不在任何群。"
            ),
            ValueType.RFM_SEGMENT,
            operators=REFERENCE,
        ),
        VALUES,
        in_segment,
    ),
    _score(
        "rfm_recency",
        "recency",
        _("R 分数"),
        _("最近一次购买有多近，1 到 5，五等分，相同的分数相同。没有评分则不满足任何条件。"),
    ),
    _score(
        "rfm_frequency",
        "frequency",
        _("F 分数"),
        _("购买天数 1、2、3、4 至 5、6 以上分别得 1 到 5 分。没有评分则不满足任何条件。"),
    ),
    _score(
        "rfm_monetary",
        "monetary",
        _("M 分数"),
        _("累计净消费，1 到 5，五等分，相同的分数相同。没有评分则不满足任何条件。"),
    ),
    Measure(
        _definition(
            "clv",
            _("预计价值"),
            _(
                "未来 12 个月预计净消费，按每年 10% 折现（BG/NBD × Gamma-Gamma）。"
                "无法估计则不满足任何条件。"
            ),
            ValueType.MONEY,
            unit=_("分"),
        ),
        VALUES,
        aggregate="max(r.clv_amount)",
    ),
    holding(
        _definition(
            "clv_band",
            _("价值档"),
            _("预计价值最高的五分之一为高，其后十分之三为中，其余为低；无法估计的另成一档。"),
            ValueType.VALUE_BAND,
            operators=REFERENCE,
        ),
        VALUES,
        in_band,
    ),
    holding(
        _definition(
            "behaviour",
            _("行为标签"),
            _(
                "近 28 天：发帖的为内容贡献，发言或评论的为积极发言，只有其他互动的为只互动；"
                "都没有的，加入不满 28 天为新加入，否则为沉默；所在社群没有数据的为没有数据。"
            ),
            ValueType.BEHAVIOUR,
            operators=REFERENCE,
        ),
        VALUES,
        behaving,
    ),
)
