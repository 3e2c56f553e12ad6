"""What can be measured about a group chat: for criteria that choose chats, not members.

A value is an SQL expression over a row called ``chat``. What nobody has measured is NULL, and a
clause over it is not met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from members.metrics.measures import Moment, coded
from members.metrics.standing import value_tree
from scrm.shared.criteria import (
    CHAT_METRICS,
    NUMERIC,
    REFERENCE,
    Clause,
    MetricDefinition,
    Operator,
    ValueType,
    Window,
    Words,
)
from scrm.shared.sql import Sql, sql

CHATS = _("客户群")
DAYS = _("天")


@dataclass(frozen=True, slots=True)
class ChatMeasure:
    """A number, or for a metric that names something whether the chat has it."""

    definition: MetricDefinition
    value: Callable[[Clause, Moment], Sql]


def _carried_by(clause: Clause, moment: Moment) -> Sql:
    return sql(
        "COALESCE(chat.community_id = {}, FALSE)",
        coded("communities_community", str(clause.value), moment),
    )


def _classified(clause: Clause, moment: Moment) -> Sql:
    return sql(
        "EXISTS (SELECT FROM communities_community_classification_values carried"
        " WHERE carried.community_id = chat.community_id"
        " AND carried.classificationvalue_id = ANY({}))",
        value_tree(str(clause.value), moment),
    )


def _owned_by(clause: Clause, moment: Moment) -> Sql:
    return sql("COALESCE(chat.owner_id::text = {}, FALSE)", str(clause.value))


def _in_state(clause: Clause, moment: Moment) -> Sql:
    return sql("(chat.state = {})", str(clause.value))


def _size(clause: Clause, moment: Moment) -> Sql:
    return Sql("chat.member_count")


def _fullness(clause: Clause, moment: Moment) -> Sql:
    return Sql("((chat.member_count + chat.staff_count) * 100 / NULLIF(chat.capacity, 0))")


def _age(clause: Clause, moment: Moment) -> Sql:
    return sql(
        "({}::date - (chat.founded_at AT TIME ZONE {})::date)",
        moment.today,
        moment.enterprise.time_zone,
    )


def _days_since_active(clause: Clause, moment: Moment) -> Sql:
    return sql(
        "({}::date - (SELECT max(day) FROM members_memberday lively"
        " WHERE lively.community_id = chat.community_id AND lively.day <= {}))",
        moment.today,
        moment.today,
    )


def _measure(
    name: str,
    label: Words,
    definition: Words,
    value_type: ValueType,
    value: Callable[[Clause, Moment], Sql],
    *,
    unit: Words = "",
    operators: tuple[Operator, ...] = NUMERIC,
) -> ChatMeasure:
    described = MetricDefinition(
        name=name,
        label=label,
        unit=unit,
        source=CHATS,
        definition=definition,
        version=1,
        value_type=value_type,
        operators=operators,
        takes_window=Window.NEVER,
    )
    return ChatMeasure(described, value)


def _naming(
    name: str,
    label: Words,
    definition: Words,
    value_type: ValueType,
    value: Callable[[Clause, Moment], Sql],
) -> ChatMeasure:
    return _measure(name, label, definition, value_type, value, operators=REFERENCE)


MEASURES = (
    _naming("chat_owner", _("群主"), _("现在的群主是否是这位员工。"), ValueType.STAFF, _owned_by),
    _naming(
        "chat_community",
        _("所属社群"),
        _("现在是否属于这个社群，用社群代码指明。"),
        ValueType.COMMUNITY,
        _carried_by,
    ),
    _naming(
        "chat_classified_as",
        _("社群分类"),
        _("所属社群是否有这个分类值或它下面的任何值，写成“维度:值”。"),
        ValueType.CLASSIFICATION,
        _classified,
    ),
    _naming(
        "chat_state", _("群的状态"), _("正常、已满或转让中。"), ValueType.CHAT_STATE, _in_state
    ),
    _measure(
        "chat_size",
        _("群人数"),
        _("群里的客户人数，不含本企业员工。"),
        ValueType.COUNT,
        _size,
        unit=_("人"),
    ),
    _measure(
        "chat_fullness",
        _("群满的程度"),
        _("客户和员工占群容量的百分比，舍去小数。"),
        ValueType.PERCENT,
        _fullness,
        unit="%",
    ),
    _measure(
        "chat_age_days",
        _("建群天数"),
        _("从平台告知的建群日到今天；平台没有告知的不满足任何条件。"),
        ValueType.DAYS,
        _age,
        unit=DAYS,
    ),
    _measure(
        "chat_days_since_active",
        _("多少天没有动静"),
        _("所属社群最近一天有成员活跃到今天；没有活跃数据的不满足任何条件。"),
        ValueType.DAYS,
        _days_since_active,
        unit=DAYS,
    ),
)

CHAT_MEASURES = {measure.definition.name: measure for measure in MEASURES}


def register_chat_metrics() -> None:
    """Make the metrics of chats known to the criterion language."""
    for measure in MEASURES:
        CHAT_METRICS.register(measure.definition)
