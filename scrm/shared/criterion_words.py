"""A criterion as a sentence for people."""

from __future__ import annotations

from django.utils.translation import gettext as _

from scrm.shared.criteria import (
    METRICS,
    AllOf,
    AnyOf,
    Clause,
    Criterion,
    InvalidCriterion,
    MetricRegistry,
    Node,
    Not,
    Operator,
    Value,
    ValueType,
    parse_criterion,
)

SIGNS = {
    Operator.GTE: "≥",
    Operator.GT: ">",
    Operator.LTE: "≤",
    Operator.LT: "<",
    Operator.EQ: "=",
}


def describe(criterion: Criterion, *, registry: MetricRegistry = METRICS) -> str:
    """For example: 近 90 天购买次数 ≥ 3，并且近 90 天发帖数 ≥ 10"""
    if criterion.root is None:
        return _("没有门槛")
    return _phrase(criterion.root, registry)


def describe_stored(raw: object, *, registry: MetricRegistry = METRICS) -> str:
    """The sentence of a criterion as it lies in the database, where it was checked on writing."""
    try:
        return describe(parse_criterion(raw, registry=registry), registry=registry)
    except InvalidCriterion:
        return _("门槛含有已不存在的指标，请重新设置。")


def describe_clause(clause: Clause, *, registry: MetricRegistry = METRICS) -> str:
    definition = registry.get(clause.metric)
    if definition is None:
        return clause.metric
    if clause.op is Operator.IS:
        return _("在社群 %(code)s 中") % {"code": clause.value}
    if clause.op is Operator.IS_NOT:
        return _("不在社群 %(code)s 中") % {"code": clause.value}
    facts = {
        "days": clause.window_days,
        "label": definition.label,
        "sign": SIGNS[clause.op],
        "amount": amount_in_words(clause.value, definition.value_type),
    }
    if clause.window_days is None:
        return _("%(label)s %(sign)s %(amount)s") % facts
    return _("近 %(days)d 天%(label)s %(sign)s %(amount)s") % facts


def amount_in_words(value: Value, value_type: ValueType) -> str:
    """A measured or required value with its unit, money in whole units."""
    if isinstance(value, str):
        return value
    if value_type is ValueType.MONEY:
        return _("%(amount)s 元") % {"amount": f"{value // 100:,}.{value % 100:02d}"}
    if value_type is ValueType.DAYS:
        return _("%(days)d 天") % {"days": value}
    return f"{value:,}"


def _phrase(node: Node, registry: MetricRegistry) -> str:
    match node:
        case Clause():
            return describe_clause(node, registry=registry)
        case Not(part):
            return _("不满足“%(phrase)s”") % {"phrase": _phrase(part, registry)}
        case AllOf(parts):
            return _("，并且").join(_nested(part, registry) for part in parts) or _("没有门槛")
        case AnyOf(parts):
            return _("，或者").join(_nested(part, registry) for part in parts)


def _nested(node: Node, registry: MetricRegistry) -> str:
    phrase = _phrase(node, registry)
    if isinstance(node, AllOf | AnyOf) and len(node.parts) > 1:
        return f"（{phrase}）"
    return phrase
